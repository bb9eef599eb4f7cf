"""How many cohorts there are, as members, countries, terms versions, flips and milestones grow: a seeded simulation.

``python -m bench.cohorts [--out FILE]`` prints one line per step. What is varied is one thing at a time, from one
middle case. The gate's own folding counts; nothing is estimated.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from troth.core.events import Event
from troth.core.shape import Shape
from troth.core.standing import Known
from troth.core.values import MICROSECONDS_PER_DAY, Use, format_instant, parse_instant
from troth.core.written import read_event
from troth.gate.cohorts import Cohorts
from troth.gate.world import World

START: Final = parse_instant("2018-01-01")
NOW: Final = parse_instant("2026-01-01")
USE: Final = Use("train.generative", "operator")
COUNTRIES: Final = (
    "US BR IN MX CA JP AU ZA ID PH NG AR CL CO TR TH VN EG KE PE DE FR NL SE IT ES PL IE GB CH"
).split()


@dataclass(frozen=True, slots=True)
class Population:
    """What is varied: ``flips`` is the mean number of changes of the switch per thousand members."""

    members: int = 20_000
    countries: int = 10
    versions: int = 8
    flips: int = 100
    joined_days: int = 24


def world_events(asked: Population) -> Iterator[dict[str, object]]:
    """The terms, the switch and the law."""
    step = (NOW - START) // (asked.versions + 1)
    for number in range(asked.versions):
        at = format_instant(START + number * step)
        yield {
            "terms": "user-agreement", "kind": "user_agreement", "version": str(number),
            "published_at": at, "effective_at": at,
            "clauses": [{
                "id": "train", "effect": "permit", "purposes": ["train"], "categories": ["private_message"],
                "recipients": ["operator"], "condition": {"setting": "s"}, "quote": "We train.",
            }],
        }  # fmt: skip
    yield {"setting": "s", "introduced_at": format_instant(START), "defaults": [{"value": "on"}]}
    for place in COUNTRIES[: asked.countries]:
        regime = ("opt_out", "opt_in")[COUNTRIES.index(place) % 2]
        yield {"regime": {"jurisdictions": [place], "regime": regime, "purposes": ["train"]}}


def member_events(asked: Population, seed: int) -> Iterator[dict[str, object]]:
    """Who joined when and where, and who moved the switch when, to the microsecond."""
    drawn = random.Random(f"{seed} {asked}")  # noqa: S311 - a simulation
    for number in range(asked.members):
        name = f"m{number}"
        joined = START + drawn.randrange(asked.joined_days) * ((NOW - START) // asked.joined_days)
        place = COUNTRIES[drawn.randrange(asked.countries)]
        yield {"subject": name, "since": format_instant(joined), "jurisdiction": place}
        at = joined + MICROSECONDS_PER_DAY
        while drawn.random() * (1000 + asked.flips) < asked.flips and at < NOW:
            at = drawn.randrange(at, NOW)
            yield {"choose": {"subject": name, "setting": "s", "value": drawn.choice(("on", "off", "off")),
                              "at": format_instant(at)}}  # fmt: skip


def measure(asked: Population, seed: int = 1) -> dict[str, float]:
    """Fold a population: how many cohorts, spans and windows, and how long it took."""
    events: list[Event] = [
        read_event(Shape(one, "events"))
        for made in (world_events(asked), member_events(asked, seed))
        for one in made
    ]
    known = Known(enumerate(events))
    sets = [("private_message",)]
    cohorts = Cohorts(World(known, USE, NOW, sets), sets, START, timeless=False)
    started = time.monotonic()
    spans = sum(1 for _ in cohorts.spans(known.members.items()))
    windows = sum(1 for _ in cohorts.windows())
    seconds = time.monotonic() - started
    return {
        "cohorts": cohorts.count,
        "spans": spans,
        "windows": windows,
        "seconds": round(seconds, 2),
        "members_per_second": round(asked.members / seconds),
    }


STEPS: Final[dict[str, tuple[int, ...]]] = {
    "members": (2_000, 20_000, 100_000),
    "countries": (2, 10, 30),
    "versions": (2, 8, 24),
    "flips": (10, 100, 1000),
    "joined_days": (1, 24, 720),
}


def main() -> None:
    """Measure every step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    rows = []
    for name, values in STEPS.items():
        for value in values:
            population = replace(Population(), **{name: value})
            rows.append({"varied": name, **asdict(population), **measure(population)})
            print(json.dumps(rows[-1]), flush=True)  # noqa: T201 - its output
    if asked.out is not None:
        asked.out.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
