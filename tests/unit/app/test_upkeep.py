"""Copies of a whole home, taken while it is in use, and what `fsck` finds in each part of it."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

import troth
from tests.unit.learning.world import make_world
from troth.app import certificates, directories, logs, membersets, models, proofs, unlearning, upkeep
from troth.app.home import Home, open_home
from troth.core.errors import BadInput, Conflict, Corrupt
from troth.core.events import Choose
from troth.ledger.accounts import Accounts


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a home with a set, a directory, a model and a certificate, beside the release `r0`."""
    folder = tmp_path_factory.mktemp("whole")
    world = make_world(folder)
    models.train(world.home, world.releases, "m", shards=1, slices=1)
    unlearning.withdraw(world.home, "ann")
    unlearning.unlearn(world.home, "m")
    return folder


@pytest.fixture
def home(whole: Path, tmp_path: Path) -> Home:
    """A copy of that home which the test may change."""
    shutil.copytree(whole / "home", tmp_path / "home")
    return troth.open(tmp_path / "home")


def assert_all_works(home: Home, whole: Path) -> None:
    """Proofs, models, certificates and the log of a home verify."""
    assert upkeep.check(home).ok
    for subject, claim in (("bob", "presence"), ("ann", "presence")):
        assert proofs.prove(home, str(whole / "r0"), subject).proof.claim == claim
    with models.open_model(home, "m") as model:
        model.current()
    assert certificates.chain(home, "m").ok
    assert logs.check(home) == []
    home.append([Choose("bob", "ads", False, 0)])
    assert logs.status(home).published == home.position


def test_a_copy_taken_while_others_write_works_in_every_part(home: Home, whole: Path, tmp_path: Path) -> None:
    stop, failed = threading.Event(), list[BaseException]()

    def write() -> None:
        other, number = open_home(home.path), 0
        try:
            while not stop.is_set():
                other.append([Choose("bob", "ads", bool(number % 2), 0)])
                directories.accounts_of(other).ensure([f"somebody {number}"])
                if number % 4 == 0:
                    directories.seal(other)
                number += 1
        except BaseException as error:  # noqa: BLE001 - shown below
            failed.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(3):
            upkeep.backup(home, tmp_path / f"copy{number}")
    finally:
        stop.set()
        writer.join()
    assert failed == []
    for number in range(3):
        upkeep.restore(tmp_path / f"copy{number}", tmp_path / f"again{number}")
        again = open_home(tmp_path / f"again{number}")
        bound = directories.listed(again)[-1].accounts
        assert sum(map(len, directories.accounts_of(again).batches())) >= bound
        if number == 2:
            assert_all_works(again, whole)


def test_nobodys_secret_is_lost_in_a_copy(home: Home, tmp_path: Path) -> None:
    upkeep.backup(home, tmp_path / "copy")
    upkeep.restore(tmp_path / "copy", tmp_path / "again")
    stores = [Accounts(folder / "members.sqlite3") for folder in (home.path, tmp_path / "again")]
    before, after = ([row for rows in one.batches() for row in rows] for one in stores)
    assert before == after
    assert len(before) == 6
    assert (tmp_path / "copy" / "members.sqlite3").stat().st_mode & 0o077 == 0


def altered(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))


@pytest.mark.parametrize("damage", [Path.unlink, altered], ids=["missing", "altered"])
def test_a_copy_without_the_members_secrets_is_refused(
    home: Home, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    upkeep.backup(home, tmp_path / "copy")
    damage(tmp_path / "copy" / "members.sqlite3")
    with pytest.raises(BadInput, match="secrets, which cannot be made anew"):
        upkeep.restore(tmp_path / "copy", tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_copy_whose_list_was_shortened_is_refused_too(home: Home, tmp_path: Path) -> None:
    upkeep.backup(home, tmp_path / "copy")
    (tmp_path / "copy" / "members.sqlite3").unlink()
    listed = tmp_path / "copy" / upkeep.MANIFEST
    about = json.loads(listed.read_bytes())
    del about["files"]["members.sqlite3"]
    listed.write_text(json.dumps(about))
    with pytest.raises(Corrupt, match=r"members\.sqlite3 is missing.*cannot be made anew"):
        upkeep.restore(tmp_path / "copy", tmp_path / "again")


def test_a_file_that_moves_while_it_is_copied_is_found_where_it_went(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, copy = tmp_path / "source", upkeep._copy
    (source / "z").mkdir(parents=True)
    (source / "a").write_text("once")
    moved: list[Path] = []

    def copying(one: Path, target: Path) -> None:
        if one.name == "a" and not moved:
            moved.append(one.rename(source / "z" / "b"))
        copy(one, target)

    monkeypatch.setattr(upkeep, "_copy", copying)
    assert upkeep._copy_files(source, tmp_path / "target", lambda _: True) == ["z/b"]
    assert [one.name for one in (tmp_path / "target").rglob("*") if one.is_file()] == ["b"]

    def losing(*_: Path) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(upkeep, "_copy", losing)
    with pytest.raises(Conflict, match="changes while it is copied"):
        upkeep._copy_files(source, tmp_path / "target", lambda _: True)


def test_a_ledger_in_a_database_is_not_copied_with_files(home: Home, tmp_path: Path) -> None:
    elsewhere = Home(home.path, replace(home.config, ledger="postgresql://nowhere/troth"))
    with pytest.raises(BadInput, match="in PostgreSQL"):
        upkeep.backup(elsewhere, tmp_path / "copy")


# fsck


def execute(statement: str) -> Callable[[Home], None]:
    def doing(home: Home) -> None:
        with closing(sqlite3.connect(home.accounts_path)) as connection, connection:
            connection.executescript(statement)

    return doing


def first(folder: Path, pattern: str) -> Path:
    return min(path for path in folder.rglob(pattern) if path.is_file())


def edit(model: Home, old: str, new: str) -> None:
    path = models.model_of(model, "m").path / "state.json"
    path.write_text(path.read_text().replace(old, new))


DAMAGE: dict[str, tuple[str, str, Callable[[Home], object]]] = {
    "short secret": (
        "members",
        "1 secrets are not of 32",
        execute("UPDATE accounts SET secret = x'00' WHERE rowid = 1"),
    ),
    "two alike": (
        "members",
        "1 accounts are there twice",
        execute("UPDATE accounts SET account = (SELECT account FROM accounts WHERE rowid = 2) WHERE rowid = 1"),
    ),
    "other schema": ("members", "not those of accounts", execute("ALTER TABLE accounts ADD COLUMN x TEXT")),
    "somebody else's": ("members", "no accounts of Troth", execute("PRAGMA application_id = 1")),
    "readable": ("members", "chmod 600", lambda home: home.accounts_path.chmod(0o644)),
    "no store": ("members", "is damaged", lambda home: home.accounts_path.write_bytes(b"x" * 5000)),
    "none": ("members", "is missing", lambda home: home.accounts_path.unlink()),
    "bucket": ("directories", "signed", lambda home: altered(first(home.directories_path, "*entries*/**/*"))),
    "no directory": ("directories", "cannot be read", lambda home: shutil.rmtree(home.directories_path)),
    "tile": ("directories", "does not fit", lambda home: altered(first(home.directories_path, "tile/0/**/*"))),
    "set": ("sets", "not those that were signed", lambda home: altered(first(home.sets_path, "*entries*/**/*"))),
    "no tile": ("sets", "is missing", lambda home: first(home.sets_path, "tile/0/**/*").unlink()),
    "records": ("sets", "not what was sealed", lambda home: altered_start(first(home.sets_path, membersets.RECORDS))),
    "manifest": ("sets", "manifest", lambda home: altered(first(home.sets_path, "manifest*"))),
    "state": ("models", "cannot be read", lambda home: edit(home, '"serving"', '"serves"')),
    "checkpoint": ("models", "its digest is another", lambda home: edit(home, served(home), "0" * 64)),
    "no checkpoint": (
        "models",
        "cannot be read",
        lambda home: shutil.rmtree(models.model_of(home, "m").path / "checkpoints"),
    ),
    "certificate": ("models", "unlearning-0002", lambda home: altered(first(home.path, "unlearning-*.json"))),
    "training": ("models", "not the one that was signed", lambda home: altered(first(home.path, "training.*"))),
    "corpus": ("models", "is missing", lambda home: first(home.path / "models", "rows-*").unlink()),
    "server": ("server", "chmod 600", lambda home: make_readable(home.path / "server.sqlite3")),
}  # fmt: skip


def altered_start(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[0] ^= 1
    file.write_bytes(bytes(data))


def served(home: Home) -> str:
    return models.model_of(home, "m").state().serving[0].digest


def make_readable(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE one (x)")
    path.chmod(0o644)


def test_a_whole_home_is_found_whole(home: Home) -> None:
    found = upkeep.check(home)
    assert found.ok
    parts = {one.where for one in found.findings if one.level == "info"}
    assert parts == {"ledger", "log", "keys", "records", "members", "directories", "sets", "models"}


@pytest.mark.parametrize("name", DAMAGE)
def test_fsck_names_the_damaged_part(home: Home, name: str) -> None:
    where, what, damage = DAMAGE[name]
    damage(home)
    wrong = [one for one in upkeep.check(home).findings if one.level == "error"]
    assert {one.where for one in wrong} == {where}
    assert any(what in one.what for one in wrong), [one.what for one in wrong]


def test_rows_are_held_against_the_leaves_or_against_each_other(tmp_path: Path) -> None:
    from troth.release.treecheck import find_row_damage
    from troth.release.trees import TileFolder, write_row_tiles

    rows = 66_000
    leaves = b"".join(hashlib.sha256(number.to_bytes(4, "big")).digest() for number in range(rows))
    write_row_tiles(leaves, TileFolder(tmp_path).put)
    (tmp_path / "leaves").write_bytes(leaves)
    for at_hand in (None, tmp_path / "leaves"):
        assert find_row_damage(tmp_path, rows, at_hand) == []
    for path in sorted(one for one in (tmp_path / "rows").rglob("*") if one.is_file()):
        data = path.read_bytes()
        altered(path)
        assert find_row_damage(tmp_path, rows, tmp_path / "leaves")
        if path.relative_to(tmp_path / "rows").parts[1] != "1" or path.name == "000":
            assert find_row_damage(tmp_path, rows, None)
        path.unlink()
        assert find_row_damage(tmp_path, rows, None)
        path.write_bytes(data)
