"""A release or a file of verdicts that is built part by part comes out the same however often its maker is killed."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.properties.worlds import World, as_table, eventful_world
from tests.spark.test_release import with_bodies
from tests.unit.app.conftest import is_mixed
from troth.app import decisions, longruns, releases
from troth.app.home import Home, init, open_home
from troth.app.resuming import Settings
from troth.core.values import Use

KILLS = 20
PARTS = 50
ROWS = 4
SPAWN = multiprocessing.get_context("forkserver")
"""Processes of their own, that have not to load everything anew each time."""
SPAWN.set_forkserver_preload(["troth.app.longruns", "troth.app.releases", "ibis.backends.duckdb"])


@pytest.fixture(scope="module")
def world() -> World:
    return next(
        drawn for number in count() if is_mixed(drawn := eventful_world(f"home{number}", PARTS * ROWS))
    )


@pytest.fixture
def home(world: World, tmp_path: Path) -> Home:
    made = init(tmp_path / "home")
    made.append(world.case.events)
    folder = tmp_path / "records"
    folder.mkdir()
    table = with_bodies(as_table(world.records))
    for part in range(PARTS):
        pq.write_table(table.slice(part * ROWS, ROWS), folder / f"{part:03}.parquet")
    return made


def opened(path: Path) -> Home:
    home = open_home(path / "home")
    home.config = replace(home.config, threads=1)
    return home


def make_release(path: Path, use: Use, at: int) -> None:
    """What a process does: build, or go on building."""
    work = Settings(path / "work", 1)
    releases.build(opened(path), use, path / "out", at=at, source=path / "records", name="r1", work=work)


def make_verdicts(path: Path, use: Use, at: int) -> None:
    """The same for a file of verdicts."""
    work, named = Settings(path / "work", 1), longruns.Named(at)
    longruns.write_verdicts(opened(path), use, path / "out", work, named=named, source=path / "records")


def killed_until_done(act: Callable[[Path, Use, int], None], path: Path, world: World, last: int = 0) -> int:
    """Have processes do it and kill them at random moments: how many kills it took, before one was let finish.

    The last so many kills fall after all parts are made, while they are put together.
    """
    drawn = random.Random(20)
    arguments = (path, world.question.use, world.question.at)
    kills = 0
    while kills < KILLS:
        before = len(finished(path))
        late = kills >= KILLS - last
        wanted = PARTS if late else min(before + drawn.randrange(4), PARTS - 1)
        process = SPAWN.Process(target=act, args=arguments)
        process.start()
        deadline = time.monotonic() + 1200
        while len(finished(path)) < wanted and process.is_alive():
            assert time.monotonic() < deadline
            time.sleep(0.001)
        # Somewhere in what comes next; of one that had nothing to wait for, also before it really began.
        time.sleep(drawn.random() * (1.0 if wanted == before and not late else 0.1))
        if not process.is_alive():
            break
        process.kill()
        process.join()
        kills += 1
    finish = SPAWN.Process(target=act, args=arguments)
    finish.start()
    finish.join()
    assert finish.exitcode == 0
    return kills


def finished(path: Path) -> list[Path]:
    return [one for one in (path / "work").glob("*/*") if one.name.startswith(("piece-", "verdicts-"))]


def test_a_release_has_the_same_roots_after_twenty_kills(home: Home, world: World, tmp_path: Path) -> None:
    question, whole_path = world.question, tmp_path / "whole"
    kills = killed_until_done(make_release, tmp_path, world, last=5)
    assert kills == KILLS
    out = tmp_path / "out"
    assert releases.verify(out).ok
    made = releases.manifest_of(out)
    # Of the work nothing is left but the fold.
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["fold"]
    (home.sets_path / "r1").rename(tmp_path / "set")
    whole = releases.build(
        home, question.use, whole_path, at=question.at, source=tmp_path / "records", name="r1"
    ).sealed.manifest
    for name in ("rows", "members", "row_root", "set_root", "directory_root", "verdicts", "first_reasons",
                 "all_reasons", "any_party_rule_would_allow", "row_salts"):  # fmt: skip
        assert getattr(made, name) == getattr(whole, name), name
    assert (out / "leaves.bin").read_bytes() == (whole_path / "leaves.bin").read_bytes()


def test_verdicts_are_the_same_after_twenty_kills(home: Home, world: World, tmp_path: Path) -> None:
    assert killed_until_done(make_verdicts, tmp_path, world) == KILLS
    gate = decisions.open_gate(home, world.question.use, world.question.at)
    columns = ["id", "verdict", "reason", "party", "judged", "codes"]
    wanted = gate.decide(tmp_path / "records").select(columns).to_pyarrow().sort_by("id")
    assert pq.read_table(tmp_path / "out").sort_by("id").to_pylist() == wanted.to_pylist()
