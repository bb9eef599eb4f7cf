"""Commands for streams."""

from __future__ import annotations

import signal
from pathlib import Path
from threading import Event, current_thread, main_thread

import click

from troth.app import home as homes
from troth.cli.output import TEXT, as_json, count, print_json, progress


@click.group()
def stream() -> None:
    """What members do, records and deletions, as they come."""


@stream.command("kafka")
@click.option(
    "--broker",
    required=True,
    type=TEXT,
    metavar="HOST:PORT",
    help="One of the brokers, or several with commas.",
)
@click.option("--events", multiple=True, type=TEXT, metavar="TOPIC", help="What members did, as JSON.")
@click.option("--records", multiple=True, type=TEXT, metavar="TOPIC", help="Records, as JSON.")
@click.option(
    "--deletions", multiple=True, type=TEXT, metavar="TOPIC", help="Records that were deleted, as JSON."
)
@click.option(
    "--group",
    default="troth",
    show_default=True,
    type=TEXT,
    help="Under which name the broker keeps the offsets.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Further options of the client, lines name=value; the place for credentials.",
)
@click.option(
    "--name", type=TEXT, help="Tells topics apart that were called the same, on another broker say."
)
@click.option("--once", is_flag=True, help="End when everything that is there was taken in.")
@click.option(
    "--set-aside", is_flag=True, help="Pass messages over that cannot be read; they are listed as rejected."
)
@as_json
@click.pass_obj
def kafka(
    path: str,
    broker: str,
    events: tuple[str, ...],
    records: tuple[str, ...],
    deletions: tuple[str, ...],
    group: str,
    config: Path | None,
    name: str | None,
    once: bool,
    set_aside: bool,
    json_: bool,
) -> None:
    """Take in messages from Kafka until interrupted, each exactly once in effect."""
    from troth.app import streams
    from troth.intake.kafka import Stream, read_options

    roles = streams.roles(events=events, records=records, deletions=deletions)
    intake = streams.Intake(homes.open_home(path), roles, name=name, set_aside=set_aside)
    options = {**(read_options(config) if config else {}), "bootstrap.servers": broker}
    stop = Event()
    if current_thread() is main_thread():
        for one in (signal.SIGTERM, signal.SIGINT):
            signal.signal(one, lambda *_: stop.set())
    with Stream(options, list(roles), group) as found, progress("messages") as report:
        taken = streams.follow(intake, found, once=once, stop=stop, progress=report)
    if json_:
        print_json(taken.as_json())
        return
    click.echo(f"{count(taken.messages)} messages")
    click.echo(f"{count(taken.recorded)} entries recorded, {count(taken.repeated)} that were there already")
    click.echo(f"{count(taken.imported)} records imported, {count(taken.duplicates)} duplicates")
    click.echo(f"{count(taken.deleted)} deletions")
    click.echo(f"{count(taken.rejected)} rejected")
