"""At least 200 random deletions, single, sequential, adaptive and whole communities; cut off at every point."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.unit.learning.world import (
    PEOPLE,
    assert_is_never_having_learned,
    assert_serves_nothing_of,
    make_world,
)
from troth.app import models, unlearning

WORLDS = 40
"""Each world of six members gives five deletions or more."""


@pytest.mark.parametrize("seed", range(WORLDS))
def test_random_deletions_are_bit_equal(seed: int, tmp_path: Path) -> None:
    draw = random.Random(seed)
    world = make_world(tmp_path, count=draw.choice((5, 20, 60)))
    shards, slices = draw.choice((1, 2, 5)), draw.choice((1, 3))
    models.train(
        world.home,
        world.releases,
        "m",
        shards=shards,
        slices=slices,
        options={"order": draw.choice((2, 5, 8))},
    )
    gone: list[str] = []
    left = list(PEOPLE)
    while left:
        kind = draw.choice(("single", "single", "adaptive", "community"))
        if kind == "adaptive":
            # Whoever the model speaks of most, by its own answer.
            with models.open_model(world.home, "m") as opened:
                said = opened.generate("", length=80, seed=seed)
            some = [max(left, key=lambda name: (said.count(name), name))]
        else:
            some = draw.sample(left, 1 if kind == "single" else min(2, len(left)))
        for one in some:
            left.remove(one)
            unlearning.withdraw(world.home, one)
        gone += some
        assert_serves_nothing_of(world, gone)
        if draw.random() < 0.7 or not left:
            unlearning.unlearn(world.home, "m")
            assert_is_never_having_learned(world, gone)


def test_cut_off_at_every_point() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests/unit/learning/test_unlearning.py", "-k", "cut_off"],
        cwd=ROOT,
        env={**os.environ, "TROTH_CUT_OFF_EVERY": "1"},
        check=False,
    )
    assert done.returncode == 0
