"""SIGKILL at any moment: nothing that was acknowledged is lost, and nothing is half there."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

from tests.crash.afterwards import acknowledged, judge
from tests.support import ROOT
from troth.ledger.store import Ledger

KILLS = 25


def test_no_acknowledged_entry_is_missing_after_kills_at_random_moments(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    Ledger.create(path).close()
    rng = random.Random(20250121)
    promised: dict[int, str] = {}
    sizes = [0]
    for _ in range(KILLS):
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.appender", str(path), "0"], stdout=subprocess.PIPE, cwd=ROOT
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        time.sleep(rng.uniform(0, 0.05))
        process.kill()
        output = process.stdout.read()
        process.stdout.close()
        assert process.wait() == -9
        promised |= acknowledged(output.decode())
        sizes.append(judge(path, promised))
    assert len(promised) > KILLS
    assert sizes == sorted(set(sizes))
