"""Tests whose error rate holds by construction: ranks of canaries, and how ranks are put together.

Everything here rests on one fact. Of K + 1 exchangeable candidates one was drawn at random, later than anything
that could depend on the draw. If the model did not learn from it, then the rank of its score among all K + 1 is
uniform, for any model and any score, so that p = rank / (K + 1) is at most t with probability at most t
(Zhang, Das, Kamath, Tramèr, arXiv 2409.19798; Besag and Clifford 1989 for the argument).

Scores are losses: the smaller, the more the model seems to know the text. No randomness of its own: whatever is
drawn comes from a ``Draw`` that is passed in, so that others can repeat it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from troth.core.errors import BadInput

Draw: TypeAlias = Callable[[int], int]
"""A whole number, uniform on [0, n) for the n that is passed."""

_TINY: Final = 1e-300
_HALVINGS: Final = 50


def rank_p(scores: Sequence[float], drawn: int, draw: Draw) -> float:
    """The p-value of one candidate set: (1 + #{k ≠ i*: s_k ≤ s*}) / (K + 1), ties broken at random.

    Under the null it is uniform on {1/(K+1), …, 1}: exact, and never below 1/(K+1).

    Args:
        scores: a loss for each of the K + 1 candidates.
        drawn: i*, the index of the candidate that was placed.
        draw: breaks ties; it must not depend on the scores.

    Raises:
        BadInput: fewer than two candidates, an index outside, a score that is no number.
    """
    if len(scores) < 2 or not 0 <= drawn < len(scores):  # noqa: PLR2004 - one candidate has no rank
        raise BadInput(f"a rank needs two candidates and one that was drawn; got {len(scores)} and {drawn}")
    mine = scores[drawn]
    below = equal = 0
    for score in scores:
        # Infinities have a rank. What is no number has none, and leaving it out would favour somebody.
        if score != score:  # noqa: PLR0124 - NaN alone differs from itself
            raise BadInput("a score is not a number", remedy="score all candidates, or none of the set")
        below += score < mine
        equal += score == mine
    return (1 + below + draw(equal)) / len(scores)


# putting several together


def fisher(p_values: Sequence[float]) -> float:
    """Fisher's combination of independent p-values: the probability that a χ² with 2n degrees exceeds −2 Σ ln p.

    Each p may be discrete as long as P(p ≤ t) ≤ t: then −2 ln p is stochastically at most a χ² with 2 degrees,
    so is the sum, and the result keeps the level (Fisher 1932; only independence is asked for besides).

    Raises:
        BadInput: no p-value, or one outside (0, 1].
    """
    _check(p_values)
    return math.exp(min(_log_poisson_head(len(p_values), -sum(map(math.log, p_values))), 0.0))


def _log_poisson_head(n: int, half: float) -> float:
    """ln P(χ²_2n ≥ 2·half) = ln Σ_{j<n} e^(−half) half^j / j!, stable for tails far below 1e-300."""
    if half <= 0:
        return 0.0
    terms = [j * math.log(half) - math.lgamma(j + 1) - half for j in range(n)]
    largest = max(terms)
    return largest + math.log(sum(math.exp(term - largest) for term in terms))


def rerandomise(
    ranks: Sequence[float], drawn: Sequence[int], redraw: Callable[[], Sequence[int]], times: int, draw: Draw
) -> float:
    """One p-value for members who share one candidate set, where their ranks are not independent.

    The statistic is Σ_j ln(rank of member j's candidate). The drawing is repeated ``times`` times as it was made,
    and p = (1 + #{repeats with a statistic as small}) / (times + 1), ties at random: exact for any dependence
    that the shared candidates bring, since the true drawing is one more of the same kind (Phipson and Smyth 2010).

    Args:
        ranks: the (mid-)rank of each candidate among all of the shared set, from 1 for the smallest loss.
        drawn: the index that each member drew.
        redraw: one more drawing of all members' indices, by the same procedure.
        times: how often; p is never below 1 / (times + 1).
        draw: breaks ties.
    """

    def statistic(indices: Sequence[int]) -> float:
        # Sorted, so that equal drawings in another order give equal sums of floating-point numbers.
        return sum(sorted(math.log(ranks[index]) for index in indices))

    mine = statistic(drawn)
    others = [statistic(redraw()) for _ in range(times)]
    below = sum(other < mine for other in others)
    return (1 + below + draw(1 + sum(other == mine for other in others))) / (times + 1)


def mid_ranks(scores: Sequence[float]) -> list[float]:
    """Ranks from 1 for the smallest; equal scores share the mean of their ranks."""
    order = sorted(range(len(scores)), key=scores.__getitem__)
    ranks = [0.0] * len(scores)
    start = 0
    while start < len(order):
        stop = start + 1
        while stop < len(order) and scores[order[stop]] == scores[order[start]]:
            stop += 1
        for index in order[start:stop]:
            ranks[index] = (start + 1 + stop) / 2
        start = stop
    return ranks


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given: rejecting those ≤ alpha keep the chance of any false one ≤ alpha.

    Holds for any dependence between the tests (Holm 1979).
    """
    _check(p_values)
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted = [0.0] * len(p_values)
    reached = 0.0
    for step, index in enumerate(order):
        reached = max(reached, min(1.0, (len(order) - step) * p_values[index]))
        adjusted[index] = reached
    return adjusted


# looking before the end


def e_value(p_value: float) -> float:
    """An e-value for a p-value: (1 − p + p ln p) / (p ln² p), the mixture ∫ κ p^(κ−1) dκ over [0, 1].

    A decreasing function with integral 1, so its mean under the null is at most 1 for discrete p too
    (Vovk and Wang 2021, "E-values: calibration, combination and applications", section 2).
    """
    _check([p_value])
    if p_value > 1 - 1e-4:
        # The quotient tends to 1/2 and loses its digits there; the series is 1/2 + (1 − p)/6 + …
        return 0.5 + (1 - p_value) / 6
    log = math.log(p_value)
    return (1 - p_value + p_value * log) / (p_value * log * log)


def together(e_values: Sequence[float]) -> float:
    """One e-value out of several that may depend on each other in any way: their mean (Vovk and Wang 2021)."""
    if not e_values:
        raise BadInput("there is nothing to combine")
    return sum(e_values) / len(e_values)


class Wager:
    """A running test that may be looked at, and stopped, at any time.

    Each independent set that is opened multiplies the capital by its e-value. Under the null the capital is a
    supermartingale that starts at 1, so the chance that it *ever* reaches 1/alpha is at most alpha (Ville 1939; Ramdas
    and others 2023, "Game-theoretic statistics and safe anytime-valid inference").
    """

    def __init__(self) -> None:
        self.log_capital = 0.0
        self.log_best = 0.0
        self.looks = 0

    def add(self, p_value: float) -> None:
        """Open one more set; its draw must be independent of all that were opened before."""
        self.log_capital += math.log(e_value(p_value))
        self.log_best = max(self.log_best, self.log_capital)
        self.looks += 1

    @property
    def p_value(self) -> float:
        """Valid whenever somebody looks: 1 / the most that the capital ever was."""
        return math.exp(-self.log_best)


# counting


def tail(count: int, trials: int, chance: float) -> float:
    """P(X ≥ count) for X binomial."""
    if count <= 0:
        return 1.0
    if count > trials or chance <= 0:
        return 0.0
    if chance >= 1:
        return 1.0
    # From the point nearest to the middle outward each one is smaller than the one before.
    odds = chance / (1 - chance)
    if count > trials * chance:
        points, point, k = [], _point(count, trials, chance), count
        while k <= trials and point > 0:
            points.append(point)
            point *= (trials - k) / (k + 1) * odds
            k += 1
        return min(1.0, math.fsum(points))
    points, point, k = [], _point(count - 1, trials, chance), count - 1
    while k >= 0 and point > 0:
        points.append(point)
        point *= k / (trials - k + 1) / odds
        k -= 1
    return max(0.0, 1 - math.fsum(points))


def _point(k: int, trials: int, chance: float) -> float:
    log = math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1)
    return math.exp(log + k * math.log(chance) + (trials - k) * math.log1p(-chance))


def band(trials: int, chance: float, confidence: float) -> tuple[int, int]:
    """The exact central band of a binomial count: outside on either side with at most (1 − confidence) / 2."""
    outside = (1 - confidence) / 2
    points = [_point(k, trials, chance) for k in range(trials + 1)]
    low, left = 0, points[0]
    while left <= outside:
        low += 1
        left += points[low]
    high, right = trials, points[trials]
    while right <= outside:
        high -= 1
        right += points[high]
    return low, high


def lower_bound(count: int, trials: int, confidence: float) -> float:
    """The lower bound of a share that was seen ``count`` times in ``trials`` (Clopper and Pearson 1934, one side)."""
    if not 0 <= count <= trials:
        raise BadInput(f"{count} of {trials} is no share")
    if count == 0:
        return 0.0
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if tail(count, trials, middle) <= 1 - confidence:
            low = middle
        else:
            high = middle
    return low


def _check(p_values: Sequence[float]) -> None:
    if not p_values:
        raise BadInput("there is no p-value to work with")
    for p in p_values:
        if not _TINY <= p <= 1:
            raise BadInput(f"{p} is no p-value: they lie above 0 and up to 1")
