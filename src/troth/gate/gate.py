"""The gate: which records of a table one use may have, decided lazily.

Anything that Ibis can read goes in; the same rows with their verdicts come out as an Ibis table. Building
the small side asks the table for its kinds of records and the span of ``created_at`` first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any, Final, TypeAlias

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
import pyarrow as pa

from troth.core.decide import combination
from troth.core.errors import BadInput, Place
from troth.core.reasons import VERDICTS, Reason, first_of, from_bits, verdict_of
from troth.core.standing import Known
from troth.core.values import FIRST_INSTANT, Use, any_covers_any, check_instant, topic_category
from troth.core.written import Json
from troth.gate import spark
from troth.gate.cohorts import Cohorts
from troth.gate.people import History, InMemory, People
from troth.gate.plan import (
    ALL_PARTIES,
    ANY_PARTY,
    AUTHOR_ALONE,
    KEY_SIGNS,
    SmallSide,
    allowed,
    decided,
    kind_key,
)
from troth.gate.small import KINDS, SPANS, WINDOWS, Held, held, in_memory
from troth.gate.tables import Pinned
from troth.gate.world import World, scopes

Source: TypeAlias = ir.Table | pa.Table | pa.RecordBatchReader | str | Path | Pinned

DUCKDB: Final = "duckdb"
SPARK: Final = "spark"

_MODES = {"author": AUTHOR_ALONE, "all_parties": ALL_PARTIES, "any_party": ANY_PARTY}
_REQUIRED = ("id", "category", "created_at", "author")


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts of one decision run: by verdict, by first reason, by all reasons of any judged party."""

    records: int
    verdicts: dict[str, int]
    first_reasons: dict[str, int]
    all_reasons: dict[str, int]
    any_party_rule_would_allow: int

    def as_json(self) -> dict[str, Json]:
        """The JSON of ``troth decide --summary`` but for the seconds."""
        return {
            "records": self.records,
            "verdicts": dict(self.verdicts),
            "first_reasons": dict(self.first_reasons),
            "all_reasons": dict(self.all_reasons),
            "any_party_rule_would_allow": self.any_party_rule_would_allow,
        }


class Gate:
    """Decides tables of records for one use at one instant with one state of the ledger.

    Args:
        known: the ledger before position n.
        use: purpose and recipient.
        at: T, microseconds UTC.
        progress: told how many members were folded, and of how many.
        engine: what decides tables that do not come with an engine of their own: ``duckdb`` or ``spark``.
        people: the members, where ``known`` does not hold them.
        folder: a private folder for spans of very many members; None: they stay in memory.
    """

    def __init__(
        self,
        known: Known,
        use: Use,
        at: int,
        progress: Callable[[int, int], None] | None = None,
        engine: str = DUCKDB,
        people: People | None = None,
        folder: Path | None = None,
    ) -> None:
        self.known = known
        self.use = use
        self.at = at
        self.engine = engine
        self.people = people or InMemory(known.members)
        self._folder = folder
        self._progress = progress or _unheard
        self._number = count()

    def decide(self, source: Source) -> ir.Table:
        """The records of a table with ``verdict``, ``reason``, ``party`` and more; see ``troth.gate.plan.decided``.

        Raises:
            BadInput: a column is missing, of another type, or called as an answer; or two records share an id.
        """
        records = open_records(source, self.engine)
        return decided(records, self.small_side(records))

    def allowed(self, source: Source) -> ir.Table:
        """The allowed records of a table and nothing else: quicker than ``decide`` where no reason is asked for."""
        records = open_records(source, self.engine)
        return allowed(records, self.small_side(records))

    def summary(self, source: Source) -> Summary:
        """Decide a table and count."""
        return summarise(self.decide(source))

    @property
    def terms(self) -> tuple[tuple[str, str], ...]:
        """The versions, in effect by T, of the documents that have a clause on this use: (document, version)."""
        world = World(self.known, self.use, self.at, self.scopes)
        return tuple(
            placed.terms.name
            for name in sorted(world.documents)
            for placed in self.known.documents[name]
            if max(placed.terms.effective_at, placed.terms.published_at) <= self.at
        )

    def small_side(self, records: ir.Table) -> SmallSide:
        """Windows and cohorts for the kinds of records in a table; asks the table twice, in small."""
        asked = self.ask(records)
        cohorts = Cohorts(self.world(asked), asked.sets, asked.first, timeless=asked.timeless)
        spans = held(cohorts.spans(self.everybody()), SPANS, self._folder, f"spans-{next(self._number)}")
        return asked.small_side(spans, in_memory(cohorts.windows(), WINDOWS), cohorts.count)

    def ask(self, records: ir.Table, before: Asked | None = None) -> Asked:
        """What of a table of records the small side depends on; kinds that were asked of before keep their numbers."""
        facts = self._facts(records)
        kinds = self._kinds(records, before)
        return Asked(
            kinds.table, kinds.sets, kinds.signatures, facts.first, facts.timeless, facts.has_wide, self.at,
            self._topics_matter,
        )  # fmt: skip

    def asked_before(
        self, sets: list[tuple[str, ...]], signatures: list[tuple[bool, ...]], first: int
    ) -> Asked:
        """What was asked of records that are not looked at again; each list has one item for each kind."""
        nothing = in_memory([], KINDS)
        return Asked(nothing, sets, signatures, first, True, True, self.at, self._topics_matter)

    def world(self, asked: Asked) -> World:
        """The part of the ledger that can matter to these records."""
        return World(self.known, self.use, self.at, asked.sets)

    def everybody(self) -> Iterator[tuple[str, History]]:
        """Every member once; progress is told on the way."""
        total = self.people.count()
        for done, item in enumerate(self.people.items(), 1):
            if done % 20_000 == 0:
                self._progress(done, max(total, done))
            yield item
        self._progress(total, total)

    def _facts(self, records: ir.Table) -> _Facts:
        several = records.addressees.length().fill_null(0) > 1
        row = (
            records.aggregate(
                first=records.created_at.min(),
                last=records.created_at.max(),
                timeless=records.created_at.isnull().any(),
                wide=several.sum(),
                wide_ids=records.id.nunique(where=several),
                unnamed=records.id.isnull().any() | records.category.isnull().any(),
            )
            .to_pyarrow()
            .to_pylist()[0]
        )
        if row["unnamed"]:
            raise BadInput("a record has no id or no category", remedy="give each record both")
        if (row["wide"] or 0) != row["wide_ids"]:
            raise BadInput(
                "two records share an id", remedy="give each record an id of its own (see `troth import`)"
            )
        if row["first"] is None:
            row["first"] = row["last"] = self.at
        for created_at in (row["first"], row["last"]):
            check_instant(created_at, "a record's created_at")
        return _Facts(min(row["first"], self.at), bool(row["timeless"]), bool(row["wide"]))

    def _kinds(self, records: ir.Table, before: Asked | None) -> _Kinds:
        columns = {"key": kind_key(records, topics_matter=self._topics_matter), "category": records.category}
        if self._topics_matter:
            columns |= {"topics": records.topics, "size": records.topics.unique().length()}
        told_apart = records.select(**columns)
        # By more than the key, so that no two sets of topics can hide behind one.
        names = [name for name in columns if name != "topics"]
        found = told_apart.group_by(*names).aggregate(
            **{name: told_apart[name].arbitrary() for name in columns if name == "topics"}
        )
        keys = {}
        for row in found.to_pyarrow().to_pylist():
            topics = [one for one in row.get("topics") or () if one is not None]
            if self._topics_matter:
                _check_signs(row["category"], topics)
            keys[row["key"]] = (row["category"], *(topic_category(one) for one in topics))
        return _Kinds.of(keys, self.known, self.scopes, before)

    @cached_property
    def scopes(self) -> tuple[tuple[str, ...], ...]:
        """The lists of categories that can matter; see ``troth.gate.world.scopes``."""
        return scopes(self.known, self.use, self.people.consents())

    def go_on_from(self, before: Iterable[tuple[str, ...]], position: int) -> None:
        """Take over the lists of categories that mattered before a position: only later consents are looked for.

        That is right if neither an entry that concerns everybody came since, nor one was erased.
        """
        later = scopes(self.known, self.use, self.people.consents(position))
        self.__dict__["scopes"] = tuple(sorted({*before, *later}))

    @property
    def _topics_matter(self) -> bool:
        return any(one.partition(":")[0] == "topic" for scope in self.scopes for one in scope)


def _unheard(_done: int, _total: int) -> None:
    """Progress that nobody follows."""


def _check_signs(category: str, topics: Sequence[str]) -> None:
    """Refuse what the key of a kind (``kind_key``) could not tell from other categories and topics."""
    if "" in topics or any(sign in one for one in (category, *topics) for sign in KEY_SIGNS):
        raise BadInput(
            "a category or topic of a record is empty or holds a control character",
            remedy="write categories such as private_message.inmail and topics such as compensation",
        )


@dataclass(frozen=True, slots=True)
class _Facts:
    first: int
    timeless: bool
    has_wide: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """What of a table of records the small side depends on.

    ``kinds``: key, kind, mode of each kind of record; ``sets``: one set of categories for each number of a kind,
    ``signatures``: which of the lists of categories that can matter cover it;
    ``first``: the earliest ``created_at``, microseconds UTC; ``timeless``: whether it is missing somewhere;
    ``has_wide``: whether a record has several addressees; ``now``: T.
    """

    kinds: pa.Table
    sets: list[tuple[str, ...]]
    signatures: list[tuple[bool, ...]]
    first: int
    timeless: bool
    has_wide: bool
    now: int
    topics_matter: bool

    def small_side(self, spans: Held, windows: pa.Table, cohorts: int) -> SmallSide:
        """The small side with these spans and windows."""
        return SmallSide(
            kinds=self.kinds,
            spans=spans,
            windows=windows,
            now=self.now,
            topics_matter=self.topics_matter,
            has_wide=self.has_wide,
            cohorts=cohorts,
        )


@dataclass(frozen=True, slots=True)
class _Kinds:
    """The kinds of records that the decision can tell apart."""

    table: pa.Table
    sets: list[tuple[str, ...]]
    signatures: list[tuple[bool, ...]]

    @classmethod
    def of(
        cls,
        keys: dict[str, tuple[str, ...]],
        known: Known,
        listed: Sequence[tuple[str, ...]],
        before: Asked | None,
    ) -> _Kinds:
        sets = [] if before is None else list(before.sets)
        signatures = [] if before is None else list(before.signatures)
        rows = []
        for key, categories in sorted(keys.items()):
            signature = tuple(any_covers_any(scope, categories) for scope in listed)
            if signature not in signatures:
                signatures.append(signature)
                sets.append(categories)
            rows.append((key, signatures.index(signature), _MODES[combination(categories, known)]))
        return cls(in_memory(rows, KINDS), sets, signatures)


def open_records(source: Source, engine: str = DUCKDB, called: str | None = None) -> ir.Table:
    """A table of records as Ibis sees it, columns checked, instants as integer microseconds.

    Args:
        source: an Ibis table, a Spark frame, an Arrow table or reader, or a path or pattern of Parquet files.
        engine: what reads tables that do not come with an engine of their own.
        called: what errors call the table; None: its path, if it has one.

    Raises:
        BadInput: a column is missing or of another type.
    """
    table = _on_engine(source, engine)
    place = Place(called or (str(source) if isinstance(source, str | Path) else "records"))
    missing = [name for name in _REQUIRED if name not in table.columns]
    if missing:
        raise BadInput(
            f"the records have no column {', '.join(missing)}; they have {', '.join(table.columns)}",
            place=place,
            remedy="name the columns as the documentation says, or import the table with a mapping",
        )
    schema = table.schema()
    try:
        return table.mutate(
            id=_text(table, "id", schema),
            category=_text(table, "category", schema),
            created_at=_instant(table, "created_at", schema),
            deleted_at=_instant(table, "deleted_at", schema),
            author=_text(table, "author", schema).nullif(""),
            addressees=_texts(table, "addressees", schema),
            topics=_texts(table, "topics", schema),
        )
    except BadInput as error:
        remedy = (
            "write the column with that type; one that holds nothing may have the type null, or be left out"
        )
        raise BadInput(error.message, place=place, remedy=remedy) from None


def _on_engine(source: Source, engine: str) -> ir.Table:
    if isinstance(source, ir.Table):
        return spark.adopted(source)
    if engine == SPARK or spark.is_frame(source):
        if isinstance(source, str | Path):
            return spark.read_parquet(source)
        if spark.is_frame(source):
            return spark.table_of(source)
        return spark.arrow_table(source.read_all() if isinstance(source, pa.RecordBatchReader) else source)
    if isinstance(source, pa.RecordBatchReader):
        return ibis.memtable(source.read_all())
    if isinstance(source, pa.Table):
        return ibis.memtable(source)
    from troth.gate import duck

    return duck.read_pinned(source) if isinstance(source, Pinned) else duck.read_parquet(source)


def _is_empty(kind: dt.DataType) -> bool:
    """Whether a column of this type holds nothing but nulls: DuckDB writes such a type, Ibis does not know it."""
    return kind.is_null() or (isinstance(kind, dt.Unknown) and 'kind="NULL"' in str(kind))


def _text(table: ir.Table, name: str, schema: ibis.Schema) -> ir.StringValue:
    if _is_empty(schema[name]):
        return ibis.null("string")
    if not schema[name].is_string():
        raise BadInput(f"the column {name} holds {schema[name]}; expected text")
    return table[name]


def _instant(table: ir.Table, name: str, schema: ibis.Schema) -> ir.IntegerValue:
    if name not in schema or _is_empty(schema[name]):
        return ibis.null("int64")
    column, kind = table[name], schema[name]
    if kind.is_integer() or kind.is_null():
        return column.cast("int64")
    if kind.is_timestamp():
        # Whole seconds and the rest apart: a double of seconds cannot hold microseconds. DuckDB gives that
        # double although Ibis takes it for an integer, so it has to be cast there and back.
        seconds = column.truncate("s").epoch_seconds().cast("float64").cast("int64")
        instant = seconds * 1_000_000 + column.microsecond().cast("int64")
        if name == "created_at":
            return instant
        # An endless past is a deletion all the same; of ``created_at`` it is an unknown time.
        return ibis.ifelse(column.notnull(), instant.fill_null(FIRST_INSTANT), ibis.null("int64"))
    raise BadInput(
        f"the column {name} holds {kind}; expected a timestamp, or integer microseconds since 1970 UTC"
    )


def _texts(table: ir.Table, name: str, schema: ibis.Schema) -> ir.ArrayValue:
    kind = schema.get(name)
    if kind is None or _is_empty(kind) or (isinstance(kind, dt.Array) and _is_empty(kind.value_type)):
        return ibis.literal([], "array<string>")
    if not isinstance(kind, dt.Array) or not (kind.value_type.is_string() or kind.value_type.is_null()):
        raise BadInput(f"the column {name} holds {kind}; expected a list of text")
    return table[name].cast("array<string>")


def summarise(table: ir.Table) -> Summary:
    """Count a decided table."""
    tally = Tally()
    counted = table.group_by(*TALLIED).aggregate(records=table.count())
    for row in counted.to_pyarrow().to_pylist():
        tally.add(row, row["records"])
    return tally.summary()


TALLIED: Final = ("code", "all_codes", "any_party_would_allow")
"""The columns of a decided table that are counted."""


class Tally:
    """Counts decided records, group by group."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[int, int, bool]] = Counter()

    def add(self, row: Mapping[str, Any], records: int) -> None:
        """Count some records that are alike in the columns of TALLIED."""
        self._counts[row["code"], row["all_codes"], row["any_party_would_allow"]] += records

    def add_batch(self, batch: pa.RecordBatch) -> None:
        """Count the rows of a batch that has the columns of TALLIED."""
        grouped = pa.table([batch[name] for name in TALLIED], names=list(TALLIED)).group_by(list(TALLIED))
        for row in grouped.aggregate([([], "count_all")]).to_pylist():
            self.add(row, row["count_all"])

    def rows(self) -> list[tuple[dict[str, Any], int]]:
        """What was counted: the columns of TALLIED, and how many records have these values."""
        return [
            (dict(zip(TALLIED, key, strict=True)), records) for key, records in sorted(self._counts.items())
        ]

    def summary(self) -> Summary:
        """The counts by verdict and reason."""
        verdicts = dict.fromkeys(VERDICTS, 0)
        first: Counter[Reason] = Counter()
        every: Counter[Reason] = Counter()
        would_allow = 0
        for (code, all_codes, would), records in self._counts.items():
            verdicts[verdict_of(code)] += records
            would_allow += records if would else 0
            reason = first_of(code)
            if reason is not None:
                first[reason] += records
            every.update(dict.fromkeys(from_bits(all_codes), records))
        return Summary(
            self._counts.total(),
            verdicts,
            {reason.text: first[reason] for reason in sorted(first)},
            {reason.text: every[reason] for reason in sorted(every)},
            would_allow,
        )
