"""At least 200 random removals: each leaves the weights that training without those records gives, bit for bit."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.learning.lora.support import KEY, Shards, records
from troth.core.shards import Plan

pytestmark = pytest.mark.needs_hf

PLAN = Plan(KEY, shards=4, slices=4)
RECORDS = 96
REMOVALS = {"single": 40, "sequential": 40, "adaptive": 15, "community": 10}
"""How many of each kind, in each of the two modes: 210 together."""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch

    from troth.learning.lora.tiny import make_base

    torch.set_num_threads(1)
    return make_base(tmp_path_factory.mktemp("base"), width=32, layers=1, length=128)


@pytest.fixture(scope="module", params=["strict", "pinned"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, base: Path) -> Shards:
    made = Shards(tmp_path_factory.mktemp(request.param), base, request.param, PLAN)
    for shard in range(PLAN.shards):
        made.train("full", shard, records(range(RECORDS)))
    return made


def without(texts: dict[str, str], gone: set[str]) -> dict[str, str]:
    return {name: text for name, text in texts.items() if name not in gone}


def check(world: Shards, texts: dict[str, str], gone: set[str]) -> dict[str, str]:
    """Redo without some records and hold each shard against one trained from nothing; gives what is left."""
    redone = world.redo("redone", texts, gone)
    left = without(texts, gone)
    assert set(redone) == {world.place(name)[0] for name in gone}
    for shard, digests in redone.items():
        assert world.train("scratch", shard, left) == digests
    return left


def afresh(world: Shards) -> dict[str, str]:
    shutil.rmtree(world.folder / "redone", ignore_errors=True)
    shutil.copytree(world.folder / "full", world.folder / "redone")
    return records(range(RECORDS))


def test_single(world: Shards) -> None:
    draw = random.Random(1)
    for _ in range(REMOVALS["single"]):
        texts = afresh(world)
        check(world, texts, {draw.choice(sorted(texts))})


def test_sequential(world: Shards) -> None:
    draw, texts = random.Random(2), afresh(world)
    for _ in range(REMOVALS["sequential"]):
        texts = check(world, texts, {draw.choice(sorted(texts))})


def test_adaptive(world: Shards) -> None:
    """Each time the records go that the model as it stands knows best, or worst, chosen by looking at it."""
    texts = afresh(world)
    for turn in range(REMOVALS["adaptive"]):
        last = {shard: [world.path("redone", shard, PLAN.slices - 1)] for shard in range(PLAN.shards)}
        model = world.backend.open(last, world.configuration)
        costs = sorted(costed(model.costs(iter([text.encode() for text in texts.values()])), texts))
        texts = check(world, texts, {costs[-1 if turn % 2 else 0][1]})


def costed(costs: Iterator[tuple[float, int]], texts: dict[str, str]) -> Iterator[tuple[float, str]]:
    for (nats, size), name in zip(costs, texts, strict=True):
        yield nats / size, name


def test_community(world: Shards) -> None:
    draw = random.Random(4)
    for turn in range(REMOVALS["community"]):
        texts = afresh(world)
        shard = turn % PLAN.shards
        inside = sorted(name for name in texts if world.place(name)[0] == shard)
        # A whole community, alone or with people of other ones.
        check(world, texts, set(inside) | set(draw.sample(sorted(texts), 3 * (turn % 2))))


def test_that_is_two_hundred_or_more() -> None:
    assert 2 * sum(REMOVALS.values()) >= 200
