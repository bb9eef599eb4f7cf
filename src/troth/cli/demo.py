"""The demo: the reference network's story, in the terminal and as a page."""

from __future__ import annotations

import importlib.resources
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from troth.cli.charts import print_bars, svg_bars
from troth.cli.output import as_json, count, print_json
from troth.core.catalogue import SENTENCES
from troth.core.errors import BadInput, Place

if TYPE_CHECKING:
    from troth_network.story import Step, Story

_MARK = ".troth-demo"


@click.command()
@click.option("--members", type=click.IntRange(min=200), default=2_000, show_default=True)
@click.option("--records", type=click.IntRange(min=1_000), default=12_000, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("troth-demo"),
    show_default=True,
    help="Where the demo's home, releases and report go; an earlier demo there is replaced.",
)
@as_json
def demo(members: int, records: int, seed: int, out: Path, json_: bool) -> None:
    """Tell the whole story in one go, on a small professional network that does not exist."""
    from troth_network.network import build
    from troth_network.story import Story

    started = time.monotonic()
    _make_room(out)
    steps, flows = [], dict[str, str]()
    story = Story(build(members, records, seed), out)
    try:
        for step in story.steps():
            steps.append(step)
            if not json_:
                _print(step)
            _follow(story, step, flows, json_=json_)
    except LookupError as error:
        raise BadInput(str(error), remedy="raise --members and --records") from None
    report = out / "report.html"
    report.write_text(_page(steps, flows), encoding="utf-8")
    seconds = round(time.monotonic() - started, 1)
    if json_:
        print_json(
            {
                "steps": [
                    {
                        "step": step.key,
                        "title": step.title,
                        "figures": step.figures,
                        "bars": step.bars,
                        "details": step.details,
                    }
                    for step in steps
                ],
                "report": str(report),
                "seconds": seconds,
            }
        )
        return
    click.echo(f"\nThe story with plots: {report}")
    click.echo(f"The home it left behind: {out / 'home'} (try: troth --home {out / 'home'} terms list)")
    click.echo(f"{seconds} seconds")


def _follow(story: Story, step: Step, flows: dict[str, str], *, json_: bool) -> None:
    """Draw who received what after the steps at which something left or came back."""
    from troth.app.flow import tree
    from troth.cli import demo_flow

    if step.key == "alleged":
        flows[step.key] = demo_flow.as_alleged(story)
    elif step.key in ("released", "withdrawn"):
        found = demo_flow.hand_over(story) if step.key == "released" else demo_flow.recall(story)
        flows[step.key] = demo_flow.drawn(found, "As promised: who received what")
        for line in () if json_ else tree(found):
            click.echo(f"  {line}")


def _make_room(out: Path) -> None:
    """An earlier demo may be replaced; anything else is left alone."""
    if out.exists() and any(out.iterdir()) and not (out / _MARK).is_file():
        raise BadInput(
            "something else is there", place=Place(str(out)), remedy="name another folder with --out"
        )
    if out.exists():
        shutil.rmtree(out)
    out.mkdir(parents=True)
    (out / _MARK).touch()


def _print(step: Step) -> None:
    click.echo("")
    click.secho(step.title, bold=True)
    click.echo(click.wrap_text(step.text, width=100))
    if step.figures:
        click.echo("")
    for label, number in step.figures.items():
        click.echo(f"  {count(number):>9}  {label}")
    for title, bars in step.bars.items():
        if bars:
            print_bars(title, bars)
    explanation: Any = step.details.get("explanation")
    if explanation:
        _print_explanation(explanation)
    verified: Any = step.details.get("verified")
    if verified:
        for finding in verified["findings"]:
            where = f" ({finding['where']})" if finding["where"] else ""
            click.echo(f"  {finding['level']}: {finding['what']}{where}")


def _print_explanation(explanation: dict[str, Any]) -> None:
    for party in explanation["parties"]:
        click.echo(f"\n  {party['subject']} ({party['role']}): {party['verdict']}")
        for reason in party["reasons"]:
            click.echo(f"    {reason}: {_lawyer(reason)}")
        for clause in party["clauses"]:
            click.echo(
                f"    - {clause['terms']} {clause['version']} ({clause['effect']}): “{clause['quote']}”"
            )


def _lawyer(reason: str) -> str:
    return next(sentences.lawyer for one, sentences in SENTENCES.items() if one.text == reason)


def _page(steps: list[Step], flows: dict[str, str]) -> str:
    from jinja2 import Environment
    from markupsafe import Markup

    source = importlib.resources.files("troth.cli").joinpath("templates", "demo.html.j2").read_text("utf-8")
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(source).render(
        title="A promise kept: the story of Northlight",
        steps=steps,
        # Drawn here; every label in them was escaped.
        flows={key: Markup(svg) for key, svg in flows.items()},  # noqa: S704
        sentences={reason.text: sentences.lawyer for reason, sentences in SENTENCES.items()},
        # Markup of our own making: labels in it were escaped by the chart library.
        chart=lambda title, bars: Markup(svg_bars(title, bars)),  # noqa: S704
    )
