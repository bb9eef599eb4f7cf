"""One import: items from any reader into the record store, each of them counted once."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from troth.core.errors import BadInput
from troth.intake.records import ImportSession, RecordStore
from troth.intake.report import ImportReport, RejectsFile
from troth.intake.rows import Damaged, Gone, Hint, Item, LeftOut, Noted, Rejected, Row, Where
from troth.intake.sources import Progress, silent


class DamagedInput(BadInput):
    """A source was damaged. What stood before the damage is imported; ``report`` says what that was."""

    def __init__(self, report: ImportReport, damages: Sequence[Damaged]) -> None:
        first = damages[0]
        more = f"; {len(damages) - 1} more sources are damaged" if len(damages) > 1 else ""
        super().__init__(
            f"{first.reason}{more}; what could be read is kept: {report.imported} imported,"
            f" {report.duplicates} duplicates",
            place=first.where.place,
            remedy=first.remedy,
        )
        self.report = report


@dataclass(frozen=True, slots=True)
class Intake:
    """Where records go, and how an import into there is run.

    Args:
        store: the home's records.
        rejects: the folder for rejects files.
        now: the import's clock, microseconds UTC; dates more than a day after it are taken for unknown.
        dry_run: find out and count everything, write nothing.
        progress: called with bytes done and bytes in all (None where that is not known).
        draw: gives that many random bytes, for salts.
    """

    store: RecordStore
    rejects: Path
    now: int
    dry_run: bool = False
    progress: Progress = silent
    draw: Callable[[int], bytes] = secrets.token_bytes

    def take(self, items: Iterable[Item]) -> ImportReport:
        """Import what a reader hands out.

        Raises:
            DamagedInput: a source was damaged; what stood before the damage is stored and counted.
            BadInput: the source cannot be read at all, or the question is wrong.
            Unavailable: storage failed, or another import is writing; whole parts stay stored.
        """
        report = ImportReport()
        damages: list[Damaged] = []
        with RejectsFile(None if self.dry_run else self.rejects, self.now) as rejects:

            def reject(where: Where, reason: str) -> None:
                report.rejected += 1
                report.reasons[reason] += 1
                rejects.write(where, reason)
                report.rejects_file = rejects.path

            def conflict(row: Row, columns: tuple[str, ...]) -> None:
                reject(row.where, f"another record has this id; they differ in {', '.join(columns)}")

            with self.store.session(on_conflict=conflict, draw=self.draw, dry_run=self.dry_run) as session:
                for item in items:
                    if isinstance(item, Rejected | Damaged):
                        reject(item.where, item.reason)
                    if isinstance(item, Damaged):
                        damages.append(item)
                    _count(item, report, session)
            report.imported, report.duplicates = session.imported, session.duplicates
        if damages:
            raise DamagedInput(report, damages)
        return report


def _count(item: Item, report: ImportReport, session: ImportSession) -> None:
    match item:
        case Row():
            report.notes.update(item.notes)
            session.add(item)
        case LeftOut():
            report.left_out[item.reason] += 1
        case Noted():
            report.notes[item.text] += 1
        case Gone():
            session.add_gone(item)
        case Hint():
            session.add_hint(item)
