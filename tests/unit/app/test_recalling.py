"""Recalls that a server opens by itself: once for each thing taken back, however it came; due ones are told."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.app.handed import AFFILIATE, DAY, Hands
from troth.app import recalling, recalls, recipients
from troth.app.recalling import REMIND_SECONDS, Recalling
from troth.app.serving import ServedHome
from troth.core.events import Erase, Objection, Withdraw
from troth.ledger.store import clock


@pytest.fixture
def given(hands: Hands) -> Hands:
    """Something left, and was signed for."""
    _, path = hands.give("a", AFFILIATE)
    hands.sign(path, "a", AFFILIATE)
    return hands


def test_whatever_is_taken_back_is_called_back_once(given: Hands) -> None:
    told: list[dict[str, Any]] = []
    second = [0.0]
    one = Recalling(given.home, told.append, now=lambda: second[0])
    one.work()
    assert told == []
    for event, rows in (
        (Withdraw("ann", clock()), {"m1", "m2", "m4"}),
        (Objection("cyd", clock()), {"m3"}),
        (Erase("eva", clock()), {"m5"}),
    ):
        given.home.append([event])
        second[0] += 60
        one.work()
        one.work()
        assert set(recalls.ids_of(given.home, str(told[-1]["recall"]))) == rows
    assert [sorted(each) for each in told] == [["due_at", "recall", "status"]] * 3
    assert [each["recipient"] for each in recalling.of_member(given.home, "eva")] == [AFFILIATE]
    assert recalling.of_member(given.home, "eva")[0]["rows"] == 1


def test_what_falls_due_is_reminded_of_and_told(given: Hands, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[dict[str, Any]] = []
    second = [0.0]
    one = Recalling(given.home, told.append, now=lambda: second[0])
    given.home.append([Withdraw("ann", clock())])
    one.work()
    later = clock() + 15 * DAY
    monkeypatch.setattr("troth.app.home.clock", lambda: later)
    second[0] += REMIND_SECONDS
    one.work()
    assert [each["status"] for each in told] == ["open", "overdue"]
    (recall,) = recipients.book(given.home).recalls.values()
    assert len(recall.reminders) == 1
    assert recall.escalated_at == later


def test_a_served_home_opens_them_beside_the_requests(given: Hands) -> None:
    home = ServedHome(given.home.path)
    told: list[dict[str, Any]] = []
    home.on_recall = told.append
    try:
        home.append([Withdraw("ann", clock())])
        home.recall()
    finally:
        home.close()
    assert len(recipients.book(given.home).recalls) == 1
    assert len(told) == 1
