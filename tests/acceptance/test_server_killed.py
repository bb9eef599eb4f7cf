"""kill -9 under load: nothing that was acknowledged is lost, and nothing counts twice when it is repeated."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import pytest

from tests.http.site import SETTING, make_home
from tests.support import require
from tests.unit.cli.world import write_inputs
from troth.app import auditing
from troth.app.home import init, open_home, read_events_files
from troth.client import Client
from troth.core.errors import TrothError
from troth.ledger.store import clock
from troth.server.state import State

SERVE = """
import sys
from pathlib import Path
from tests.http.site import SETTINGS
from troth.server.running import run
run(Path(sys.argv[1]), SETTINGS, "127.0.0.1", int(sys.argv[2]))
"""


class Pressing:
    """Callers that record choices at several servers, and go on when one is away; what was acknowledged is kept."""

    def __init__(self, addresses: list[str], token: str) -> None:
        self.acknowledged: dict[str, dict[str, Any]] = {}
        self.asked: dict[str, dict[str, Any]] = {}
        self.refused = 0
        self._addresses = addresses
        self._token = token
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._press, args=(who,)) for who in range(8)]

    def __enter__(self) -> Self:
        for one in self._threads:
            one.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for one in self._threads:
            one.join()

    def _press(self, who: int) -> None:
        with ExitStack() as stack:
            clients = [
                stack.enter_context(Client(address, self._token, tries=1)) for address in self._addresses
            ]
            self._go_on(who, clients)

    def _go_on(self, who: int, clients: list[Client]) -> None:
        for number in itertools.count():
            key = f"k-{who}-{number}"
            at = f"2026-01-01T00:00:{number % 60:02}Z"
            self.asked[key] = {"subject": f"m{who}", "setting": SETTING, "on": number % 2 == 0, "at": at}
            turn = number
            while not self._stop.is_set():
                try:
                    self.acknowledged[key] = clients[turn % len(clients)].choose(**self.asked[key], key=key)
                    break
                except TrothError:
                    # The next server is asked the same with the same key.
                    self.refused += 1
                    turn += 1
                    time.sleep(0.02)
            if self._stop.is_set():
                return
            time.sleep(0.01)


def ready(port: int) -> bool:
    import httpx2

    try:
        return httpx2.get(f"http://127.0.0.1:{port}/ready", trust_env=False).status_code == 200
    except httpx2.HTTPError:
        return False


def wait(port: int) -> None:
    for _ in range(1_200):
        if ready(port):
            return
        time.sleep(0.1)
    pytest.fail("the server did not come up")


def start(home: Path, port: int, serve: str = SERVE) -> subprocess.Popen[bytes]:
    server = subprocess.Popen([sys.executable, "-c", serve, str(home), str(port)], stderr=subprocess.DEVNULL)
    wait(port)
    return server


def token_of(home: Path) -> str:
    store = State(home / "server.sqlite3")
    token = store.add_token("load", ["choices:write"], clock())
    store.close()
    return token


def check_all(home: Path, pressed: Pressing, address: str, token: str) -> None:
    """Every acknowledged choice is where it was said to be, and each, asked again, is there exactly once."""
    with open_home(home).reading() as ledger:
        for receipt in pressed.acknowledged.values():
            assert ledger.receipt(receipt["position"]).as_json() == receipt

    def repeat(key: str) -> None:
        again = client.choose(**pressed.asked[key], key=key)
        assert key not in pressed.acknowledged or again == pressed.acknowledged[key]

    # Over many connections: a repeated request waits for a group as any other does.
    with Client(address, token) as client, ThreadPoolExecutor(32) as pool:
        list(pool.map(repeat, pressed.asked))
    with open_home(home).reading() as ledger:
        mine = [one for one in ledger.known().members if one.startswith("m")]
        assert sum(len(ledger.history(one)) for one in mine) == len(pressed.asked)
        assert ledger.check() == []


def test_what_was_acknowledged_before_kill_9_is_there_after_it(tmp_path: Path) -> None:
    home, port = make_home(tmp_path), 20_000 + os.getpid() % 20_000
    token, address = token_of(home), f"http://127.0.0.1:{port}"
    server = start(home, port)
    with Pressing([address], token) as pressed:
        for _ in range(2):
            time.sleep(4)
            server.kill()
            server.wait()
            server = start(home, port)
    assert len(pressed.acknowledged) > 50
    assert pressed.refused > 0
    check_all(home, pressed, address, token)
    server.terminate()
    server.wait()


def test_nothing_is_lost_or_doubled_when_workers_and_postgresql_are_killed(tmp_path: Path) -> None:
    from tests.postgres import binaries, cluster

    programs = binaries()
    require(programs, "PostgreSQL's programs (initdb)")
    assert programs is not None
    with cluster(programs) as database:
        database.stop("fast")
        database.start(durable=True)
        write_inputs(tmp_path)
        made = init(tmp_path / "home", None, database.fresh())
        written = read_events_files([tmp_path / "terms.yaml"])
        made.append(written.events, places=written.places)
        token = token_of(made.path)
        ports = [20_000 + os.getpid() % 20_000 + turn for turn in range(2)]
        servers = [start(made.path, port) for port in ports]
        addresses = [f"http://127.0.0.1:{port}" for port in ports]
        with Pressing(addresses, token) as pressed:
            counts = []
            for turn in range(2):
                time.sleep(3)
                servers[turn].kill()
                servers[turn].wait()
                servers[turn] = start(made.path, ports[turn])
                time.sleep(2)
                database.kill()
                counts.append(len(pressed.acknowledged))
                assert not ready(ports[0])
                database.start(durable=True)
                # The workers find it again by themselves.
                for port in ports:
                    wait(port)
            time.sleep(2)
        assert counts[0] < counts[1] < len(pressed.acknowledged)
        assert pressed.refused > 0
        assert all(server.poll() is None for server in servers)
        check_all(made.path, pressed, addresses[0], token)
        for server in servers:
            server.terminate()
        for server in servers:
            server.wait()
        assert auditing.check(open_home(made.path)) == []
