"""What ordinary cleaning of training data does to marks: the usual steps, tried on the marked messages themselves.

The steps are plain versions of what published pipelines do (C4: Raffel and others 2020; Gopher: Rae and others 2021,
appendix A; CCNet: Wenzek and others 2020; near-duplicates: Lee and others 2022). A pipeline of somebody else is
tried by running it over the marked messages and comparing; see ``compare``.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from troth.core.errors import BadInput

Texts = list[str]
Step = Callable[[Texts], Texts]

_LINK = re.compile(r"(?:https?://|www\.)\S+|\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b")
_NUMBER = re.compile(r"\+?\d[\d\s().-]{6,}\d")
_SECRET = re.compile(r"\b(?=\w*\d)[A-Za-z0-9+/=_-]{20,}\b|\b[0-9a-f]{32,}\b")
_TAG = re.compile(r"<[^>]{0,200}>")
_ENGLISH: Final = frozenset(
    "the be to of and that have with a i is my are it for as you this we in on".split()
)
_NEAR: Final = 0.8
_SHINGLE: Final = 5
_SPAN: Final = 50
_LEAST_WORDS: Final = 5
_LEAST_LETTERS: Final = 30
_STOP_WORDS: Final = 2
_WORD_LENGTHS: Final = (3.0, 10.0)
_ALPHABETIC: Final = 0.8
_TOP_RUNS: Final = {2: 0.20, 3: 0.18, 4: 0.16}


def _each(change: Callable[[str], str]) -> Step:
    return lambda texts: [change(text) for text in texts]


def _only(keep: Callable[[str], bool]) -> Step:
    return lambda texts: [text if keep(text) else "" for text in texts]


def _lines(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if len(line.split()) >= _LEAST_WORDS)


def _same_text_once(texts: Texts) -> Texts:
    first: dict[str, int] = {}
    return [text if first.setdefault(text, at) == at else "" for at, text in enumerate(texts)]


def _same_line_once(texts: Texts) -> Texts:
    seen: set[str] = set()
    cleaned = []
    for text in texts:
        lines = [line for line in text.splitlines() if line not in seen]
        seen.update(lines)
        cleaned.append("\n".join(lines))
    return cleaned


def _near_once(texts: Texts) -> Texts:
    kept: list[set[tuple[str, ...]]] = []
    cleaned = []
    for text in texts:
        words = text.lower().split()
        runs = {tuple(words[at : at + _SHINGLE]) for at in range(max(1, len(words) - _SHINGLE + 1))}
        if any(len(runs & other) >= _NEAR * len(runs | other) for other in kept):
            cleaned.append("")
        else:
            kept.append(runs)
            cleaned.append(text)
    return cleaned


def _long_span_once(texts: Texts) -> Texts:
    seen: set[tuple[str, ...]] = set()
    cleaned = []
    for text in texts:
        words = text.split()
        spans = [tuple(words[at : at + _SPAN]) for at in range(len(words) - _SPAN + 1)]
        drop = {at + offset for at, span in enumerate(spans) if span in seen for offset in range(_SPAN)}
        seen.update(spans)
        cleaned.append(" ".join(word for at, word in enumerate(words) if at not in drop))
    return cleaned


def _looks_english(text: str) -> bool:
    words = re.findall(r"[a-z']+", text.lower())
    return sum(word in _ENGLISH for word in words) >= _STOP_WORDS


def _has_good_words(text: str) -> bool:
    words = text.split()
    if not words:
        return False
    mean = sum(map(len, words)) / len(words)
    alphabetic = sum(any(map(str.isalpha, word)) for word in words) / len(words)
    return _WORD_LENGTHS[0] <= mean <= _WORD_LENGTHS[1] and alphabetic >= _ALPHABETIC


def _repeats_little(text: str) -> bool:
    words = text.split()
    for size, most in _TOP_RUNS.items():
        runs = Counter(" ".join(words[at : at + size]) for at in range(len(words) - size + 1))
        run, times = max(runs.items(), key=lambda one: one[1] * len(one[0]), default=("", 0))
        if times > 1 and times * len(run) > most * len(text):
            return False
    return True


STEPS: Final[dict[str, tuple[str, Step]]] = {
    "unicode": ("compatibility forms become plain (NFKC)", _each(lambda one: unicodedata.normalize("NFKC", one))),
    "html": ("tags and entities go", _each(lambda one: html.unescape(_TAG.sub(" ", one)))),
    "lower": ("letters become small", _each(str.lower)),
    "spaces": ("runs of white space become one space", _each(lambda one: " ".join(one.split()))),
    "punctuation": ("signs other than letters, digits and spaces go", _each(lambda one: re.sub(r"[^\w\s]", "", one))),
    "digits": ("digits go", _each(lambda one: re.sub(r"\d", "", one))),
    "links": ("links and addresses go", _each(lambda one: _LINK.sub("", one))),
    "numbers": ("what looks like a telephone or account number goes", _each(lambda one: _NUMBER.sub("", one))),
    "secrets": ("what looks like a key or password goes", _each(lambda one: _SECRET.sub("", one))),
    "short-lines": ("lines of fewer than five words go", _each(_lines)),
    "short-texts": ("texts of fewer than 30 letters go", _only(lambda one: len(one) >= _LEAST_LETTERS)),
    "language": ("texts without two common English words go", _only(_looks_english)),
    "words": ("texts go whose words are too short, too long, or no words", _only(_has_good_words)),
    "repetition": ("texts go where one run of words makes up too much", _only(_repeats_little)),
    "same-text": ("the second of two equal texts goes", _same_text_once),
    "same-line": ("lines that were seen before go", _same_line_once),
    "near-text": ("the second of two texts that share four fifths of their runs goes", _near_once),
    "long-span": ("runs of 50 words that were seen before go", _long_span_once),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Survived:
    """What one step (or a whole pipeline) left: marked messages before it, and after."""

    step: str
    what: str
    before: int
    after: int

    @property
    def strips(self) -> bool:
        """Whether it takes more than half of the marks."""
        return 2 * self.after < self.before


def check(messages: Sequence[str], mark: str, steps: Sequence[str] = ()) -> list[Survived]:
    """Try each step by itself on the marked messages, and then all of them in a row.

    Raises:
        BadInput: an unknown step, or messages of which none holds the mark.
    """
    chosen = list(steps) or list(STEPS)
    unknown = [name for name in chosen if name not in STEPS]
    if unknown:
        raise BadInput(f"there is no cleaning step {unknown[0]!r}", remedy=f"take some of {', '.join(STEPS)}")
    before = _marked(messages, mark)
    if not before:
        raise BadInput(
            "none of the messages holds the mark", remedy="place it first, and hand in those messages"
        )
    found = [
        Survived(name, STEPS[name][0], before, _marked(STEPS[name][1](list(messages)), mark))
        for name in chosen
    ]
    texts = list(messages)
    for name in chosen:
        texts = STEPS[name][1](texts)
    return [*found, Survived("all", "all of these in a row", before, _marked(texts, mark))]


def compare(before: Sequence[str], after: Sequence[str], mark: str) -> Survived:
    """What a pipeline of somebody else left of the marked messages that were put in."""
    return Survived("pipeline", "the pipeline that was run", _marked(before, mark), _marked(after, mark))


def _marked(texts: Sequence[str], mark: str) -> int:
    """How many texts hold the mark, whatever became of case, signs and spaces."""
    wanted = _plain(mark)
    return sum(wanted in _plain(text) for text in texts)


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())
