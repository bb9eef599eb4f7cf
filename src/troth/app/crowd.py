"""The members of a home's ledger for the gate: streamed from the store, so that memory does not grow with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from troth.core.events import Consent, Erase, MemberEvent
from troth.core.identity import Join, accounts_of, joins_of, share
from troth.core.standing import Known

if TYPE_CHECKING:
    from troth.app.home import Home
    from troth.gate.people import History


class LedgerPeople:
    """Members with their entries before a position; see ``troth.gate.people.People``.

    In memory are only those who have joined accounts: what is said under one of these counts for the others.
    """

    def __init__(self, home: Home, position: int) -> None:
        self._home = home
        self.position = position

    def count(self) -> int:
        """See ``People``."""
        with self._home.reading() as ledger:
            return ledger.members()

    def items(self) -> Iterator[tuple[str, History]]:
        """See ``People``."""
        joined = self._joined.members
        with self._home.reading() as ledger:
            for subject, entries in ledger.histories(self.position):
                if subject not in joined:
                    yield subject, ledger.with_lost(_of_members(entries))
        yield from joined.items()

    def some(self, subjects: Iterable[str]) -> Iterator[tuple[str, History]]:
        """See ``People``."""
        asked = dict.fromkeys(one for subject in subjects for one in accounts_of(subject, self._joins))
        joined = self._joined.members
        with self._home.reading() as ledger:
            for subject in asked:
                history = joined[subject] if subject in joined else ledger.history(subject, self.position)
                if history:
                    yield subject, ledger.with_lost(_of_members(history))

    def consents(self, start: int = 0) -> Iterator[Consent]:
        """See ``People``."""
        with self._home.reading() as ledger:
            yield from ledger.consents(start, self.position)

    def heads(self) -> Iterator[tuple[str, int]]:
        """The position of the last entry that counts for each member; entries themselves are not read."""
        joined = self._joined.members
        with self._home.reading() as ledger:
            for subject, head in ledger.heads(self.position):
                if subject not in joined:
                    yield subject, head
        yield from ((subject, history[-1][0]) for subject, history in joined.items())

    def erased(self, now: int) -> set[str]:
        """The members whose erasure has come."""
        with self._home.reading() as ledger:
            found = {event.subject for event in ledger.erasures(self.position) if event.at <= now}
        joined = self._joined.members.items()
        return found | {
            subject
            for subject, history in joined
            if any(isinstance(event, Erase) and event.at <= now for _, event in history)
        }

    @cached_property
    def _joins(self) -> dict[str, Join]:
        with self._home.reading() as ledger:
            return joins_of(ledger.member_acts(self.position))

    @cached_property
    def _joined(self) -> Known:
        """Those who have joined accounts, with what is shared among these."""
        names = {one for join in self._joins.values() for one in (join.subject, join.account)}
        if not names:
            return Known([])
        with self._home.reading() as ledger:
            known = ledger.known(self.position, sorted(names))
        share(known, self._joins)
        # What was asked about and has no entry is nobody.
        for subject in [subject for subject, history in known.members.items() if not history]:
            del known.members[subject]
        return known


def _of_members(entries: Iterable[tuple[int, object]]) -> History:
    """The entries filed under a member are a member's events: the store files no others there."""
    return [(position, event) for position, event in entries if isinstance(event, MemberEvent)]
