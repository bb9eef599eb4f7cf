"""Commands on canaries: new, commit, draw, place, open, test, plan, clean-check."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from troth.app import canaries as marks
from troth.app import home as homes
from troth.cli.audit import audit_options, run_audit
from troth.cli.output import NEW_FILE, TEXT, as_json, count, print_json, print_table
from troth.core.canary import CANDIDATES, CARRIERS, CODE, MOST_CANDIDATES, PLACERS

if TYPE_CHECKING:
    from troth.ledger.store import Receipt

FILE = click.Path(path_type=Path)


@click.group()
def canary() -> None:
    """Random marks in messages, that tell whether a model was trained on them."""


@canary.command("new")
@click.argument("file", type=NEW_FILE)
@click.option("--for", "subjects", multiple=True, type=TEXT, metavar="SUBJECT", help="One set for each.")
@click.option("--sets", type=click.IntRange(1, 100_000), help="So many sets, for nobody by name.")
@click.option(
    "--calibration", type=click.IntRange(0, 100_000), default=0, help="Sets for data of people who agreed."
)
@click.option("--carrier", type=click.Choice(CARRIERS), default=CODE, show_default=True)
@click.option("--candidates", type=click.IntRange(2, MOST_CANDIDATES), default=CANDIDATES, show_default=True)
@click.option("--holder", type=click.Choice(marks.HOLDERS), default="member", show_default=True)
@click.option("--key", type=FILE, metavar="FILE", help="The holder's key; without it keys are drawn.")
@as_json
def new(
    file: Path,
    subjects: tuple[str, ...],
    sets: int | None,
    calibration: int,
    carrier: str,
    candidates: int,
    holder: str,
    key: Path | None,
    json_: bool,
) -> None:
    """Make candidates and write their keys to a new private FILE."""
    if subjects and sets:
        raise click.UsageError("--for and --sets exclude each other")
    wished: list[str | None] = list(subjects) or [None] * (sets or 1)
    made = marks.new(file, marks.Wish(wished, calibration, carrier, candidates, holder), key)
    if json_:
        print_json({"campaign": made.campaign, "sets": [held.set.id for held in made.sets]})
        return
    click.echo(f"campaign {made.campaign}: {count(len(made.sets))} sets of {count(candidates)} candidates")
    click.echo(f"{file} holds their keys: keep it secret, above all from whoever trains")


@canary.command("commit")
@click.argument("file", type=FILE)
@click.option("--beacon", required=True, type=TEXT, metavar="SOURCE", help="Which public value will decide.")
@click.option("--after", metavar="INSTANT", help="It must not be known before; without it: now.")
@click.option("--score", default="loss-v1", show_default=True, help="How candidates will be scored.")
@as_json
@click.pass_obj
def commit(path: str, file: Path, beacon: str, after: str | None, score: str, json_: bool) -> None:
    """Record the roots of all candidates, the score, and the beacon that will decide."""
    receipt = marks.commit(homes.open_home(path), marks.read(file), score, beacon, after)
    _say(receipt, json_, f"the draw will come from {beacon}")


@canary.command("draw")
@click.argument("file", type=FILE)
@click.option("--beacon", required=True, type=FILE, metavar="FILE", help="JSON: source, at, value (hex).")
@as_json
@click.pass_obj
def draw(path: str, file: Path, beacon: Path, json_: bool) -> None:
    """Record the public value that decides which candidates are placed. Once."""
    receipt = marks.draw(homes.open_home(path), marks.read(file), marks.read_beacon_file(beacon))
    _say(receipt, json_, "drawn; place the marks with `troth canary place`")


@canary.command("place")
@click.argument("file", type=FILE)
@click.option("--set", "set_id", type=TEXT, metavar="ID", help="Which set; needed where there are several.")
@click.option("--by", type=click.Choice(PLACERS), default="member", show_default=True)
@click.option("--where", type=TEXT, default="private_message", show_default=True, help="A kind of place.")
@click.option("--messages", type=FILE, metavar="FILE", help="Messages to mark: lines, or .jsonl with `body`.")
@click.option("--count", "number", type=click.IntRange(1, 100_000), default=1, help="So many bare sentences.")
@click.option("--at", metavar="INSTANT", help="When they are sent; without it: now.")
@click.option("--out", type=NEW_FILE, metavar="FILE", help="Write the marked messages there (.jsonl), 0600.")
@as_json
@click.pass_obj
def place(
    path: str,
    file: Path,
    set_id: str | None,
    by: str,
    where: str,
    messages: Path | None,
    number: int,
    at: str | None,
    out: Path | None,
    json_: bool,
) -> None:
    """Put the drawn mark into messages, and record who placed how many where."""
    bodies = marks.read_texts(messages) if messages else [""] * number
    placing = marks.Placing(by, where, at)
    marked, receipt = marks.place(homes.open_home(path), marks.read(file), set_id, bodies, placing)
    if out is not None:
        lines = "".join(json.dumps({"body": text}, ensure_ascii=False) + "\n" for text in marked)
        marks.write_private(out, lines.encode())
    if json_:
        print_json({**receipt.as_json(), "messages": len(marked), "marked": [] if out else marked})
        return
    if out is None:
        for text in marked:
            click.echo(text)
    click.echo(f"{count(len(marked))} messages marked, recorded at {receipt.position}")


@canary.command("open")
@click.argument("file", type=FILE)
@click.option("--set", "set_ids", multiple=True, type=TEXT, metavar="ID", help="Without it: all.")
@as_json
@click.pass_obj
def open_(path: str, file: Path, set_ids: tuple[str, ...], json_: bool) -> None:
    """Publish keys, so that anybody can repeat the test. Once: later models cannot be tested with them."""
    receipts = marks.open_sets(homes.open_home(path), marks.read(file), set_ids)
    if json_:
        print_json([receipt.as_json() for receipt in receipts])
    else:
        click.echo(f"opened {count(len(receipts))} sets, recorded at {receipts[0].position} and after")


@canary.command("test")
@click.argument("file", type=FILE)
@click.argument("model", type=TEXT)
@audit_options
@as_json
@click.pass_obj
def test(path: str, /, file: Path, model: str, json_: bool, **options: object) -> None:
    """Test a model with the sets of FILE: the figures of `troth audit`, without its report."""
    found = run_audit(path, model, file, options)
    if json_:
        print_json(found.as_json())
        return
    print_table(
        ("test", "p", "p (Holm)", "rejected"),
        [
            (
                row["name"],
                f"{row['p_value']:.4g}",
                f"{row.get('p_value_holm', row['p_value']):.4g}",
                row["rejected"],
            )
            for row in found.tests
        ],
    )
    click.echo(f"\n{found.conclusion}")


@canary.command("plan")
@click.option("--calibration", type=FILE, metavar="FILE", help="An audit's JSON with calibration sets.")
@click.option("--power", "wanted", type=click.FloatRange(0.1, 0.999), default=0.9, show_default=True)
@click.option("--level", type=click.FloatRange(1e-9, 0.2), default=0.05, show_default=True)
@click.option(
    "--members", type=click.IntRange(1, 10_000), multiple=True, help="Sizes of the class to look at."
)
@click.option("--candidates", type=click.IntRange(2, MOST_CANDIDATES), default=CANDIDATES, show_default=True)
@as_json
def plan(
    calibration: Path | None,
    wanted: float,
    level: float,
    members: tuple[int, ...],
    candidates: int,
    json_: bool,
) -> None:
    """How many members, messages and candidates reach which power."""
    from troth.app import planning

    found = planning.plan(calibration, wanted, level, members, candidates)
    if json_:
        print_json(found.as_json())
        return
    print_table(
        ("members", "messages each", "power", "at least"),
        [(one.members, one.messages, f"{one.seen:.2f}", f"{one.at_least:.2f}") for one in found.plan.options],
    )
    click.echo(f"\n{found.in_words}")


@canary.command("clean-check")
@click.argument("file", type=FILE)
@click.option("--set", "set_id", type=TEXT, metavar="ID", help="Which set; needed where there are several.")
@click.option(
    "--messages", type=FILE, required=True, help="The marked messages, as `place --out` wrote them."
)
@click.option("--step", "steps", multiple=True, type=TEXT, help="Try this step alone; may be repeated.")
@click.option("--after", type=FILE, help="What a pipeline of somebody else made of these messages.")
@as_json
@click.pass_obj
def clean_check(
    path: str,
    file: Path,
    set_id: str | None,
    messages: Path,
    steps: tuple[str, ...],
    after: Path | None,
    json_: bool,
) -> None:
    """Would cleaning strip the marks? Exit status 1 if a step takes more than half of them."""
    from troth.app import planning

    found = planning.clean_check(homes.open_home(path), marks.read(file), set_id, messages, steps, after)
    if json_:
        print_json(
            [
                {"step": one.step, "before": one.before, "after": one.after, "strips": one.strips}
                for one in found
            ]
        )
    else:
        print_table(
            ("step", "what it does", "marks before", "after", ""),
            [(one.step, one.what, one.before, one.after, "STRIPS" if one.strips else "") for one in found],
        )
    if any(one.strips for one in found):
        raise SystemExit(1)


def _say(receipt: Receipt, json_: bool, text: str) -> None:
    if json_:
        print_json(receipt.as_json())
    else:
        click.echo(f"recorded at {receipt.position}; {text}")
