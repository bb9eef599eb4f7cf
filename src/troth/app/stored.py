"""Imported records that turn out wrong or unwanted: corrected, deleted, looked at."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from troth.app.holds import Holds, Matter, seal
from troth.app.home import Home
from troth.app.importing import Progress, intake_of
from troth.app.topics import keep_up
from troth.core.errors import BadInput, Place
from troth.core.values import canonical
from troth.core.written import Json
from troth.intake.changing import ids_by, stored_records
from troth.intake.correcting import Corrections, correct_records
from troth.intake.deleting import delete_records
from troth.intake.marks import Marks


def _unheard(_done: int, _total: int | None) -> None:
    """Progress that nobody follows."""


def show(home: Home, record: str) -> dict[str, Json]:
    """A stored record, all columns but the salt.

    Raises:
        BadInput: there is none of this id.
    """
    found = next(stored_records(home.records_path, [record]), None)
    if found is None:
        raise BadInput(
            f"no stored record is called {record!r}",
            place=Place(str(home.records_path)),
            remedy="list ids with `troth decide --out FILE`",
        )
    return found


def delete(home: Home, deleted: dict[str, int]) -> int:
    """Delete stored records, each at its instant: words, found topics and salt go, id, parties and dates stay.

    What a legal hold keeps is sealed first.

    Returns:
        How many of the ids were found.
    """
    if not deleted:
        return 0
    _seal_held(home, list(deleted))
    found = delete_records(home.records_path, deleted)
    Marks(home.records_path).drop_topics(deleted)
    return found


def written_by(home: Home, author: str) -> list[str]:
    """The ids of the stored records that a member wrote."""
    return ids_by(home.records_path, author)


def read_ids(path: Path) -> list[str]:
    """Ids from a file, one a line; blank lines are passed over.

    Raises:
        BadInput: the file cannot be read as text.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            f"cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}",
            place=Place(str(path)),
            remedy="write one id a line",
        ) from None
    return [line.strip() for line in lines if line.strip()]


def correct(
    home: Home,
    paths: Sequence[Path],
    *,
    mapping: Path | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Corrections:
    """Correct stored records by tables; see ``troth.intake.correcting``. What a legal hold keeps is sealed first."""
    report = progress or _unheard
    foreseen = correct_records(intake_of(home, dry_run=True, progress=report), paths, mapping)
    if dry_run:
        return foreseen
    _seal_held(home, foreseen.ids)
    done = correct_records(intake_of(home, progress=report), paths, mapping)
    Marks(home.records_path).drop_topics(done.ids)
    keep_up(home)
    return done


def _seal_held(home: Home, ids: Collection[str]) -> None:
    holds = Holds(home)
    if not holds.open:
        return
    for row in stored_records(home.records_path, ids):
        for matter in _matters(holds, (row["author"], *row["addressees"])):
            seal(home, matter, {"kind": "record", "record": row["id"]}, canonical(row))


def _matters(holds: Holds, parties: Iterable[str | None]) -> list[Matter]:
    named = set(parties)
    return [one for one in holds.open if named & set(one.subjects)]
