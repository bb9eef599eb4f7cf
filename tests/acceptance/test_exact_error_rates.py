"""The error rates, in full: ten thousand null tests of each kind, against exact binomial bands of 99%."""

from __future__ import annotations

import pytest

from tests.unit.core import nulls
from troth.core.significance import band

TRIALS = 10_000


@pytest.mark.parametrize("name", nulls.SCORES)
def test_member_tests(name: str) -> None:
    rejected = nulls.member_rejections(name, trials=TRIALS, size=1_000, seed=20)
    for level, count in rejected.items():
        low, high = band(TRIALS, level, 0.99)
        assert low <= count <= high, (name, level, count)


@pytest.mark.parametrize("sets", [2, 30])
def test_class_tests(sets: int) -> None:
    rejected = nulls.class_rejections(trials=TRIALS // sets * 2, sets=sets, size=1_000, seed=21)
    for level, count in rejected.items():
        assert count <= band(TRIALS // sets * 2, level, 0.99)[1], (sets, level, count)


def test_class_tests_on_ten_thousand_drawn_ranks() -> None:
    """Fisher over ranks of K = 9,999, where its discreteness no longer shows: both sides of the band."""
    from troth.core.canary import Stream
    from troth.core.significance import fisher

    draw = Stream(bytes(32), b"acceptance").below
    found = [fisher([(1 + draw(10_000)) / 10_000 for _ in range(30)]) for _ in range(TRIALS)]
    for level in nulls.LEVELS:
        low, high = band(TRIALS, level, 0.99)
        assert low <= sum(p <= level for p in found) <= high


def test_wagers_that_are_looked_at_after_every_set() -> None:
    for level, count in nulls.wager_rejections(trials=TRIALS, sets=30, size=10_000, seed=22).items():
        assert count <= band(TRIALS, level, 0.99)[1], (level, count)
