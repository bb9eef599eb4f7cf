"""What a change of a document does to the people bound by it: differences of practices, with a class and flags."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final

from troth.watch import words as w
from troth.watch.align import Alignment, align
from troth.watch.meaning import READER, SERVICE, THIRD, condition_of
from troth.watch.practices import Practice, practices
from troth.watch.text import Document, Sentence
from troth.watch.tokens import tokenise

SHOWN_FIRST: Final = 5
"""How many findings are shown first for any change."""

_SWITCH_KEPT: Final = 0.15
_SWITCH_TITLE: Final = 0.5
_SWITCH_SENTENCES: Final = 30
_ALIKE: Final = 88.0

_SEVERITY: Final = {
    "ai-training-added": 1000,
    "ai-training-promise-removed": 900,
    "reaches-back": 850,
    "opt-out-removed": 800,
    "default-on": 700,
}
_ACTION_SEVERITY: Final = {
    "train": 600, "sell": 500, "share": 400, "license": 380, "scan": 330, "profile": 320, "combine": 310,
    "collect": 300, "retain": 250,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Change:
    """One finding: what it does, the practice, the sentences before and after, and the rule that found it."""

    kind: str
    practice: Practice | None
    flags: tuple[str, ...]
    before: str | None
    after: str | None
    rule: str
    rank: int = 0
    place: int = 0
    """Where its sentence stands in its version: of two of one rank the earlier is shown first."""

    def as_json(self) -> dict[str, object]:
        """The stable JSON of ``troth watch diff``."""
        return {
            "class": self.kind,
            "flags": list(self.flags),
            "practice": self.practice.as_json() if self.practice else None,
            "before": self.before,
            "after": self.after,
            "rule": self.rule,
        }


@dataclass(frozen=True, slots=True)
class Difference:
    """All findings of a change of one document, worst first; ``switch``: it is another document now."""

    changes: tuple[Change, ...]
    alignment: Alignment
    switch: bool = False
    text: dict[str, int] = field(default_factory=dict)

    @property
    def widens(self) -> bool:
        """Whether something widens."""
        return any(change.kind == "widens" for change in self.changes)


def compare(before: Document, after: Document) -> Difference:
    """The findings between two versions."""
    alignment = align(before, after)
    text = {
        "added": len(alignment.added),
        "removed": len(alignment.removed),
        "reworded": len(alignment.reworded),
        "moved": alignment.moved,
        "kept": alignment.kept,
    }
    switch = is_switch(before, after, alignment)
    comparison = _Comparison(before, after)
    for one in alignment.added:
        comparison.added(one)
    for old, new in alignment.reworded:
        comparison.reworded(old, new)
    for old, new in alignment.restemmed:
        comparison.restemmed(old, new)
    for one in alignment.removed:
        comparison.removed(one)
    changes = sorted(comparison.found, key=lambda change: (-change.rank, change.place))
    return Difference(tuple(_once(changes)), alignment, switch, text)


def is_switch(before: Document, after: Document, alignment: Alignment) -> bool:
    """Whether another document stands under the name now: nearly nothing was kept, and its title is another."""
    if min(len(before.sentences), len(after.sentences)) < _SWITCH_SENTENCES:
        return False
    # A rewrite keeps names, contacts and definitions, and rewords much; what does neither is another text.
    longer = max(len(before.sentences), len(after.sentences))
    known = alignment.kept + alignment.moved + len(alignment.reworded)
    if known / longer >= _SWITCH_KEPT:
        return False
    old, new = _title(before), _title(after)
    return len(old & new) <= _SWITCH_TITLE * len(old | new)


def _title(document: Document) -> frozenset[str]:
    from troth.watch.text import key_of

    return frozenset(key_of(document.title).split())


def _once(changes: list[Change]) -> list[Change]:
    seen: set[tuple[object, ...]] = set()
    left = []
    for change in changes:
        name = (change.kind, change.flags, change.before, change.after)
        if name not in seen:
            seen.add(name)
            left.append(change)
    return left


class _Comparison:
    """Collects findings; knows what the whole document said before and says after."""

    def __init__(self, before: Document, after: Document) -> None:
        self.found: list[Change] = []
        self._documents = (before, after)
        self._places: dict[int, int] = {}
        self._scopes: tuple[_Scope, _Scope] | None = None

    @property
    def old(self) -> _Scope:
        """What the version before said."""
        return self._both()[0]

    @property
    def new(self) -> _Scope:
        """What the version after says."""
        return self._both()[1]

    def _both(self) -> tuple[_Scope, _Scope]:
        if self._scopes is None:
            self._scopes = (_Scope(self._documents[0]), _Scope(self._documents[1]))
        return self._scopes

    # --- kinds of difference

    def added(self, one: Sentence) -> None:
        """A sentence that was not there before."""
        for practice in _worth(practices(one)):
            self._appears(practice, None, one)

    def removed(self, one: Sentence) -> None:
        """A sentence that is gone."""
        for practice in _worth(practices(one)):
            self._vanishes(practice, one, None)

    def restemmed(self, old: Sentence, new: Sentence) -> None:
        """The same words below another line: only another direction counts."""
        if _directions(old) != _directions(new):
            self.reworded(old, new)

    def reworded(self, old: Sentence, new: Sentence) -> None:
        """A sentence that reads otherwise than before."""
        olds, news = _worth(practices(old)), _worth(practices(new))
        had = {_direction(one) for one in olds}
        for practice in news:
            if _direction(practice) not in had:
                self._appears(practice, old, new)
            elif practice.action == "train":
                self._same_direction(practice, old, new)
            else:
                self._grown(practice, olds, old, new)
        has = {_direction(one) for one in news}
        promises = any(not one.affirmed and not one.binds_reader for one in news)
        for practice in olds:
            if _direction(practice) in has:
                continue
            if promises and not practice.affirmed and practice.action != "train":
                # A promise still, in other words; what it lost is for a person to weigh.
                self._add("neutral", practice, (), old, new, "promise-reworded", 45)
            else:
                self._vanishes(practice, old, new)

    def _same_direction(self, practice: Practice, old: Sentence, new: Sentence) -> None:
        """Training before and after: does it reach further?"""
        if practice.binds_reader or not practice.affirmed:
            self._add("neutral", practice, (), old, new, practice.rule, 40)
        elif scope(new.text) - scope(old.text):
            self._add(
                "widens",
                practice,
                ("ai-training-added",),
                old,
                new,
                "training-scope-grown",
                practice.strength - 10,
            )
        elif condition_of(tokenise(old.text)) and not practice.condition:
            self._add("widens", practice, ("opt-out-removed",), old, new, "training-choice-removed", 0)
        else:
            self._add("neutral", practice, (), old, new, practice.rule, 40)

    def _grown(self, practice: Practice, olds: tuple[Practice, ...], old: Sentence, new: Sentence) -> None:
        if practice.binds_reader or not practice.affirmed:
            return
        before = [one for one in olds if _direction(one) == _direction(practice)]
        known = {one for each in before for one in each.categories}
        fresh = set(practice.categories) - known - w.GENERAL_CATEGORIES
        fresh -= self.old.categories(practice.action)
        if fresh:
            self._add(
                "widens", practice, ("category-added",), old, new, f"{practice.action}-category-added", 100
            )

    # --- what appears and what vanishes

    def _appears(self, practice: Practice, old: Sentence | None, new: Sentence) -> None:
        if practice.action == "train":
            self._training_appears(practice, old, new)
            return
        if practice.binds_reader:
            self._add("neutral", practice, (), old, new, practice.rule, 0)
        elif not practice.affirmed:
            if not self.old.has(practice):
                self._add("narrows", practice, (), old, new, practice.rule, 60)
        else:
            self._use_appears(practice, old, new)

    def _training_appears(self, practice: Practice, old: Sentence | None, new: Sentence) -> None:
        if practice.binds_reader:
            self._add("neutral", practice, (), old, new, practice.rule, 30)
            return
        if not practice.affirmed:
            flags = ["ai-training-promised-not-to"]
            if self.old.promises_like(new):
                self._add("neutral", practice, (), old, new, practice.rule, 40)
                return
            if practice.condition == "opt-out":
                flags.append("opt-out-added")
            self._add("narrows", practice, tuple(flags), old, new, practice.rule, 200)
            return
        if self.old.trains_like(new):
            self._add("neutral", practice, (), old, new, "training-said-before", 50)
            return
        flags = ["ai-training-added"]
        if practice.recipient:
            flags.append("recipient-added")
        if practice.condition == "opt-out":
            flags.append("opt-out-added")
        if practice.reaches_back:
            flags.append("reaches-back")
        if " by default " in f" {new.key} " and practice.condition != "consent":
            flags.append("default-on")
        self._add("widens", practice, tuple(flags), old, new, practice.rule, practice.strength)

    def _use_appears(self, practice: Practice, old: Sentence | None, new: Sentence) -> None:
        flags: list[str] = []
        fresh = set(practice.categories) - w.GENERAL_CATEGORIES - self.old.categories(practice.action)
        if practice.recipient and practice.recipient not in self.old.recipients(practice.action):
            flags.append("recipient-added")
        if fresh:
            flags.append("category-added")
        if flags or not self.old.has(practice):
            self._add("widens", practice, tuple(flags), old, new, practice.rule, practice.strength)
        else:
            self._add("neutral", practice, (), old, new, practice.rule, 0)

    def _vanishes(self, practice: Practice, old: Sentence, new: Sentence | None) -> None:
        if practice.binds_reader:
            return
        if practice.action == "train":
            self._training_vanishes(practice, old, new)
        elif not practice.affirmed:
            if not self.new.has(practice):
                self._add("widens", practice, ("promise-removed",), old, new, "promise-removed", 350)
        elif not self.new.has(practice):
            self._add("narrows", practice, (), old, new, f"{practice.action}-removed", 10)

    def _training_vanishes(self, practice: Practice, old: Sentence, new: Sentence | None) -> None:
        if practice.affirmed:
            if not self.new.trains_like(old):
                self._add("narrows", practice, ("ai-training-removed",), old, new, "training-removed", 100)
            return
        if not self.new.promises_like(old):
            flag = ("ai-training-promise-removed",)
            self._add("widens", practice, flag, old, new, "promise-not-to-train-removed", 0)

    def _add(
        self,
        kind: str,
        practice: Practice,
        flags: tuple[str, ...],
        old: Sentence | None,
        new: Sentence | None,
        rule: str,
        rank: int,
    ) -> None:
        weight = max((_SEVERITY.get(flag, 0) for flag in flags), default=0)
        if kind == "widens" and not weight:
            weight = _ACTION_SEVERITY.get(practice.action, 200) + 30 * len(flags)
        self.found.append(
            Change(
                kind,
                practice,
                flags,
                old.text if old else None,
                new.text if new else None,
                rule,
                weight + rank,
                self._place(new or old),
            )
        )

    def _place(self, one: Sentence | None) -> int:
        if not self._places:
            for document in reversed(self._documents):
                for place, each in enumerate(document.sentences):
                    self._places.setdefault(id(each), place)
        return self._places.get(id(one), 0)


def _direction(practice: Practice) -> tuple[str, str, bool, bool]:
    actor = READER if practice.binds_reader else THIRD if practice.actor == THIRD else SERVICE
    return practice.action, actor, practice.affirmed, practice.recipient is not None


def _directions(one: Sentence) -> frozenset[tuple[str, str, bool, bool]]:
    return frozenset(_direction(practice) for practice in practices(one))


def _worth(found: tuple[Practice, ...]) -> tuple[Practice, ...]:
    """One practice for each direction: the strongest."""
    best: dict[tuple[str, str, bool, bool], Practice] = {}
    for one in found:
        name = _direction(one)
        there = best.get(name)
        if there is None:
            best[name] = one
        elif one.strength > there.strength:
            best[name] = replace(one, categories=tuple(sorted({*one.categories, *there.categories})))
    return tuple(best.values())


_MODEL_KINDS: Final = frozenset(
    "ai ml llm llms generative foundation models model algorithms third-party".split()
)


@lru_cache(maxsize=20_000)
def scope(text: str) -> frozenset[str]:
    """What says how far training reaches: kinds of models, categories of data, recipients."""
    found: set[str] = set()
    for token in tokenise(text):
        if token in ("llm", "llms"):
            found.add("llm")
        elif token in _MODEL_KINDS:
            found.add(token.rstrip("s"))
        elif token in w.TRAIN:
            found.add("train")
        elif token in w.CATEGORIES and w.CATEGORIES[token] not in w.GENERAL_CATEGORIES:
            found.add(w.CATEGORIES[token])
        elif token in ("affiliates", "partners", "parties", "companies", "public", "private"):
            found.add(token)
    return frozenset(found)


class _Scope:
    """What a whole version says, asked only where a sentence of it changed."""

    def __init__(self, document: Document) -> None:
        self._by_action: dict[str, set[str]] = {}
        self._recipients: dict[str, set[str]] = {}
        self._directions: set[tuple[str, str, bool, bool, str | None]] = set()
        self._training: list[str] = []
        self._promises: list[str] = []
        for one in document.sentences:
            for practice in practices(one):
                self._take(practice, one)

    def _take(self, practice: Practice, one: Sentence) -> None:
        if practice.binds_reader:
            return
        if practice.action == "train":
            (self._training if practice.affirmed else self._promises).append(one.key)
            return
        self._directions.add((*_direction(practice), practice.recipient))
        if practice.affirmed:
            self._by_action.setdefault(practice.action, set()).update(practice.categories)
            if practice.recipient:
                self._recipients.setdefault(practice.action, set()).add(practice.recipient)

    def categories(self, action: str) -> set[str]:
        """Categories that an action touches."""
        return self._by_action.get(action, set())

    def recipients(self, action: str) -> set[str]:
        """Who receives by an action."""
        return self._recipients.get(action, set())

    def has(self, practice: Practice) -> bool:
        """Whether the same is said somewhere."""
        return (*_direction(practice), practice.recipient) in self._directions

    def trains_like(self, one: Sentence) -> bool:
        """Whether training is spoken of in nearly the same words."""
        return _alike(one.key, self._training)

    def promises_like(self, one: Sentence) -> bool:
        """Whether the same promise stands."""
        return _alike(one.key, self._promises)


def _alike(key: str, others: list[str]) -> bool:
    if not others:
        return False
    from rapidfuzz import fuzz, process

    return process.extractOne(key, others, scorer=fuzz.token_sort_ratio, score_cutoff=_ALIKE) is not None
