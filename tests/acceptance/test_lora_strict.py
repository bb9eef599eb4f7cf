"""Strict mode: one result over threads and kernels, for 2,000 steps and more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.unit.learning.lora.support import KEY, Shards, records
from troth.core.shards import Plan

pytestmark = [pytest.mark.needs_hf, pytest.mark.slow]

STEPS = 2000
SETTINGS = [
    {"ATEN_CPU_CAPABILITY": kernels, "THREADS": threads}
    for kernels in ("default", "avx2", "avx512")
    for threads in ("1", "2")
]
FURTHER = [{"ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE", "ONEDNN_MAX_CPU_ISA": "SSE41",
            "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3", "THREADS": "1"}]  # fmt: skip


def train(folder: Path, mode: str, count: int) -> dict[str, object]:
    """Train one shard; gives what became of it."""
    import torch

    from troth.learning.lora.tiny import make_base

    torch.set_num_threads(int(os.environ["THREADS"]))
    base = make_base(folder / "base", width=32, layers=1, length=128)
    world = Shards(
        folder, base, mode, Plan(KEY), batch=1, epochs=6, rank=4, threads=int(os.environ["THREADS"])
    )
    world.train("run", 0, records(range(count)))
    learner = world.backend._learner
    assert learner is not None
    state = json.loads((world.path("run", 0, 0) / "checkpoint.json").read_text())
    return {
        "files": state["files"],
        "steps": learner.steps,
        "margin": learner.rounding.margin,
        "kernels": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
    }


def apart(folder: Path, settings: dict[str, str], mode: str, count: int) -> dict[str, object]:
    """The same in a process of its own, with other settings."""
    # Threads that wait do not spin, so that other work on the machine does not slow them down a hundredfold.
    quiet = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"}
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, __file__, str(folder), mode, str(count)],
        env={**os.environ, **quiet, **settings, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_one_result_over_threads_and_kernels(tmp_path: Path) -> None:
    found = [
        apart(tmp_path / str(number), settings, "strict", 300)
        for number, settings in enumerate(SETTINGS + FURTHER)
    ]
    sys.stdout.write(json.dumps(found, indent=1))
    assert len({json.dumps(one["files"]) for one in found}) == 1
    assert all(int(str(one["steps"])) >= STEPS for one in found)
    assert len({(one["kernels"], one["threads"]) for one in found}) >= 2


def test_pinned_mode_depends_on_its_settings(tmp_path: Path) -> None:
    """The other test would show nothing if any arithmetic gave one result."""
    found = [
        apart(tmp_path / str(number), SETTINGS[at], "pinned", 30) for number, at in enumerate((0, 2, 4, 0))
    ]
    if len({str(one["kernels"]) for one in found}) > 1:
        assert len({json.dumps(one["files"]) for one in found}) > 1
    assert found[0]["files"] == found[3]["files"]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(train(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))) + "\n")
