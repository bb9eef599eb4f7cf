"""Topics that a model is asked for, without having been shown one labelled text.

The model is asked, for a text and a topic, whether the text speaks of it, and is compared with itself: how much more
probable it finds *yes* than *no*, less how much more it does so of a text without content. Source: contextual
calibration, Zhao and others 2021 (arXiv 2102.09690), section 5; the three texts without content are theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from troth.core.errors import BadInput
from troth.learning.targets import Target

MOST: Final = 1200
"""Characters of a text that the model reads, from its beginning: small models read little at once."""

_PROMPT: Final = "Message: {text}\nQuestion: Does this message speak of {what}?\nAnswer:"
_ANSWERS: Final = ("yes", "no")
_WITHOUT_CONTENT: Final = ("N/A", "", "[MASK]")


class ZeroShot:
    """Asks one model for topics.

    Args:
        target: a model that gives log-probabilities.
        described: what each topic is, in words that go after "speak of".

    Raises:
        BadInput: the model gives no log-probabilities.
    """

    def __init__(self, target: Target, described: Mapping[str, str]) -> None:
        if not target.measures:
            raise BadInput(
                f"{target.name} gives no log-probabilities",
                remedy="name a folder or a .gguf file with --model",
            )
        self._target = target
        self._described = dict(described)
        self._bias = {
            topic: sum(self._lean(one, topic) for one in _WITHOUT_CONTENT) / len(_WITHOUT_CONTENT)
            for topic in self._described
        }

    def topics(self, text: str) -> tuple[str, ...]:
        """The topics that the model says the text speaks of."""
        return tuple(topic for topic, score in self.scores(text).items() if score > 0)

    def scores(self, text: str) -> dict[str, float]:
        """By topic, in nats: above 0 is a yes."""
        read = " ".join(text.split())[:MOST]
        return {topic: self._lean(read, topic) - bias for topic, bias in self._bias.items()}

    def _lean(self, text: str, topic: str) -> float:
        prompt = _PROMPT.format(text=text, what=self._described[topic])
        yes, no = self._target.losses(prompt, _ANSWERS)
        return no - yes


def described(names: Sequence[str]) -> dict[str, str]:
    """What the topics of the lexicon are, in words."""
    return {name: _DESCRIBED[name] for name in names if name in _DESCRIBED}


_DESCRIBED: Final = {
    "employment": "somebody's job, hiring, dismissal or working conditions",
    "compensation": "somebody's salary, pay, bonus or other compensation",
    "intellectual_property": "inventions, patents, copyright, trade secrets or confidential material",
    "health": "somebody's health, illness or medical treatment",
    "religion": "somebody's religion or belief",
    "politics": "somebody's political opinions, party or trade union",
    "sexuality": "somebody's sexual orientation, gender identity or sex life",
    "legal_trouble": "somebody's legal trouble, such as a lawsuit, a crime, debts or a divorce",
}
