"""A table of verdicts that is kept up says what deciding anew says, and only rows that may have changed are written."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.postgres import Cluster, binaries, cluster
from tests.properties.worlds import as_table
from tests.support import require
from troth.app import people, upkeep, verdicts
from troth.app.home import Home, init
from troth.core.errors import BadInput
from troth.core.values import MICROSECONDS_PER_DAY, Record, Use, parse_instant

pytestmark = pytest.mark.needs_tables

USE = Use("train", "operator")
MEMBERS = 60
DAY = MICROSECONDS_PER_DAY
NOW = parse_instant("2026-01-01")
TERMS = {
    "terms": "agreement",
    "kind": "user_agreement",
    "version": "1",
    "published_at": "2020-01-01",
    "effective_at": "2020-01-01",
    "clauses": [
        {
            "id": "train", "effect": "permit", "purposes": ["train"], "categories": ["private_message"],
            "recipients": ["operator"], "condition": {"setting": "s"}, "quote": "We train.",
        }
    ],
}  # fmt: skip
WORLD: list[dict[str, Any]] = [
    TERMS,
    {"setting": "s", "introduced_at": "2020-01-01", "defaults": [{"value": "on"}]},
    {"regime": {"jurisdictions": ["US"], "regime": "opt_out", "purposes": ["train"]}},
]


def choice(member: int, value: str, at: str = "2025-01-01") -> dict[str, Any]:
    return {"choose": {"subject": f"m{member}", "setting": "s", "value": value, "at": at}}


def message(number: int, author: int, *addressees: int, at: int = NOW - 30 * DAY) -> Record:
    names = tuple(f"m{one}" for one in addressees)
    return Record(f"r{number}", "private_message", at, f"m{author}", names)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = init(tmp_path / "home")
    since = {"since": "2021-01-01", "jurisdiction": "US", "born": 1970}
    made.record([*WORLD, *({"subject": f"m{number}", **since} for number in range(MEMBERS))])
    records = [message(number, number % MEMBERS, (number * 7 + 1) % MEMBERS) for number in range(300)]
    records.append(message(2_000, 1, 20, 21, 22))
    pq.write_table(as_table(records), made.records_path / "a.parquet")
    return made


@pytest.fixture
def target(tmp_path: Path) -> str:
    return f"delta:{tmp_path / 'verdicts'}"


def rows_of(target: str) -> dict[str, dict[str, Any]]:
    from deltalake import DeltaTable

    rows = DeltaTable(target.removeprefix("delta:")).to_pyarrow_table().to_pylist()
    found = {row["id"]: row for row in rows}
    assert len(found) == len(rows)
    return found


def check(home: Home, target: str, at: int = NOW) -> dict[str, dict[str, Any]]:
    """See that the table says what deciding anew says."""
    from troth.app import decisions

    decided = decisions.open_gate(home, USE, at).decide()
    wanted = decided.select("id", "verdict", "reason", "party", "judged", "codes").to_pyarrow().to_pylist()
    found = rows_of(target)
    assert found == {row["id"]: row for row in wanted}
    return found


def concerned(home: Home, *members: int) -> int:
    rows = pq.read_table(sorted(home.records_path.glob("*.parquet"))).to_pylist()
    names = {f"m{one}" for one in members}
    return sum(1 for row in rows if names & {row["author"], *row["addressees"]})


def test_only_the_rows_of_changed_members_are_written(home: Home, target: str) -> None:
    first = verdicts.sync(home, USE, target, at=NOW)
    assert (first.rows, first.whole) == (301, "nothing was synced yet")
    before = check(home, target)
    home.record([choice(3, "off"), choice(21, "off")])
    done = verdicts.sync(home, USE, target, at=NOW)
    assert (done.whole, done.subjects, done.rows) == (None, 2, concerned(home, 3, 21))
    after = check(home, target)
    changed = {name for name, row in after.items() if before[name] != row}
    assert "r2000" in changed
    assert all({"m3", "m21"} & set(after[name]["judged"]) for name in changed)
    # Nothing happened since: nothing is written.
    assert verdicts.sync(home, USE, target, at=NOW).rows == 0
    # And once more, on what was advanced before.
    home.record([choice(3, "on", "2025-02-01"), choice(12, "off")])
    assert verdicts.sync(home, USE, target, at=NOW).rows == concerned(home, 3, 12)
    check(home, target)


def test_what_comes_into_effect_by_itself_is_followed(home: Home, target: str) -> None:
    home.record([choice(5, "off", "2026-01-03")])
    later = [message(900, 1, 2, at=NOW + DAY), replace(message(901, 1, 2), deleted_at=NOW + 2 * DAY)]
    pq.write_table(as_table(later), home.records_path / "b.parquet")
    verdicts.sync(home, USE, target, at=NOW)
    assert check(home, target)["r900"]["reason"] == "not-yet"
    done = verdicts.sync(home, USE, target, at=NOW + DAY)
    assert (done.whole, done.rows) == (None, 1)
    check(home, target, NOW + DAY)
    done = verdicts.sync(home, USE, target, at=NOW + 3 * DAY)
    assert (done.whole, done.subjects, done.rows) == (None, 1, concerned(home, 5) + 1)
    assert check(home, target, NOW + 3 * DAY)["r901"]["reason"] == "deleted"


def test_new_records_are_added(home: Home, target: str) -> None:
    verdicts.sync(home, USE, target, at=NOW)
    pq.write_table(as_table([message(700, 8, 9), message(701, 9)]), home.records_path / "b.parquet")
    done = verdicts.sync(home, USE, target, at=NOW)
    assert (done.whole, done.rows) == (None, 2)
    assert "r701" in check(home, target)


def test_what_cannot_be_changed_row_by_row_is_refused(home: Home, tmp_path: Path) -> None:
    for target in (str(tmp_path / "x.parquet"), "s3://bucket/x.parquet"):
        with pytest.raises(BadInput, match="row by row"):
            verdicts.sync(home, USE, target, at=NOW)


def test_what_is_kept_is_private(home: Home, target: str) -> None:
    verdicts.sync(home, USE, target, at=NOW)
    there = [home.folds_path, *home.folds_path.rglob("*")]
    assert {path.stat().st_mode & 0o077 for path in there if path.is_dir()} == {0}
    upkeep.backup(home, home.path.parent / "copy")
    assert not (home.path.parent / "copy" / home.folds_path.name).exists()
    people.erase(home, "m4", None, bodies=True)
    assert not home.folds_path.exists()


@pytest.fixture(scope="module")
def database() -> Iterator[Cluster]:
    programs = binaries()
    require(programs, "PostgreSQL")
    require(importlib.util.find_spec("adbc_driver_postgresql"), "the tables extra")
    assert programs is not None
    with cluster(programs) as made:
        yield made


def test_a_view_in_postgresql_follows_the_verdicts(home: Home, database: Cluster) -> None:
    import psycopg

    address = database.address()
    target = f"{address}#gate.verdicts"
    with psycopg.connect(address, autocommit=True) as there:
        there.execute("CREATE SCHEMA gate")
        there.execute("CREATE TABLE messages (message text, body text)")
        for number in range(300):
            there.execute("INSERT INTO messages VALUES (%s, %s)", (f"r{number}", "words"))
        there.execute("INSERT INTO messages VALUES ('unheard', 'of')")
        verdicts.sync(home, USE, target, at=NOW)
        verdicts.view(target, "messages", "trainable", "message")

        def shown() -> set[str]:
            return {row[0] for row in there.execute("SELECT message FROM trainable").fetchall()}

        assert len(shown()) == 300
        home.record([choice(3, "off")])
        done = verdicts.sync(home, USE, target, at=NOW)
        assert (done.whole, done.rows) == (None, concerned(home, 3))
        gone = {f"r{number}" for number in range(300)} - shown()
        assert len(gone) == concerned(home, 3)
        rows = there.execute("SELECT count(*), count(DISTINCT id) FROM gate.verdicts").fetchone()
        assert rows == (301, 301)
        # A second whole table takes the place of the first, with its index and the view upon it.
        verdicts.sync(home, USE, target, at=NOW, whole=True)
        assert len(shown()) == 300 - len(gone)
        with pytest.raises(BadInput, match="no column 'id'"):
            verdicts.view(target, "messages", "other")
    with pytest.raises(BadInput, match="no table in PostgreSQL"):
        verdicts.view("delta:x", "messages", "other")
