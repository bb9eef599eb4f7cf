"""Each file system call of appending and publishing fails once, before or after it took effect, or is the last."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.log_faults import judge, prepare
from tests.crash.sweeping import CALLS, FAULTS, Sweeper, sweeper


@pytest.fixture(scope="module")
def publishing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sweeper]:
    """A process that appends and publishes."""
    with sweeper("publish", tmp_path_factory.mktemp("shim")) as one:
        yield one


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("call", CALLS)
def test_no_fault_loses_what_was_acknowledged_or_published(
    call: str, fault: str, tmp_path: Path, publishing: Sweeper
) -> None:
    prepare(tmp_path / "made")
    shutil.copytree(tmp_path / "made", tmp_path / "counted")
    counted = publishing.run(tmp_path / "counted", call, 0)
    assert counted.stdout.endswith("closed\n"), counted
    for number in range(1, counted.met + 1):
        folder = tmp_path / f"{number}"
        shutil.copytree(tmp_path / "made", folder)
        ran = publishing.run(folder, call, number, fault)
        assert fault.startswith("KILL") == (ran.status == -9), ran
        judge(folder, subprocess.CompletedProcess([], ran.status, ran.stdout, ran.stderr))
        shutil.rmtree(folder)
    print(f"\n{call}, {fault}: {counted.met} places")  # noqa: T201
