"""Recalls while a server runs: opened when what left has to come back, and told to the platform by webhook."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from troth.app import recalls
from troth.app.serving import ServedHome
from troth.core.written import Json
from troth.server.hooks import Hooks

_LOCK: Final = ".recalls.lock"


class Recalls:
    """Opens what is due to be opened, for one worker of a home at a time."""

    def __init__(self, home: ServedHome, hooks: Hooks) -> None:
        self._home = home
        self._hooks = hooks
        self._seen = -1

    def open_due(self) -> None:
        """Open every recall that is due and note reminders; each is told as ``recall.due``. May be repeated.

        Raises:
            TrothError: what was disclosed, or the ledger, cannot be read, or nothing can be written.
        """
        if not recalls.anything_left(self._home):
            return
        with self._alone():
            head = self._home.position
            if head != self._seen:
                opened = {one.id for one in recalls.sync(self._home)}
                for one in recalls.listed(self._home):
                    if one["recall"] in opened:
                        self._tell(one)
                self._seen = self._home.position
            reminded = {one["recall"] for one in recalls.remind(self._home)}
            for one in recalls.listed(self._home):
                if one["recall"] in reminded:
                    self._tell(one)

    def _tell(self, recall: dict[str, Json]) -> None:
        names = ("recall", "release", "recipient", "rows", "instruction", "due_at", "status")
        self._hooks.announce("recall.due", {name: recall[name] for name in names})

    def of(self, records: Sequence[str]) -> list[dict[str, Any]]:
        """The recalls that name any of some records: recipient, status and the day by which it is due."""
        if not recalls.anything_left(self._home):
            return []
        wanted = set(records)
        return [
            {name: one[name] for name in ("recipient", "status", "due_at")}
            for one in recalls.listed(self._home, everything=True)
            if one["status"] != "replaced"
            and wanted.intersection(recalls.ids_of(self._home, str(one["recall"])))
        ]

    @contextmanager
    def _alone(self) -> Iterator[None]:
        lock = os.open(self._home.path / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)
