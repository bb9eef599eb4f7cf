"""Reasons, their order, their bit sets, and their sentences."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.oracle.oracle import DENIALS as DENIALS_OF_THE_ORACLE
from tests.oracle.oracle import ORDER
from troth.core.catalogue import ALLOWED, ANOTHER_PARTY, SENTENCES
from troth.core.reasons import ALL, BY_TEXT, DENIALS, Reason, bits, first_of, from_bits, verdict_of

IN_ORDER = (
    "not-yet, deleted, erased, closed, minor, prohibited-here, objected, promised-not-to, retroactive, not-noticed,"
    " no-ground, permission-ended, opted-out, off-by-default, no-opt-in, no-choice-offered, before-choice,"
    " written-while-off, consent-withdrawn, consent-expired, no-consent, unknown-subject, unknown-time,"
    " unknown-jurisdiction, unknown-age"
).split(", ")

some_reasons = st.sets(st.sampled_from(list(Reason)))


def test_the_order_is_that_of_the_decision() -> None:
    assert [reason.text for reason in Reason] == IN_ORDER == ORDER
    assert [int(reason) for reason in Reason] == list(range(25))
    assert {text: Reason(place) for place, text in enumerate(IN_ORDER)} == BY_TEXT


@given(some_reasons)
def test_a_bit_set_holds_just_its_reasons_in_order(reasons: set[Reason]) -> None:
    code = bits(reasons)
    assert from_bits(code) == tuple(sorted(reasons))
    assert first_of(code) == min(reasons, default=None)
    assert bits(from_bits(code)) == code
    assert 0 <= code <= ALL
    assert code.bit_count() == len(reasons)


@given(some_reasons)
def test_a_certain_no_beats_a_missing_fact_which_beats_a_yes(reasons: set[Reason]) -> None:
    denied = any(reason.text in DENIALS_OF_THE_ORACLE for reason in reasons)
    assert verdict_of(bits(reasons)) == ("denied" if denied else "gap" if reasons else "allowed")


def test_each_reason_alone_has_its_verdict() -> None:
    for reason in Reason:
        assert verdict_of(1 << reason) == ("gap" if reason.text.startswith("unknown-") else "denied")
    assert from_bits(DENIALS) == tuple(reason for reason in Reason if not reason.text.startswith("unknown-"))


def test_every_reason_has_two_sentences_that_are_its_own() -> None:
    assert list(SENTENCES) == list(Reason)
    said = [text for one in (*SENTENCES.values(), ALLOWED) for text in (one.member, one.lawyer)]
    assert len(set(said)) == 2 * (len(Reason) + 1)


@pytest.mark.parametrize(
    "reason", [*Reason, None], ids=lambda one: one.text if one is not None else "allowed"
)
def test_sentences_are_whole_and_members_read_of_nobody_but_themselves(reason: Reason | None) -> None:
    sentences = ALLOWED if reason is None else SENTENCES[reason]
    for text in (sentences.member, sentences.lawyer):
        assert re.fullmatch(r"[A-Z][^\n]{20,}\.", text)
        assert text == text.strip()
        assert "  " not in text
    others = r"\b(they|them|their|he|she|his|her|someone|somebody|another|other|author|addressee|party|member|recipient)\b"  # noqa: E501 - a table
    assert not re.search(others, sentences.member, re.IGNORECASE)
    assert re.search(r"\b(you|your|yours|this|it)\b", sentences.member, re.IGNORECASE)


def test_what_a_member_sees_of_others_is_the_sentence_of_the_design_and_says_no_reason() -> None:
    assert ANOTHER_PARTY == "Not used, for a reason outside your own choices."
    assert not any(one.member == ANOTHER_PARTY for one in SENTENCES.values())
