"""Sentences out of text, their alignment, and what a change does."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from troth.app.watching import document_of
from troth.watch.changes import Change
from troth.watch.reading import Reading, read_change
from troth.watch.text import MAX_SENTENCE, decode, read


def change(before: str, after: str) -> Reading:
    return read_change(document_of(before.encode()), document_of(after.encode()))


def weighty(before: str, after: str) -> list[Change]:
    return [one for one in change(before, after).changes if one.kind != "neutral"]


FILLER = "\n\n".join(
    f"Paragraph number {number} says something about topic {number * 7}." for number in range(40)
)


def test_markup_and_numbering_do_not_count() -> None:
    plain = read("We use your data.\n\nSee our policy for more.")
    marked = read("1. **We use** your [data](https://example.org/x_(y)).\n\n- See our _policy_ for more.\n")
    assert [one.key for one in marked.sentences] == [one.key for one in plain.sentences]


def test_a_list_item_knows_the_line_that_it_continues() -> None:
    document = read("You may not:\n\n* copy the site\n    * by hand\n* sell it\n\nWe thank you.")
    assert [(one.text, one.stem) for one in document.sentences] == [
        ("You may not:", ""),
        ("copy the site", "You may not:"),
        ("by hand", "You may not: copy the site"),
        ("sell it", "You may not:"),
        ("We thank you.", ""),
    ]


def test_abbreviations_end_no_sentence() -> None:
    texts = [
        one.text
        for one in read("We use tools, e.g. Models of Acme Inc. and others. You agree.Then we go.").sentences
    ]
    assert texts == ["We use tools, e.g. Models of Acme Inc. and others.", "You agree.", "Then we go."]


def test_table_cells_are_read_with_the_head_of_their_row() -> None:
    document = read("| Purpose | Data |\n| --- | --- |\n| Training of AI models | Your posts |")
    assert ("Your posts", "Training of AI models") in [(one.text, one.stem) for one in document.sentences]


def test_added_training_widens_and_is_shown_first() -> None:
    (first, *_) = weighty(
        FILLER, f"We may collect your location.\n\n{FILLER}\n\nWe may use your posts to train our AI models."
    )
    assert first.kind == "widens"
    assert first.flags == ("ai-training-added",)
    assert first.after == "We may use your posts to train our AI models."
    assert first.before is None
    assert first.rule == "train-models"


def test_moved_and_repeated_text_is_no_change() -> None:
    one, other = "We may use your posts to train our AI models.", "We like music very much."
    assert not change(f"{one}\n\n{other}", f"{other}\n\n{one}\n\n{one}").changes
    # Split differently, too.
    assert not change(f"{one} {other}", f"* {one}\n* {other}").changes


def test_a_reworded_sentence_that_trained_before_is_neutral() -> None:
    before = "On 1 May we are updating this notice to explain how we train AI models with your data."
    after = "On 1 May we updated this notice to explain how we train AI models with your data."
    assert [one.kind for one in change(before, after).changes] == ["neutral"]


def test_training_that_reaches_further_widens() -> None:
    before = "We use public posts to train our language models for search."
    after = "We use public posts and private messages to train our language models for search."
    (found,) = weighty(before, after)
    assert found.flags == ("ai-training-added",)
    assert found.rule == "training-scope-grown"
    assert (found.before, found.after) == (before, after)


def test_a_promise_that_is_dropped_widens() -> None:
    (found,) = weighty(f"We do not train AI on your files.\n\n{FILLER}", FILLER)
    assert found.kind == "widens"
    assert found.flags == ("ai-training-promise-removed",)
    assert (found.before, found.after) == ("We do not train AI on your files.", None)


def test_a_promise_turned_round_is_both() -> None:
    found = weighty("We do not use your files to train AI models.", "We use your files to train AI models.")
    assert {flag for one in found for flag in one.flags} == {
        "ai-training-added",
        "ai-training-promise-removed",
    }


def test_a_promise_narrows() -> None:
    (found,) = weighty(FILLER, f"{FILLER}\n\nWe do not use your files to train AI models.")
    assert (found.kind, found.flags) == ("narrows", ("ai-training-promised-not-to",))


def test_a_rule_for_the_reader_is_neutral() -> None:
    found = change(FILLER, f"{FILLER}\n\nYou may not use our content to train AI models.")
    assert [(one.kind, one.flags) for one in found.changes] == [("neutral", ())]


def test_the_same_item_below_another_line_counts() -> None:
    item = "use content to train artificial intelligence models"
    found = weighty(f"You may not:\n\n* {item}", f"We may, with your content:\n\n* {item}")
    assert [one.flags for one in found] == [("ai-training-added",)]


@pytest.mark.parametrize(
    ("answer", "flags"),
    [
        ("No.", ("ai-training-promised-not-to",)),
        ("No, never.", ("ai-training-promised-not-to",)),
        ("Yes.", ("ai-training-added",)),
        ("That is a good question.", None),
    ],
)
def test_an_answer_is_read_with_its_question(answer: str, flags: tuple[str, ...] | None) -> None:
    found = weighty(FILLER, f"{FILLER}\n\n### Do you use my messages to train AI?\n\n{answer}")
    assert [one.flags for one in found] == ([flags] if flags else [])


CASES = [
    (
        "We may use your content to improve the Service.",
        "We may use your content to improve the Service and train AI.",
        True,
    ),
    ("You may not scrape the site.", "You may not scrape the site or use it to train AI.", False),
    ("We do not sell your data.", "We do not sell your data or use it to train AI.", False),
    ("We train AI models with your posts (2023).", "We train AI models with your posts (2024).", False),
    ("We will never train AI on your data.", "We will train AI on your data only if you agree.", True),
    ("We may use AI to moderate.", "We may use AI and machine learning models to moderate.", False),
    ("", "Prohibited uses:\n\n- Scraping\n- Training AI models on our data\n- Spam", False),
    ("", "## How we use your data\n\n- Provide services\n- Train our AI models\n- Security", True),
    (
        "",
        "By using the service you allow us to:\n\n1. store content;\n2. use your content to train AI models",
        True,
    ),
    ("", "We will not:\n\n- sell your data\n- train AI on your messages", False),
    ("", "### Don't\n\nUse our API output to train AI models.", False),
    (
        "",
        "You may not (i) copy the content, or (ii) use it for training of any AI; (iii) do not remove notices.",
        False,
    ),
]


@pytest.mark.parametrize(("before", "after", "added"), CASES)
def test_training_added_or_not(before: str, after: str, added: bool) -> None:
    assert any("ai-training-added" in one.flags for one in weighty(before, after)) == added


def test_a_new_recipient_is_flagged() -> None:
    (found,) = weighty(FILLER, f"{FILLER}\n\nWe may share your personal information with advertisers.")
    assert found.flags == ("recipient-added",)
    assert found.practice is not None
    assert found.practice.recipient == "third_party:advertising"


def test_another_document_under_the_name_is_a_switch() -> None:
    before = "# Privacy Policy\n\n" + "\n\n".join(
        f"Old rule {n} speaks of {n * n} cats and dogs." for n in range(60)
    )
    after = "# Regional Notice of Acme\n\n" + "\n\n".join(
        f"Article {n}: a wholly different matter, number {n * 3}, follows here." for n in range(60)
    )
    found = change(before, after + "\n\nWe train AI models with your posts.")
    assert found.changes == ()
    assert [one.name for one in found.lints] == ["document-switch"]


def test_a_rewrite_under_the_same_title_is_none() -> None:
    before = "# Terms\n\n" + "\n\n".join(f"Old rule {n} speaks of {n * n} cats and dogs." for n in range(60))
    after = "# Terms\n\n" + "\n\n".join(
        f"Part {n}: a wholly different matter follows, {n * 3}." for n in range(60)
    )
    found = change(before, after + "\n\nWe train AI models with your posts.")
    assert found.changes[0].flags == ("ai-training-added",)


def test_an_empty_document_before_is_an_addition() -> None:
    assert weighty("", "We train AI models with your posts.")[0].flags == ("ai-training-added",)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_encodings(encoding: str) -> None:
    text = "Nous respectons vos données. We don’t sell them – ever."
    assert decode(text.encode(encoding)).lstrip("\ufeff") == text


def test_invisible_signs_do_not_hide_words() -> None:
    found = weighty(
        FILLER, FILLER + "\n\nWe may use your po\u200bsts to tr\u00adain our \u202eAI\u202c models."
    )
    assert found[0].flags == ("ai-training-added",)


def test_an_endless_sentence_is_read_in_pieces_with_its_beginning() -> None:
    rule = "You agree that you will not do any of the following: " + "harm us in some small way, " * 120
    document = read(rule + "or use the outputs to build datasets and train AI models")
    assert all(len(one.text) <= MAX_SENTENCE for one in document.sentences)
    assert not weighty(
        FILLER, FILLER + "\n\n" + rule + "or use the outputs to build datasets and train AI models"
    )


HOSTILE = {
    "one sentence": "We may use your data to train AI models and so on and " * 20_000,
    "no space": "a" * 1_000_000,
    "dots": "." * 1_000_000,
    "brackets": "[" * 500_000 + "](" * 200_000,
    "links": "[a](b" * 200_000,
    "tags": "<a " * 300_000,
    "cells": "|a|b|c" * 150_000,
    "quotes": "'" * 1_000_000,
    "bidi": "\u202ewe may train AI \u202c\u2066x\u2069 " * 30_000,
    "indents": "".join(" " * (n % 50) + "* item: to train\n" for n in range(30_000)),
    "tables": "<html>" + "<table><tr><td>" * 60_000 + "x",
    "dates": "effective 1 January 2020 " * 40_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_takes_bounded_time(name: str) -> None:
    started = time.process_time()
    change("We do not train AI on your data.", HOSTILE[name])
    # About ten times what it takes; anything that grows with the square takes minutes.
    assert time.process_time() - started < 20


@settings(max_examples=40)
@given(st.text(max_size=200), st.text(max_size=200))
def test_any_text_can_be_compared(before: str, after: str) -> None:
    reading = change(before, after)
    for one in reading.changes:
        assert one.kind in {"widens", "narrows", "neutral"}
        assert one.before or one.after
        assert one.rule


@given(st.text(alphabet="ab .!\n*|#[]()<>-:'\"", max_size=300))
def test_a_document_does_not_differ_from_itself(text: str) -> None:
    assert change(text, text).changes == ()


@given(st.binary(max_size=300))
def test_any_bytes_can_be_read(data: bytes) -> None:
    document_of(data)
