"""A quick way back from stored bodies to events, for the kinds that make up nearly all of a ledger.

Bodies were checked when they were appended and are held by their commitments, so nothing is checked
again. ``stored_event`` agrees with ``written.read_event`` on everything that ``write_event`` writes; a
property test holds them together.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from troth.core.events import Attributes, Choose, Event, Notice
from troth.core.values import Day

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def stored_event(body: dict[str, Any]) -> Event | None:
    """The event of a stored body; None for kinds that take the ordinary way.

    Raises:
        KeyError, TypeError, ValueError: not a body that ``write_event`` writes.
    """
    if "subject" in body and "since" in body:
        return Attributes(
            body["subject"],
            _instant(body["since"]),
            tuple((name, _attribute(name, body[name])) for name in _ATTRIBUTES if name in body),
        )
    if "choose" in body:
        choose = body["choose"]
        return Choose(
            choose["subject"],
            choose["setting"],
            choose["value"] == "on",
            _instant(choose["at"]),
            choose["by"],
            choose["covers_past"],
        )
    if "notice" in body and isinstance(body["notice"]["to"], str):
        notice = body["notice"]
        return Notice(
            notice["terms"],
            notice["version"],
            notice["to"],
            _instant(notice["at"]),
            notice.get("channel"),
            notice["delivered"],
        )
    return None


_ATTRIBUTES: Final = ("jurisdiction", "tier", "born", "status")


def _attribute(name: str, value: str | None) -> str | Day | None:
    if name != "born" or value is None:
        return value
    return (int(value[:4]), int(value[5:7]), int(value[8:10]))


def _instant(text: str) -> int:
    return (datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND
