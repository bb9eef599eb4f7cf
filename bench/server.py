"""Load on the server: durable choices and a member's page over HTTP, the load generator on the same cores.

python -m bench.server --home troth-home [--seconds 20] [--connections 64] [--members 100000]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from troth.app.api import Home
from troth.app.home import init, read_events_files
from troth.ledger.store import clock
from troth.server.passwords import hashed
from troth.server.state import State

Requests: TypeAlias = Callable[[int], bytes]
TERMS = """\
setting: g
introduced_at: 2024-01-01
defaults: [{value: on}]
---
terms: policy
kind: privacy_policy
version: "1"
published_at: 2024-01-01
effective_at: 2024-01-01
clauses:
  - {id: t, effect: permit, purposes: [train], categories: [post], recipients: [operator], condition: {setting: g},
     quote: We learn from posts unless you switch that off.}
"""
SERVE = """
import sys
from dataclasses import replace
from pathlib import Path
from troth.server.config import read_settings
from troth.server.running import run
home = Path(sys.argv[1])
settings = replace(read_settings(home), secure=False, page_rate=1e6, token_rate=1e6)
import logging
run(home, settings, "127.0.0.1", int(sys.argv[2]))
"""


def fdatasync_p50(folder: Path) -> float:
    """Milliseconds of one fdatasync of 4 KiB, the median of 50: what every durable answer waits for."""
    times = []
    with (folder / ".fsync").open("wb") as file:
        for _ in range(50):
            file.write(b"x" * 4096)
            file.flush()
            started = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - started) * 1000)
    (folder / ".fsync").unlink()
    return statistics.median(times)


def prepare(folder: Path, members: int) -> tuple[Path, str]:
    """A home with so many members, and the token and account of the load."""
    home = folder / "home"
    if not home.exists():
        made = init(home)
        (folder / "terms.yaml").write_text(TERMS)
        made.append(read_events_files([folder / "terms.yaml"]).events)
        opened = Home(made.path, made.config)
        for start in range(0, members, 20_000):
            events = [
                {
                    "subject": f"m{n:07}",
                    "since": "2020-01-01",
                    "jurisdiction": "US",
                    "tier": "basic",
                    "born": "1980",
                }
                for n in range(start, min(start + 20_000, members))
            ]
            opened.record(events)
    store = State(home / "server.sqlite3")
    token = store.add_token("bench", ["choices:write"], clock())
    if store.account("m1") is None:
        store.add_account(
            "m1", "member", clock(), password=hashed("correct horse battery"), subject="m0000001"
        )
    store.close()
    return home, token


async def exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
) -> tuple[int, bytes]:
    """One request on a kept connection: its status and body."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head[9:12])
    found = re.search(rb"content-length: (\d+)", head)
    body = await reader.readexactly(int(found[1])) if found else b""
    return status, body


async def load(port: int, seconds: float, connections: int, request: Requests) -> dict[str, float]:
    """Keep so many connections busy with what ``request(number)`` gives; requests a second and latencies in ms."""
    times: list[float] = []
    failed = 0
    deadline = time.perf_counter() + seconds

    async def one(number: int) -> None:
        nonlocal failed
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        turn = 0
        while time.perf_counter() < deadline:
            started = time.perf_counter()
            status, _ = await exchange(reader, writer, request(number * 10_000_000 + turn))
            times.append((time.perf_counter() - started) * 1000)
            failed += status not in (200, 201)
            turn += 1
        writer.close()

    started = time.perf_counter()
    await asyncio.gather(*(one(number) for number in range(connections)))
    spent = time.perf_counter() - started
    ordered = sorted(times)
    return {
        "per_second": round(len(times) / spent, 1),
        "p50_ms": round(ordered[len(ordered) // 2], 1),
        "p99_ms": round(ordered[int(len(ordered) * 0.99)], 1),
        "requests": len(times),
        "failed": failed,
    }


def choice(token: str) -> Requests:
    """Requests that record one choice each."""

    def made(number: int) -> bytes:
        choose = {
            "subject": f"m{number % 1000:07}",
            "setting": "g",
            "value": "off",
            "at": "2026-01-01T00:00:00Z",
        }
        body = json.dumps({"choose": choose}).encode()
        return (
            f"POST /api/v1/choices HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
            f"Idempotency-Key: k{number}-{time.time_ns()}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode() + body

    return made


async def sign_in(port: int) -> str:
    """The cookie of the member's session."""
    import httpx2

    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        page = (await client.get("/sign-in")).text
        found = re.search(r'visit_token" value="([^"]+)"', page)
        token = found[1] if found else ""
        fields = {"name": "m1", "password": "correct horse battery", "visit_token": token}
        answer = await client.post("/sign-in", data=fields)
        if not answer.has_redirect_location:
            raise SystemExit(f"sign-in answered {answer.status_code}")
        return client.cookies["troth"]


def page(cookie: str) -> Requests:
    """Requests for the member's first page."""
    request = f"GET /me HTTP/1.1\r\nHost: x\r\nCookie: troth={cookie}\r\n\r\n".encode()
    return lambda _number: request


def cpu_seconds(pid: int) -> float:
    """What a process has used of the processors so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure(port: int, pid: int, token: str, seconds: float, connections: int) -> dict[str, Any]:
    """Both loads, one after the other."""
    for _ in range(200):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            break
        except OSError:
            await asyncio.sleep(0.1)
    await load(port, 1, 4, choice(token))
    before = cpu_seconds(pid)
    choices = await load(port, seconds, connections, choice(token))
    choices["server_cpu_ms_each"] = round((cpu_seconds(pid) - before) * 1000 / choices["requests"], 3)
    cookie = await sign_in(port)
    await load(port, 1, 4, page(cookie))
    before = cpu_seconds(pid)
    pages = await load(port, seconds / 2, 16, page(cookie))
    pages["server_cpu_ms_each"] = round((cpu_seconds(pid) - before) * 1000 / pages["requests"], 3)
    return {"choices": choices, "pages": pages}


def main() -> None:
    """Run it and print JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--members", type=int, default=100_000)
    parser.add_argument("--port", type=int, default=8_097)
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="troth-bench-"))
    folder.mkdir(exist_ok=True)
    home, token = prepare(folder, arguments.members)
    server = subprocess.Popen(  # noqa: S603 - this project's own server
        [sys.executable, "-c", SERVE, str(home), str(arguments.port)], stderr=subprocess.DEVNULL
    )
    try:
        found = asyncio.run(
            measure(arguments.port, server.pid, token, arguments.seconds, arguments.connections)
        )
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)
    found["fdatasync_p50_ms"] = round(fdatasync_p50(folder), 2)
    found["load_average"] = os.getloadavg()
    sys.stdout.write(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
