"""What an import did: its report, and the file that names every item that could not be read."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeAlias

from troth.core.values import format_instant
from troth.intake.parts import storage_errors, sync_folder
from troth.intake.rows import Where

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | None"

_NAME_TRIES: Final = 1000


@dataclass(slots=True)
class ImportReport:
    """Every item that an import read, in exactly one of its counts.

    ``reasons`` counts the rejected items by reason; ``notes`` are facts about items that are counted above
    (a date that could not be read, say), duplicates included.
    """

    imported: int = 0
    duplicates: int = 0
    rejected: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    rejects_file: Path | None = None
    reasons: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)

    @property
    def read(self) -> int:
        """The number of items that were read: the sum of all counts."""
        return self.imported + self.duplicates + self.rejected + self.left_out.total()

    def as_json(self) -> dict[str, Json]:
        """The form of ``troth import --json`` (interface.md, "JSON that others build on")."""
        return {
            "read": self.read,
            "imported": self.imported,
            "duplicates": self.duplicates,
            "rejected": self.rejected,
            "left_out": dict(sorted(self.left_out.items())),
            "rejects_file": None if self.rejects_file is None else str(self.rejects_file),
        }


class RejectsFile:
    """JSON lines that name the rejected items of one import: place and reason, never what stood there.

    The file is made with the first reject, readable by its owner alone; each line is handed to the system at
    once, so that the file is right also when the import is killed. With ``folder`` None nothing is written.
    """

    def __init__(self, folder: Path | None, now: int) -> None:
        self.path: Path | None = None
        self._folder = folder
        self._now = now
        self._descriptor: int | None = None

    def write(self, where: Where, reason: str) -> None:
        """Add one item.

        Raises:
            Unavailable: storage failed.
        """
        if self._folder is None:
            return
        line = json.dumps(where.as_json() | {"reason": reason}, ensure_ascii=True) + "\n"
        with storage_errors(self._folder):
            if self._descriptor is None:
                self._descriptor = self._create(self._folder)
            data = line.encode("ascii")
            while data:
                data = data[os.write(self._descriptor, data) :]

    def _create(self, folder: Path) -> int:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        stem = format_instant(self._now // 1_000_000 * 1_000_000).replace("-", "").replace(":", "")
        for number in range(1, _NAME_TRIES):
            path = folder / (f"rejects-{stem}.jsonl" if number == 1 else f"rejects-{stem}-{number}.jsonl")
            try:
                descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
            except FileExistsError:
                continue
            self.path = path
            sync_folder(folder)
            return descriptor
        raise FileExistsError(f"{_NAME_TRIES} rejects files of one second are there already")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor is not None and self._folder is not None:
            with storage_errors(self._folder):
                try:
                    os.fsync(self._descriptor)
                finally:
                    os.close(self._descriptor)
                    self._descriptor = None
