"""Every call that sealing makes of the file system fails once, before and after it took effect, and once kills."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.release.faults import FAULTS, STEPS, sweep


@pytest.mark.slow
@pytest.mark.parametrize("how", FAULTS)
@pytest.mark.parametrize("step", STEPS)
def test_a_fault_at_any_step_leaves_a_release_or_nothing(step: str, how: str, tmp_path: Path) -> None:
    assert sweep(step, how, range(1, 200), tmp_path) > 0
