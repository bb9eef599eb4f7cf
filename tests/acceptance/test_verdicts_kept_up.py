"""Tables of verdicts that are kept up: when all of one is made, after a sync that died, and for joined accounts."""

from __future__ import annotations

from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.properties.worlds import as_table
from tests.unit.app.test_verdicts import (
    DAY,
    NOW,
    TERMS,
    USE,
    check,
    choice,
    concerned,
    home,
    message,
    target,
)
from troth.app import identity, people, verdicts
from troth.app.home import Home

__all__ = ["home", "target"]

pytestmark = pytest.mark.needs_tables


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda home: home.record([{**TERMS, "version": "2"}]), "terms, settings or law changed"),
        (lambda home: people.erase(home, "m4", None, bodies=True), "nothing was synced yet"),
        (
            lambda home: pq.write_table(
                as_table([message(1, 1, at=NOW - 900 * DAY)]), home.records_path / "b.parquet"
            ),
            "older records came",
        ),
        (
            lambda home: pq.write_table(as_table([message(1, 1)]), home.records_path / "a.parquet"),
            "files of records changed",
        ),
        (lambda home: home.record([choice(one, "off") for one in range(20)]), "many members changed"),
    ],
)
def test_the_whole_table_is_made_where_some_rows_are_not_enough(
    home: Home, target: str, change: Any, why: str
) -> None:
    verdicts.sync(home, USE, target, at=NOW)
    if why == "older records came":
        change = lambda home: pq.write_table(  # noqa: E731 - another id than those that are there
            as_table([message(1_000, 1, at=NOW - 900 * DAY)]), home.records_path / "b.parquet"
        )
    change(home)
    assert verdicts.sync(home, USE, target, at=NOW).whole == why
    check(home, target)


def test_a_sync_that_died_is_done_again(home: Home, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    verdicts.sync(home, USE, target, at=NOW)
    home.record([choice(3, "off")])

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(verdicts._Run, "commit", dies)
        with pytest.raises(KeyboardInterrupt):
            verdicts.sync(home, USE, target, at=NOW)
    home.record([choice(9, "off")])
    done = verdicts.sync(home, USE, target, at=NOW)
    assert (done.whole, done.rows) == (None, concerned(home, 3, 9))
    check(home, target)


def test_joined_accounts_are_followed(home: Home, target: str) -> None:
    verdicts.sync(home, USE, target, at=NOW)
    identity.join(home, "m7", "m8", "told by the member")
    done = verdicts.sync(home, USE, target, at=NOW)
    assert (done.whole, done.rows) == (None, concerned(home, 7, 8))
    home.record([choice(7, "off")])
    assert verdicts.sync(home, USE, target, at=NOW).rows == concerned(home, 7, 8)
    found = check(home, target)
    assert all(row["verdict"] == "denied" for row in found.values() if "m8" in row["judged"])
