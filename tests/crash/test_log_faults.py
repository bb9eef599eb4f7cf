"""A system call of publishing fails or is the last: a sample here, each one in the acceptance tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.log_faults import judge, places, prepare, run_traced
from tests.support import require

# The calls in which the order of publishing shows.
SAMPLED = ("fsync", "link", "linkat", "rename", "renameat")


@pytest.mark.needs_strace
@pytest.mark.parametrize("fault", ["error=EIO", "signal=KILL"])
def test_a_fault_of_publishing_loses_nothing(fault: str, tmp_path: Path) -> None:
    prepare(tmp_path / "counted")
    ran, trace = run_traced(tmp_path / "counted")
    require(ran.returncode == 0 and trace.exists(), "strace, allowed to trace")
    assert ran.stdout.endswith("closed\n"), (ran.stdout, ran.stderr)
    found = places(trace, tmp_path / "counted")
    assert found["fsync"]
    for call in SAMPLED:
        for place in found.get(call, [])[:: 8 if call == "fsync" else 4]:
            folder = tmp_path / f"{call}{place}"
            prepare(folder)
            ran, _ = run_traced(folder, f"{call}:{fault}:when={place}")
            last = judge(folder, ran)
            if fault == "signal=KILL":
                assert ran.returncode != 0
            else:
                assert last.startswith(("Unavailable storage failed", "closed")), last
