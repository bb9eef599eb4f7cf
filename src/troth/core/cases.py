"""Case files: ledger entries, records and the verdicts expected of them (decisions.md, "Cases are files")."""

from __future__ import annotations

from dataclasses import dataclass

from troth.core.decide import Decision, decide
from troth.core.errors import Place
from troth.core.events import Event
from troth.core.reasons import BY_TEXT, VERDICTS
from troth.core.references import NamesInMemory, References
from troth.core.shape import Shape
from troth.core.standing import Known
from troth.core.values import Record, Use, check_category
from troth.core.written import Json, read_event


@dataclass(frozen=True, slots=True)
class Expectation:
    """One expected verdict; a part that is None is not asked for."""

    record: Record
    use: Use
    at: int
    verdict: str
    reason: str | None
    reason_given: bool
    party: str | None
    party_given: bool
    reasons: dict[str, frozenset[str]] | None
    as_of: int | None
    place: Place


@dataclass(frozen=True, slots=True)
class Case:
    """One document of a case file."""

    title: str
    events: tuple[Event, ...]
    records: tuple[Record, ...]
    expectations: tuple[Expectation, ...]
    place: Place

    def known(self, as_of: int | None = None) -> Known:
        """The first ``as_of`` events (None: all), placed by their order."""
        return Known(enumerate(self.events[:as_of]))


def read_case(shape: Shape) -> Case:
    """Read one case.

    Raises:
        BadInput: with the line and what was expected there.
    """
    title = shape.need("case").as_text()
    references = References(NamesInMemory())
    events = []
    entries = shape.get("events")
    for item in entries.items() if entries else ():
        event = read_event(item)
        references.add(event, item.place)
        events.append(event)
    references.finish()
    records: dict[str, Record] = {}
    listed = shape.get("records")
    for item in listed.items() if listed else ():
        record = read_record(item)
        if record.id in records:
            item.refuse(f"two records are called {record.id!r}", remedy="give each record an id of its own")
        records[record.id] = record
    expected = shape.get("expect")
    expectations = tuple(
        _read_expectation(item, records, len(events)) for item in (expected.items() if expected else ())
    )
    shape.close()
    return Case(title, tuple(events), tuple(records.values()), expectations, shape.place)


def read_record(shape: Shape) -> Record:
    """Read a record; all but ``id`` and ``category`` may be missing."""
    created, deleted, author = (shape.get(key) for key in ("created_at", "deleted_at", "author"))
    addressees, topics, body = (shape.get(key) for key in ("addressees", "topics", "body"))
    if body:
        body.as_any_text()
    record = Record(
        id=shape.need("id").as_text(),
        category=shape.need("category").checked(check_category),
        created_at=created.as_instant() if created else None,
        author=author.as_text() if author else None,
        addressees=tuple(item.as_text() for item in addressees.items()) if addressees else (),
        topics=topics.texts(check_category) if topics else (),
        deleted_at=deleted.as_instant() if deleted else None,
    )
    shape.close()
    return record


def _read_expectation(shape: Shape, records: dict[str, Record], events: int) -> Expectation:
    named = shape.need("record")
    record = records.get(named.as_text())
    if record is None:
        named.refuse(f"no record of this case is called {named.value!r}")
    reason, party, reasons, as_of = (shape.get(key) for key in ("reason", "party", "reasons", "as_of"))
    if as_of and as_of.as_count() > events:
        as_of.refuse(f"the case has {events} events")
    purpose, recipient = shape.need("purpose"), shape.need("recipient")
    expectation = Expectation(
        record=record,
        use=Use(
            purpose.checked(lambda text: Use(text, "operator").purpose),
            recipient.checked(lambda text: Use("train", text).recipient),
        ),
        at=shape.need("at").as_instant(),
        verdict=shape.need("verdict").as_one_of(VERDICTS),
        reason=reason.as_one_of(tuple(BY_TEXT)) if reason else None,
        reason_given=shape.has("reason"),
        party=party.as_text() if party else None,
        party_given=shape.has("party"),
        reasons=_read_reasons(reasons) if reasons else None,
        as_of=as_of.as_count() if as_of else None,
        place=shape.place,
    )
    shape.close()
    return expectation


def _read_reasons(shape: Shape) -> dict[str, frozenset[str]]:
    return {
        subject: frozenset(item.as_one_of(tuple(BY_TEXT)) for item in shape.need_list(subject))
        for subject in shape.keys()  # noqa: SIM118 - a Shape is no dict
    }


@dataclass(frozen=True, slots=True)
class Difference:
    """An expectation that the decision does not meet; ``expected`` and ``got`` hold what differs."""

    case: str
    place: Place
    record: str
    expected: dict[str, Json]
    got: dict[str, Json]


def run_case(case: Case) -> list[Difference]:
    """Decide every expectation of a case and return those that differ."""
    known: dict[int | None, Known] = {}
    differences = []
    for expectation in case.expectations:
        if expectation.as_of not in known:
            known[expectation.as_of] = case.known(expectation.as_of)
        decision = decide(expectation.record, expectation.use, expectation.at, known[expectation.as_of])
        expected, got = _compare(expectation, decision)
        if expected != got:
            differences.append(
                Difference(case.title, expectation.place, expectation.record.id, expected, got)
            )
    return differences


def _compare(expectation: Expectation, decision: Decision) -> tuple[dict[str, Json], dict[str, Json]]:
    expected: dict[str, Json] = {"verdict": expectation.verdict}
    got: dict[str, Json] = {"verdict": decision.verdict}
    if expectation.reason_given:
        expected["reason"] = expectation.reason
        got["reason"] = decision.reason.text if decision.reason is not None else None
    if expectation.party_given:
        expected["party"] = expectation.party
        got["party"] = decision.party
    if expectation.reasons is not None:
        expected["reasons"] = {
            subject: _in_order(reasons) for subject, reasons in sorted(expectation.reasons.items())
        }
        got["reasons"] = {
            party.subject: [reason.text for reason in party.reasons]
            for party in sorted(decision.parties, key=lambda party: party.subject)
        }
    return expected, got


def _in_order(reasons: frozenset[str]) -> list[Json]:
    return [reason for reason in BY_TEXT if reason in reasons]
