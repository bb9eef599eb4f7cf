"""What a test can see: power curves out of calibration canaries, plans, and the bound of a negative.

Calibration sets are placed in data of people who agreed, so often as is known, and trained on for certain. Their
p-values show what the same test sees of others. All bounds here are lower bounds at 95% confidence and hold for
members whose messages are used like those of the calibration.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from troth.core.errors import BadInput
from troth.core.significance import fisher, lower_bound

CONFIDENCE: Final = 0.95
_TRIALS: Final = 2_000
_SEED: Final = 20_240_918
_STEPS: Final = 2_000

Curve = Mapping[int, Sequence[float]]
"""p-values of calibration sets by the number of messages they were placed in."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Power:
    """The chance that a test sees what is there.

    Attributes:
        messages: at least so many messages of each member were used.
        members: how many members the test is about.
        level: the test rejects at this level.
        seen: the estimate.
        at_least: its lower bound at 95% confidence.
        sets: how many calibration sets that rests on.
    """

    messages: int
    members: int
    level: float
    seen: float
    at_least: float
    sets: int

    def as_json(self) -> dict[str, float | int]:
        """Plain JSON values."""
        return {
            "messages": self.messages,
            "members": self.members,
            "level": self.level,
            "power": round(self.seen, 4),
            "power_at_least": round(self.at_least, 4),
            "calibration_sets": self.sets,
        }


def member_power(messages: int, p_values: Sequence[float], level: float) -> Power:
    """The share of calibration sets that were seen; its bound is Clopper and Pearson's."""
    seen = sum(p <= level for p in p_values)
    return Power(
        messages, 1, level, seen / len(p_values), lower_bound(seen, len(p_values), CONFIDENCE), len(p_values)
    )


def class_power(messages: int, p_values: Sequence[float], members: int, level: float) -> Power:
    """The power of Fisher's combination over so many members.

    The bound takes the worst distribution of p-values that the calibration allows: the empirical distribution
    function lowered by sqrt(ln 20 / 2n) everywhere, which the true one exceeds with 95% confidence (Massart 1990),
    what is missing being p = 1.
    """
    if members == 1:
        return member_power(messages, p_values, level)
    found = np.sort(np.asarray(p_values, dtype=float))
    lowered = math.sqrt(math.log(1 / (1 - CONFIDENCE)) / (2 * len(found)))
    draw = np.random.default_rng(_SEED).random((_TRIALS, members))
    seen = _rejections(found, draw, level, 0.0)
    at_least = _rejections(found, draw, level, lowered)
    # The drawing has an error of its own; it is taken off too.
    bound = lower_bound(round(at_least * _TRIALS), _TRIALS, 0.999)
    return Power(messages, members, level, seen, bound, len(found))


def _rejections(found: Floats, draw: Floats, level: float, lowered: float) -> float:
    # The quantile function of the lowered distribution: the draw u is met by the first p with F(p) - lowered >= u.
    index = np.ceil((draw + lowered) * len(found)).astype(int) - 1
    chosen = np.where(index < len(found), found[np.clip(index, 0, len(found) - 1)], 1.0)
    sums = -np.log(chosen).sum(axis=1)
    return float((sums >= fisher_threshold(draw.shape[1], level)).mean())


def fisher_threshold(members: int, level: float) -> float:
    """The smallest −Σ ln p at which Fisher's combination of so many p-values is at most ``level``."""
    low, high = 0.0, 50.0 + 20.0 * members
    for _ in range(100):
        middle = (low + high) / 2
        if fisher([math.exp(-middle / members)] * members) <= level:
            high = middle
        else:
            low = middle
    return high


def curve(calibration: Curve, members: Sequence[int], level: float) -> list[Power]:
    """Power for each known repetition and each size of a class."""
    return [
        class_power(messages, calibration[messages], size, level)
        for size in members
        for messages in sorted(calibration)
    ]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a campaign needs, and what it would see."""

    wanted: float
    level: float
    options: list[Power]
    candidates: int

    @property
    def enough(self) -> list[Power]:
        """Those with the wanted power, fewest marks first."""
        fitting = [one for one in self.options if one.seen >= self.wanted]
        return sorted(fitting, key=lambda one: (one.members * one.messages, one.members))


def plan(calibration: Curve, wanted: float, level: float, members: Sequence[int], candidates: int) -> Plan:
    """Which numbers of members and messages reach a power, with so many candidates each.

    Fewer candidates make coarser ranks: with K + 1 candidates no p-value is below 1/(K+1). Each p-value of the
    calibration is taken as the share of candidates that lie below the mark, and the rank among K others follows.

    Raises:
        BadInput: no calibration, or too few candidates to reach the level.
    """
    if not calibration or any(not found for found in calibration.values()):
        raise BadInput(
            "a plan needs p-values of calibration sets", remedy="name them with --calibration FILE"
        )
    if max(members) == 1 and candidates * level < 1:
        raise BadInput(
            f"with {candidates:,} candidates one member's p-value is never below {1 / candidates:g}",
            remedy=f"take at least {math.ceil(1 / level):,} candidates",
        )
    chance = np.random.default_rng(_SEED)
    coarse = {
        messages: [
            float((1 + chance.binomial(candidates - 1, p)) / candidates) for p in found for _ in range(8)
        ]
        for messages, found in calibration.items()
    }
    options = []
    for size in members:
        for messages in sorted(coarse):
            power = class_power(messages, coarse[messages], size, level)
            # Eight drawings of each set are no more sets: the bound is that of the sets themselves.
            bound = class_power(messages, calibration[messages], size, level)
            options.append(
                Power(messages, size, level, power.seen, min(bound.at_least, power.seen), bound.sets)
            )
    return Plan(wanted, level, options, candidates)


def bound_in_words(power: Power) -> str:
    """The sentence of a negative."""
    whose = "each of the members" if power.members > 1 else "the member"
    return (
        f"Had at least {power.messages} marked messages of {whose} been used, this test would have seen it with "
        f"probability {power.at_least:.2f} or more (a bound at 95% confidence)."
    )
