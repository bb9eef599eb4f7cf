"""What a change would do, and who was told: equal to counting by hand."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.oracle import oracle
from tests.properties.worlds import World
from tests.unit.app.conftest import Making
from troth.app.changes import Counts, notices, reach, what_if
from troth.app.home import Home
from troth.core.decide import Decision, decide
from troth.core.errors import BadInput
from troth.core.events import Attributes, Erase, Event, Notice
from troth.core.shape import Shape
from troth.core.standing import Known
from troth.core.terms import Audience, Clause, Membership, Terms
from troth.core.values import MICROSECONDS_PER_DAY, Record, Use, format_instant, parse_instant
from troth.core.written import read_event

DAY = MICROSECONDS_PER_DAY
USE = Use("improve", "operator")


def everything(effect: str, **others: Any) -> dict[str, Any]:
    return {
        "id": "all",
        "effect": effect,
        "purposes": ["any"],
        "categories": ["any"],
        "recipients": ["any"],
        **others,
    }


def new_terms(world: World, clause: dict[str, Any], **others: Any) -> dict[str, Any]:
    at = format_instant(world.question.at - 400 * DAY)
    return {
        "terms": "fresh",
        "kind": "privacy_policy",
        "version": "1",
        "published_at": at,
        "effective_at": at,
        "clauses": [clause],
        **others,
    }


def changes(world: World) -> dict[str, list[dict[str, Any]]]:
    """Changes that widen, narrow, or both; some ask for days of notice."""
    document = next(one for one in world.raw["events"] if "terms" in one)
    named = {dict(one.named).get("jurisdiction") for one in world.case.events if isinstance(one, Attributes)}
    places = sorted(one for one in named if isinstance(one, str))
    since = format_instant(world.question.at - 900 * DAY)
    enough = {"regime": {"jurisdictions": places, "regime": "terms", "from": since}}
    return {
        "permits": [enough, new_terms(world, everything("permit"))],
        "permits with notice": [enough, new_terms(world, everything("permit"), notice_days=2)],
        "permits long foretold": [new_terms(world, everything("permit"), notice_days=1500)],
        "forbids": [new_terms(world, everything("forbid"))],
        "replaces": [
            new_terms(world, everything("permit", reaches_back=True))
            | {"terms": document["terms"], "kind": document["kind"], "version": "new"}
        ],
        "for some": [new_terms(world, everything("permit"), audience={"tiers": ["premium"]})],
        "law": [{"regime": {"jurisdictions": places, "regime": "prohibited", "from": since}}],
        "rules": [{"rules": {"all_parties": ["any"], "minimum_age": 99}}],
    }


CHANGES = [
    "permits",
    "permits with notice",
    "permits long foretold",
    "forbids",
    "replaces",
    "for some",
    "law",
    "rules",
]


def placed(events: list[Event]) -> Known:
    """As a home has them: the first entry is its key."""
    return Known(enumerate(events, 1))


def counted(decisions: list[Decision]) -> Counts:
    records = Counter(one.verdict for one in decisions)
    best: dict[str, str] = {}
    order = ("allowed", "gap", "denied")
    for one in decisions:
        for party in one.parties:
            best[party.subject] = min(best.get(party.subject, "denied"), one.verdict, key=order.index)
    members = Counter(best.values())
    return Counts(*({one: n[one] for one in ("allowed", "denied", "gap")} for n in (records, members)))


@pytest.mark.parametrize("name", CHANGES)
def test_what_if_counts_what_deciding_every_record_three_times_counts(
    home: Home, world: World, tmp_path: Path, name: str
) -> None:
    written = changes(world)[name]
    if name == "replaces" and written[0]["kind"] in ("faq", "setting_text", "email", "statement"):
        written[0]["clauses"] = [everything("forbid")]
    file = tmp_path / "change.yaml"
    file.write_text(json.dumps(written))
    events = [read_event(Shape(one, "change")) for one in written]
    told = [
        Notice(
            one.document,
            one.version,
            one.audience,
            min(one.published_at, one.effective_at - one.notice_days * DAY),
        )
        for one in events
        if isinstance(one, Terms)
    ]
    use, at = world.question.use, world.question.at
    old = list(world.case.events)
    three = [
        [decide(record, use, at, known) for record in world.records]
        for known in (placed(old), placed([*old, *events]), placed([*old, *events, *told]))
    ]
    size = home.position
    found = what_if(home, [file], use, at)
    assert home.position == size
    assert (found.before, found.after, found.after_told) == tuple(counted(one) for one in three)
    moves = Counter(
        f"{one.verdict} -> {other.verdict}"
        for one, other in zip(three[0], three[2], strict=True)
        if one.verdict != other.verdict
    )
    assert found.moved == moves
    assert moves or name in ("permits long foretold", "for some", "replaces"), (
        "a change that changes nothing tests nothing"
    )
    raw = [*world.raw["events"], *written]
    assert {name: len(members) for name, members in found.to_tell.items()} == {
        f"{one.document} {one.version}": len(brute_reach(raw, one.document, one.version, at)[1])
        for one in events
        if isinstance(one, Terms)
    }
    plain = found.as_json()
    assert plain["at"] == format_instant(at)
    assert plain["records_moved"] == moves


def brute_reach(raw: list[dict[str, Any]], document: str, version: str, at: int) -> tuple[set[str], set[str]]:
    """Who of a version's audience at an instant was told of it and who was not, as the oracle has it."""
    known = oracle.Known(raw, len(raw))
    terms = next(e for _, e in known.all("terms") if (e["terms"], e["version"]) == (document, version))
    told: set[str] = set()
    missed: set[str] = set()
    for subject in {e["subject"] for _, e in known.all("subject")}:
        if (known.joined(subject) or 0) > at or not known.in_audience(terms.get("audience"), subject, at):
            continue
        asked = oracle.Question(
            known, subject, {"category": "x"}, "improve", "operator", at, oracle.READINGS, None
        )
        if "erased" not in asked.step2_standing():
            (told if asked.told(terms, at) else missed).add(subject)
    return told, missed


def test_who_was_told_of_each_version_equals_what_the_oracle_says(home: Home, world: World) -> None:
    versions = [(one["terms"], one["version"]) for one in world.raw["events"] if "terms" in one]
    both: Counter[str] = Counter()
    for document, version in versions:
        for at in (world.question.at, world.question.at - 30 * DAY, world.question.at + 400 * DAY):
            found = reach(home, document, version, at)
            told, missed = brute_reach(world.raw["events"], document, version, at)
            assert (set(found.told), set(found.not_told)) == (told, missed)
            assert len(found.told) + len(found.not_told) == len(told) + len(missed)
            both.update(told=len(told), missed=len(missed))
    assert both["told"]
    assert both["missed"]


def test_who_was_told_to_the_microsecond_and_by_which_way(make_home: Making) -> None:
    us = Audience(Membership(inside=("US",)))
    terms = Terms("policy", "privacy_policy", "2", 0, 100 * DAY, (), us, notice_days=30)

    def member(subject: str, since: int = DAY, place: str = "US") -> Attributes:
        return Attributes(subject, since, (("jurisdiction", place), ("tier", "basic")))

    events: list[Event] = [
        terms,
        *(member(one) for one in ("ann", "bob", "cy", "dee", "gone", "fay")),
        member("late", since=100 * DAY),
        member("abroad", place="DE"),
        Notice("policy", "2", "ann", 70 * DAY),
        Notice("policy", "2", "bob", 70 * DAY + 1),
        Notice("policy", "2", "cy", 60 * DAY, delivered=False),
        Notice("policy", "2", Audience(tiers=Membership(inside=("gold",))), 60 * DAY),
        Attributes("fay", 60 * DAY, (("tier", "gold"),)),
        Attributes("fay", 61 * DAY, (("tier", "basic"),)),
        Erase("gone", 50 * DAY),
    ]
    home = make_home(events)
    found = reach(home, "policy", "2", 100 * DAY)
    assert set(found.told) == {"ann", "fay", "late"}
    assert set(found.not_told) == {"bob", "cy", "dee"}
    assert set(reach(home, "policy", "2", 100 * DAY + 1).told) == {"ann", "bob", "fay", "late"}
    assert [one.to for _, one in notices(home)][:3] == ["ann", "bob", "cy"]
    assert [position for position, _ in notices(home)] == sorted(position for position, _ in notices(home))
    with pytest.raises(BadInput, match="no version '3' of 'policy'") as caught:
        reach(home, "policy", "3")
    assert caught.value.remedy == "the ledger has policy 2"


def test_what_if_asks_of_the_day_on_which_the_last_of_it_is_in_effect(
    make_home: Making, tmp_path: Path
) -> None:
    clause = Clause("c", "permit", ("any",), ("any",), ("any",))
    events: list[Event] = [
        Terms("policy", "privacy_policy", "1", 0, 0, (clause,)),
        Attributes("ann", 1, (("jurisdiction", "US"), ("born", (1940, 1, 1)))),
    ]
    home = make_home(events, [Record("p", "post", 5, "ann"), Record("q", "post", 6, "ann")])
    file = tmp_path / "change.yaml"
    file.write_text(
        "terms: policy\nkind: privacy_policy\nversion: '2'\npublished_at: 2100-01-01\neffective_at: 2100-02-01\n"
        "clauses: []\n---\nsetting: g\nintroduced_at: 2099-01-01\ndefaults: []\n"
    )
    found = what_if(home, [file], USE)
    assert found.at == parse_instant("2100-02-01")
    assert found.before.records == {"allowed": 2, "denied": 0, "gap": 0}
    assert found.after.records == {"allowed": 0, "denied": 2, "gap": 0}
    assert found.after.members == {"allowed": 0, "denied": 1, "gap": 0}
    assert found.moved == {"allowed -> denied": 2}
    assert {name: len(members) for name, members in found.to_tell.items()} == {"policy 2": 1}
    # Asked of an earlier day, nothing has changed yet.
    assert what_if(home, [file], USE, "2099-12-31").moved == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("terms: policy\n", r"change\.yaml:1: 'kind' is missing"),
        ("- subject: ann\n  since: 2020-01-01\n", "expected terms, setting, regime, rules here"),
        ("", "holds no event"),
        ("setting: g\nsince: 2020-01-01\n", "no earlier entry introduces the setting 'g'"),
        ("terms: [\n", r"change\.yaml:\d+: is not YAML"),
    ],
)
def test_a_file_that_contradicts_itself_or_the_ledger_is_refused(
    make_home: Making, tmp_path: Path, text: str, said: str
) -> None:
    home = make_home([Attributes("ann", 0)], [Record("p", "post", 5, "ann")])
    file = tmp_path / "change.yaml"
    file.write_text(text)
    with pytest.raises(BadInput, match=said):
        what_if(home, [file], USE)
