"""Every call of the file system that some work makes fails once, before and after it took effect, or is the last.

A process with everything loaded forks one child for each fault, so that a sweep takes seconds. The faults come from
``shim.c``, which is loaded in front of the C library: SQLite and Python both go through it.

``python -m tests.crash.sweeping WORK``: reads faults from stdin, a JSON object a line, answers one each.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support import ROOT, require

CALLS = (
    "open", "close", "write", "pwrite", "read", "pread", "fsync", "fdatasync", "ftruncate", "mkdir", "link",
    "rename", "unlink", "chmod",
)  # fmt: skip
FAULTS = ("EIO before", "EIO after", "KILL before", "KILL after", "ENOSPC before")
"""What happens at the call; before or after it took effect. In the order of the shim's numbers."""


@dataclass(frozen=True)
class Ran:
    """What a child with one fault did: its exit status (below 0: the signal), output, and how many calls it made."""

    status: int
    stdout: str
    stderr: str
    met: int


class Sweeper:
    """A process that does some work in children, each with one fault."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, folder: Path, call: str, number: int, how: str = FAULTS[0]) -> Ran:
        """Work in the folder with the n-th call failing; 0: none fails, all are counted."""
        asked = {"folder": str(folder), "call": call, "number": number, "how": FAULTS.index(how)}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return Ran(**json.loads(self._process.stdout.readline()))


@contextmanager
def sweeper(work: str, folder: Path) -> Iterator[Sweeper]:
    """A process for some work, under the shim that is built here."""
    require(shutil.which("gcc") is not None, "gcc")
    shim = folder / "shim.so"
    subprocess.run(
        ["gcc", "-O1", "-shared", "-fPIC", "-o", str(shim), str(Path(__file__).with_name("shim.c")), "-ldl"],
        check=True,
    )
    with subprocess.Popen(
        [sys.executable, "-m", "tests.crash.sweeping", work],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "LD_PRELOAD": str(shim)},
    ) as process:
        try:
            yield Sweeper(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()


# within the process


def _publish(folder: Path) -> None:
    from tests.crash.publisher import main

    main(str(folder), "2")


def _seal(folder: Path) -> None:
    from tests.unit.release.conftest import RELEASE, SIGNER, facts, nothing, records
    from troth.release.seal import seal

    try:
        seal(records(20).to_batches(), RELEASE, lambda: facts(20), SIGNER, folder / "sealed", nothing)
    except Exception as error:  # noqa: BLE001 - what it is, the judge sees
        print(f"refused {type(error).__name__}", flush=True)  # noqa: T201
    else:
        print("sealed", flush=True)  # noqa: T201


WORKS: dict[str, Callable[[Path], None]] = {"publish": _publish, "seal": _seal}


def _child(work: str, asked: dict[str, Any], out: int, err: int, met: int) -> None:
    os.dup2(out, 1)
    os.dup2(err, 2)
    library = ctypes.CDLL(None)
    # The folder's own path ends with a slash: its sisters are not meant.
    below = f"{asked['folder']}/".encode()
    library.troth_fault(below, asked["call"].encode(), ctypes.c_long(asked["number"]), asked["how"])
    try:
        WORKS[work](Path(asked["folder"]))
    except BaseException:  # noqa: BLE001 - shown to the judge
        import traceback

        traceback.print_exc()
    sys.stdout.flush()
    library.troth_met.restype = ctypes.c_long
    os.write(met, str(library.troth_met()).encode())
    os._exit(0)


def _fork(work: str, asked: dict[str, Any]) -> Ran:
    pipes = [os.memfd_create(name) for name in ("out", "err", "met")]
    child = os.fork()
    if child == 0:
        _child(work, asked, *pipes)
    _, status = os.waitpid(child, 0)
    texts = []
    for one in pipes:
        texts.append(os.pread(one, 1 << 20, 0).decode())
        os.close(one)
    return Ran(os.waitstatus_to_exitcode(status), texts[0], texts[1], int(texts[2] or 0))


def main(work: str) -> None:
    """Answer faults until stdin ends."""
    # Everything is loaded before the first child.
    import pyarrow.parquet

    import tests.crash.publisher
    import tests.unit.release.conftest
    import troth.release.part

    del pyarrow, tests, troth
    for line in sys.stdin:
        found = _fork(work, json.loads(line))
        print(json.dumps(found.__dict__), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1])
