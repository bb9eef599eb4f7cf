"""Releases of several data files: sealed, and altered in ways that one file does not have."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.release.conftest import RELEASE, SIGNER, Sealing, facts, nothing, records
from troth.core.findings import Findings
from troth.core.rows import row_salt
from troth.release import columns, part, rowcheck
from troth.release.check import examine, verify_release
from troth.release.load import load
from troth.release.seal import seal

TRUSTED = [SIGNER.public_key]


@pytest.fixture
def release(sealing: Sealing, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Forty rows in four files of ten."""
    monkeypatch.setattr(columns, "BATCH_ROWS", 5)
    monkeypatch.setattr(columns, "_MERGE_BELOW", 2)
    monkeypatch.setattr(part, "_GROUP_ROWS", 5)
    monkeypatch.setattr(part, "PART_ROWS", 10)
    return sealing(records(40)).path


def file(number: int) -> str:
    return f"data/part-{number:05}.parquet"


def rewrite(release: Path, number: int, *tables: pa.Table) -> None:
    whole = pa.concat_tables([table.cast(columns.DATA) for table in tables])
    pq.write_table(whole, release / file(number))


def said(release: Path) -> list[tuple[str, str, str | None]]:
    return [(one.level, one.what, one.where) for one in verify_release(release, TRUSTED).findings]


def test_the_files_hold_the_rows_in_their_order(release: Path) -> None:
    manifest = load(release).manifest
    assert [(one.name, one.rows) for one in manifest.files[:4]] == [(file(number), 10) for number in range(4)]
    assert load(release).to_table()["id"].to_pylist() == [f"m{number}" for number in range(40)]
    assert pq.ParquetFile(release / file(0)).num_row_groups == 2


def test_rows_swapped_between_files(release: Path) -> None:
    one, other = (pq.read_table(release / file(number)) for number in (1, 2))
    rewrite(release, 1, one.slice(1), other.slice(0, 1))
    rewrite(release, 2, other.slice(1), one.slice(0, 1))
    found = said(release)
    assert {where for level, _, where in found if level == "error"} == {file(1), file(2)}
    assert any("written anew, or moved between files" in what for level, what, _ in found if level == "info")


def test_files_swapped(release: Path) -> None:
    (release / file(1)).rename(release / "x")
    (release / file(2)).rename(release / file(1))
    (release / "x").rename(release / file(2))
    found = said(release)
    assert {where for level, _, where in found if level == "error"} == {file(1), file(2)}
    assert any("moved between files" in what for _, what, _ in found)


def test_each_altered_row_is_named_with_its_file_and_place(release: Path) -> None:
    for number, row in ((0, 2), (3, 9)):
        table = pq.read_table(release / file(number))
        bodies = table["body"].to_pylist()
        bodies[row] = "put into somebody's mouth"
        at = table.schema.get_field_index("body")
        rewrite(release, number, table.set_column(at, "body", pa.array(bodies)))
    found = [(what, where) for level, what, where in said(release) if level == "error"]
    assert ("row 3 (id m2) is not as it was sealed", file(0)) in found
    assert ("row 10 (id m39) is not as it was sealed", file(3)) in found
    assert ("2 of the sealed rows are not here, or not as they were sealed", "data") in found
    assert sum("not as it was sealed" in what for what, _ in found) == 2


def test_a_row_that_was_doubled_is_named(release: Path) -> None:
    table = pq.read_table(release / file(1))
    rewrite(release, 1, table, table.slice(4, 1))
    found = [(what, where) for level, what, where in said(release) if level == "error"]
    assert ("row 5 (id m14) is there more often than it was sealed", file(1)) in found
    assert ("holds 11 rows; 10 were sealed", file(1)) in found
    assert not any("of the sealed rows" in what for what, _ in found)


def test_a_row_of_another_release_is_named(release: Path, tmp_path: Path) -> None:
    table = records(41)
    other = seal(table.to_batches(), "r-other", lambda: facts(41), SIGNER, tmp_path / "other", nothing)
    foreign = pq.read_table(other.path / file(0)).slice(3, 1)
    mine = pq.read_table(release / file(0))
    rewrite(release, 0, mine.slice(0, 3), foreign, mine.slice(4))
    found = [(what, where) for level, what, where in said(release) if level == "error"]
    assert ("row 4 (id m3) is not as it was sealed", file(0)) in found


def test_a_row_salt_that_was_changed_is_named(release: Path) -> None:
    table = pq.read_table(release / file(2))
    salts = table["row_salt"].to_pylist()
    assert salts[0] == row_salt((20).to_bytes(32, "big"), RELEASE)
    salts[0] = bytes(16)
    at = table.schema.get_field_index("row_salt")
    rewrite(release, 2, table.set_column(at, "row_salt", pa.array(salts, pa.binary(16))))
    assert any("row 1 (id m20)" in what for _, what, _ in said(release))


def test_a_file_that_is_gone_or_unreadable_does_not_hide_the_others(release: Path) -> None:
    (release / file(0)).unlink()
    (release / file(1)).write_bytes((release / file(1)).read_bytes()[:100])
    table = pq.read_table(release / file(2))
    rewrite(release, 2, table.slice(1))
    found = said(release)
    errors = [(what, where) for level, what, where in found if level == "error"]
    assert ("is missing", file(0)) in errors
    assert any(where == file(1) and "cannot be read as Parquet" in what for what, where in errors)
    assert ("holds 9 rows; 10 were sealed", file(2)) in errors
    assert ("21 of the sealed rows are not here, or not as they were sealed", "data") in errors
    assert any("count among the missing" in what and file(1) in str(where) for _, what, where in found)


def test_without_the_list_of_leaves_the_rows_cannot_be_named(release: Path) -> None:
    (release / "leaves.bin").unlink()
    assert {where for level, _, where in said(release) if level == "error"} == {"leaves.bin"}
    table = pq.read_table(release / file(2))
    rewrite(release, 2, table.slice(1))
    assert any("which ones differ cannot be told" in what for _, what, _ in said(release))


def test_many_altered_rows_are_counted_not_listed(release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rowcheck, "SHOWN", 3)
    table = pq.read_table(release / file(0))
    at = table.schema.get_field_index("body")
    rewrite(release, 0, table.set_column(at, "body", pa.array(["x"] * 10)))
    found = [what for level, what, _ in said(release) if level == "error"]
    assert sum("is not as it was sealed" in what for what in found) == 3
    assert "7 more rows are not as they were sealed" in found


def test_many_extra_files_are_counted_not_listed(release: Path) -> None:
    for number in range(130):
        (release / f"x{number}").write_bytes(b"")
    found = [what for level, what, _ in said(release) if level == "error"]
    assert found.count("is not part of the release") == 100
    assert "30 more files are not part of the release" in found


@pytest.mark.parametrize(
    "columns_",
    [["id"], ["id", "category", "body", "row_salt"]],
)
def test_other_columns_are_said(columns_: list[str], release: Path) -> None:
    pq.write_table(pq.read_table(release / file(0)).select(columns_), release / file(0))
    assert any("holds other columns" in what for _, what, _ in said(release))


def test_a_file_much_larger_than_sealed_is_not_read(release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rowcheck, "_BYTES_BEYOND", 0)
    with (release / file(0)).open("ab") as opened:
        opened.truncate(1 << 40)
    assert any("much larger than what was sealed" in what for _, what, _ in said(release))


def test_many_more_rows_than_sealed_are_not_read(release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rowcheck, "_ROWS_BEYOND", 0)
    table = pq.read_table(release / file(0))
    rewrite(release, 0, *[table] * 3)
    assert any("many more rows than were sealed" in what for _, what, _ in said(release))


def test_a_name_that_is_no_text_is_shown_all_the_same(release: Path) -> None:
    table = pq.read_table(release / file(0))
    names = pa.array([b"\xff\xfe", *[b"m%d" % number for number in range(1, 10)]]).view(pa.string())
    rewrite(release, 0, table.set_column(0, columns.DATA.field("id"), names))
    assert any("row 1 (id \\xff\\xfe)" in what for _, what, _ in said(release))


def test_digests_alone_find_what_was_altered(release: Path) -> None:
    assert examine(release, TRUSTED, rows=False).findings.ok
    data = bytearray((release / file(3)).read_bytes())
    data[50] ^= 1
    (release / file(3)).write_bytes(bytes(data))
    findings: Findings = examine(release, TRUSTED, rows=False).findings
    assert [(one.what, one.where) for one in findings.findings if one.level == "error"] == [
        ("was altered: its digest is not the one that was signed", file(3))
    ]


def test_a_copy_verifies(release: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(release, tmp_path / "copy")
    assert verify_release(copy, TRUSTED).ok
