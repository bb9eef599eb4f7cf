"""Commands on topics found in records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from troth.app import home as homes
from troth.app import topics as app
from troth.cli.output import as_json, count, print_json, print_table, progress
from troth.intake.topics import NAMES, PERSONAL_DATA


@click.group()
def topics() -> None:
    """Matters found in what was written, as further categories `topic:NAME`. Off unless asked for."""


@topics.command("find")
@click.option(
    "--topic",
    "names",
    multiple=True,
    type=click.Choice([*NAMES, PERSONAL_DATA]),
    help=f"A topic to look for; without: all but {PERSONAL_DATA}, which takes the extra pii.",
)
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="A language model that is asked too, zero-shot: a folder, or a .gguf file. Needs the extra hf; slow.",
)
@as_json
@click.pass_obj
def find(path: str, names: Sequence[str], model: Path | None, json_: bool) -> None:
    """Look for topics in all records, and from now on in what is imported. English only."""
    home = homes.open_home(path)
    with progress("looking for topics") as report:
        found = app.find(home, names or NAMES, report, model)
    if json_:
        print_json(found.as_json())
        return
    click.echo(f"looked at {count(found.looked_at)} records")
    print_table(
        ("topic", "records"), [(f"topic:{name}", count(number)) for name, number in found.records.items()]
    )
    finder = "a lexicon and a model overlook" if model else "a lexicon overlooks"
    click.echo(f"a finding is no verdict: what {finder}, no clause on topics covers")


@topics.command("show")
@as_json
@click.pass_obj
def show(path: str, json_: bool) -> None:
    """Show how many records speak of what."""
    home = homes.open_home(path)
    found = app.counts(home)
    if json_:
        print_json({"looked_for": [*app.wanted(home)], "records": found})
        return
    print_table(("topic", "records"), [(f"topic:{name}", count(number)) for name, number in found.items()])


@topics.command("forget")
@click.pass_obj
def forget(path: str) -> None:
    """Look for no topics any more, and drop what was found."""
    app.forget(homes.open_home(path))
    click.echo("topics that were found are dropped; what records brought with them stays")
