"""kill -9 under load: nothing that was acknowledged is lost, and nothing counts twice when it is repeated."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.http.site import SETTING, make_home
from troth.app.home import open_home
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


def start(home: Path, port: int) -> subprocess.Popen[bytes]:
    server = subprocess.Popen([sys.executable, "-c", SERVE, str(home), str(port)], stderr=subprocess.DEVNULL)
    import httpx2

    for _ in range(600):
        try:
            if httpx2.get(f"http://127.0.0.1:{port}/ready", trust_env=False).status_code == 200:
                return server
        except httpx2.HTTPError:
            time.sleep(0.1)
    pytest.fail("the server did not come up")


def test_what_was_acknowledged_before_kill_9_is_there_after_it(tmp_path: Path) -> None:
    home, port = make_home(tmp_path), 20_000 + os.getpid() % 20_000
    store = State(home / "server.sqlite3")
    token = store.add_token("load", ["choices:write"], clock())
    store.close()
    acknowledged: dict[str, dict[str, Any]] = {}
    asked: dict[str, dict[str, Any]] = {}
    address = f"http://127.0.0.1:{port}"

    def press(who: int) -> None:
        with Client(address, token, tries=1) as client:
            for number in range(10_000):
                key = f"k-{who}-{number}"
                asked[key] = {
                    "subject": f"m{who}",
                    "setting": SETTING,
                    "on": number % 2 == 0,
                    "at": "2026-01-01T00:00:00Z",
                }
                try:
                    acknowledged[key] = client.choose(**asked[key], key=key)
                except TrothError:
                    return

    for _ in range(2):
        server = start(home, port)
        threads = [threading.Thread(target=press, args=(who + 100 * len(acknowledged),)) for who in range(8)]
        for one in threads:
            one.start()
        time.sleep(4)
        os.kill(server.pid, signal.SIGKILL)
        server.wait()
        for one in threads:
            one.join()
    assert len(acknowledged) > 50
    with open_home(home).reading() as ledger:
        size = ledger.size
        for receipt in acknowledged.values():
            assert ledger.receipt(receipt["position"]).as_json() == receipt
    server = start(home, port)
    with Client(address, token) as client:
        for key, choice in asked.items():
            again = client.choose(**choice, key=key)
            assert key not in acknowledged or again == acknowledged[key]
    server.terminate()
    server.wait()
    with open_home(home).reading() as ledger:
        mine = [one for one in ledger.known().members if one.startswith("m")]
        assert sum(len(ledger.history(one)) for one in mine) == len(asked)
        assert ledger.size <= size + len(asked) - len(acknowledged) + 10
        assert ledger.check() == []
