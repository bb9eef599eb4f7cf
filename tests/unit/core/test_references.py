"""What an event may refer to: only what an earlier entry defines."""

from __future__ import annotations

import pytest

from troth.core.errors import BadInput, Place
from troth.core.events import (
    Accept,
    Attributes,
    Choose,
    Consent,
    Erase,
    Event,
    Notice,
    Objection,
    Setting,
    Withdraw,
)
from troth.core.references import NamesInMemory, References
from troth.core.terms import Audience, Clause, Condition, Terms

ALL = ("any",)
POLICY = Terms("policy", "privacy_policy", "1", 0, 0, ())
SWITCH = Setting("g", (), introduced_at=0)
YES = Consent("c1", "ann", ALL, ALL, ALL, 0)


def conditional(version: str, setting: str | None) -> Terms:
    clause = Clause("c", "permit", ALL, ALL, ALL, Condition(setting))
    return Terms("policy", "privacy_policy", version, 0, 0, (clause,))


def check(*events: Event) -> None:
    references = References(NamesInMemory())
    for line, event in enumerate(events, 1):
        references.add(event, Place("file", line))
    references.finish()


@pytest.mark.parametrize(
    "events",
    [
        (POLICY, Notice("policy", "1", "ann", 0)),
        (POLICY, Notice("policy", "1", Audience(), 0)),
        (POLICY, Accept("policy", "1", "ann", 0, "click")),
        (POLICY, Terms("policy", "privacy_policy", "2", 0, 0, ())),
        (POLICY, Terms("other", "faq", "1", 0, 0, ())),
        (SWITCH, Choose("ann", "g", on=True, at=0)),
        (SWITCH, Setting("g", (), since=5)),
        (SWITCH, Withdraw("ann", 0, setting="g")),
        (YES, Withdraw("ann", 0, consent="c1")),
        (Withdraw("ann", 0), Objection("zed", 0), Erase("zed", 0), Attributes("ann", 0)),
        (conditional("1", "g"), SWITCH),
        (SWITCH, conditional("1", "g")),
        (conditional("1", None),),
    ],
)
def test_what_an_earlier_entry_defines_may_be_named(events: tuple[Event, ...]) -> None:
    check(*events)


WRONG: list[tuple[tuple[Event, ...], str]] = [
    ((Notice("policy", "1", "ann", 0), POLICY), "file:1: no earlier entry defines version '1' of 'policy'"),
    ((POLICY, Notice("policy", "2", "ann", 0)), "file:2: no earlier entry defines version '2' of 'policy'"),
    (
        (POLICY, Accept("polic", "1", "ann", 0, "click")),
        "file:2: no earlier entry defines version '1' of 'polic'",
    ),
    ((POLICY, POLICY), "file:2: a version '1' of 'policy' is there already"),
    ((Choose("ann", "g", on=True, at=0), SWITCH), "file:1: no earlier entry introduces the setting 'g'"),
    ((Withdraw("ann", 0, setting="g"),), "file:1: no earlier entry introduces the setting 'g'"),
    ((Setting("g", (), since=5), SWITCH), "file:1: no earlier entry introduces the setting 'g'"),
    ((SWITCH, SWITCH), "file:2: the setting 'g' was introduced by an earlier entry"),
    ((YES, YES), "file:2: a consent called 'c1' is there already"),
    ((YES, Consent("c1", "bob", ALL, ALL, ALL, 0)), "file:2: a consent called 'c1' is there already"),
    (
        (Withdraw("ann", 0, consent="c1"), YES),
        "file:1: ann has given no consent called 'c1' in an earlier entry",
    ),
    (
        (YES, Withdraw("bob", 0, consent="c1")),
        "file:2: bob has given no consent called 'c1' in an earlier entry",
    ),
    (
        (POLICY, conditional("2", "g")),
        "file:2: a clause is conditional on the setting 'g', which no entry defines",
    ),
]


@pytest.mark.parametrize(("events", "said"), WRONG)
def test_a_reference_to_nothing_is_refused_at_its_place_with_a_remedy(
    events: tuple[Event, ...], said: str
) -> None:
    with pytest.raises(BadInput) as caught:
        check(*events)
    assert str(caught.value).startswith(said)
    assert caught.value.remedy


def test_names_of_documents_and_versions_are_never_run_together() -> None:
    check(Terms("a", "faq", "b\0c", 0, 0, ()), Terms("a b", "faq", "c", 0, 0, ()))


def test_a_batch_is_checked_anew_after_it_is_finished() -> None:
    references = References(NamesInMemory())
    references.add(conditional("1", "g"))
    with pytest.raises(BadInput):
        references.finish()
    references.add(SWITCH)
    references.finish()
    references.add(conditional("2", "g"))
    references.finish()
