"""Models that learned nothing, with scores as awkward as can be; how often the tests reject them."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Final

from troth.core.canary import Beacon, CanarySet, Stream
from troth.core.significance import Wager, fisher, rank_p

LEVELS: Final = (0.05, 0.01, 0.001)

Make = Callable[[random.Random, int], list[float]]


def _adversary(chance: random.Random, size: int) -> list[float]:
    """An operator who knows all candidates, but not the draw, and makes half of them look learned."""
    chosen = set(chance.sample(range(size), size // 2))
    return [-1e9 if index in chosen else 1e9 for index in range(size)]


SCORES: Final[dict[str, Make]] = {
    "normal": lambda chance, size: [chance.gauss(0, 1) for _ in range(size)],
    "skewed": lambda chance, size: [math.exp(3 * chance.gauss(0, 1)) for _ in range(size)],
    "heavy tails": lambda chance, size: [chance.gauss(0, 1) / (chance.random() + 1e-9) for _ in range(size)],
    "tied": lambda chance, size: [float(chance.random() < 0.03) for _ in range(size)],
    "all equal": lambda _, size: [0.0] * size,
    "infinite": lambda chance, size: [math.inf if chance.random() < 0.5 else 0.0 for _ in range(size)],
    "by position": lambda _, size: [float(index) for index in range(size)],
    "adversary": _adversary,
}


def _drawn(chance: random.Random, size: int) -> tuple[int, Callable[[int], int]]:
    """A draw as the product makes it: key first, then a beacon; and what breaks ties."""
    key, beacon = chance.randbytes(32), Beacon("b", 1, chance.randbytes(32))
    one = CanarySet("null", key, size=size)
    return one.draw(bytes(32), beacon), one.ties(beacon, "model")


def member_p(name: str, chance: random.Random, size: int, *, cheat: bool = False) -> float:
    """The p-value of one set under a model that learned nothing."""
    scores = SCORES[name](chance, size)
    drawn, draw = _drawn(chance, size)
    if cheat:
        drawn = min(chance.sample(range(size), 20), key=scores.__getitem__)
    return rank_p(scores, drawn, draw)


def member_rejections(
    name: str, *, trials: int, size: int, seed: int, cheat: bool = False
) -> dict[float, int]:
    """How many of so many null tests reject at each level."""
    chance = random.Random(seed)
    found = [member_p(name, chance, size, cheat=cheat) for _ in range(trials)]
    return {level: sum(p <= level for p in found) for level in LEVELS}


def _mixed(chance: random.Random, sets: int, size: int) -> list[float]:
    names = list(SCORES)
    return [member_p(names[index % len(names)], chance, size) for index in range(sets)]


def class_rejections(*, trials: int, sets: int, size: int, seed: int) -> dict[float, int]:
    """The same for classes, whose sets have scores of all kinds."""
    chance = random.Random(seed)
    found = [fisher(_mixed(chance, sets, size)) for _ in range(trials)]
    return {level: sum(p <= level for p in found) for level in LEVELS}


def wager_rejections(*, trials: int, sets: int, size: int, seed: int) -> dict[float, int]:
    """How many wagers ever reach 1/level, looked at after every set."""
    draw = Stream(seed.to_bytes(32, "big"), b"wager").below
    best = []
    for _ in range(trials):
        wager = Wager()
        for _ in range(sets):
            wager.add((1 + draw(size)) / size)
        best.append(wager.p_value)
    return {level: sum(p <= level for p in best) for level in LEVELS}


def peeking_rejections(*, trials: int, sets: int, size: int, seed: int) -> int:
    """How many are ever below 5% if Fisher's p-value is looked at after every set: too many."""
    draw = Stream(seed.to_bytes(32, "big"), b"peek").below
    rejected = 0
    for _ in range(trials):
        found: list[float] = []
        for _ in range(sets):
            found.append((1 + draw(size)) / size)
            if fisher(found) <= LEVELS[0]:
                rejected += 1
                break
    return rejected
