"""Questions to the gate: decide, summarise, explain, check."""

from __future__ import annotations

import atexit
import os
import secrets
import shutil
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeGuard

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from troth.app import folds, lineage
from troth.app.crowd import LedgerPeople
from troth.app.home import Home, instant_or_now
from troth.core.decide import Decision, decide
from troth.core.errors import BadInput, Place
from troth.core.reasons import VERDICTS
from troth.core.values import Record, Use, check_instant
from troth.core.written import Json
from troth.gate import duck, spark, tables
from troth.gate.addresses import is_address, read_address
from troth.gate.gate import SPARK, Gate, Source, Summary, open_records, summarise
from troth.gate.kept import Kept
from troth.gate.plan import SmallSide, allowed, decided
from troth.gate.sources import parquet_files
from troth.gate.tables import Pinned
from troth.intake.marks import Marks

if TYPE_CHECKING:
    from troth.app.releases import Built

Progress = Callable[[int, int], None]
_FOLDING: Final = ".folding-"
_MOST_FOLDERS: Final = 64
_folders: Final[deque[Path]] = deque()


@dataclass(frozen=True, slots=True)
class Question:
    """A use, T and the ledger position: everything a verdict depends on besides the records."""

    use: Use
    at: int
    position: int


class HomeGate:
    """The gate of a home for one question; ``decide`` and ``summary`` take any table of records, or the home's own.

    The small side of the home's own records is made once and kept.
    """

    def __init__(
        self, home: Home, gate: Gate, question: Question, people: LedgerPeople, keep: Path | None = None
    ) -> None:
        self._home = home
        self.people = people
        self._kept = None if keep is None else Kept(keep)
        self._gate = gate
        self.question = question
        self._prepared: dict[tuple[Hashable, Stamps], tuple[ir.Table, SmallSide]] = {}

    @property
    def home(self) -> Home:
        """The home whose ledger it asks."""
        return self._home

    @property
    def gate(self) -> Gate:
        """The gate proper, which knows nothing of a home."""
        return self._gate

    @property
    def terms(self) -> tuple[tuple[str, str], ...]:
        """The versions that verdicts for this use can rest on: (document, version)."""
        return self._gate.terms

    def decide(self, source: Source | None = None) -> ir.Table:
        """The records with their verdicts, lazily: an Ibis table; see ``troth.gate.gate.Gate.decide``."""
        if not _is_read_here(source):
            return self._gate.decide(source)
        return decided(*self._prepare(source))

    def allowed(self, source: Source | None = None) -> ir.Table:
        """The allowed records alone, lazily; see ``troth.gate.gate.Gate.allowed``."""
        if not _is_read_here(source):
            return self._gate.allowed(source)
        return allowed(*self._prepare(source))

    def decide_alike(self, records: ir.Table, source: Source | None) -> ir.Table:
        """``decide`` for another reading of the same records, such as one with fewer columns."""
        return decided(records, self._prepare(source)[1])

    def _prepare(self, source: Source | None) -> tuple[ir.Table, SmallSide]:
        source = at_one_version(self._home, source)
        # The small side knows just the records that it was made for: other files, another small side.
        named = source.key if isinstance(source, Pinned) else None if source is None else str(source)
        key = (named, stamps_of(self._home, source))
        if key not in self._prepared:
            records = self.records(source)
            with duck.damage_named(files_of(self._home, source), own=source is None):
                self._prepared = {key: (records, self._small_side(records))}
        return self._prepared[key]

    def _small_side(self, records: ir.Table) -> SmallSide:
        if self._kept is None:
            return self._gate.small_side(records)
        ledger = folds.since(self._home, self._kept.state, self.question.position)
        state, asked, _ = folds.brought_up(self._kept, self._gate, ledger, records)
        return self._kept.small_side(self._kept.commit(state), asked, records)

    def summary(self, source: Source | None = None) -> Summary:
        """Counts by verdict and reason."""
        with lineage.deciding(self, "decide", source) as told:
            summary = summarise(self.decide(source))
            told.counted(summary.verdicts, summary.first_reasons)
        return summary

    def release(self, out: Path | str, source: Source | None = None) -> Built:
        """Build a sealed release of what this question allows; see ``troth.app.releases.build_from``."""
        from troth.app import releases

        return releases.build_from(self._home, self, Path(out), source=source)

    def records(self, source: Source | None = None) -> ir.Table:
        """The records of a source, or the home's own, as the gate reads them."""
        found = records_of(self._home) if source is None else bound(self._home, source)
        called = str(source) if isinstance(source, str | Path) else None
        return open_records(found, self._home.config.engine, called)


def open_gate(
    home: Home,
    use: Use,
    at: int | str | None = None,
    as_of: int | None = None,
    progress: Progress | None = None,
    keep: Path | None = None,
) -> HomeGate:
    """The gate of a home.

    Args:
        home: the home.
        use: what is asked for.
        at: T; None: now.
        as_of: the ledger position n; None: the head.
        progress: told how many members were folded, and of how many.
        keep: a private folder to keep the fold of the members in: the next gate folds only who changed since.
    """
    now = instant_or_now(at)
    # Of the members nothing is held: the gate takes them one after another.
    known, position = home.known(as_of, ())
    people = LedgerPeople(home, position)
    gate = Gate(known, use, now, progress, home.config.engine, people, _private_folder(home))
    return HomeGate(home, gate, Question(use, now, position), people, keep)


def _private_folder(home: Home) -> Path:
    """Where a gate may put what does not fit in memory; it is made when that happens.

    Tables that a gate gave rest on it and may be asked long after the gate is gone, so it stays until the process ends
    or many more gates were opened. What a killed process left is removed by the next.
    """
    for left in home.path.glob(f"{_FOLDING}*"):
        if not Path("/proc", left.name.rpartition("-")[2]).exists():
            shutil.rmtree(left, ignore_errors=True)
    if not _folders:
        atexit.register(_remove_folders, 0)
    _remove_folders(_MOST_FOLDERS - 1)
    _folders.append(home.path / f"{_FOLDING}{secrets.token_hex(8)}-{os.getpid()}")
    return _folders[-1]


def _remove_folders(keep: int) -> None:
    while len(_folders) > keep:
        folder = _folders.popleft()
        if folder.name.endswith(f"-{os.getpid()}"):
            shutil.rmtree(folder, ignore_errors=True)


def is_on_spark(home: Home, source: Source | None) -> bool:
    """Whether Spark decides: a table of its own brings it along, anything else goes where the home says."""
    if spark.is_frame(source):
        return True
    if isinstance(source, ir.Table):
        return bool(source.get_backend().name == "pyspark")
    return home.config.engine == SPARK


def _is_read_here(source: Source | None) -> TypeGuard[str | Path | Pinned | None]:
    """Whether a source is opened by its name, not handed over as a table."""
    return source is None or isinstance(source, str | Path | Pinned)


def bound(home: Home, source: Source) -> Source:
    """What is opened by its name becomes a table on the home's engine; anything else stays what it is."""
    source = at_one_version(home, source)
    if isinstance(source, Pinned):
        return open_records(duck.read_pinned(source, home.config.threads, home.config.memory))
    if isinstance(source, str | Path):
        return open_records(read_parquet(home, source))
    return source


def read_parquet(home: Home, source: str | Path) -> ir.Table:
    """Parquet files on the home's engine.

    Raises:
        BadInput: no such file, or no Parquet.
    """
    read = spark.read_parquet if home.config.engine == SPARK else duck.read_parquet
    return read(source, home.config.threads, home.config.memory)


Stamps: TypeAlias = tuple[tuple[str, int, int, int], ...]
"""Files as they are: path, inode, size in bytes, time of the last change in nanoseconds."""


def files_of(home: Home, source: Source | None) -> list[Path]:
    """The files that records come from, as far as they come from files."""
    if source is None:
        return [*sorted(home.records_path.glob("*.parquet")), *Marks(home.records_path).files()]
    return parquet_files(source) if isinstance(source, str | Path) else []


def at_one_version(home: Home, source: Source | None) -> Source | None:
    """The same source; a table elsewhere that is called by its name: as it is now.

    Raises:
        BadInput: there is no such table; or Spark is to decide, which has readers of its own for such tables.
    """
    if not isinstance(source, str) or not is_address(source):
        return source
    if home.config.engine == SPARK:
        raise BadInput(
            "is read by DuckDB here",
            place=Place(read_address(source).shown),
            remedy="give Spark a frame of it, such as spark.read.format('delta').load(…), from Python",
        )
    return tables.pin(source, home.path)


def stamps_of(home: Home, source: Source | None) -> Stamps:
    """What would change if the records did."""
    found = ((path, path.stat()) for path in files_of(home, source))
    return tuple((str(path), stat.st_ino, stat.st_size, stat.st_ctime_ns) for path, stat in found)


def records_of(home: Home) -> ir.Table:
    """The home's own records.

    Raises:
        BadInput: nothing was imported yet.
    """
    if not any(home.records_path.glob("*.parquet")):
        raise BadInput(
            "this home holds no records yet",
            place=Place(str(home.records_path)),
            remedy="import some with `troth import`, or name a table with --records",
        )
    return _marked(home, read_parquet(home, home.records_path))


def records_in(home: Home, source: Source | None, files: Sequence[Path]) -> ir.Table:
    """The records of some of the files of a source, or (None) of the home's own, on the home's engine."""
    read = spark.read_parquet if home.config.engine == SPARK else duck.read_parquet
    found = read(files, home.config.threads, home.config.memory)
    return open_records(_marked(home, found) if source is None else found)


def _marked(home: Home, records: ir.Table) -> ir.Table:
    """The records with what became known of them later: that they are gone, and topics found in them."""
    marks = Marks(home.records_path)
    there = marks.files()
    limits = home.config.threads, home.config.memory
    read = spark.read_parquet if records.get_backend().name == "pyspark" else duck.read_parquet
    if marks.deleted in there:
        gone = read(marks.deleted, *limits).rename(__gone="id", __gone_at="deleted_at")
        joined = records.left_join(gone, records.id == gone["__gone"])
        records = joined.mutate(deleted_at=ibis.least(joined.deleted_at, joined["__gone_at"])).select(
            *records.columns
        )
    if marks.topics in there:
        found = read(marks.topics, *limits).rename(__of="id", __topics="topics")
        joined = records.left_join(found, records.id == found["__of"])
        more = joined["__topics"].fill_null(ibis.literal([], "array<string>"))
        records = joined.mutate(topics=joined.topics.concat(more).unique()).select(*records.columns)
    return records


def numbered_in(home: Home, source: Source | None, columns: Sequence[str], files: Sequence[Path]) -> ir.Table:
    """``numbered`` for some of the files of a source, or (None) of the home's own, on DuckDB."""
    found = duck.numbered(files, columns, home.config.threads, home.config.memory)
    return open_records(_marked(home, found) if source is None else found)


def numbered(home: Home, source: Source | None, columns: Sequence[str]) -> ir.Table | None:
    """The same records with just these columns and a number for each row (``duck.PLACE``).

    None: the records don't come from files, so a second reading might give others; or the engine needs none.
    """
    if home.config.engine == SPARK:
        return None
    limits = home.config.threads, home.config.memory
    if source is None:
        files = sorted(home.records_path.glob("*.parquet"))
        return open_records(_marked(home, duck.numbered(files, columns, *limits))) if files else None
    if isinstance(source, Pinned) and isinstance(source.rows, tables.Copy):
        return open_records(duck.numbered([source.rows.path], columns, *limits))
    if isinstance(source, str | Path):
        return open_records(duck.numbered(parquet_files(source), columns, *limits))
    return None


def timed_summary(gate: HomeGate, source: Source | None = None) -> dict[str, Any]:
    """The JSON of ``troth decide --summary``."""
    started = time.monotonic()
    summary = gate.summary(source)
    return {**summary.as_json(), "seconds": round(time.monotonic() - started, 3)}


@dataclass(frozen=True, slots=True)
class Explanation:
    """A record, its decision and the question it answers."""

    record: Record
    decision: Decision
    question: Question

    def as_json(self) -> dict[str, Json]:
        """The JSON of ``troth explain``."""
        decision = self.decision
        return {
            "record": decision.record,
            "verdict": decision.verdict,
            "reason": decision.reason.text if decision.reason is not None else None,
            "party": decision.party,
            "parties": [
                {
                    "subject": party.subject,
                    "role": party.role,
                    "verdict": party.verdict,
                    "reasons": [reason.text for reason in party.reasons],
                    "clauses": [
                        {
                            "terms": cited.terms.document,
                            "version": cited.terms.version,
                            "clause": cited.clause.id,
                            "effect": cited.clause.effect,
                            "quote": cited.clause.quote,
                        }
                        for cited in party.clauses
                    ],
                }
                for party in decision.parties
            ],
        }


def explain(
    home: Home,
    record_id: str,
    use: Use,
    at: int | str | None = None,
    as_of: int | None = None,
    source: Source | None = None,
) -> Explanation:
    """Why a record may or may not be used: every party, every reason, the clauses and their sentences.

    Raises:
        BadInput: no such record.
    """
    table = records_of(home) if source is None else bound(home, source)
    record = find_record(open_records(table), record_id)
    now = instant_or_now(at)
    subjects = [record.author or "", *record.addressees]
    known, position = home.known(as_of, subjects)
    return Explanation(record, decide(record, use, now, known), Question(use, now, position))


def find_record(records: ir.Table, record_id: str) -> Record:
    """One record by its id.

    Raises:
        BadInput: there is none, or several.
    """
    found = records.filter(records.id == record_id).limit(2)
    columns = ("id", "category", "created_at", "deleted_at", "author", "addressees", "topics")
    rows = found.select(*columns).to_pyarrow().to_pylist()
    if len(rows) != 1:
        what = "no record is" if not rows else "several records are"
        raise BadInput(f"{what} called {record_id!r}", remedy="list ids with `troth decide --out FILE`")
    row = rows[0]
    created_at = row["created_at"]
    if created_at is not None:
        check_instant(created_at, "the record's created_at")
    return Record(
        id=row["id"],
        category=row["category"],
        created_at=created_at,
        deleted_at=row["deleted_at"],
        author=row["author"],
        addressees=tuple(one or "" for one in row["addressees"] or ()),
        topics=tuple(one for one in row["topics"] or () if one is not None),
    )


@dataclass(frozen=True, slots=True)
class Checked:
    """How the rows of a data set fare: ``refused`` lists up to a limit of (row number from 1, id, verdict, reason)."""

    rows: int
    verdicts: dict[str, int]
    unknown: int
    refused: list[tuple[int, str, str, str | None]]

    @property
    def ok(self) -> bool:
        """Whether every row may be used."""
        return self.rows == self.verdicts["allowed"]

    def as_json(self) -> dict[str, Json]:
        """Plain JSON values."""
        return {
            "ok": self.ok,
            "rows": self.rows,
            "verdicts": dict(self.verdicts),
            "unknown_records": self.unknown,
            "refused": [
                {"row": row, "record": name, "verdict": verdict, "reason": reason}
                for row, name, verdict, reason in self.refused
            ],
        }


def check(gate: HomeGate, ids: pa.Table, source: Source | None = None, limit: int | None = 20) -> Checked:
    """Check a data set by the ids of its records (column ``id``) against the home's records.

    A row whose record the home does not know may not be used: nobody knows whose it is. It counts as a gap.

    Args:
        gate: the question.
        ids: one row per row of the data set, with a column ``id`` of text.
        source: the records to look up; None: the home's own.
        limit: how many refused rows to list; None: all.

    Raises:
        BadInput: two records share an id that is asked about.
    """
    with lineage.deciding(gate, "check", source) as told:
        checked = _check(gate, ids, source, limit)
        told.counted(checked.verdicts)
    return checked


def _check(gate: HomeGate, ids: pa.Table, source: Source | None, limit: int | None) -> Checked:
    numbered = ids.append_column("row", pa.array(range(1, ids.num_rows + 1), pa.int64()))
    rows = ibis.memtable(numbered)
    wanted = rows.select(rows.id).distinct()
    records = gate.records(source)
    decided = gate.decide(records.semi_join(wanted, records.id == wanted.id))
    verdicts = decided.select("id", "verdict", "reason")
    joined = rows.left_join(verdicts, rows.id == verdicts.id).select(
        rows.row,
        rows.id,
        verdict=verdicts.verdict.fill_null("gap"),
        reason=verdicts.reason,
        unknown=verdicts.verdict.isnull(),
    )
    counts = dict.fromkeys(VERDICTS, 0)
    unknown = 0
    counted = joined.group_by("verdict", "unknown").aggregate(rows=joined.count())
    for row in counted.to_pyarrow().to_pylist():
        counts[row["verdict"]] += row["rows"]
        unknown += row["rows"] if row["unknown"] else 0
    if sum(counts.values()) != ids.num_rows:
        # One of them may be allowed and the other not; nobody can say which the data set holds.
        raise BadInput(
            "two records share an id that the data set names", remedy="give each record an id of its own"
        )
    bad = joined.filter(joined.verdict != "allowed").order_by("row")
    listed = (bad if limit is None else bad.limit(limit)).to_pyarrow().to_pylist()
    refused = [
        (row["row"], row["id"], row["verdict"], "unknown-record" if row["unknown"] else row["reason"])
        for row in listed
    ]
    return Checked(ids.num_rows, counts, unknown, refused)
