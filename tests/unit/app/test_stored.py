"""Imported records: corrected, deleted, looked at."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from troth.app import holds, importing, stored, topics
from troth.app.home import Home, init
from troth.core.errors import BadInput
from troth.core.values import parse_instant

AT = parse_instant("2024-05-02")


def record(name: str, **changes: object) -> dict[str, object]:
    return {
        "id": name,
        "category": "private_message",
        "created_at": "2024-05-01",
        "author": "ann",
        "addressees": ["bob"],
        "title": "Pay",
        "body": f"My salary, {name}",
    } | changes


def table(folder: Path, *rows: Mapping[str, object], name: str = "table.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = init(tmp_path / "home")
    topics.find(home, ["compensation"])
    importing.tables(home, [table(tmp_path, record("m1"), record("m2"), record("m3", author="cem"))])
    return home


def rows(home: Home) -> dict[str, dict[str, Any]]:
    return {
        row["id"]: row
        for path in home.records_path.glob("part-*.parquet")
        for row in pq.read_table(path).to_pylist()
    }


def test_only_columns_that_a_table_has_are_replaced(home: Home, tmp_path: Path) -> None:
    before = rows(home)
    new = {"id": "m1", "category": "private_message", "created_at": "2024-05-09", "body": "Nothing"}
    rehearsed = stored.correct(home, [table(tmp_path, new)], dry_run=True)
    assert (rehearsed.corrected, rows(home)) == (1, before)
    done = stored.correct(home, [table(tmp_path, new)])
    assert done.as_json() == {
        "read": 1,
        "corrected": 1,
        "unchanged": 0,
        "rejected": 0,
        "columns": {"body": 1, "created_at": 1},
        "rejects_file": None,
    }
    after = rows(home)
    assert after["m1"].pop("salt") != before["m1"].pop("salt")
    assert after["m1"] == before["m1"] | {"created_at": parse_instant("2024-05-09"), "body": "Nothing"}
    assert [after["m2"], after["m3"]] == [before["m2"], before["m3"]]
    # The addressee is still asked, and what was found in the old words is gone.
    assert after["m1"]["addressees"] == ["bob"]
    assert topics.counts(home) == {"compensation": 2}
    assert stored.correct(home, [table(tmp_path, new)]).unchanged == 1


def test_what_is_not_there_or_was_deleted_is_rejected(home: Home, tmp_path: Path) -> None:
    assert stored.delete(home, {"m2": AT, "m9": AT}) == 1
    before = rows(home)
    done = stored.correct(
        home, [table(tmp_path, record("m2", body="Back"), record("m9"), record("m3", category=""))]
    )
    assert done.corrected == 0
    assert sorted(done.reasons) == [
        "category is missing",
        "no stored record has this id",
        "the record was deleted; it is not brought back",
    ]
    assert done.rejects_file is not None
    assert len(done.rejects_file.read_text().splitlines()) == 3
    assert rows(home) == before


def test_two_rows_of_one_id_and_a_damaged_table_change_nothing(home: Home, tmp_path: Path) -> None:
    before = rows(home)
    with pytest.raises(BadInput, match="two rows have the id 'm1'"):
        stored.correct(home, [table(tmp_path, record("m1", body="x"), record("m1", body="y"))])
    damaged = tmp_path / "cut.jsonl.gz"
    damaged.write_bytes(gzip.compress(json.dumps(record("m1", body="x")).encode() * 50)[:-9])
    with pytest.raises(BadInput):
        stored.correct(home, [damaged])
    assert rows(home) == before


def test_a_deletion_keeps_what_the_gate_asks_for_and_no_words(home: Home, tmp_path: Path) -> None:
    before = rows(home)
    assert stored.written_by(home, "cem") == ["m3"]
    assert stored.delete(home, {"m1": AT, "m3": AT}) == 2
    after = rows(home)
    for name in ("m1", "m3"):
        assert after[name].pop("salt") != before[name].pop("salt")
        assert after[name] == before[name] | {"deleted_at": AT, "title": None, "body": None}
    assert topics.counts(home) == {"compensation": 1}
    # Deleting again changes nothing, a later instant neither; importing the table again brings nothing back.
    assert stored.delete(home, {"m1": AT + 1}) == 1
    report = importing.tables(home, [table(tmp_path, record("m1"), record("m2"))])
    assert (report.imported, report.duplicates, report.rejected) == (0, 1, 1)
    assert stored.show(home, "m1")["deleted_at"] == AT
    assert stored.show(home, "m1")["body"] is None


def test_what_a_hold_keeps_is_sealed_first(home: Home, tmp_path: Path) -> None:
    escrow = holds.new_escrow(tmp_path / "escrow.key")
    holds.open_matter(home, "case", escrow, subjects=["bob"])
    stored.delete(home, {"m1": AT})
    stored.correct(home, [table(tmp_path, record("m2", body="Else"))])
    sealed = {about["record"]: path for path, about in holds.sealed_things(home)}
    assert sorted(sealed) == ["m1", "m2"]
    opened = json.loads(holds.unseal(sealed["m1"], tmp_path / "escrow.key"))
    assert (opened["body"], opened["deleted_at"]) == ("My salary, m1", None)


def test_an_unknown_record_is_not_shown(home: Home) -> None:
    with pytest.raises(BadInput, match="no stored record is called 'm9'"):
        stored.show(home, "m9")
