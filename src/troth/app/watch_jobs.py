"""Whole archives on all processors: each document's versions go to one worker, results come out in order."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

from troth.app.watching import Readings
from troth.watch.archive import Archive, Moment

_WINDOW: Final = 600
_FEW: Final = 300
_MOST_JOBS: Final = 4

_open: ExitStack | None = None
_readings: Readings | None = None


def in_order(history: Archive, jobs: int | None) -> Iterator[dict[str, object]]:
    """Read all moments, oldest first. At most a window of results is held."""
    moments = history.moments()
    jobs = jobs or min(os.cpu_count() or 1, _MOST_JOBS)
    first = list(islice(moments, _FEW))
    if jobs == 1 or len(first) < _FEW:
        with history.blobs() as blobs:
            readings = Readings(blobs)
            for moment in first:
                yield readings.read(moment)
            for moment in moments:
                yield readings.read(moment)
        return
    yield from _spread(history, first, moments, jobs)


def _spread(
    history: Archive, first: list[Moment], moments: Iterator[Moment], jobs: int
) -> Iterator[dict[str, object]]:
    with ExitStack() as stack:
        pools = [
            stack.enter_context(
                ProcessPoolExecutor(
                    1, get_context("spawn"), initializer=_begin, initargs=(str(history.path),)
                )
            )
            for _ in range(jobs)
        ]
        waiting = _hand_out(pools, first)
        while waiting:
            # The next window is worked on while this one is handed over.
            following = _hand_out(pools, list(islice(moments, _WINDOW)))
            yield from _collect(waiting)
            waiting = following


def _hand_out(
    pools: list[ProcessPoolExecutor], window: list[Moment]
) -> list[tuple[list[int], Future[list[dict[str, Any]]]]]:
    """Each document always goes to the same worker, which has its version before at hand."""
    parts: dict[int, list[int]] = {}
    for place, moment in enumerate(window):
        name = f"{moment.service}/{moment.terms_type}".encode()
        parts.setdefault(zlib.crc32(name) % len(pools), []).append(place)
    return [
        (places, pools[worker].submit(_work, [window[place] for place in places]))
        for worker, places in parts.items()
    ]


def _collect(waiting: list[tuple[list[int], Future[list[dict[str, Any]]]]]) -> Iterator[dict[str, object]]:
    found: dict[int, dict[str, object]] = {}
    for places, future in waiting:
        found.update(zip(places, future.result(), strict=True))
    for place in sorted(found):
        yield found[place]


def _begin(path: str) -> None:
    global _open, _readings  # noqa: PLW0603 - a worker has one archive for its whole life
    _open = ExitStack()
    _readings = Readings(_open.enter_context(Archive(Path(path)).blobs()))


def _work(moments: list[Moment]) -> list[dict[str, object]]:
    assert _readings is not None  # noqa: S101 - the initializer ran
    return [_readings.read(moment) for moment in moments]
