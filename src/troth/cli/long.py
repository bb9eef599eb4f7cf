"""What commands for long runs share: the work folder, how far a run is, the plan."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from troth.app.resuming import PART_ROWS, Pace, Settings
from troth.cli.output import F, count, print_json

_EVERY = 5.0  # seconds between two lines


def long_options(command: F) -> F:
    """``--work``, ``--part-rows`` and ``--explain-plan``."""
    for option in (
        click.option(
            "--explain-plan", "explain_plan", is_flag=True, help="Say what would be run; run nothing."
        ),
        click.option(
            "--part-rows",
            type=click.IntRange(min=1),
            default=PART_ROWS,
            show_default=True,
            help="With --work: files are taken together until a part holds so many rows.",
        ),
        click.option(
            "--work",
            type=click.Path(path_type=Path, file_okay=False),
            metavar="DIR",
            help="Work part by part in this private folder: a run that was killed goes on where it stopped, and the"
            " fold of the members is kept for the next run.",
        ),
    ):
        command = option(command)
    return command


def settings_of(work: Path | None, part_rows: int) -> Settings | None:
    """The work folder asked for, if any; how far the run is goes to standard error."""
    return None if work is None else Settings(work, part_rows, _reporter())


def print_plan(plan: dict[str, Any], json_: bool) -> None:
    """A plan, for people or programs."""
    if json_:
        print_json(plan)
        return
    click.echo(
        f"{plan['purpose']} by {plan['recipient']}, on {plan['at']}, before entry {count(plan['position'])}"
    )
    click.echo(f"rests on {', '.join(plan['terms']) or 'no terms'}")
    limits = f"threads {plan['threads'] or 'all'}, memory {plan['memory'] or 'as the engine has it'}"
    click.echo(f"engine: {plan['engine']}, {limits}")
    click.echo(
        f"records: {count(plan['rows'])} rows in {count(plan['files'])} files, {count(plan['bytes'])} bytes,"
        f" {count(plan['kinds'])} kinds"
    )
    click.echo(
        f"members to fold: {plan['fold']}; their entries in the ledger: {count(plan['member_entries'])}"
    )
    if plan["parts"] is not None:
        click.echo(f"parts: {count(plan['parts'])}")
    click.echo(f"\nstatement:\n{plan['statement']}\n\nplan of the engine:\n{plan['engine_plan']}")


def _reporter() -> Callable[[Pace], None]:
    told = 0.0

    def report(pace: Pace) -> None:
        nonlocal told
        now = time.monotonic()
        if pace.parts not in (0, pace.of_parts) and now - told < _EVERY:
            return
        told = now
        click.echo(line_of(pace), err=True)

    return report


def line_of(pace: Pace) -> str:
    """How far a run is, its rate, and the time that is left."""
    parts = f"{count(pace.parts)} of {count(pace.of_parts)} parts"
    records = f"{count(pace.records)} of {count(pace.of_records)} records"
    left = pace.seconds_left
    if left is None:
        return f"{parts}, {records}"
    return f"{parts}, {records}, {count(round(pace.a_second))} a second, {_spell(left)} left"


def _spell(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (
        f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
    )
