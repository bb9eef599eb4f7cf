"""The gate and releases on a cluster whose workers are separate processes, each with a Java machine of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.needs_spark


def test_workers_in_processes_of_their_own_say_the_same(tmp_path: Path) -> None:
    surroundings = os.environ | {
        "MASTER": "local-cluster[2,1,1024]",
        "SPARK_WORKER_DIR": str(tmp_path / "workers"),
        "PYSPARK_PYTHON": sys.executable,
        # Workers read the code that is tested.
        "PYTHONPATH": os.pathsep.join([*(one for one in sys.path if one), str(Path.cwd())]),
        "JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto",
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.spark.on_cluster", str(tmp_path)],
        capture_output=True,
        env=surroundings,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found = json.loads(done.stdout.strip().splitlines()[-1])
    assert found["master"] == "local-cluster[2,1,1024]"
    assert len(found["executors"]) == 2
    assert found["driver"] not in found["executors"]
    assert found["spark"] == found["duckdb"]
    assert 10 <= found["spark"][0] <= 390
