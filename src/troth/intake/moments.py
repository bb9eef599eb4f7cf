"""Instants as exports write them, in the few forms that are known; anything else is no instant."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from troth.core.errors import BadInput
from troth.core.values import parse_instant, to_microseconds

_PLAIN: Final = re.compile(
    r"(\d{4})[-/](\d\d)[-/](\d\d)(?:[ T](\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?))?(?: ?(?:UTC|Z))?"
)
_AMERICAN: Final = re.compile(
    r"(\d\d?)/(\d\d?)/(\d\d(?:\d\d)?),? (\d\d?):(\d\d)(?::(\d\d))?[ \u202f]?([AaPp])\.?[Mm]\.?"
)
_WORDED: Final = re.compile(r"(\d\d?) ([A-Z][a-z]{2}) (\d{4})")
_MONTHS: Final = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_NOON: Final = 12
_CENTURY: Final = 2000
_SHORT_YEAR: Final = 100


@lru_cache(maxsize=4096)
def read_moment(text: str) -> int | None:
    """Microseconds UTC, or None where the text is no day and time of the calendar.

    Forms: ``2024-05-01 09:30:00 UTC``, also with slashes, without time or zone (which then is UTC);
    ``5/1/24, 9:30 AM`` (month first: exports in American English; UTC for want of a zone); ``01 May 2024``.
    """
    text = text.strip()
    found = _PLAIN.fullmatch(text)
    try:
        if found is not None:
            year, month, day, time = found.groups()
            return parse_instant(f"{year}-{month}-{day}" + (f"T{time}Z" if time else ""))
        found = _AMERICAN.fullmatch(text)
        if found is not None:
            return _american(found)
        found = _WORDED.fullmatch(text)
        if found is not None and found[2] in _MONTHS:
            month_number = _MONTHS.index(found[2]) + 1
            return parse_instant(f"{found[3]}-{month_number:02}-{int(found[1]):02}")
    except (BadInput, ValueError, OverflowError):
        return None
    return None


def _american(found: re.Match[str]) -> int | None:
    month, day, year, hour, minute = (int(found[index]) for index in range(1, 6))
    if not 1 <= hour <= _NOON:
        return None
    hour = hour % _NOON + (_NOON if found[7] in "Pp" else 0)
    year += _CENTURY if year < _SHORT_YEAR else 0
    return to_microseconds(datetime(year, month, day, hour, minute, int(found[6] or 0), tzinfo=UTC))
