"""How much of many texts is likely machine-written: one score per text, and a share with its interval.

The score is the conditional probability curvature of Fast-DetectGPT (Bao and others 2024, arXiv 2310.05130):
how much more probable a model finds a text than what it would have written itself, place by place. No single text
can be judged by it. A share of many can be estimated, since on texts whose origin is known one can count how
often the score is wrong (Rogan and Gladen 1978, Am. J. Epidemiol. 107, 71-76).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from troth.core.errors import BadInput, Refused

Floats = npt.NDArray[np.float64]

SCORE: Final = "fast-detectgpt-analytic-v1"
_Z: Final = 1.959963984540054
"""Of two-sided intervals at 95 %."""
LEAST: Final = 20
"""Texts of known origin that are needed of each kind, for choosing a threshold and again for measuring it."""


def curvature(losses: Sequence[float], entropies: Sequence[float], spreads: Sequence[float]) -> float:
    """The conditional probability curvature of a text, with the scoring model as the sampling model.

    Source: Bao and others 2024, equation 5 in its analytic form: (ln P − Σ mean) / √(Σ variance). It is 0 on
    average for what the model wrote at temperature 1, and grows with the length of a text that differs.

    Args:
        losses: −ln P of each token, in nats.
        entropies: the entropy of the model's distribution at each place, in nats.
        spreads: the standard deviation of ln P under that distribution at each place.
    """
    surplus = float(np.sum(entropies)) - float(np.sum(losses))
    return surplus / max(math.sqrt(float(np.square(spreads).sum())), 1e-6)


@dataclass(frozen=True, slots=True)
class Between:
    """An estimate and its 95 % interval."""

    value: float
    low: float
    high: float

    def as_json(self) -> dict[str, float]:
        """Plain JSON values, four digits."""
        return {"value": round(self.value, 4), "low": round(self.low, 4), "high": round(self.high, 4)}


def area(machine: Sequence[float], human: Sequence[float]) -> Between:
    """The area under the ROC curve: how often a machine text scores above a human one, ties counted half.

    The interval is that of DeLong and others (1988, Biometrics 44, 837-845) on the logit scale. Where the kinds
    do not overlap at all that one has no width, and Newcombe's method 5 (2006, Stat. Med. 25, 559-573) is taken.
    """
    mine, its = np.asarray(machine, dtype=float), np.asarray(human, dtype=float)
    higher = (mine[:, None] > its[None, :]) + 0.5 * (mine[:, None] == its[None, :])
    found = float(higher.mean())
    variance = higher.mean(1).var(ddof=1) / len(mine) + higher.mean(0).var(ddof=1) / len(its)
    if variance <= 0 or found in (0.0, 1.0):
        return Between(found, *_newcombe(found, len(mine), len(its)))
    middle, half = math.log(found / (1 - found)), _Z * math.sqrt(variance) / (found * (1 - found))
    return Between(found, _logistic(middle - half), _logistic(middle + half))


def _logistic(value: float) -> float:
    return 1 / (1 + math.exp(-max(-700.0, min(700.0, value))))


def _newcombe(found: float, machine: int, human: int) -> tuple[float, float]:
    """The areas that lie just so far from the one found as their own standard error allows."""
    star = (machine + human) / 2 - 1

    def too_far(area: float) -> bool:
        spread = area * (1 - area) * (1 + star * ((1 - area) / (2 - area) + area / (1 + area)))
        return abs(area - found) > _Z * math.sqrt(spread / (machine * human))

    return _edge(found, 0.0, too_far), _edge(found, 1.0, too_far)


def _edge(inside: float, end: float, too_far: Callable[[float], bool]) -> float:
    if inside == end:
        return end
    outside = end
    for _ in range(60):
        middle = (inside + outside) / 2
        inside, outside = (inside, middle) if too_far(middle) else (middle, outside)
    return (inside + outside) / 2


@dataclass(frozen=True, slots=True)
class Counted:
    """So many of so many."""

    hits: int
    of: int

    @property
    def share(self) -> float:
        """The share that was found."""
        return self.hits / self.of

    def between(self) -> Between:
        """The share with its score interval. Source: Wilson 1927, JASA 22, 209-212."""
        middle = (self.share + _Z * _Z / (2 * self.of)) / (1 + _Z * _Z / self.of)
        inner = self.share * (1 - self.share) / self.of + _Z * _Z / (4 * self.of * self.of)
        half = _Z / (1 + _Z * _Z / self.of) * math.sqrt(inner)
        return Between(self.share, max(0.0, middle - half), min(1.0, middle + half))


@dataclass(frozen=True, slots=True)
class Detector:
    """A threshold, and how often it was right on texts of known origin that it was not chosen with.

    Attributes:
        threshold: texts that score at least that count as machine-written.
        found: machine texts above it, of those measured (sensitivity).
        spared: human texts below it, of those measured (specificity).
        area: under the ROC curve, on the same texts.
    """

    threshold: float
    found: Counted
    spared: Counted
    area: Between

    def share(self, scores: Sequence[float]) -> Between:
        """The share of machine-written texts among texts with these scores, corrected for the detector's errors.

        Source: Rogan and Gladen 1978 for the value; Lang and Reiczigel 2014 (Prev. Vet. Med. 113, 13-22) for the
        interval, which takes in that sensitivity and specificity are themselves estimates. Both are clipped to
        [0, 1]. The texts count as a sample of endlessly many such.
        """
        above = sum(score >= self.threshold for score in scores)
        return prevalence(Counted(above, len(scores)), self.found, self.spared)

    def as_json(self) -> dict[str, object]:
        """Plain JSON values."""
        return {
            "threshold": round(self.threshold, 4),
            "sensitivity": {**self.found.between().as_json(), "of": self.found.of},
            "specificity": {**self.spared.between().as_json(), "of": self.spared.of},
            "auc": self.area.as_json(),
        }


def prevalence(above: Counted, found: Counted, spared: Counted) -> Between:
    """A share corrected for the sensitivity and specificity with which it was counted; see ``Detector.share``.

    Args:
        above: texts that the detector finds, of those looked at.
        found: of machine texts (sensitivity).
        spared: of human texts (specificity).
    """
    raw = (above.share + spared.share - 1) / max(found.share + spared.share - 1, 1e-9)
    many = above.of + _Z * _Z
    seen = (above.hits + _Z * _Z / 2) / many
    sensitivity, specificity = (found.hits + 1) / (found.of + 2), (spared.hits + 1) / (spared.of + 2)
    skill = sensitivity + specificity - 1
    if skill <= 0:
        return Between(min(1.0, max(0.0, raw)), 0.0, 1.0)
    share = (seen + specificity - 1) / skill
    unsure = (
        sensitivity * (1 - sensitivity) / (found.of + 2),
        specificity * (1 - specificity) / (spared.of + 2),
    )
    shift = 2 * _Z * _Z * (share * unsure[0] - (1 - share) * unsure[1])
    spread = seen * (1 - seen) / many + share**2 * unsure[0] + (1 - share) ** 2 * unsure[1]
    half = _Z * math.sqrt(spread) / skill
    value = min(1.0, max(0.0, raw))
    # The value is Rogan and Gladen's; the interval stands around another one, and takes it in.
    low, high = (min(1.0, max(0.0, share + shift + side * half)) for side in (-1, 1))
    return Between(value, min(low, value), max(high, value))


@dataclass(frozen=True, slots=True)
class Labelled:
    """Scores of texts of known origin, split before anything was computed of them."""

    human: Sequence[float]
    machine: Sequence[float]


def calibrate(choose: Labelled, measure: Labelled) -> Detector:
    """A detector whose threshold comes from one half of the texts of known origin, its errors from the other.

    The threshold is where sensitivity + specificity is greatest (Youden 1950, Cancer 3, 32-35); that machine texts
    score higher is taken from the paper, never from these texts.

    Raises:
        BadInput: too few texts.
        Refused: the score does not tell the two kinds apart.
    """
    least = min(map(len, (choose.human, choose.machine, measure.human, measure.machine)))
    if least < LEAST:
        raise BadInput(
            f"too few texts of known origin: {LEAST} of each kind are needed in each half, the smallest has {least}",
            remedy="give more texts, as long as the posts are",
        )
    values = np.unique([*choose.human, *choose.machine])
    human, machine = np.sort(choose.human), np.sort(choose.machine)
    caught = 1 - np.searchsorted(machine, values) / len(machine)
    wrong = 1 - np.searchsorted(human, values) / len(human)
    best = int(np.argmax(caught - wrong))
    # Half-way to the next lower score: the text at the edge is no closer to the rule than others.
    threshold = float(values[best] if best == 0 else (values[best - 1] + values[best]) / 2)
    detector = Detector(
        threshold,
        Counted(sum(one >= threshold for one in measure.machine), len(measure.machine)),
        Counted(sum(one < threshold for one in measure.human), len(measure.human)),
        area(measure.machine, measure.human),
    )
    if detector.area.low <= 0.5 or detector.found.share + detector.spared.share <= 1:  # noqa: PLR2004 - chance
        raise Refused(
            "this model's score does not tell these human and machine texts apart: the area under the ROC curve is "
            f"{detector.area.value:.2f} (95 % {detector.area.low:.2f} to {detector.area.high:.2f})",
            remedy="take another model, more texts, or longer ones; without that no share can be estimated",
        )
    return detector


def bar(human: Sequence[float], rate: float) -> float:
    """The score that a human text exceeds with a probability of at most ``rate``.

    It holds for a text that is drawn as the human texts were, over the draw of both (a conformal p-value: Vovk and
    others 2005; Bates and others 2023, Ann. Stat. 51, 149-178, equation 4).

    Raises:
        BadInput: too few human texts for such a rate.
    """
    rank = math.floor((len(human) + 1) * rate)
    if rank < 1:
        raise BadInput(
            f"{len(human)} human texts do not show a false-positive rate of {rate:g}",
            remedy=f"give at least {math.ceil(1 / rate) - 1}, or take a higher rate",
        )
    return float(np.sort(np.asarray(human, dtype=float))[::-1][rank - 1])
