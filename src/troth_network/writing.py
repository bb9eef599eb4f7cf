"""What members write: short believable text from the templates of ``writing.yaml``, with its topics."""

from __future__ import annotations

from functools import cache
from typing import TypedDict, cast

from troth_network import shipped
from troth_network.chance import Dice


class _Templates(TypedDict):
    """The shape of ``writing.yaml``."""

    topics: dict[str, dict[str, int]]
    titles: dict[str, str]
    sentences: dict[str, list[str]]
    words: dict[str, list[str]]
    openings: list[str]
    closings: list[str]


@cache
def _templates() -> _Templates:
    return cast("_Templates", shipped.read()[0])


def write(category: str, dice: Dice) -> tuple[tuple[str, ...], str | None, str]:
    """Something that a member writes in a category: its topics, its title (InMail, articles) and its body."""
    templates = _templates()
    topic = dice.weighted(templates["topics"][category])
    count = dice.between(3, 6) if category == "post.article" else dice.between(1, 4)
    body = " ".join(_fill(one, dice) for one in dice.sample(templates["sentences"][topic], count))
    if category.startswith("private_message"):
        body = dice.pick(templates["openings"]) + body + dice.pick(templates["closings"])
    titled = category in ("private_message.inmail", "post.article")
    title = _fill(templates["titles"][topic], dice) if titled else None
    return () if topic == "smalltalk" else (topic,), title, body


def _fill(sentence: str, dice: Dice) -> str:
    return sentence.format_map({word: dice.pick(options) for word, options in _templates()["words"].items()})
