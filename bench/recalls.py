"""Computing recalls: ``python -m bench.recalls --members 10000000 --withdrawals 1000000 --releases 100``.

What is measured: from the ids of members who withdrew, in memory, and the index from members to releases, on disk, to
all (release, member) to be recalled, on disk: one join. Not in it: making the index (done once for each release that
leaves), the rows of the notices, signing them. Of the releases each member is in about as many as ``--share`` says.
"""

from __future__ import annotations

import json
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import duckdb
import numpy as np
import pyarrow as pa

from bench.measure import machine
from troth.release import holdings
from troth.release.engine import Limits


def make_index(path: Path, members: int, releases: int, share: float) -> None:
    """An index in which each member is in some of the releases, at random."""
    with duckdb.connect() as engine:
        engine.execute(
            "COPY (SELECT 'member-' || i AS subject, list_filter(range(?)::USMALLINT[],"  # noqa: S608 - own path
            " lambda r: hash(i * 1000 + r) % 1000 < ?) AS releases FROM range(?) t(i))"
            f" TO '{path}' (FORMAT parquet, COMPRESSION zstd)",
            [releases, int(share * 1000), members],
        )


def measure(members: int, withdrawals: int, releases: int, share: float, folder: Path) -> dict[str, Any]:
    """One pass; seconds, lines, and withdrawals a second."""
    make_index(folder / holdings.INDEX, members, releases, share)
    chosen = np.random.default_rng(1).choice(members, withdrawals, replace=False)
    taken = pa.table({"subject": pa.array([f"member-{one}" for one in chosen.tolist()])})
    limits = Limits(threads=2, memory="8GB", folder=folder)
    started = time.monotonic()
    found = holdings.touched(folder, taken, limits)
    counted = time.monotonic()
    lines = holdings.write_touched(folder, taken, folder / "recalls.parquet", limits)
    done = time.monotonic()
    assert lines == sum(found.values())  # noqa: S101 - a benchmark that counts wrongly says nothing
    return {
        "members": members,
        "withdrawals": withdrawals,
        "releases": releases,
        "share": share,
        "lines": lines,
        "seconds_counted": round(counted - started, 2),
        "seconds_written": round(done - counted, 2),
        "withdrawals_per_second": round(withdrawals / (done - counted)),
        "index_mib": round((folder / holdings.INDEX).stat().st_size / 2**20, 1),
        "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
    }


@click.command()
@click.option("--members", default=1_000_000, show_default=True)
@click.option("--withdrawals", default=100_000, show_default=True)
@click.option("--releases", default=100, show_default=True)
@click.option("--share", default=0.2, show_default=True, help="Of the releases, how many a member is in.")
@click.option(
    "--folder", type=click.Path(path_type=Path), help="Where to work; without it: a temporary folder."
)
def main(members: int, withdrawals: int, releases: int, share: float, folder: Path | None) -> None:
    """Measure, and print JSON."""
    with tempfile.TemporaryDirectory(dir=folder) as made:
        found = measure(members, withdrawals, releases, share, Path(made))
    print(json.dumps({"machine": machine(), **found}, indent=1))  # noqa: T201


if __name__ == "__main__":
    main()
