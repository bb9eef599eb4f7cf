"""Commands that bring records in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from troth.app import home as homes
from troth.app import importing
from troth.cli.output import as_json, count, print_json, progress
from troth.core.errors import BadInput
from troth.intake.importing import DamagedInput
from troth.intake.kinds import importer_of, importers
from troth.intake.report import ImportReport

_paths = click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
_dry_run = click.option("--dry-run", is_flag=True, help="Read and count everything, write nothing.")


class _Kinds(click.Group):
    """The commands named here, and one for every importer that is installed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *importers()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        own = super().get_command(ctx, cmd_name)
        if own is not None or cmd_name not in importers():
            return own
        return _command_of(cmd_name)


@click.group("import", cls=_Kinds)
def import_() -> None:
    """Records in. What is there already is recognised, so an import may be repeated or continued."""


@import_.command("mbox")
@_paths
@click.option("--category", default="private_message", show_default=True, help="The category of the records.")
@_dry_run
@as_json
@click.pass_obj
def mbox(path: str, paths: tuple[Path, ...], category: str, dry_run: bool, json_: bool) -> None:
    """Import mail: mbox and mboxrd files (also .gz), .eml files, Maildirs."""
    home = homes.open_home(path)
    with _reported(json_), progress("reading mail") as report:
        found = importing.mail(home, paths, category=category, dry_run=dry_run, progress=report)
    _print(found, json_, dry_run)


@import_.command("table")
@_paths
@click.option(
    "--mapping", type=click.Path(path_type=Path), metavar="FILE", help="Which columns are which (YAML)."
)
@_dry_run
@as_json
@click.pass_obj
def table(path: str, paths: tuple[Path, ...], mapping: Path | None, dry_run: bool, json_: bool) -> None:
    """Import tables: CSV, JSON lines (also .gz), Parquet."""
    home = homes.open_home(path)
    with _reported(json_), progress("reading tables") as report:
        found = importing.tables(home, paths, mapping=mapping, dry_run=dry_run, progress=report)
    _print(found, json_, dry_run)


def _command_of(kind: str) -> click.Command:
    """The command of an importer; one that cannot be loaded says so when it is called, not in a list."""

    @_paths
    @_dry_run
    @as_json
    @click.pass_obj
    def run(path: str, paths: tuple[Path, ...], dry_run: bool, json_: bool) -> None:
        home = homes.open_home(path)
        with _reported(json_), progress(f"reading {kind}") as report:
            found = importing.export(home, kind, paths, dry_run=dry_run, progress=report)
        _print(found, json_, dry_run)

    try:
        summary = importer_of(kind).summary
    except BadInput as error:
        summary = f"Cannot be loaded: {error.message}"
    return click.command(kind, help=summary)(run)


@contextmanager
def _reported(json_: bool) -> Iterator[None]:
    """Print what a damaged source left behind before its error ends the command."""
    try:
        yield
    except DamagedInput as damage:
        if json_:
            print_json(damage.report.as_json())
        raise


def _print(report: ImportReport, json_: bool, dry_run: bool) -> None:
    if json_:
        print_json(report.as_json())
        return
    click.echo(f"{count(report.read)} read")
    click.echo(f"{count(report.imported)} {'would be imported' if dry_run else 'imported'}")
    click.echo(f"{count(report.duplicates)} duplicates of what is there already")
    for reason, number in report.left_out.items():
        click.echo(f"{count(number)} left out: {reason}")
    click.echo(
        f"{count(report.rejected)} rejected" + (f": {report.rejects_file}" if report.rejects_file else "")
    )
    for reason, number in report.reasons.most_common(8):
        click.echo(f"  {count(number)} {reason}")
    for note, number in report.notes.most_common():
        click.echo(f"note: {count(number)} {note}")
