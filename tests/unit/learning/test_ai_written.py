"""The share of machine-written texts: each figure against its definition, the interval against what it promises."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from troth.core.errors import BadInput, Refused
from troth.learning.ai_written import (
    LEAST,
    Counted,
    Labelled,
    area,
    bar,
    calibrate,
    curvature,
    prevalence,
)

SCORES = st.lists(st.integers(-5, 5).map(float), min_size=2, max_size=12)


def test_the_curvature_of_a_text_by_hand() -> None:
    # One place with the chances 1/2, 1/4, 1/4, another that is certain but for a little.
    first, second = [0.5, 0.25, 0.25], [0.9, 0.1]
    read = [math.log(0.25), math.log(0.9)]
    mean = [sum(p * math.log(p) for p in one) for one in (first, second)]
    variance = [
        sum(p * (math.log(p) - middle) ** 2 for p in one)
        for one, middle in zip((first, second), mean, strict=True)
    ]
    expected = (sum(read) - sum(mean)) / math.sqrt(sum(variance))
    found = curvature([-one for one in read], [-one for one in mean], [math.sqrt(one) for one in variance])
    assert found == pytest.approx(expected)
    assert curvature([0.0], [0.0], [0.0]) == 0.0


@given(SCORES, SCORES)
def test_the_area_counts_pairs(machine: list[float], human: list[float]) -> None:
    pairs = [1.0 if m > h else 0.5 if m == h else 0.0 for m in machine for h in human]
    found = area(machine, human)
    assert found.value == pytest.approx(sum(pairs) / len(pairs))
    assert 0.0 <= found.low <= found.value <= found.high <= 1.0
    assert found.low < found.high


def test_the_area_of_kinds_that_do_not_overlap_is_no_certainty() -> None:
    few, many = area([2.0] * 10, [1.0] * 10), area([2.0] * 1000, [1.0] * 1000)
    assert few.value == many.value == few.high == 1.0
    assert few.low < 0.9
    assert many.low > 0.99


def test_the_interval_of_the_area_holds_the_truth_as_often_as_it_says() -> None:
    draw = np.random.default_rng(1)
    truth = 0.5 * math.erfc(-1.2 / math.sqrt(2) / math.sqrt(2))  # P(N(1.2, 1) > N(0, 1))
    held = 0
    for _ in range(400):
        found = area(draw.normal(1.2, 1, 50).tolist(), draw.normal(0, 1, 60).tolist())
        held += found.low <= truth <= found.high
    assert 0.92 <= held / 400 <= 0.98


@pytest.mark.parametrize("truth", [0.0, 0.05, 0.4, 1.0])
@pytest.mark.parametrize(("sensitivity", "specificity", "known"), [(0.9, 0.95, 60), (0.6, 0.8, 150)])
def test_the_interval_of_the_share_holds_the_truth_as_often_as_it_says(
    truth: float, sensitivity: float, specificity: float, known: int
) -> None:
    draw = np.random.default_rng(2)
    held, middle, times = 0, 0.0, 500
    for _ in range(times):
        chance = truth * sensitivity + (1 - truth) * (1 - specificity)
        found = prevalence(
            Counted(int(draw.binomial(300, chance)), 300),
            Counted(int(draw.binomial(known, sensitivity)), known),
            Counted(int(draw.binomial(known, specificity)), known),
        )
        assert 0.0 <= found.low <= found.value <= found.high <= 1.0
        held += found.low <= truth <= found.high
        middle += found.value / times
    assert held / times >= 0.93
    assert middle == pytest.approx(truth, abs=0.06)


def test_a_share_is_corrected_by_rogan_and_gladen() -> None:
    # (0.4 + 0.9 - 1) / (0.7 + 0.9 - 1) = 0.5
    assert prevalence(Counted(40, 100), Counted(70, 100), Counted(90, 100)).value == pytest.approx(0.5)
    assert prevalence(Counted(5, 100), Counted(70, 100), Counted(90, 100)).value == 0.0


def test_a_detector_without_skill_knows_nothing() -> None:
    found = prevalence(Counted(1, 2), Counted(1, 4), Counted(1, 4))
    assert (found.low, found.high) == (0.0, 1.0)


def _labelled(draw: np.random.Generator, shift: float, count: int) -> Labelled:
    return Labelled(draw.normal(0, 1, count).tolist(), draw.normal(shift, 1, count).tolist())


def test_a_threshold_is_chosen_on_one_half_and_measured_on_the_other() -> None:
    draw = np.random.default_rng(3)
    choose, measure = _labelled(draw, 3, 300), _labelled(draw, 3, 300)
    found = calibrate(choose, measure)
    assert found.threshold == pytest.approx(1.5, abs=0.5)
    assert found.found == Counted(sum(one >= found.threshold for one in measure.machine), 300)
    assert found.spared == Counted(sum(one < found.threshold for one in measure.human), 300)
    mixed = [*draw.normal(0, 1, 700), *draw.normal(3, 1, 300)]
    share = found.share(mixed)
    assert share.low < 0.3 < share.high
    assert share.high - share.low < 0.2


def test_a_score_that_tells_nothing_apart_is_refused() -> None:
    draw = np.random.default_rng(4)
    with pytest.raises(Refused, match="does not tell these human and machine texts apart"):
        calibrate(_labelled(draw, 0, 100), _labelled(draw, 0, 100))
    with pytest.raises(Refused):  # the wrong way round is no skill either
        calibrate(_labelled(draw, -3, 100), _labelled(draw, -3, 100))


def test_too_few_texts_of_known_origin_are_refused() -> None:
    draw = np.random.default_rng(5)
    with pytest.raises(BadInput, match="too few texts of known origin"):
        calibrate(_labelled(draw, 3, LEAST), _labelled(draw, 3, LEAST - 1))


@settings(max_examples=25, deadline=None)
@given(st.integers(19, 60), st.sampled_from([0.05, 0.1, 0.2]))
def test_the_bar_spares_human_texts(count: int, rate: float) -> None:
    # Each text in turn is the new one: exactly what is promised, over all of them (leave one out of a fixed set).
    scores = np.random.default_rng(count).permutation(count + 1).astype(float)
    wrong = sum(bar(np.delete(scores, at).tolist(), rate) < scores[at] for at in range(count + 1))
    assert wrong / (count + 1) <= rate
    assert wrong == math.floor((count + 1) * rate)


def test_a_rate_that_the_texts_cannot_show_is_refused() -> None:
    assert bar([float(one) for one in range(99)], 0.01) == 98.0
    with pytest.raises(BadInput, match="98 human texts do not show"):
        bar([0.0] * 98, 0.01)
