"""What all commands share: options, the home, tables, JSON, progress."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from troth.core.errors import BadInput, Place
from troth.core.values import Use, parse_instant

if TYPE_CHECKING:
    from troth.app.home import Home, Written

F = TypeVar("F", bound=Callable[..., Any])


class _Text(click.ParamType[str]):
    """Text that can be stored: not empty, and UTF-8 (other bytes of an argument arrive as lone surrogates)."""

    name = "text"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not value or any("\ud800" <= one <= "\udfff" for one in value):
            self.fail("expected text in UTF-8 that is not empty", param, ctx)
        return value


class _NewFile(click.Path):
    """A file to write, in a folder that is there; found out before the work is done."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, path_type=Path)

    def convert(
        self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None
    ) -> str | bytes | os.PathLike[str]:
        path = Path(value)
        if not path.name:
            self.fail("expected the name of a file", param, ctx)
        if not path.parent.is_dir():
            self.fail(f"there is no folder {str(path.parent)!r}; make it first", param, ctx)
        return super().convert(value, param, ctx)


class _Target(click.ParamType["Path | str"]):
    """A file to write, as ``_NewFile``, or a table elsewhere by its name."""

    name = "target"

    def convert(
        self, value: str | Path, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path | str:
        from troth.gate.addresses import is_address, read_address

        if isinstance(value, str) and is_address(value):
            read_address(value)
            return value
        return Path(str(NEW_FILE.convert(value, param, ctx)))


class _Checked(click.ParamType[str]):
    """Text that a reader of Troth's accepts; what it refuses is said of the option."""

    def __init__(self, name: str, read: Callable[[str], object]) -> None:
        self.name = name
        self._read = read

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        del ctx
        try:
            self._read(value)
        except BadInput as error:
            name = param.opts[0] if param is not None and param.opts else self.name
            raise BadInput(error.message, place=Place(name), remedy=error.remedy) from None
        return value


TEXT = _Text()
INSTANT = _Checked("instant", parse_instant)
PURPOSE = _Checked("purpose", lambda purpose: Use(purpose, "operator"))
RECIPIENT = _Checked("recipient", lambda recipient: Use("improve", recipient))
NEW_FILE = _NewFile()
TARGET = _Target()

as_json = click.option("--json", "json_", is_flag=True, help="Print JSON for programs.")
at_option = click.option("--at", type=INSTANT, metavar="INSTANT", help="T, ISO 8601; without it: now.")
as_of_option = click.option(
    "--as-of", type=click.IntRange(min=0), metavar="N", help="Ledger position; without it: the head."
)
records_option = click.option(
    "--records",
    metavar="PATH",
    help="Other records than the home's own: Parquet files, or a table (delta:…, iceberg:…, postgresql://…, s3://…).",
)


def engine_options(command: F) -> F:
    """``--engine``, ``--threads`` and ``--memory``."""
    for option in (
        click.option("--memory", type=TEXT, metavar="SIZE", help="The engine's memory, such as 4GB."),
        click.option("--threads", type=click.IntRange(min=1, max=1024), metavar="N", help="Its threads."),
        click.option(
            "--engine",
            type=click.Choice(("duckdb", "spark")),
            help="What decides; without it what the home says. The answers are the same.",
        ),
    ):
        command = option(command)
    return command


def use_options(command: F) -> F:
    """``--purpose`` and ``--recipient``."""
    command = click.option(
        "--recipient",
        type=RECIPIENT,
        required=True,
        help="operator, affiliate:NAME, third_party:NAME or processor:NAME.",
    )(command)
    return click.option(
        "--purpose", type=PURPOSE, required=True, help="Such as train.generative or improve."
    )(command)


def use_of(purpose: str, recipient: str) -> Use:
    """The use asked for. Raises BadInput."""
    return Use(purpose, recipient)


def print_json(value: object) -> None:
    """One JSON document on standard output."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=None if not sys.stdout.isatty() else 2))


def rehearse(home: Home, written: Written, json_: bool) -> None:
    """What ``--dry-run`` does with events: check them against the ledger, and say so."""
    with home.reading() as ledger:
        ledger.check_references(written.events, written.places)
    entries = len(written.events)
    if json_:
        print_json({"entries": entries, "recorded": 0})
    else:
        click.echo(f"{count(entries)} entries are in order; nothing was written")


def is_terminal() -> bool:
    """Whether a person looks at standard output."""
    return sys.stdout.isatty()


def print_table(
    headings: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None
) -> None:
    """A table: drawn on a terminal, tab-separated lines in a pipe."""
    if not is_terminal():
        click.echo("\t".join(headings))
        for row in rows:
            click.echo("\t".join(str(cell) for cell in row))
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    numbers = {index for index, one in enumerate(headings) if one in ("records", "members", "n", "share")}
    table = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for index, heading in enumerate(headings):
        table.add_column(heading, justify="right" if index in numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(escape(str(cell)) for cell in row))
    Console().print(table)


def count(number: int) -> str:
    """A number as people read it."""
    return f"{number:,}"


def _unheard(_done: int, _total: int | None) -> None:
    """Progress that nobody follows."""


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int | None], None]]:
    """A progress bar on a terminal, silence elsewhere. Yields a function of (done, total)."""
    if not sys.stderr.isatty():
        yield _unheard
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)

        def report(done: int, total: int | None) -> None:
            bar.update(task, completed=done, total=total)

        yield report
