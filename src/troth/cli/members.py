"""Commands on members: attributes, choices, consents, withdrawals, objections, erasure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from troth.app import home as homes
from troth.app import people
from troth.cli.output import TEXT, as_json, at_option, count, print_json, print_table
from troth.core.events import Choose, Consent, Event, Objection, Withdraw, subject_of
from troth.core.values import check_category, check_purpose, check_recipient
from troth.core.written import write_event


@click.group()
def subjects() -> None:
    """Members and their dated attributes."""


@subjects.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Check everything and write nothing.")
@as_json
@click.pass_obj
def import_(path: str, file: Path, dry_run: bool, json_: bool) -> None:
    """Import attributes from CSV, JSON lines or Parquet: subject, since, jurisdiction, tier, born, status."""
    read, recorded = people.import_subjects(homes.open_home(path), file, dry_run=dry_run)
    if json_:
        print_json({"read": read, "recorded": recorded})
    elif dry_run:
        click.echo(f"{count(read)} rows are in order; nothing was written")
    else:
        click.echo(f"recorded {count(recorded)} entries of {count(read)} rows")


@subjects.command("show")
@click.argument("subject", type=TEXT)
@as_json
@click.pass_obj
def show(path: str, subject: str, json_: bool) -> None:
    """Show a member's history."""
    with homes.open_home(path).reading() as ledger:
        history = ledger.history(subject)
    if json_:
        print_json([{"position": position, **write_event(event)} for position, event in history])
        return
    if not history:
        click.echo(f"the ledger holds nothing about {subject!r}", err=True)
    print_table(
        ("position", "what", "details"),
        [(position, *_spelled(event)) for position, event in history],
    )


def _spelled(event: Event) -> tuple[str, str]:
    written = write_event(event)
    inner = next(iter(written.values()))
    kind, fields = (next(iter(written)), inner) if isinstance(inner, dict) else ("attributes", written)
    return kind, ", ".join(f"{key} {value}" for key, value in fields.items() if key != "subject")


@click.group()
def setting() -> None:
    """A member's switches."""


@setting.command("choose")
@click.argument("subject", type=TEXT)
@click.argument("name", metavar="SETTING", type=TEXT)
@click.argument("value", type=click.Choice(["on", "off"]))
@click.option("--covers-past", is_flag=True, help="On also for what was written before.")
@click.option(
    "--by",
    type=click.Choice(["member", "guardian", "operator", "signal"]),
    default="member",
    show_default=True,
)
@at_option
@as_json
@click.pass_obj
def choose(
    path: str, subject: str, name: str, value: str, covers_past: bool, by: str, at: str | None, json_: bool
) -> None:
    """Set a switch for a member."""
    now = homes.instant_or_now(at)
    _append(path, [Choose(subject, name, value == "on", now, by, covers_past)], json_)


@click.group()
def consent() -> None:
    """A member's consents."""


@consent.command("give")
@click.argument("subject", type=TEXT)
@click.argument("consent_id", metavar="ID", type=TEXT)
@click.option("--purpose", "purposes", multiple=True, required=True)
@click.option("--category", "categories", multiple=True, required=True)
@click.option("--recipient", "recipients", multiple=True, required=True)
@click.option("--covers-past", is_flag=True)
@click.option("--expires-at", metavar="INSTANT")
@at_option
@as_json
@click.pass_obj
def give(
    path: str,
    subject: str,
    consent_id: str,
    purposes: Sequence[str],
    categories: Sequence[str],
    recipients: Sequence[str],
    covers_past: bool,
    expires_at: str | None,
    at: str | None,
    json_: bool,
) -> None:
    """Record an explicit yes."""
    event = Consent(
        consent_id,
        subject,
        tuple(map(check_purpose, purposes)),
        tuple(map(check_category, categories)),
        tuple(map(check_recipient, recipients)),
        homes.instant_or_now(at),
        covers_past,
        homes.instant_or_now(expires_at) if expires_at else None,
    )
    _append(path, [event], json_)


@consent.command("withdraw")
@click.argument("subject", type=TEXT)
@click.argument("consent_id", metavar="ID", type=TEXT)
@at_option
@as_json
@click.pass_obj
def withdraw_consent(path: str, subject: str, consent_id: str, at: str | None, json_: bool) -> None:
    """Take back one consent."""
    _append(path, [Withdraw(subject, homes.instant_or_now(at), consent=consent_id)], json_)


@click.command()
@click.argument("subject", type=TEXT)
@click.option("--setting", "name", metavar="SETTING", type=TEXT, help="Switch off this setting.")
@click.option("--all", "everything", is_flag=True, help="Every consent and setting; also an objection.")
@click.option("--preview", is_flag=True, help="Say what it would touch, and record nothing.")
@at_option
@as_json
@click.pass_obj
def withdraw(
    path: str, subject: str, name: str | None, everything: bool, preview: bool, at: str | None, json_: bool
) -> None:
    """Take back a setting, or everything. No model serves what was taken back once this returns."""
    if (name is None) != everything:
        raise click.UsageError("name a --setting, or say --all")
    event = Withdraw(subject, homes.instant_or_now(at), setting=name)
    if preview:
        _preview(path, event, json_)
    else:
        _append(path, [event], json_)


def _preview(path: str, event: Withdraw, json_: bool) -> None:
    from troth.app import unlearning

    found = unlearning.preview(homes.open_home(path), [event])
    if json_:
        print_json(found)
        return
    said = {
        True: "holds rows of theirs",
        False: "holds nothing of theirs",
        None: "not known here: ask its proofs",
    }
    for one in found["releases"]:
        click.echo(f"release {one['release']}: {said[one['holds_theirs']]}")
    for one in found["models"]:
        parts = f", {one['parts']} of {one['of_parts']} parts" if one["of_parts"] else ""
        seconds = "" if one["seconds"] is None else f" (about {one['seconds']} s)"
        click.echo(
            f"model {one['model']}: {count(one['records'])} records{parts}: {one['consequence']}{seconds}"
        )
    if not found["models"]:
        click.echo("no model holds anything that this takes back")
    click.echo("nothing was recorded")


@click.command("object")
@click.argument("subject", type=TEXT)
@at_option
@as_json
@click.pass_obj
def object_(path: str, subject: str, at: str | None, json_: bool) -> None:
    """Record an objection to training."""
    _append(path, [Objection(subject, homes.instant_or_now(at))], json_)


@click.command()
@click.argument("subject", type=TEXT)
@at_option
@click.option(
    "--bodies",
    is_flag=True,
    help="Also erase for good the bodies and salts of the member's earlier ledger entries.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@as_json
@click.pass_obj
def erase(path: str, subject: str, at: str | None, bodies: bool, yes: bool, json_: bool) -> None:
    """Record a member's erasure: nothing of theirs is used from then on."""
    if bodies and not yes:
        click.confirm("erased bodies cannot be brought back. Erase them?", abort=True, err=True)
    home = homes.open_home(path)
    doubt = _doubt(home, subject)
    receipt, erased = people.erase(home, subject, at, bodies=bodies)
    _say_doubts([doubt])
    touched: list[dict[str, Any]] = []
    if (home.path / "models").is_dir():
        from troth.app import unlearning

        touched = unlearning.honour_all(home)
    opened = _recall(home)
    if json_:
        print_json(receipt.as_json() | {"bodies_erased": erased})
    else:
        click.echo(f"recorded at {count(receipt.position)}")
        if bodies:
            click.echo(f"erased the bodies of {count(erased)} earlier entries")
        _say_touched(touched)
        _say_recalls(opened)


def _append(path: str, events: Sequence[Event], json_: bool) -> None:
    home = homes.open_home(path)
    doubts = [_doubt(home, subject or "") for subject in dict.fromkeys(map(subject_of, events))]
    receipts: list[dict[str, Any]]
    if not (home.path / "models").is_dir():  # so that the command stays quick where there are none
        receipts, touched = [receipt.as_json() for receipt in home.append(events)], []
    else:
        from troth.app import unlearning

        answer = unlearning.record_and_honour(home, events)
        receipts, touched = answer["receipts"], answer["models"]
    opened = _recall(home)
    _say_doubts(doubts)
    if json_:
        print_json([{**one, "models": touched} for one in receipts] if touched else receipts)
        return
    click.echo(f"recorded at {count(receipts[-1]['position'])}")
    _say_touched(touched)
    _say_recalls(opened)


def _doubt(home: homes.Home, subject: str) -> str | None:
    """What to say where nothing tells who a member is: what is recorded of a misspelt name helps nobody."""
    near = people.unknown(home, subject)
    if near is None:
        return None
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
    return f"note: no attributes of {subject!r} are known here; recorded all the same{hint}"


def _say_doubts(doubts: Sequence[str | None]) -> None:
    for doubt in filter(None, doubts):
        click.echo(doubt, err=True)


def _recall(home: homes.Home) -> int:
    """Open the recalls that follow, if anything ever left; how many."""
    if not (home.path / "holdings").is_dir():
        return 0
    from troth.app import recalls

    return len(recalls.sync(home))


def _say_recalls(opened: int) -> None:
    if opened:
        click.echo(f"{count(opened)} recalls were opened; see them with: troth recalls")


def _say_touched(touched: Sequence[dict[str, Any]]) -> None:
    for one in touched:
        if one["elsewhere"]:
            click.echo(
                f"model {one['model']}: holds {count(one['records'])} records of theirs and was trained elsewhere:"
                " take it out of use or train it anew"
            )
        else:
            click.echo(
                f"model {one['model']}: serves without {count(one['records'])} records since"
                f" {count(one['clean_after_ms'])} ms; make it again with: troth unlearn {one['model']}"
            )
