"""Corrections: rows of a table take the place of the stored records with their ids.

Only the columns that a row has are replaced; a column that the table lacks stays as it is stored. What was deleted
is not brought back. Releases that were sealed before keep what they hold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from troth.core.errors import BadInput
from troth.core.written import Json
from troth.intake.changing import Stored, change_records, stored_records
from troth.intake.importing import Intake
from troth.intake.mapping import Mapping
from troth.intake.plain import PlainRow
from troth.intake.report import RejectsFile
from troth.intake.rows import CONTENT, Damaged, Rejected, Row, Where
from troth.intake.sources import Meter
from troth.intake.table_rows import read_row
from troth.intake.tables import open_tables

_LISTS = ("addressees", "topics")


@dataclass(slots=True)
class Corrections:
    """What corrections did: every row that was read, in exactly one of the counts."""

    corrected: int = 0
    unchanged: int = 0
    rejected: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    rejects_file: Path | None = None
    ids: list[str] = field(default_factory=list)
    columns: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Json]:
        """The JSON of ``troth records correct``."""
        return {
            "read": self.corrected + self.unchanged + self.rejected,
            "corrected": self.corrected,
            "unchanged": self.unchanged,
            "rejected": self.rejected,
            "columns": dict(sorted(self.columns.items())),
            "rejects_file": None if self.rejects_file is None else str(self.rejects_file),
        }


@dataclass(frozen=True, slots=True)
class _New:
    where: Where
    values: dict[str, object]


def correct_records(intake: Intake, paths: Sequence[Path], mapping: Path | None = None) -> Corrections:
    """Correct stored records by tables; see the module's text.

    Args:
        intake: whose store, and how (a dry run changes nothing).
        paths: tables as for ``import_table``; held in memory.
        mapping: a mapping file as for ``import_table``.

    Raises:
        BadInput: a table cannot be read to its end, or two of its rows share an id; nothing was changed.
        Unavailable: storage failed, or an import is writing; whole parts are changed.
    """
    report = Corrections()
    with RejectsFile(None if intake.dry_run else intake.rejects, intake.now) as rejects:

        def reject(where: Where, reason: str) -> None:
            report.rejected += 1
            report.reasons[reason] += 1
            rejects.write(where, reason)
            report.rejects_file = rejects.path

        new: dict[str, _New] = {}
        for found in _read(intake, paths, mapping):
            if isinstance(found, Rejected):
                reject(found.where, found.reason)
                continue
            name, one = found
            if name in new:
                raise BadInput(
                    f"two rows have the id {name!r}",
                    place=one.where.place,
                    remedy="keep the one that is right",
                )
            new[name] = one
        changes = {}
        for row in stored_records(intake.store.folder, list(new)):
            one = new.pop(row["id"])
            if row["deleted_at"] is not None:
                reject(one.where, "the record was deleted; it is not brought back")
                continue
            change = {name: value for name, value in one.values.items() if row[name] != value}
            report.unchanged += not change
            report.columns.update(change.keys())
            if change:
                changes[row["id"]] = change
        for one in new.values():
            reject(one.where, "no stored record has this id")
    report.corrected, report.ids = len(changes), list(changes)

    def change_of(row: Stored) -> dict[str, object]:
        # What was deleted since it was looked at stays as it is.
        return changes[row["id"]] if row["deleted_at"] is None else {}

    if changes and not intake.dry_run:
        change_records(intake.store.folder, list(changes), change_of)
    return report


def _read(
    intake: Intake, paths: Sequence[Path], mapping: Path | None
) -> Iterator[Rejected | tuple[str, _New]]:
    tables, how = open_tables(paths, mapping)
    meter = Meter(paths, intake.progress)
    for table in tables:
        for found in table.rows(meter, how.wanted):
            if isinstance(found, Damaged):
                raise BadInput(
                    f"{found.reason}; nothing was corrected", place=found.where.place, remedy=found.remedy
                )
            row = read_row(found, how, intake.now) if isinstance(found, PlainRow) else found
            if isinstance(row, Rejected):
                yield row
            elif isinstance(found, PlainRow):
                yield row.id, _New(row.where, _given(row, found, how))


def _given(row: Row, plain: PlainRow, mapping: Mapping) -> dict[str, object]:
    """The columns that a row has, with their values as they are stored."""
    given = {}
    for name in CONTENT:
        sources = mapping.columns.get(name, ())
        if name in mapping.constants or any(source in plain.values for source in sources):
            value = getattr(row, name)
            given[name] = list(value) if name in _LISTS else value
    return given
