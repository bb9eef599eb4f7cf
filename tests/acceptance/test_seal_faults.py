"""Each call of the file system of sealing fails once, or is the last, before and after it took effect."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.sweeping import CALLS, FAULTS, Sweeper, sweeper
from tests.unit.release.conftest import SIGNER
from troth.release.check import verify_release
from troth.release.folder import unfinished


@pytest.fixture(scope="module")
def sealing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sweeper]:
    """A process that seals."""
    with sweeper("seal", tmp_path_factory.mktemp("shim")) as one:
        yield one


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("call", CALLS)
def test_a_fault_at_any_call_leaves_a_release_or_nothing(
    call: str, fault: str, tmp_path: Path, sealing: Sweeper
) -> None:
    (tmp_path / "counted").mkdir()
    counted = sealing.run(tmp_path / "counted", call, 0)
    assert counted.stdout == "sealed\n", counted
    for number in range(1, counted.met + 1):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        ran = sealing.run(folder, call, number, fault)
        out = folder / "sealed"
        assert fault.startswith("KILL") == (ran.status == -9), ran
        assert "Traceback" not in ran.stderr, ran
        if "sealed" in ran.stdout:
            assert out.exists()
        if out.exists():
            assert verify_release(out, [SIGNER.public_key]).ok
        assert set(folder.iterdir()) <= {out, unfinished(out)}
        shutil.rmtree(folder)
    print(f"\n{call}, {fault}: {counted.met} places")  # noqa: T201
