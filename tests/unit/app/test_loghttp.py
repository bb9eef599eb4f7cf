"""A log and a witness over HTTP: the named paths and nothing else, with the headers of the specifications."""

from __future__ import annotations

import hashlib
import http.client
import importlib.util
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import require
from tests.unit.ledger.logs import KEY, ORIGIN, ledger_of, tilelog, witness
from troth.core.checkpoint import parse_checkpoint
from troth.core.note import Note, parse_note, sign
from troth.core.witness import Request

Answer = tuple[int, dict[str, str], bytes]
Ask = Callable[..., Answer]


@pytest.fixture
def served() -> Iterator[Callable[[Any], Ask]]:
    """Serves an application; gives a function that asks it."""
    require(importlib.util.find_spec("uvicorn") and importlib.util.find_spec("starlette"), "the serve extra")
    import uvicorn

    running: list[tuple[uvicorn.Server, threading.Thread]] = []

    def serving(app: Any) -> Ask:
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", lifespan="off", ws="none"))
        thread = threading.Thread(target=server.run)
        thread.start()
        running.append((server, thread))
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]

        def ask(method: str, path: str, body: bytes | None = None) -> Answer:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            try:
                connection.request(method, path, body)
                answer = connection.getresponse()
                headers = {name.lower(): value for name, value in answer.getheaders()}
                return answer.status, headers, answer.read()
            finally:
                connection.close()

        return ask

    yield serving
    for server, thread in running:
        server.should_exit = True
        thread.join()


def test_a_log_is_served_and_nothing_else(served: Callable[[Any], Ask], tmp_path: Path) -> None:
    from troth.app.loghttp import log_app

    with ledger_of(tmp_path / "l.sqlite3", 300) as ledger:
        tilelog(tmp_path).publish(ledger)
    ask = served(log_app(tmp_path / "log"))
    status, headers, body = ask("GET", "/checkpoint")
    assert (status, body) == (200, (tmp_path / "log/checkpoint").read_bytes())
    assert headers["content-type"] == "text/plain; charset=utf-8"
    assert headers["cache-control"] == "no-cache"
    for name in ("tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/000"):
        status, headers, body = ask("GET", f"/{name}")
        assert (status, body) == (200, (tmp_path / "log" / name).read_bytes())
        assert headers["content-type"] == "application/octet-stream"
        assert "immutable" in headers["cache-control"]
    (tmp_path / "log/tile/0/.000.new").write_text("x")
    for name in (
        "", "tile", "tile/0", "tile/0/002", "tile/0/.000.new", "tile/0/../../../l.sqlite3", "log-state/signed",
        "tile/..%2f..%2fl.sqlite3", "tile//0/000", "tile/0/000/", "checkpoint/", "tile/0/000%00",
    ):  # fmt: skip
        status, _, body = ask("GET", f"/{name}")
        assert status in (307, 404), name
        assert b"SQLite" not in body
    assert ask("POST", "/checkpoint", b"")[0] == 405


def test_a_witness_answers_as_specified(served: Callable[[Any], Ask], tmp_path: Path) -> None:
    from troth.app.loghttp import witness_app

    with ledger_of(tmp_path / "l.sqlite3", 5) as ledger:
        note = tilelog(tmp_path).publish(ledger).note
    checkpoint = parse_checkpoint(note.text)
    with witness(tmp_path) as one:
        ask = served(witness_app(one))
        origin = hashlib.sha256(ORIGIN.encode()).hexdigest()
        assert ask("GET", f"/{origin}/checkpoint")[0] == 404
        wanted = Request(0, (), note, checkpoint).write()
        status, headers, body = ask("POST", "/add-checkpoint", wanted)
        assert status == 200
        assert body.startswith("— witness.example/w1 ".encode())
        status, headers, body = ask("POST", "/add-checkpoint", wanted)
        assert (status, headers["content-type"], body) == (409, "text/x.tlog.size", b"5\n")
        assert ask("POST", "/add-checkpoint", b"nonsense")[0] == 400
        assert ask("POST", "/add-checkpoint", bytes(400_000))[0] == 413
        other = note.text.replace(ORIGIN, "other.example")
        unknown = Request(0, (), Note(other, (sign(other, "other.example", KEY),)), parse_checkpoint(other))
        assert ask("POST", "/add-checkpoint", unknown.write())[0] == 404
        status, _, body = ask("GET", f"/{origin}/checkpoint")
        assert status == 200
        assert len(parse_note(body).signatures) == 2
