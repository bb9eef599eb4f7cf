"""The reasons of a verdict, in the order of decisions.md, and their bit set.

Bit ``i`` of a set is the reason of value ``i``; denials come first, gaps after them, so the first
reason of a set is its lowest bit and its verdict can be told from the set alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Final


class Reason(IntEnum):
    """Why a record may not be used; ``name`` with dashes is the public spelling."""

    NOT_YET = 0
    DELETED = 1
    ERASED = 2
    CLOSED = 3
    MINOR = 4
    PROHIBITED_HERE = 5
    OBJECTED = 6
    PROMISED_NOT_TO = 7
    RETROACTIVE = 8
    NOT_NOTICED = 9
    NO_GROUND = 10
    PERMISSION_ENDED = 11
    OPTED_OUT = 12
    OFF_BY_DEFAULT = 13
    NO_OPT_IN = 14
    NO_CHOICE_OFFERED = 15
    BEFORE_CHOICE = 16
    WRITTEN_WHILE_OFF = 17
    CONSENT_WITHDRAWN = 18
    CONSENT_EXPIRED = 19
    NO_CONSENT = 20
    UNKNOWN_SUBJECT = 21
    UNKNOWN_TIME = 22
    UNKNOWN_JURISDICTION = 23
    UNKNOWN_AGE = 24

    @property
    def text(self) -> str:
        """The public spelling, such as ``promised-not-to``."""
        return self.name.lower().replace("_", "-")


DENIALS: Final = (1 << Reason.UNKNOWN_SUBJECT) - 1
"""The bits of the denials."""

ALL: Final = (1 << len(Reason)) - 1
"""The bits of all reasons."""

VERDICTS: Final = ("allowed", "denied", "gap")

BY_TEXT: Final = {reason.text: reason for reason in Reason}


def bits(reasons: Iterable[Reason]) -> int:
    """The bit set of some reasons."""
    found = 0
    for reason in reasons:
        found |= 1 << reason
    return found


def from_bits(code: int) -> tuple[Reason, ...]:
    """The reasons of a bit set, in order."""
    return tuple(reason for reason in Reason if code >> reason & 1)


def verdict_of(code: int) -> str:
    """``denied`` if any denial is in the set, else ``gap`` if any gap is, else ``allowed``."""
    if code & DENIALS:
        return "denied"
    return "gap" if code else "allowed"


def first_of(code: int) -> Reason | None:
    """The first reason of a bit set, in the order of decisions.md."""
    return Reason((code & -code).bit_length() - 1) if code else None
