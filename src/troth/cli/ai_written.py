"""Commands on text that machines wrote."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from troth.app import ai_written as app
from troth.app import home as homes
from troth.cli.output import as_json, count, print_json, print_table, progress
from troth.learning.ai_written import Between

F = TypeVar("F", bound=Callable[..., Any])
_FILE = click.Path(path_type=Path)

_OPTIONS = (
    click.option(
        "--model", type=_FILE, required=True, metavar="DIR", help="A model's folder, or .gguf file."
    ),
    click.option(
        "--human",
        type=_FILE,
        required=True,
        metavar="FILE",
        help="Texts by people: .jsonl with body, or lines.",
    ),
    click.option("--machine", type=_FILE, required=True, metavar="FILE", help="Texts by models."),
    click.option("--words", type=click.IntRange(1), default=app.WORDS, show_default=True, help="At least."),
    click.option("--category", default="post", show_default=True, help="Which records."),
)


def _reading(command: F) -> F:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.group("ai-written")
def ai_written() -> None:
    """How much of many long texts a machine likely wrote. Single texts cannot be judged. Needs the extra hf."""


@ai_written.command("share")
@click.argument("release", type=_FILE)
@_reading
@click.option(
    "--most", type=click.IntRange(1), default=app.POSTS, show_default=True, help="Posts to read, at most."
)
@as_json
def share(
    release: Path,
    model: Path,
    human: Path,
    machine: Path,
    words: int,
    category: str,
    most: int,
    json_: bool,
) -> None:
    """Estimate the share of RELEASE's long posts that is machine-written, as a whole and by month."""
    with progress("reading") as report:
        found = app.share_of(release, app.Reading(model, human, machine, words, category), most, report)
    if json_:
        print_json(found.as_json())
        return
    if found.share is None:
        click.echo("the release holds no text that is long enough")
    else:
        click.echo(f"likely machine-written: {_said(found.share)} of {count(found.long)} long texts")
        if found.read < found.long:
            click.echo(f"({count(found.read)} of them were read)")
        print_table(
            ("month", "read", "share"),
            [(one.month, count(one.texts), _said(one.share)) for one in found.months],
        )
    detector, known = found.detector, found.known
    click.echo(
        f"on texts of known origin ({count(known['human'])} human, {count(known['machine'])} machine; half of them"
        " to choose the threshold, half to measure):"
    )
    click.echo(f"  finds {_said(detector.found.between())} of machine texts")
    click.echo(f"  spares {_said(detector.spared.between())} of human texts")
    area = detector.area
    click.echo(f"  area under the ROC curve {area.value:.3f} (95 % {area.low:.3f} to {area.high:.3f})")
    click.echo(app.SAYS)


@ai_written.command("mark")
@_reading
@click.option(
    "--false-positives",
    "rate",
    type=click.FloatRange(1e-6, 0.2),
    default=0.01,
    show_default=True,
    help="The share of human texts that may be marked wrongly.",
)
@as_json
@click.pass_obj
def mark(
    path: str,
    /,
    model: Path,
    human: Path,
    machine: Path,
    words: int,
    category: str,
    rate: float,
    json_: bool,
) -> None:
    """Mark the home's long records that score like hardly any human text as topic:ai_written.

    A clause that forbids topic:ai_written then leaves them out. Records that come later are marked by the next run.
    """
    home = homes.open_home(path)
    with progress("reading") as report:
        found = app.mark(home, app.Reading(model, human, machine, words, category), rate, report)
    if json_:
        print_json(found.as_json())
        return
    click.echo(f"marked {count(found.records)} of {count(found.looked_at)} long records as topic:ai_written")
    click.echo(
        f"of texts like the human ones given, at most {found.rate:.2%} are marked wrongly; a mark is no proof"
    )


@ai_written.command("unmark")
@click.pass_obj
def unmark(path: str) -> None:
    """Drop the marks topic:ai_written; other topics stay."""
    app.unmark(homes.open_home(path))
    click.echo("no record is marked as topic:ai_written any more")


def _said(one: Between) -> str:
    return f"{one.value:.1%} (95 % {one.low:.1%} to {one.high:.1%})"
