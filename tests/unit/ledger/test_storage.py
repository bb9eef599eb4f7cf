"""When storage fails: an error that says so, nothing half written, nothing acknowledged that is lost."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

from troth.core.errors import Unavailable
from troth.core.events import Attributes, Objection
from troth.ledger.store import FREE_SPACE_FLOOR, Ledger

Usage = namedtuple("Usage", "total used free")
MIB = 2**20


def test_under_the_floor_it_refuses_and_above_it_goes_on(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.append([Attributes("ann", 0)])
    ledger.free_space_floor = FREE_SPACE_FLOOR
    free = FREE_SPACE_FLOOR - 1
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(2**40, 2**40 - free, free))
    for write in (lambda: ledger.append([Objection("ann", 1)]), lambda: ledger.erase([0])):
        with pytest.raises(Unavailable, match="only 63 MiB are free; the ledger keeps 64 MiB") as caught:
            write()
        assert caught.value.remedy == "free some space and repeat"
    assert ledger.size == 1
    free = FREE_SPACE_FLOOR
    assert ledger.append([Objection("ann", 1)])[0].position == 1


class Failing:
    """A connection whose statement of a kind fails, before or after it was carried out."""

    def __init__(self, inner: sqlite3.Connection, statement: str, *, carried_out: bool) -> None:
        self._inner = inner
        self._statement = statement
        self._carried_out = carried_out

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def _fail(self, statement: str) -> bool:
        return statement.startswith(self._statement)

    def execute(self, statement: str, *values: Any) -> Any:
        if self._fail(statement) and not self._carried_out:
            raise sqlite3.OperationalError("disk I/O error")
        cursor = self._inner.execute(statement, *values)
        if self._fail(statement):
            raise sqlite3.OperationalError("disk I/O error")
        return cursor

    def executemany(self, statement: str, *values: Any) -> Any:
        if self._fail(statement):
            raise sqlite3.OperationalError("database or disk is full")
        return self._inner.executemany(statement, *values)


@pytest.mark.parametrize(
    "statement", ["BEGIN", "SELECT COALESCE", "INSERT INTO entries", "INSERT INTO requests", "COMMIT"]
)
@pytest.mark.parametrize("carried_out", [False, True])
def test_a_storage_error_stops_the_writer_and_what_it_acknowledged_is_there(
    ledger: Ledger, path: Path, statement: str, carried_out: bool
) -> None:
    receipts = ledger.append([Attributes("ann", 0)], request="r1")
    inner = ledger._connection
    ledger._connection = Failing(inner, statement, carried_out=carried_out)  # type: ignore[assignment]
    with pytest.raises(Unavailable, match="storage failed") as caught:
        ledger.append([Objection("ann", 1)], request="r2")
    assert caught.value.remedy == "check space, permissions and the disk, then repeat"
    ledger._connection = inner
    # Even though storage would work again: an fsync that failed once is never trusted twice.
    for write in (lambda: ledger.append([Objection("ann", 2)]), lambda: ledger.erase([0])):
        with pytest.raises(Unavailable, match="this writer stopped after a storage error") as stopped:
            write()
        assert stopped.value.remedy == "mend the storage, then open the ledger again"
    ledger.close()
    with Ledger.write(path) as again:
        again.free_space_floor = 0
        assert again.receipt(0) == receipts[0]
        # The entry that was not acknowledged is there if its commit was carried out, and then the request finds it.
        there = statement == "COMMIT" and carried_out
        assert again.size == 1 + there
        repeated = again.append([Objection("ann", 1)], request="r2")
        assert [one.position for one in repeated] == [1]
        assert again.size == 2
        assert again.check() == []


def test_an_error_that_is_not_storage_s_does_not_stop_the_writer(ledger: Ledger) -> None:
    def out_of_luck(_: int) -> bytes:
        raise MemoryError

    draw, ledger.draw = ledger.draw, out_of_luck
    with pytest.raises(MemoryError):
        ledger.append([Attributes("ann", 0)])
    ledger.draw = draw
    assert ledger.size == 0
    assert ledger.append([Attributes("ann", 0)])[0].position == 0


FULL = """
import resource, sys
from pathlib import Path
from troth.core.errors import Unavailable
from troth.core.events import Objection
from troth.ledger.store import Ledger
path = Path(sys.argv[1])
ledger = Ledger.write(path)
ledger.free_space_floor = 0
# No file may grow beyond this: to the process that is what a full disk looks like.
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
at = 0
try:
    while at < 10_000:
        for one in ledger.append([Objection("a member with a rather long name", at + n) for n in range(5)]):
            print("ack", one.position, one.commitment, flush=True)
        at += 5
except Unavailable as error:
    print("refused", error.message, flush=True)
try:
    ledger.append([Objection("ann", at)])
except Unavailable as error:
    print("again", error.message, flush=True)
"""


def test_a_disk_that_is_full_loses_nothing_that_was_acknowledged(ledger: Ledger, path: Path) -> None:
    ledger.close()
    ran = subprocess.run(
        [sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, timeout=60, check=True
    )
    lines = [line.split(" ", 1) for line in ran.stdout.splitlines()]
    acknowledged = [text.split() for word, text in lines if word == "ack"]
    assert 10 < len(acknowledged) < 10_000
    said = dict(lines)
    assert said["refused"].startswith("storage failed")
    assert said["again"].startswith("this writer stopped after a storage error")
    with Ledger.write(path) as again:
        again.free_space_floor = 0
        assert again.check() == []
        assert [again.receipt(int(position)).commitment for position, _ in acknowledged] == [
            c for _, c in acknowledged
        ]
        assert again.size % 5 == 0
        again.append([Objection("ann", 1)])
