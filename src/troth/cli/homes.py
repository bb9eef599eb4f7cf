"""Commands on a home as a whole: init, record, ledger."""

from __future__ import annotations

from pathlib import Path

import click

from troth.app import home as homes
from troth.cli.output import TEXT, as_json, count, print_json, print_table, rehearse
from troth.core.entries import Act
from troth.core.written import write_event


@click.command()
@click.argument("directory", required=False, type=click.Path(path_type=Path))
@click.option("--origin", type=TEXT, help="The name of its public log, such as example.com/log.")
@click.option(
    "--ledger",
    "address",
    type=TEXT,
    help="Keep the ledger in this PostgreSQL database, for several workers: postgresql://…",
)
@as_json
@click.pass_obj
def init(default: str, directory: Path | None, origin: str | None, address: str | None, json_: bool) -> None:
    """Make a new home: configuration, keys (readable by you alone), ledger, public log."""
    home = homes.init(directory or Path(default), origin, address)
    if json_:
        print_json({"home": str(home.path), "position": home.position})
        return
    click.echo(f"made the home {home.path}")
    click.echo(f"the operator's key is {home.key_path}: keep a copy of it in a safe place")


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--request", type=TEXT, help="An id of yours; repeating it returns the first receipts.")
@click.option("--dry-run", is_flag=True, help="Check everything and write nothing.")
@as_json
@click.pass_obj
def record(path: str, files: tuple[Path, ...], request: str | None, dry_run: bool, json_: bool) -> None:
    """Record any events from YAML files in the form of case files: all of them or none."""
    home = homes.open_home(path)
    written = homes.read_events_files(files)
    if dry_run:
        rehearse(home, written, json_)
        return
    receipts = home.append(written.events, request=request, places=written.places)
    if json_:
        print_json([receipt.as_json() for receipt in receipts])
    else:
        click.echo(f"recorded at {receipts[0].position} to {receipts[-1].position}")


_LAST = 2**60
"""More positions than any ledger has, and fewer than its store can count."""


@click.group()
def ledger() -> None:
    """The ledger: show entries, check them."""


@ledger.command("show")
@click.option("--from", "start", type=click.IntRange(min=0, max=_LAST), default=0, help="First position.")
@click.option("--limit", type=click.IntRange(min=1, max=_LAST), default=20, show_default=True)
@as_json
@click.pass_obj
def show(path: str, start: int, limit: int, json_: bool) -> None:
    """Show entries: what the public sees and what they say."""
    with homes.open_home(path).reading() as store:
        rows = []
        for stored in store.entries(start, start + limit):
            what = stored.what
            body = what.details if isinstance(what, Act) else write_event(what) if what is not None else None
            rows.append((stored, body))
    if json_:
        print_json(
            [
                {
                    "position": stored.position,
                    "type": stored.entry.type,
                    "time": stored.entry.time,
                    "commitment": stored.entry.commitment.hex(),
                    "body": body,
                }
                for stored, body in rows
            ]
        )
        return
    print_table(
        ("position", "type", "time", "says"),
        [(stored.position, stored.entry.type, stored.entry.time, _short(body)) for stored, body in rows],
    )


_SHOWN = 100


def _short(body: object) -> str:
    if body is None:
        return "(erased)"
    text = ", ".join(
        f"{key}: {value}" for key, value in (body.items() if isinstance(body, dict) else [("", body)])
    )
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


@ledger.command("check")
@as_json
@click.pass_obj
def check(path: str, json_: bool) -> None:
    """Re-derive every commitment and every member's chain. Exit status 1 if something is damaged."""
    with homes.open_home(path).reading() as store:
        wrong = store.check()
        size = store.size
    if json_:
        print_json({"ok": not wrong, "entries": size, "findings": wrong})
    elif not wrong:
        click.echo(f"{count(size)} entries, all in order")
    else:
        for one in wrong:
            click.echo(one)
        click.echo("the ledger is damaged: restore it from a backup")
    if wrong:
        raise SystemExit(1)
