"""Long runs in parts: what is done lies in a work folder, and the same question goes on where it stopped.

The folder holds the plan (``plan.json``), the fold of the members (``fold``), and the finished parts below the digest
of the plan. T, the ledger position and the release's id stand in it, so a run that is repeated without naming them
asks the same as the run that was killed. The folder says who wrote what: it is private.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow.parquet as pq

from troth.app.decisions import files_of, stamps_of
from troth.app.home import Home
from troth.core.errors import BadInput, Place, Unavailable
from troth.core.values import Use
from troth.core.written import Json
from troth.gate.addresses import is_address
from troth.intake.marks import Marks

PLAN: Final = "plan.json"
PART_ROWS: Final = 1_000_000
"""Files are taken together until a part holds so many rows."""

_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Settings:
    """How a long run is worked off: the work folder, the least rows of a part, and who is told how far it is."""

    folder: Path
    part_rows: int = PART_ROWS
    report: Callable[[Pace], None] | None = None


@dataclass(frozen=True, slots=True)
class Pace:
    """How far a run is: records of parts that are done, of how many, and how quickly this run works them off."""

    parts: int
    of_parts: int
    records: int
    of_records: int
    a_second: float

    @property
    def seconds_left(self) -> float | None:
        """At this pace; None: not known yet."""
        return (self.of_records - self.records) / self.a_second if self.a_second > 0 else None


@dataclass(frozen=True, slots=True)
class Part:
    """Some files of records, and how many rows they hold."""

    number: int
    files: tuple[Path, ...]
    rows: int


class Work:
    """The work folder of one run, locked for it."""

    def __init__(self, settings: Settings, plan: dict[str, Json], parts: list[Part]) -> None:
        self.settings = settings
        self.plan = plan
        self.parts = parts
        self.digest = hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()

    @property
    def done(self) -> Path:
        """The folder of the finished parts of this plan."""
        return self.settings.folder / self.digest[:16]

    @property
    def fold(self) -> Path:
        """The folder of the fold of the members: it may serve another plan too."""
        return self.settings.folder / "fold"

    def begin(self) -> None:
        """Write the plan down and remove what was done for another."""
        folder = self.settings.folder
        making = folder / f".{PLAN}.making"
        making.write_text(json.dumps(self.plan), encoding="utf-8")
        making.replace(folder / PLAN)
        self.done.mkdir(mode=0o700, exist_ok=True)
        for other in folder.iterdir():
            if other.is_dir() and other not in (self.done, self.fold):
                shutil.rmtree(other, ignore_errors=True)

    def run(self, is_done: Callable[[Part], bool], work: Callable[[Part], None]) -> None:
        """Work off what is not done yet, part by part, and say how far it is."""
        open_parts = [part for part in self.parts if not is_done(part)]
        records = sum(part.rows for part in self.parts)
        done = records - sum(part.rows for part in open_parts)
        started, before = time.monotonic(), done
        for left, part in zip(range(len(open_parts), 0, -1), open_parts, strict=True):
            self._tell(len(self.parts) - left, done, records, started, before)
            work(part)
            done += part.rows
        self._tell(len(self.parts), done, records, started, before)

    def _tell(self, parts: int, done: int, records: int, started: float, before: int) -> None:
        if self.settings.report is not None:
            seconds = time.monotonic() - started
            pace = (done - before) / seconds if seconds > 0 else 0.0
            self.settings.report(Pace(parts, len(self.parts), done, records, pace))

    def end(self) -> None:
        """The answer is in its place: only the fold is kept."""
        shutil.rmtree(self.done, ignore_errors=True)
        (self.settings.folder / PLAN).unlink(missing_ok=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Have a work folder for oneself, in a ``with``.

    Raises:
        Unavailable: another process works in it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise Unavailable(
            "another process works in this folder", place=Place(str(folder)), remedy="wait until it is done"
        ) from None
    finally:
        os.close(descriptor)


def question_of(
    home: Home, what: str, use: Use, source: str | Path | None, settings: Settings
) -> dict[str, Json]:
    """What of a plan the question alone says.

    Raises:
        BadInput: the records are no files of this machine.
    """
    if source is not None and is_address(str(source)):
        raise BadInput(
            "is no folder or file of this machine",
            place=Place(str(source)),
            remedy="work without --work, or on Parquet files",
        )
    return {
        "format": _FORMAT,
        "what": what,
        "purpose": use.purpose,
        "recipient": use.recipient,
        "source": None if source is None else str(source),
        "records": [list(one) for one in stamps_of(home, source)],
        "engine": home.config.engine,
        "part_rows": settings.part_rows,
    }


def begun(settings: Settings, question: dict[str, Json], asked: dict[str, Json]) -> dict[str, Json] | None:
    """The plan of a run that was stopped, if it asked the same; ``asked`` is what was named now, None: not named."""
    try:
        plan: dict[str, Json] = json.loads((settings.folder / PLAN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    same = all(plan.get(key) == value for key, value in question.items())
    named = all(plan.get(key) == value for key, value in asked.items() if value is not None)
    return plan if same and named and plan.keys() == {*question, *asked} else None


def parts_of(home: Home, source: str | Path | None, rows: int) -> list[Part]:
    """The files of records in parts of at least so many rows; a file is never cut."""
    marks = Marks(home.records_path).files() if source is None else []
    parts: list[Part] = []
    files: list[Path] = []
    held = 0
    paths: Sequence[Path] = [path for path in files_of(home, source) if path not in marks]
    for path in paths:
        files.append(path)
        held += pq.read_metadata(path).num_rows
        if held >= rows or path == paths[-1]:
            parts.append(Part(len(parts), tuple(files), held))
            files, held = [], 0
    return parts
