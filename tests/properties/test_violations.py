"""Violations: honest releases yield none, whatever a member claims; planted ones yield one each, and it holds."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.properties.histories import POLICY, Released, honest, passed_over, smuggled, with_other
from tests.properties.worlds import SCALE
from troth.core.decide import combination, judge_party
from troth.core.events import Choose, Objection
from troth.core.findings import Findings
from troth.core.standing import Known
from troth.core.values import canonical
from troth.core.violation import DENIED, NEWER, check_violation, instant_of, parse_violation


def first(make: Callable[[str], Released | None], seed: str) -> Released:
    found = (make(f"{seed}/{number}") for number in count())
    return next(one for one in found if one is not None)


@pytest.mark.parametrize("block", range(12 * SCALE))
def test_no_honest_history_yields_a_violation(block: int) -> None:
    ten_honest_histories(block)


def ten_honest_histories(block: int) -> None:
    """Ten releases that keep their word: nobody can show otherwise, with whatever entries of theirs."""
    for number in range(10):
        released = first(honest, f"honest/{block}/{number}")
        for member in released.members:
            assert released.found(member) is None
        member = released.members[number % len(released.members)]
        for claim in released.claims(member):
            assert not released.check(claim).ok


@pytest.mark.parametrize("block", range(3 * SCALE))
def test_every_planted_violation_yields_one(block: int) -> None:
    ten_planted_violations(block)


def ten_planted_violations(block: int) -> None:
    """Ten releases that break their word: somebody who is wronged can show it."""
    planted = 0
    for number in count():
        make = passed_over if number % 2 else smuggled
        released = make(f"planted/{block}/{number}")
        if released is None:
            continue
        victim = _victim(released)
        if victim is None:
            continue
        member, kind = victim
        found = released.found(member)
        assert found is not None, (block, number, member, kind)
        assert released.check(released.show(member, found)).ok
        planted += 1
        if planted == 10:
            return


def _victim(released: Released) -> tuple[str, str] | None:
    """Somebody who was wronged, found by the rule alone."""
    for member in released.members:
        head = released.details(member).head
        above = [
            at for at in released.positions(member) if at < released.stop and (head is None or at > head)
        ]
        dated = [at for at in above if instant_of(released.ledger.events[at]) <= released.at]
        if dated and head is not None:
            return member, NEWER
        if head is not None and not above and _denied(released, member):
            return member, DENIED
    return None


def _denied(released: Released, member: str) -> bool:
    """Whether the member's own word denies a row of theirs."""
    known = Known(list(enumerate(released.ledger.events[: released.stop])))
    for *_, record in released.rows:
        mode = combination(record.categories, known)
        counts = record.author == member if mode == "author" else mode == "all_parties"
        theirs = member in (record.author, *record.addressees)
        judged = judge_party(member, "author", record, released.use, released.at, known)
        if counts and theirs and judged.verdict == "denied":
            return True
    return False


def test_a_later_opt_out_is_no_violation() -> None:
    released = first(honest, "later")
    member = next(one for one in released.members if released.details(one).head is not None)
    for event in (
        Objection(member, released.at),
        Objection(member, released.at + 1),
        Choose(member, "anything", on=False, at=released.at - 1),
    ):
        later = with_other(released, event)
        assert later.found(member) is None
        assert all(not later.check(claim).ok for claim in later.claims(member))


def test_nothing_may_be_altered_or_left_out() -> None:
    for make in (passed_over, smuggled):
        released, shown = next(
            (one, one.show(victim[0], found))
            for number in count()
            if (one := make(f"alter/{number}")) is not None
            and (victim := _victim(one)) is not None
            and (found := one.found(victim[0])) is not None
        )
        assert released.check(shown).ok
        value = json.loads(shown.write())
        for key in ("entries", "world", "log"):
            if value[key]:
                cut = {**value, key: value[key][:-1]}
                assert not released.check(parse_violation(canonical(cut) + b"\n", "v")).ok
        entry = {**value["entries"][0], "salt": "00" * 32}
        wrong = {**value, "entries": [entry, *value["entries"][1:]]}
        assert not released.check(parse_violation(canonical(wrong) + b"\n", "v")).ok


@settings(max_examples=60 * SCALE)
@given(st.data())
def test_whatever_is_done_to_a_file_is_said_and_not_thrown(data: st.DataObject) -> None:
    released, shown = PLANTED
    written = bytearray(shown)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(written) - 1))
        written[at : at + data.draw(st.integers(0, 4))] = data.draw(
            st.sampled_from([b"", b"0", b'"', b"\\ud800", b"[["])
        )
    findings = Findings("violation")
    check_violation(bytes(written), released.signed, POLICY, findings, "v")
    assert bytes(written) == shown or not findings.ok


def _planted() -> tuple[Released, bytes]:
    for number in count():
        released = smuggled(f"file/{number}")
        victim = _victim(released) if released else None
        found = released.found(victim[0]) if released and victim else None
        if released and victim and found:
            return released, released.show(victim[0], found).write()
    raise AssertionError


PLANTED = _planted()
