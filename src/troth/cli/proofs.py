"""Commands on proofs: member secret, directory seal and list, prove."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from troth.app import directories, proofs
from troth.app import home as homes
from troth.app.crowd import LedgerPeople
from troth.cli.output import NEW_FILE, TEXT, as_json, count, print_json, print_table
from troth.core.errors import BadInput, Place
from troth.core.findings import Findings


@click.group()
def member() -> None:
    """Members' accounts: the secret that proofs are made with."""


@member.command("secret")
@click.argument("subject", type=TEXT)
@click.option(
    "--out", type=NEW_FILE, required=True, metavar="FILE", help="Where to write it, readable by you alone."
)
@click.option("--again", is_flag=True, help="Hand it out once more.")
@as_json
@click.pass_obj
def secret(path: str, subject: str, out: Path, again: bool, json_: bool) -> None:
    """Hand out a member's secret, once: to be given to this member and nobody else."""
    _check_new(out)
    data = directories.hand_out(homes.open_home(path), subject, again=again)
    _write_private(out, data)
    if json_:
        print_json({"out": str(out)})
        return
    click.echo(f"wrote {out}")
    click.echo("give it to this member and nobody else: whoever has it sees in which releases the member is")


@member.command("openings")
@click.argument("subject", type=TEXT)
@click.option(
    "--out", type=NEW_FILE, required=True, metavar="FILE", help="Where to write it, readable by you alone."
)
@as_json
@click.pass_obj
def openings(path: str, subject: str, out: Path, json_: bool) -> None:
    """Hand out a member's history, opened: with it the member shows what the log holds of them."""
    from troth.app import claims

    _check_new(out)
    _write_private(out, claims.openings_of_member(homes.open_home(path), subject))
    if json_:
        print_json({"out": str(out)})
        return
    click.echo(f"wrote {out}")
    click.echo("give it to this member and nobody else: it says what they chose, and when")


@click.group()
def directory() -> None:
    """The directories that bind accounts to secrets, epoch by epoch."""


@directory.command("seal")
@as_json
@click.pass_obj
def seal(path: str, json_: bool) -> None:
    """Give everybody known an account, and seal the directory if anything changed since. (Releases do it too.)"""
    home = homes.open_home(path)
    made = directories.cover(home, LedgerPeople(home, home.position))
    sealed = directories.seal(home)
    if json_:
        print_json({**sealed.as_json(), "made": made})
    else:
        click.echo(f"epoch {sealed.epoch}: {count(sealed.accounts)} accounts, {count(made)} of them new")
        click.echo(f"root {sealed.root.hex()}, recorded at {count(sealed.entry)}")


@directory.command("list")
@as_json
@click.pass_obj
def list_(path: str, json_: bool) -> None:
    """List the directories that the ledger knows."""
    found = directories.listed(homes.open_home(path))
    if json_:
        print_json([one.as_json() for one in found])
        return
    print_table(
        ("epoch", "entry", "accounts", "root"),
        [(one.epoch, one.entry, one.accounts, one.root.hex()) for one in found],
    )


@click.command()
@click.option("--subject", type=TEXT, help="The member.")
@click.option(
    "--secret",
    "secret_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The member's secret file; without it the home's own copy is taken.",
)
@click.option("--release", required=True, type=TEXT, metavar="DIR|ID", help="The release's folder or id.")
@click.option("--rows", is_flag=True, help="Open the member's own rows too: the proof then holds their text.")
@click.option("--out", type=NEW_FILE, metavar="FILE", help="Where to write the proof, readable by you alone.")
@as_json
@click.pass_obj
def prove(
    path: str,
    subject: str | None,
    secret_file: Path | None,
    release: str,
    rows: bool,
    out: Path | None,
    json_: bool,
) -> None:
    """Prove that a member's messages are in a release, or that none is."""
    if out is not None:
        _check_new(out)
    made = proofs.prove(homes.open_home(path), release, subject, secret_file, rows=rows)
    if out is not None:
        _write_private(out, made.data)
    if json_:
        print_json(json.loads(made.data))
        return
    click.echo(f"{made.proof.claim} of {subject or 'this account'} in {made.proof.release}")
    say(made.findings)
    if out is None:
        click.echo("keep the proof with --out FILE")
        return
    click.echo(f"wrote {out} ({count(len(made.data))} bytes); check it anywhere with:")
    click.echo(f"  troth verify {out} --release-manifest DIR")
    click.echo("it holds the member's secret: whoever gets it sees in which other releases the member is")


def say(findings: Findings) -> None:
    """What was found, line by line."""
    for finding in findings.findings:
        where = f"{finding.where}: " if finding.where else ""
        click.echo(f"  {finding.level}: {where}{finding.what}")


def _check_new(out: Path) -> None:
    if os.path.lexists(out):
        raise BadInput("is there already", place=Place(str(out)), remedy="name a new file")


def _write_private(out: Path, data: bytes) -> None:
    """Write a new file that its owner alone can read: all of it or nothing."""
    making = out.with_name(f".{out.name}.making")
    making.unlink(missing_ok=True)
    descriptor = os.open(making, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        making.rename(out)
    except BaseException:
        making.unlink(missing_ok=True)
        raise
