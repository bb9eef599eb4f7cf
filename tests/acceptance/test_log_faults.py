"""Each system call of appending and publishing fails once with EIO, once with ENOSPC, and once is the last."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.crash.log_faults import CALLS, FAULTS, judge, places, prepare, run_traced
from tests.support import require


@pytest.mark.needs_strace
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("call", CALLS)
def test_no_fault_loses_what_was_acknowledged_or_published(call: str, fault: str, tmp_path: Path) -> None:
    prepare(tmp_path / "counted")
    ran, trace = run_traced(tmp_path / "counted")
    require(ran.returncode == 0 and trace.exists(), "strace, allowed to trace")
    for place in places(trace, tmp_path / "counted").get(call, []):
        folder = tmp_path / f"{call}{place}"
        prepare(folder)
        ran, _ = run_traced(folder, f"{call}:{fault}:when={place}")
        judge(folder, ran)
        shutil.rmtree(folder)
