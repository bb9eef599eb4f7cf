"""Records into a home: mail, tables, and every kind of export that there is an importer for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from troth.app.home import Home
from troth.app.topics import keep_up
from troth.intake.importing import Intake
from troth.intake.kinds import Job, importer_of
from troth.intake.mail import DEFAULT_CATEGORY, import_mail
from troth.intake.records import RecordStore
from troth.intake.report import ImportReport
from troth.intake.rows import Item
from troth.intake.tables import import_table
from troth.ledger.store import clock

Progress = Callable[[int, int | None], None]


def _unheard(_done: int, _total: int | None) -> None:
    """Progress that nobody follows."""


def intake_of(home: Home, *, dry_run: bool = False, progress: Progress = _unheard) -> Intake:
    """Where this home's records go."""
    return Intake(RecordStore(home.records_path), home.rejects_path, clock(), dry_run, progress)


def take(home: Home, items: Iterable[Item]) -> ImportReport:
    """Import what a reader of ours hands out; see ``troth.intake.importing.Intake.take``."""
    with _kept_up(home, dry_run=False):
        return intake_of(home).take(items)


def mail(
    home: Home,
    paths: Sequence[Path],
    *,
    category: str = DEFAULT_CATEGORY,
    dry_run: bool = False,
    progress: Progress = _unheard,
) -> ImportReport:
    """Import mail; see ``troth.intake.mail.import_mail``."""
    with _kept_up(home, dry_run=dry_run):
        return import_mail(intake_of(home, dry_run=dry_run, progress=progress), paths, category=category)


def tables(
    home: Home,
    paths: Sequence[Path],
    *,
    mapping: Path | None = None,
    dry_run: bool = False,
    progress: Progress = _unheard,
) -> ImportReport:
    """Import tables; see ``troth.intake.tables.import_table``."""
    with _kept_up(home, dry_run=dry_run):
        return import_table(intake_of(home, dry_run=dry_run, progress=progress), paths, mapping=mapping)


def export(
    home: Home,
    kind: str,
    paths: Sequence[Path],
    *,
    dry_run: bool = False,
    progress: Progress = _unheard,
) -> ImportReport:
    """Import an export by the importer of its kind; see ``troth.intake.kinds``.

    Raises:
        BadInput: there is no such importer, or a path is no such export.
        DamagedInput: a source was damaged; what could be read is stored and counted.
    """
    intake = intake_of(home, dry_run=dry_run, progress=progress)
    importer = importer_of(kind)
    with _kept_up(home, dry_run=dry_run):
        return intake.take(importer.items(Job(tuple(paths), intake.now, progress)))


@contextmanager
def _kept_up(home: Home, *, dry_run: bool) -> Iterator[None]:
    """Look for the topics that this home asked for in what an import brings, also where it ends in damage."""
    try:
        yield
    finally:
        if not dry_run:
            keep_up(home)


def arrow(home: Home, table: pa.Table) -> ImportReport:
    """Import an Arrow table that has the record columns.

    It takes the way of a Parquet file, so that there is one reader to trust.
    """
    path = home.path / f".import-{clock()}.parquet"
    try:
        pq.write_table(table, path)
        path.chmod(0o600)
        return tables(home, [path])
    finally:
        path.unlink(missing_ok=True)
