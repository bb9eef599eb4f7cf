"""The command `audit`: was this model trained on these messages?"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from troth.cli.output import NEW_FILE, TEXT, as_json, count, print_json, progress
from troth.core.errors import Refused
from troth.core.values import parse_instant

if TYPE_CHECKING:
    from troth.app.audit import Audit

F = TypeVar("F", bound=Callable[..., Any])
_FILE = click.Path(path_type=Path)

_OPTIONS = (
    click.option("--model-name", type=TEXT, help="Of an address: which model."),
    click.option(
        "--text-only", is_flag=True, help="Of an address: it chats, and gives no log-probabilities."
    ),
    click.option(
        "--reference", type=TEXT, metavar="FOLDER", help="A reference model, where the score needs one."
    ),
    click.option("--tokenizer", type=_FILE, metavar="FOLDER", help="The tokenizer, where it is elsewhere."),
    click.option(
        "--cache", type=NEW_FILE, metavar="FILE", help="Keep an address's answers; goes on from there."
    ),
    click.option("--per-minute", type=click.FloatRange(0.1, 1e6), default=600.0, show_default=True),
    click.option(
        "--price", type=click.FloatRange(0), metavar="N", help="Of a million tokens, for the estimate."
    ),
    click.option("--yes", is_flag=True, help="Don't ask before questions are sent to an address."),
    click.option("--level", type=click.FloatRange(1e-9, 0.2), default=0.05, show_default=True),
    click.option(
        "--receipt",
        type=_FILE,
        metavar="FILE",
        help="Of the commitment, from before the draw: who saw it then.",
    ),
    click.option("--policy", type=_FILE, metavar="FILE", help="Which log and witnesses to trust for that."),
    click.option("--trained-by", metavar="INSTANT", help="When training ended, if known."),
)


def audit_options(command: F) -> F:
    """What `audit` and `canary test` share."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command()
@click.argument("model", type=TEXT)
@click.option("--canaries", type=_FILE, required=True, metavar="FILE", help="The campaign's file of keys.")
@audit_options
@click.option("--unmarked", type=_FILE, metavar="FILE", help="Messages without marks: what cannot be known.")
@click.option("--report", type=NEW_FILE, metavar="FILE", help="Write the report for people there (HTML).")
@click.option("--out", type=NEW_FILE, metavar="FILE", help="Write the JSON there too.")
@as_json
@click.pass_obj
def audit(
    path: str,
    /,
    model: str,
    canaries: Path,
    unmarked: Path | None,
    report: Path | None,
    out: Path | None,
    json_: bool,
    **options: object,
) -> None:
    """Was MODEL (a folder or an address) trained on the marked messages? With an exact error rate.

    Exit status 0: the test was made, whatever it found. 1: the campaign proves nothing, and why.
    """
    from troth.app import audit as audits

    found = run_audit(path, model, canaries, options, unmarked)
    if out is not None:
        audits.write_report(out, json.dumps(found.as_json(), indent=1, ensure_ascii=False) + "\n")
    if report is not None:
        from troth.cli.audit_page import page

        audits.write_report(report, page(found))
    if json_:
        print_json(found.as_json())
        return
    click.echo(found.conclusion)
    click.echo("\nWhat cannot be concluded:")
    for one in found.cannot:
        click.echo(f"  - {one}")
    if report is not None:
        click.echo(f"\nthe report is {report}")
    click.echo(f"recorded at {found.entry}")


def run_audit(
    path: str, model: str, file: Path, options: dict[str, Any], unmarked: Path | None = None
) -> Audit:
    """Find the model, say what it will cost, ask, test, record."""
    from troth.app import audit as audits
    from troth.app import home as homes
    from troth.app import targets
    from troth.app.canaries import read

    home, canaries = homes.open_home(path), read(file)
    way = targets.Way(
        options["model_name"],
        options["text_only"],
        options["cache"],
        options["per_minute"],
        options["tokenizer"],
    )
    target = targets.find(home, model, way)
    reference = targets.find(home, options["reference"], way) if options["reference"] else None
    remote = targets.is_address(model)
    trained_by = parse_instant(options["trained_by"]) if options["trained_by"] else None
    question = audits.Question(
        target, reference, options["level"], trained_by, remote, options["receipt"], options["policy"]
    )
    try:
        if remote:
            _ask_first(audits.cost(home, canaries, target), options)
        with progress("testing") as report:
            found = audits.audit(home, canaries, question, report)
        if unmarked is not None:
            found.indicative = audits.indicative(target, unmarked)
    finally:
        target.close()
    return found


def _ask_first(cost: Any, options: dict[str, Any]) -> None:  # noqa: ANN401 - an Estimate, imported late
    said = f"this asks {count(cost.requests)} requests of about {count(cost.tokens)} tokens in all"
    if options["price"] is not None:
        said += f", about {cost.price(options['price']):.2f} at that price"
    click.echo(said, err=True)
    click.echo("whoever runs the address sees all candidates, and can recognise them from then on", err=True)
    if options["yes"]:
        return
    if not sys.stdin.isatty() or not click.confirm("go on?", err=True):
        raise Refused("nothing was sent", remedy="say --yes to send it")
