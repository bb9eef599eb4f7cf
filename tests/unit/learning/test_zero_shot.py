"""Topics that a model is asked for: it is compared with what it says of nothing, and asked once."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from troth.core.errors import BadInput
from troth.intake.topics import NAMES
from troth.learning.targets import Estimate, Report, unheard
from troth.learning.zero_shot import MOST, ZeroShot, described


class Believer:
    """A model that leans to yes whatever it reads, and more so where the text names the topic."""

    name, digest, measures = "believer", "d", True

    def __init__(self) -> None:
        self.prompts: list[str] = []

    def losses(self, prompt: str, texts: Sequence[str], report: Report = unheard) -> list[float]:
        del report
        self.prompts.append(prompt)
        message = prompt.split("\n", 1)[0]
        return [1.0 - 0.5 * ("ill" in message) if text == "yes" else 2.0 for text in texts]

    def replies(self, prompt: str, count: int, seed: int, report: Report = unheard) -> list[str]:
        del prompt, seed, report
        return [""] * count

    def estimate(self, prompt: str, texts: Sequence[str]) -> Estimate:
        return Estimate(len(texts), len(prompt))

    def estimate_replies(self, prompt: str, count: int, seed: int) -> Estimate:
        return Estimate(count, len(prompt) + seed)

    def close(self) -> None:
        pass


def test_a_lean_to_yes_is_taken_off() -> None:
    asked = ZeroShot(Believer(), {"health": "health"})
    assert asked.scores("She is ill.") == {"health": pytest.approx(0.5)}
    assert asked.topics("She is ill.") == ("health",)
    assert asked.topics("She is here.") == ()
    assert math.isclose(asked.scores("She is here.")["health"], 0.0)


def test_long_texts_are_read_from_their_beginning() -> None:
    believer = Believer()
    asked = ZeroShot(believer, {"health": "health"})
    assert asked.topics("word " * MOST + "ill") == ()
    assert max(map(len, believer.prompts)) < MOST + 100


def test_a_model_without_probabilities_is_refused() -> None:
    mute = Believer()
    mute.measures = False
    with pytest.raises(BadInput, match="gives no log-probabilities"):
        ZeroShot(mute, {"health": "health"})


def test_every_topic_of_the_lexicon_is_described() -> None:
    assert tuple(described(NAMES)) == NAMES
