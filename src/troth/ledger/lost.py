"""Members whose earlier words are gone for good.

Whoever erases a member's bodies also erases what they refused. If attributes of theirs come in again later, a
question about an instant before the erasure would find a member who never said no. So where an erasure found
entries whose bodies are gone, it holds at every instant (see decision 8).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias, TypeVar

from troth.core.events import Erase, Event

E = TypeVar("E", bound=Event)

BodyOf: TypeAlias = Callable[[int], bytes | None]
"""Gives the body of an entry; None where it was erased."""


def marked(history: Sequence[tuple[int, E]], body_of: BodyOf) -> list[tuple[int, E]]:
    """One member's entries, the erasures among them marked that stand behind erased entries."""
    return [
        (position, replace(event, words_lost=True))
        if isinstance(event, Erase) and _lost(position, body_of)
        else (position, event)
        for position, event in history
    ]


def _lost(position: int, body_of: BodyOf) -> bool:
    """Whether the same member's entry before this one has no body any more."""
    body = body_of(position)
    previous = None if body is None else json.loads(body).get("previous")
    return isinstance(previous, int) and body_of(previous) is None
