"""Commands of a witness: make one, run it, show what it has seen."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import click

from troth.app import witnesses
from troth.cli.output import TEXT, as_json, count, print_json, print_table
from troth.core.errors import Unavailable

_DIRECTORY = click.argument("directory", type=click.Path(path_type=Path))


@click.group()
def witness() -> None:
    """A witness of others' logs: sees to it that a log shows everybody one history."""


@witness.command("init")
@_DIRECTORY
@click.option("--name", type=TEXT, required=True, help="The witness's name, such as witness.example/w1.")
@click.option(
    "--log", "logs", type=TEXT, multiple=True, metavar="VKEY", help="The verifier key of a log to know."
)
@as_json
def init(directory: Path, name: str, logs: tuple[str, ...], json_: bool) -> None:
    """Make a witness: its key (readable by you alone) and the list of logs that it knows."""
    key = witnesses.make(directory, name, list(logs))
    if json_:
        print_json({"witness": str(directory), "vkey": str(key)})
        return
    click.echo(f"made the witness {directory}; further logs go into {directory / witnesses.LOGS}")
    click.echo(f"its verifier key, for policies: {key}")


@witness.command("run")
@_DIRECTORY
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=8791, show_default=True)
def run(directory: Path, host: str, port: int) -> None:
    """Answer logs over HTTP (C2SP tlog-witness) until interrupted."""
    with witnesses.open_witness(directory) as opened:
        loghttp = need_serving()
        click.echo(
            f"{opened.key.name} answers at http://{host}:{port}/ for {count(len(opened.logs))} logs", err=True
        )
        loghttp.serve(loghttp.witness_app(opened), host, port)


@witness.command("show")
@_DIRECTORY
@as_json
def show(directory: Path, json_: bool) -> None:
    """Show the witness's key and what it has seen of each log."""
    with witnesses.open_witness(directory) as opened:
        found = witnesses.seen(opened)
        key = str(opened.key)
    if json_:
        print_json({"vkey": key, "logs": [one.as_json() for one in found]})
        return
    click.echo(f"verifier key: {key}")
    print_table(
        ("log", "entries seen"), [(one.origin, "none" if one.size is None else one.size) for one in found]
    )


def need_serving() -> ModuleType:
    """The module that serves. Raises Unavailable if its extra is not installed."""
    try:
        from troth.app import loghttp
    except ModuleNotFoundError as error:
        raise Unavailable(
            f"serving needs {error.name}, which is not installed", remedy="pip install 'troth[serve]'"
        ) from None
    return loghttp
