"""A light load generator: kept HTTP/1.1 connections, one request under way on each, nothing parsed but the length."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final, TypeAlias, cast

Requests: TypeAlias = Callable[[int], bytes]
"""The bytes of a request by its number."""
_LENGTH: Final = b"content-length: "
_HEAD_END: Final = b"\r\n\r\n"
_DONE: Final = (b"200", b"201")


class _Line(asyncio.Protocol):
    """One connection: sends the next request when the answer to the last one is whole."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._wanted = 0
        self._taken = b""
        self._begun = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)
        self._next()

    def _next(self) -> None:
        now = time.perf_counter()
        if self._transport is None or now >= self._load.deadline:
            self._load.ended(self)
            return
        self._taken, self._wanted, self._begun = b"", 0, now
        self._transport.write(self._load.request())

    def data_received(self, data: bytes) -> None:
        self._taken = self._taken + data if self._taken else data
        if not self._wanted:
            end = self._taken.find(_HEAD_END)
            if end < 0:
                return
            start = self._taken.find(_LENGTH) + len(_LENGTH)
            self._wanted = end + len(_HEAD_END) + int(self._taken[start : self._taken.find(b"\r", start)])
        if len(self._taken) >= self._wanted:
            self._load.times.append(time.perf_counter() - self._begun)
            self._load.failed += self._taken[9:12] not in _DONE
            self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._transport = None
        self._load.ended(self)

    def close(self) -> None:
        """Let the connection go."""
        if self._transport is not None:
            self._transport.close()


class Load:
    """So many connections kept busy for so many seconds.

    Args:
        port: of a server on this machine.
        make: the bytes of a request by its number, from 0.
    """

    def __init__(self, port: int, make: Requests) -> None:
        self.times: list[float] = []
        self.failed = 0
        self.deadline = 0.0
        self._port = port
        self._make = make
        self._number = -1
        self._going: set[_Line] = set()
        self._finished = asyncio.Event()

    def request(self) -> bytes:
        """The next request."""
        self._number += 1
        return self._make(self._number)

    def ended(self, line: _Line) -> None:
        """A connection has nothing more to do."""
        self._going.discard(line)
        if not self._going:
            self._finished.set()

    async def run(self, seconds: float, connections: int) -> dict[str, float]:
        """Requests a second, and latencies in milliseconds from the first byte sent to the last received."""
        loop = asyncio.get_running_loop()
        lines = [_Line(self) for _ in range(connections)]
        self._going = set(lines)
        started = time.perf_counter()
        self.deadline = started + seconds
        for line in lines:
            await loop.create_connection(lambda line=line: line, "127.0.0.1", self._port)  # type: ignore[misc]
        await self._finished.wait()
        spent = time.perf_counter() - started
        for line in lines:
            line.close()
        ordered = sorted(self.times)
        return {
            "per_second": round(len(ordered) / spent, 1),
            "p50_ms": _at(ordered, 0.5),
            "p99_ms": _at(ordered, 0.99),
            "max_ms": _at(ordered, 1.0),
            "requests": len(ordered),
            "failed": self.failed,
        }


def _at(ordered: list[float], share: float) -> float:
    return round(ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1000, 1) if ordered else 0.0
