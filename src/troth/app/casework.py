"""Case files run against the reference decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from troth.core.cases import Difference, read_case, run_case
from troth.core.errors import BadInput, Place
from troth.core.written import Json
from troth.intake.yaml_files import read_yaml


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many cases and expectations were run, and those that differ."""

    cases: int
    expectations: int
    differ: list[Difference]

    def as_json(self) -> dict[str, Json]:
        """The JSON of ``troth test``."""
        return {
            "cases": self.cases,
            "expectations": self.expectations,
            "differ": [
                {
                    "file": one.place.source,
                    "line": one.place.line,
                    "case": one.case,
                    "record": one.record,
                    "expected": one.expected,
                    "got": one.got,
                }
                for one in self.differ
            ],
        }


def run_files(paths: Sequence[Path]) -> Outcome:
    """Run the cases of files; a folder stands for the YAML files in it.

    Raises:
        BadInput: a file cannot be read; then no case is run.
    """
    cases = []
    for path in _files(paths):
        found = [read_case(shape) for shape in read_yaml(path) if shape.value is not None]
        if not found:
            raise BadInput("holds no case", place=Place(str(path)), remedy="write `case:` with a title")
        cases += found
    differ = [difference for case in cases for difference in run_case(case)]
    return Outcome(len(cases), sum(len(case.expectations) for case in cases), differ)


def _files(paths: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        files = sorted(path.glob("*.y*ml")) if path.is_dir() else [path]
        if not files:
            # A folder by a wrong name must not pass for a folder of cases that all agree.
            raise BadInput(
                "holds no case files", place=Place(str(path)), remedy="name files that end in .yaml"
            )
        found += files
    return found
