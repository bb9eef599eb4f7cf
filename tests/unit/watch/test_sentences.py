"""Who does what: sentences of our own, one by one, and many made from templates."""

import itertools
from pathlib import Path

import pytest

from troth.watch.practices import Practice, practices
from troth.watch.text import Sentence, key_of


def trainings(stem: str, text: str) -> list[Practice]:
    found = practices(Sentence(text, key_of(text), stem, "", "item" if stem else "text"))
    return [one for one in found if one.action == "train"]


def reading(stem: str, text: str) -> str:
    found = trainings(stem, text)
    if any(one.affirmed and not one.binds_reader for one in found):
        return "trains"
    if any(one.binds_reader for one in found):
        return "reader-rule"
    return "promise" if found else "mention"


ALL = [
    line.split("\t")
    for line in Path(__file__).with_name("sentences.tsv").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]


@pytest.mark.parametrize(("expected", "stem", "text"), ALL)
def test_each_sentence_reads_in_its_direction(expected: str, stem: str, text: str) -> None:
    assert reading(stem, text) == expected


VERBS = (
    "train",
    "train and improve",
    "fine-tune",
    "develop and train",
    "pre-train",
    "improve",
    "build and enhance",
)
OBJECTS = (
    "our artificial intelligence models",
    "machine learning models",
    "AI",
    "our large language models",
    "generative AI systems",
    "our AI/ML algorithms",
)
DATA = ("your content", "your personal information", "the messages you send", "member data", "what you post")
WAYS = (
    "We may use {data} to {verb} {object}.",
    "Acme uses {data} to {verb} {object}.",
    "We use {data} so that we can {verb} {object}.",
)
RULES = (
    "You may not use our materials to {verb} {object}.",
    "You agree not to use the Services to {verb} {object}.",
    "Users must not scrape the site to {verb} {object}.",
    "Using our content to {verb} {object} is prohibited.",
)
NEVER = (
    "We do not use {data} to {verb} {object}.",
    "We will never use {data} to {verb} {object}.",
    "Neither we nor our affiliates use {data} to {verb} {object}.",
)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("what", OBJECTS)
def test_templates_read_in_their_direction(verb: str, what: str) -> None:
    for way, data in itertools.product(WAYS, DATA):
        text = way.format(data=data, verb=verb, object=what)
        assert reading("", text) == "trains", text
    for way in RULES:
        text = way.format(verb=verb, object=what)
        assert reading("", text) in {"reader-rule", "mention"}, text
    for way, data in itertools.product(NEVER, DATA):
        text = way.format(data=data, verb=verb, object=what)
        assert reading("", text) == "promise", text


def test_a_practice_names_its_parts() -> None:
    (found,) = trainings(
        "", "If you have agreed, we may use your private messages to train our language models."
    )
    assert (found.actor, found.action, found.mode, found.whose) == ("service", "train", "may", "reader")
    assert found.categories == ("message",)
    assert found.purposes == ("train.generative",)
    assert found.rule == "train-models"


def test_an_opt_out_that_leaves_the_past_reaches_back() -> None:
    text = "Opting out does not affect training that has already taken place with your posts."
    (found,) = trainings("", text)
    assert found.reaches_back
    assert found.condition == "opt-out"


@pytest.mark.parametrize(
    ("text", "action", "mode", "recipient"),
    [
        ("We may share your personal data with advertisers.", "share", "may", "third_party:advertising"),
        ("We do not sell your information to third parties.", "sell", "will-not", "third_party"),
        ("We collect your location when you use the app.", "collect", "will", None),
        ("You grant us a licence to use the photos that you post.", "license", "may", None),
        ("We do not use your messages to show ads.", "use", "will-not", None),
    ],
)
def test_other_practices(text: str, action: str, mode: str, recipient: str | None) -> None:
    found = [one for one in practices(Sentence(text, key_of(text))) if one.action == action]
    assert [(one.mode, one.recipient) for one in found] == [(mode, recipient)]
