"""A release or a file of verdicts that is built part by part comes out the same however often its maker is killed."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.properties.worlds import World, as_table, eventful_world
from tests.spark.test_release import with_bodies
from tests.unit.app.conftest import is_mixed
from troth.app import decisions, releases
from troth.app.home import Home, init
from troth.core.values import format_instant

KILLS = 20
PARTS = 60
ROWS = 20


@pytest.fixture(scope="module")
def world() -> World:
    number = 0
    while not is_mixed(drawn := eventful_world(f"resumed{number}", PARTS * ROWS)):
        number += 1
    return drawn


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


def arguments(home: Home, world: World, *more: str) -> list[str]:
    question = world.question
    return [
        sys.executable, "-c", "from troth.cli.main import main; main()", "--home", str(home.path), *more,
        "--purpose", question.use.purpose, "--recipient", question.use.recipient,
        "--at", format_instant(question.at), "--records", str(home.path.parent / "records"),
        "--threads", "1", "--work", str(home.path.parent / "work"), "--part-rows", "1",
    ]  # fmt: skip


def killed_until_done(command: list[str], work: Path) -> int:
    """Run a command and kill it at random moments: how often it was killed, before it was let finish.

    Most kills fall while parts are made, the last ones while the parts are put together.
    """
    drawn = random.Random(20)
    kills = 0
    while kills < KILLS:
        before = len(finished(work))
        wanted = PARTS if kills >= KILLS - 5 else min(before + drawn.randrange(5), PARTS - 1)
        with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
            deadline = time.monotonic() + 300
            while len(finished(work)) < wanted and process.poll() is None:
                assert time.monotonic() < deadline
                time.sleep(0.002)
            # Somewhere in what comes next; of a run that had nothing to wait for, also before it began.
            time.sleep(drawn.random() * (3.0 if wanted == before else 0.15))
            if process.poll() is not None:
                break
            process.send_signal(signal.SIGKILL)
            kills += 1
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return kills


def finished(work: Path) -> list[Path]:
    return [path for path in work.glob("*/*") if path.name.startswith(("piece-", "verdicts-"))]


def test_a_release_has_the_same_roots_after_twenty_kills(home: Home, world: World, tmp_path: Path) -> None:
    question = world.question
    whole = releases.build(
        home, question.use, tmp_path / "whole", at=question.at, source=tmp_path / "records", name="r1"
    ).sealed.manifest
    (home.sets_path / "r1").rename(tmp_path / "whole-set")
    out = tmp_path / "resumed"
    command = arguments(home, world, "release", "build", "--out", str(out), "--id", "r1")
    kills = killed_until_done(command, tmp_path / "work")
    assert kills == KILLS
    assert releases.verify(out).ok
    made = releases.manifest_of(out)
    for name in ("rows", "members", "row_root", "set_root", "directory_root", "verdicts", "first_reasons",
                 "all_reasons", "any_party_rule_would_allow", "row_salts"):  # fmt: skip
        assert getattr(made, name) == getattr(whole, name), name
    assert (out / "leaves.bin").read_bytes() == (tmp_path / "whole" / "leaves.bin").read_bytes()
    # Of the work nothing is left but the fold.
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["fold"]


def test_verdicts_are_the_same_after_kills(home: Home, world: World, tmp_path: Path) -> None:
    out = tmp_path / "verdicts.parquet"
    assert killed_until_done(arguments(home, world, "decide", "--out", str(out)), tmp_path / "work") == KILLS
    gate = decisions.open_gate(home, world.question.use, world.question.at)
    columns = ["id", "verdict", "reason", "party", "judged", "codes"]
    wanted = gate.decide(tmp_path / "records").select(columns).to_pyarrow().sort_by("id")
    assert pq.read_table(out).sort_by("id").to_pylist() == wanted.to_pylist()
