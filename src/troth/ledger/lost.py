"""Members whose earlier words are gone for good.

Whoever erases a member's bodies also erases what they refused. If attributes of theirs come in again later, a
question about an instant before the erasure would find a member who never said no. So where an erasure found
entries whose bodies are gone, it holds at every instant (see decision 8).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from troth.core.events import Erase
from troth.core.standing import Known

BodyOf: TypeAlias = Callable[[int], bytes | None]
"""Gives the body of an entry; None where it was erased."""


def mark_lost(known: Known, body_of: BodyOf) -> None:
    """Mark the erasures that stand behind erased entries; changes ``known``."""
    for history in known.members.values():
        for index, (position, event) in enumerate(history):
            if isinstance(event, Erase) and _lost(position, body_of):
                history[index] = (position, replace(event, words_lost=True))


def _lost(position: int, body_of: BodyOf) -> bool:
    """Whether the same member's entry before this one has no body any more."""
    body = body_of(position)
    previous = None if body is None else json.loads(body).get("previous")
    return isinstance(previous, int) and body_of(previous) is None
