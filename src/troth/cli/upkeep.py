"""Commands that look after a home: fsck, backup, restore."""

from __future__ import annotations

from pathlib import Path

import click

from troth.app import home as homes
from troth.app import upkeep
from troth.cli.output import as_json, count, print_json, progress
from troth.core.values import format_instant


@click.command()
@as_json
@click.pass_obj
def fsck(path: str, json_: bool) -> None:
    """Derive everything anew from the store and the files, and report any damage. Changes nothing.

    Exit status 1 if something is damaged.
    """
    home = homes.open_home(path)
    with progress("checking") as report:
        findings = upkeep.check(home, report)
    if json_:
        print_json(findings.as_json())
    else:
        for one in findings.findings:
            click.echo(f"{one.level}: {one.where}: {one.what}")
    if not findings.ok:
        if not json_:
            click.echo("this home is damaged: restore what is named above from a backup")
        raise SystemExit(1)


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@as_json
@click.pass_obj
def backup(path: str, out: Path, json_: bool) -> None:
    """Copy the home to the new folder OUT, also while it is in use, and check the copy.

    The copy holds private keys and what members said: keep it as safe as the home itself.
    """
    with progress("copying") as report:
        made = upkeep.backup(homes.open_home(path), out, report)
    if json_:
        print_json(made.as_json())
    else:
        click.echo(f"copied {count(made.entries)} entries in {count(made.files)} files to {out}")


@click.command()
@click.argument("source", metavar="BACKUP", type=click.Path(path_type=Path))
@click.argument("directory", required=False, type=click.Path(path_type=Path))
@as_json
@click.pass_obj
def restore(default: str, source: Path, directory: Path | None, json_: bool) -> None:
    """Make a home of a copy, in a new folder; if the log has grown since, it may only be read."""
    target = directory or Path(default)
    with progress("copying") as report:
        made = upkeep.restore(source, target, report)
    why = upkeep.why_read_only(homes.open_home(target))
    if json_:
        print_json({**made.as_json(), "read_only": why})
        return
    click.echo(f"restored {count(made.entries)} entries of {format_instant(made.created_at)} to {target}")
    if why is not None:
        click.echo(why)
