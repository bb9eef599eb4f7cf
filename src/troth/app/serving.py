"""A home as a server keeps it: one group writer for all, and what concerns everybody folded once."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from troth.app.api import Home
from troth.app.home import open_home
from troth.core.entries import Act
from troth.core.errors import Place
from troth.core.events import Event
from troth.core.standing import Known
from troth.ledger.group import GroupWriter
from troth.ledger.store import Batch, Ledger, Receipt


class ServedHome(Home):
    """A home whose appends go through a ``GroupWriter``; everything else is as in any home. Close it."""

    def __init__(self, path: Path | str) -> None:
        opened = open_home(path)
        super().__init__(opened.path, opened.config)
        self.writer = GroupWriter(self._open_ledger)
        self._everybody: tuple[int, Known] | None = None
        self._lock = threading.Lock()

    def _open_ledger(self) -> Ledger:
        ledger = super().writing()
        if not isinstance(ledger, Ledger):
            raise TypeError("a home opens its ledger for writing")
        return ledger

    def writing(self) -> AbstractContextManager[Ledger]:
        """The ledger, for writing, between two groups of the writer."""
        return self.writer.borrow()

    def append(
        self,
        events: Iterable[Event | Act],
        *,
        request: str | None = None,
        expected: int | None = None,
        places: Sequence[Place] = (),
    ) -> list[Receipt]:
        """Append events, all or none, in the next group; see ``Ledger.append``."""
        return self.writer.append(Batch(list(events), request, expected, places))

    def member(self, subject: str) -> tuple[Known, int]:
        """What is known now of one member and of everybody, and the head; what concerns everybody is kept."""
        with self.reading() as ledger:
            head, last = ledger.size, ledger.last_public()
            history = ledger.history(subject, head)
            kept = self._everybody
            if kept is None or kept[0] != last:
                kept = (last, ledger.known(head, ()))
                with self._lock:
                    self._everybody = kept
        known = Known(())
        known.documents, known.settings, known.regimes = kept[1].documents, kept[1].settings, kept[1].regimes
        known.audience_notices, known.rules = kept[1].audience_notices, kept[1].rules
        for position, event in history:
            known.add(position, event)
        return known, head

    def close(self) -> None:
        """Write what waits and let the ledger go."""
        self.writer.close()
