"""Power: estimates that are what was counted, bounds that hold, plans that add up."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from troth.core.errors import BadInput
from troth.core.significance import band, fisher
from troth.learning.power import (
    bound_in_words,
    class_power,
    curve,
    fisher_threshold,
    member_power,
    plan,
)


def test_the_power_of_a_member_is_what_was_counted() -> None:
    found = member_power(8, [0.001] * 18 + [0.5] * 2, 0.05)
    assert found.seen == 0.9
    assert found.at_least == pytest.approx(0.717, abs=0.001)  # Clopper and Pearson, 18 of 20, one side
    assert found.sets == 20


@given(st.integers(1, 60), st.sampled_from([0.05, 0.01, 1e-6]))
def test_the_threshold_is_fishers(members: int, level: float) -> None:
    at = fisher_threshold(members, level)
    assert fisher([math.exp(-at / members)] * members) == pytest.approx(level, rel=1e-6)


def test_a_class_under_the_null_is_seen_as_often_as_its_level() -> None:
    null = [(rank + 1) / 2_000 for rank in range(2_000)]
    found = class_power(4, null, 30, 0.05)
    low, high = band(2_000, 0.05, 0.999)
    assert low / 2_000 <= found.seen <= high / 2_000
    assert found.at_least < found.seen


def test_weak_signals_of_many_are_seen() -> None:
    weak = [(rank + 1) / 200 * 0.4 for rank in range(200)]
    assert member_power(4, weak, 0.05).seen < 0.2
    assert class_power(4, weak, 30, 0.05).at_least > 0.9


def test_bounds_hold_as_often_as_they_say() -> None:
    """Calibrations of a known truth: the bound lies above the true power in at most 5% of them, give or take."""
    chance = random.Random(1)

    def p() -> float:
        return chance.random() ** 2  # P(p <= t) is the root of t

    truth = sum(fisher([p() for _ in range(5)]) <= 0.05 for _ in range(4_000)) / 4_000
    above = sum(class_power(4, [p() for _ in range(40)], 5, 0.05).at_least > truth for _ in range(60))
    assert above <= band(60, 0.05, 0.99)[1]


def test_few_calibration_sets_bound_nothing() -> None:
    assert class_power(4, [0.001], 30, 0.05).at_least == 0
    assert member_power(4, [0.5] * 5, 0.05).at_least == 0


def test_a_curve_has_a_point_for_each_size_and_repetition() -> None:
    found = curve({8: [0.01] * 20, 2: [0.5] * 20}, [1, 10], 0.05)
    assert [(one.members, one.messages) for one in found] == [(1, 2), (1, 8), (10, 2), (10, 8)]
    assert "at least 8 marked messages of each of the members" in bound_in_words(found[-1])


def test_a_plan_takes_the_fewest_marks() -> None:
    calibration = {2: [0.3] * 30 + [0.2] * 30, 8: [0.2, 0.1] * 30, 32: [0.0001] * 60}
    found = plan(calibration, 0.9, 0.05, [1, 30], 10_000)
    best = found.enough[0]
    assert (best.members, best.messages) == (1, 32)
    assert {(one.members, one.messages) for one in found.enough} >= {(1, 32), (30, 8), (30, 32)}
    assert all(one.at_least <= one.seen for one in found.options)


def test_too_few_candidates_cannot_reach_a_level() -> None:
    with pytest.raises(BadInput, match="at least 1,000 candidates"):
        plan({8: [0.01]}, 0.9, 0.001, [1], 100)
    with pytest.raises(BadInput, match="calibration"):
        plan({}, 0.9, 0.05, [1], 100)


def test_fewer_candidates_see_less() -> None:
    calibration = {8: [0.0001] * 50}
    fine, coarse = (plan(calibration, 0.9, 0.001, [1, 2], size) for size in (10_000, 1_000))
    assert fine.options[0].seen >= coarse.options[0].seen
