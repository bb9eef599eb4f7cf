"""Clauses proposed from sentences: what binds, of which records, towards whom; and never a permit out of an FAQ."""

from __future__ import annotations

import pytest

from troth.core.terms import Clause, Terms
from troth.watch.proposals import propose
from troth.watch.text import read


def clauses(text: str, kind: str = "faq") -> list[Clause]:
    events = propose(read(text), "help", kind, "1", 0, 0)
    return [clause for event in events if isinstance(event, Terms) for clause in event.clauses]


@pytest.mark.parametrize(
    "text",
    [
        "We do not use private messages to train AI models.",
        "Do you use my messages? No. We do not use private messages to train AI models.",
        "Your InMail is never used to train AI models.",
    ],
)
def test_a_denial_forbids_training_on_private_messages_by_anybody(text: str) -> None:
    (found,) = clauses(text, "statement")
    assert (found.effect, found.purposes, found.categories, found.recipients) == (
        "forbid", ("train",), ("private_message",), ("any",),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "categories"),
    [
        ("We never share your InMail with third parties.", ("private_message",)),
        ("We never sell your personal data.", ("any",)),
    ],
)
def test_who_shares_with_nobody_shares_for_no_purpose(text: str, categories: tuple[str, ...]) -> None:
    (found,) = clauses(text)
    assert (found.effect, found.purposes, found.categories, found.recipients) == (
        "forbid", ("any",), categories, ("third_party",),
    )  # fmt: skip


def test_an_faq_permits_nothing() -> None:
    text = "We may use your posts to train AI models."
    assert clauses(text) == []
    (found,) = clauses(text, "privacy_policy")
    assert (found.effect, found.recipients) == ("permit", ("operator",))


def test_a_number_is_no_answer() -> None:
    assert [one.text for one in read("See No. 5 of the list. No. We do not.").sentences] == [
        "See No. 5 of the list.",
        "No.",
        "We do not.",
    ]
