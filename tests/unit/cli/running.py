"""Running `troth`: in this process where only the answer counts, in one of its own where processes matter."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from troth.cli.main import main

PROGRAM = (sys.executable, "-c", "from troth.cli.main import main; main()")


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command answered."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as the one JSON document that it has to be."""
        return json.loads(self.out)


def troth(*arguments: object, home: Path | str | None = None) -> Ran:
    """Run a command as `troth` does, with its real exit status; an error that it lets through fails the test."""
    argv = ["troth", *(() if home is None else ("--home", str(home))), *map(str, arguments)]
    out, err = io.StringIO(), io.StringIO()
    status: object = "main returned"
    with patch.object(sys, "argv", argv), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as stop:
            status = stop.code
    assert isinstance(status, int), status
    return Ran(status, out.getvalue(), err.getvalue())


def done(*arguments: object, home: Path | str | None = None) -> Ran:
    """Run a command that has to succeed."""
    ran = troth(*arguments, home=home)
    assert ran.status == 0, ran.err
    return ran


def refused(
    *arguments: object, home: Path | str | None = None, status: int = 2, place: object = None, says: str = ""
) -> Ran:
    """Run a command that has to fail, properly: on standard error alone, with the place and what is wrong."""
    ran = troth(*arguments, home=home)
    assert ran.status == status, (ran.out, ran.err)
    check_error(ran, place=place, says=says)
    return ran


def check_error(ran: Ran, *, place: object = None, says: str = "") -> None:
    """An error text is a message with its place, and a remedy or an expectation; nothing else was printed."""
    assert ran.out == ""
    assert "Traceback" not in ran.err
    assert ran.err.startswith("troth: "), ran.err
    if place is not None:
        assert f"{place}: " in ran.err, ran.err
    assert says in ran.err, ran.err


def ran_apart(*arguments: object, home: Path | str, environment: dict[str, str] | None = None) -> Ran:
    """Run a command in a process of its own."""
    ran = subprocess.run(
        [*PROGRAM, "--home", str(home), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, **(environment or {})},
    )
    return Ran(ran.returncode, ran.stdout, ran.stderr)


def snapshot(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Every file below a folder with mode, time of change and content; the locks that reading takes aside."""
    return {
        path.relative_to(folder).as_posix(): (
            path.stat().st_mode,
            path.stat().st_mtime_ns if path.is_file() else 0,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in sorted(folder.rglob("*"))
        if not path.name.endswith(("-shm", "-wal", ".lock"))
    }
