"""The engine for joining and sorting more than fits in memory: DuckDB, alone, with a private place to spill to."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import duckdb
import pyarrow as pa

from troth.core.errors import TrothError

T = TypeVar("T")
U = TypeVar("U")

BATCH: Final = 1 << 16
"""Rows that pass at a time."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the engine may take: threads, memory as DuckDB writes it, and where it spills (None: its own choice)."""

    threads: int | None = None
    memory: str | None = None
    folder: Path | None = None


class Engine:
    """An engine of its own; use it in a ``with``.

    Names and secrets pass through it, so its folder is readable by its owner alone and goes when it ends.
    """

    def __init__(self, limits: Limits) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=".joining-", dir=limits.folder))
        settings: dict[str, Any] = {
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "preserve_insertion_order": False,
            "temp_directory": str(self.folder),
        }
        if limits.threads is not None:
            settings["threads"] = limits.threads
        if limits.memory is not None:
            settings["memory_limit"] = limits.memory
        self._engine = duckdb.connect(":memory:", config=settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._engine.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def take(self, statement: str, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
        """Run a statement that reads the batches as ``incoming``; what they raise comes out as it is."""
        raised: list[TrothError] = []

        def passing() -> Iterator[pa.RecordBatch]:
            try:
                yield from batches
            except TrothError as error:
                raised.append(error)
                raise

        self._engine.register("incoming", pa.RecordBatchReader.from_batches(schema, passing()))
        try:
            self._engine.execute(statement)
        except Exception:
            if raised:
                raise raised[0] from None
            raise
        finally:
            self._engine.unregister("incoming")

    def give(self, query: str, *values: object) -> Iterator[pa.RecordBatch]:
        """The rows of a query, a batch at a time; other work may go on meanwhile."""
        reader = self._engine.cursor().sql(query, params=list(values)).to_arrow_reader(BATCH)
        yield from reader

    def number(self, query: str) -> int:
        """The one number that a query gives."""
        return int(self._engine.execute(query).fetchall()[0][0])

    def run(self, statement: str) -> None:
        """Run a statement that gives nothing."""
        self._engine.execute(statement).fetchall()


def ahead(work: Callable[[T], U], items: Iterable[T], workers: int | None = None) -> Iterator[U]:
    """The results of some work on items, in their order; a few are in the works at a time, in threads.

    With one worker the work is done in order too, while the caller fetches the next items.
    """
    workers = workers or os.cpu_count() or 1
    waiting: deque[Future[U]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
