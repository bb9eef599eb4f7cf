"""Documents of one service at one time that do not say the same: policy, agreement, FAQ, setting, e-mail, statement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from troth.core.terms import FORBIDDING_KINDS, PERMITTING_KINDS
from troth.watch import words as w
from troth.watch.meaning import READER
from troth.watch.places import leaves_out, places_in
from troth.watch.practices import Practice, practices
from troth.watch.text import Document, Sentence
from troth.watch.tokens import tokenise

_USES: Final = frozenset(("train", "license", "share", "sell", "use", "scan", "profile", "combine"))
_OVERLAP: Final = {
    "train": frozenset(("train", "license")),
    "share": frozenset(("share", "license")),
    "sell": frozenset(("sell",)),
    "use": frozenset(("train", "license", "scan", "profile", "share")),
    "scan": frozenset(("scan",)),
    "profile": frozenset(("profile",)),
    "combine": frozenset(("combine",)),
    "license": frozenset(("license",)),
}
"""What a denial of the key stands against."""

_MIN_PLACES: Final = 2


@dataclass(frozen=True, slots=True)
class Named:
    """A document of a service: what it is called, its kind, and what it says."""

    name: str
    kind: str
    document: Document


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two sentences of two documents that do not go together; ``rule`` names why."""

    rule: str
    says: str
    first: tuple[str, str]
    second: tuple[str, str]

    def as_json(self) -> dict[str, object]:
        """Plain JSON values."""
        return {
            "lint": "practice-before-terms" if self.rule == "practice-before-terms" else "contradiction",
            "rule": self.rule,
            "says": self.says,
            "first": {"document": self.first[0], "sentence": self.first[1]},
            "second": {"document": self.second[0], "sentence": self.second[1]},
        }


@dataclass(frozen=True, slots=True)
class _Said:
    document: Named
    sentence: Sentence
    practice: Practice


def contradictions(documents: Sequence[Named]) -> list[Contradiction]:
    """All contradictions between documents of one service at one time."""
    said = [list(_said(one)) for one in documents]
    found: dict[tuple[object, ...], Contradiction] = {}
    for first, second in combinations(range(len(documents)), 2):
        for one in (*_opposed(said[first], said[second]), *_opposed(said[second], said[first])):
            found.setdefault((one.rule, one.first, one.second), one)
        for one in _places(documents[first], documents[second]):
            found.setdefault((one.rule, one.first, one.second), one)
    for one in _unpermitted(said):
        found.setdefault((one.rule, one.first), one)
    return list(found.values())


def _quoted(sentence: Sentence) -> str:
    """A sentence; an answer with its question."""
    return f"{sentence.stem} {sentence.text}" if sentence.stem.endswith("?") else sentence.text


def _said(named: Named) -> Iterator[_Said]:
    for sentence in named.document.sentences:
        for practice in practices(sentence):
            if practice.actor != READER and practice.action in _USES:
                yield _Said(named, sentence, practice)


def _opposed(permits: list[_Said], denies: list[_Said]) -> Iterator[Contradiction]:
    for no in denies:
        if no.practice.affirmed or no.practice.condition:
            continue
        for yes in permits:
            if yes.practice.affirmed and _meet(yes.practice, no.practice) and not places_in(no.sentence.text):
                yield Contradiction(
                    "permits-and-denies",
                    f"{yes.document.name} permits what {no.document.name} denies",
                    (yes.document.name, _quoted(yes.sentence)),
                    (no.document.name, _quoted(no.sentence)),
                )


def _meet(yes: Practice, no: Practice) -> bool:
    if yes.action not in _OVERLAP[no.action]:
        return False
    mine, other = (frozenset(one.categories) - w.GENERAL_CATEGORIES for one in (yes, no))
    if (yes.action, no.action) == ("license", "train"):
        # A licence is for any use: it stands against a denial only where it names what the denial names.
        return bool(mine & other)
    if other and not mine and yes.action == "train":
        # "we train on your data" beside "not on your messages": the second is the exception of the first.
        return False
    return not other or not mine or bool(mine & other)


def _places(first: Named, second: Named) -> Iterator[Contradiction]:
    """Both leave places out of the use of data or of AI, but not the same ones."""
    for one in _leaving(first):
        for other in _leaving(second):
            mine, theirs = places_in(one.text), places_in(other.text)
            if mine != theirs and mine & theirs:
                only = ", ".join(sorted(mine ^ theirs))
                yield Contradiction(
                    "places-differ",
                    f"{first.name} and {second.name} do not leave out the same places: {only}",
                    (first.name, one.text),
                    (second.name, other.text),
                )


def _leaving(named: Named) -> list[Sentence]:
    """The sentence that leaves out most places; a list of places below a line counts as one sentence."""
    found = []
    for sentence in _joined(named.document):
        if len(places_in(sentence.text)) >= _MIN_PLACES and leaves_out(sentence.text):
            words = frozenset(tokenise(sentence.text))
            if words & (w.AI_CORE | w.TRAIN | w.DATA):
                found.append(sentence)
    return sorted(found, key=lambda one: -len(places_in(one.text)))[:1]


def _joined(document: Document) -> Iterator[Sentence]:
    stem, items = "", list[str]()
    for one in document.sentences:
        if one.stem and one.stem == stem:
            items.append(one.text)
            continue
        if items:
            yield Sentence(f"{stem} {', '.join(items)}", "")
        stem, items = one.stem, [one.text] if one.stem else []
        if not one.stem:
            yield one
    if items:
        yield Sentence(f"{stem} {', '.join(items)}", "")


def _unpermitted(said: list[list[_Said]]) -> Iterator[Contradiction]:
    """A setting, FAQ or e-mail speaks of training that no policy or agreement permits."""
    every = [one for each in said for one in each if one.practice.action == "train" and one.practice.affirmed]
    kinds = {one.document.kind for each in said for one in each}
    permitted = any(one.document.kind in PERMITTING_KINDS for one in every)
    if permitted:
        return
    for one in every:
        if one.document.kind in FORBIDDING_KINDS:
            yield Contradiction(
                "practice-before-terms",
                f"{one.document.name} speaks of training that no policy or agreement permits",
                (one.document.name, _quoted(one.sentence)),
                (", ".join(sorted(kinds & set(PERMITTING_KINDS))) or "no policy given", ""),
            )
            return
