"""The public log of a home: published by itself, proved, witnessed, rolled back, rotated, copied and restored."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import troth
from tests.unit.ledger.logs import answering
from troth.app import logs, upkeep, witnesses
from troth.app.home import CONFIG, Home, init, open_home
from troth.core.entries import Act
from troth.core.errors import BadInput, Conflict, Corrupt, Unavailable, Unpublished
from troth.core.events import Objection
from troth.core.proof import parse_proof


def verified(home: Home, position: int, tmp_path: Path) -> bool:
    (tmp_path / "r").write_bytes(logs.receipt(home, position).write())
    (tmp_path / "p").write_text(logs.policy_of(home).write())
    findings = logs.verify(tmp_path / "r", tmp_path / "p")
    assert findings.kind == "tlog-proof"
    return findings.ok


@contextmanager
def witnessed(home: Home, folder: Path) -> Iterator[None]:
    """Have a witness answer, and the home's policy ask for it."""
    key = str(logs.open_log(home).keys[0])
    if not folder.exists():
        witnesses.make(folder, "witness.example/w1", [key])
    with witnesses.open_witness(folder) as one, answering(one) as url:
        text = f"log {key}\nwitness w1 {one.key} {url}\nquorum w1\n"
        new = folder / "policy"
        new.write_text(text)
        logs.set_policy(home, new)
        yield


def test_what_is_appended_is_public_at_once(tmp_path: Path) -> None:
    home = init(tmp_path / "home", "example.com/log")
    assert logs.status(home).published == 1
    home.append([Objection("ann", 0)])
    status = logs.status(home)
    assert (status.origin, status.entries, status.published, status.stopped) == (
        "example.com/log",
        2,
        2,
        None,
    )
    for position in (0, 1):
        assert verified(home, position, tmp_path)
    assert parse_proof(logs.receipt(home, 1).write()).checkpoint.text.startswith("example.com/log\n2\n")
    assert upkeep.check(home).ok
    with pytest.raises(BadInput, match="there is no entry 2"):
        logs.receipt(home, 2)
    with pytest.raises(BadInput, match="for good"):
        logs.publish(home, "example.com/other")


def test_manual_publication_waits(tmp_path: Path) -> None:
    home = init(tmp_path / "home")
    config = home.path / CONFIG
    config.write_text(config.read_text().replace("automatic", "manual"))
    home = open_home(home.path)
    home.append([Objection("ann", 0)])
    assert logs.status(home).published == 1
    logs.publish(home)
    assert logs.status(home).published == 2


def test_a_home_from_before_gets_a_log_with_its_first_publication(tmp_path: Path) -> None:
    home = init(tmp_path / "home")
    shutil.rmtree(home.log_path)
    shutil.rmtree(home.log_state_path)
    for path in (home.policy_path, home.log_key_path, home.log_key_path.with_suffix(".pub")):
        path.unlink()
    (home.path / CONFIG).write_text("format: 1")
    home = open_home(home.path)
    home.append([Objection("ann", 0)])
    with pytest.raises(BadInput, match="no public log yet"):
        logs.status(home)
    assert logs.publish(home, "example.com/old").checkpoint.size == 3
    home = open_home(home.path)
    assert home.config.origin == "example.com/old"
    with home.reading() as ledger:
        last = list(ledger.entries())[-1].what
    assert isinstance(last, Act)
    assert last.details == {"use": "log", "vkey": str(logs.open_log(home).keys[0])}
    assert verified(home, 1, tmp_path)


def test_without_its_witness_what_is_recorded_waits_with_a_warning(tmp_path: Path) -> None:
    home = init(tmp_path / "home")
    with witnessed(home, tmp_path / "w"):
        home.append([Objection("ann", 0)])
        assert list(logs.status(home).cosigned) == ["w1"]
    with pytest.warns(Unpublished, match="recorded, but not public yet.*too few witnesses"):
        home.append([Objection("ann", 0)])
    assert (logs.status(home).entries, logs.status(home).published) == (3, 2)
    with witnessed(home, tmp_path / "w"):
        logs.publish(home)
        assert logs.status(home).published == 3
        assert verified(home, 2, tmp_path)


def test_an_old_copy_stops_before_anything_is_written(tmp_path: Path) -> None:
    home = init(tmp_path / "home")
    with witnessed(home, tmp_path / "w"):
        home.append([Objection("ann", 0)])
        upkeep.backup(home, tmp_path / "old")
        home.append([Objection("bob", 0)])
        made = upkeep.restore(tmp_path / "old", tmp_path / "again")
        assert made.entries == 2
        old = open_home(tmp_path / "again")
        for _ in range(2):
            with pytest.raises(Unavailable, match="has seen 3 entries of this log, here are 2"):
                old.append([Objection("cy", 0)])
        assert old.position == 2
        assert upkeep.why_read_only(open_home(old.path)) is not None
        assert "has seen 3 entries" in str(logs.status(old).stopped)
        # Reading and proving still work; the newest copy mends it.
        assert verified(old, 1, tmp_path)
        upkeep.backup(home, tmp_path / "new")
        upkeep.restore(tmp_path / "new", tmp_path / "mended")
        mended = open_home(tmp_path / "mended")
        assert upkeep.why_read_only(mended) is None
        mended.append([Objection("cy", 0)])
        assert logs.status(mended).published == 4


def test_a_copy_is_whole_private_and_refused_when_altered(tmp_path: Path) -> None:
    home = init(tmp_path / "home")
    home.append([Objection("ann", 0)])
    made = upkeep.backup(home, tmp_path / "copy")
    there = [one for one in (tmp_path / "copy").rglob("*") if one.is_file()]
    assert (made.entries, made.files) == (2, len(there) - 1)
    assert all(one.stat().st_mode & 0o077 == 0 for one in (tmp_path / "copy").rglob("*.key"))
    with pytest.raises(Conflict):
        upkeep.backup(home, tmp_path / "copy")
    upkeep.restore(tmp_path / "copy", tmp_path / "again")
    assert upkeep.check(open_home(tmp_path / "again")).ok
    files = [one for one in (tmp_path / "copy").rglob("*") if one.is_file() and one.name != upkeep.MANIFEST]
    for number, file in enumerate(files):
        data = file.read_bytes()
        file.write_bytes(data + b"\n")
        with pytest.raises(BadInput, match="was altered"):
            upkeep.restore(tmp_path / "copy", tmp_path / f"r{number}")
        file.unlink()
        with pytest.raises(BadInput, match="is missing"):
            upkeep.restore(tmp_path / "copy", tmp_path / f"r{number}")
        file.write_bytes(data)
        assert not (tmp_path / f"r{number}").exists()
    for wrong in (b"", b"{}", b'{"format":"troth/backup/v1","files":{"../x":""}}'):
        (tmp_path / "copy" / upkeep.MANIFEST).write_bytes(wrong)
        with pytest.raises(BadInput, match="is no copy of a home"):
            upkeep.restore(tmp_path / "copy", tmp_path / "r")


def test_fsck_says_what_is_damaged(tmp_path: Path) -> None:
    home = init(tmp_path / "home")
    home.append([Objection("ann", 0)])
    (home.records_path / "x.parquet").write_bytes(b"PAR1")
    home.log_key_path.chmod(0o644)
    found = upkeep.check(home)
    assert {one.where for one in found.findings if one.level == "error"} == {"log", "keys", "records"}
    home.log_key_path.chmod(0o600)
    with pytest.raises(Corrupt, match="the copy does not hold"):
        upkeep.backup(home, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_a_key_changes_over(tmp_path: Path) -> None:
    home = init(tmp_path / "home")
    old = logs.open_log(home).keys[0]
    (tmp_path / "old.vkey").write_text(f"{old}\n")
    new = logs.rotate(home)
    assert new != old
    assert logs.open_log(home).keys == [new, old]
    (tmp_path / "new.vkey").write_text(f"{new}\n")
    checkpoint = home.log_path / "checkpoint"
    for name in ("old.vkey", "new.vkey"):
        assert logs.verify(checkpoint, tmp_path / name).ok
    assert logs.retire(home) == 1
    home.append([Objection("ann", 0)])
    assert logs.open_log(home).keys == [new]
    assert not logs.verify(checkpoint, tmp_path / "old.vkey").ok
    assert logs.verify(checkpoint, tmp_path / "new.vkey").ok
    assert upkeep.check(home).ok
    with home.reading() as ledger:
        acts = [one.what.details.get("vkey") for one in ledger.entries() if isinstance(one.what, Act)]
    assert acts[-1] == str(new)


def test_a_lost_key_is_said_to_be_lost(tmp_path: Path) -> None:
    home = init(tmp_path / "home")
    with pytest.raises(BadInput, match="is there"):
        logs.rotate(home, lost=True)
    home.log_key_path.unlink()
    with pytest.raises(BadInput, match="is not there"):
        logs.rotate(home)
    new = logs.rotate(home, lost=True)
    assert logs.open_log(home).keys == [new]
    assert logs.status(home).published == 2
    assert upkeep.check(home).ok


def test_verification_needs_somebody_to_trust(tmp_path: Path) -> None:
    home = init(tmp_path / "home")
    checkpoint = home.log_path / "checkpoint"
    with pytest.raises(BadInput, match="whose log to trust"):
        logs.verify(checkpoint, None)
    other = init(tmp_path / "other")
    assert not logs.verify(checkpoint, other.policy_path).ok
    with pytest.raises(BadInput):
        logs.verify(checkpoint, home.path / CONFIG)
    assert troth.Unpublished is Unpublished
