"""Run by ``test_local_cluster`` in a process of its own: Spark whose workers are separate processes.

Prints JSON: the processes that worked, and what both engines made of the same release.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.properties.test_decision import check_gate
from tests.properties.worlds import as_table, eventful_world
from tests.spark.test_release import with_bodies
from tests.unit.app.conftest import is_mixed
from troth.app import releases
from troth.app.home import init
from troth.gate import spark
from troth.gate.gate import DUCKDB, SPARK


def who_works(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The process above the Python worker: that of its executor."""
    for _ in batches:
        stat = Path("/proc", str(os.getppid()), "stat").read_text()
        # Python workers are forked by a daemon, which the executor started.
        yield pa.record_batch({"executor": [int(stat.rpartition(")")[2].split()[1])]})


def main(folder: Path) -> dict[str, Any]:
    backend = spark.connect(2, "1GB")
    session = backend._session
    session.conf.set("spark.sql.shuffle.partitions", "4")
    spread = session.range(0, 400, 1, 8).mapInArrow(who_works, "executor long").distinct()
    found: dict[str, Any] = {
        "master": session.sparkContext.master,
        "executors": sorted(row["executor"] for row in spread.collect()),
        "driver": os.getpid(),
    }
    check_gate(3, SPARK, worlds=2)
    world = next(drawn for number in count() if is_mixed(drawn := eventful_world(f"cluster{number}", 400)))
    home = init(folder / "home")
    home.append(world.case.events)
    table = with_bodies(as_table(world.records))
    for part in range(4):
        pq.write_table(table.slice(part * 100, 100), folder / f"part-{part}.parquet")
    for engine in (DUCKDB, SPARK):
        home.config = replace(home.config, engine=engine)
        made = releases.build(
            home,
            world.question.use,
            folder / engine,
            at=world.question.at,
            source=str(folder / "part-*.parquet"),
            name="r1",
        ).sealed.manifest
        (home.sets_path / "r1").rename(folder / f"{engine}-set")
        found[engine] = [made.rows, made.members, made.row_root, made.set_root, made.directory_root]
    session.stop()
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]))) + "\n")
