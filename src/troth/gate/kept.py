"""A small side that is kept: after some members' entries, only these members are folded again.

A fold of everybody is the *base*; later folds of a few stand beside it as *changes*, which replace those members'
rows. Everything else stays true as long as nothing that concerns everybody came or came into effect
(``Kept.outdated`` says what did), since cohorts and windows of different folds have numbers of their own.

``state.json`` names the files that count and is replaced last, with ``Kept.commit``: until then, and after a crash,
what was there before is what is kept. The folder holds who chose what: it is private, and goes with ``Kept.forget``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq

from troth.gate.cohorts import Cohorts
from troth.gate.gate import Asked, Gate
from troth.gate.people import History
from troth.gate.plan import SmallSide
from troth.gate.small import SPANS, WINDOWS, ask, beside, file_of, in_batches, in_memory, write_private

STATE: Final = "state.json"
_FORMAT: Final = 1
_DUE: Final = pa.schema([("subject", pa.string()), ("due", pa.int64())])
_SHARE: Final = 10
"""When the changes concern more than one in so many members, everybody is folded again."""
_CHUNK: Final = 100_000


@dataclass(frozen=True, slots=True)
class State:
    """What a kept small side rests on, and its files by name."""

    format: int
    purpose: str
    recipient: str
    at: int
    position: int
    commitment: str | None
    """That of the last entry, in hex: a ledger that was put back from elsewhere is another."""
    erased: int
    first: int
    scopes: list[list[str]]
    signatures: list[list[bool]]
    sets: list[list[str]]
    cohorts: int
    members: int
    changed: int
    number: int
    spans: str
    due: str
    changes: str
    changes_due: str
    windows: str
    notes: dict[str, Any]
    """What whoever keeps it has to remember with it, as JSON."""

    @property
    def files(self) -> tuple[str, ...]:
        """The names of the files that count."""
        return (self.spans, self.due, self.changes, self.changes_due, self.windows)


@dataclass(frozen=True, slots=True)
class LedgerNow:
    """The ledger before a position: what there is to compare with an earlier state."""

    position: int
    commitment: str | None
    erased: int
    touched: frozenset[str]
    """Members with entries since the earlier state, those included whose accounts were joined, or no more."""
    world_changed: bool
    """Whether an entry since then concerns everybody."""
    same: bool
    """Whether the entries before the earlier position are those of then."""


class Kept:
    """A kept small side in a folder."""

    def __init__(self, folder: Path, share: int = _SHARE) -> None:
        self._folder = folder
        self._share = share

    @property
    def state(self) -> State | None:
        """What is kept; None: nothing, or of another version."""
        try:
            found = json.loads((self._folder / STATE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        if set(found) != {one.name for one in fields(State)} or found["format"] != _FORMAT:
            return None
        state = State(**found)
        return state if all((self._folder / name).exists() for name in state.files) else None

    def forget(self) -> None:
        """Remove all that is kept."""
        (self._folder / STATE).unlink(missing_ok=True)
        self._clear(())

    def due(self, at: int) -> set[str]:
        """The members for whom something of their own has come into effect by an instant, since the state's."""
        state = self._there()
        rows = ask(
            f"SELECT subject FROM {self._file(state.changes_due)} WHERE due <= ? UNION ALL "  # noqa: S608 - own names
            f"SELECT subject FROM {self._file(state.due)} WHERE due <= ? AND subject NOT IN"
            f" (SELECT subject FROM {self._file(state.changes_due)})",
            [at, at],
        )
        return set(rows["subject"].to_pylist())

    def hand_on(self, gate: Gate, ledger: LedgerNow) -> None:
        """Spare a gate of the same use what is known already, as far as nothing changed it."""
        state = self.state
        if (
            state is not None
            and ledger.same
            and not ledger.world_changed
            and ledger.erased == state.erased
            and (state.purpose, state.recipient) == (gate.use.purpose, gate.use.recipient)
        ):
            gate.go_on_from([tuple(one) for one in state.scopes], state.position)

    def outdated(self, gate: Gate, ledger: LedgerNow, asked: Asked, touched: int) -> str | None:
        """Why everybody has to be folded; None: the members that were touched are enough.

        Args:
            gate: the question as it is now.
            ledger: what became of the ledger.
            asked: the records that are to be decided.
            touched: how many members were touched, or are due.
        """
        state = self.state
        if state is None:
            return "nothing is kept yet"
        earliest = min(asked.first, gate.at)
        reasons: list[tuple[bool, str]] = [
            ((state.purpose, state.recipient) != (gate.use.purpose, gate.use.recipient), "another use"),
            (gate.at < state.at, "an earlier day is asked for"),
            (ledger.position < state.position or not ledger.same, "the ledger is another one"),
            (ledger.erased != state.erased, "entries were erased"),
            (ledger.world_changed, "terms, settings or law changed"),
            (_lists(gate.scopes) != state.scopes, "a consent names other categories"),
            (len(asked.signatures) > len(state.signatures), "records of another kind came"),
            (earliest < state.first, "older records came"),
            ((touched + state.changed) * self._share > state.members, "many members changed"),
        ]
        for holds, reason in reasons:
            if holds:
                return reason
        breaks = gate.world(asked).breaks
        if any(state.at < one <= gate.at for one in breaks):
            return "terms, settings or law came into effect"
        return None

    def rebuild(self, gate: Gate, asked: Asked, ledger: LedgerNow) -> State:
        """Fold everybody. The state counts once it is committed."""
        before = self.state
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        number = 0 if before is None else before.number + 1
        self._clear(() if before is None else before.files)
        fold = self._fold(gate, asked, gate.everybody(), number, first_cohort=0)
        empty = self._write(f"changes-{number}", SPANS, in_batches([], SPANS))
        empty_due = self._write(f"changes-due-{number}", _DUE, in_batches([], _DUE))
        windows = self._write(f"windows-{number}", WINDOWS, fold.windows.to_batches())
        return State(
            _FORMAT, gate.use.purpose, gate.use.recipient, gate.at, ledger.position, ledger.commitment,
            ledger.erased, asked.first, _lists(gate.scopes), _lists(asked.signatures), _lists(asked.sets),
            fold.cohorts, fold.members, 0, number, fold.spans, fold.due, empty, empty_due, windows, {},
        )  # fmt: skip

    def advance(self, gate: Gate, ledger: LedgerNow, touched: Iterable[str]) -> State:
        """Fold the members that were touched; whoever has an account joined with theirs is folded with them.

        The state counts once it is committed.
        """
        state = self._there()
        number = state.number + 1
        asked = self.asked(gate)
        names = set(touched)

        def members() -> Iterator[tuple[str, History]]:
            for subject, history in gate.people.some(sorted(names)):
                names.add(subject)
                yield subject, history

        fold = self._fold(gate, asked, members(), number, first_cohort=state.cohorts)
        changes = self._replaced(f"changes-{number}", SPANS, state.changes, fold.spans, names)
        due = self._replaced(f"changes-due-{number}", _DUE, state.changes_due, fold.due, names)
        both = pa.concat_tables([self._read(state.windows), fold.windows])
        windows = self._write(f"windows-{number}", WINDOWS, both.to_batches())
        for made in (fold.spans, fold.due):
            (self._folder / made).unlink()
        changed = len(ask(f"SELECT DISTINCT subject FROM {self._file(changes)}"))  # noqa: S608 - own names
        return replace(
            state,
            at=gate.at,
            position=ledger.position,
            commitment=ledger.commitment,
            erased=ledger.erased,
            cohorts=fold.cohorts,
            changed=changed,
            number=number,
            changes=changes,
            changes_due=due,
            windows=windows,
        )

    def asked(self, gate: Gate) -> Asked:
        """The records that the kept small side was made for, as far as members are concerned."""
        state = self._there()
        return gate.asked_before(
            [tuple(one) for one in state.sets], [tuple(one) for one in state.signatures], state.first
        )

    def small_side(self, state: State, asked: Asked, records: ir.Table) -> SmallSide:
        """The small side with everybody's spans, on the engine that holds the records."""
        base, changes = (beside(self._folder / name, records) for name in (state.spans, state.changes))
        kept = base.anti_join(changes, "subject").union(changes.filter(changes.start.notnull()))
        return asked.small_side(kept, self._read(state.windows), state.cohorts)

    def small_side_of(self, state: State, asked: Asked, subjects: pa.Table) -> SmallSide:
        """The small side with the spans of some members (column ``subject``), in memory."""
        spans = ask(
            f"SELECT * FROM {self._file(state.changes)} SEMI JOIN asked USING (subject) "  # noqa: S608 - own names
            "WHERE start IS NOT NULL UNION ALL "
            f"SELECT * FROM (SELECT * FROM {self._file(state.spans)} SEMI JOIN asked USING (subject)) "
            f"ANTI JOIN {self._file(state.changes)} USING (subject)",
            [],
            asked=subjects,
        )
        return asked.small_side(spans.cast(SPANS), self._read(state.windows), state.cohorts)

    # inside

    def _there(self) -> State:
        state = self.state
        if state is None:
            raise LookupError("nothing is kept here")
        return state

    def _fold(
        self,
        gate: Gate,
        asked: Asked,
        members: Iterable[tuple[str, History]],
        number: int,
        first_cohort: int,
    ) -> _Fold:
        cohorts = Cohorts(gate.world(asked), asked.sets, asked.first, timeless=True, number=first_cohort)
        due_name = f"due-{number}.parquet"
        counted = 0
        with _Gathered(self._new(due_name), _DUE) as due:

            def rows() -> Iterator[tuple[str, int, int, int]]:
                nonlocal counted
                for subject, history in members:
                    counted += 1
                    instant = cohorts.due(history)
                    if instant is not None:
                        due.add((subject, instant))
                    yield from cohorts.spans([(subject, history)])

            spans = self._write(f"spans-{number}", SPANS, in_batches(rows(), SPANS))
        return _Fold(spans, due_name, in_memory(cohorts.windows(), WINDOWS), cohorts.end, counted)

    def _replaced(self, name: str, schema: pa.Schema, before: str, made: str, names: set[str]) -> str:
        """The changes so far without those of some members, and the new ones; who has no row now, with nulls."""
        asked = pa.table({"subject": pa.array(sorted(names), pa.string())})
        table = ask(
            f"SELECT * FROM {self._file(made)} UNION ALL BY NAME "  # noqa: S608 - own names
            f"SELECT subject FROM asked ANTI JOIN {self._file(made)} USING (subject) UNION ALL BY NAME "
            f"SELECT * FROM {self._file(before)} ANTI JOIN asked USING (subject)",
            [],
            asked=asked,
        )
        return self._write(name, schema, table.select(schema.names).cast(schema).to_batches())

    def _file(self, name: str) -> str:
        return file_of(self._folder / name)

    def _read(self, name: str) -> pa.Table:
        return pq.read_table(self._folder / name)

    def _new(self, name: str) -> Path:
        path = self._folder / name
        path.unlink(missing_ok=True)  # of a fold that was killed
        return path

    def _write(self, name: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> str:
        file = f"{name}.parquet"
        write_private(self._new(file), schema, batches)
        return file

    def commit(self, state: State) -> State:
        """Make a state the one that counts."""
        making = self._new(f"{STATE}.making")
        descriptor = os.open(making, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(asdict(state), file)
            file.flush()
            os.fsync(descriptor)
        making.replace(self._folder / STATE)
        self._clear(state.files)
        return state

    def _clear(self, keep: Iterable[str]) -> None:
        names = set(keep)
        for path in self._folder.glob("*.parquet"):
            if path.name not in names:
                path.unlink()


@dataclass(frozen=True, slots=True)
class _Fold:
    """One fold: the files of its spans and due instants, its windows, how many cohorts and members."""

    spans: str
    due: str
    windows: pa.Table
    cohorts: int
    members: int


class _Gathered:
    """Rows that come one by one, written to a private Parquet file; use it in a ``with``."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._schema = schema
        self._rows: list[tuple[object, ...]] = []
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        self._file = os.fdopen(descriptor, "wb")
        self._writer = pq.ParquetWriter(self._file, schema, compression="lz4")

    def add(self, row: tuple[object, ...]) -> None:
        self._rows.append(row)
        if len(self._rows) >= _CHUNK:
            self._flush()

    def _flush(self) -> None:
        for batch in in_batches(self._rows, self._schema):
            self._writer.write_batch(batch)
        self._rows = []

    def __enter__(self) -> _Gathered:
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        self._writer.close()
        self._file.close()


def _lists(rows: Iterable[Iterable[Any]]) -> list[list[Any]]:
    """Tuples as JSON gives them back."""
    return [list(row) for row in rows]
