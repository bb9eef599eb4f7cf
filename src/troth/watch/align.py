"""Which sentences of two versions are the same, reworded, new or gone. Moved text is not changed text."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Final

from troth.watch.text import Document, Sentence

_MAX_PAIRS: Final = 3_000_000
_MAX_LOOKED_UP: Final = 3_000
_MANY: Final = 100
_ALIKE: Final = 62.0
_LONG_ENOUGH: Final = 5


@dataclass(frozen=True, slots=True)
class Alignment:
    """The difference of two versions: pairs that were reworded, sentences only after, sentences only before.

    ``restemmed`` are sentences that stayed the same below a line that changed ("You may:" and "You may not:").
    ``kept`` and ``moved`` count.
    """

    reworded: tuple[tuple[Sentence, Sentence], ...]
    added: tuple[Sentence, ...]
    removed: tuple[Sentence, ...]
    restemmed: tuple[tuple[Sentence, Sentence], ...]
    kept: int
    moved: int

    @property
    def share_kept(self) -> float:
        """Which part of the longer version is in both."""
        changed = len(self.reworded) + max(len(self.added), len(self.removed))
        return (self.kept + self.moved) / max(1, self.kept + self.moved + changed)


def align(before: Document, after: Document) -> Alignment:
    """Align two versions.

    Time: linear where sentences are the same; pairs of the rest are compared up to a bound, beyond it only
    neighbours are.
    """
    waiting: dict[str, list[Sentence]] = defaultdict(list)
    for one in before.sentences:
        waiting[one.key].append(one)
    added: list[Sentence] = []
    restemmed: list[tuple[Sentence, Sentence]] = []
    kept = 0
    for one in after.sentences:
        there = waiting.get(one.key)
        if there:
            old = there.pop(0) if len(there) < _MANY else there.pop()
            kept += 1
            if old.stem != one.stem:
                restemmed.append((old, one))
        else:
            added.append(one)
    left = Counter({key: len(there) for key, there in waiting.items() if there})
    removed: list[Sentence] = []
    for one in before.sentences:
        if left.get(one.key, 0) > 0:
            left[one.key] -= 1
            removed.append(one)
    before_keys = {one.key for one in before.sentences}
    after_keys = {one.key for one in after.sentences}
    # Said twice and now three times is nothing new.
    repeated = [one for one in added if one.key in before_keys]
    added = [one for one in added if one.key not in before_keys]
    removed = [one for one in removed if one.key not in after_keys]
    added, inside = _without_known(added, before)
    removed, gone_inside = _without_known(removed, after)
    pairs, added, removed = _pair(added, removed)
    return Alignment(
        tuple(pairs),
        tuple(added),
        tuple(removed),
        tuple(restemmed),
        kept,
        inside + gone_inside + len(repeated),
    )


def _without_known(some: list[Sentence], other: Document) -> tuple[list[Sentence], int]:
    """Leave out sentences that stand within a longer one of the other version (split or joined differently)."""
    if not some:
        return some, 0
    if len(some) > _MAX_LOOKED_UP:
        return some, 0
    whole = " " + " ".join(one.key for one in other.sentences) + " "
    left = [one for one in some if one.key.count(" ") + 1 < _LONG_ENOUGH or f" {one.key} " not in whole]
    return left, len(some) - len(left)


def _pair(
    added: list[Sentence], removed: list[Sentence]
) -> tuple[list[tuple[Sentence, Sentence]], list[Sentence], list[Sentence]]:
    if not added or not removed:
        return [], added, removed
    found = sorted(_candidates(added, removed), reverse=True)
    taken_new: set[int] = set()
    taken_old: set[int] = set()
    pairs: list[tuple[int, int]] = []
    for _, minus_old, minus_new in found:
        old, new = -minus_old, -minus_new
        if old not in taken_old and new not in taken_new:
            taken_old.add(old)
            taken_new.add(new)
            pairs.append((old, new))
    pairs.sort(key=lambda pair: pair[1])
    return (
        [(removed[old], added[new]) for old, new in pairs],
        [one for index, one in enumerate(added) if index not in taken_new],
        [one for index, one in enumerate(removed) if index not in taken_old],
    )


def _candidates(added: list[Sentence], removed: list[Sentence]) -> list[tuple[float, int, int]]:
    """(score, -old, -new) of pairs that are alike."""
    import numpy as np
    from rapidfuzz import fuzz, process

    found: list[tuple[float, int, int]] = []
    olds = [one.key for one in removed]
    width = len(olds)
    if len(added) * width > _MAX_PAIRS:
        # Too many to compare all: each with those around the same place.
        width = max(1, _MAX_PAIRS // len(added))
    step = max(1, 200_000 // max(1, width))
    for start in range(0, len(added), step):
        some = [one.key for one in added[start : start + step]]
        centre = (start + len(some) // 2) * len(olds) // max(1, len(added))
        first = min(max(0, centre - width // 2), max(0, len(olds) - width))
        near = olds[first : first + width]
        scores = process.cdist(
            some, near, scorer=fuzz.ratio, score_cutoff=_ALIKE, dtype=np.float32, workers=1
        )
        for new, old in zip(*np.nonzero(scores), strict=True):
            found.append((float(scores[new, old]), -(first + int(old)), -(start + int(new))))
    return found
