"""Load on the server: durable choices and members' pages over HTTP, the load generator on the same cores.

python -m bench.server [--members 100000] [--seconds 20] [--connections 64] [--out bench/results]

The home holds the reference network's terms and so many members with their choices (``troth_network.bulk``), and
records of theirs. Each choice is one request with an idempotency key, answered when it is on disk; each page is read
by another of ``READERS`` signed-in members. The figure beside is what one fdatasync of 4 KiB costs in the same folder.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import uvloop

from bench.http_load import Load, Requests
from bench.measure import machine
from troth.app.api import Home
from troth.app.home import init
from troth.ledger.store import clock
from troth.server.state import State
from troth_network import bulk

READERS: Final = 500
BATCH: Final = 20_000
PAGES: Final = ("/me", "/me/terms", "/me/notices", "/me/conversations?kind=")
SERVE: Final = """
import sys
from dataclasses import replace
from pathlib import Path
from troth.server.config import read_settings
from troth.server.running import run
home = Path(sys.argv[1])
settings = replace(read_settings(home), secure=False, page_rate=1e6, token_rate=1e6)
run(home, settings, "127.0.0.1", int(sys.argv[2]))
"""


def fdatasync_p50(folder: Path) -> float:
    """Milliseconds of one fdatasync of 4 KiB, the median of 200: what every durable answer waits for."""
    times = []
    with (folder / ".fsync").open("wb") as file:
        for _ in range(200):
            file.write(b"x" * 4096)
            file.flush()
            started = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - started) * 1000)
    (folder / ".fsync").unlink()
    return round(statistics.median(times), 3)


def prepare(folder: Path, members: int, records: int) -> Path:
    """A home with so many members, made once in a folder."""
    home = folder / "home"
    if not home.exists():
        made = init(folder / "making")
        opened = Home(made.path, made.config)
        events = bulk.events(members, seed=5)
        while batch := list(itertools.islice(events, BATCH)):
            opened.record(batch)
        if records:
            opened.import_records(bulk.records_table(records, members, seed=5))
        (folder / "making").rename(home)
    return home


def sign_ins(home: Path, members: int) -> tuple[str, list[str]]:
    """A token that may write choices, and the cookies of some members; as the server itself makes them."""
    store = State(home / "server.sqlite3")
    token = store.add_token("bench", ["choices:write"], clock())
    cookies = []
    for turn in range(min(READERS, members)):
        name = f"reader-{turn}"
        found = store.account(name)
        account = (
            found[0]
            if found
            else store.add_account(name, "member", clock(), subject=_member(turn * (members // READERS or 1)))
        )
        cookies.append(store.begin(account, f"bench-{turn}", "bench", clock(), 86_400))
    store.close()
    return token, cookies


def _member(number: int) -> str:
    return f"m{number:08}"


def choices(token: str, members: int) -> Requests:
    """Requests that record one choice each, every one of another member."""
    run = time.time_ns()
    head = (
        f"POST /api/v1/choices HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nIdempotency-Key: b{run}-"
    )

    def made(number: int) -> bytes:
        value = "off" if number % 3 else "on"
        body = (
            f'{{"choose":{{"subject":"{_member(number * 7919 % members)}","setting":"genai-improvement",'
            f'"value":"{value}","at":"2026-01-01T00:00:{number % 60:02}Z"}}}}'
        )
        return f"{head}{number}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()

    return made


def pages(cookies: list[str], path: str) -> Requests:
    """Requests for a page, by one member after another."""
    made = [f"GET {path} HTTP/1.1\r\nHost: x\r\nCookie: troth={one}\r\n\r\n".encode() for one in cookies]
    return lambda number: made[number % len(made)]


def cpu_seconds(pid: int) -> float:
    """What a process has used of the processors so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measured(port: int, pid: int, make: Requests, seconds: float, connections: int) -> dict[str, Any]:
    """One load after a short one that warms up; with the processor time of both sides for each request."""
    await Load(port, make).run(min(1.0, seconds), 8)
    load = Load(port, lambda number: make(number + 1_000_000))
    before, own = cpu_seconds(pid), time.process_time()
    found: dict[str, Any] = await load.run(seconds, connections)
    spent, mine = cpu_seconds(pid) - before, time.process_time() - own
    found["server_cpu_ms_each"] = round(spent * 1000 / max(found["requests"], 1), 3)
    found["generator_cpu_ms_each"] = round(mine * 1000 / max(found["requests"], 1), 3)
    found["connections"] = connections
    return found


def wait_for(port: int) -> None:
    """Until the server says that it is ready."""
    for _ in range(1_200):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the server did not come up")


def run(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Make the home, serve it, measure."""
    home = prepare(folder, arguments.members, arguments.records)
    token, cookies = sign_ins(home, arguments.members)
    found: dict[str, Any] = {
        "machine": machine(),
        "members": arguments.members,
        "records": arguments.records,
        "fdatasync_p50_ms": fdatasync_p50(folder),
    }
    server = subprocess.Popen(  # noqa: S603 - this project's own server
        [sys.executable, "-c", SERVE, str(home), str(arguments.port)], stderr=subprocess.DEVNULL
    )
    try:
        wait_for(arguments.port)
        asked = (arguments.port, server.pid)

        async def all_of_it() -> None:
            writes = choices(token, arguments.members)
            found["choices"] = await measured(*asked, writes, arguments.seconds, arguments.connections)
            found["pages"] = {}
            for path in PAGES:
                reads = pages(cookies, path)
                found["pages"][path] = await measured(*asked, reads, arguments.seconds / 2, 16)

        uvloop.run(all_of_it())
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)
    found["load_after"] = round(os.getloadavg()[0], 2)
    return found


def write(found: dict[str, Any], folder: Path) -> None:
    """The figures as JSON, and as a table to read."""
    day = datetime.now(UTC).date().isoformat()
    (folder / f"{day}-server.json").write_text(json.dumps(found, indent=1) + "\n")
    rows = [("durable choices", found["choices"]), *found["pages"].items()]
    lines = [
        f"# Load on the server, {day}",
        "",
        f"Made by `python -m bench.server` on: {json.dumps(found['machine'])}; load after: {found['load_after']}",
        "",
        f"{found['members']:,} members, {found['records']:,} records; the load generator ran on the same cores.",
        f"One fdatasync of 4 KiB: {found['fdatasync_p50_ms']} ms (median of 200).",
        "",
        "| what | a second | p50 ms | p99 ms | max ms | failed | connections | CPU ms, server | CPU ms, generator |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    names = ("per_second", "p50_ms", "p99_ms", "max_ms", "failed", "connections", "server_cpu_ms_each",
             "generator_cpu_ms_each")  # fmt: skip
    lines += [f"| {what} | " + " | ".join(f"{one[name]:,}" for name in names) + " |" for what, one in rows]
    (folder / f"{day}-server.md").write_text("\n".join(lines) + "\n")


def main() -> None:
    """Run it and print JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, help="where the home is made, or was made before")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--members", type=int, default=100_000)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--port", type=int, default=8_097)
    parser.add_argument("--out", type=Path, help="a folder for the figures")
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="troth-bench-"))
    folder.mkdir(exist_ok=True)
    found = run(arguments, folder)
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
    if arguments.out is not None:
        write(found, arguments.out)


if __name__ == "__main__":
    main()
