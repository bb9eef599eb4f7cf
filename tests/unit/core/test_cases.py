"""Reading and running case files; the cases themselves are run by tests/unit/test_cases.py."""

from __future__ import annotations

from typing import Any

import pytest

from troth.core.cases import Case, read_case, run_case
from troth.core.errors import BadInput
from troth.core.reasons import Reason
from troth.core.shape import Shape

ANN = {"subject": "ann", "since": "2020-01-01", "jurisdiction": "US", "born": 1980}
POST = {"id": "p", "category": "post", "created_at": "2021-01-01", "author": "ann"}
ASKED = {
    "record": "p",
    "purpose": "improve",
    "recipient": "operator",
    "at": "2022-01-01",
    "verdict": "denied",
}


def case(
    events: Any = (ANN,), records: Any = (POST,), expect: Any = (ASKED,), **others: Any
) -> dict[str, Any]:
    return {
        "case": "a case",
        "events": list(events),
        "records": list(records),
        "expect": list(expect),
        **others,
    }


def read(**parts: Any) -> Case:
    return read_case(Shape(case(**parts), "cases.yaml"))


def test_an_expectation_asks_only_for_what_it_names() -> None:
    assert run_case(read()) == []
    for more in (
        {"reason": "no-ground"},
        {"party": "ann"},
        {"reasons": {"ann": ["no-ground"]}},
        {"as_of": 1},
    ):
        assert run_case(read(expect=[ASKED | more])) == []


WRONG: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ({"verdict": "allowed"}, {"verdict": "allowed"}, {"verdict": "denied"}),
    (
        {"reason": "minor"},
        {"verdict": "denied", "reason": "minor"},
        {"verdict": "denied", "reason": "no-ground"},
    ),
    ({"reason": None}, {"verdict": "denied", "reason": None}, {"verdict": "denied", "reason": "no-ground"}),
    ({"party": "bob"}, {"verdict": "denied", "party": "bob"}, {"verdict": "denied", "party": "ann"}),
    (
        {"reasons": {"ann": []}},
        {"verdict": "denied", "reasons": {"ann": []}},
        {"verdict": "denied", "reasons": {"ann": ["no-ground"]}},
    ),
    (
        {"reasons": {}},
        {"verdict": "denied", "reasons": {}},
        {"verdict": "denied", "reasons": {"ann": ["no-ground"]}},
    ),
    (
        {"reasons": {"ann": ["no-ground"], "bob": []}},
        {"verdict": "denied", "reasons": {"ann": ["no-ground"], "bob": []}},
        {"verdict": "denied", "reasons": {"ann": ["no-ground"]}},
    ),
    ({"as_of": 0}, {"verdict": "denied"}, {"verdict": "gap"}),
]


@pytest.mark.parametrize(("more", "expected", "got"), WRONG)
def test_what_differs_is_told(more: dict[str, Any], expected: dict[str, Any], got: dict[str, Any]) -> None:
    (difference,) = run_case(read(expect=[ASKED | more]))
    assert (difference.case, difference.record) == ("a case", "p")
    assert difference.expected == expected
    assert difference.got == got


def test_reason_zero_is_a_reason_too() -> None:
    asked = ASKED | {"at": "2020-06-01", "reason": "not-yet", "reasons": {}}
    assert int(Reason.NOT_YET) == 0
    assert run_case(read(expect=[asked])) == []
    assert run_case(read(expect=[asked | {"reason": None}]))


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"records": [POST, POST]}, "records.1: two records are called 'p'"),
    ({"records": [POST | {"category": "a b"}]}, "records.0.category: expected a category"),
    ({"records": [POST | {"colour": 1}]}, "records.0.colour: unknown key"),
    (
        {"records": [POST | {"created_at": "2021-02-29"}]},
        "records.0.created_at: '2021-02-29' is not an instant",
    ),
    ({"records": [POST | {"addressees": "bob"}]}, "records.0.addressees: expected a list"),
    ({"expect": [ASKED | {"record": "q"}]}, "expect.0.record: no record of this case is called 'q'"),
    ({"expect": [ASKED | {"verdict": "perhaps"}]}, "expect.0.verdict: expected one of allowed, denied, gap"),
    ({"expect": [ASKED | {"reason": "no-grund"}]}, "did you mean no-ground?"),
    ({"expect": [ASKED | {"reasons": {"ann": ["none"]}}]}, "expect.0.reasons.ann.0: expected one of not-yet"),
    ({"expect": [ASKED | {"reasons": {"ann": None}}]}, "expect.0.reasons: 'ann' is missing"),
    ({"expect": [ASKED | {"purpose": "any"}]}, "expect.0.purpose: a use names one purpose"),
    ({"expect": [ASKED | {"recipient": "acme"}]}, "expect.0.recipient: expected operator"),
    ({"expect": [ASKED | {"as_of": 2}]}, "expect.0.as_of: the case has 1 events"),
    ({"expect": [ASKED | {"when": "now"}]}, "expect.0.when: unknown key"),
    ({"events": [{"object": {"subject": "ann"}}]}, "events.0.object: 'at' is missing"),
    (
        {"events": [{"choose": {"subject": "a", "setting": "g", "value": "on", "at": "2020-01-01"}}]},
        "the setting 'g'",
    ),
    ({"expected": []}, "expected: unknown key"),
]


@pytest.mark.parametrize(("parts", "said"), REFUSED)
def test_a_case_that_cannot_be_read_is_refused_at_its_place(parts: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput) as caught:
        read_case(Shape(case() | parts, "cases.yaml"))
    assert said in str(caught.value)
    assert str(caught.value).startswith("cases.yaml: ")
