"""The home's record store: a folder of Parquet parts that only ever grows by whole parts.

An import may be killed at any moment and run again: what is stored is recognised and counted as
duplicates, so the second run continues where the first one stopped.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from troth.core.errors import BadInput, Place, Unavailable
from troth.intake.marks import Marks
from troth.intake.parts import (
    count_rows,
    find_rows,
    part_paths,
    remove_leftovers,
    storage_errors,
    sync_folder,
    write_part,
)
from troth.intake.rows import CONTENT, WORDS, Gone, Hint, Row

PART_ROWS: Final = 100_000
PART_BYTES: Final = 32 * 1024 * 1024
"""A part holds at most so many rows and about so many bytes; also what an import keeps in memory."""

OnConflict = Callable[[Row, tuple[str, ...]], None]


class RecordStore:
    """The records of a home, in a folder that is made when the first record comes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def paths(self) -> list[Path]:
        """The whole Parquet parts, oldest first; empty where nothing was imported yet."""
        return part_paths(self.folder)

    @property
    def marks(self) -> Marks:
        """What became known of the records later."""
        return Marks(self.folder)

    def count(self) -> int:
        """The number of records.

        Raises:
            Corrupt: a part cannot be read.
        """
        return count_rows(self.paths())

    def session(
        self,
        *,
        on_conflict: OnConflict,
        draw: Callable[[int], bytes] = secrets.token_bytes,
        dry_run: bool = False,
        part_rows: int = PART_ROWS,
    ) -> ImportSession:
        """An import into this store; use it in a ``with``, which stores the last part if nothing was raised.

        Args:
            on_conflict: called with a row whose id stands for another record, and the columns that differ.
            draw: gives that many random bytes; salts come from it.
            dry_run: find out everything, write nothing.
            part_rows: rows of a part at most.

        Raises:
            Unavailable: another import is writing, or storage failed.
        """
        lock = None if dry_run else _prepare(self.folder)
        return ImportSession(self.folder, lock, on_conflict, draw, part_rows)


class ImportSession:
    """Rows on their way into a store; ``imported`` and ``duplicates`` are exact once the session ended."""

    def __init__(
        self,
        folder: Path,
        lock: int | None,
        on_conflict: OnConflict,
        draw: Callable[[int], bytes],
        part_rows: int,
    ) -> None:
        self.imported = 0
        self.duplicates = 0
        self._folder = folder
        self._lock = lock
        self._on_conflict = on_conflict
        self._draw = draw
        self._part_rows = part_rows
        self._waiting: list[Row] = []
        self._gone: list[Gone] = []
        self._hints: dict[Hint, None] = {}
        self._weight = 0
        # What a dry run would have stored: a digest of the id, and one of each column.
        self._rehearsed: dict[bytes, tuple[bytes, ...]] = {}

    def add(self, row: Row) -> None:
        """Take a row; it is stored with its part, at the latest when the session ends.

        Raises:
            Unavailable: storage failed; earlier parts are stored.
            Corrupt: a part of the store cannot be read.
        """
        self._waiting.append(row)
        self._weight += row.weight
        if len(self._waiting) >= self._part_rows or self._weight >= PART_BYTES:
            self._settle()

    def add_gone(self, gone: Gone) -> None:
        """Take a deletion; it holds from the end of the session on."""
        self._gone.append(gone)

    def add_hint(self, hint: Hint) -> None:
        """Take what speaks for two accounts being one person's; it is kept when the session ends."""
        self._hints[hint] = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._settle()
                if self._lock is not None:
                    marks = Marks(self._folder)
                    marks.add_gone(self._gone, part_paths(self._folder))
                    marks.add_hints(self._hints)
        finally:
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None

    def _settle(self) -> None:
        """Tell new rows from known ones and store the new ones as one part."""
        rows, self._waiting, self._weight = self._waiting, [], 0
        asked = {row.id for row in rows} | {row.other_id for row in rows if row.other_id is not None}
        known = find_rows(part_paths(self._folder), asked)
        new: dict[str, Row] = {}
        for row in rows:
            taken = self._place(row, known, new)
            if taken is not None:
                new[taken.id] = taken
        self._store(new)

    def _place(self, row: Row, known: dict[str, Row], new: dict[str, Row]) -> Row | None:
        """The row under the id that it gets, or None where it is not stored."""

        def differences(one: Row) -> tuple[str, ...] | None:
            """None: the id is free; empty: the same record has it; else the columns that differ."""
            other = new.get(one.id) or known.get(one.id)
            if other is not None:
                return one.differs_from(other)
            digests = self._rehearsed.get(_digest(one.id))
            return None if digests is None else _differing(one, digests)

        found = differences(row)
        if found and row.other_id is not None and not set(WORDS).isdisjoint(found):
            row = replace(row, id=row.other_id)
            found = differences(row)
        if found is None:
            return row
        if found:
            self._on_conflict(row, found)
        else:
            self.duplicates += 1
        return None

    def _store(self, new: dict[str, Row]) -> None:
        if not new:
            return
        if self._lock is None:
            self._rehearsed |= {_digest(row.id): _digests(row) for row in new.values()}
        else:
            write_part(self._folder, list(new.values()), self._draw)
        self.imported += len(new)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """A store to oneself, for changing what is stored.

    Raises:
        Unavailable: an import is writing, or storage failed.
    """
    lock = _prepare(folder)
    try:
        yield
    finally:
        os.close(lock)


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def _digests(row: Row) -> tuple[bytes, ...]:
    return tuple(_digest(repr(getattr(row, name))) for name in CONTENT)


def _differing(row: Row, digests: tuple[bytes, ...]) -> tuple[str, ...]:
    """As ``Row.differs_from``, for a row of which only digests are left."""
    pairs = zip(CONTENT, _digests(row), digests, strict=True)
    return tuple(name for name, one, other in pairs if name in row.compared and one != other)


def _prepare(folder: Path) -> int:
    """Make the folder, take the writer's lock, clear what a killed import left."""
    with storage_errors(folder):
        if not folder.is_dir():
            if folder.exists():
                raise BadInput("is no folder, so it cannot hold records", place=Place(str(folder)))
            folder.mkdir(mode=0o700, parents=True)
            sync_folder(folder.parent)
        lock = os.open(folder / ".lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_leftovers(folder)
        except BlockingIOError:
            os.close(lock)
            raise Unavailable(
                "another import is writing to this record store",
                place=Place(str(folder)),
                remedy="wait until it is done and repeat",
            ) from None
        except OSError:
            os.close(lock)
            raise
    return lock
