"""Topics found by the lexicon: the same every time, hints near each other, everyday talk is none of it."""

from __future__ import annotations

import importlib.util

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.topics import FILLERS, measure, missed, sample, templates, wilson
from tests.support import require
from troth.core.errors import BadInput
from troth.intake.personal_data import personal_data_finder
from troth.intake.topics import MAX_TEXT, NAMES, NEAR, PERSONAL_DATA, check_topics, find_topics


@pytest.mark.parametrize(
    ("text", "topics"),
    [
        ("My salary is a secret.", ("compensation",)),
        ("MY SALARY", ("compensation",)),
        ("They offered a sign-on\n bonus.", ("compensation",)),
        ("I\u2019m gay and my doctor\u2019s note says so.", ("health", "sexuality")),
        ("The patient symptom", ()),
        ("A symptom, then some treatment", ("health",)),
        ("symptoms and symptom", ()),
        ("A symptom. " + "word " * (NEAR + 1) + "treatment", ()),
        ("Pay attention: the cron job failed.", ()),
        ("Stroke of luck! Then she had a stroke.", ("health",)),
        ("", ()),
    ],
)
def test_what_is_found(text: str, topics: tuple[str, ...]) -> None:
    assert find_topics(text) == topics


def test_only_what_is_asked_for() -> None:
    assert find_topics("my salary and my chemo", ["health"]) == ("health",)
    assert check_topics(["health", PERSONAL_DATA, "health"]) == ("health", PERSONAL_DATA)
    with pytest.raises(BadInput, match="there is no topic 'helth'"):
        check_topics(["helth"])


@given(st.text(max_size=300))
def test_any_text_is_taken(text: str) -> None:
    assert set(find_topics(text)) <= set(NAMES)


def test_a_huge_text_is_looked_at_from_its_beginning() -> None:
    assert find_topics("x " * MAX_TEXT + "my salary") == ()


def test_the_measure_counts_right() -> None:
    texts = [("my salary", {"compensation"}), ("nothing", {"compensation"}), ("my salary", set())]
    found = measure(texts, {name: ["nothing"] for name in NAMES} | {"compensation": ["my salary", "nothing"]})
    assert found["compensation"]["precision"] == found["compensation"]["recall"] == 0.5
    assert found["compensation"]["sentences_found"] == "1 of 2"
    # Newcombe 1998, Stat. Med. 17, 857-872, table I: 81 of 263.
    assert [round(one, 4) for one in wilson(81, 263)] == [0.2553, 0.3662]


def test_the_development_sample_stays_found() -> None:
    sentences, near = templates("development")
    count = sum(map(len, sentences.values()))
    wrong = missed(sentences, near, find_topics)
    assert sum(line.startswith("missed") for line in wrong) <= 0.03 * count, wrong
    assert sum(line.startswith("wrongly") for line in wrong) <= 0.03 * len(near), wrong
    assert not any(find_topics(one) for one in FILLERS)


def test_samples_are_made_of_their_sentences() -> None:
    texts = sample({"health": ["{person} is ill."], "politics": ["I voted."]}, ["A vote of thanks."], 1)
    assert len(texts) == 80
    assert sum(labels == set() for _, labels in texts) == 40
    assert all(("I voted." in text) == ("politics" in labels) for text, labels in texts)


@pytest.mark.parametrize(
    ("text", "topic", "found"),
    [
        ("He handed in, with thanks, the badge.", "employment", True),
        ("He handed in all of it at noon, badge first.", "employment", False),
        ("He handed it in. Badge on!", "employment", False),
        ("So I am on 72k.", "compensation", True),
        ("So I am on 72.", "compensation", False),
        ("on 72k pages", "compensation", False),
    ],
)
def test_gaps_and_thousands(text: str, topic: str, found: bool) -> None:
    assert (topic in find_topics(text)) == found


@pytest.mark.slow
def test_personal_data_by_rules() -> None:
    require(importlib.util.find_spec("presidio_analyzer"), "the pii extra (presidio-analyzer)")
    find = personal_data_finder()
    assert find("Write to ann@example.org, or call 212-555-0199.") == ("EMAIL_ADDRESS", "PHONE_NUMBER")
    assert find("DE89 3704 0044 0532 0130 00") == ("IBAN_CODE",)
    assert find("card 4111 1111 1111 1111") == ("CREDIT_CARD",)
    assert find("Meet at 12:00 on 2024-05-01, room 4111.") == ()
    assert find("ann@example") == ()
