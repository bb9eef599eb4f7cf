"""Every call that touches the disk fails once, or is the last: strace sees to it, and `check` is the judge.

The calls are counted in a run without faults; then each is met in a run of its own. Killing at the entry of
each call meets every state of the disk between two calls.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.crash.afterwards import acknowledged, judge
from tests.support import ROOT, require
from troth.ledger.store import Ledger

CALLS = ("pwrite64", "fdatasync", "fsync", "ftruncate", "unlink")
APPENDS = 2


def run_traced(
    path: Path, fault: str | None = None, calls: tuple[str, ...] = CALLS
) -> tuple[subprocess.CompletedProcess[str], Path]:
    """Two appends and an erasure on a ledger, under strace."""
    log = path.with_suffix(".trace")
    command = ["strace", "-f", "-o", str(log), "-e", f"trace={','.join(calls)}"]
    if fault is not None:
        command += ["-e", f"inject={fault}"]
    command += [sys.executable, "-m", "tests.crash.appender", str(path), str(APPENDS), "0"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT), log


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Counter[str]:
    """How often each call is made in a run without faults."""
    path = tmp_path_factory.mktemp("counted") / "ledger.sqlite3"
    Ledger.create(path).close()
    ran, log = run_traced(path)
    require(ran.returncode == 0 and log.exists(), "strace, allowed to trace")
    assert ran.stdout.endswith("erased 1\nclosed\n"), ran.stderr
    calls = Counter(name for line in log.read_text().splitlines() for name in CALLS if f" {name}(" in line)
    # At the least, each append and the erasure are made durable, and the last close tidies up.
    assert calls["pwrite64"] > 4 * APPENDS
    assert calls["fdatasync"] + calls["fsync"] >= APPENDS + 2
    return calls


@pytest.mark.needs_strace
@pytest.mark.parametrize("fault", ["error=EIO", "error=ENOSPC", "signal=KILL"])
@pytest.mark.parametrize("call", CALLS)
def test_no_fault_loses_what_was_acknowledged(
    call: str, fault: str, counted: Counter[str], tmp_path: Path
) -> None:
    outcomes: Counter[str] = Counter()
    for place in range(1, counted[call] + 1):
        path = tmp_path / f"{place}.sqlite3"
        Ledger.create(path).close()
        ran, _ = run_traced(path, f"{call}:{fault}:when={place}")
        last = ran.stdout.splitlines()[-1] if ran.stdout else "nothing"
        assert "Traceback" not in ran.stderr
        judge(path, acknowledged(ran.stdout))
        if "erased 1\n" in ran.stdout:
            with Ledger.read(path) as reader:
                assert next(reader.entries()).what is None
        if fault == "signal=KILL":
            assert last != "closed" or call == "unlink"
            outcomes["killed"] += ran.returncode != 0
        else:
            # Either it says that storage failed, or the fault met the tidying up at the end.
            assert ran.returncode == 0
            assert last == "closed" or last.startswith("Unavailable storage failed"), ran.stdout
            outcomes[last.split()[0]] += 1
    if counted[call]:
        assert outcomes["killed"] or outcomes["Unavailable"] or call in ("ftruncate", "unlink")


@pytest.mark.needs_strace
def test_nothing_is_acknowledged_before_it_is_durable(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    Ledger.create(path).close()
    ran, log = run_traced(path, calls=("openat", "write", *CALLS))
    require(ran.returncode == 0 and log.exists(), "strace, allowed to trace")
    files: dict[str, str] = {}
    unsynced: set[str] = set()
    acknowledged_at: list[set[str]] = []
    for line in log.read_text().splitlines():
        if found := re.search(r'openat\(.*"([^"]*)".* = (\d+)$', line):
            files[found[2]] = found[1]
        elif (found := re.search(r"pwrite64\((\d+),", line)) and not files[found[1]].endswith("-shm"):
            unsynced.add(files[found[1]])
        elif found := re.search(r"(?:fdatasync|fsync)\((\d+)\)", line):
            unsynced.discard(files[found[1]])
        elif re.search(r'write\(1, "(?:ack|erased)', line):
            acknowledged_at.append(set(unsynced))
    assert acknowledged_at == [set()] * (APPENDS + 1)
