"""The property tests on many more worlds than the ordinary suite has time for, and none of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.properties.test_decision import check_gate, check_reference
from tests.properties.test_kept import check_kept
from tests.properties.test_small_side import check_crowds

BEYOND = 10_000
"""Chunks from here on are in no ordinary run."""


@pytest.mark.parametrize("chunk", range(BEYOND, BEYOND + 60))
def test_60_000_expectations_agree_between_oracle_and_reference(chunk: int) -> None:
    check_reference(chunk)


@pytest.mark.parametrize("chunk", range(BEYOND, BEYOND + 50))
def test_100_000_tuples_agree_between_reference_and_gate(chunk: int) -> None:
    check_gate(chunk)


@pytest.mark.parametrize("chunk", range(BEYOND, BEYOND + 40))
def test_crowds_agree_between_reference_and_small_side(chunk: int) -> None:
    check_crowds(chunk)


@pytest.mark.parametrize("chunk", range(BEYOND, BEYOND + 40))
def test_kept_folds_agree_with_the_reference_step_by_step(chunk: int, tmp_path: Path) -> None:
    check_kept(chunk, tmp_path)
