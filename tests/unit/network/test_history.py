from collections import Counter
from collections.abc import Sequence

import pytest

from troth.core.decide import Decision, decide
from troth.core.events import Event as Entry
from troth.core.events import Setting
from troth.core.references import NamesInMemory, References
from troth.core.shape import Shape
from troth.core.standing import Known
from troth.core.terms import FORBIDDING_KINDS, Terms
from troth.core.values import Record, Use
from troth.core.written import read_event, write_event
from troth_network import Network, days
from troth_network.history import happened_at, read_terms, switch_is_on
from troth_network.members import Member
from troth_network.records import Record as Written

GENERATIVE = "train.generative"


def read(events: tuple[dict[str, object], ...]) -> list[Entry]:
    return [read_event(Shape(event, f"event {index}")) for index, event in enumerate(events)]


@pytest.fixture(scope="module")
def entries(network: Network) -> list[Entry]:
    return read(network.events)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def known(entries: list[Entry]) -> Known:
    return Known(enumerate(entries))


def decided(
    network: Network, known: Known, recipient: str, at: int, records: Sequence[Written] | None = None
) -> list[Decision]:
    """Decisions on some records; without any on every eighth."""
    return [
        decide(
            Record(
                one.id, one.category, one.created_at, one.author, one.addressees, one.topics, one.deleted_at
            ),
            Use(GENERATIVE, recipient),
            at,
            known,
        )
        for one in (network.records[::8] if records is None else records)
    ]


def first_reasons(decisions: list[Decision]) -> set[str]:
    return {decision.reason.text for decision in decisions if decision.reason is not None}


def test_every_event_reads_and_refers_only_to_what_is_there(entries: list[Entry]) -> None:
    references = References(NamesInMemory())
    for entry in entries:
        references.add(entry)
    references.finish()
    assert all(read_event(Shape(write_event(entry), "again")) == entry for entry in entries)


def test_events_come_in_the_order_in_which_they_happened(network: Network) -> None:
    instants = [happened_at(event) for event in network.events]
    assert instants == sorted(instants)
    assert instants[-1] < days.TODAY


def test_all_kinds_of_events_occur(network: Network) -> None:
    kinds = Counter(next(iter(event)) for event in network.events)
    assert set(kinds) == {
        "rules", "regime", "setting", "terms", "subject", "notice", "accept", "choose", "consent",
        "withdraw", "object", "erase",
    }  # fmt: skip
    by = Counter(event["choose"]["by"] for event in network.events if "choose" in event)  # type: ignore[call-overload,index]
    assert set(by) == {"member", "guardian", "operator", "signal"}


def test_nothing_happens_to_somebody_before_they_joined(network: Network) -> None:
    for event in network.events:
        inner = next(iter(event.values()))
        name = inner.get("subject", inner.get("to")) if isinstance(inner, dict) else event.get("subject")
        if isinstance(name, str):
            assert network.by_id[name].joined <= happened_at(event)


def test_the_record_of_the_affair_is_there() -> None:
    events = [entry for entry in read(tuple(read_terms())) if isinstance(entry, Terms)]  # type: ignore[arg-type]
    terms = {entry.name: entry for entry in events}
    changed = terms["privacy-policy", "2024-09-18"]
    assert changed.published_at == changed.effective_at == days.POLICY_CHANGED
    extended = terms["privacy-policy", "2025-11-03"]
    assert (extended.published_at, extended.effective_at) == (days.EXTENSION_ANNOUNCED, days.EXTENSION)
    email, page = terms["e-mail-to-members", "2024-09-18"], terms["places-left-out", "2024-09-18"]
    assert email.audience.jurisdictions is not None
    assert email.audience.jurisdictions.inside == ("EU", "EEA", "GB", "CH")
    assert page.audience.jurisdictions is not None
    assert page.audience.jurisdictions.inside == ("EU", "EEA", "GB", "CH", "CA", "HK", "CN")
    assert terms["public-denial", "2025-01-23"].published_at == days.DENIAL
    assert terms["subscription-agreement", "2022-06-07"].audience.tiers is not None
    assert {entry.kind for entry in events} >= {"privacy_policy", "user_agreement", *FORBIDDING_KINDS}


def test_every_clause_quotes_a_sentence_of_its_own() -> None:
    events = [entry for entry in read(tuple(read_terms())) if isinstance(entry, Terms)]  # type: ignore[arg-type]
    assert all(clause.quote and len(clause.quote) > 20 for entry in events for clause in entry.clauses)


def test_the_pipelines_view_of_the_default_is_that_of_the_terms(known: Known) -> None:
    entries = known.settings["genai-improvement"]
    assert [type(entry) for _, entry in entries] == [Setting, Setting]
    for place in ("US-CA", "IN", "DE", "GB", "CH", "CA", "HK", "CN", None):
        for at in (days.SETTING_INTRODUCED, days.SUIT, days.EXTENSION, days.TODAY):
            setting = entries[-1 if at >= days.EXTENSION else 0][1]
            default = next(one.on for one in setting.defaults if one.audience.holds(place, "basic", at))
            member = Member("m", 0, 0, ((0, place),), ((0, "basic"),), None, None, None)
            assert switch_is_on([], member, at) == default, (place, at)


def test_part_of_the_members_were_told_on_the_day(network: Network) -> None:
    notices = [event["notice"] for event in network.events if isinstance(event.get("notice"), dict)]
    changed = [one for one in notices if one["version"] == "2024-09-18" and one["terms"] == "privacy-policy"]  # type: ignore[call-overload,index]
    on_the_day = [one for one in changed if one["at"][:10] == "2024-09-18"]  # type: ignore[call-overload,index]
    bounced = [one for one in changed if not one["delivered"]]  # type: ignore[call-overload,index]
    assert 0.6 < len(on_the_day) / len(changed) < 0.75
    assert 0.08 < len(bounced) / len(changed) < 0.16


def test_the_operators_verdicts_show_the_reasons_of_the_story(network: Network, known: Known) -> None:
    decisions = decided(network, known, "operator", days.TODAY)
    verdicts = Counter(decision.verdict for decision in decisions)
    assert 0.05 < verdicts["allowed"] / len(decisions) < 0.3
    assert verdicts["gap"] > 10
    assert first_reasons(decisions) >= {
        "deleted", "erased", "closed", "minor", "objected", "promised-not-to", "retroactive", "opted-out",
        "no-opt-in", "before-choice", "unknown-subject", "unknown-time", "unknown-jurisdiction",
    }  # fmt: skip
    every = {reason.text for one in decisions for party in one.parties for reason in party.reasons}
    assert every >= {"not-noticed", "no-ground", "written-while-off", "unknown-age", "no-consent"}


def test_on_the_day_of_the_denial_quiet_changes_still_show(network: Network, known: Known) -> None:
    decisions = decided(network, known, "operator", days.DENIAL)
    assert first_reasons(decisions) >= {
        "not-yet",
        "not-noticed",
        "promised-not-to",
        "retroactive",
        "no-ground",
    }


def test_third_parties_get_what_somebody_said_yes_to_and_no_more(network: Network, known: Known) -> None:
    decisions = decided(network, known, "third_party:acme", days.TODAY, network.records[::5])
    allowed = {decision.record for decision in decisions if decision.verdict == "allowed"}
    agreed = {
        event["consent"]["subject"]  # type: ignore[call-overload,index]
        for event in network.events
        if "consent" in event and event["consent"]["recipients"] == ["third_party:acme"]  # type: ignore[call-overload,index]
    }
    authors = {record.id: record.author for record in network.records}
    assert allowed
    assert {authors[name] for name in allowed} <= agreed
    assert "prohibited-here" in first_reasons(decisions)


def test_messages_may_train_only_where_all_parties_said_yes(network: Network, known: Known) -> None:
    agreed = {
        event["consent"]["subject"]  # type: ignore[call-overload,index]
        for event in network.events
        if "consent" in event and event["consent"]["recipients"] == ["operator"]  # type: ignore[call-overload,index]
    }
    messages = [one for one in network.records if one.category.startswith("private_message")]
    likely = [one for one in messages if one.author in agreed]
    decisions = decided(network, known, "operator", days.TODAY, [*likely, *messages[::10]])
    allowed = [one for one in decisions if one.verdict == "allowed"]
    assert 0 < len(allowed) < len(likely)
    assert all(party.subject in agreed for one in allowed for party in one.parties)
    assert any(len(one.parties) > 1 for one in allowed)
