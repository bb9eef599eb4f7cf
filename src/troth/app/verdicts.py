"""Verdicts as a table that is kept up: made once, then only the rows of whoever or whatever changed are replaced.

What was synced last (T, position, the fold of the members, the files of the records) is kept in the home, for each use
and target. It is replaced last, so a sync that is killed is done again from there; to replace a row by what it is
changes nothing.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from troth.app import folds, lineage
from troth.app.decisions import (
    HomeGate,
    Progress,
    Stamps,
    numbered_in,
    open_gate,
    records_in,
    stamps_of,
)
from troth.app.home import Home
from troth.app.outside import VERDICT_COLUMNS
from troth.core.errors import BadInput, Conflict, Place
from troth.core.values import Use, format_instant
from troth.gate import rowfilter, sinks
from troth.gate.addresses import Objects, Postgres, is_address, read_address
from troth.gate.duck import PLACE, batches
from troth.gate.gate import Asked, open_records
from troth.gate.kept import Kept, LedgerNow, State
from troth.gate.plan import decided
from troth.gate.small import ask, file_of
from troth.intake.marks import Marks

_ROWS: Final = 100_000
_NARROW: Final = ("id", "category", "created_at", "deleted_at", "author", "addressees", "topics")


@dataclass(frozen=True, slots=True)
class Synced:
    """What a sync did: ``rows`` were written, of which ``subjects`` members were folded again.

    ``whole`` says why the whole table was made; None: it was enough to change some rows.
    """

    target: str
    at: int
    position: int
    rows: int
    subjects: int | None
    whole: str | None
    version: int | None
    seconds: dict[str, float]
    """How long it took to open the ledger, fold members, find the records, decide them, and write rows.

    Where the whole table is made, deciding is part of writing: one stream.
    """

    def as_json(self) -> dict[str, object]:
        """The JSON of ``troth verdicts sync``."""
        return {
            "target": self.target,
            "at": format_instant(self.at),
            "position": self.position,
            "rows": self.rows,
            "subjects": self.subjects,
            "whole": self.whole,
            "version": self.version,
            "seconds": {step: round(seconds, 3) for step, seconds in self.seconds.items()},
        }


def sync(
    home: Home,
    use: Use,
    target: str,
    *,
    at: int | str | None = None,
    source: str | Path | None = None,
    whole: bool = False,
    progress: Progress | None = None,
) -> Synced:
    """Bring a table of verdicts up to date.

    Args:
        home: the home.
        use: purpose and recipient.
        target: the table's name; see ``troth.gate.addresses``. Its columns are those of ``troth decide --out``.
        at: T; None: now. Not before the last sync's, or the whole table is made.
        source: Parquet files of records; None: the home's own.
        whole: make the whole table in any case.
        progress: told how many members were folded, and of how many.

    Raises:
        BadInput: the target is no table that can be changed, or two records share an id.
        Conflict: the records changed meanwhile.
        Unavailable: the target does not answer.
    """
    shown = _checked(target, source)
    steps = _Steps()
    with steps("open"):
        gate = open_gate(home, use, at, None, progress)
        run = _Run(home, gate, target, source, steps)
    with lineage.deciding(gate, "decide", source) as told:
        reason = "it was asked for" if whole else run.must_be_whole()
        done = run.change() if reason is None else None
        if done is None:
            reason = reason or run.why
            done = run.make()
        run.commit(shown)
        told.made(lineage.dataset(target))
    question = gate.question
    subjects = None if reason else len(run.touched)
    return Synced(shown, question.at, question.position, done[0], subjects, reason, done[1], steps.seconds)


def view(target: str, table: str, name: str, key: str = "id") -> None:
    """Make a view that shows only the allowed rows of a table; see ``troth.gate.rowfilter.view``.

    Args:
        target: the table of verdicts, in PostgreSQL.
        table: ``SCHEMA.TABLE`` or ``TABLE`` in the same database.
        name: the view, written the same way.
        key: the column of the table that holds the record's id.

    Raises:
        BadInput: the verdicts are not in PostgreSQL, or a table or column is not there.
        Unavailable: the database does not answer.
    """
    address = read_address(target) if is_address(target) else None
    if not isinstance(address, Postgres):
        raise BadInput(
            "is no table in PostgreSQL",
            place=Place(target.partition("?")[0]),
            remedy="name the table as for `troth verdicts sync`: postgresql://HOST/DATABASE#SCHEMA.TABLE",
        )
    of, shown = (read_address(f"{address.database}#{one}") for one in (table, name))
    assert isinstance(of, Postgres)  # noqa: S101 - by their address
    assert isinstance(shown, Postgres)  # noqa: S101 - the same
    rowfilter.view(address, of, shown, key)


def _checked(target: str, source: str | Path | None) -> str:
    if source is not None and is_address(str(source)):
        raise BadInput(
            "is no folder or file of this machine",
            place=Place(str(source)),
            remedy="keep verdicts up for the home's records, or for Parquet files",
        )
    if not is_address(target) or isinstance(address := read_address(target), Objects):
        raise BadInput(
            "is no table that can be changed row by row",
            place=Place(target.partition("?")[0]),
            remedy="name a table of Delta, Iceberg or PostgreSQL, such as delta:PATH",
        )
    return address.shown


class _Steps:
    """How long each step took, all of its turns together."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(("open", "fold", "find", "decide", "write"), 0.0)

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds[step] += time.monotonic() - started


class _Run:
    """One sync."""

    def __init__(
        self, home: Home, gate: HomeGate, target: str, source: str | Path | None, steps: _Steps
    ) -> None:
        self.home = home
        self.steps = steps
        self.gate = gate
        self.target = target
        self.source = source
        home.folds_path.mkdir(mode=0o700, exist_ok=True)
        self.folder = folds.folder_of(home, gate.question.use, target)
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self.kept = Kept(self.folder / "fold")
        self.before = self.kept.state
        self.stamps = stamps_of(home, source)
        self.ledger: LedgerNow = folds.since(home, self.before, gate.question.position)
        self.kept.hand_on(gate.gate, self.ledger)
        self.touched: set[str] = set()
        self.why = "nothing was synced yet"
        self._state: State | None = None
        self._wide = False

    def must_be_whole(self) -> str | None:
        """Why some rows cannot be enough, as far as that is seen before records are looked at."""
        if self.before is None:
            return "nothing was synced yet"
        notes = self.before.notes
        if notes.get("source") != (None if self.source is None else str(self.source)):
            return "the records are others"
        now = {stamp[0]: list(stamp) for stamp in self._of_records(self.stamps)}
        if any(now.get(stamp[0]) != stamp for stamp in notes["stamps"]):
            return "files of records changed"
        self.touched = set(self.ledger.touched) | self.kept.due(self.gate.question.at)
        return self.kept.outdated(
            self.gate.gate, self.ledger, self.kept.asked(self.gate.gate), len(self.touched)
        )

    # some rows

    def change(self) -> tuple[int, int | None] | None:
        """Replace the rows that may have changed: how many, and the table's version. None: all have to be made."""
        assert self.before is not None  # noqa: S101 - seen to by must_be_whole
        known = {stamp[0] for stamp in self.before.notes["stamps"]}
        files = [Path(stamp[0]) for stamp in self._of_records(self.stamps) if stamp[0] not in known]
        with self.steps("find"):
            tables = [open_records(self._affected(sorted(known)))]
        tables += [records_in(self.home, self.source, [file]).select(*_NARROW) for file in files]
        asked: Asked = self.kept.asked(self.gate.gate)
        every = []
        for table in tables:
            with self.steps("find"):
                asked = self.gate.gate.ask(table, asked)
            self._wide |= asked.has_wide
            every.append(asked)
            reason = self.kept.outdated(self.gate.gate, self.ledger, asked, len(self.touched))
            if reason is not None:
                self.why = reason
                return None
        with self.steps("fold"):
            state = self._state = self.kept.advance(self.gate.gate, self.ledger, self.touched)
        rows, version = 0, None
        for table, one in zip(tables, every, strict=True):
            with self.steps("decide"):
                small = self.kept.small_side_of(state, one, _parties(table))
                changes = decided(table, small).select(*VERDICT_COLUMNS).to_pyarrow()
            if changes.num_rows:
                with self.steps("write"):
                    version = sinks.merge(self.target, changes).version
                rows += changes.num_rows
        return rows, version

    def _affected(self, files: Sequence[str]) -> pa.Table:
        """Of the records that were there: those of touched members, and those that came, went, or were marked."""
        assert self.before is not None  # noqa: S101 - the same
        paths = [Path(file) for file in files]
        narrow = numbered_in(self.home, self.source, _NARROW, paths)
        names = ibis.memtable(pa.table({"subject": pa.array(sorted(self.touched), pa.string())}))
        low, high = self.before.at, self.gate.question.at

        # One pass over the narrow columns; the few names are looked up, the many records are not joined.
        found = _is_one_of(narrow.author, names.subject) | _is_one_of(narrow.addressees[0], names.subject)
        found |= _between(narrow.created_at, low, high) | _between(narrow.deleted_at, low, high)
        marked = self._marked_since()
        if marked.num_rows:
            found |= _is_one_of(narrow.id, ibis.memtable(marked).id)
        hits = narrow.filter(found).select(*_NARROW)
        if self.before.notes["wide"]:
            wide = narrow.filter(narrow.addressees.length().fill_null(0) > 1)
            others = wide.select(PLACE, subject=wide.addressees.unnest())
            places = others.semi_join(names, "subject").select(PLACE)
            hits = hits.union(wide.semi_join(places, PLACE).filter(~found).select(*_NARROW))
        return hits.to_pyarrow()

    def _marked_since(self) -> pa.Table:
        """The ids whose marks are others than at the last sync."""
        found = pa.table({"id": pa.array([], pa.string())})
        for now, then in self._marks():
            files = [file_of(path) for path in (now, then) if path.exists()]
            if len(files) == 1:
                rows = ask(f"SELECT DISTINCT id FROM {files[0]}")  # noqa: S608 - a quoted path
            elif files:
                one, other = files
                rows = ask(
                    f"SELECT DISTINCT id FROM ((FROM {one} EXCEPT FROM {other})"  # noqa: S608 - the same
                    f" UNION ALL (FROM {other} EXCEPT FROM {one}))"
                )
            else:
                continue
            found = pa.concat_tables([found, rows.cast(found.schema)])
        return found

    # all rows

    def make(self) -> tuple[int, int | None]:
        """Make the whole table: how many rows, and its version."""
        gate = self.gate.gate
        records = self.gate.records(self.source)
        with self.steps("find"):
            asked = gate.ask(records)
            self._wide = asked.has_wide
            counted = records.aggregate(rows=records.count(), ids=records.id.nunique())
            counts = counted.to_pyarrow().to_pylist()[0]
        if counts["rows"] != counts["ids"]:
            raise BadInput(
                "two records share an id", remedy="give each record an id of its own (see `troth import`)"
            )
        with self.steps("fold"):
            state = self._state = self.kept.rebuild(gate, asked, self.ledger)
        table = decided(records, self.kept.small_side(state, asked, records)).select(*VERDICT_COLUMNS)
        schema = table.schema().to_pyarrow()
        rows = (batch.cast(schema) for batch in batches(table, _ROWS))
        with self.steps("write"):
            made = sinks.write(self.target, rows, schema)
        address = read_address(self.target)
        if isinstance(address, Postgres):
            rowfilter.index(address)
        return made.rows, made.version

    def commit(self, shown: str) -> None:
        """Remember what was synced.

        Raises:
            Conflict: the records changed meanwhile.
        """
        assert self._state is not None  # noqa: S101 - made by change or make
        if stamps_of(self.home, self.source) != self.stamps:
            raise Conflict("the records changed while the table was brought up to date", remedy="repeat")
        notes = {
            "target": shown,
            "source": None if self.source is None else str(self.source),
            "stamps": [list(stamp) for stamp in self._of_records(self.stamps)],
            "marks": self._state.number,
            "wide": self._wide or (self.before is not None and self.before.notes["wide"]),
        }
        for now, copy in self._marks(self._state.number):
            if now.exists():
                shutil.copyfile(now, copy)
        self.kept.commit(replace(self._state, notes=notes))
        for left in self.folder.glob("marks-*"):
            if not left.name.startswith(f"marks-{self._state.number}-"):
                left.unlink()

    # files

    def _of_records(self, stamps: Stamps) -> list[tuple[str, int, int, int]]:
        """The stamps without those of marks, which change in their own way."""
        marks = {str(now) for now, _ in self._marks()}
        return [stamp for stamp in stamps if stamp[0] not in marks]

    def _marks(self, number: int | None = None) -> list[tuple[Path, Path]]:
        """The files of marks, and their copies of the last sync (or of the one with a number)."""
        if self.source is not None:
            return []
        marks = Marks(self.home.records_path)
        if number is None:
            number = -1 if self.before is None else self.before.notes["marks"]
        return [(one, self.folder / f"marks-{number}-{one.name}") for one in (marks.deleted, marks.topics)]


def _is_one_of(name: ir.StringValue, names: ir.StringColumn) -> ir.BooleanValue:
    return name.isin(names).fill_null(False)


def _between(instant: ir.IntegerValue, low: int, high: int) -> ir.BooleanValue:
    return ((instant > low) & (instant <= high)).fill_null(False)


def _parties(records: ir.Table) -> pa.Table:
    """All authors and addressees, once each."""
    authors = records.select(subject=records.author)
    addressees = records.select(subject=records.addressees.unnest())
    found = ibis.union(authors, addressees).distinct()
    return found.filter(found.subject.notnull()).to_pyarrow()
