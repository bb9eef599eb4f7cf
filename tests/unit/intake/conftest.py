"""A record store in a temporary folder, and imports into it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pytest

from troth.core.values import parse_instant
from troth.intake.importing import Intake
from troth.intake.kinds import Importer, Job
from troth.intake.mail import import_mail
from troth.intake.records import RecordStore
from troth.intake.report import ImportReport
from troth.intake.sources import Progress, silent
from troth.intake.tables import import_table

NOW = parse_instant("2026-06-01")


@dataclass
class Desk:
    """Somebody who imports files into a store of their own."""

    folder: Path
    draws: int = 0
    store: RecordStore = field(init=False)

    def __post_init__(self) -> None:
        self.store = RecordStore(self.folder / "records")

    @property
    def rejects_folder(self) -> Path:
        return self.folder / "rejects"

    def draw(self, count: int) -> bytes:
        self.draws += 1
        return self.draws.to_bytes(count, "big")

    def intake(self, *, dry_run: bool = False, progress: Progress = silent) -> Intake:
        return Intake(self.store, self.rejects_folder, NOW, dry_run, progress, self.draw)

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = content.encode() if isinstance(content, str) else content
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return path

    def mail(self, *contents: str | bytes, name: str = "box.mbox", **options: int | str) -> ImportReport:
        paths = [self.write(f"{index}-{name}", content) for index, content in enumerate(contents)]
        return import_mail(self.intake(), paths, **options)  # type: ignore[arg-type]

    def table(self, name: str, content: str | bytes, mapping: str | None = None) -> ImportReport:
        path = self.write(name, content)
        how = None if mapping is None else self.write("mapping.yaml", mapping)
        return import_table(self.intake(), [path], mapping=how)

    def export(self, importer: Importer, *paths: Path, dry_run: bool = False) -> ImportReport:
        intake = self.intake(dry_run=dry_run)
        return intake.take(importer.items(Job(paths, NOW)))

    def rows(self) -> list[dict[str, object]]:
        """The stored records, in the order of their ids."""
        paths = [str(path) for path in self.store.paths()]
        if not paths:
            return []
        found = duckdb.execute("FROM read_parquet($1) ORDER BY id", [paths])
        names = [one[0] for one in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def values(self, column: str) -> list[object]:
        return [row[column] for row in self.rows()]

    def rejects(self, report: ImportReport) -> list[dict[str, object]]:
        if report.rejects_file is None:
            return []
        return [json.loads(line) for line in report.rejects_file.read_text().splitlines()]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


Counted = Callable[[ImportReport], tuple[int, int, int, int]]


@pytest.fixture
def counts() -> Counted:
    """(read, imported, duplicates, rejected) of a report."""
    return lambda report: (report.read, report.imported, report.duplicates, report.rejected)
