"""The case files: derived by hand from decisions.md, each with its reasoning, by a third pair of eyes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.oracle import oracle
from tests.support import ROOT
from troth.app.casework import run_files
from troth.intake.yaml_files import read_yaml

FILES = sorted((ROOT / "tests" / "cases").glob("*.yaml"))


def raw_cases(path: Path) -> list[dict[str, Any]]:
    cases = [shape.value for shape in read_yaml(path)]
    return [case for case in cases if isinstance(case, dict)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_reference_decides_as_the_case_file_says(path: Path) -> None:
    outcome = run_files([path])
    assert outcome.expectations > 0
    assert outcome.cases == len(raw_cases(path))
    told = "\n".join(
        f"{one.place}: {one.case}: {one.record}: expected {one.expected}, got {one.got}"
        for one in outcome.differ
    )
    assert not outcome.differ, told


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_oracle_decides_as_the_case_file_says(path: Path) -> None:
    for case in raw_cases(path):
        for asked, got in zip(case["expect"], oracle.evaluate(case), strict=True):
            for name in ("verdict", "reason", "party"):
                if name in asked:
                    assert got[name] == asked[name], (case["case"], asked)
            if asked.get("reasons") is not None:
                wanted = {subject: set(reasons) for subject, reasons in asked["reasons"].items()}
                assert {subject: set(reasons) for subject, reasons in got["reasons"].items()} == wanted, asked


def test_between_them_the_files_expect_every_reason_and_every_verdict() -> None:
    asked = [one for path in FILES for case in raw_cases(path) for one in case["expect"]]
    named = {one.get("reason") for one in asked}
    in_sets = {
        reason for one in asked for reasons in (one.get("reasons") or {}).values() for reason in reasons
    }
    assert named | in_sets >= set(oracle.ORDER)
    assert {one["verdict"] for one in asked} == {"allowed", "denied", "gap"}
    assert len(asked) >= 700
