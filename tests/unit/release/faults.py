"""Seals with one system call failing, or the process dying at it; what is left is looked at afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path

from tests.unit.release.conftest import SIGNER
from troth.release.check import verify_release
from troth.release.folder import unfinished

STEPS = ("open", "write", "fsync", "mkdir", "rename")
FAULTS = ("kill before", "kill after", "error")

KILLED = textwrap.dedent(
    """
    import os, sys
    from pathlib import Path
    from tests.unit.release.conftest import SIGNER, RELEASE, facts, nothing, records
    from troth.release.seal import seal

    step, number, out, how = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
    table = records(20)
    import pyarrow.parquet, troth.release.part  # everything is loaded before steps are counted
    real, seen = getattr(os, step), 0

    def counted(*args, **kwargs):
        global seen
        seen += 1
        if seen == number and how == "kill before":
            os._exit(9)
        if seen == number and how == "error":
            raise OSError(5, "Input/output error")
        answer = real(*args, **kwargs)
        if seen == number and how == "kill after":
            os._exit(9)
        return answer

    setattr(os, step, counted)
    try:
        seal(table.to_batches(), RELEASE, lambda: facts(20), SIGNER, out, nothing)
    except Exception as error:
        print(type(error).__name__)
        os._exit(3)
    os._exit(0 if seen < number else 4)
    """
)


def sweep(step: str, how: str, numbers: Iterable[int], folder: Path) -> int:
    """Let the n-th call of ``os.STEP`` fail, for each n; how many did. Ends where there is no such call any more.

    Whatever happened: a release that verifies, or nothing but an unfinished folder, which the next build removes.
    """
    faults = 0
    for number in numbers:
        out = folder / f"{number}" / "sealed"
        done = subprocess.run(
            [sys.executable, "-c", KILLED, step, str(number), str(out), how],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": f"src{os.pathsep}."},
        )
        if done.returncode == 0:
            break
        assert done.returncode in (3, 4, 9), done.stderr
        faults += 1
        if out.exists():
            assert verify_release(out, [SIGNER.public_key]).ok
        left = set(out.parent.iterdir()) if out.parent.exists() else set()
        assert left <= {out, unfinished(out)}
    return faults
