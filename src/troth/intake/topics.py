"""Matters that a text speaks of, found by a lexicon: English only, offline, the same every time.

A topic is found where a strong expression stands, or two different weak ones near each other. It counts
as a further category ``topic:NAME`` of the record, which clauses can name. It is a finding, never a verdict:
what the lexicon overlooks is covered by no clause on topics, and precision and recall are measured
(``bench/topics.py``).
"""

from __future__ import annotations

import importlib.resources
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias

from troth.core.errors import BadInput

VERSION: Final = 3
"""Of the lexicon: another one may find other topics."""

MAX_TEXT: Final = 200_000
"""Characters of a text that are looked at, from its beginning."""

NEAR: Final = 40
"""Words between two weak expressions that speak of one matter, at most."""

PERSONAL_DATA: Final = "personal_data"
"""Found by the recognisers of Presidio (extra ``pii``), not by the lexicon."""

AI_WRITTEN: Final = "ai_written"
"""Marked by ``troth ai-written mark``, not by the lexicon: it takes a model, and texts of known origin."""


_TOKEN: Final = re.compile(r"\w+(?:'\w+)?|[.!?;:]")
_STOPS: Final = frozenset(".!?;:")
_NUMBER: Final = "#"
_THOUSANDS: Final = "#k"

_GAP: Final = "~"
_GAP_WORDS: Final = 3

_Word: TypeAlias = tuple[str, ...]
"""What may stand at one place: any of these."""
_Words: TypeAlias = tuple[_Word, ...]


@dataclass(frozen=True, slots=True)
class _Topic:
    strong: tuple[_Words, ...]
    weak: tuple[_Words, ...]


def _expression(line: str) -> _Words:
    return tuple(tuple(place.split("|")) for place in line.lower().split())


def _read(name: str) -> _Topic:
    """A list of expressions, one a line, as words with spaces between.

    ``*`` ends a word in any way, ``#`` is a number (also ``85k``), ``#k`` one of thousands (``85k`` alone), ``a|b``
    one of several words, ``~`` up to three words of the same sentence.
    """
    file = importlib.resources.files("troth.intake").joinpath("lexicon", f"{name}.txt")
    found: dict[str, list[_Words]] = {"[strong]": [], "[weak]": []}
    section = found["[strong]"]
    for line in file.read_text("utf-8").splitlines():
        if line.startswith("["):
            section = found[line]
        elif line and not line.startswith("//"):
            section.append(_expression(line))
    return _Topic(tuple(found["[strong]"]), tuple(found["[weak]"]))


NAMES: Final = (
    "employment",
    "compensation",
    "intellectual_property",
    "health",
    "religion",
    "politics",
    "sexuality",
    "legal_trouble",
)
"""The topics that the lexicon finds."""

_EVERYDAY: Final = "everyday"
"""Words of everyday talk that mean none of it."""


def check_topics(names: Sequence[str]) -> tuple[str, ...]:
    """The topics asked for, each once.

    Raises:
        BadInput: one is not known.
    """
    for name in names:
        if name not in (*NAMES, PERSONAL_DATA):
            raise BadInput(
                f"there is no topic {name!r}", remedy=f"there are {', '.join((*NAMES, PERSONAL_DATA))}"
            )
    return tuple(dict.fromkeys(names))


def find_topics(text: str, names: Sequence[str] = NAMES) -> tuple[str, ...]:
    """The topics of the lexicon that a text speaks of."""
    tokens = _TOKEN.findall(text[:MAX_TEXT].replace("\u2019", "'").lower())
    starts = _starts()
    found: set[str] = set()
    hints: dict[str, tuple[str, int]] = {}
    dead = -1
    for at, token in enumerate(tokens):
        for rest, topic, strong in starts.at(token):
            if topic is not None and (at <= dead or topic in found):
                continue
            end = _end(tokens, at + 1, rest)
            if end is None:
                continue
            if topic is None:
                dead = max(dead, end - 1)
            elif strong:
                found.add(topic)
            else:
                # The same word twice is one hint; so are "hospital" and "hospitals".
                word, before = hints.get(topic, ("", -NEAR - 1))
                if word and word != token[:6] and at - before <= NEAR:
                    found.add(topic)
                hints[topic] = (token[:6], at)
    return tuple(name for name in names if name in found)


def _end(tokens: Sequence[str], at: int, rest: _Words) -> int | None:
    """Where an expression ends whose further words begin at ``at``; None: it does not stand there."""
    for index, word in enumerate(rest):
        if word == (_GAP,):
            return _after_gap(tokens, at, rest[index + 1 :])
        if at >= len(tokens) or not any(_fits(one, tokens[at]) for one in word):
            return None
        at += 1
    return at


def _after_gap(tokens: Sequence[str], at: int, rest: _Words) -> int | None:
    for start in range(at, min(at + _GAP_WORDS, len(tokens)) + 1):
        end = _end(tokens, start, rest)
        if end is not None:
            return end
        if start < len(tokens) and tokens[start] in _STOPS:
            return None
    return None


def _is_number(token: str) -> bool:
    return token.removesuffix("k").isdecimal()


def _fits(word: str, token: str) -> bool:
    if word == _NUMBER:
        return _is_number(token)
    if word == _THOUSANDS:
        return token.endswith("k") and _is_number(token)
    return token.startswith(word[:-1]) if word.endswith("*") else token == word


_Entry: TypeAlias = tuple[_Words, str | None, bool]
"""The words after the first, the topic (None: everyday talk), and whether the expression is a strong one."""
_KEY: Final = 3


class _Starts:
    """The expressions by their first word; those whose first word may end in any way by its first letters."""

    def __init__(self) -> None:
        self._exact: dict[str, list[_Entry]] = {}
        self._open_ended: dict[str, list[tuple[str, _Entry]]] = {}
        self._known: dict[str, tuple[_Entry, ...]] = {}
        for words in _read(_EVERYDAY).strong:
            self._add(words, None, strong=True)
        for name in NAMES:
            topic = _read(name)
            for strong, expressions in ((True, topic.strong), (False, topic.weak)):
                for words in expressions:
                    self._add(words, name, strong=strong)

    def _add(self, words: _Words, owner: str | None, *, strong: bool) -> None:
        for first in words[0]:
            entry = (words[1:], owner, strong)
            if first.endswith("*"):
                self._open_ended.setdefault(first[:_KEY], []).append((first[:-1], entry))
            else:
                self._exact.setdefault(first, []).append(entry)

    def at(self, token: str) -> tuple[_Entry, ...]:
        """What a word may begin; everyday talk first, since it silences the rest."""
        known = self._known.get(token)
        if known is not None:
            return known
        prefixed = (entry for stem, entry in self._open_ended.get(token[:_KEY], ()) if token.startswith(stem))
        numbers = self._exact.get(_NUMBER, ()) if _is_number(token) else ()
        found = (*self._exact.get(token, ()), *numbers, *prefixed)
        entries = tuple(sorted(found, key=lambda entry: entry[1] is not None))
        if len(self._known) < _MOST_KNOWN:
            self._known[token] = entries
        return entries


_MOST_KNOWN: Final = 65_536


@lru_cache(maxsize=1)
def _starts() -> _Starts:
    return _Starts()
