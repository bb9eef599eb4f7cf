"""What a model backend implements, and what it is handed.

Training is a pure function of what a ``Work`` holds: the retained records of one slice, the plan, the
configuration, and the checkpoint before it. A backend looks at nothing else: no clock, no environment, no other
slice. Whatever it would like to learn from the data beforehand (a tokenizer, a threshold, a balance) is fixed in
the configuration, since it would tell of records that are gone.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Protocol

from troth.core import shards
from troth.core.shards import Plan
from troth.core.written import Json


class Records(Protocol):
    """The retained records of one slice, in an order without meaning; see ``Work.order``."""

    @property
    def ids(self) -> Sequence[str]:
        """The ids of the records."""
        ...

    def __len__(self) -> int: ...

    def text(self, at: int) -> bytes:
        """The text of a record: title, a line break and body, in UTF-8; an empty title leaves the body alone."""
        ...


@dataclass(frozen=True, slots=True)
class Work:
    """One slice of one shard, to be trained.

    Attributes:
        plan: the plan of the model.
        shard: which shard, from 0.
        slice: which slice of it, from 0.
        records: what to learn from; may be empty: also then a checkpoint is written.
        configuration: as ``Backend.configure`` gave it.
        before: the checkpoint of the slice before this one, of a backend that ``continues``; else None.
        out: an empty folder for the checkpoint. Plain files go there; the caller makes them durable.
        report: told (done, total) of whatever the backend counts.
        check: to be called now and then, such as before each epoch; raises to stop.
    """

    plan: Plan
    shard: int
    slice: int
    records: Records
    configuration: Mapping[str, Json]
    before: Path | None
    out: Path
    report: Callable[[int, int | None], None]
    check: Callable[[], None]

    def seed(self, epoch: int = 0) -> bytes:
        """The seed of an epoch, 32 bytes."""
        return shards.seed(self.plan, self.shard, self.slice, epoch)

    def order(self, epoch: int = 0) -> list[int]:
        """The places of the records in the order in which an epoch takes them."""
        return shards.in_order(self.seed(epoch), self.records.ids)


class Model(Protocol):
    """A model that is open for use."""

    def generate(self, prompt: str, *, length: int, seed: int, temperature: float) -> str:
        """Text that goes on from a prompt, without the prompt; the same for the same seed."""
        ...

    def bits_per_byte(self, texts: Iterator[bytes]) -> float:
        """Cross-entropy on texts, in bits for each byte of UTF-8; perplexity per byte is two to that power."""
        ...


class Backend(Protocol):
    """A kind of model.

    Attributes:
        name: such as ``counts``.
        continues: whether a slice goes on from the checkpoint of the slice before it. Then the slices after one
            that lost a record have to be redone too; else that slice alone.
    """

    name: str
    continues: bool

    def configure(self, options: Mapping[str, Json]) -> dict[str, Json]:
        """The whole configuration, defaults filled in, of the options that somebody gave; plain JSON.

        What the model starts from (a base's files) is named in it by digest.

        Raises:
            BadInput: an unknown option, or a value that cannot be.
        """
        ...

    def environment(self, configuration: Mapping[str, Json]) -> dict[str, Json]:
        """What a certificate says of where it was trained: ``numeric_mode``, ``hardware``, ``packages``."""
        ...

    def train(self, work: Work) -> None:
        """Train one slice and write its checkpoint to ``work.out``."""
        ...

    def digest(self, checkpoint: Path) -> str:
        """SHA-256 (hex) of what a checkpoint means: equal for equal models, whatever wrote the files.

        Raises:
            Corrupt: the checkpoint cannot be read.
        """
        ...

    def open(
        self,
        checkpoints: Mapping[int, Sequence[Path]],
        configuration: Mapping[str, Json],
        device: str = "cpu",
    ) -> Model:
        """Open the served checkpoints: by shard those of its slices, in order, as far as they are served.

        Of a backend that ``continues`` the last of a shard holds all of it. A shard that is not there serves nothing.
        """
        ...


class Subtracts(Protocol):
    """What a backend can do besides, whose models are sums over records: take records out exactly, at once."""

    def difference(self, records: Records, configuration: Mapping[str, Json], out: Path) -> None:
        """Write what the records add to a checkpoint, as a checkpoint in the empty folder ``out``."""
        ...

    def subtract(self, checkpoint: Path, differences: Sequence[Path], out: Path) -> None:
        """Write a checkpoint less the differences to the empty folder ``out``."""
        ...

    def open_less(
        self,
        checkpoints: Mapping[int, Sequence[Path]],
        differences: Sequence[Path],
        configuration: Mapping[str, Json],
    ) -> Model:
        """As ``Backend.open``, less the differences."""
        ...


def packages(*names: str) -> dict[str, Json]:
    """The version of installed packages, and one digest over all files that their wheels brought."""
    return {name: {"version": metadata.version(name), "files": wheel_digest(name)} for name in names}


@cache
def wheel_digest(name: str) -> str:
    """SHA-256 (hex) over the names and digests of a package's files, as its wheel listed them.

    What an installer adds by itself is left out, so that two machines with one wheel have one digest.
    """
    files = metadata.files(name) or []
    listed = sorted(
        f"{one} {one.hash.mode} {one.hash.value}" for one in files if one.hash and _of_wheel(str(one))
    )
    return hashlib.sha256("\n".join(listed).encode()).hexdigest()


def _of_wheel(file: str) -> bool:
    made = ("INSTALLER", "REQUESTED", "RECORD", "direct_url.json", "uv_cache.json", "uv_build.json")
    return not file.endswith((*made, ".pyc")) and not file.startswith("..")


def hardware() -> str:
    """The class of machine, such as ``x86_64 Linux``."""
    return f"{platform.machine()} {platform.system()}"
