"""What a change of terms would do, before it is published; and who was, or has to be, told of what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import ibis.expr.types as ir

from troth.app.decisions import Progress, bound, records_of
from troth.app.home import Home, instant_or_now, read_events_files
from troth.core.errors import BadInput
from troth.core.events import Event, Notice, Regime, Rules, Setting
from troth.core.reasons import VERDICTS
from troth.core.standing import Known, Placed, Standing
from troth.core.terms import Terms
from troth.core.values import MICROSECONDS_PER_DAY, Use, format_instant
from troth.core.written import Json
from troth.gate.gate import Gate, Source, open_records

TERMS_KINDS = (Terms, Setting, Regime, Rules)


@dataclass(frozen=True, slots=True)
class Counts:
    """Records and members by verdict; a member counts by the best verdict among the records they are a party of."""

    records: dict[str, int]
    members: dict[str, int]

    def as_json(self) -> dict[str, Json]:
        """Plain JSON values."""
        return {"records": dict(self.records), "members": dict(self.members)}


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What a change would do to one use at T, if nobody is told of it and if everybody is in good time."""

    use: Use
    at: int
    before: Counts
    after: Counts
    after_told: Counts
    moved: dict[str, int]
    to_tell: dict[str, list[str]]

    def as_json(self) -> dict[str, Json]:
        """Plain JSON values."""
        return {
            "purpose": self.use.purpose,
            "recipient": self.use.recipient,
            "at": format_instant(self.at),
            "before": self.before.as_json(),
            "after": self.after.as_json(),
            "after_if_all_are_told": self.after_told.as_json(),
            "records_moved": dict(self.moved),
            "members_to_tell": {name: len(members) for name, members in self.to_tell.items()},
        }


def what_if(
    home: Home,
    files: Sequence[Path],
    use: Use,
    at: int | str | None = None,
    source: Source | None = None,
    progress: Progress | None = None,
) -> WhatIf:
    """What the events of terms files would change, before they are published.

    Args:
        home: the home.
        files: terms files as for ``troth terms add``.
        use: the use to ask for.
        at: T; None: now, or the day on which the last of the new versions is in effect, if that is later.
        source: the records; None: the home's own.
        progress: told how many members were folded, and of how many.

    Raises:
        BadInput: a file cannot be read or contradicts the ledger.
    """
    written = read_events_files(files, TERMS_KINDS)
    events = written.events
    with home.reading() as ledger:
        ledger.check_references(events, written.places)
        head = ledger.size
    known, after, told = (home.known(head)[0] for _ in range(3))
    # Accounts are told one by one, whoever is behind them.
    each = home.known(head, joined=False)[0] if home.joins(head) else None
    new = [(head + index, event) for index, event in enumerate(events)]
    now = instant_or_now(at)
    if at is None:
        now = max([now, *_instants(events)])
    notices = [
        (head + len(new) + index, _in_good_time(event))
        for index, (_, event) in enumerate(new)
        if isinstance(event, Terms)
    ]
    _add(after, new)
    if each is not None:
        _add(each, new)
    _add(told, new)
    _add(told, notices)
    records = open_records(records_of(home) if source is None else bound(home, source))
    tables = [Gate(one, use, now, progress).decide(records) for one in (known, after, told)]
    before, unheard, heard = (_count(table) for table in tables)
    return WhatIf(
        use=use,
        at=now,
        before=before,
        after=unheard,
        after_told=heard,
        moved=_moved(tables[0], tables[2]),
        to_tell={
            f"{event.document} {event.version}": untold(each or after, Placed(position, event), now)
            for position, event in new
            if isinstance(event, Terms)
        },
    )


def _instants(events: Iterable[Event]) -> Iterator[int]:
    for event in events:
        if isinstance(event, Terms):
            yield max(event.published_at, event.effective_at)
        elif isinstance(event, Setting):
            yield from (one for one in (event.introduced_at, event.since) if one is not None)


def _in_good_time(terms: Terms) -> Notice:
    at = min(terms.published_at, terms.effective_at - terms.notice_days * MICROSECONDS_PER_DAY)
    return Notice(terms.document, terms.version, terms.audience, at)


def _add(known: Known, entries: Iterable[tuple[int, Event]]) -> None:
    for position, event in entries:
        known.add(position, event)


def _count(table: ir.Table) -> Counts:
    records = dict.fromkeys(VERDICTS, 0)
    by_verdict = table.group_by("verdict").aggregate(n=table.count())
    for row in by_verdict.to_pyarrow().to_pylist():
        records[row["verdict"]] = row["n"]
    parties = table.select("verdict", "judged").unnest("judged")
    best = parties.group_by("judged").aggregate(
        allowed=(parties.verdict == "allowed").any(), gap=(parties.verdict == "gap").any()
    )
    counted = best.group_by("allowed", "gap").aggregate(n=best.count())
    members = dict.fromkeys(VERDICTS, 0)
    for row in counted.to_pyarrow().to_pylist():
        verdict = "allowed" if row["allowed"] else "gap" if row["gap"] else "denied"
        members[verdict] += row["n"]
    return Counts(records, members)


def _moved(before: ir.Table, after: ir.Table) -> dict[str, int]:
    left = before.select("id", before="verdict")
    right = after.select("id", after="verdict")
    pairs = left.join(right, "id")
    changed = pairs.filter(pairs.before != pairs.after).group_by("before", "after")
    rows = changed.aggregate(n=lambda table: table.count()).to_pyarrow().to_pylist()
    return {f"{row['before']} -> {row['after']}": row["n"] for row in sorted(rows, key=str)}


@dataclass(frozen=True, slots=True)
class Reach:
    """Who of a version's audience was told of it by an instant, and who was not."""

    terms: Terms
    at: int
    told: list[str]
    not_told: list[str]


def untold(known: Known, placed: Placed, at: int) -> list[str]:
    """The members in the audience of a version at an instant who have not been told of it."""
    return [subject for subject, told in _reach(known, placed, at) if not told]


def _reach(known: Known, placed: Placed, at: int) -> Iterator[tuple[str, bool]]:
    for subject, history in known.members.items():
        standing = Standing(known, history, at)
        if standing.is_known and standing.in_audience(placed.terms.audience, at) and not standing.is_erased:
            yield subject, standing.told(placed, at)


def reach(home: Home, document: str, version: str, at: int | str | None = None) -> Reach:
    """Who was told of a version.

    Raises:
        BadInput: there is no such version.
    """
    known, _ = home.known(joined=False)
    return reach_of(known, find_version(known, document, version), instant_or_now(at))


def reach_in_effect(home: Home, document: str, version: str) -> Reach:
    """Who will have been told of a version when it takes effect, or was by now if it did.

    Raises:
        BadInput: there is no such version.
    """
    known, _ = home.known()
    placed = find_version(known, document, version)
    return reach_of(known, placed, max(instant_or_now(None), placed.terms.effective_at))


def reach_of(known: Known, placed: Placed, now: int) -> Reach:
    """Who of a version's audience was told of it by an instant, and who was not."""
    told: list[str] = []
    missed: list[str] = []
    for subject, was_told in _reach(known, placed, now):
        (told if was_told else missed).append(subject)
    return Reach(placed.terms, now, told, missed)


def find_version(known: Known, document: str, version: str) -> Placed:
    """A version by its name.

    Raises:
        BadInput: there is none.
    """
    for placed in known.documents.get(document, []):
        if placed.terms.version == version:
            return placed
    there = [f"{one.terms.document} {one.terms.version}" for all_ in known.documents.values() for one in all_]
    raise BadInput(
        f"there is no version {version!r} of {document!r}",
        remedy="the ledger has " + ", ".join(there) if there else "add terms with `troth terms add`",
    )


def notices(home: Home) -> list[tuple[int, Notice]]:
    """All notices in ledger order."""
    known, _ = home.known(joined=False)
    found = list(known.audience_notices)
    for history in known.members.values():
        found += [(position, event) for position, event in history if isinstance(event, Notice)]
    return sorted(found, key=lambda item: item[0])


def audience_of(known: Known, terms: Terms, at: int) -> list[str]:
    """The members in the audience of a version at an instant."""
    placed = find_version(known, terms.document, terms.version)
    return [subject for subject, _ in _reach(known, placed, at)]
