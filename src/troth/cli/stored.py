"""Commands on imported records: show, correct, delete."""

from __future__ import annotations

from pathlib import Path

import click

from troth.app import home as homes
from troth.app import stored
from troth.cli.output import TEXT, as_json, at_option, count, print_json, print_table, progress
from troth.core.values import format_instant

_INSTANTS = ("created_at", "deleted_at")


@click.group()
def records() -> None:
    """Imported records: look at one, correct them, delete them. Sealed releases keep what they hold."""


@records.command("show")
@click.argument("record", metavar="ID", type=TEXT)
@as_json
@click.pass_obj
def show(path: str, record: str, json_: bool) -> None:
    """Show a stored record."""
    found = stored.show(homes.open_home(path), record)
    for name in _INSTANTS:
        value = found[name]
        found[name] = format_instant(value) if isinstance(value, int) else None
    if json_:
        print_json(found)
        return
    rows = [
        (name, ", ".join(map(str, value)) if isinstance(value, list) else value)
        for name, value in found.items()
    ]
    print_table(("column", "value"), [(name, "" if value is None else value) for name, value in rows])


@records.command("correct")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--mapping", type=click.Path(path_type=Path), metavar="FILE", help="Which columns are which (YAML)."
)
@click.option("--dry-run", is_flag=True, help="Read and count everything, change nothing.")
@as_json
@click.pass_obj
def correct(path: str, paths: tuple[Path, ...], mapping: Path | None, dry_run: bool, json_: bool) -> None:
    """Replace columns of stored records by the rows of tables with the same ids.

    A column that a table lacks stays as it is stored. Deleted records are not brought back.
    """
    home = homes.open_home(path)
    with progress("reading corrections") as report:
        done = stored.correct(home, paths, mapping=mapping, dry_run=dry_run, progress=report)
    if json_:
        print_json(done.as_json())
        return
    click.echo(f"{count(done.corrected)} records {'would be corrected' if dry_run else 'corrected'}")
    for name, number in sorted(done.columns.items()):
        click.echo(f"  {count(number)} in {name}")
    click.echo(f"{count(done.unchanged)} are so already")
    click.echo(f"{count(done.rejected)} rejected" + (f": {done.rejects_file}" if done.rejects_file else ""))
    for reason, number in done.reasons.most_common(8):
        click.echo(f"  {count(number)} {reason}")
    if done.corrected and not dry_run:
        click.echo("releases that are sealed keep what they hold; build new ones from here on")


@records.command("delete")
@click.argument("ids", metavar="[ID]...", nargs=-1, type=TEXT)
@click.option(
    "--from", "file", type=click.Path(path_type=Path), metavar="FILE", help="Ids from a file, one a line."
)
@click.option("--by", "author", type=TEXT, metavar="SUBJECT", help="All that this member wrote.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@at_option
@as_json
@click.pass_obj
def delete(
    path: str,
    ids: tuple[str, ...],
    file: Path | None,
    author: str | None,
    yes: bool,
    at: str | None,
    json_: bool,
) -> None:
    """Delete stored records: title and body go for good, so that nothing uses them from T on.

    Id, parties and dates stay, so that the record is not taken in again.
    """
    home = homes.open_home(path)
    named = [
        *ids,
        *(stored.read_ids(file) if file else ()),
        *(stored.written_by(home, author) if author else ()),
    ]
    if not (ids or file or author):
        raise click.UsageError("name ids, a file of them with --from, or a member with --by")
    wanted = dict.fromkeys(named, homes.instant_or_now(at))
    if wanted and not yes:
        click.confirm(
            f"words of {count(len(wanted))} records would be gone for good. Delete them?",
            abort=True,
            err=True,
        )
    found = stored.delete(home, wanted)
    if json_:
        print_json({"asked": len(wanted), "found": found})
        return
    click.echo(f"deleted {count(found)} of {count(len(wanted))} records")
    if found < len(wanted):
        click.echo(f"{count(len(wanted) - found)} are not stored here", err=True)
    if found:
        click.echo("releases that are sealed keep what they hold; see who has them with: troth disclosures")
