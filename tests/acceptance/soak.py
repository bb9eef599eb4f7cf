"""A long load on one server, and whether its memory stays flat.

``python -m tests.acceptance.soak [--minutes 30] [--out tests/acceptance/results]``

Choices, pages, decisions, lists and sign-ins at a steady pace, and the server’s resident memory every five seconds.
Flat means: from the end of the first third, when caches are full, it grows by less than ``GROWTH`` an hour.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx2

from tests.acceptance.test_server_killed import start
from tests.http.site import PASSWORD, SETTING, found, make_home
from troth.client import Client
from troth.core.errors import TrothError
from troth.ledger.store import clock
from troth.server.state import SCOPES, State

GROWTH: Final = 20.0
"""MiB an hour that are put down to the ledger's growth and the allocator."""
SAMPLE_SECONDS: Final = 5.0
WORKERS: Final = 3
PATHS: Final = ("/me", "/me/written", "/me/conversations?kind=", "/me/terms", "/me/notices", "/me/proofs",
                "/me/records/post-new", "/me/copy/download", "/account", "/static/app.css")  # fmt: skip


def rss_mib(pid: int) -> float:
    """What a process holds in memory."""
    line = next(
        one for one in Path(f"/proc/{pid}/status").read_text().splitlines() if one.startswith("VmRSS")
    )
    return int(line.split()[1]) / 1024


def slope(samples: list[tuple[float, float]]) -> float:
    """MiB an hour, by the median of the slopes between all pairs of samples (Theil and Sen)."""
    if len(samples) > 200:
        samples = samples[:: len(samples) // 200 + 1]
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for at, a in enumerate(samples) for b in samples[at + 1 :]]
    return statistics.median(slopes) * 3600 if slopes else 0.0


class Soak:
    """The load: programs and a member, each with a pause between requests."""

    def __init__(self, address: str, token: str, pause: float) -> None:
        self.counts: dict[str, int] = {}
        self.failed = 0
        self._address = address
        self._token = token
        self._pause = pause
        self._stop = threading.Event()
        targets = [self._programs] * WORKERS + [self._member]
        self._threads = [threading.Thread(target=one, args=(at,)) for at, one in enumerate(targets)]

    def run(self, pid: int, minutes: float) -> list[tuple[float, float]]:
        """Go on for so long; (seconds, MiB) as time goes by."""
        started = time.monotonic()
        for one in self._threads:
            one.start()
        samples = []
        while time.monotonic() - started < minutes * 60:
            time.sleep(SAMPLE_SECONDS)
            samples.append((time.monotonic() - started, rss_mib(pid)))
        self._stop.set()
        for one in self._threads:
            one.join()
        return samples

    def _count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1

    def _programs(self, who: int) -> None:
        with Client(self._address, self._token) as client:
            number = 0
            while not self._stop.is_set():
                number += 1
                try:
                    at = f"2026-01-01T00:00:{number % 60:02}Z"
                    client.choose(
                        f"m{who}-{number % 50}", SETTING, on=number % 2 == 0, at=at, key=f"s{who}-{number}"
                    )
                    self._count("choices")
                    if number % 40 == 0:
                        client.decide("train.generative", "operator", ["mail", "post-new"], "2025-02-01")
                        self._count("decisions")
                    if number % 25 == 0:
                        list(client.releases())
                        self._count("lists")
                except TrothError:
                    self.failed += 1
                self._stop.wait(self._pause)

    def _member(self, _who: int) -> None:
        while not self._stop.is_set():
            try:
                with httpx2.Client(base_url=self._address, trust_env=False, timeout=300) as browser:
                    self._visit(browser)
            except httpx2.HTTPError:
                self.failed += 1

    def _visit(self, browser: httpx2.Client) -> None:
        token = found(r'name="visit_token" value="([^"]+)"', browser.get("/sign-in").text)
        browser.post("/sign-in", data={"name": "member", "password": PASSWORD, "visit_token": token})
        self._count("sign-ins")
        for number in range(50):
            self.failed += browser.get(PATHS[number % len(PATHS)]).status_code != 200
            self._count("pages")
            if self._stop.wait(self._pause):
                return


def soak(folder: Path, minutes: float, pause: float = 0.02) -> dict[str, Any]:
    """Serve a home, load it, look at its memory."""
    home, port = make_home(folder), 20_000 + os.getpid() % 20_000
    store = State(home / "server.sqlite3")
    token = store.add_token("soak", SCOPES, clock())
    store.close()
    server = start(home, port)
    try:
        load = Soak(f"http://127.0.0.1:{port}", token, pause)
        samples = load.run(server.pid, minutes)
    finally:
        server.terminate()
        stopped = server.wait(60)
    settled = samples[len(samples) // 3 :]
    return {
        "minutes": minutes,
        "load_average": round(os.getloadavg()[0], 2),
        "requests": load.counts,
        "failed": load.failed,
        "stopped_with": stopped,
        "mib_first": round(samples[0][1], 1),
        "mib_settled": round(settled[0][1], 1),
        "mib_last": round(settled[-1][1], 1),
        "mib_peak": round(max(one[1] for one in samples), 1),
        "mib_per_hour": round(slope(settled), 1),
        "samples": [[round(at), round(mib, 1)] for at, mib in samples[:: max(1, len(samples) // 120)]],
    }


def main() -> None:
    """Run it, print and keep the result; exit status 1 if memory is not flat."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--pause", type=float, default=0.02)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="troth-soak-") as folder:
        result = soak(Path(folder), arguments.minutes, arguments.pause)
    text = json.dumps(result, indent=1) + "\n"
    sys.stdout.write(text)
    if arguments.out is not None:
        (arguments.out / f"{datetime.now(UTC).date().isoformat()}-soak.json").write_text(text)
    sys.exit(result["mib_per_hour"] > GROWTH or result["failed"] > 0)


if __name__ == "__main__":
    main()
