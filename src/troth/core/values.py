"""Instants, uses, records, coverage and canonical bytes.

Instants are integer microseconds since 1970-01-01T00:00:00Z everywhere inside Troth and
ISO 8601 text outside.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache
from typing import TypeAlias

import rfc8785

from troth.core.errors import BadInput

_MINUTES_PER_HOUR = 60
MICROSECONDS_PER_DAY = 24 * 60 * 60 * 1_000_000

FIRST_INSTANT = -62_135_596_800_000_000
"""0001-01-01T00:00:00Z: calendars here begin with it."""

LAST_INSTANT = 253_402_300_799_999_999
"""9999-12-31T23:59:59.999999Z."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INSTANT = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})"
    r"(?:[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,6}))?)?\s?(Z|z|[+-]\d{2}(?::?\d{2})?)?)?"
)
_DAY = re.compile(r"(\d{4})-(\d{2})-(\d{2})")
_PATH = r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*"
_PURPOSE = re.compile(_PATH)
_CATEGORY = re.compile(rf"{_PATH}(?::{_PATH})?")
_RECIPIENT = re.compile(rf"any|operator|(?:affiliate|third_party|processor)(?::{_PATH})?")

Day: TypeAlias = tuple[int, int, int]
"""A calendar day (year, month, day), UTC."""


def parse_instant(text: str) -> int:
    """Read ISO 8601 as integer microseconds UTC.

    A date without a time is midnight UTC, a time without a zone is UTC.

    Raises:
        BadInput: the text is no instant, or no day of the calendar.
    """
    found = _INSTANT.fullmatch(text.strip())
    if found is None:
        raise BadInput(
            f"expected an instant such as 2024-09-18 or 2024-09-18T09:30:00Z, got {text!r}",
            remedy="write ISO 8601; without a zone the time is read as UTC",
        )
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    try:
        moment = datetime(
            int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0),
            int((fraction or "0").ljust(6, "0")), tzinfo=_zone(zone),
        )  # fmt: skip
        instant = to_microseconds(moment)
        if not FIRST_INSTANT <= instant <= LAST_INSTANT:
            raise ValueError("in UTC it lies outside the years 1 to 9999")
        return instant
    except (ValueError, OverflowError) as error:
        raise BadInput(f"{text!r} is not an instant of the calendar: {error}") from None


def _zone(text: str | None) -> timezone:
    if text is None or text in "Zz":
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    if int(digits[2:]) >= _MINUTES_PER_HOUR:
        raise ValueError(f"an offset has at most 59 minutes, got {text}")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if text[0] == "-" else offset)


def to_microseconds(moment: datetime) -> int:
    """Exact integer microseconds UTC of an aware datetime."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def check_instant(instant: int, name: str = "an instant") -> int:
    """An instant (microseconds UTC) that lies on the calendar; ``name`` is what an error calls it.

    Raises:
        BadInput: before the year 1 or after the year 9999; mostly another unit than microseconds.
    """
    if not FIRST_INSTANT <= instant <= LAST_INSTANT:
        raise BadInput(
            f"{name} is {instant}, which lies outside the years 1 to 9999",
            remedy="give microseconds since 1970-01-01T00:00:00Z",
        )
    return instant


def format_instant(instant: int) -> str:
    """RFC 3339 UTC text of an instant; fractions only where there are any."""
    return (_EPOCH + timedelta(microseconds=instant)).isoformat().replace("+00:00", "Z")


def day_of(instant: int) -> Day:
    """The UTC calendar day an instant lies in."""
    moment = _EPOCH + timedelta(microseconds=instant)
    return (moment.year, moment.month, moment.day)


def start_of_day(day: Day) -> int:
    """The instant at which a UTC day begins."""
    return (date(*day).toordinal() - _EPOCH.toordinal()) * MICROSECONDS_PER_DAY


def parse_day(text: str) -> Day:
    """Read ``YYYY-MM-DD``.

    Raises:
        BadInput: not a day of the calendar.
    """
    found = _DAY.fullmatch(text.strip())
    if found is None:
        raise BadInput(f"expected a date such as 1980-05-17, got {text!r}")
    year, month, day = (int(part) for part in found.groups())
    try:
        date(year, month, day)
    except ValueError as error:
        raise BadInput(f"{text!r} is not a day of the calendar: {error}") from None
    return (year, month, day)


def format_day(day: Day) -> str:
    """``YYYY-MM-DD``."""
    return f"{day[0]:04}-{day[1]:02}-{day[2]:02}"


def covers(listed: str, value: str) -> bool:
    """Whether a listed value covers another: itself and all below it; ``any`` covers all."""
    return listed in ("any", value) or value.startswith((listed + ".", listed + ":"))


@lru_cache(maxsize=65_536)
def any_covers(listed: tuple[str, ...], value: str) -> bool:
    """Whether one of the listed values covers this one."""
    return any(covers(one, value) for one in listed)


def any_covers_any(listed: tuple[str, ...], values: tuple[str, ...]) -> bool:
    """Whether one of the listed values covers at least one of these."""
    return any(any_covers(listed, value) for value in values)


def check_purpose(text: str) -> str:
    """A purpose such as ``train.generative``, or ``any``.

    Raises:
        BadInput: not of that shape.
    """
    if not _PURPOSE.fullmatch(text):
        raise BadInput(f"expected a purpose such as train.generative, improve or any, got {text!r}")
    return text


def check_category(text: str) -> str:
    """A category such as ``private_message.inmail`` or ``topic:compensation``, or ``any``.

    Raises:
        BadInput: not of that shape.
    """
    if not _CATEGORY.fullmatch(text):
        raise BadInput(f"expected a category such as private_message, post or topic:health, got {text!r}")
    return text


def check_recipient(text: str) -> str:
    """``operator``, ``affiliate:NAME``, ``third_party:NAME``, ``processor:NAME``, or a listed value above them.

    Raises:
        BadInput: not of that shape.
    """
    if not _RECIPIENT.fullmatch(text):
        raise BadInput(
            f"expected operator, affiliate:NAME, third_party:NAME, processor:NAME or any, got {text!r}"
        )
    return text


@dataclass(frozen=True, slots=True)
class Use:
    """What is asked for: a purpose and a recipient.

    Raises:
        BadInput: a part is malformed, or is the wildcard ``any``, which is no concrete use.
    """

    purpose: str
    recipient: str

    def __post_init__(self) -> None:
        check_purpose(self.purpose)
        check_recipient(self.recipient)
        if "any" in (self.purpose, self.recipient):
            raise BadInput("a use names one purpose and one recipient; any is only for clauses")

    @property
    def trains(self) -> bool:
        """Whether the purpose is under ``train``."""
        return covers("train", self.purpose)


@dataclass(frozen=True, slots=True)
class Record:
    """A piece of content as the decision sees it; instants in microseconds UTC.

    ``author`` None: nobody knows who wrote it. An addressee of ``""`` is one whose account is not known.
    """

    id: str
    category: str
    created_at: int | None
    author: str | None
    addressees: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    deleted_at: int | None = None

    @property
    def categories(self) -> tuple[str, ...]:
        """The category and the topics, which count as further categories."""
        return (self.category, *(topic_category(topic) for topic in self.topics))


def topic_category(topic: str) -> str:
    """``compensation`` as the category ``topic:compensation``."""
    return topic if topic.startswith("topic:") else f"topic:{topic}"


def canonical(value: object) -> bytes:
    """Canonical JSON bytes (RFC 8785).

    Raises:
        BadInput: a value that JSON cannot carry, such as a lone surrogate or an integer beyond 2**53.
    """
    try:
        return rfc8785.dumps(value)  # type: ignore[arg-type]
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise BadInput(f"this value has no canonical JSON form: {error}") from None
