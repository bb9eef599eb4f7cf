"""The errors that Troth raises, with the place, the expectation and the remedy.

One root, ``TrothError``; each kind carries the exit status a command ends with.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: a source (a file's name, ``ledger``) and, if known, a line from 1."""

    source: str
    line: int | None = None

    def __str__(self) -> str:
        return self.source if self.line is None else f"{self.source}:{self.line}"


class TrothError(Exception):
    """Root of all errors of Troth.

    ``place`` says where, ``remedy`` how to mend it; both may be missing.
    """

    exit_status = 3

    def __init__(self, message: str, *, place: Place | None = None, remedy: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.place = place
        self.remedy = remedy

    def __str__(self) -> str:
        head = f"{self.place}: {self.message}" if self.place else self.message
        return f"{head}\n  remedy: {self.remedy}" if self.remedy else head


class Unpublished(UserWarning):
    """Something was recorded, but the public log could not be brought up to date; the next try does both."""


class Refused(TrothError):
    """The question was understood and the answer is no (a use that is not allowed, data that is not sealed)."""

    exit_status = 1


class BadInput(TrothError):
    """What was given cannot be read or contradicts itself; nothing was written."""

    exit_status = 2


class Corrupt(TrothError):
    """Stored bytes are not what they were when they were written."""

    exit_status = 3


class Conflict(TrothError):
    """Somebody else changed the ledger meanwhile; nothing was written; ask again."""

    exit_status = 3


class Unavailable(TrothError):
    """The system could not: storage, lock, space."""

    exit_status = 3
