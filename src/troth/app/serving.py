"""A home as a server keeps it: one group writer for all, and what concerns everybody folded once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from troth.app import logs, unlearning
from troth.app.api import Home
from troth.app.home import open_home
from troth.core.entries import Act
from troth.core.errors import Place, TrothError
from troth.core.events import Event
from troth.core.standing import Known
from troth.ledger.group import GroupWriter
from troth.ledger.readers import Readers
from troth.ledger.store import Batch, Ledger, Receipt

if TYPE_CHECKING:
    from troth.ledger.postgres import PostgresReaders

T = TypeVar("T")

PUBLISH_SECONDS: Final = 1.0


class ServedHome(Home):
    """A home whose appends go through a ``GroupWriter``; everything else is as in any home. Close it.

    Beside the requests one thread publishes what was appended, and takes what members took back out of what
    models serve.

    Args:
        path: the home.
        trouble: told of what went wrong beside the requests; it is tried again by itself.
    """

    def __init__(self, path: Path | str, trouble: Callable[[TrothError], None] | None = None) -> None:
        opened = open_home(path)
        super().__init__(opened.path, opened.config)
        self._trouble = trouble or _unheard
        self._readers = _readers(self)
        self.writer = GroupWriter(self._open_ledger, check=lambda: logs.check_not_stopped(self))
        self._everybody: tuple[int, Known] | None = None
        self._lock = threading.Lock()
        self._engine = threading.RLock()
        self._stop = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="troth-keeper", daemon=True)
        self._keeper.start()

    def _open_ledger(self) -> Ledger:
        logs.before_writing(self)
        ledger = self.open_to_write()
        try:
            logs.check_writable(self, ledger.size)
        except BaseException:
            ledger.close()
            raise
        return ledger

    @property
    def remote(self) -> bool:
        """Whether asking the ledger may take long, since it is in a database elsewhere: not on an event loop, then."""
        return self.config.ledger is not None

    def reading(self) -> Ledger:
        """The ledger, for reading; close it. It stays open for whoever asks next."""
        return self._readers.take()

    @contextmanager
    def writing(self) -> Iterator[Ledger]:
        """The ledger, for writing, between two groups of the writer; what was appended is published soon."""
        with self.writer.borrow() as ledger:
            yield ledger

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

    def exclusively(self, work: Callable[[], T]) -> T:
        """Do work that asks the engine: its one connection serves one thread at a time."""
        with self._engine:
            return work()

    def _keep(self) -> None:
        """Publish and honour, about once a second, when the ledger has grown."""
        done = -1
        while not self._stop.wait(PUBLISH_SECONDS):
            try:
                done = self._catch_up(done)
            except TrothError as error:
                self._trouble(error)

    def _catch_up(self, done: int) -> int:
        head = self.position
        if head == done:
            return done
        unlearning.honour_all(self)
        if self.config.origin is not None and self.config.publish:
            logs.publish(self)
        return head

    def member(self, subject: str) -> tuple[Known, int]:
        """What is known now of one member and of everybody, and the head; what concerns everybody is kept.

        As verdicts have it: what was said under one account of a person counts for their others.
        """
        with self.reading() as ledger:
            head, last = ledger.size, ledger.last_public()
            if ledger.member_acts(head):
                return self.known(head, [subject])
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
        """Write what waits, publish it, and let the ledger go."""
        self._stop.set()
        self._keeper.join()
        self.writer.close()
        try:
            self._catch_up(-1)
        except TrothError as error:
            self._trouble(error)
        self._readers.close()


def _readers(home: ServedHome) -> Readers | PostgresReaders:
    if home.config.ledger is None:
        return Readers(lambda: Ledger.read(home.ledger_path))
    from troth.ledger.postgres import PostgresReaders

    return PostgresReaders(home.config.ledger)


def _unheard(_error: TrothError) -> None:
    """Trouble that nobody follows."""
