"""The server's own database: an older one is brought along whole, a newer one is left alone."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from troth.core.errors import BadInput
from troth.server import state
from troth.server.state import State


def older(path: Path) -> None:
    """A database as the first version made it, with an account."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(f"{state._MIGRATIONS[0]}; PRAGMA user_version = 1;")
        connection.execute(
            "INSERT INTO accounts VALUES ('1', 'ann', 'auditor', NULL, NULL, NULL, NULL, 0, 0)"
        )
        connection.commit()


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def test_an_older_database_is_brought_along_with_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "server.sqlite3"
    older(path)
    for _ in range(2):
        store = State(path)
        assert [account.name for account, _ in store.accounts()] == ["ann"]
        plan = store.rows("EXPLAIN QUERY PLAN SELECT * FROM withdrawals WHERE subject = 'x' ORDER BY at DESC")
        assert "withdrawals_of_subject" in str(plan)
        store.close()
    assert version(path) == len(state._MIGRATIONS) > 1


def test_a_step_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "server.sqlite3"
    older(path)
    before = path.read_bytes()
    monkeypatch.setattr(state, "_MIGRATIONS", (*state._MIGRATIONS, "CREATE TABLE t (a); CREATE TABLE t (a)"))
    monkeypatch.setattr(state, "_VERSION", 3)
    with pytest.raises(Exception, match="storage failed"):
        State(path)
    assert path.read_bytes() == before


def test_a_newer_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "server.sqlite3"
    State(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    with pytest.raises(BadInput, match="is of version 99"):
        State(path)
    assert path.read_bytes() == before
