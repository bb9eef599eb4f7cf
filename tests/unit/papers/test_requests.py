"""Clocks of members' requests, and their register."""

from __future__ import annotations

import pytest

from tests.unit.papers.conftest import World
from troth.app import papers
from troth.core.errors import BadInput
from troth.core.values import format_instant, parse_instant
from troth.papers.requests import due


@pytest.mark.parametrize(
    ("law", "received", "extended", "expected"),
    [
        ("gdpr", "2025-01-10T15:00:00Z", False, "2025-02-11T00:00:00Z"),
        ("gdpr", "2025-01-31", False, "2025-03-01T00:00:00Z"),
        ("gdpr", "2024-01-31", False, "2024-03-01T00:00:00Z"),
        ("gdpr", "2025-11-30", True, "2026-03-01T00:00:00Z"),
        ("gdpr", "2025-12-15", False, "2026-01-16T00:00:00Z"),
        ("ccpa", "2025-01-01", False, "2025-02-16T00:00:00Z"),
        ("ccpa", "2025-01-01T23:59:59Z", True, "2025-04-02T00:00:00Z"),
    ],
)
def test_periods(law: str, received: str, extended: bool, expected: str) -> None:
    assert format_instant(due(law, parse_instant(received), extended=extended)) == expected


def test_the_register(world: World) -> None:
    home = world.home
    one = papers.open_request(home, world.member, "access", "gdpr", "2025-06-01")
    other = papers.open_request(home, world.member, "erasure", "gdpr", "2025-06-01")
    assert one.status(parse_instant("2025-07-01T23:59:59Z")) == "open"
    assert one.status(parse_instant("2025-07-02")) == "overdue"
    with pytest.raises(BadInput, match="until"):
        papers.extend_request(home, one.id, "many requests", "2025-07-02")
    longer = papers.extend_request(home, one.id, "many requests", "2025-06-20")
    assert format_instant(longer.due) == "2025-09-02T00:00:00Z"
    with pytest.raises(BadInput, match="already"):
        papers.extend_request(home, one.id, "again", "2025-06-21")
    assert (
        papers.answer_request(home, one.id, "granted", "2025-08-01").status(parse_instant("2026-01-01"))
        == "answered"
    )
    assert (
        papers.answer_request(home, other.id, "refused", "2025-08-01").status(parse_instant("2026-01-01"))
        == "answered late"
    )
    with pytest.raises(BadInput, match="already"):
        papers.answer_request(home, one.id, "granted")
    with pytest.raises(BadInput, match="no request"):
        papers.answer_request(home, "q-none", "granted")
    copy = papers.make(home, "art15", world.member)
    rows = next(one_.value for one_ in copy.fields if one_.key == "requests")
    assert {row[0] for row in rows.rows} >= {one.id, other.id}  # type: ignore[union-attr]
