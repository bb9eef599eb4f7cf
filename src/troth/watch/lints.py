"""What is wrong with how a change was made: too late, unannounced, under an old date, or against another document."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from troth.watch.changes import Difference
from troth.watch.dates import Stated


@dataclass(frozen=True, slots=True)
class Lint:
    """One lint: its name, what it says in words, and the sentence it rests on."""

    name: str
    says: str
    sentence: str | None = None

    def as_json(self) -> dict[str, object]:
        """Plain JSON values."""
        return {"lint": self.name, "says": self.says, "sentence": self.sentence}


def of_change(difference: Difference, before: Stated, after: Stated, seen: date | None) -> list[Lint]:
    """The lints of one change.

    Args:
        difference: what changed.
        before: what the old version states of itself.
        after: what the new one states.
        seen: the day (UTC) on which the new version was first seen; None: unknown.
    """
    found: list[Lint] = []
    if difference.switch:
        return [Lint("document-switch", "another document stands under this name now; nothing is compared")]
    text = difference.text
    if not (text.get("added") or text.get("removed") or text.get("reworded")):
        return []
    day, old_day = after.counts_from, before.counts_from
    if day is not None and day == old_day and before.updated == after.updated:
        found.append(Lint("quiet", f"the text changed; the stated date, {day.isoformat()}, did not"))
    if seen is None or day is None or day == old_day:
        return found
    announced = day in before.mentioned
    if day <= seen and not announced:
        # First seen is the latest that it can have been published; a day is what archives take to look again.
        found.append(Lint("same-day", f"in effect from {day.isoformat()}, first seen on {seen.isoformat()}"))
    promised = before.notice_days or after.notice_days
    if promised and not announced and day - seen < timedelta(days=promised):
        given = max(0, (day - seen).days)
        found.append(
            Lint(
                "no-notice",
                f"{given} days between publication and effect; the document promises {promised}",
                before.notice_sentence or after.notice_sentence,
            )
        )
    return found
