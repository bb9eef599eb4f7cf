"""Signals applied: recorded each time, never over an explicit choice, and forbidding only."""

from __future__ import annotations

import pytest

from tests.unit.app.conftest import Making
from tests.unit.app.test_identity import AT, TERMS, USE, choose, member
from troth.app import people, signals
from troth.app.decisions import explain
from troth.app.home import Home
from troth.core.errors import BadInput
from troth.core.values import Record, parse_instant
from troth.intake.signals import read_content_usage


@pytest.fixture
def home(make_home: Making) -> Home:
    posts = [
        Record(
            name, "post", parse_instant("2024-05-01"), author=who, addressees=(), deleted_at=None, topics=()
        )
        for name, who in (("post", "ann"), ("other", "bob"))
    ]
    made = make_home([], posts)
    made.record([*TERMS, member("ann"), member("bob")])
    return made


def reason(home: Home, record: str = "post") -> str | None:
    found = explain(home, record, USE, AT).decision.reason
    return found.text if found else None


def test_gpc_switches_off_and_every_application_is_recorded(home: Home) -> None:
    assert reason(home) is None
    first = signals.apply_gpc(home, "ann", [], "Sec-GPC: 1 on POST /posts", "2024-06-01")
    assert (first.set_off, first.already, first.conflicts) == (["learn"], [], [])
    assert reason(home) == "opted-out"
    again = signals.apply_gpc(home, "ann", ["learn"], "Sec-GPC: 1 on GET /", "2024-07-01")
    assert (again.set_off, again.already) == ([], ["learn"])
    found = [(one["source"], one["at"]) for _, one in signals.applications(home, "ann")]
    assert found == [
        ("Sec-GPC: 1 on POST /posts", "2024-06-01T00:00:00Z"),
        ("Sec-GPC: 1 on GET /", "2024-07-01T00:00:00Z"),
    ]
    assert signals.applications(home, "bob") == []
    assert signals.conflicts(home) == []


def test_a_choice_of_on_stands_and_the_conflict_is_listed(home: Home) -> None:
    home.record([choose("ann", "on", "2024-01-01")])
    applied = signals.apply_gpc(home, "ann", ["learn"], "a header", "2024-06-01")
    assert applied.conflicts == ["learn"]
    assert reason(home) is None
    assert [(one["subject"], one["setting"]) for one in signals.conflicts(home)] == [("ann", "learn")]
    home.record([choose("ann", "off", "2024-08-01")])
    assert signals.conflicts(home) == []


def test_an_unknown_switch_is_refused(home: Home) -> None:
    with pytest.raises(BadInput, match="no setting 'lern'"):
        signals.apply_gpc(home, "ann", ["lern"], "a header")


def test_an_erasure_takes_the_applications_too(home: Home) -> None:
    signals.apply_gpc(home, "ann", [], "a header", "2024-06-01")
    people.erase(home, "ann", None, bodies=True)
    assert signals.applications(home) == []


def test_preferences_of_a_site_forbid_and_permit_nothing(home: Home) -> None:
    refuses = read_content_usage("train-ai=n, search=y")
    permits = read_content_usage("train-ai=y")
    assert refuses is not None
    assert permits is not None
    with pytest.raises(BadInput, match="refuses nothing"):
        signals.terms_of(permits, "https://example.org/", ["post"], AT)
    terms = signals.terms_of(refuses, "https://example.org/a", ["post"], "2024-06-01")
    assert (terms.kind, terms.document) == ("statement", "content-usage-example.org")
    assert terms.clauses[0].quote == "train-ai=n, search=y"
    home.append([terms])
    assert reason(home, "other") == "promised-not-to"
