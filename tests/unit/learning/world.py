"""A small home with sealed releases, and what a model of them has to be, worked out from the definitions alone."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet

import troth
from troth.app import models
from troth.core.shards import NOTHING_FROZEN, Frozen, Item, Plan, shard_of, slice_of
from troth.learning.counts.model import small_table
from troth.learning.counts.table import Table, summed
from troth.learning.registry import ModelFolder, State

PEOPLE = ("ann", "bob", "cyd", "dee", "eve", "fay")
USE = troth.Use("train.generative", recipient="operator")
EVENTS: list[dict[str, Any]] = [
    {
        "terms": "policy", "kind": "privacy_policy", "version": "1",
        "published_at": "2020-01-01", "effective_at": "2020-01-01",
        "clauses": [
            {
                "id": "train", "effect": "permit", "purposes": ["train"], "categories": ["post", "private_message"],
                "recipients": ["operator"], "condition": {"setting": "improve"},
            }
        ],
    },
    {"setting": "improve", "introduced_at": "2020-01-01", "defaults": [{"audience": {}, "value": "on"}]},
    {"setting": "ads", "introduced_at": "2020-01-01", "defaults": [{"audience": {}, "value": "on"}]},
    {"regime": {"jurisdictions": ["US"], "regime": "opt_out", "purposes": ["train"]}},
    *({"subject": one, "since": "2019-01-01", "jurisdiction": "US-CA", "born": 1980} for one in PEOPLE),
    {"notice": {"terms": "policy", "version": "1", "to": {}, "channel": "email", "at": "2020-01-01"}},
]  # fmt: skip


def records(count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Posts, and messages between two or three people, with words of the one who wrote."""
    draw = random.Random(seed)
    found: list[dict[str, Any]] = []
    for number in range(count):
        author = draw.choice(PEOPLE)
        others = draw.sample([one for one in PEOPLE if one != author], draw.choice((0, 0, 1, 2)))
        talk = "-".join(sorted((author, *others))) if others else None
        found.append(
            {
                "id": f"{seed}-{number}",
                "category": "private_message" if others else "post",
                "created_at": 1_600_000_000_000_000 + number,
                "author": author,
                "addressees": others,
                "conversation": talk,
                "title": draw.choice((None, "", "Hello")),
                "body": f"{author} says {draw.choice(('yes', 'no', 'perhaps, é'))} to {number}",
            }
        )
    return found


@dataclass(frozen=True)
class World:
    """A home, the folders of its releases, and the records in them."""

    home: troth.Home
    releases: tuple[Path, ...]
    records: tuple[dict[str, Any], ...]

    def retained(self, gone: Iterable[str]) -> list[dict[str, Any]]:
        """The records without those that one of these members is a party of."""
        left = set(gone)
        return [one for one in self.records if not left & {one["author"], *one["addressees"]}]


def make_world(folder: Path, count: int = 30, releases: int = 1) -> World:
    home = troth.init(folder / "home")
    home.record(EVENTS)
    made, every = [], []
    for number in range(releases):
        rows = records(count, number)
        path = folder / f"records-{number}.parquet"
        kinds = {
            "created_at": pa.int64(),
            "addressees": pa.list_(pa.string()),
            "topics": pa.list_(pa.string()),
        }
        table = pa.Table.from_pylist([{**one, "topics": []} for one in rows])
        table = table.cast(pa.schema([(name, kinds.get(name, pa.string())) for name in table.column_names]))
        pa.parquet.write_table(table, path)
        made.append(home.release(USE, out=folder / f"r{number}", records=str(path)).sealed.path)
        every += rows
    return World(home, tuple(made), tuple(every))


def model_in(world: World, name: str = "m") -> ModelFolder:
    return models.model_of(world.home, name)


def order_of(model: ModelFolder) -> int:
    """How many bytes the grams of a model have."""
    return int(str(model.facts.configuration["order"]))


def expected(
    plan: Plan, rows: Iterable[Mapping[str, Any]], order: int = 8, frozen: Frozen = NOTHING_FROZEN
) -> dict[tuple[int, int], Table]:
    """What each part has to be: counted from scratch, from the records alone."""
    texts: dict[tuple[int, int], list[bytes]] = {
        (shard, slice_): [] for shard in range(plan.shards) for slice_ in range(plan.slices)
    }
    for one in rows:
        item = Item(
            str(one["id"]),
            str(one["category"]),
            str(one["author"]),
            tuple(one["addressees"]),
            one["conversation"],
        )
        title = f"{one['title']}\n" if one["title"] else ""
        texts[shard_of(plan, item, frozen), slice_of(plan, item, frozen)].append(
            f"{title}{one['body']}".encode()
        )
    return {part: small_table(iter(told), order) for part, told in texts.items()}


def served(model: ModelFolder, state: State | None = None) -> Table:
    """The one table that everything that is served adds up to."""
    from troth.learning.counts.table import read

    state = state or model.state()
    whole = [read(model.path / one.path) for one in state.serving]
    return summed(whole, [read(model.path / one.path) for one in state.differences])


def assert_is_never_having_learned(world: World, gone: Iterable[str], name: str = "m") -> None:
    """Bit for bit: every part of a finished model is what it would be, had those who left never been there."""
    model = model_in(world, name)
    parts = expected(model.facts.the_plan(), world.retained(gone), order_of(model))
    assert {one.part: one.digest for one in model.state().serving} == {
        part: table.digest() for part, table in parts.items()
    }


def assert_serves_nothing_of(world: World, gone: Iterable[str], name: str = "m") -> None:
    """What answers would be made from is what it would be, had those who left never been there."""
    with models.open_model(world.home, name) as opened:
        opened.current()
    model = model_in(world, name)
    parts = expected(model.facts.the_plan(), world.retained(gone), order_of(model))
    assert served(model).digest() == summed(list(parts.values())).digest()


def made_by(answer: Mapping[str, Any]) -> list[Path]:
    """The certificates that came of ``unlearn``."""
    return [Path(one) for one in answer["made"]]
