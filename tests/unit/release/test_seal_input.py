"""What sealing does with rows of every kind, and with an engine or a disk that fails on the way."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.release.conftest import RELEASE, SIGNER, Sealing, facts, nothing, records
from troth.core.errors import BadInput, Unavailable
from troth.core.rows import row_salt
from troth.release import columns, part
from troth.release.check import verify_release
from troth.release.seal import Sealed, seal


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a few rows are many batches."""
    monkeypatch.setattr(columns, "BATCH_ROWS", 4)
    monkeypatch.setattr(columns, "_MERGE_BELOW", 2)
    monkeypatch.setattr(part, "_GROUP_ROWS", 8)


def salts_of(sealed: Sealed) -> list[bytes]:
    salts: list[bytes] = pq.read_table(sealed.path / "data")["row_salt"].to_pylist()
    return salts


def test_records_with_and_without_a_salt_may_come_together(tmp_path: Path) -> None:
    table = records(20)
    given = [None if number % 3 == 0 else salt for number, salt in enumerate(table["salt"].to_pylist())]
    table = table.set_column(table.schema.get_field_index("salt"), "salt", pa.array(given, pa.binary()))
    drawn = iter(range(1, 100))

    def draw(count: int) -> bytes:
        assert count % 16 == 0
        return b"".join(next(drawn).to_bytes(16, "big") for _ in range(count // 16))

    sealed = seal(table.to_batches(), RELEASE, lambda: facts(20), SIGNER, tmp_path / "s", nothing, draw)
    assert sealed.manifest.row_salts == "mixed"
    expected = [
        row_salt(salt, RELEASE) if salt else (number + 1).to_bytes(16, "big")
        for number, salt in enumerate(given)
    ]
    assert salts_of(sealed) == expected
    assert verify_release(sealed.path, [SIGNER.public_key]).ok


def test_drawn_salts_are_not_drawn_twice(tmp_path: Path) -> None:
    table = records(20, salted=False)
    sealed = seal(table.to_batches(), RELEASE, lambda: facts(20), SIGNER, tmp_path / "s", nothing)
    assert sealed.manifest.row_salts == "drawn"
    assert len(set(salts_of(sealed))) == 20


def test_a_release_of_nothing_verifies(sealing: Sealing) -> None:
    sealed = sealing(records(0))
    assert [one.rows for one in sealed.manifest.files] == [0, None, None]
    assert verify_release(sealed.path, [SIGNER.public_key]).ok


def test_the_same_rows_make_the_same_files(sealing: Sealing, tmp_path: Path) -> None:
    one, other = (sealing(records(30), tmp_path / name) for name in ("one", "other"))
    assert one.manifest == other.manifest
    assert one.manifest_digest == other.manifest_digest


def test_equal_rows_are_kept(sealing: Sealing) -> None:
    table = pa.concat_tables([records(3)] * 3)
    sealed = sealing(table)
    assert sealed.manifest.rows == 9
    assert verify_release(sealed.path, [SIGNER.public_key]).ok


@pytest.mark.parametrize("release", ["", "../r", "r/1", "r 1", "r" * 101])
def test_an_id_that_is_none_is_refused_before_anything_is_read(release: str, tmp_path: Path) -> None:
    unread = (pytest.fail("the rows were read") for _ in range(1))
    with pytest.raises(BadInput, match="expected an id"):
        seal(unread, release, lambda: facts(0), SIGNER, tmp_path / "s", nothing)


class EngineError(Exception):
    """What an engine might raise."""


@pytest.mark.parametrize("after", [0, 1, 5, 9])
def test_an_engine_that_fails_leaves_nothing(after: int, tmp_path: Path) -> None:
    def failing() -> Iterator[pa.RecordBatch]:
        yield from records(40).to_batches(max_chunksize=4)[:after]
        raise EngineError

    with pytest.raises(EngineError):
        seal(failing(), RELEASE, lambda: facts(40), SIGNER, tmp_path / "s", nothing)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("at", [0, 17, 39])
def test_a_row_that_cannot_be_read_leaves_nothing(at: int, tmp_path: Path) -> None:
    table = records(40)
    names = [None if number == at else name for number, name in enumerate(table["id"].to_pylist())]
    table = table.set_column(0, "id", pa.array(names, pa.string()))
    with pytest.raises(BadInput, match="'id' is missing in 1 rows"):
        seal(table.to_batches(), RELEASE, lambda: facts(40), SIGNER, tmp_path / "s", nothing)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("after", [0, 1, 10])
def test_a_disk_that_is_full_is_said_and_leaves_nothing(
    after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, seen = os.write, 0

    def full(descriptor: int, data: bytes) -> int:
        nonlocal seen
        seen += 1
        if seen > after:
            raise OSError(28, "No space left on device")
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(Unavailable, match="No space left") as caught:
        seal(records(40).to_batches(), RELEASE, lambda: facts(40), SIGNER, tmp_path / "s", nothing)
    assert caught.value.remedy == "free some space and repeat"
    gc.collect()  # an abandoned Parquet writer would try to end its file now
    assert seen > after
    assert list(tmp_path.iterdir()) == []


def test_facts_are_asked_for_once_all_rows_were_taken(tmp_path: Path) -> None:
    taken: list[int] = []

    def counted() -> Iterator[pa.RecordBatch]:
        for batch in records(20).to_batches(max_chunksize=5):
            taken.append(batch.num_rows)
            yield batch

    sealed = seal(counted(), RELEASE, lambda: facts(sum(taken)), SIGNER, tmp_path / "s", nothing)
    assert sealed.manifest.verdicts["allowed"] == 20


def test_everything_is_durable_and_there_before_the_ledger_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: set[str] = set()
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced.add(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        real(descriptor)

    def commit(manifest: object, digest: str) -> None:
        del manifest
        assert len(digest) == 64
        assert not (tmp_path / "s").exists()
        (building,) = tmp_path.iterdir()
        everything = {path.name for path in building.rglob("*")} | {building.name}
        assert everything <= synced

    monkeypatch.setattr(os, "fsync", fsync)
    seal(records(20).to_batches(), RELEASE, lambda: facts(20), SIGNER, tmp_path / "s", commit)
