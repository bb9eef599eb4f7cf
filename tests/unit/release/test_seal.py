from __future__ import annotations

import hashlib
import hmac
import os
import stat
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.release.conftest import RELEASE, SIGNER, Sealing, facts, records
from tests.unit.release.faults import FAULTS, sweep
from troth.core.errors import BadInput, Conflict, TrothError
from troth.core.manifest import Manifest
from troth.release.check import verify_release
from troth.release.folder import unfinished
from troth.release.load import load
from troth.release.seal import seal


def field(value: object) -> bytes:
    """A field of a row, written out from the grammar by hand."""
    if value is None:
        return b"-"
    if isinstance(value, list):
        return b"[%d:" % len(value) + b"".join(field(one) for one in value)
    text = str(value).encode()
    return b"%d:" % len(text) + text


def root_by_hand(table: pa.Table) -> str:
    """The row root from RFC 6962 by recursion and ``hmac``: slow, and nobody's code but the standard library's."""
    names = "id category created_at author addressees topics conversation title body".split()
    leaves = []
    for row in table.to_pylist():
        salt = hmac.digest(row["salt"], RELEASE.encode(), "sha256")[:16]
        body = b"troth/row/v1\0" + b"".join(field(row[name]) for name in names)
        leaves.append(hashlib.sha256(b"\0" + salt + body).digest())

    def tree(some: list[bytes]) -> bytes:
        if len(some) == 1:
            return some[0]
        split = 1
        while split * 2 < len(some):
            split *= 2
        return hashlib.sha256(b"\1" + tree(some[:split]) + tree(some[split:])).digest()

    return tree(sorted(leaves)).hex()


@pytest.mark.parametrize("count", [1, 2, 3, 7, 64, 101])
def test_the_row_root_is_that_of_the_text(count: int, sealing: Sealing) -> None:
    table = records(count)
    sealed = sealing(table)
    assert sealed.manifest.row_root == root_by_hand(table)
    assert sealed.manifest.rows == count
    assert sealed.manifest.row_salts == "derived"
    findings = verify_release(sealed.path, [SIGNER.public_key])
    assert findings.ok, findings.as_json()


def test_the_order_and_the_cut_of_batches_do_not_matter(tmp_path: Path, sealing: Sealing) -> None:
    table = records(50)
    one = sealing(table, tmp_path / "one")
    backwards = table.take(list(range(49, -1, -1))).to_batches(max_chunksize=7)
    other = sealing(table, tmp_path / "other", batches=backwards)
    assert one.manifest.row_root == other.manifest.row_root


def test_what_is_loaded_is_what_was_sealed(sealing: Sealing) -> None:
    table = records(30)
    loaded = load(sealing(table).path).to_table()
    assert loaded["id"].to_pylist() == table["id"].to_pylist()
    assert loaded["body"].to_pylist() == table["body"].to_pylist()
    assert loaded["created_at"].cast(pa.int64()).to_pylist() == table["created_at"].to_pylist()
    assert "salt" not in loaded.column_names


def test_members_are_the_distinct_parties(sealing: Sealing) -> None:
    table = records(40)
    everybody = set(table["author"].to_pylist()) | {
        one for listed in table["addressees"].to_pylist() for one in listed
    }
    assert sealing(table).manifest.members == len(everybody)


def test_records_without_a_salt_get_one_drawn(tmp_path: Path, sealing: Sealing) -> None:
    sealed = sealing(records(5, salted=False))
    assert sealed.manifest.row_salts == "drawn"
    salts = pq.read_table(sealed.path / "data" / "part-00000.parquet")["row_salt"].to_pylist()
    assert salts == [b"\x07" * 16] * 5
    assert verify_release(tmp_path / "sealed").ok


def test_record_salts_never_leave(sealing: Sealing) -> None:
    table = records(5)
    sealed = sealing(table)
    everything = b"".join(path.read_bytes() for path in sealed.path.rglob("*") if path.is_file())
    for salt in table["salt"].to_pylist()[1:]:
        assert salt not in everything


def test_the_folder_is_its_owner_s(sealing: Sealing) -> None:
    sealed = sealing(records(3))
    assert stat.S_IMODE(sealed.path.stat().st_mode) & 0o077 == 0


def test_what_commit_raises_undoes_the_release(tmp_path: Path, sealing: Sealing) -> None:
    def refuse(_manifest: Manifest, _digest: str) -> None:
        raise Conflict("somebody was first")

    with pytest.raises(Conflict, match="somebody was first"):
        sealing(records(3), commit=refuse)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_is_taken_is_refused(tmp_path: Path, sealing: Sealing) -> None:
    (tmp_path / "sealed").mkdir()
    (tmp_path / "sealed" / "mine.txt").write_text("mine")
    with pytest.raises(BadInput, match="there already"):
        sealing(records(3))
    assert (tmp_path / "sealed" / "mine.txt").read_text() == "mine"


def test_rows_and_counts_must_agree(tmp_path: Path) -> None:
    with pytest.raises(Conflict, match="9 records were allowed"):
        seal(records(3).to_batches(), RELEASE, lambda: facts(9), SIGNER, tmp_path / "s", lambda *_: None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("how", FAULTS)
@pytest.mark.parametrize("step", ["fsync", "rename"])
def test_a_fault_leaves_a_release_or_nothing(step: str, how: str, tmp_path: Path) -> None:
    assert sweep(step, how, range(1, 3), tmp_path) > 0


def test_what_a_killed_build_left_is_removed_by_the_next(tmp_path: Path, sealing: Sealing) -> None:
    left = unfinished(tmp_path / "sealed")
    left.mkdir()
    (left / "half.parquet").write_bytes(b"half")
    sealed = sealing(records(3))
    assert verify_release(sealed.path).ok
    assert not left.exists()


def test_a_failing_disk_is_said_to_be_one(
    tmp_path: Path, sealing: Sealing, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TrothError, match="No space left") as caught:
        sealing(records(3))
    assert caught.value.exit_status == 3
    assert list(tmp_path.iterdir()) == []
