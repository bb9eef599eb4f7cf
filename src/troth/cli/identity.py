"""Commands on accounts that are one person's."""

from __future__ import annotations

import click

from troth.app import home as homes
from troth.app import identity as app
from troth.cli.output import TEXT, as_json, at_option, print_json, print_table
from troth.core.values import format_instant

_evidence = click.option("--evidence", required=True, type=TEXT, help="Why this is known.")


@click.group()
def identity() -> None:
    """Accounts that are one person's: a no under one of them reaches all."""


@identity.command("join")
@click.argument("subject", type=TEXT)
@click.argument("account", type=TEXT)
@_evidence
@at_option
@as_json
@click.pass_obj
def join(path: str, subject: str, account: str, evidence: str, at: str | None, json_: bool) -> None:
    """Record that ACCOUNT is SUBJECT's."""
    home = homes.open_home(path)
    receipt = app.join(home, subject, account, evidence, at)
    if json_:
        print_json({"receipt": receipt.as_json(), "accounts": [*app.accounts(home, subject)]})
        return
    click.echo(f"{account} counts as {subject}'s from ledger position {receipt.position} on")
    click.echo("what was said no to under any of their accounts now holds for all of them")


@identity.command("undo")
@click.argument("account", type=TEXT)
@_evidence
@at_option
@as_json
@click.pass_obj
def undo(path: str, account: str, evidence: str, at: str | None, json_: bool) -> None:
    """Undo the join of ACCOUNT."""
    receipt = app.undo(homes.open_home(path), account, evidence, at)
    if json_:
        print_json({"receipt": receipt.as_json()})
        return
    click.echo(f"{account} stands for itself again, from ledger position {receipt.position} on")


@identity.command("list")
@click.argument("subject", required=False, type=TEXT)
@as_json
@click.pass_obj
def list_(path: str, subject: str | None, json_: bool) -> None:
    """List the joins that hold, all or those of one person by any of their accounts."""
    found = app.listed(homes.open_home(path), subject)
    if json_:
        print_json(
            [
                {
                    "subject": one.subject,
                    "account": one.account,
                    "evidence": one.evidence,
                    "at": format_instant(one.at),
                    "position": one.position,
                }
                for one in found
            ]
        )
        return
    if not found:
        click.echo("no accounts are joined", err=True)
        return
    print_table(
        ("subject", "account", "evidence", "since position"),
        [(one.subject, one.account, one.evidence, one.position) for one in found],
    )


@identity.command("doubtful")
@click.option("--stated", is_flag=True, help="Only what an export itself states.")
@as_json
@click.pass_obj
def doubtful(path: str, stated: bool, json_: bool) -> None:
    """List accounts that may be one person's. Nothing is joined by itself."""
    found = [one for one in app.doubtful(homes.open_home(path)) if one.sure or not stated]
    if json_:
        print_json([one.as_json() for one in found])
        return
    if not found:
        click.echo("nothing is in doubt", err=True)
        return
    print_table(
        ("account", "other account", "what speaks for it", "stated by an export", "records"),
        [(one.account, one.other, one.why, "yes" if one.sure else "no", one.records) for one in found],
    )
    click.echo("join those that you can prove: troth identity join SUBJECT ACCOUNT --evidence …")
