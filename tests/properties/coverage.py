"""What the random cases reach: ``python -m tests.properties.coverage [CASES]`` prints it as a table.

Counted by the oracle, so that nothing here rests on the code under test. Besides the reasons: the grounds
found and held, each way of being told, the regimes by how they were found, the rules for parties; and the
answers that hang on a region's dates, on a microsecond, or on the order of two entries of one instant.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from tests.oracle import oracle
from tests.properties.worlds import raw_case
from troth.core.values import format_instant

Raw = dict[str, Any]

PATHS = {
    "ground found": ("ground-found:i", "ground-found:ii", "ground-found:iii"),
    "ground held": ("ground-held:i", "ground-held:ii", "ground-held:iii"),
    "told only by": (
        "told-only-by:joined",
        "told-only-by:notice-to-subject",
        "told-only-by:notice-to-audience",
        "told-only-by:accepted",
    ),
    "permit of": ("permit-binds:newest", "permit-binds:older"),
    "regime": (
        *tuple(
            f"regime:{regime}:{how}"
            for regime in ("terms", "opt_out", "opt_in", "prohibited")
            for how in ("place", "country", "region")
        ),
        "regime:terms:none",
        "regime:opt_in:none",
    ),
    "lifted": (
        "promise-lifted",
        "prohibited-at-t0-lifted",
        "objection-lifted-by-consent",
        "objection-lifted-by-choice",
    ),
    "choice": (
        "choice-covers-past",
        "chosen-on-later-default-on-at-t0",
        "held-by-default-on",
        "consent-overridden",
    ),
    "parties": tuple(
        f"rule:{rule}:{verdict}"
        for rule in ("all:2", "all:3", "any:2", "any:3", "author:1")
        for verdict in ("allowed", "denied", "gap")
    ),
    "hangs on": (
        "GB's leaving the EU",
        "HR's joining the EU",
        "what the EEA holds beside the EU",
        "a microsecond of t0",
        "a microsecond of T",
        "the order of entries of one instant",
    ),
}
"""What must be reached, by kind."""


@dataclass
class Covered:
    """How often everything was reached."""

    cases: int = 0
    expectations: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    in_a_set: Counter[str] = field(default_factory=Counter)
    first: Counter[str] = field(default_factory=Counter)
    paths: Counter[str] = field(default_factory=Counter)

    def missing(self) -> list[str]:
        """What was reached too rarely: reasons under 20 sets, or never a record's first; paths never."""
        return [
            *(reason for reason in oracle.ORDER if self.in_a_set[reason] < 20 or not self.first[reason]),
            *(path for paths in PATHS.values() for path in paths if not self.paths[path]),
        ]

    def add(self, results: Iterable[Raw]) -> None:
        """Count the answers of one case."""
        self.cases += 1
        for one in results:
            self.expectations += 1
            self.verdicts[one["verdict"]] += 1
            if one["reason"]:
                self.first[one["reason"]] += 1
            sets = list(one["reasons"].values()) or [[one["reason"]]]
            for reasons in sets:
                self.in_a_set.update(reasons)


def cover(cases: Iterable[Raw]) -> Covered:
    """Count over cases; every third is also asked what its answers hang on."""
    covered = Covered()
    for index, raw in enumerate(cases):
        results = oracle.evaluate(raw, trace=covered.paths)
        covered.add(results)
        if index % 3 == 0:
            for name, variants in _variants(raw):
                for asked in variants:
                    covered.paths[name] += sum(
                        _answer(one) != _answer(other) for one, other in zip(results, asked, strict=True)
                    )
    return covered


def _answer(result: Raw) -> tuple[object, ...]:
    return result["verdict"], result["reason"], result["party"], result["reasons"]


def _variants(raw: Raw) -> Iterator[tuple[str, Iterator[list[Raw]]]]:
    yield "GB's leaving the EU", _patched(raw, "_EU_LEFT", {})
    yield "HR's joining the EU", _patched(raw, "_EU_JOINED", oracle._EU_JOINED | {"2013-07-01": ""})
    yield "what the EEA holds beside the EU", _patched(raw, "_EEA_OTHERS", {})
    earlier = [
        one | {"created_at": _earlier(one["created_at"])} for one in raw["records"] if one.get("created_at")
    ]
    others = [one for one in raw["records"] if not one.get("created_at")]
    yield "a microsecond of t0", _asked(raw | {"records": earlier + others})
    expect = [one | {"at": _earlier(one["at"])} for one in raw["expect"]]
    yield "a microsecond of T", _asked(raw | {"expect": expect})
    yield "the order of entries of one instant", _swapped(raw)


def _earlier(text: str) -> str:
    instant = oracle.instant(text)
    assert instant is not None
    return format_instant(instant - 1)


def _asked(raw: Raw) -> Iterator[list[Raw]]:
    yield oracle.evaluate(raw)


def _patched(raw: Raw, name: str, value: object) -> Iterator[list[Raw]]:
    if any(region in str(raw["events"]) for region in ("'EU'", "'EEA'")):
        with _other(name, value):
            yield oracle.evaluate(raw)


@contextmanager
def _other(name: str, value: object) -> Iterator[None]:
    with mock.patch.object(oracle, name, value):
        yield


def _swapped(raw: Raw) -> Iterator[list[Raw]]:
    """The answers with two of one member's entries of one instant in the other order, for the first few pairs."""
    places: dict[tuple[object, ...], int] = {}
    pairs = []
    for place, event in enumerate(raw["events"]):
        kind = oracle.form(event)
        body = event if kind in ("terms", "setting", "subject") else event[kind]
        at = body.get("since") or body.get("at")
        if kind in ("choose", "withdraw", "consent", "object", "subject") and at is not None:
            key = (body["subject"], oracle.instant(at))
            if key in places:
                pairs.append((places[key], place))
            places[key] = place
    for first, second in pairs[:4]:
        events = list(raw["events"])
        events[first], events[second] = events[second], events[first]
        yield oracle.evaluate(raw | {"events": events})


def table(covered: Covered) -> str:
    """The counts as Markdown."""
    asked = covered.expectations
    lines = [f"{covered.cases:,} cases, {asked:,} expectations: "]
    lines[0] += ", ".join(
        f"{covered.verdicts[one]:,} {one} ({100 * covered.verdicts[one] / asked:.0f} %)"
        for one in ("allowed", "denied", "gap")
    )
    lines += ["", "| reason | in the set of a party | first of a record |", "|---|---:|---:|"]
    lines += [f"| {one} | {covered.in_a_set[one]:,} | {covered.first[one]:,} |" for one in oracle.ORDER]
    lines += ["", "| kind | what | reached |", "|---|---|---:|"]
    lines += [
        f"| {kind} | {path.removeprefix(kind + ':')} | {covered.paths[path]:,} |"
        for kind, paths in PATHS.items()
        for path in paths
    ]
    return "\n".join([*lines, "", "reached too rarely: " + (", ".join(covered.missing()) or "nothing")])


def main() -> None:
    """Print the table over so many cases."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1200
    sys.stdout.write(
        table(cover(raw_case(f"o{index // 150}.{index % 150}") for index in range(count))) + "\n"
    )


if __name__ == "__main__":
    main()
