"""Publishing: what is written, in which order, what is refused, and how a log comes back from faults."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.core.trees import leaf, mth, path
from tests.unit.ledger.logs import (
    LOG_KEY,
    ORIGIN,
    cosigners,
    damage,
    ledger_of,
    objections,
    tilelog,
    witness,
)
from troth.core.checkpoint import parse_checkpoint
from troth.core.errors import BadInput, Conflict, Corrupt, Unavailable
from troth.core.merkle import leaf_hash
from troth.core.note import parse_note, verify
from troth.core.policy import check_note
from troth.core.proof import parse_proof, verify_inclusion
from troth.core.tiles import bundle_path, parse_bundle, tile_path
from troth.ledger.store import Ledger
from troth.ledger.tilelog import SIGNED, TileLog


def entries(ledger: Ledger) -> list[bytes]:
    return [one.text() for one in ledger.public(0, ledger.size)]


@pytest.mark.parametrize("count", [1, 255, 256, 257, 600])
def test_a_published_log_is_the_tree_of_the_ledgers_entries(count: int, tmp_path: Path) -> None:
    log = tilelog(tmp_path)
    with ledger_of(tmp_path / "l.sqlite3", count) as ledger:
        published = log.publish(ledger)
        texts = entries(ledger)
        assert damage(log, ledger) == []
    assert published.checkpoint.root == mth([leaf(one) for one in texts])
    note = parse_note((tmp_path / "log" / "checkpoint").read_bytes())
    assert [one.key for one in verify(note.text, note.signatures, [LOG_KEY])] == [LOG_KEY]
    assert parse_checkpoint(note.text) == published.checkpoint
    width = count % 256 or 256
    last = (tmp_path / "log" / bundle_path((count - 1) // 256, width)).read_bytes()
    assert parse_bundle(last, width) == texts[-width:]


@settings(max_examples=6)
@given(steps=st.lists(st.sampled_from([1, 2, 100, 256, 300]), min_size=1, max_size=5))
def test_publishing_step_by_step_leaves_what_publishing_at_once_does(
    steps: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("steps")
    log = tilelog(folder)
    with ledger_of(folder / "l.sqlite3", 0) as ledger:
        for step in steps:
            ledger.append(objections(step))
            log.publish(ledger)
            assert damage(log, ledger) == []
            # Every partial tile of a published size stays until the full one is there.
            assert log.publish(ledger) == log.published()
        other = TileLog(folder / "other", folder / "other-state", ORIGIN, log._keys)
        other.publish(ledger)
        assert other.published() == log.published()
    for file in (folder / "other").rglob("*"):
        if file.is_file():
            assert (folder / "log" / file.relative_to(folder / "other")).read_bytes() == file.read_bytes()


def test_a_receipt_proves_its_entry(tmp_path: Path) -> None:
    log = tilelog(tmp_path)
    with ledger_of(tmp_path / "l.sqlite3", 300) as ledger:
        log.publish(ledger)
        texts = entries(ledger)
        ledger.append(objections(1))
        every = list(ledger.public(0, ledger.size))
    leaves = [leaf(one) for one in texts]
    for position in (0, 1, 255, 256, 299):
        proof = parse_proof(log.receipt(every[position], position).write())
        assert proof.extra == texts[position]
        assert list(proof.hashes) == path(position, leaves)
        assert verify_inclusion(leaf_hash(proof.extra), position, 300, proof.hashes, mth(leaves))
    with pytest.raises(BadInput, match="not in the public log yet"):
        log.receipt(every[300], 300)
    with pytest.raises(Corrupt):
        log.receipt(every[1], 2)


def test_full_tiles_take_the_place_of_partial_ones(tmp_path: Path) -> None:
    log = tilelog(tmp_path)
    with ledger_of(tmp_path / "l.sqlite3", 10) as ledger:
        log.publish(ledger)
        assert (tmp_path / "log" / tile_path(0, 0, 10)).exists()
        ledger.append(objections(250))
        log.publish(ledger)
        assert damage(log, ledger) == []
    assert not (tmp_path / "log" / tile_path(0, 0, 10)).parent.exists()
    assert not (tmp_path / "log" / bundle_path(0, 10)).parent.exists()
    assert log.shelf.read(0, 0, 10) == (tmp_path / "log" / tile_path(0, 0)).read_bytes()[:320]


# recovery


def test_tiles_that_are_gone_are_made_anew(tmp_path: Path) -> None:
    log = tilelog(tmp_path)
    with ledger_of(tmp_path / "l.sqlite3", 300) as ledger:
        before = log.publish(ledger)
        shutil.rmtree(tmp_path / "log")
        assert damage(log, ledger) == []
        ledger.append(objections(5))
        log.publish(ledger)
        assert damage(log, ledger) == []
        assert log.tiles().root(300) == before.checkpoint.root


def test_what_was_signed_but_not_shown_is_signed_again(tmp_path: Path) -> None:
    log = tilelog(tmp_path)
    with ledger_of(tmp_path / "l.sqlite3", 10) as ledger:
        published = log.publish(ledger)
        (tmp_path / "log" / "checkpoint").unlink()
        assert log.publish(ledger) == published


@pytest.mark.parametrize("name", [tile_path(0, 0), tile_path(0, 1, 44), tile_path(1, 0, 1), bundle_path(0)])
def test_an_altered_file_is_found_and_never_signed(name: str, tmp_path: Path) -> None:
    log = tilelog(tmp_path)
    with ledger_of(tmp_path / "l.sqlite3", 300) as ledger:
        log.publish(ledger)
        file = tmp_path / "log" / name
        data = file.read_bytes()
        file.write_bytes(bytes([data[0] ^ 1]) + data[1:])
        assert damage(log, ledger) == [f"{name} was altered"]
        file.unlink()
        assert damage(log, ledger) == [f"{name} is missing"]


def test_a_tile_that_would_change_stops_the_publisher(tmp_path: Path) -> None:
    log = tilelog(tmp_path)
    with ledger_of(tmp_path / "l.sqlite3", 10) as ledger:
        log.publish(ledger)
        (tmp_path / "log" / tile_path(0, 0, 11)).write_bytes(bytes(11 * 32))
        ledger.append(objections(1))
        with pytest.raises(Corrupt, match="not what the ledger holds"):
            log.publish(ledger)
        (tmp_path / "log" / tile_path(0, 0, 10)).write_bytes(bytes(10 * 32))
        with pytest.raises(Corrupt, match="not those that were signed"):
            log.publish(ledger)
        with pytest.raises(Unavailable, match="nothing may be written"):
            log.check_writable(ledger.size)
        # The remedy that the error names.
        shutil.rmtree(tmp_path / "log")
        log.publish(ledger)
        log.check_writable(ledger.size)
        assert damage(log, ledger) == []


def test_another_ledger_is_not_signed_under_the_same_name(tmp_path: Path) -> None:
    log = tilelog(tmp_path)
    with ledger_of(tmp_path / "l.sqlite3", 10) as ledger:
        log.publish(ledger)
    with ledger_of(tmp_path / "other.sqlite3", 20) as other:
        with pytest.raises(Corrupt, match="not those that were"):
            log.publish(other)
        shutil.rmtree(tmp_path / "log")
        with pytest.raises(Corrupt, match="not those that were signed"):
            log.publish(other)


def test_an_altered_checkpoint_is_not_built_upon(tmp_path: Path) -> None:
    log = tilelog(tmp_path)
    with ledger_of(tmp_path / "l.sqlite3", 10) as ledger:
        log.publish(ledger)
        file = tmp_path / "log" / "checkpoint"
        data = file.read_bytes()
        for place in range(len(data)):
            file.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
            with pytest.raises(Corrupt, match="was altered"):
                log.publish(ledger)


def test_an_unreadable_record_of_what_was_signed_is_no_empty_one(tmp_path: Path) -> None:
    log = tilelog(tmp_path)
    with ledger_of(tmp_path / "l.sqlite3", 10) as ledger:
        log.publish(ledger)
        (tmp_path / "log-state" / SIGNED).write_bytes(b"")
        with pytest.raises(Corrupt):
            log.publish(ledger)


# rollback


def test_a_shorter_ledger_is_read_only_until_the_entries_are_back(tmp_path: Path) -> None:
    log = tilelog(tmp_path)
    file = tmp_path / "l.sqlite3"
    with ledger_of(file, 10) as ledger:
        log.publish(ledger)
    shutil.copy(file, tmp_path / "backup")
    with Ledger.write(file) as ledger:
        ledger.free_space_floor = 0
        ledger.append(objections(5))
        log.publish(ledger)
    shutil.copy(file, tmp_path / "newest")
    shutil.copy(tmp_path / "backup", file)
    with Ledger.write(file) as ledger:
        for _ in range(2):
            with pytest.raises(
                Unavailable, match="holds 10 entries, but its log was signed with 15"
            ) as caught:
                log.check_writable(ledger.size)
            assert "restore" in str(caught.value)
        with pytest.raises(Unavailable, match="nothing may be written"):
            log.publish(ledger)
        assert damage(log, ledger)
        # Proofs of what is there still work.
        assert log.receipt(next(ledger.public(3, 4)), 3).index == 3
        # Other entries in the place of the lost ones do not do.
        ledger.free_space_floor = 0
        ledger.append(objections(5))
        with pytest.raises(Unavailable):
            log.check_writable(ledger.size)
        with pytest.raises(Corrupt, match="not what the ledger holds"):
            log.publish(ledger)
        (tmp_path / "log-state" / "stopped").unlink()
        with pytest.raises(Corrupt, match="not those that were"):
            log.publish(ledger)
    shutil.copy(tmp_path / "newest", file)
    with Ledger.write(file) as ledger:
        log.publish(ledger)
        log.check_writable(ledger.size)
        assert damage(log, ledger) == []


def test_an_old_copy_of_everything_is_found_out_by_a_witness(tmp_path: Path) -> None:
    home, copy = tmp_path / "home", tmp_path / "copy"
    home.mkdir()
    with witness(tmp_path / "w") as one:
        with ledger_of(home / "l.sqlite3", 10) as ledger:
            tilelog(home).publish(ledger, cosigners(one))
        shutil.copytree(home, copy)
        with Ledger.write(home / "l.sqlite3") as ledger:
            ledger.free_space_floor = 0
            ledger.append(objections(5))
            tilelog(home).publish(ledger, cosigners(one))
        old = tilelog(copy)
        with Ledger.write(copy / "l.sqlite3") as ledger:
            old.check_writable(ledger.size)
            with pytest.raises(Unavailable, match="has seen 15 entries of this log, here are 10"):
                old.ask(cosigners(one))
            with pytest.raises(Unavailable, match="nothing may be written"):
                old.check_writable(ledger.size)
            with pytest.raises(Unavailable, match="nothing may be written"):
                old.publish(ledger, cosigners(one))
        # The newest state put in its place.
        shutil.copytree(home, copy, dirs_exist_ok=True)
        with Ledger.write(copy / "l.sqlite3") as ledger:
            old.publish(ledger, cosigners(one))
            old.check_writable(ledger.size)
            assert damage(old, ledger) == []


def test_a_fork_is_found_out_by_a_witness(tmp_path: Path) -> None:
    """Both copies grew to the same size with other entries."""
    home, copy = tmp_path / "home", tmp_path / "copy"
    home.mkdir()
    with witness(tmp_path / "w") as one:
        with ledger_of(home / "l.sqlite3", 10) as ledger:
            tilelog(home).publish(ledger, cosigners(one))
        shutil.copytree(home, copy)
        for folder in (home, copy):
            with Ledger.write(folder / "l.sqlite3") as ledger:
                ledger.free_space_floor = 0
                ledger.append(objections(5))
                if folder == home:
                    tilelog(home).publish(ledger, cosigners(one))
                    continue
                with pytest.raises(Unavailable, match="has seen another log under this name"):
                    tilelog(copy).publish(ledger, cosigners(one))
                with pytest.raises(Unavailable, match="nothing may be written"):
                    tilelog(copy).check_writable(ledger.size)


# quorum


def test_without_the_quorum_nothing_is_shown_and_the_next_try_goes_on(tmp_path: Path) -> None:
    log = tilelog(tmp_path)
    with ExitStack() as stack:
        one, two, three = (stack.enter_context(witness(tmp_path, number)) for number in (1, 2, 3))
        with ledger_of(tmp_path / "l.sqlite3", 10) as ledger:
            three.close()
            first = log.publish(ledger, cosigners(one, two, three, threshold=2))
            accepted = check_note(first.note, cosigners(one, two, three, threshold=2).policy)
            assert set(accepted.cosigned) == {"w1", "w2"}
            ledger.append(objections(1))
            with pytest.raises(Unavailable, match="too few witnesses"):
                log.publish(ledger, cosigners(one, three))
            assert log.published() == first
            log.check_writable(ledger.size)
            ledger.append(objections(1))
            # The first witness has seen 11 by now.
            assert log.publish(ledger, cosigners(one, two)).checkpoint.size == 12
            assert damage(log, ledger) == []


def test_a_witness_of_the_new_policy_is_asked_though_nothing_was_appended(tmp_path: Path) -> None:
    log = tilelog(tmp_path)
    with witness(tmp_path, 1) as one, ledger_of(tmp_path / "l.sqlite3", 10) as ledger:
        assert len(log.publish(ledger).note.signatures) == 1
        assert len(log.publish(ledger, cosigners(one)).note.signatures) == 2
        # And then it is left alone.
        one.close()
        assert len(log.publish(ledger, cosigners(one)).note.signatures) == 2


def test_two_publishers_take_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("troth.ledger.tilelog.BUSY_SECONDS", 0.05)
    log = tilelog(tmp_path)
    with ledger_of(tmp_path / "l.sqlite3", 10) as ledger:
        with log.locked(), pytest.raises(Unavailable, match="another process is publishing"):
            tilelog(tmp_path).publish(ledger)
        log.publish(ledger)
        with pytest.raises(Conflict):
            log._intend(None, log.publish(ledger).checkpoint.__class__(ORIGIN, 11, bytes(32)))
