"""The log measured: durable appends, publishing, proofs. ``python -m bench.log``.

Everything is printed beside the disk's own pace (fdatasync p50) and the load of the machine, since both rule it.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.measure import machine
from troth.core.events import Event, Objection
from troth.core.merkle import leaf_hash
from troth.core.proof import verify_inclusion
from troth.core.tiles import Frontier
from troth.ledger.store import Ledger
from troth.ledger.tilelog import TileLog

GROUP = 256
RESULTS = Path(__file__).with_name("results")


def sync_p50_ms(folder: Path) -> float:
    """The median time of fdatasync after a write of 4 KiB, in milliseconds."""
    seconds = []
    with (folder / "probe").open("wb") as file:
        for _ in range(200):
            file.write(bytes(4096))
            file.flush()
            started = time.perf_counter()
            os.fdatasync(file.fileno())
            seconds.append(time.perf_counter() - started)
    return statistics.median(seconds) * 1e3


def appends(folder: Path, groups: int) -> dict[str, Any]:
    """Durable appends in groups, each with its tree update; then one publication of them all."""
    batches: list[list[Event]] = [
        [
            Objection(f"member{(group * GROUP + one) % 50_000:05}", 1_758_000_000_000_000 + one)
            for one in range(GROUP)
        ]
        for group in range(groups)
    ]
    frontier, seconds = Frontier(), []
    with Ledger.create(folder / "ledger.sqlite3") as ledger:
        began, cpu = time.perf_counter(), time.process_time()
        for batch in batches:
            started = time.perf_counter()
            first = ledger.append(batch)[0].position
            entries = ledger.public(first, first + GROUP)
            list(frontier.extend(b"".join(leaf_hash(one.text()) for one in entries)))
            frontier.root()
            seconds.append(time.perf_counter() - started)
        wall, cpu = time.perf_counter() - began, time.process_time() - cpu
        log = TileLog(folder / "log", folder / "state", "example.com/log", [Ed25519PrivateKey.generate()])
        started = time.perf_counter()
        log.publish(ledger)
        published = time.perf_counter() - started
        shown = []
        for batch in batches[:40]:
            ledger.append(batch)
            started = time.perf_counter()
            log.publish(ledger)
            shown.append(time.perf_counter() - started)
        proofs = _proofs(log, ledger)
    seconds.sort()
    count = groups * GROUP
    return {
        "append_per_second": round(count / wall),
        "append_per_cpu_second": round(count / cpu),
        "commit_p50_ms": round(statistics.median(seconds) * 1e3, 1),
        "commit_p99_ms": round(seconds[int(len(seconds) * 0.99)] * 1e3, 1),
        "publish_all_per_second": round(count / published),
        "publish_one_group_p50_ms": round(statistics.median(shown) * 1e3, 1),
        **proofs,
    }


def _proofs(log: TileLog, ledger: Ledger) -> dict[str, Any]:
    tiles, size, rng = log.tiles(), ledger.size, random.Random(1)  # noqa: S311 - which entries to prove
    places = [rng.randrange(size) for _ in range(2000)]
    leaves = [leaf_hash(next(ledger.public(one, one + 1)).text()) for one in places]
    root = tiles.root(size)
    found = [tiles.inclusion(one, size) for one in places]
    began = time.process_time()
    found = [tiles.inclusion(one, size) for one in places]
    made = time.process_time() - began
    began = time.process_time()
    holds = all(
        verify_inclusion(leaf, place, size, proof, root)
        for leaf, place, proof in zip(leaves, places, found, strict=True)
    )
    checked = time.process_time() - began
    return {
        "hold": holds,
        "hashes": max(map(len, found)),
        "inclusion_us": round(made / len(places) * 1e6, 1),
        "verify_us": round(checked / len(places) * 1e6, 1),
    }


@click.command()
@click.option("--groups", default=400, show_default=True, help=f"Groups of {GROUP} entries.")
@click.option(
    "--folder", type=click.Path(path_type=Path), default=Path(), help="Where to measure: this disk counts."
)
def main(groups: int, folder: Path) -> None:
    """Measure the log, print the figures, and write them to bench/results."""
    work = Path(tempfile.mkdtemp(prefix=".bench-log-", dir=folder.absolute()))
    try:
        found: dict[str, Any] = {"machine": machine(), "groups": groups, "entries_in_a_group": GROUP}
        found["fdatasync_p50_ms_before"] = round(sync_p50_ms(work), 2)
        found |= appends(work, groups)
        found["fdatasync_p50_ms_after"] = round(sync_p50_ms(work), 2)
        found["load_after"] = round(os.getloadavg()[0], 2)
    finally:
        shutil.rmtree(work)
    text = json.dumps(found, indent=1)
    click.echo(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{datetime.now(UTC).date().isoformat()}-log.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
