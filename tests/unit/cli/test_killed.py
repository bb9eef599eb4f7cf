"""SIGKILL at any moment of a command that writes: before or after, never in between, and repeating completes it.

The commands run in forks of a server that has everything imported, so that the blow falls on their work and
not on the imports.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.unit.cli.running import done, troth
from tests.unit.cli.world import DELIVER
from troth.intake.records import RecordStore

BEFORE = 16
"""Entries of the prepared home."""
ROWS = 3000
MEMBERS = 1000
VERSIONS = 60


def run_to_be_killed(arguments: tuple[str, ...], folder: Path, answer: Path) -> None:
    """The child: one command, its answer in a file, byte by byte as it is given."""
    os.chdir(folder)
    descriptor = os.open(answer, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.argv = ["troth", "--home", "home", *arguments]
    # So that an import has several parts, and a blow may fall between two of them.
    defaults = RecordStore.session.__kwdefaults__
    assert defaults is not None
    defaults["part_rows"] = ROWS // 10
    from troth.cli.main import main

    main()


@pytest.fixture(scope="module")
def forks() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.unit.cli.test_killed", "troth.cli.imports", "troth.cli.release"])
    return context


@dataclass(frozen=True)
class Case:
    """A command, what it is given, and the judge of what it left: called with what it answered, or None."""

    arguments: tuple[str, ...]
    judge: Callable[[Path, str | None], None]
    repeat: Callable[[Path], None]


def ledger_size(folder: Path) -> int:
    size = done("ledger", "check", "--json", home=folder / "home").json["entries"]
    assert isinstance(size, int)
    return size


def record_ids(folder: Path) -> list[str]:
    ids: list[str] = []
    for part in (folder / "home" / "records").glob("*.parquet"):
        ids += pq.read_table(part, columns=["id"])["id"].to_pylist()
    assert len(ids) == len(set(ids))
    return ids


def all_or_none(entries: int) -> Callable[[Path, str | None], None]:
    def judge(folder: Path, answer: str | None) -> None:
        there = ledger_size(folder) - BEFORE
        assert there in {0, entries}
        # What was acknowledged is there.
        assert there == entries or not answer

    return judge


def repeat_terms(folder: Path) -> None:
    before = ledger_size(folder)
    ran = troth("terms", "add", folder / "many.yaml", home=folder / "home")
    assert ran.status == (2 if before > BEFORE else 0), ran.err
    assert ledger_size(folder) == BEFORE + VERSIONS


def repeat_subjects(folder: Path) -> None:
    before = ledger_size(folder)
    found = done("subjects", "import", folder / "many.csv", "--json", home=folder / "home").json
    assert found == {"read": MEMBERS, "recorded": 0 if before > BEFORE else MEMBERS}
    assert ledger_size(folder) == BEFORE + MEMBERS


def judge_import(folder: Path, answer: str | None) -> None:
    assert ledger_size(folder) == BEFORE
    there = len(record_ids(folder)) - 8
    assert 0 <= there <= ROWS
    if answer:
        assert json.loads(answer)["imported"] == there == ROWS


def repeat_import(folder: Path) -> None:
    before = len(record_ids(folder)) - 8
    found = done("import", "table", folder / "many.jsonl", "--json", home=folder / "home").json
    assert (found["duplicates"], found["imported"]) == (before, ROWS - before)
    assert len(record_ids(folder)) == 8 + ROWS
    assert not list((folder / "home" / "records").glob(".*.parquet*"))


def judge_release(folder: Path, answer: str | None) -> None:
    out = folder / "r1"
    if out.exists():
        done("verify", out, "--key", folder / "home" / "keys" / "operator.pub")
        assert ledger_size(folder) == BEFORE + 1
    assert ledger_size(folder) in {BEFORE, BEFORE + 1}
    if answer:
        assert json.loads(answer)["rows"] == 2
        assert out.exists()


def repeat_release(folder: Path) -> None:
    out = folder / "r1"
    ran = troth("release", "build", *DELIVER, "--out", out, home=folder / "home")
    assert ran.status == (0 if "sealed 2 rows" in ran.out else 2), ran.err
    done("verify", out, "--key", folder / "home" / "keys" / "operator.pub")
    if ran.status == 0:
        assert not list(folder.glob(".r1.*"))


def judge_init(folder: Path, answer: str | None) -> None:
    made = folder / "made"
    if made.exists():
        assert done("ledger", "check", "--json", home=made).json == {"ok": True, "entries": 1, "findings": []}
        assert (made / "keys" / "operator.key").stat().st_mode & 0o777 == 0o600
    else:
        assert not answer
        assert troth("terms", "list", home=made).status == 2


def repeat_init(folder: Path) -> None:
    made = folder / "made"
    ran = troth("init", made)
    assert ran.status in {0, 3}
    judge_init(folder, "made")
    if ran.status == 0:
        # With the key of the try that was killed.
        assert not list(folder.glob(".made.*"))


CASES = {
    "terms add": Case(("terms", "add", "many.yaml", "--json"), all_or_none(VERSIONS), repeat_terms),
    "subjects import": Case(
        ("subjects", "import", "many.csv", "--json"), all_or_none(MEMBERS), repeat_subjects
    ),
    "import table": Case(("import", "table", "many.jsonl", "--json"), judge_import, repeat_import),
    "release build": Case(
        ("release", "build", *DELIVER, "--out", "r1", "--json"), judge_release, repeat_release
    ),
    "init": Case(("init", "made", "--json"), judge_init, repeat_init),
}


@pytest.fixture(scope="module")
def loaded(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home, and more to bring in."""
    folder = tmp_path_factory.mktemp("loaded")
    shutil.copytree(prepared / "home", folder / "home")
    (folder / "many.yaml").write_text(
        "---\n".join(
            f"terms: t{n}\nkind: faq\nversion: '1'\npublished_at: 2020-01-01\neffective_at: 2020-01-01\nclauses: []\n"
            for n in range(VERSIONS)
        )
    )
    (folder / "many.csv").write_text(
        "subject,since,jurisdiction\n" + "".join(f"s{n},2020-01-01,US\n" for n in range(MEMBERS))
    )
    (folder / "many.jsonl").write_text(
        "".join(f'{{"id": "z{n}", "category": "post", "author": "s{n % 7}"}}\n' for n in range(ROWS))
    )
    return folder


def blows(
    case: Case, forks: ForkServerContext, loaded: Path, tmp_path: Path, times: int
) -> Iterator[tuple[Path, str | None, bool]]:
    """Run the command once in peace, to know how long it takes; then kill it at moments spread over that time."""

    def start(name: str) -> tuple[Path, multiprocessing.process.BaseProcess, float]:
        folder = tmp_path / name
        shutil.copytree(loaded, folder)
        process = forks.Process(
            target=run_to_be_killed, args=(case.arguments, folder, tmp_path / f"{name}.out")
        )
        began = time.monotonic()
        process.start()
        return folder, process, began

    rng = random.Random(20250121)
    _, first, _ = start("warm")
    first.join(60)
    folder, peaceful, began = start("peace")
    peaceful.join(60)
    lasts = time.monotonic() - began
    assert peaceful.exitcode == 0
    yield folder, (tmp_path / "peace.out").read_text(), False
    for number in range(times):
        folder, process, began = start(f"kill{number}")
        time.sleep(max(0.0, began + lasts * (number + rng.random()) / times - time.monotonic()))
        process.kill()
        process.join(60)
        answer = tmp_path / f"kill{number}.out"
        text = answer.read_text() if answer.exists() else ""
        yield folder, text if text.endswith("\n") else None, process.exitcode == -9


def check_blows(name: str, forks: ForkServerContext, loaded: Path, tmp_path: Path, times: int) -> None:
    case = CASES[name]
    killed = 0
    for folder, answer, was_killed in blows(case, forks, loaded, tmp_path, times):
        killed += was_killed
        case.judge(folder, answer)
        case.repeat(folder)
        shutil.rmtree(folder)
    assert killed, "no blow fell before the command was done"


@pytest.mark.parametrize("name", CASES)
def test_after_a_kill_all_is_as_before_or_as_after(
    name: str, forks: ForkServerContext, loaded: Path, tmp_path: Path
) -> None:
    check_blows(name, forks, loaded, tmp_path, 3)


@pytest.mark.long
@pytest.mark.parametrize("name", CASES)
def test_after_many_kills_all_is_as_before_or_as_after(
    name: str, forks: ForkServerContext, loaded: Path, tmp_path: Path
) -> None:
    check_blows(name, forks, loaded, tmp_path, 25)
