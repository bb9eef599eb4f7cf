"""Honouring withdrawals in what is served: at once, before anything is trained again.

Whoever opens a model comes through here first. The ledger's new entries are read, the rows that they take back are
found, and the state is replaced by one in which no served checkpoint holds them: a model that is a sum serves it
less these rows; any other goes back to the last checkpoints that never saw them. So a crash between a withdrawal
and this step serves nothing wrong: the next one to open the model does the step.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeGuard

from troth.core.decide import decide
from troth.core.entries import Act
from troth.core.events import Attributes, Choose, Erase, Event, Objection, Withdraw, subject_of
from troth.core.values import Use
from troth.learning.backend import Backend, Subtracts
from troth.learning.corpus import CORPUS_FOLDER, Corpus, Part
from troth.learning.registry import Difference, ModelFolder, State, Withdrawn
from troth.ledger.store import Ledger

_SAVE_EVERY = 10_000
"""Entries that concern nobody in a model are read again at every opening; after so many the place is kept."""

Found = dict[str, list[tuple[int, Event]]]


class Subtracting(Backend, Subtracts, Protocol):
    """A backend whose models are sums."""


def subtracts(backend: Backend | None) -> TypeGuard[Subtracting]:
    """Whether the models of a backend are sums."""
    return hasattr(backend, "difference")


def corpus_of(model: ModelFolder, state: State) -> Corpus:
    """The corpus of a model as its state has it."""
    return Corpus(model.path / CORPUS_FOLDER, model.files_of(state), model.facts.the_plan())


def honour(
    model: ModelFolder,
    backend: Backend | None,
    ledger: Ledger,
    clock: Callable[[], int],
    received: int | None = None,
) -> Withdrawn | None:
    """Take what members took back out of what is served. A withdrawal that is dated later is honoured at once too.

    Args:
        model: the model.
        backend: its backend; None: it was trained elsewhere, and it is only noted what is affected.
        ledger: open for reading.
        clock: gives microseconds UTC.
        received: when the withdrawal came; None: now, when it is first seen.

    Returns:
        What was newly taken out; None if nothing was.
    """
    state, head, now = model.state(), ledger.size, clock()
    if state.honoured >= head:
        return None
    found = _withdrawals(ledger, state.honoured, head)
    corpus = corpus_of(model, state)
    if not any(corpus.rows_of(subject) for subject in found) and head - state.honoured < _SAVE_EVERY:
        return None
    with model.changing() as state:
        if state.honoured >= head:
            return None
        corpus = corpus_of(model, state)
        positions, rows = _taken_back(model, ledger, corpus, state, (found, head, now))
        state.honoured = head
        if not rows:
            return None
        _take_out(model, backend, corpus, state, rows)
        withdrawn = Withdrawn(positions, rows, now if received is None else received, clock())
        state.pending.append(withdrawn)
    return withdrawn


def affected(
    model: ModelFolder, ledger: Ledger, events: Sequence[Event], now: int, state: State | None = None
) -> list[int]:
    """The rows that events would take out, if they were recorded now."""
    state = state or model.state()
    corpus, head = corpus_of(model, state), ledger.size
    found: Found = defaultdict(list)
    for position, event in enumerate(events, head):
        found[subject_of(event) or ""].append((position, event))
    rows: set[int] = set()
    for subject, theirs in found.items():
        rows.update(_rows_taken_back(model, ledger, corpus, subject, (theirs, head, now)))
    return sorted(rows)


def _withdrawals(ledger: Ledger, start: int, stop: int) -> Found:
    """The entries that may take something back, by member."""
    found: Found = defaultdict(list)
    for stored in ledger.entries(start, stop):
        event = stored.what
        if event is None or isinstance(event, Act):
            continue
        subject = subject_of(event)
        if subject is not None and _may_take_back(event):
            found[subject].append((stored.position, event))
    return found


def _may_take_back(event: Event) -> bool:
    return isinstance(event, Withdraw | Objection | Erase | Attributes) or (
        isinstance(event, Choose) and not event.on
    )


def _is_total(event: Event) -> bool:
    """Whether it takes back all that a member is a party of, whatever the rules for a record say."""
    return isinstance(event, Objection | Erase) or (
        isinstance(event, Withdraw) and event.setting is None and event.consent is None
    )


def _taken_back(
    model: ModelFolder, ledger: Ledger, corpus: Corpus, state: State, question: tuple[Found, int, int]
) -> tuple[list[int], list[int]]:
    """The positions of entries that take rows back, and the rows."""
    found, head, now = question
    waiting = {row for one in state.waiting for row in one.rows}
    positions: set[int] = set()
    rows: set[int] = set()
    for subject, events in found.items():
        fresh = [one for one in events if one[0] >= state.honoured]
        taken = _rows_taken_back(model, ledger, corpus, subject, (fresh, head, now))
        if taken:
            positions.update(position for position, _ in fresh)
            rows.update(taken)
    return sorted(positions) if rows - waiting else [], sorted(rows - waiting)


def _rows_taken_back(
    model: ModelFolder,
    ledger: Ledger,
    corpus: Corpus,
    subject: str,
    question: tuple[Sequence[tuple[int, Event]], int, int],
) -> list[int]:
    events, head, now = question
    rows = corpus.rows_of(subject)
    if not rows or not events or any(_is_total(event) for _, event in events):
        return rows if events else []
    records = corpus.records(rows)
    parties = {one for record in records for one in (record.author or "", *record.addressees)}
    at = max(now, *(getattr(event, "at", now) for _, event in events))
    uses = [Use(one.purpose, one.recipient) for one in model.facts.releases]
    known, before = ledger.known(head, parties), ledger.known(events[0][0], parties)
    for position, event in events:
        if position >= head:  # not recorded yet: somebody asks what it would take out
            known.add(position, event)
    chosen = any(not isinstance(event, Attributes) for _, event in events)
    taken = []
    for row, record, release in zip(rows, records, corpus.releases_of(rows), strict=True):
        if decide(record, uses[release], at, known).verdict == "allowed":
            continue
        # A choice against it is honoured whatever else speaks against the record by now. Other news about a member
        # (where they live, how old they are) counts if the answer was another one before.
        if chosen or decide(record, uses[release], at, before).verdict == "allowed":
            taken.append(row)
    return taken


def _take_out(
    model: ModelFolder, backend: Backend | None, corpus: Corpus, state: State, rows: Sequence[int]
) -> None:
    """Change a state so that nothing that is served holds some rows."""
    if backend is None:
        return
    parts = corpus.parts_of(rows)
    if not subtracts(backend):
        gone = touched(parts, model.facts.the_plan().slices, continues=backend.continues)
        state.retired += [one for one in state.serving if one.part in gone]
        state.serving = [one for one in state.serving if one.part not in gone]
        return
    served = {one.part for one in state.serving}
    learned = [row for row, part in zip(rows, parts, strict=True) if part in served]
    if learned:
        name = state.new_difference()
        making = model.making(name)
        backend.difference(corpus.choose(learned), model.facts.configuration, making)
        model.keep(making)
        state.differences.append(Difference(name))


def touched(parts: Iterable[Part], slices: int, *, continues: bool) -> set[Part]:
    """The parts whose checkpoints hold rows of these parts: of a backend that continues, also all later slices."""
    found = set(parts)
    if continues:
        found |= {(shard, later) for shard, first in found for later in range(first, slices)}
    return found
