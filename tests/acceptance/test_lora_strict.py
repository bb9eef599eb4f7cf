"""Strict mode: one result over threads and kernels, for 2,000 steps and more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.unit.learning.lora.support import KEY, Shards, records
from troth.core.shards import Plan

pytestmark = [pytest.mark.needs_hf, pytest.mark.slow]

STEPS = 2000
RECORDS = 240
SETTINGS = [
    {"ATEN_CPU_CAPABILITY": kernels, "THREADS": threads}
    for kernels in ("default", "avx2", "avx512")
    for threads in ("1", "2")
]
FURTHER = [
    {"ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE", "ONEDNN_MAX_CPU_ISA": "SSE41",
     "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3", "THREADS": "1"},
    {"ATEN_CPU_CAPABILITY": "avx2", "MKL_CBWR": "AVX2", "THREADS": "3"},
]  # fmt: skip


def possible(settings: dict[str, str]) -> bool:
    """Whether this processor has the instructions; asked for what it has not, it stops."""
    import torch

    return settings["ATEN_CPU_CAPABILITY"] != "avx512" or torch.cpu._is_avx512_supported()


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
    chosen = [one for one in SETTINGS + FURTHER if possible(one)]

    def run(number: int) -> dict[str, object]:
        return apart(tmp_path / str(number), chosen[number], "strict", RECORDS)

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(run, range(len(chosen))))
    for settings, one in zip(chosen, found, strict=True):
        sys.stdout.write(f"{json.dumps(settings)}: {json.dumps(one)}\n")
    assert len(chosen) >= 6
    assert len({json.dumps(one["files"]) for one in found}) == 1
    assert all(int(str(one["steps"])) >= STEPS for one in found)
    assert len({(one["kernels"], one["threads"]) for one in found}) >= 2


def test_pinned_mode_depends_on_its_settings(tmp_path: Path) -> None:
    """The other test would show nothing if any arithmetic gave one result."""
    found = [
        apart(tmp_path / str(number), SETTINGS[at], "pinned", 30) for number, at in enumerate((0, 2, 3, 0))
    ]
    if len({str(one["kernels"]) for one in found}) > 1:
        assert len({json.dumps(one["files"]) for one in found}) > 1
    assert found[0]["files"] == found[3]["files"]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(train(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))) + "\n")
