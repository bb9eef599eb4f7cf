"""The case files on the gate: what lawyers and engineers agreed on is what the product does with a table."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from tests.properties.worlds import as_table
from tests.unit.test_cases import FILES
from troth.core.cases import Case, Expectation, read_case
from troth.core.reasons import from_bits
from troth.core.values import Use
from troth.gate.gate import Gate
from troth.intake.yaml_files import read_yaml


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_gate_decides_as_the_case_file_says(path: Path) -> None:
    for shape in read_yaml(path):
        if shape.value is not None:
            check(read_case(shape))


def check(case: Case) -> None:
    questions: dict[tuple[Use, int, int | None], list[Expectation]] = defaultdict(list)
    for one in case.expectations:
        questions[one.use, one.at, one.as_of].append(one)
    for (use, at, as_of), expectations in questions.items():
        decided = Gate(case.known(as_of), use, at).decide(as_table(case.records))
        rows = {row["id"]: row for row in decided.to_pyarrow().to_pylist()}
        for wanted in expectations:
            row = rows[wanted.record.id]
            assert row["verdict"] == wanted.verdict, wanted.place
            if wanted.reason_given:
                assert row["reason"] == wanted.reason, wanted.place
            if wanted.party_given:
                assert row["party"] == wanted.party, wanted.place
            if wanted.reasons is not None:
                got = {
                    subject: {reason.text for reason in from_bits(code)}
                    for subject, code in zip(row["judged"], row["codes"], strict=True)
                }
                assert got == wanted.reasons, wanted.place
