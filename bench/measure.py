"""Measuring: each step in a process of its own, so that its peak memory is its own."""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any


def machine() -> dict[str, Any]:
    """What the machine and its engine are."""
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "processor": _processor(),
        "python": platform.python_version(),
        "duckdb": version("duckdb"),
        "ibis": version("ibis-framework"),
        "load_before": round(os.getloadavg()[0], 2),
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123 - not a file of ours
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()


def timed(act: Callable[[], Any], times: int = 1) -> tuple[list[float], Any]:
    """Run something so many times: the seconds of each, and the last answer."""
    seconds, answer = [], None
    for _ in range(times):
        started = time.monotonic()
        answer = act()
        seconds.append(time.monotonic() - started)
    return seconds, answer


def cpu_seconds() -> float:
    """The processor time of this process and its threads so far: what a shared machine distorts less than wall time."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def cpu_timed(act: Callable[[], Any]) -> tuple[float, float, Any]:
    """Run something: wall seconds, processor seconds, and its answer."""
    before = cpu_seconds()
    (wall,), answer = timed(act)
    return wall, cpu_seconds() - before, answer


def median(seconds: list[float]) -> float:
    """The middle of several times."""
    return statistics.median(seconds)


def peak_gib() -> float:
    """The peak memory of this process and of its children so far, in GiB."""
    pages = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(pages) / 2**20


def in_process(module: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON values
    """Run ``python -m module`` with JSON arguments and take its last line as JSON."""
    done = subprocess.run(  # noqa: S603 - our own modules
        [sys.executable, "-m", module, json.dumps(arguments)], stdout=subprocess.PIPE, check=True, text=True
    )
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer
