"""The days of the affair, and instants: integer microseconds UTC inside, ISO 8601 in events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def instant(text: str) -> int:
    """Microseconds of an ISO 8601 date or time; without a zone it is UTC."""
    moment = datetime.fromisoformat(text)
    return (moment.replace(tzinfo=moment.tzinfo or UTC) - _EPOCH) // timedelta(microseconds=1)


def iso(moment: int) -> str:
    """ISO 8601 text of an instant."""
    return (_EPOCH + timedelta(microseconds=moment)).isoformat().replace("+00:00", "Z")


FIRST_JOINED: Final = instant("2016-01-01")
FIRST_RECORD: Final = instant("2021-06-01")
PREMIUM_SOLD: Final = instant("2022-06-07")
SETTING_INTRODUCED: Final = instant("2024-08-01")
POLICY_CHANGED: Final = instant("2024-09-18")
SUIT: Final = instant("2025-01-21")
DENIAL: Final = instant("2025-01-23")
PILOT: Final = instant("2025-03-03")
EXTENSION_ANNOUNCED: Final = instant("2025-09-18")
EXTENSION: Final = instant("2025-11-03")
TODAY: Final = instant("2025-12-01")
"""When the story is told: after the extension."""
