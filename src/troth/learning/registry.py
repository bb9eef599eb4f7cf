"""A model's folder: what it is (``model.json``), where it stands (``state.json``), its corpus and checkpoints.

``state.json`` is the one file that counts. It says which checkpoints are served, less which differences; which
withdrawals wait; and how far the work on a job has come. It is replaced by a rename, so whoever reads it sees one
state or the next. A file that it does not name is a leftover, and the next worker destroys it.

Two locks: ``state.lock`` is held for as long as the state is changed (milliseconds), ``work.lock`` by the one
process that works on the model (as long as training takes). So a withdrawal never waits for training.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from troth.core.errors import BadInput, Conflict, Corrupt, Place
from troth.core.shards import Plan
from troth.core.written import Json
from troth.learning.corpus import CORPUS_FOLDER, Files, Part

MODEL: Final = "model.json"
STATE: Final = "state.json"

CERTIFICATES: Final = "certificates"
ELSEWHERE: Final = "elsewhere"
CHECKPOINTS: Final = "checkpoints"
_HELD: Final = "held"
_FORMAT: Final = 1
_NAME: Final = re.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

Holds = Callable[[str], str | None]
"""Asked before anything is destroyed: the name of the matter that holds a model's data, or None."""


Seals = Callable[[str, Path], None]
"""Told what a matter keeps, after it left its place: seals it and takes away what can be read."""


def held_by_nobody(_model: str) -> None:
    """There is no legal hold."""


def check_name(text: str) -> str:
    """The name of a model: up to 64 letters, digits, dots, dashes and underscores.

    Raises:
        BadInput: not of that shape.
    """
    if not _NAME.fullmatch(text):
        raise BadInput(
            f"expected a name of letters, digits, dots, dashes and underscores, got {text!r}",
            remedy="name the model like autocomplete-1",
        )
    return text


@dataclass(frozen=True, slots=True)
class Source:
    """A release that a model was trained from; ``path`` is where it was then."""

    release: str
    manifest: str
    purpose: str
    recipient: str
    path: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What a model is; never changes. ``weights``: of a model trained elsewhere, their SHA-256 where known."""

    name: str
    backend: str
    configuration: dict[str, Json]
    plan: dict[str, Json]
    frozen: str | None
    releases: list[Source]
    created_at: int
    records: int = 0
    size: int = 0
    weights: str | None = None
    note: str | None = None

    @property
    def is_elsewhere(self) -> bool:
        """Whether it was trained elsewhere and is only registered here."""
        return self.backend == ELSEWHERE

    def the_plan(self) -> Plan:
        """The plan; of a model trained elsewhere just its key is of use, for the index of members."""
        return read_plan(self.plan)


def read_plan(written: dict[str, Any]) -> Plan:
    """The plan of its JSON form."""
    return Plan(bytes.fromhex(written["key"]), written["shards"], written["slices"], written["classes"])


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint of a part: its folder in the model's, and its digest."""

    shard: int
    slice: int
    path: str
    digest: str

    @property
    def part(self) -> Part:
        """Shard and slice."""
        return self.shard, self.slice


@dataclass(frozen=True, slots=True)
class Difference:
    """What is taken off what is served, until the job of that number has redone it (None: none has begun)."""

    path: str
    job: int | None = None


@dataclass(slots=True)
class Withdrawn:
    """Withdrawals that serving honours already: positions in the ledger, rows, and when (microseconds UTC)."""

    positions: list[int]
    rows: list[int]
    received: int
    clean: int


@dataclass(slots=True)
class Redone:
    """A part that a job has trained."""

    checkpoint: Checkpoint
    records: int
    root: str
    starts_from: str | None
    before: str | None


@dataclass(slots=True)
class Job:
    """The work on a model, step by step; everything here is done and durable."""

    number: int
    kind: str
    started: int
    withdrawals: list[Withdrawn] = field(default_factory=list)
    parts: list[tuple[int, int]] = field(default_factory=list)
    done: list[Redone] = field(default_factory=list)
    compared: bool = False
    replaced: int | None = None
    digest: str | None = None
    digest_before: str | None = None
    old: list[list[str]] = field(default_factory=list)
    forgotten: int | None = None
    destroyed: list[list[str]] | None = None
    held: list[str] = field(default_factory=list)
    statement: str | None = None

    def name_of(self, part: Part) -> str:
        """What the checkpoint of a part is called in the model's folder."""
        return f"{CHECKPOINTS}/{part[0]:04}-{part[1]:03}-{self.number}"

    @property
    def rows(self) -> list[int]:
        """The rows that the job takes out."""
        return sorted({row for one in self.withdrawals for row in one.rows})

    @property
    def step(self) -> str:
        """What comes next."""
        if len(self.done) < len(self.parts):
            return "train" if self.kind == "training" else "redo"
        if not self.compared:
            return "compare"
        if self.replaced is None:
            return "swap"
        if self.forgotten is None:
            return "forget"
        if self.destroyed is None:
            return "destroy"
        return "certify" if self.kind != "training" else "record"


@dataclass(slots=True)
class State:
    """Where a model stands.

    ``honoured``: the ledger's entries before this position were looked at. ``retired``: checkpoints that are not
    served any more, because what a member took back stands in them, and that wait to be destroyed.
    """

    honoured: int
    files: int = 0
    corpus: int = 0
    jobs: int = 0
    serving: list[Checkpoint] = field(default_factory=list)
    retired: list[Checkpoint] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    pending: list[Withdrawn] = field(default_factory=list)
    job: Job | None = None
    certificates: list[str] = field(default_factory=list)
    entry: int | None = None
    training: str | None = None

    def new_difference(self) -> str:
        """A name in the model's folder that was never used."""
        self.files += 1
        return f"{CHECKPOINTS}/less-{self.files}"

    @property
    def waiting(self) -> list[Withdrawn]:
        """The withdrawals that serving honours and that no finished job has: of the job, then pending."""
        return [*(self.job.withdrawals if self.job else ()), *self.pending]


class ModelFolder:
    """The folder of a model."""

    def __init__(self, path: Path, holds: Holds = held_by_nobody, seals: Seals | None = None) -> None:
        self.path = path
        self.holds = holds
        self.seals = seals
        self.facts = _read_facts(path / MODEL)

    # state

    def state(self) -> State:
        """Where the model stands now."""
        return _read_state(self.path / STATE)

    @contextmanager
    def changing(self) -> Iterator[State]:
        """The state, to be changed: it is replaced at the end, unless the block raises."""
        with self._lock("state.lock", wait=True):
            state = self.state()
            yield state
            save(self.path, state)

    @contextmanager
    def still(self) -> Iterator[State]:
        """The state, which nobody replaces in this block: what it names stays where it is."""
        with self._lock("state.lock", wait=True):
            yield self.state()

    @contextmanager
    def working(self) -> Iterator[None]:
        """Be the one that works on the model.

        Raises:
            Conflict: another process is.
        """
        with self._lock("work.lock", wait=False):
            yield

    @contextmanager
    def _lock(self, name: str, *, wait: bool) -> Iterator[None]:
        descriptor = os.open(self.path / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            yield
        except BlockingIOError:
            raise Conflict(
                f"another process works on the model {self.facts.name}",
                place=Place(str(self.path)),
                remedy="wait for it; withdrawals are honoured meanwhile",
            ) from None
        finally:
            os.close(descriptor)

    # files

    def files_of(self, state: State) -> Files:
        """The files of the corpus."""
        return Files.version(state.corpus)

    def making(self, name: str) -> Path:
        """An empty folder for what shall be called ``name``; leftovers of an earlier try are removed."""
        path = self.path / f"{name}.making"
        for leftover in (path, self.path / name):
            shutil.rmtree(leftover, ignore_errors=True)
        path.mkdir(parents=True, mode=0o700)
        return path

    def keep(self, making: Path) -> None:
        """Make all files of a folder durable and give it its name."""
        sync_tree(making)
        making.rename(making.with_suffix(""))
        sync_folder(making.parent)

    def destroy(self, name: str) -> bool:
        """Destroy a file or folder of the model, unless a legal hold keeps it: the one way in which things go.

        What is held leaves its place too, and is never served. Returns whether it was destroyed. May be repeated.

        Raises:
            Conflict: it is there still.
        """
        path = self.path / name
        matter = self.holds(self.facts.name)
        if matter is not None:
            kept = self.path / _HELD / name.replace("/", "~")
            if path.exists():
                kept.parent.mkdir(mode=0o700, exist_ok=True)
                path.rename(kept)
                sync_folder(kept.parent)
                sync_folder(path.parent)
            self._seal(kept)
            return False
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        if path.parent.is_dir():
            sync_folder(path.parent)
        if os.path.lexists(path):
            raise Conflict("could not be removed", place=Place(str(path)), remedy="check the permissions")
        return True

    def hold_text(self, number: int, texts: Iterable[bytes]) -> None:
        """Before texts are overwritten: keep them out of serving, if a legal hold keeps the model's data."""
        if self.holds(self.facts.name) is not None:
            folder = self.path / _HELD
            folder.mkdir(mode=0o700, exist_ok=True)
            path = folder / f"text-{number}.bin"
            if not path.exists():
                write_durably(path, b"\n".join(texts))
            self._seal(path)

    def _seal(self, kept: Path) -> None:
        if self.seals is not None and kept.exists():
            self.seals(self.facts.name, kept)

    def sweep(self) -> None:
        """Destroy what the state does not name; for the one that works on the model."""
        with self._lock("state.lock", wait=True):
            state = self.state()
            named = {one.path for one in (*state.serving, *state.retired)}
            named |= {one.path for one in state.differences}
            if state.job is not None:
                named |= {one.checkpoint.path for one in state.job.done}
                named |= {path for path, _ in state.job.old}
            named |= {f"{CORPUS_FOLDER}/{name}" for name in self.files_of(state).names}
            for folder in (CHECKPOINTS, CORPUS_FOLDER):
                for path in sorted((self.path / folder).glob("*")):
                    if f"{folder}/{path.name}" not in named:
                        self.destroy(f"{folder}/{path.name}")


# reading and writing


def write_json(path: Path, value: object) -> None:
    """Replace a file, durably."""
    write_durably(path, json.dumps(value, sort_keys=True, indent=1).encode() + b"\n")


def write_durably(path: Path, data: bytes) -> None:
    """Replace a file by one with other content: the old one is there, or the new one, whole."""
    temporary = path.with_name(f"{path.name}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


def save(folder: Path, state: State) -> None:
    """Replace the state: the one point at which a model goes from one step to the next."""
    write_json(folder / STATE, {"format": _FORMAT, **asdict(state)})


def write_facts(folder: Path, facts: Facts) -> None:
    """Write what a model is."""
    write_json(folder / MODEL, {"format": _FORMAT, **asdict(facts)})


def sync_folder(path: Path) -> None:
    """Have the disk keep the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Have the disk keep a file."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_tree(path: Path) -> None:
    """Remove a folder that nothing refers to."""
    shutil.rmtree(path, ignore_errors=True)


def sync_tree(path: Path) -> None:
    """Have the disk keep all files in a folder."""
    for top, _, names in os.walk(path):
        for name in names:
            sync_file(Path(top) / name)
        sync_folder(Path(top))


def _loaded(path: Path) -> dict[str, Any]:
    try:
        value: dict[str, Any] = json.loads(path.read_bytes())
        version = value.pop("format")
    except FileNotFoundError:
        raise BadInput(
            "is no model", place=Place(str(path.parent)), remedy="list them with `troth models`"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _corrupt(path, error) from None
    if version != _FORMAT:
        raise BadInput(
            f"this model is of format {version}; this Troth knows {_FORMAT}",
            place=Place(str(path)),
            remedy="use a newer Troth",
        )
    return value


def _read_facts(path: Path) -> Facts:
    value = _loaded(path)
    try:
        return Facts(**{**value, "releases": [Source(**one) for one in value["releases"]]})
    except (KeyError, TypeError) as error:
        raise _corrupt(path, error) from None


def _read_state(path: Path) -> State:
    value = _loaded(path)
    try:
        job = value["job"]
        if job is not None:
            done = [Redone(**{**one, "checkpoint": Checkpoint(**one["checkpoint"])}) for one in job["done"]]
            waits = [Withdrawn(**one) for one in job["withdrawals"]]
            parts = [(shard, slice_) for shard, slice_ in job["parts"]]
            job = Job(**{**job, "done": done, "withdrawals": waits, "parts": parts})
        return State(
            **{
                **value,
                "serving": [Checkpoint(**one) for one in value["serving"]],
                "retired": [Checkpoint(**one) for one in value["retired"]],
                "differences": [Difference(**one) for one in value["differences"]],
                "pending": [Withdrawn(**one) for one in value["pending"]],
                "job": job,
            }
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _corrupt(path, error) from None


def _corrupt(path: Path, error: Exception) -> Corrupt:
    return Corrupt(
        f"cannot be read ({type(error).__name__})",
        place=Place(str(path)),
        remedy="restore the model from a backup, or train it anew",
    )
