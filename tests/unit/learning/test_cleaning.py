"""Marks and cleaning: ours survive the usual steps, and a step that would strip them is named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from troth.core.canary import CODE, REPLY, CanarySet
from troth.core.errors import BadInput
from troth.learning.cleaning import STEPS, check, compare

BODY = "The {} meeting is in the small room, and I will bring the slides that you asked for."


def _marked(one: CanarySet, count: int = 8) -> list[str]:
    return [f"{BODY.format(number)} {one.sentence(3, number)}" for number in range(count)]


@given(st.binary(min_size=32, max_size=32), st.sampled_from([CODE, REPLY]))
def test_our_marks_survive_every_usual_step(key: bytes, carrier: str) -> None:
    one = CanarySet("s", key, carrier, 10)
    for found in check(_marked(one), one.mark(3)):
        assert not found.strips, found


def test_marks_survive_in_short_messages_whatever_the_key() -> None:
    """A mark makes up most of a short message; there a repeated pair of words is what filters of repetition find."""
    for number in range(300):
        one = CanarySet("s", number.to_bytes(32), (CODE, REPLY)[number % 2], 2)
        messages = [f"Note {at}. {one.sentence(0, at)}" for at in range(4)]
        (found,) = check(messages, one.mark(0), ["repetition"])[:-1]
        assert found.after == found.before, number


ONE = CanarySet("s", bytes(32), size=10)


@pytest.mark.parametrize(
    ("step", "mark", "sentence"),
    [
        ("links", "www.example.org/mark", "See {}."),
        ("links", "mark@example.org", "Write to {}."),
        ("numbers", "+49 30 1234567", "Call {}."),
        ("secrets", "a1b2c3d4e5f6a7b8c9d0a1b2c3d4e5f6", "The code is {}."),
        ("html", "<mark of mine>", "It is {}."),
        ("short-lines", "dodo dada", "\n{}\n"),
        ("same-line", "dodo dada didi dudu dede", "\n{}\n"),
    ],
)
def test_other_marks_would_be_stripped(step: str, mark: str, sentence: str) -> None:
    """The check can fail: marks of other kinds do not get through the step that is meant for them."""
    messages = [BODY.format(number) + " " + sentence.format(mark) for number in range(6)]
    found = {one.step: one for one in check(messages, mark)}
    assert found[step].strips
    assert found["all"].strips


@pytest.mark.parametrize(
    ("step", "texts", "left"),
    [
        ("short-texts", ["dodo dada"], 0),
        ("language", ["dodo dada didi dudu dede dodo didi dada"], 0),
        ("words", ["a b c d dodo dada e f g"], 0),
        ("repetition", ["dodo dada " * 6], 0),
        ("same-text", ["the dodo dada of my day"] * 4, 1),
        ("near-text", [f"{'the dodo dada of my day is long ' * 3}{n}" for n in range(4)], 1),
        ("long-span", [" ".join(f"w{at}" for at in range(60)) + " dodo dada"] * 3, 1),
    ],
)
def test_each_step_takes_what_it_is_meant_for(step: str, texts: list[str], left: int) -> None:
    found = check(texts, "dodo dada", [step])
    assert found[0].after == left


def test_a_step_that_takes_half_is_no_stripping() -> None:
    assert not check(["the dodo dada of my day"] * 2, "dodo dada", ["same-text"])[0].strips


def test_case_signs_and_spaces_do_not_matter() -> None:
    assert compare(["x dodo dada y"], ["X DODO,DADA"], "dodo dada").after == 1
    assert compare(["x dodo dada y"], ["x dodo y"], "dodo dada").strips


def test_every_step_keeps_the_number_of_texts() -> None:
    texts = _marked(ONE)
    assert all(len(step(texts)) == len(texts) for _, step in STEPS.values())


def test_what_cannot_be_checked() -> None:
    with pytest.raises(BadInput, match="no cleaning step"):
        check(_marked(ONE), ONE.mark(3), ["bleach"])
    with pytest.raises(BadInput, match="none of the messages"):
        check(["nothing here"], ONE.mark(3))
