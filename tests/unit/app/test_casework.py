"""Case files as people run them."""

from __future__ import annotations

from pathlib import Path

import pytest

from troth.app.casework import run_files
from troth.core.errors import BadInput

GOOD = """\
case: a stranger
records:
  - {id: p, category: post, created_at: 2021-01-01, author: zed}
expect:
  - {record: p, purpose: improve, recipient: operator, at: 2022-01-01, verdict: gap, reason: unknown-subject}
"""
WRONG = GOOD.replace("verdict: gap, reason: unknown-subject", "verdict: allowed")


def test_files_and_folders_are_run_and_counted(tmp_path: Path) -> None:
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "a.yaml").write_text(f"{GOOD}---\n{WRONG}")
    (tmp_path / "cases" / "b.yml").write_text(GOOD)
    (tmp_path / "cases" / "notes.txt").write_text("nothing")
    (tmp_path / "c.case").write_text(GOOD)
    outcome = run_files([tmp_path / "cases", tmp_path / "c.case"])
    assert (outcome.cases, outcome.expectations) == (4, 4)
    assert outcome.as_json() == {
        "cases": 4,
        "expectations": 4,
        "differ": [
            {
                "file": str(tmp_path / "cases" / "a.yaml"),
                "line": 11,
                "case": "a stranger",
                "record": "p",
                "expected": {"verdict": "allowed"},
                "got": {"verdict": "gap"},
            }
        ],
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no case"),
        ("---\n---\n", "holds no case"),
        ("case: x\nrecord: []\n", r"a\.yaml:2: record: unknown key"),
        ("case: x\ncase: y\n", r"a\.yaml:2: the key 'case' stands twice"),
        (
            GOOD.replace("2022-01-01", "2022-02-30"),
            r"a\.yaml:5: expect\.0\.at: '2022-02-30' is not an instant",
        ),
        (f"{GOOD}---\nnothing: 1\n", r"a\.yaml:7: 'case' is missing"),
    ],
)
def test_a_file_that_cannot_be_read_stops_before_any_case_is_run(
    tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(BadInput, match=said):
        run_files([tmp_path / "a.yaml"])


def test_words_of_yaml_1_1_are_words_here(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "case: Norway is a place and on is a word\n"
        "events:\n"
        "  - {subject: ann, since: 2020-01-01, jurisdiction: NO, born: 1980}\n"
        "  - {setting: g, introduced_at: 2020-01-01, defaults: [{audience: {jurisdictions: [NO]}, value: on}]}\n"
        "  - {choose: {subject: ann, setting: g, value: off, at: 2021-01-01T12:30:00}}\n"
        "records: [{id: p, category: post, created_at: 2021-01-01, author: ann}]\n"
        "expect: [{record: p, purpose: improve, recipient: operator, at: 2022-01-01, verdict: denied}]\n"
    )
    assert run_files([tmp_path / "a.yaml"]).differ == []
