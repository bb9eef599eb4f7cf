"""The error rates, in full: ten thousand null tests of each kind, against exact binomial bands of 99%."""

from __future__ import annotations

import sys

import pytest

from tests.unit.core import nulls
from troth.core.significance import band

TRIALS = 10_000


def _say(line: str) -> None:
    """For the dated results: pytest shows it with -rA."""
    sys.stdout.write(f"{line}\n")


@pytest.mark.parametrize("name", nulls.SCORES)
def test_member_tests(name: str) -> None:
    rejected = nulls.member_rejections(name, trials=TRIALS, size=1_000, seed=20)
    for level, count in rejected.items():
        low, high = band(TRIALS, level, 0.99)
        _say(f"{name} at {level}: {count} of {TRIALS:,}, band {low} to {high}")
        assert low <= count <= high, (name, level, count)


@pytest.mark.parametrize("sets", [2, 30])
def test_class_tests(sets: int) -> None:
    rejected = nulls.class_rejections(trials=TRIALS // sets * 2, sets=sets, size=1_000, seed=21)
    trials = TRIALS // sets * 2
    for level, count in rejected.items():
        high = band(trials, level, 0.99)[1]
        _say(f"classes of {sets}, scores of all kinds, at {level}: {count} of {trials:,}, band up to {high}")
        assert count <= high, (sets, level, count)


def test_class_tests_on_ten_thousand_drawn_ranks() -> None:
    """Fisher over ranks of K = 9,999, where its discreteness no longer shows: both sides of the band."""
    from troth.core.canary import Stream
    from troth.core.significance import fisher

    draw = Stream(bytes(32), b"acceptance").below
    found = [fisher([(1 + draw(10_000)) / 10_000 for _ in range(30)]) for _ in range(TRIALS)]
    for level in nulls.LEVELS:
        low, high = band(TRIALS, level, 0.99)
        count = sum(p <= level for p in found)
        _say(f"classes of 30, K = 9,999, at {level}: {count} of {TRIALS:,}, band {low} to {high}")
        assert low <= count <= high


def test_wagers_that_are_looked_at_after_every_set() -> None:
    for level, count in nulls.wager_rejections(trials=TRIALS, sets=30, size=10_000, seed=22).items():
        high = band(TRIALS, level, 0.99)[1]
        _say(
            f"e-values looked at after each of 30 sets, at {level}: {count} of {TRIALS:,} ever, band up to {high}"
        )
        assert count <= high, (level, count)
