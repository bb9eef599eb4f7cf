"""One change of one document read whole: findings, lints, stated dates, as the JSON that others build on."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from troth.watch.changes import SHOWN_FIRST, Change, Difference, compare
from troth.watch.dates import Stated, stated
from troth.watch.lints import Lint, of_change
from troth.watch.text import Document


@dataclass(frozen=True, slots=True)
class Version:
    """A document read, with the dates that it states."""

    document: Document
    stated: Stated


@dataclass(frozen=True, slots=True)
class Reading:
    """What a change does: findings worst first, and lints. Empty for another document under the same name."""

    difference: Difference
    lints: tuple[Lint, ...]
    before: Stated = field(default_factory=Stated)
    after: Stated = field(default_factory=Stated)

    @property
    def changes(self) -> tuple[Change, ...]:
        """The findings; a document switch has none, since nothing of the policy need have changed."""
        return () if self.difference.switch else self.difference.changes

    @property
    def first(self) -> tuple[Change, ...]:
        """What is shown first: at most five, those that widen or narrow."""
        return tuple(one for one in self.changes if one.kind != "neutral")[:SHOWN_FIRST]

    @property
    def widens(self) -> bool:
        """Whether something widens."""
        return any(one.kind == "widens" for one in self.changes)

    def as_json(self) -> dict[str, object]:
        """The stable JSON of ``troth watch diff``."""
        return {
            "changes": [one.as_json() for one in self.changes],
            "lints": [one.as_json() for one in self.lints],
            "switch": self.difference.switch,
            "text": dict(self.difference.text),
            "stated": {
                "before": _day(self.before.counts_from),
                "after": _day(self.after.counts_from),
            },
        }


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None


def version(document: Document) -> Version:
    """Read the dates of a document."""
    return Version(document, stated(document))


def read_change(before: Version, after: Version, seen: date | None = None) -> Reading:
    """Read one change; ``seen`` is the day (UTC) on which the new version was first seen."""
    difference = compare(before.document, after.document)
    lints = list(of_change(difference, before.stated, after.stated, seen))
    if before.document.cut or after.document.cut:
        lints.append(Lint("cut", "a version is longer than what is read; its end was left out"))
    return Reading(difference, tuple(lints), before.stated, after.stated)
