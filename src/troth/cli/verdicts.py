"""Commands on tables of verdicts that are kept up: sync, view, forget."""

from __future__ import annotations

import click

from troth.app import folds
from troth.app import home as homes
from troth.app import verdicts as app
from troth.cli.output import (
    TEXT,
    as_json,
    at_option,
    count,
    engine_options,
    print_json,
    progress,
    records_option,
    use_of,
    use_options,
)
from troth.core.values import format_instant


@click.group()
def verdicts() -> None:
    """Verdicts as a table elsewhere, kept up row by row."""


@verdicts.command()
@use_options
@click.option(
    "--to",
    "target",
    type=TEXT,
    required=True,
    metavar="TABLE",
    help="delta:PATH, iceberg:CATALOG.NAMESPACE.TABLE or postgresql://HOST/DATABASE#SCHEMA.TABLE.",
)
@at_option
@records_option
@engine_options
@click.option("--whole", is_flag=True, help="Make the whole table, whatever changed.")
@as_json
@click.pass_obj
def sync(
    path: str,
    purpose: str,
    recipient: str,
    target: str,
    at: str | None,
    records: str | None,
    engine: str | None,
    threads: int | None,
    memory: str | None,
    whole: bool,
    json_: bool,
) -> None:
    """Bring a table of verdicts up to date: the rows of changed members and new records, or all where need be."""
    home = homes.limited(homes.open_home(path), engine, threads, memory)
    with progress("folding members") as report:
        done = app.sync(
            home, use_of(purpose, recipient), target, at=at, source=records, whole=whole, progress=report
        )
    if json_:
        print_json(done.as_json())
        return
    how = f"all of them, since {done.whole}" if done.whole else f"of {count(done.subjects or 0)} members"
    click.echo(f"{done.target}: {count(done.rows)} rows written, {how}")
    click.echo(f"as of {format_instant(done.at)} and ledger position {count(done.position)}")


@verdicts.command()
@click.argument("target", type=TEXT, metavar="TABLE")
@click.option(
    "--of", "table", type=TEXT, required=True, metavar="SCHEMA.TABLE", help="The table to show rows of."
)
@click.option("--as", "name", type=TEXT, required=True, metavar="SCHEMA.VIEW", help="The view to make.")
@click.option("--id-column", default="id", show_default=True, help="The column that holds the record's id.")
def view(target: str, table: str, name: str, id_column: str) -> None:
    """Make a view in PostgreSQL that shows only the allowed rows of a table.

    TABLE: the table of verdicts, as for `troth verdicts sync`. The view follows it: what becomes denied is gone from
    the view as soon as it is synced, and a row without a verdict is not shown.
    """
    app.view(target, table, name, id_column)
    click.echo(f"{name} shows the rows of {table} that are allowed")


@verdicts.command()
@click.pass_obj
def forget(path: str) -> None:
    """Forget the folds that are kept in the home; each next sync folds everybody and makes the whole table."""
    folds.forget(homes.open_home(path))
    click.echo("forgotten")
