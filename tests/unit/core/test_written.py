"""Events as they are written down, read and stored."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
import rfc8785
from hypothesis import given

from tests.unit.core.strategies import KINDS, events, instants, names
from troth.core import events as kinds_of_events
from troth.core.entries import Act, make_body, read_body
from troth.core.errors import BadInput, Corrupt
from troth.core.events import Attributes, Choose, Event, MemberEvent, Notice, Objection, subject_of
from troth.core.shape import Shape
from troth.core.stored import stored_event
from troth.core.terms import Terms
from troth.core.values import canonical, format_instant, parse_instant
from troth.core.written import read_event, write_event


def test_there_is_a_strategy_for_every_kind_of_event() -> None:
    closed = {*get_args(kinds_of_events.Event), *get_args(MemberEvent)} - {MemberEvent}
    assert len(KINDS) == len(closed) == 12


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_that_is_written_is_read_back_equal(kind: str) -> None:
    @given(KINDS[kind])
    def holds(event: Event) -> None:
        written = write_event(event)
        assert read_event(Shape(written, "test")) == event
        assert read_event(Shape(json.loads(json.dumps(written)), "test")) == event

    holds()


@given(events)
def test_the_quick_way_back_from_storage_agrees_with_reading(event: Event) -> None:
    written: dict[str, Any] = json.loads(json.dumps(write_event(event)))
    quick = stored_event(written)
    if isinstance(event, Attributes | Choose) or (isinstance(event, Notice) and isinstance(event.to, str)):
        assert quick == event
    else:
        assert quick is None


@given(events, instants)
def test_stored_bodies_are_the_canonical_bytes_of_rfc_8785(event: Event, recorded_at: int) -> None:
    body = make_body(event, recorded_at, 7)
    plain: dict[str, Any] = {"event": write_event(event), "recorded_at": format_instant(recorded_at)}
    if subject_of(event) is not None:
        plain["previous"] = 7
    assert body == rfc8785.dumps(plain)
    assert read_body("member", json.loads(body), 0) == event


@given(names)
def test_sign_by_sign_the_standard_encoder_writes_text_as_rfc_8785_does(text: str) -> None:
    body = make_body(Objection(text, 0), 0, None)
    assert json.loads(body)["event"]["object"]["subject"] == text
    assert body == canonical(json.loads(body))


@pytest.mark.parametrize("code", [*range(0x20), 0x22, 0x5C, 0x7F, 0x85, 0x2028, 0xFEFF, 0xFFFF, 0x1F600])
def test_every_sign_that_json_may_escape_is_escaped_as_rfc_8785_does(code: int) -> None:
    body = make_body(Objection(chr(code), 0), 0, None)
    assert body == rfc8785.dumps(json.loads(body))


def test_a_lone_surrogate_has_no_canonical_form_and_is_refused() -> None:
    for what in (Objection("\ud800", 0), Act("release", {"name": "\ud800"})):
        with pytest.raises(BadInput, match="no canonical JSON form"):
            make_body(what, 0, None)


def test_an_integer_beyond_what_json_carries_has_no_canonical_form() -> None:
    with pytest.raises(BadInput, match="no canonical JSON form"):
        canonical({"n": 2**53})
    assert canonical({"n": 2**53 - 1}) == b'{"n":9007199254740991}'


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"event": {"choose": {"subject": "ann"}}},
        {"event": {"subject": "ann", "since": "never"}},
        {"event": {"subject": "ann", "since": 7}},
        {"event": {"notice": {"to": "ann"}}},
        {"event": {"unheard": {}}},
        {"event": []},
        {"event": None},
    ],
)
def test_a_body_that_no_version_writes_is_corrupt_and_names_its_position(body: dict[str, Any]) -> None:
    with pytest.raises(Corrupt, match="entry 41") as caught:
        read_body("member", body, 41)
    assert caught.value.remedy == "restore the ledger from a backup"


READ_WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "expected one of the events"),
    ({"speak": 1}, "got the keys speak"),
    ({"subject": "ann"}, "'since' is missing"),
    ({"subject": "ann", "since": "2020-01-01", "colour": "red"}, "colour: unknown key"),
    ({"subject": "ann", "since": "2020-01-01", "jurisdiction": "UK"}, "did you mean GB"),
    ({"subject": "ann", "since": "2020-01-01", "jurisdiction": "EU"}, "expected a place of ISO 3166"),
    ({"subject": "ann", "since": "2020-01-01", "status": "gone"}, "expected one of active, closed, erased"),
    ({"subject": "ann", "since": "2020-01-01", "born": "1980-02-30"}, "not a day of the calendar"),
    ({"subject": "ann", "since": "2020-01-01", "born": "0000"}, "expected a date"),
    ({"subject": "ann", "since": "2020-01-01", "born": 80}, "expected a date"),
    ({"setting": "g", "introduced_at": "2020-01-01", "since": "2020-01-01"}, "either introduced_at"),
    ({"setting": "g"}, "either introduced_at"),
    ({"setting": "g", "since": "2020-01-01", "defaults": [{"value": True}]}, "expected one of on, off"),
    ({"notice": {"terms": "p", "version": "1", "to": [], "at": "2020-01-01"}}, "expected text, got a list"),
    (
        {"notice": {"terms": "p", "version": "1", "to": "ann", "at": "2020-01-01", "delivered": 1}},
        "true or false",
    ),
    (
        {"accept": {"terms": "p", "version": "1", "subject": "ann", "at": "2020-01-01", "manner": "nod"}},
        "click",
    ),
    (
        {"choose": {"subject": "ann", "setting": "g", "value": "on", "at": "2020-01-01", "by": "robot"}},
        "guardian",
    ),
    (
        {"choose": {"subject": "ann", "setting": "g", "value": "on", "at": "2020-13-01"}},
        "instant of the calendar",
    ),
    ({"withdraw": {"subject": "ann", "at": "2020-01-01", "setting": "g", "consent": "c"}}, "or neither"),
    ({"regime": {"jurisdictions": ["EU"], "regime": "opt-in"}}, "did you mean opt_in"),
    ({"regime": {"jurisdictions": ["Europe"], "regime": "opt_in"}}, "expected a place"),
    ({"rules": {"minimum_age": -1}}, "whole number of 0 or more"),
    ({"rules": {"minimum_age": True}}, "whole number of 0 or more"),
    ({"rules": {"unknown_age": "child"}}, "expected one of gap, adult"),
    ({"object": {"subject": "", "at": "2020-01-01"}}, "expected text"),
    ({"object": {"subject": "ann", "at": "2020-01-01"}, "erase": {}}, "erase: unknown key"),
]


@pytest.mark.parametrize(("written", "said"), READ_WRONG)
def test_what_cannot_be_an_event_is_refused_with_what_was_expected(
    written: dict[str, Any], said: str
) -> None:
    with pytest.raises(BadInput) as caught:
        read_event(Shape(written, "file.yaml"))
    assert said in str(caught.value)
    assert str(caught.value).startswith("file.yaml: ")


def terms(kind: str = "privacy_policy", clauses: Any = (), **others: Any) -> dict[str, Any]:
    return {
        "terms": "p",
        "kind": kind,
        "version": "1",
        "published_at": "2020-01-01",
        "effective_at": "2020-01-01",
        "clauses": list(clauses),
        **others,
    }


def clause(**others: Any) -> dict[str, Any]:
    return {
        "id": "c",
        "effect": "permit",
        "purposes": ["any"],
        "categories": ["any"],
        "recipients": ["any"],
        **others,
    }


TERMS_WRONG: list[tuple[dict[str, Any], str]] = [
    (terms("faq", [clause()]), "a document of kind faq may only forbid or limit"),
    (terms("statement", [clause()]), "a document of kind statement may only forbid or limit"),
    (terms("setting_text", [clause()]), "a document of kind setting_text may only forbid or limit"),
    (terms("email", [clause()]), "a document of kind email may only forbid or limit"),
    (terms("poem"), "expected one of privacy_policy"),
    (terms(clauses=[clause(effect="forbid", condition="consent")]), "a forbid has no condition"),
    (terms(clauses=[clause(effect="limit", condition={"setting": "g"})]), "a limit has no condition"),
    (terms(clauses=[clause(effect="forbid", reaches_back=True)]), "a forbid does not reach back"),
    (terms(clauses=[clause(condition="maybe")]), "expected `consent` or `{setting: ID}`"),
    (terms(clauses=[clause(condition={"setting": "g", "x": 1})]), "condition.x: unknown key"),
    (terms(clauses=[clause(), clause()]), "two clauses are called 'c'"),
    (terms(clauses=[clause(purposes=["train generative"])]), "expected a purpose"),
    (terms(clauses=[clause(recipients=["partner:x"])]), "expected operator"),
    (terms(clauses=[clause(recipients=["operator:x"])]), "expected operator"),
    (terms(clauses=[clause(categories=["a:b:c"])]), "expected a category"),
    (terms(clauses=[clause(categories="post")]), "expected a list, got 'post'"),
    (terms(clauses=[clause(effect="allow")]), "expected one of permit, forbid, limit"),
    (terms() | {"clauses": None}, "'clauses' is missing"),
    (terms(audience={"jurisdictions": {}}), "expected a list, or a mapping with `in` or `not_in`"),
    (terms(audience={"jurisdiction": ["US"]}), "did you mean 'jurisdictions'"),
    (terms(audience={"tiers": {"in": ["basic"], "out": []}}), "out: unknown key"),
    (terms(audience=["US"]), "expected a mapping"),
    (terms(notice_days="soon"), "whole number of 0 or more"),
]


@pytest.mark.parametrize(("written", "said"), TERMS_WRONG)
def test_terms_that_break_a_rule_are_refused(written: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput) as caught:
        read_event(Shape(written, "file.yaml"))
    assert said in str(caught.value)


def test_documents_that_may_permit_may_and_each_key_that_may_be_missing_may() -> None:
    for kind in ("privacy_policy", "user_agreement", "subscription_agreement", "data_processing_agreement"):
        read = read_event(Shape(terms(kind, [clause()]), "file"))
        assert isinstance(read, Terms)
        assert read.notice_days == 0
        assert read.audience.jurisdictions is None
        assert (read.clauses[0].condition, read.clauses[0].reaches_back) == (None, False)
    choose = read_event(
        Shape({"choose": {"subject": "a", "setting": "g", "value": "off", "at": "2020-01-01"}}, "f")
    )
    assert choose == Choose(
        "a", "g", on=False, at=parse_instant("2020-01-01"), by="member", covers_past=False
    )
    notice = read_event(Shape({"notice": {"terms": "p", "version": 1, "to": "ann", "at": "2020-01-01"}}, "f"))
    assert notice == Notice("p", "1", "ann", parse_instant("2020-01-01"), channel=None, delivered=True)


def test_a_bare_year_is_its_last_day_and_null_is_unknown_which_is_not_the_same_as_missing() -> None:
    read = read_event(Shape({"subject": "ann", "since": "2020-01-01", "born": 1980, "tier": None}, "f"))
    assert isinstance(read, Attributes)
    assert dict(read.named) == {"born": (1980, 12, 31), "tier": None}


def test_spellings_of_places_are_folded_where_people_and_audiences_name_them() -> None:
    for spelled, meant in (("CN-HK", "HK"), ("CN-MO", "MO"), ("CN-TW", "TW")):
        read = read_event(Shape({"subject": "ann", "since": "2020-01-01", "jurisdiction": spelled}, "f"))
        assert isinstance(read, Attributes)
        assert dict(read.named) == {"jurisdiction": meant}
        law = read_event(Shape({"regime": {"jurisdictions": [spelled], "regime": "terms"}}, "f"))
        assert getattr(law, "jurisdictions", None) == (meant,)
