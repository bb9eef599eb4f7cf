"""The members of a ledger as the small side takes them: one after another, never all at once.

A member's history is small; a hundred million of them are not. So the gate asks for members in a stream, and for
consents apart, since the lists of categories in these decide which kinds of records there are to tell apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol, TypeAlias

from troth.core.events import Consent, MemberEvent

History: TypeAlias = list[tuple[int, MemberEvent]]
"""A member's entries with their ledger positions, in order."""


class People(Protocol):
    """Members with their histories before a position, what was said under joined accounts shared."""

    def count(self) -> int:
        """About how many there are: for progress alone."""

    def items(self) -> Iterator[tuple[str, History]]:
        """Every member once, in any order."""

    def some(self, subjects: Iterable[str]) -> Iterator[tuple[str, History]]:
        """These members, and whoever has an account joined with theirs, once each; who has no entry is left out."""

    def consents(self, start: int = 0) -> Iterator[Consent]:
        """Every consent that anybody gave, at a ledger position from ``start`` on."""


class InMemory:
    """Members that are in memory anyway: small homes, tests, questions about a few people."""

    def __init__(self, members: Mapping[str, History]) -> None:
        self._members = members

    def count(self) -> int:
        """See ``People``."""
        return len(self._members)

    def items(self) -> Iterator[tuple[str, History]]:
        """See ``People``."""
        yield from self._members.items()

    def some(self, subjects: Iterable[str]) -> Iterator[tuple[str, History]]:
        """See ``People``; here each account stands for itself."""
        for subject in dict.fromkeys(subjects):
            history = self._members.get(subject)
            if history:
                yield subject, history

    def consents(self, start: int = 0) -> Iterator[Consent]:
        """See ``People``."""
        for history in self._members.values():
            yield from (one for place, one in history if place >= start and isinstance(one, Consent))
