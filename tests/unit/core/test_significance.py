"""The tests hold their level: exactly where it can be enumerated, within exact binomial bands where it is drawn."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.core import nulls
from troth.core.errors import BadInput
from troth.core.significance import (
    Wager,
    band,
    e_value,
    fisher,
    holm,
    lower_bound,
    mid_ranks,
    rank_p,
    rerandomise,
    tail,
    together,
)

SCORES = st.lists(st.integers(0, 3).map(float), min_size=2, max_size=7)


@given(SCORES)
def test_a_rank_is_exactly_uniform_whatever_the_scores(scores: list[float]) -> None:
    """Every draw and every way to break ties, counted: each p-value is as likely as any other."""
    size = len(scores)
    chances = [0.0] * (size + 1)
    for drawn in range(size):
        equal = scores.count(scores[drawn])
        for tie in range(equal):
            p = rank_p(scores, drawn, lambda _, tie=tie: tie)  # type: ignore[misc]
            chances[round(p * size)] += 1 / size / equal
    assert chances[0] == 0
    assert chances[1:] == pytest.approx([1 / size] * size)


@pytest.mark.parametrize("name", nulls.SCORES)
def test_null_tests_reject_as_often_as_they_say(name: str) -> None:
    rejected = nulls.member_rejections(name, trials=1_000, size=200, seed=1)
    for level, count in rejected.items():
        low, high = band(1_000, level, 0.99)
        assert low <= count <= high, (name, level, count)


def test_class_tests_keep_their_level() -> None:
    # Fisher is a little conservative on coarse ranks: only the upper side can be asked for.
    for level, count in nulls.class_rejections(trials=500, sets=5, size=100, seed=1).items():
        assert count <= band(500, level, 0.99)[1], (level, count)


def test_a_test_that_chooses_its_canary_afterwards_is_seen_to_be_wrong() -> None:
    """The harness notices a broken test: the best of all candidates taken as the one that was drawn."""
    rejected = nulls.member_rejections("normal", trials=200, size=200, seed=1, cheat=True)
    assert rejected[0.05] > band(200, 0.05, 0.99)[1]


def test_fisher_agrees_with_the_chi_squared_distribution() -> None:
    # One p-value combines to itself; two to p q (1 - ln(p q)), by hand.
    assert fisher([0.03]) == pytest.approx(0.03)
    product = 0.02 * 0.3
    assert fisher([0.02, 0.3]) == pytest.approx(product * (1 - math.log(product)))
    assert fisher([1.0] * 30) == pytest.approx(1.0)
    assert 0 <= fisher([1e-4] * 200) < 1e-300


@given(st.lists(st.integers(1, 4), min_size=2, max_size=3))
def test_fisher_on_discrete_ranks_never_exceeds_its_level(sizes: list[int]) -> None:
    found = [
        fisher([rank / (size + 1) for rank, size in zip(ranks, sizes, strict=True)])
        for ranks in itertools.product(*(range(1, size + 2) for size in sizes))
    ]
    for level in (0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.9):
        assert sum(p <= level for p in found) / len(found) <= level + 1e-12


def test_shared_candidates_are_tested_by_drawing_again() -> None:
    random_ = random.Random(4)

    def redraw() -> list[int]:
        return [random_.randrange(20) for _ in range(6)]

    rejected = 0
    for _ in range(300):
        ranks = mid_ranks([random_.gauss(0, 1) for _ in range(20)])
        rejected += rerandomise(ranks, redraw(), redraw, 99, random_.randrange) <= 0.05
    low, high = band(300, 0.05, 0.99)
    assert low <= rejected <= high
    ordered = mid_ranks([float(one) for one in range(20)])
    assert rerandomise(ordered, [0] * 6, redraw, 999, random_.randrange) == pytest.approx(0.001)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]


@given(st.integers(1, 400))
def test_an_e_value_has_a_mean_of_at_most_one_on_ranks(size: int) -> None:
    assert sum(e_value(rank / size) for rank in range(1, size + 1)) / size <= 1 + 1e-9


def test_e_values_fall_and_meet_their_limit() -> None:
    values = [e_value(p / 10_000) for p in range(1, 10_001)]
    assert values == sorted(values, reverse=True)
    assert values[-1] == pytest.approx(0.5)
    assert together([1.0, 3.0]) == 2.0


def test_looking_after_every_set_does_not_raise_the_level() -> None:
    for level, count in nulls.wager_rejections(trials=600, sets=20, size=200, seed=2).items():
        assert count <= band(600, level, 0.99)[1]
    # The same stopping rule with Fisher's p-value does: that is why there are e-values.
    assert nulls.peeking_rejections(trials=300, sets=20, size=200, seed=2) > band(300, 0.05, 0.99)[1]


def test_a_wager_remembers_its_best_moment() -> None:
    wager = Wager()
    wager.add(0.001)
    best = wager.p_value
    wager.add(1.0)
    assert wager.p_value == best < 0.05
    assert wager.looks == 2


@given(st.integers(1, 40), st.integers(0, 40), st.floats(0.01, 0.99))
def test_binomial_tails_by_counting(trials: int, count: int, chance: float) -> None:
    exact = sum(
        math.comb(trials, k) * chance**k * (1 - chance) ** (trials - k) for k in range(count, trials + 1)
    )
    assert tail(count, trials, chance) == pytest.approx(exact, abs=1e-9)


def test_bounds_of_a_share() -> None:
    # 10 of 10: the share whose tenth power is 5%.
    assert lower_bound(10, 10, 0.95) == pytest.approx(0.05 ** (1 / 10))
    assert lower_bound(0, 10, 0.95) == 0
    assert band(10_000, 0.05, 0.99) == (445, 557)
    with pytest.raises(BadInput):
        lower_bound(3, 2, 0.95)


@pytest.mark.parametrize(
    ("scores", "drawn"), [([1.0], 0), ([1.0, 2.0], 2), ([1.0, 2.0], -1), ([1.0, math.nan], 0)]
)
def test_what_has_no_rank_is_refused(scores: list[float], drawn: int) -> None:
    with pytest.raises(BadInput):
        rank_p(scores, drawn, lambda _: 0)


@pytest.mark.parametrize("p", [0.0, -0.1, 1.1, math.nan])
def test_what_is_no_p_value_is_refused(p: float) -> None:
    for function in (lambda: fisher([p]), lambda: holm([p]), lambda: e_value(p)):
        with pytest.raises(BadInput):
            function()
    with pytest.raises(BadInput):
        fisher([])


def test_infinite_scores_have_a_rank() -> None:
    assert rank_p([-math.inf, 0.0, math.inf, math.inf], 0, lambda _: 0) == 0.25
    assert rank_p([-math.inf, 0.0, math.inf, math.inf], 3, lambda count: count - 1) == 1.0
