"""The application service: once and only once, whatever is repeated and whenever it is stopped."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import duckdb
import pytest

from tests.exports.matrix import Talk
from troth.app import matrix
from troth.app.home import Home, init
from troth.app.matrix import Bridge, Service, register
from troth.core.errors import BadInput, Conflict, Unavailable

ANN, BOB = "@ann:example.org", "@bob:example.org"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = init(tmp_path / "home")
    register(made, "http://localhost:9009")
    return made


def bodies(home: Home) -> list[str]:
    paths = [str(path) for path in sorted(home.records_path.glob("*.parquet"))]
    if not paths:
        return []
    found = duckdb.execute("SELECT body FROM read_parquet($1) ORDER BY created_at, id", [paths])
    return [row[0] for row in found.fetchall()]


@pytest.fixture
def talk() -> Talk:
    made = Talk()
    made.create(ANN, BOB)
    for number in range(6):
        made.say(ANN if number % 2 else BOB, f"message {number}")
    return made


def in_pairs(talk: Talk) -> Iterator[tuple[str, list[Any]]]:
    for number in range(0, len(talk.events), 2):
        yield f"t{number}", talk.events[number : number + 2]


def test_transactions_come_once_also_when_repeated(home: Home, talk: Talk) -> None:
    bridge = Bridge(home)
    for name, events in in_pairs(talk):
        bridge.take(name, events)
        bridge.take(name, events)
    report = bridge.flush()
    assert report is not None
    assert (report.imported, report.duplicates) == (6, 0)
    assert bridge.flush() is None
    assert bodies(home) == [f"message {number}" for number in range(6)]


@pytest.mark.parametrize("flushed", [True, False])
def test_a_stop_at_any_point_loses_and_doubles_nothing(home: Home, talk: Talk, flushed: bool) -> None:
    said = talk.events[3]["event_id"]
    talk.edit(talk.events[3]["sender"], said, "edited after the stop")
    transactions = list(in_pairs(talk))
    bridge = Bridge(home)
    for name, events in transactions[:3]:
        bridge.take(name, events)
    if flushed:
        bridge.flush()
    again = Bridge(home)
    for name, events in transactions[2:]:
        again.take(name, events)
    again.flush()
    assert sorted(bodies(home)) == sorted([*[f"message {n}" for n in range(6)], "edited after the stop"])
    found = duckdb.execute(
        "SELECT DISTINCT addressees, created_at FROM read_parquet($1)"
        " WHERE body IN ('message 0', 'edited after the stop')",
        [[str(path) for path in home.records_path.glob("*.parquet")]],
    ).fetchall()
    # The edit keeps date and addressees of what it words anew, which were told before the stop.
    assert len(found) == 1


def test_a_crash_between_storing_and_remembering(
    home: Home, talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    bridge = Bridge(home)
    bridge.take("t", talk.events)
    with monkeypatch.context() as patch:
        patch.setattr(Bridge, "_save", lambda _self: (_ for _ in ()).throw(Unavailable("the disk is full")))
        with pytest.raises(Unavailable):
            bridge.flush()
    assert len(bodies(home)) == 6
    Bridge(home)
    assert len(bodies(home)) == 6


def test_half_a_line_in_the_journal_was_never_answered(home: Home, talk: Talk) -> None:
    bridge = Bridge(home)
    bridge.take("t0", talk.events[:5])
    journal = home.path / "matrix" / "journal.jsonl"
    journal.write_bytes(journal.read_bytes() + b'{"transaction": "t1", "events": [{"even')
    again = Bridge(home)
    again.take("t1", talk.events[5:])
    again.flush()
    assert len(bodies(home)) == 6


def test_a_homeserver_that_counts_its_transactions_anew(home: Home, talk: Talk) -> None:
    """Synapse does after a start, if nothing was under way: the same id then stands for other events."""
    bridge = Bridge(home)
    bridge.take("1", talk.events[:5])
    bridge.flush()
    again = Bridge(home)
    again.take("1", talk.events[5:])
    again.take("1", talk.events[5:])
    again.flush()
    assert len(bodies(home)) == 6


def test_registration(tmp_path: Path) -> None:
    made = init(tmp_path / "other")
    with pytest.raises(BadInput, match="not registered"):
        Bridge(made)
    path = register(made, "http://localhost:1")
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(Conflict):
        register(made, "http://localhost:1")


def test_over_http_with_the_right_token_alone(home: Home, talk: Talk) -> None:
    service = Service(Bridge(home), "127.0.0.1", 0)
    thread = Thread(target=service.serve)
    thread.start()
    token = json.loads((home.path / "matrix" / "registration.yaml").read_text())["hs_token"]
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=10)
    try:

        def ask(method: str, path: str, body: object = None, bearer: str | None = token) -> int:
            headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
            data = body if isinstance(body, bytes) else json.dumps(body)
            connection.request(method, path, data, headers)
            answer = connection.getresponse()
            answer.read()
            return answer.status

        put = "/_matrix/app/v1/transactions/1"
        assert ask("PUT", put, {"events": talk.events}, bearer="wrong") == 403
        assert ask("PUT", put, {"events": talk.events}, bearer=None) == 403
        assert ask("PUT", put, b"{") == 400
        assert ask("PUT", put, {"events": 1}) == 400
        assert ask("PUT", "/elsewhere", {"events": []}) == 404
        assert ask("PUT", put, {"events": talk.events}) == 200
        assert ask("PUT", f"{put}?access_token={token}", {"events": talk.events}, bearer=None) == 200
        assert ask("GET", "/_matrix/app/v1/users/@x:y") == 404
        assert ask("POST", "/_matrix/app/v1/ping", {}) == 200
    finally:
        connection.close()
        service.stop()
        thread.join(timeout=20)
    assert len(bodies(home)) == 6


def test_a_store_in_use_keeps_the_journal(home: Home, talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    bridge = Bridge(home)
    monkeypatch.setattr(matrix, "FLUSH_EVENTS", 3)
    with bridge.home.writing(), monkeypatch.context() as patch:
        patch.setattr(matrix, "intake_of", lambda _home: (_ for _ in ()).throw(Unavailable("another import")))
        with pytest.raises(Unavailable):
            bridge.take("t", talk.events)
        bridge.take("t", talk.events)
    bridge.flush()
    assert len(bodies(home)) == 6
