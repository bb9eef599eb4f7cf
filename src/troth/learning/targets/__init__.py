"""Models to be tested: folders on this machine, our own models, and endpoints of others.

A ``Target`` answers one or both of two questions: how improbable it finds a text after a prompt, and what it
writes after a prompt. Nothing else about it is asked for, so the tests are the same for all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

Report = Callable[[int, int | None], None]
"""Told (done, total)."""


def unheard(_done: int, _total: int | None) -> None:
    """Progress that nobody follows."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a test will ask of a target: requests that are not in the cache yet, and tokens, rather too many."""

    requests: int
    tokens: int

    def price(self, per_million: float) -> float:
        """What that costs at a price for a million tokens, in the price's currency."""
        return self.tokens * per_million / 1e6


class Target(Protocol):
    """A model that can be tested.

    Attributes:
        name: what people call it.
        digest: SHA-256 (hex) of its weights, or of an endpoint's address and model name.
        measures: whether it gives log-probabilities; else it only writes text.
    """

    name: str
    digest: str
    measures: bool

    def losses(self, prompt: str, texts: Sequence[str], report: Report = unheard) -> list[float]:
        """−ln P(text | prompt) of each text, in nats.

        Raises:
            BadInput: it gives no log-probabilities.
            Unavailable: it cannot be reached.
        """
        ...

    def replies(self, prompt: str, count: int, seed: int, report: Report = unheard) -> list[str]:
        """What it writes after a prompt, so many times; the same for the same seed where it can promise that."""
        ...

    def estimate(self, prompt: str, texts: Sequence[str]) -> Estimate:
        """What ``losses`` would ask for."""
        ...

    def estimate_replies(self, prompt: str, count: int, seed: int) -> Estimate:
        """What ``replies`` would ask for."""
        ...

    def close(self) -> None:
        """Let go of what is open: connections, files."""
        ...
