import json
import os
import stat
from collections import Counter
from pathlib import Path

import pytest

from tests.unit.intake.conftest import NOW
from troth.core.errors import Unavailable
from troth.intake.report import ImportReport, RejectsFile
from troth.intake.rows import Where


def test_read_is_the_sum_of_all_counts() -> None:
    report = ImportReport(imported=5, duplicates=3, rejected=2, left_out=Counter(draft=4, spam=1))
    assert report.as_json() == {
        "read": 15,
        "imported": 5,
        "duplicates": 3,
        "rejected": 2,
        "left_out": {"draft": 4, "spam": 1},
        "rejects_file": None,
    }


def test_reasons_and_notes_count_nothing_a_second_time() -> None:
    report = ImportReport(imported=1, rejected=1, reasons=Counter(bad=1), notes=Counter(odd=1))
    assert report.read == 2


def test_no_reject_no_file(tmp_path: Path) -> None:
    with RejectsFile(tmp_path / "rejects", NOW) as rejects:
        pass
    assert rejects.path is None
    assert not (tmp_path / "rejects").exists()


def test_lines_are_there_before_the_file_is_closed(tmp_path: Path) -> None:
    with RejectsFile(tmp_path / "rejects", NOW) as rejects:
        rejects.write(Where("box", message=3, byte=120), "why not")
        rejects.write(Where("t.csv", line=7), "because")
        assert rejects.path is not None
        lines = [json.loads(line) for line in rejects.path.read_text().splitlines()]
    assert lines == [
        {"source": "box", "message": 3, "byte": 120, "reason": "why not"},
        {"source": "t.csv", "line": 7, "reason": "because"},
    ]


def test_the_file_is_the_owners_and_each_import_has_its_own(tmp_path: Path) -> None:
    paths = []
    for _ in range(3):
        with RejectsFile(tmp_path, NOW) as rejects:
            rejects.write(Where("x"), "y")
            paths.append(rejects.path)
    assert [path.name for path in paths if path] == [
        "rejects-20260601T000000Z.jsonl",
        "rejects-20260601T000000Z-2.jsonl",
        "rejects-20260601T000000Z-3.jsonl",
    ]
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths if path} == {0o600}


def test_storage_errors_are_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int, _data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(Unavailable, match="No space left"), RejectsFile(tmp_path, NOW) as rejects:
        rejects.write(Where("x"), "y")


def test_a_source_with_any_name_stays_one_line(tmp_path: Path) -> None:
    with RejectsFile(tmp_path, NOW) as rejects:
        rejects.write(Where("a\nb\udcff"), "y")
    assert rejects.path is not None
    [line] = rejects.path.read_text().splitlines()
    assert json.loads(line)["source"] == "a\nb\udcff"


@pytest.mark.parametrize(
    ("where", "text"),
    [
        (Where("a"), "a"),
        (Where("a", line=3), "a:3"),
        (Where("a", row=3), "a, row 3"),
        (Where("a", message=2, byte=9), "a, message 2, byte 9"),
    ],
)
def test_places_as_errors_show_them(where: Where, text: str) -> None:
    assert str(where.place) == text
