"""Our own models, through what every backend of ours can do: text, and bits for each byte of a text."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from troth.learning.targets import Estimate, Report, unheard

_REPLY_LETTERS = 160


class OpenModel(Protocol):
    """What is asked of a model; those of ``troth.learning.backend`` are such."""

    def generate(self, prompt: str, *, length: int, seed: int, temperature: float) -> str:
        """Text that goes on from a prompt."""
        ...

    def bits_per_byte(self, texts: Iterator[bytes]) -> float:
        """Cross-entropy on texts."""
        ...


class Own:
    """A model of ours that is open.

    Args:
        model: the model.
        name: what people call it.
        digest: SHA-256 (hex) of its checkpoints.
        let_go: closes what it is read from.
    """

    measures = True

    def __init__(
        self, model: OpenModel, name: str, digest: str, let_go: Callable[[], None] = lambda: None
    ) -> None:
        self._model = model
        self._let_go = let_go
        self.name = name
        self.digest = digest

    def losses(self, prompt: str, texts: Sequence[str], report: Report = unheard) -> list[float]:
        """−ln P(prompt and text): the prompt is the same for all, so the order is that of the texts alone."""
        found = []
        for index, text in enumerate(texts):
            whole = f"{prompt} {text}".encode() if prompt else text.encode()
            found.append(self._model.bits_per_byte(iter([whole])) * len(whole) * math.log(2))
            report(index + 1, len(texts))
        return found

    def replies(self, prompt: str, count: int, seed: int, report: Report = unheard) -> list[str]:
        """Samples at temperature 1."""
        found = []
        for index in range(count):
            found.append(
                self._model.generate(prompt, length=_REPLY_LETTERS, seed=seed + index, temperature=1.0)
            )
            report(index + 1, count)
        return found

    def estimate(self, prompt: str, texts: Sequence[str]) -> Estimate:
        """Nothing is asked of anybody; tokens are bytes."""
        return Estimate(0, sum(len(prompt) + 1 + len(text) for text in texts))

    def estimate_replies(self, prompt: str, count: int, seed: int) -> Estimate:
        """Nothing is asked of anybody; what is read and written."""
        del seed
        return Estimate(0, count * (len(prompt) + _REPLY_LETTERS))

    def close(self) -> None:
        """Close what the model is read from."""
        self._let_go()
