"""Opening a ledger: what is no ledger, a newer one, and two who want to write."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.unit.ledger.peek import peek, tamper
from troth.core.errors import BadInput, Conflict, Corrupt, TrothError, Unavailable
from troth.core.events import Attributes, Objection
from troth.ledger import store
from troth.ledger.store import Ledger

OPEN = [Ledger.read, Ledger.write]


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long for a lock."""
    monkeypatch.setattr(store, "BUSY_SECONDS", 0.1)


def test_a_new_ledger_is_its_owner_s_alone_and_durable_in_every_commit(ledger: Ledger, path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    settings = {"journal_mode": "wal", "synchronous": 2, "secure_delete": 1, "user_version": 1}
    for again in (False, True):
        opened = Ledger.write(path) if again else ledger
        for name, value in settings.items():
            assert opened._connection.execute(f"PRAGMA {name}").fetchone()[0] == value, name
        opened.close()
    assert peek(path, "PRAGMA application_id") == [(0x54524F54,)]


def test_making_one_where_one_is_leaves_it_alone(ledger: Ledger, path: Path) -> None:
    ledger.append([Attributes("ann", 0)])
    ledger.close()
    with pytest.raises(Conflict, match="a ledger is there already") as caught:
        Ledger.create(path)
    assert caught.value.remedy == "open it instead"
    with Ledger.read(path) as reader:
        assert reader.size == 1


def test_making_one_where_nothing_can_be_made_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="storage failed"):
        Ledger.create(tmp_path / "no" / "such" / "folder" / "l.sqlite3")


@pytest.mark.parametrize("opening", OPEN, ids=["read", "write"])
def test_where_there_is_no_ledger_it_says_so_and_makes_none(opening: object, tmp_path: Path) -> None:
    assert callable(opening)
    for name in ("none", "."):
        with pytest.raises(BadInput, match="no ledger here") as caught:
            opening(tmp_path / name)
        assert caught.value.remedy == "make a home with `troth init`"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("opening", OPEN, ids=["read", "write"])
@pytest.mark.parametrize(
    "content", [b"", b"text\n", b"SQLite format 3\0", b"SQLite format 3\0" + b"\xff" * 5000]
)
def test_a_file_that_is_no_ledger_is_refused_and_left_as_it_is(
    opening: object, content: bytes, path: Path
) -> None:
    assert callable(opening)
    path.write_bytes(content)
    with pytest.raises(TrothError, match=r"this file is no ledger|storage failed") as caught:
        opening(path)
    assert isinstance(caught.value, Corrupt | Unavailable)
    assert caught.value.exit_status == 3
    assert path.read_bytes() == content


def test_another_program_s_database_is_refused(path: Path) -> None:
    tamper(path, "CREATE TABLE entries (x)")
    for opening in OPEN:
        with pytest.raises(Corrupt, match="no ledger of Troth"):
            opening(path)


@pytest.mark.parametrize("opening", OPEN, ids=["read", "write"])
def test_a_ledger_of_a_newer_version_is_refused_and_not_changed(
    opening: object, ledger: Ledger, path: Path
) -> None:
    assert callable(opening)
    ledger.append([Attributes("ann", 0)])
    ledger.close()
    tamper(path, "PRAGMA user_version = 2")
    before = path.read_bytes()
    with pytest.raises(BadInput, match="is of version 2; this Troth knows versions up to 1") as caught:
        opening(path)
    assert caught.value.remedy == "use a newer Troth; nothing was changed"
    assert path.read_bytes() == before
    # The lock was given back.
    tamper(path, "PRAGMA user_version = 1")
    Ledger.write(path).close()


def read_all(path: Path) -> None:
    """Check a ledger, and read it unless the check found something."""
    with Ledger.read(path) as reader:
        if not reader.check():
            list(reader.entries())


def test_a_ledger_that_was_cut_short_is_no_silent_loss(ledger: Ledger, path: Path) -> None:
    ledger.append([Objection("ann", at) for at in range(2000)])
    ledger.close()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(TrothError) as caught:
        read_all(path)
    assert isinstance(caught.value, Unavailable | Corrupt)


def test_a_path_of_any_signs_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "a b?c#d%20é'\".sqlite3"
    Ledger.create(path).close()
    with Ledger.write(path) as ledger:
        ledger.free_space_floor = 0
        ledger.append([Attributes("ann", 0)])
    with Ledger.read(path) as reader:
        assert reader.size == 1


@pytest.mark.usefixtures("hasty")
def test_the_second_writer_waits_and_then_says_who_stands_in_the_way(ledger: Ledger, path: Path) -> None:
    with pytest.raises(Unavailable, match="another process is writing to this ledger") as caught:
        Ledger.write(path)
    assert caught.value.remedy == "wait until it is done and repeat"
    ledger.close()
    Ledger.write(path).close()


def test_the_second_writer_gets_in_when_the_first_is_done_meanwhile(ledger: Ledger, path: Path) -> None:
    threading.Timer(0.3, ledger.close).start()
    started = time.monotonic()
    Ledger.write(path).close()
    assert 0.2 < time.monotonic() - started < 5


WRITER = """
import sys
from pathlib import Path
from troth.core.events import Objection
from troth.ledger.store import Ledger
for at in range(15):
    with Ledger.write(Path(sys.argv[1])) as ledger:
        ledger.free_space_floor = 0
        ledger.append([Objection("ann", at), Objection(sys.argv[2], at)])
"""


def test_processes_that_write_in_turns_lose_nothing(ledger: Ledger, path: Path) -> None:
    ledger.close()
    names = ["bob", "cy", "dee"]
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), name]) for name in names]
    assert [one.wait(60) for one in writers] == [0, 0, 0]
    with Ledger.read(path) as reader:
        assert reader.size == 90
        assert reader.check() == []
        assert len(reader.history("ann")) == 45
        for name in names:
            assert [event for _, event in reader.history(name)] == [Objection(name, at) for at in range(15)]


def test_readers_see_whole_appends_while_they_are_written(ledger: Ledger, path: Path) -> None:
    seen: list[int] = []
    done = threading.Event()

    def read_on() -> None:
        with Ledger.read(path) as reader:
            while not done.is_set():
                positions = [one.position for one in reader.entries()]
                assert positions == list(range(len(positions)))
                seen.append(len(positions))

    reading = threading.Thread(target=read_on)
    reading.start()
    for at in range(60):
        ledger.append([Objection("ann", at), Objection("bob", at), Objection("cy", at)])
    done.set()
    reading.join()
    assert {size % 3 for size in seen} == {0}
    assert seen == sorted(seen)
    assert len(set(seen)) > 3


def test_a_copy_of_the_files_of_a_writer_that_is_open_is_a_ledger(
    ledger: Ledger, path: Path, tmp_path: Path
) -> None:
    ledger.append([Objection("ann", 1)])
    copy = tmp_path / "copy"
    copy.mkdir()
    for part in path.parent.glob(path.name + "*"):
        shutil.copy(part, copy)
    with Ledger.write(copy / path.name) as again:
        assert again.size == 1
        assert again.check() == []
