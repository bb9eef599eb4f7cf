from __future__ import annotations

import importlib.util
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support import ROOT, require

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
]
SERVE = """
import sys
from pathlib import Path
from tests.http.site import SETTINGS
from troth.server.running import run
run(Path(sys.argv[1]), SETTINGS, "127.0.0.1", int(sys.argv[2]))
"""

if importlib.util.find_spec("playwright") is None or importlib.util.find_spec("fastapi") is None:
    collect_ignore_glob = ["test_*.py"]


PICTURES = ROOT / "docs" / "images"


@dataclass
class Running:
    """A server of its own process, and a browser."""

    address: str
    browser: Any
    home: Path

    def page(self, name: str | None = None, **options: Any) -> Any:
        """A new page in a browser of its own, signed in; whatever the page complains of is kept in ``.complaints``.

        The session is begun as the server's own sign-in does; the form itself is tried by tests of its own.
        """
        context = self.browser.new_context(base_url=self.address, **options)
        context.set_default_timeout(120_000)
        page = context.new_page()
        page.complaints = []
        page.on("console", lambda one: page.complaints.append(one.text) if one.type == "error" else None)
        page.on("pageerror", lambda one: page.complaints.append(str(one)))
        page.asked = []
        page.on("request", lambda one: page.asked.append(one.url))
        if name is not None:
            context.add_cookies([{"name": "troth", "value": self._session(name), "url": self.address}])
        return page

    def _session(self, name: str) -> str:
        from troth.ledger.store import clock
        from troth.server.state import State

        store = State(self.home / "server.sqlite3")
        try:
            found = store.account(name)
            assert found is not None
            return store.begin(found[0], secrets.token_hex(8), "Chrome on Linux", clock(), 3_600)
        finally:
            store.close()


def picture(page: Any, name: str) -> None:
    """Keep a picture of a page for the documentation, where the environment asks for it (TROTH_PICTURES=1)."""
    if os.environ.get("TROTH_PICTURES") == "1":
        PICTURES.mkdir(exist_ok=True)
        page.screenshot(path=PICTURES / f"{name}.png", animations="disabled")


# Not for the session: while Playwright runs, its event loop is in the way of other tests of this process.
@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A served home and a browser, for all browser tests."""
    require(shutil.which(CHROMIUM), "chromium")
    from playwright.sync_api import sync_playwright

    from tests.http.site import make_home

    home = make_home(tmp_path_factory.mktemp("browser"))
    port = 20_000 + os.getpid() % 20_000
    command = [sys.executable, "-c", SERVE, str(home), str(port)]
    server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        _wait(f"http://127.0.0.1:{port}/ready")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            yield Running(f"http://127.0.0.1:{port}", browser, home)
            browser.close()
    finally:
        server.terminate()
        # A server that was told to stop and did says so by the signal.
        assert server.wait(60) in (0, -signal.SIGTERM)


def _wait(address: str) -> None:
    for _ in range(1_200):
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:  # noqa: S310 - this machine's own server
                if json.load(answer)["status"] == "ready":
                    return
        except OSError:
            time.sleep(0.1)
    pytest.fail("the server did not come up")
