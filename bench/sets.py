"""Sealing the set of a release's members: ``python -m bench.sets --members 10000000``.

What is measured: from rows that are sealed already (authors, addressees and leaves; two parties a row, a row for each
member on average) and secrets and heads that arrive in batches, to openings, records and all tiles on disk, durable.
Not in it: sealing the rows, drawing secrets for new members, sealing a directory. Then the sizes of the bucket
part of proofs of absence, over random buckets.
"""

from __future__ import annotations

import json
import resource
import shutil
import statistics
import time
from pathlib import Path
from random import Random
from typing import Any

import click
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bench.measure import machine
from troth.core.sets import bits_for
from troth.release.engine import Limits
from troth.release.folder import NewFile
from troth.release.hashing import by_datafusion
from troth.release.leaves import leaf_places, sort_leaves
from troth.release.memberset import Accounts, Joining, Rows, parties
from troth.release.trees import TileFolder, open_bucket

_BATCH = 1 << 16


def _names(numbers: npt.NDArray[np.int64]) -> pa.Array:
    text = pa.array(numbers).cast(pa.string())
    return pc.binary_join_element_wise(pa.scalar("member-"), text, pa.scalar(""))


def _write_input(members: int, folder: Path, chance: np.random.Generator) -> None:
    """Rows and accounts as files, so that making them up is not in the figures."""
    authors = chance.permutation(members)
    addressees = chance.integers(0, members, members)
    shared = pa.array(np.arange(_BATCH + 1, dtype=np.int32))
    rows = pa.schema([("author", pa.string()), ("addressees", pa.list_(pa.string()))])
    accounts = pa.schema([("subject", pa.string()), ("secret", pa.binary(32)), ("head", pa.uint64())])
    with (
        pq.ParquetWriter(folder / "rows", rows, use_dictionary=False) as one,
        pq.ParquetWriter(folder / "accounts", accounts, use_dictionary=False) as other,
    ):
        for start in range(0, members, _BATCH):
            numbers = np.arange(start, min(start + _BATCH, members))
            count = len(numbers)
            lists = pa.ListArray.from_arrays(shared[: count + 1], _names(addressees[start : start + count]))
            one.write_batch(
                pa.RecordBatch.from_arrays([_names(authors[start : start + count]), lists], schema=rows)
            )
            packed = pa.py_buffer(chance.bytes(32 * count))
            secrets = pa.FixedSizeBinaryArray.from_buffers(pa.binary(32), count, [None, packed])
            heads = pa.array(numbers, pa.uint64())
            other.write_batch(pa.RecordBatch.from_arrays([_names(numbers), secrets, heads], schema=accounts))


def _rows(folder: Path, places: npt.NDArray[np.uint64]) -> Rows:
    with (folder / "rows").open("rb") as file:
        yield from parties(file, places)


def _accounts(folder: Path) -> Accounts:
    with pq.ParquetFile(folder / "accounts") as file:
        for batch in file.iter_batches(_BATCH):
            yield batch["subject"], batch["secret"], batch["head"]


def measure(members: int, folder: Path, memory: str | None) -> dict[str, Any]:
    """Build one set; seconds of each step, peak memory in GiB, sizes of proofs in bytes."""
    chance = np.random.default_rng(1)
    leaves = chance.bytes(32 * members)
    _write_input(members, folder, chance)
    seconds: dict[str, tuple[float, float]] = {}
    last = started = time.monotonic()
    spent = time.process_time()

    def done(step: str) -> None:
        nonlocal last, spent
        now, worked = time.monotonic(), time.process_time()
        seconds[step] = (round(now - last, 1), round(worked - spent, 1))
        last, spent = now, worked

    places, ordered = leaf_places(leaves), sort_leaves(leaves)
    done("order of the leaves")
    tiles = TileFolder(folder / "tiles")
    with Joining(Limits(memory=memory, folder=folder)) as joining:
        joining.load_rows(_rows(folder, places))
        done("rows in")
        joining.load_accounts("r-bench", _accounts(folder))
        done("accounts in")
        with NewFile(folder / "members.parquet") as file:
            joining.write_openings(file)
            file.sync()
        done("openings")
        with (
            (folder / "members.parquet").open("rb") as openings,
            (folder / "records.bin").open("wb") as records,
        ):
            built = joining.build_set(openings, ordered, tiles.put, records)
        done("set")
    tiles.sync()
    done("durable")
    sizes = []
    draw = Random(1)  # noqa: S311 - a sample for statistics
    for _ in range(min(2000, 1 << built.bits)):
        opened = open_bucket(folder / "tiles", draw.randrange(1 << built.bits), built.bits, "")
        sizes.append(len(opened.bucket) + 32 * len(opened.path))
    return {
        "members": members,
        "bits": built.bits,
        "seconds": round(last - started, 1),
        "processor_seconds": round(sum(one for _, one in seconds.values()), 1),
        "steps": seconds,
        "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        "bucket_part_mean": round(statistics.mean(sizes), 1),
        "bucket_part_max": max(sizes),
    }


def absence_at(members: int) -> dict[str, float]:
    """The sizes to expect of the bucket part of an absence: all buckets of so many members, simulated."""
    bits = bits_for(members)
    counts = np.random.default_rng(2).multinomial(members, np.full(1 << bits, 1 / (1 << bits)))
    sizes = 2 + 16 * counts + 32 + 32 * bits
    return {"members": members, "bits": bits, "mean": round(float(sizes.mean()), 1), "max": int(sizes.max())}


@click.command()
@click.option("--members", default=1_000_000, show_default=True)
@click.option("--memory", default="2GB", show_default=True, help="What the engine may take.")
@click.option("--folder", type=click.Path(path_type=Path), default=Path(".bench/sets"), show_default=True)
def main(members: int, memory: str, folder: Path) -> None:
    """Measure, and print JSON."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    found = {
        "machine": machine(),
        "hashing": "datafusion" if by_datafusion() else "hashlib",
        "set": measure(members, folder.absolute(), memory),
        "absence_at_100m": absence_at(100_000_000),
    }
    shutil.rmtree(folder)
    click.echo(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
