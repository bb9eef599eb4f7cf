"""Commands on published documents: what a change does, and what an archive holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from troth.app import watching
from troth.cli.output import as_json, print_json

if TYPE_CHECKING:
    from troth.watch.changes import Change
    from troth.watch.lints import Lint
    from troth.watch.reading import Reading

_FILE = click.Path(path_type=Path)


@click.group()
def watch() -> None:
    """Follow what is published: what a change does to the people bound by it."""


@watch.command("diff")
@click.argument("before", type=_FILE)
@click.argument("after", type=_FILE)
@click.option("--seen", metavar="INSTANT", help="When the new version was first seen, ISO 8601.")
@click.option("--exit-status", is_flag=True, help="End with 1 if something widened.")
@click.option("--all", "all_", is_flag=True, help="Show all findings, not the five worst.")
@as_json
@click.pass_context
def diff(
    context: click.Context,
    before: Path,
    after: Path,
    seen: str | None,
    exit_status: bool,
    all_: bool,
    json_: bool,
) -> None:
    """Say what the change from one text or Markdown file to another does."""
    reading = watching.diff(before, after, seen)
    if json_:
        print_json(reading.as_json())
    else:
        print_reading(reading, all_)
    if exit_status and reading.widens:
        context.exit(1)


@watch.command("moments")
@click.argument("archive", type=_FILE)
@as_json
def moments(archive: Path, json_: bool) -> None:
    """Read every version of an archive (a git history or a bundle): one line of JSON for each."""
    del json_
    for moment in watching.moments(archive):
        click.echo(json.dumps(moment, ensure_ascii=False))


def print_reading(reading: Reading, all_: bool = False) -> None:
    """The report in the terminal: worst first, at most five, the rest folded."""
    for lint in reading.lints:
        _print_lint(lint)
    shown = [one for one in reading.changes if one.kind != "neutral"] if all_ else list(reading.first)
    for one in shown:
        _print_change(one)
    rest = len([one for one in reading.changes if one.kind != "neutral"]) - len(shown)
    neutral = len([one for one in reading.changes if one.kind == "neutral"])
    if not shown:
        click.echo("nothing widens or narrows")
    if rest or neutral:
        click.echo(f"folded: {rest} more, {neutral} without effect on members (--all, --json)")


def _print_lint(lint: Lint) -> None:
    click.echo(f"{click.style(lint.name, bold=True)}: {lint.says}")
    if lint.sentence:
        click.echo(f"  “{lint.sentence}”")


def _print_change(one: Change) -> None:
    colour = {"widens": "red", "narrows": "green"}.get(one.kind)
    flags = f" [{', '.join(one.flags)}]" if one.flags else ""
    click.echo(f"\n{click.style(one.kind, fg=colour, bold=True)}{flags}  ({one.rule})")
    if one.before:
        click.echo(f"  before: {one.before}")
    if one.after:
        click.echo(f"  after:  {one.after}")
