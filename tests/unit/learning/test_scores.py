"""Scores of candidates: what the forecast of syllables takes off, and that it treats all candidates alike."""

from __future__ import annotations

import random

import numpy as np
import pytest

from troth.core.canary import CanarySet
from troth.core.significance import band, rank_p
from troth.learning import scores
from troth.learning.scores import adjusted

SET = CanarySet("s", bytes(32), size=300)
MARKS = SET.marks()


def _losses(seed: int, noise: float = 1.0) -> list[float]:
    """A model that finds some syllables more improbable than others."""
    chance = random.Random(seed)
    price = {a + b: chance.gauss(4, 1) for a in "bdfgjklmnprstvz" for b in "aeiou"}
    split = [[word[at : at + 2] for word in mark.split() for at in range(0, len(word), 2)] for mark in MARKS]
    return [sum(price[one] for one in mark) + chance.gauss(0, noise) for mark in split]


def test_what_syllables_explain_no_longer_hides_what_was_learned() -> None:
    losses = _losses(1)
    learned = sorted(range(300), key=losses.__getitem__)[150]
    losses[learned] -= 8
    plain = rank_p(losses, learned, lambda _: 0)
    found = rank_p(adjusted(losses, MARKS), learned, lambda _: 0)
    assert plain > 0.05
    assert found == 1 / 300


@pytest.mark.parametrize("strength", [1e1, 1e3])
def test_each_forecast_is_made_of_the_others_alone(strength: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """The quick form of leaving out equals leaving out: a regression on all others, one by one."""
    monkeypatch.setattr(scores, "_RIDGES", (strength,))
    losses, marks = np.array(_losses(2)[:40]), MARKS[:40]
    table = scores._syllables(marks)
    found = adjusted(list(losses), marks)
    for out in (0, 13, 39):
        kept = np.arange(40) != out
        mean, level = table[kept].mean(axis=0), losses[kept].mean()
        rows = table[kept] - mean
        weights = np.linalg.solve(
            rows.T @ rows + strength * np.eye(rows.shape[1]), rows.T @ (losses[kept] - level)
        )
        assert found[out] == pytest.approx(losses[out] - level - (table[out] - mean) @ weights)


def test_the_order_of_candidates_does_not_matter() -> None:
    losses = _losses(3)
    order = random.Random(3).sample(range(300), 300)
    moved = adjusted([losses[at] for at in order], [MARKS[at] for at in order])
    found = adjusted(losses, MARKS)
    assert moved == pytest.approx([found[at] for at in order])


def test_a_loss_that_is_infinite_is_left_with_the_others() -> None:
    losses = _losses(4)
    losses[0] = float("inf")
    assert adjusted(losses, MARKS) == losses


def test_ranks_of_the_adjusted_loss_are_uniform_where_nothing_was_learned() -> None:
    chance = random.Random(5)
    trials, low = 2_000, 0
    found = adjusted(_losses(5, noise=10), MARKS)
    for _ in range(trials):
        low += rank_p(found, chance.randrange(300), chance.randrange) <= 0.05
    least, most = band(trials, 0.05, 0.9999)
    assert least <= low <= most
