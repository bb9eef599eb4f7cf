"""Group commit: what many callers want appended goes into the ledger in groups, one commit each.

A commit costs a flush of the disk, whether it holds one entry or a thousand. So one thread takes whatever
waits, appends it in one transaction, and answers everybody after the commit.
"""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Final, TypeAlias

from troth.core.errors import TrothError, Unavailable
from troth.ledger.store import Batch, Ledger, Receipt

GROUP: Final = 256
WAITING: Final = 4_096
IDLE_SECONDS: Final = 0.5

Answer: TypeAlias = "list[Receipt] | TrothError"
_Ticket: TypeAlias = "Future[list[Receipt]] | asyncio.Future[list[Receipt]]"


class Busy(Unavailable):
    """More is waiting to be written than can be in good time; ask again a little later."""


class GroupWriter:
    """The one writer of a process. Safe to use from any thread; ``submit_soon`` from a running event loop.

    Args:
        open_ledger: opens the ledger for writing; called when there is something to write, and again after idling.
        group: batches in one commit at most.
        waiting: batches that may wait; beyond that callers are told that it is busy.
        idle: seconds without work after which the ledger is closed, so that other processes may write.
        check: asked before anything is written; raises a ``TrothError`` if nothing may be, and nothing is.
    """

    def __init__(
        self,
        open_ledger: Callable[[], Ledger],
        *,
        group: int = GROUP,
        waiting: int = WAITING,
        idle: float = IDLE_SECONDS,
        check: Callable[[], None] | None = None,
    ) -> None:
        self._check = check or _nothing_to_check
        self._open = open_ledger
        self._group = group
        self._limit = waiting
        self._idle = idle
        self._queue: deque[tuple[Batch, _Ticket]] = deque()
        self._news = threading.Condition()
        self._turn = threading.RLock()
        self._ledger: Ledger | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="troth-writer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many batches wait."""
        return len(self._queue)

    def append(self, batch: Batch) -> list[Receipt]:
        """Append a batch and wait until it is durable; raises as ``Ledger.append``, and ``Busy``."""
        ticket: Future[list[Receipt]] = Future()
        self._put(batch, ticket)
        return ticket.result()

    async def submit(self, batch: Batch) -> list[Receipt]:
        """As ``append``, without keeping the event loop waiting."""
        ticket: asyncio.Future[list[Receipt]] = asyncio.get_running_loop().create_future()
        self._put(batch, ticket)
        return await ticket

    @contextmanager
    def borrow(self) -> Iterator[Ledger]:
        """The ledger to oneself, between two groups; for operations that read and write in one go."""
        with self._turn:
            try:
                self._check()
                yield self._opened()
            finally:
                with self._news:
                    # So that the writer closes it again after a while.
                    self._news.notify()

    def close(self) -> None:
        """Write what waits, then close the ledger; nothing is taken from then on."""
        with self._news:
            self._closing = True
            self._news.notify()
        self._thread.join()

    def _put(self, batch: Batch, ticket: _Ticket) -> None:
        with self._news:
            if self._closing:
                raise Unavailable("the server is stopping", remedy="repeat it in a moment")
            if len(self._queue) >= self._limit:
                raise Busy(
                    "too much is waiting to be written", remedy="repeat it in a second, and more slowly"
                )
            self._queue.append((batch, ticket))
            self._news.notify()

    def _run(self) -> None:
        while True:
            with self._news:
                if not self._queue and not self._closing:
                    self._news.wait(self._idle)
                taken = [self._queue.popleft() for _ in range(min(self._group, len(self._queue)))]
                done = self._closing and not taken
            if taken:
                self._write(taken)
            else:
                # Somebody who has borrowed the ledger keeps it open; meanwhile new batches are taken in hand.
                if self._turn.acquire(blocking=done):
                    try:
                        self._close()
                    finally:
                        self._turn.release()
                if done:
                    return
                with self._news:
                    self._news.wait_for(lambda: self._queue or self._closing or self._ledger is not None)

    def _write(self, taken: list[tuple[Batch, _Ticket]]) -> None:
        answers: list[Answer]
        try:
            with self._turn:
                self._check()
                answers = self._opened().append_group([batch for batch, _ in taken])
        except TrothError as error:
            # A writer that met a storage error is stopped for good; the next group opens the ledger anew.
            with self._turn:
                self._close()
            answers = [error] * len(taken)
        except Exception as error:  # noqa: BLE001 - whoever waits must get an answer, whatever happened
            with self._turn:
                self._close()
            answers = [Unavailable(f"the writer failed: {type(error).__name__}")] * len(taken)
        _answer([ticket for _, ticket in taken], answers)

    def _opened(self) -> Ledger:
        if self._ledger is None:
            self._ledger = self._open()
        return self._ledger

    def _close(self) -> None:
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None


def _nothing_to_check() -> None:
    """There is nothing that could forbid to write."""


def _answer(tickets: list[_Ticket], answers: list[Answer]) -> None:
    """Hand out the answers; those of one event loop with one call into it."""
    loops: dict[asyncio.AbstractEventLoop, list[tuple[_Ticket, Answer]]] = defaultdict(list)
    for ticket, answer in zip(tickets, answers, strict=True):
        if isinstance(ticket, asyncio.Future):
            loops[ticket.get_loop()].append((ticket, answer))
        else:
            _settle([(ticket, answer)])
    for loop, pairs in loops.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_settle, pairs)


def _settle(pairs: list[tuple[_Ticket, Answer]]) -> None:
    for ticket, answer in pairs:
        if ticket.done():
            continue
        if isinstance(answer, TrothError):
            ticket.set_exception(answer)
        else:
            ticket.set_result(answer)
