"""Ledgers kept open for reading: opening one costs more than most of what is asked of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from troth.ledger.store import Ledger

MOST: Final = 8
"""Kept open and idle at most."""


class Readers:
    """Ledgers open for reading, each for one caller at a time; closing one that is well gives it back.

    Args:
        open_ledger: opens one more.
    """

    def __init__(self, open_ledger: Callable[[], Ledger]) -> None:
        self._open = open_ledger
        self._idle: list[Ledger] = []
        self._lock = threading.Lock()
        self._closed = False

    def take(self) -> Ledger:
        """A ledger for reading; close it. Raises as ``Ledger.read``."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
        ledger = self._open()
        ledger.keep = self._give_back
        return ledger

    def _give_back(self, ledger: Ledger) -> bool:
        with self._lock:
            if self._closed or len(self._idle) >= MOST:
                return False
            self._idle.append(ledger)
            return True

    def close(self) -> None:
        """Close what is idle; what is in use is closed by whoever has it."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for ledger in idle:
            ledger.close()
