"""One fault in one system call of appending and publishing, and what must hold afterwards."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

from tests.crash.afterwards import acknowledged
from tests.crash.publisher import BATCH
from tests.support import ROOT
from tests.unit.ledger.logs import cosigners, damage, ledger_of, objections, tilelog, witness
from troth.core.merkle import leaf_hash, root
from troth.ledger.store import Ledger

# Everything that changes what is on the disk. (Reads are met too: openat, and pread64 of the store.)
CALLS = (
    "openat", "write", "pwrite64", "fsync", "fdatasync", "ftruncate", "mkdir", "link", "linkat", "rename",
    "renameat", "unlink", "unlinkat", "flock", "close",
)  # fmt: skip
FAULTS = ("error=EIO", "error=ENOSPC", "signal=KILL")
APPENDS = 2
START = 254
"""Entries beforehand: the first tile becomes full on the way."""


def prepare(folder: Path) -> None:
    """A published ledger with a witness."""
    folder.mkdir()
    with ledger_of(folder / "l.sqlite3", START) as ledger, witness(folder) as one:
        tilelog(folder).publish(ledger, cosigners(one))


def run_traced(folder: Path, fault: str | None = None) -> tuple[subprocess.CompletedProcess[str], Path]:
    """The publisher under strace, which injects a fault into calls on files below the folder."""
    trace = folder.parent / f"{folder.name}.trace"
    command = ["strace", "-f", "-y", "-o", str(trace), "-e", f"trace={','.join(CALLS)}"]
    if fault is not None:
        command += ["-e", f"inject={fault}"]
    command += [sys.executable, "-m", "tests.crash.publisher", str(folder), str(APPENDS)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT), trace


def places(trace: Path, folder: Path) -> dict[str, list[int]]:
    """For each call, which of its occurrences (from 1) touch the folder."""
    seen: Counter[str] = Counter()
    found: dict[str, list[int]] = {}
    for line in trace.read_text().splitlines():
        name = line.split(maxsplit=1)[1].partition("(")[0]
        if name in CALLS:
            seen[name] += 1
            if str(folder) in line:
                found.setdefault(name, []).append(seen[name])
    return found


def judge(folder: Path, ran: subprocess.CompletedProcess[str]) -> str:
    """Nothing acknowledged or published is lost, nothing is damaged, and life goes on. Returns the last line."""
    assert "Traceback" not in ran.stderr, ran.stderr
    promised = acknowledged(ran.stdout)
    shown = [line.split()[1:] for line in ran.stdout.splitlines() if line.startswith("published")]
    log = tilelog(folder)
    with Ledger.write(folder / "l.sqlite3") as ledger, witness(folder) as one:
        ledger.free_space_floor = 0
        assert ledger.check() == []
        assert (ledger.size - START) % BATCH == 0
        there = {each.position: each.entry.commitment.hex() for each in ledger.entries(START)}
        assert [position for position in promised if there.get(position) != promised[position]] == []
        # Even before anything is repaired: no published file is wrong, none that was announced is missing.
        assert damage(log, ledger) == []
        published = log.published()
        assert published is not None
        leaves = [leaf_hash(each.text()) for each in ledger.public(0, ledger.size)]
        for size, announced in shown:
            assert published.checkpoint.size >= int(size)
            assert root(leaves[: int(size)]).hex() == announced
        log.check_writable(ledger.size)
        ledger.append(objections(BATCH))
        assert log.publish(ledger, cosigners(one)).checkpoint.size == ledger.size
        assert damage(log, ledger) == []
    return ran.stdout.splitlines()[-1] if ran.stdout else "nothing"
