"""A real homeserver: messages, edits and redactions arrive once each and in order, across restarts of either side.

Synapse runs in a Python of its own: name it with TROTH_SYNAPSE_PYTHON, or install ``matrix-synapse`` beside us.
"""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.support import require
from troth.app.home import Home, init
from troth.app.matrix import register

MESSAGES, EDITS, REDACTIONS = 1000, 50, 50
USERS = ("ann", "bob", "cem")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def synapse_python() -> str:
    named = os.environ.get("TROTH_SYNAPSE_PYTHON")
    if named:
        return named
    require(importlib.util.find_spec("synapse"), "Synapse (TROTH_SYNAPSE_PYTHON or matrix-synapse)")
    return sys.executable


class Process:
    """A server as a process of its own, waited for until it answers."""

    def __init__(self, command: list[str], port: int, log: Path) -> None:
        self.command, self.port, self.log = command, port, log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text()[-2000:]
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.2)
        raise AssertionError(f"{self.command[0]} did not answer: {self.log.read_text()[-2000:]}")

    def stop(self, how: int = signal.SIGTERM) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(timeout=60)


class Server:
    """The homeserver as its users reach it."""

    def __init__(self, folder: Path, python: str, registration: Path) -> None:
        self.port = free_port()
        config = {
            "server_name": "example.org",
            "listeners": [
                {
                    "port": self.port,
                    "type": "http",
                    "bind_addresses": ["127.0.0.1"],
                    "resources": [{"names": ["client"]}],
                }
            ],
            "database": {"name": "sqlite3", "args": {"database": str(folder / "synapse.db")}},
            "media_store_path": str(folder / "media"),
            "signing_key_path": str(folder / "signing.key"),
            "macaroon_secret_key": secrets.token_hex(16),
            "enable_registration": True,
            "enable_registration_without_verification": True,
            "app_service_config_files": [str(registration)],
            "report_stats": False,
            "trusted_key_servers": [],
            "url_preview_enabled": False,
            "log_config": None,
            **{
                name: {"per_second": 10_000, "burst_count": 10_000}
                for name in ("rc_message", "rc_registration", "rc_joins_per_room", "rc_admin_redaction")
            },
            "rc_login": {"address": {"per_second": 1000, "burst_count": 1000}},
            "rc_invites": {
                name: {"per_second": 1000, "burst_count": 1000}
                for name in ("per_room", "per_user", "per_issuer")
            },
        }
        del config["log_config"]
        path = folder / "homeserver.yaml"
        path.write_text(json.dumps(config))
        arguments = ["-m", "synapse.app.homeserver", "-c", str(path)]
        subprocess.run([python, *arguments, "--generate-keys"], check=True, capture_output=True, cwd=folder)
        self.process = Process([python, *arguments], self.port, folder / "synapse.log")

    def ask(self, method: str, path: str, body: object = None, token: str | None = None) -> dict[str, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        with contextlib.closing(connection):
            connection.request(method, "/_matrix/client/v3" + path, json.dumps(body or {}), headers)
            answer = connection.getresponse()
            data: dict[str, Any] = json.loads(answer.read())
        assert answer.status == 200, (path, answer.status, data)
        return data


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return init(tmp_path / "home")


@pytest.mark.slow
def test_everything_arrives_once_and_in_order(home: Home, tmp_path: Path) -> None:
    python = synapse_python()
    port = free_port()
    registration = register(home, f"http://127.0.0.1:{port}")
    server = Server(tmp_path, python, registration)
    command = [sys.executable, "-m", "tests.acceptance.serve_matrix", str(home.path), str(port)]
    bridge = Process(command, port, tmp_path / "bridge.log")
    try:
        server.process.start()
        bridge.start()
        sent = talk(server, bridge)
        wait_until_stored(home, len(sent["bodies"]) + EDITS)
    finally:
        bridge.stop()
        server.process.stop()
    check(home, sent)


def talk(server: Server, bridge: Process) -> dict[str, Any]:
    """A group and a direct room; both sides are stopped and started again meanwhile, one of them roughly."""
    tokens = {
        name: server.ask(
            "POST",
            "/register",
            {"username": name, "password": secrets.token_hex(8), "auth": {"type": "m.login.dummy"}},
        )["access_token"]
        for name in USERS
    }
    rooms = []
    for guests in (("bob", "cem"), ("bob",)):
        invite = [f"@{one}:example.org" for one in guests]
        room = server.ask("POST", "/createRoom", {"preset": "private_chat", "invite": invite}, tokens["ann"])[
            "room_id"
        ]
        rooms.append(room)
        for one in guests:
            server.ask("POST", f"/rooms/{room}/join", token=tokens[one])
    bodies, ids = [], []
    for number in range(MESSAGES):
        room = rooms[number % 2]
        name = USERS[number % 3] if room == rooms[0] else USERS[number % 4 // 2]
        body = f"message {number:04}"
        event = server.ask(
            "PUT",
            f"/rooms/{room}/send/m.room.message/{number}",
            {"msgtype": "m.text", "body": body},
            tokens[name],
        )["event_id"]
        bodies.append((body, f"@{name}:example.org", room))
        ids.append((event, name, room))
        if number == MESSAGES // 4:
            bridge.stop(signal.SIGKILL)
        elif number == MESSAGES // 3:
            bridge.start()
        elif number == MESSAGES // 2:
            server.process.stop()
            server.process.start()
    edited, redacted = ids[:EDITS], ids[EDITS : EDITS + REDACTIONS]
    for number, (event, name, room) in enumerate(edited):
        content = {
            "msgtype": "m.text",
            "body": f"* edited {number:02}",
            "m.new_content": {"msgtype": "m.text", "body": f"edited {number:02}"},
            "m.relates_to": {"rel_type": "m.replace", "event_id": event},
        }
        server.ask("PUT", f"/rooms/{room}/send/m.room.message/e{number}", content, tokens[name])
    for number, (event, name, room) in enumerate(redacted):
        server.ask("PUT", f"/rooms/{room}/redact/{event}/r{number}", token=tokens[name])
    return {"bodies": bodies, "edited": edited, "redacted": redacted, "rooms": rooms}


def stored(home: Home) -> list[dict[str, Any]]:
    paths = [str(path) for path in sorted(home.records_path.glob("*.parquet"))]
    if not paths:
        return []
    found = duckdb.execute("FROM read_parquet($1)", [paths])
    names = [one[0] for one in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def gone(home: Home) -> set[str]:
    path = home.records_path / "marks" / "deleted.parquet"
    if not path.is_file():
        return set()
    return {row[0] for row in duckdb.execute("SELECT id FROM read_parquet($1)", [str(path)]).fetchall()}


def wait_until_stored(home: Home, number: int) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and (
        len(stored(home)) < number or len(gone(home)) < EDITS + REDACTIONS
    ):
        time.sleep(0.5)


def check(home: Home, sent: dict[str, Any]) -> None:
    rows = stored(home)
    first = sorted((row for row in rows if "#v" not in row["id"]), key=lambda row: row["body"])
    assert [(row["body"], row["author"]) for row in first] == [one[:2] for one in sent["bodies"]]
    assert {row["conversation"] for row in rows} == {f"matrix:{room}" for room in sent["rooms"]}
    for _, _, room in sent["bodies"][:2]:
        mine = [row for row in first if row["conversation"] == f"matrix:{room}"]
        assert [row["created_at"] for row in mine] == sorted(row["created_at"] for row in mine)
    group, direct = sent["rooms"]
    for row in first:
        present = {
            f"@{one}:example.org" for one in (USERS if row["conversation"].endswith(group) else USERS[:2])
        }
        assert {row["author"], *row["addressees"]} == present
        assert row["category"] == ("private_message.group" if len(present) == 3 else "private_message")
    assert direct != group
    edits = sorted(row["body"] for row in rows if "#v" in row["id"])
    assert edits == [f"edited {number:02}" for number in range(EDITS)]
    assert gone(home) == {f"matrix:{event}" for event, *_ in (*sent["edited"], *sent["redacted"])}
