"""The stage of the benchmarks: a home with many members in its ledger, and a table of records."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import troth
from troth.app.home import Home, read_events_file
from troth.core.shape import Shape
from troth.core.written import read_event
from troth_network import bulk
from troth_network.days import iso

TERMS = Path(__file__).with_name("terms.yaml")
BATCH = 50_000

MESSAGES = bulk.Mix(posts=0, groups=0, topics=0, deleted=0, missing_times=0)
"""Two-party private messages only."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a stage lies, and how large it is."""

    folder: Path
    members: int
    records: int
    body_bytes: int = 256
    seed: int = 1

    @property
    def home(self) -> Path:
        """The home with the members."""
        return self.folder / f"home-{self.members}"

    @property
    def table(self) -> Path:
        """The Parquet file of records."""
        return self.folder / f"records-{self.records}-{self.members}-{self.body_bytes}.parquet"


def prepare(stage: Stage) -> dict[str, float]:
    """Make what is missing of a stage; seconds by step."""
    stage.folder.mkdir(parents=True, exist_ok=True)
    seconds: dict[str, float] = {}
    if not stage.home.exists():
        started = time.monotonic()
        making = stage.home.with_suffix(".making")
        _fill(troth.init(making), stage)
        making.rename(stage.home)
        seconds["ledger filled"] = time.monotonic() - started
    if not stage.table.exists():
        started = time.monotonic()
        making = stage.table.with_suffix(".making")
        bulk.write_records(making, stage.records, stage.members, stage.seed, stage.body_bytes, MESSAGES)
        making.rename(stage.table)
        seconds["records written"] = time.monotonic() - started
    return seconds


def _fill(home: Home, stage: Stage) -> None:
    home.append(read_events_file(TERMS))
    members = bulk.members_table(stage.members, stage.seed)
    choices = bulk.choices_table(stage.members, stage.seed)
    rows = chain(
        (
            {**row, "since": iso(row["since"])}
            for batch in members.to_batches(BATCH)
            for row in batch.to_pylist()
        ),
        (
            {"choose": {**row, "at": iso(row["at"])}}
            for batch in choices.to_batches(BATCH)
            for row in batch.to_pylist()
        ),
    )
    events = (read_event(Shape(row, "bench")) for row in rows)
    while chunk := list(islice(events, BATCH)):
        home.append(chunk)
