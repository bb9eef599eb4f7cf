"""The dates that a document states about itself: when it takes effect, when it was last updated, its notice."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

from troth.watch.text import Document

_MONTHS: Final = {
    name: number
    for number, group in enumerate(
        (
            "january jan janvier januar enero", "february feb février februar febrero", "march mar mars märz marzo",
            "april apr avril abril", "may mai mayo", "june jun juin juni junio", "july jul juillet juli julio",
            "august aug août agosto", "september sep sept septembre septiembre", "october oct octobre oktober octubre",
            "november nov novembre noviembre", "december dec décembre dezember diciembre",
        ),
        start=1,
    )
    for name in group.split()
}  # fmt: skip
_NAMES: Final = "|".join(sorted(_MONTHS, key=len, reverse=True))
_DATE: Final = re.compile(
    rf"\b(?:(\d{{1,2}})(?:st|nd|rd|th|\.)?(?: (?:of|de))? ({_NAMES})\.?,?(?: de)? (\d{{4}})"
    rf"|({_NAMES})\.? (\d{{1,2}})(?:st|nd|rd|th)?,? (\d{{4}})"
    r"|(\d{4})-(\d{2})-(\d{2}))\b",
    re.IGNORECASE,
)
_EFFECTIVE: Final = re.compile(
    r"\beffective\b|\bin(?:to)? effect\b|\btakes? effect\b|\bcomes? into force\b"
    r"|\bapplies from\b|\bwirksam\b|\ben vigueur\b",
    re.IGNORECASE,
)
_UNTIL: Final = re.compile(r"\buntil\b|\bprior to\b|\bbefore\b|\bprevious\b|\bto view\b", re.IGNORECASE)
_UPDATED: Final = re.compile(
    r"\b(?:last|latest|most recent)[ -]?(?:up-?dated?|revised|revision|modified|amended|changed|reviewed)"
    r"|\b(?:updated|revised|revision|modified|posted|version|date of last revision|stand|mise à jour)\b",
    re.IGNORECASE,
)
_DAYS: Final = re.compile(
    r"\b(\d{1,3}|seven|ten|fourteen|fifteen|thirty|sixty|ninety)(?: \(\d{1,3}\))?[ -](?:calendar |business )?days?\b",
    re.IGNORECASE,
)
_DIGIT: Final = re.compile(r"\d")
_SPELLED: Final = {
    "seven": 7,
    "ten": 10,
    "fourteen": 14,
    "fifteen": 15,
    "thirty": 30,
    "sixty": 60,
    "ninety": 90,
}
_TELLS: Final = re.compile(
    r"\bnotice\b|\bnotify\b|\bnotified\b|\binform you\b|\btake effect\b|\bbecome effective\b|\beffective\b",
    re.IGNORECASE,
)
_OF_CHANGE: Final = re.compile(r"\bchanges?\b|\bupdates?\b|\bmodif|\bamend|\brevis", re.IGNORECASE)
_HEAD, _TAIL, _NEAR = 60, 25, 90


@dataclass(frozen=True, slots=True)
class Stated:
    """What a document says of itself: ``effective`` and ``updated`` (dates or None), ``notice_days`` it promises."""

    effective: date | None = None
    updated: date | None = None
    notice_days: int | None = None
    notice_sentence: str | None = None
    mentioned: frozenset[date] = frozenset()

    @property
    def counts_from(self) -> date | None:
        """The stated day from which the version counts."""
        return self.effective or self.updated


def dates_in(text: str) -> Iterator[tuple[int, date]]:
    """Dates in a text with their places."""
    for found in _DATE.finditer(text):
        day_first, month_then, year_then, month_first, day_then, year_last, *iso = found.groups()
        try:
            if iso[0]:
                yield found.start(), date(int(iso[0]), int(iso[1]), int(iso[2]))
            elif month_then:
                yield found.start(), date(int(year_then), _MONTHS[month_then.lower()], int(day_first))
            else:
                yield found.start(), date(int(year_last), _MONTHS[month_first.lower()], int(day_then))
        except ValueError:
            continue


def stated(document: Document) -> Stated:
    """Read them: the first effective date and the first date of an update, near the beginning or the end."""
    effective = updated = None
    mentioned: set[date] = set()
    sentences = document.sentences
    near = sentences if len(sentences) <= _HEAD + _TAIL else sentences[:_HEAD] + sentences[-_TAIL:]
    for one in near:
        if not _DIGIT.search(one.text):
            continue
        for at, day in dates_in(one.text[:1000]):
            mentioned.add(day)
            lead = one.text[max(0, at - _NEAR) : at]
            if _UNTIL.search(lead[-40:]):
                continue
            if effective is None and _EFFECTIVE.search(lead):
                effective = day
            elif updated is None and _UPDATED.search(lead):
                updated = day
    days, sentence = _notice(document)
    return Stated(effective, updated, days, sentence, frozenset(mentioned))


def _notice(document: Document) -> tuple[int | None, str | None]:
    for one in document.sentences:
        if "day" not in one.key:
            continue
        found = _DAYS.search(one.text)
        if (
            found
            and _TELLS.search(one.text)
            and _OF_CHANGE.search(one.text)
            and "terminat" not in one.key
            and "cancel" not in one.key
            and "refund" not in one.key
            and "fee" not in one.key
        ):
            word = found[1].lower()
            return _SPELLED.get(word) or int(word), one.text
    return None, None
