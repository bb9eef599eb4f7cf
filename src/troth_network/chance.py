"""Chance that is the same on every machine and Python: only hashes, and what Python promises to keep.

``random.Random(int).random()`` is the one part of ``random`` whose sequence Python guarantees, so
everything here is made of it.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from typing import TypeVar

from troth_network.days import SECOND

T = TypeVar("T")


class Dice:
    """Draws that depend on the labels alone: one purpose, one member, one thread have dice of their own."""

    def __init__(self, *labels: str | int) -> None:
        digest = hashlib.sha256("\x1f".join(map(str, labels)).encode()).digest()
        self._draw = random.Random(int.from_bytes(digest[:8], "big")).random

    def chance(self, probability: float) -> bool:
        """True with a probability."""
        return self._draw() < probability

    def below(self, count: int) -> int:
        """A whole number of [0, count); ``count`` is far below 2**53."""
        return int(self._draw() * count)

    def between(self, start: int, stop: int) -> int:
        """A whole number of [start, stop); ``start`` where that is empty."""
        return start + self.below(max(stop - start, 1))

    def instant(self, start: int, stop: int) -> int:
        """A whole second of [start, stop), in microseconds UTC; ``start`` where that is empty."""
        return self.between(start // SECOND, stop // SECOND) * SECOND

    def pick(self, options: Sequence[T]) -> T:
        """One of the options."""
        return options[self.below(len(options))]

    def weighted(self, weights: Mapping[T, int]) -> T:
        """One of the keys, in proportion to its weight."""
        left = self.below(sum(weights.values()))
        for key, weight in weights.items():
            left -= weight
            if left < 0:
                return key
        raise AssertionError("weights are positive")

    def sample(self, options: Sequence[T], count: int) -> list[T]:
        """Up to ``count`` different options."""
        left = list(options)
        return [left.pop(self.below(len(left))) for _ in range(min(count, len(left)))]
