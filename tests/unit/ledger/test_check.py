"""What `check` finds: whatever can be derived anew is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.ledger.peek import tamper
from troth.core.entries import Act
from troth.core.errors import Corrupt
from troth.core.events import Attributes, Event, Objection, Setting
from troth.core.terms import Terms
from troth.ledger.store import Ledger

EVENTS: list[Event | Act] = [
    Terms("policy", "faq", "1", 0, 0, ()),
    Attributes("ann", 0),
    Attributes("bob", 0),
    Objection("ann", 1),
    Objection("ann", 2),
    Act("key", {"use": "release"}),
]


def damage(path: Path, *statements: str) -> list[str]:
    with Ledger.create(path) as ledger:
        ledger.free_space_floor = 0
        ledger.append(EVENTS)
        ledger.append([Setting("g", (), introduced_at=0), Objection("bob", 3)])
        assert ledger.check() == []
    tamper(path, *statements)
    with Ledger.read(path) as reader:
        return reader.check()


FOUND: list[tuple[str, list[str]]] = [
    ("DELETE FROM entries WHERE position = 0", ["entry 0 is missing"]),
    ("DELETE FROM entries WHERE position = 3", ["entry 3 is missing"]),
    ("UPDATE entries SET position = position + 1 WHERE position = 7", ["entry 7 is missing"]),
    (
        "UPDATE entries SET body = CAST(replace(body, 'ann', 'eve') AS BLOB) WHERE position = 3",
        ["entry 3 does not match its commitment", "entry 4 breaks its member's chain"],
    ),
    ("UPDATE entries SET salt = zeroblob(32) WHERE position = 0", ["entry 0 does not match its commitment"]),
    ("UPDATE entries SET commitment = zeroblob(32) WHERE position = 5", ["entry 5 does not match its commitment"]),
    ("UPDATE entries SET salt = NULL WHERE position = 5", ["entry 5 does not match its commitment"]),
    ("UPDATE entries SET body = NULL WHERE position = 2", ["entry 2 has lost its body", "entry 7 breaks its member's chain"]),  # noqa: E501 - a table
    ("UPDATE entries SET body = NULL, salt = NULL, subject = NULL WHERE position = 0", ["entry 0 has lost its body"]),
    ("UPDATE entries SET type = 'regime' WHERE position = 0", ["entry 0 shows another type than its body"]),
    ("UPDATE entries SET time = '2000-01-01T00:00:00Z' WHERE position = 1", ["entry 1 shows another time than its body"]),  # noqa: E501 - a table
    (
        "UPDATE entries SET subject = 'bob' WHERE position = 3",
        ["entry 3 shows another member than its body", "entry 3 breaks its member's chain", "entry 4 breaks its member's chain", "entry 7 breaks its member's chain"],  # noqa: E501 - a table
    ),
    ("UPDATE entries SET subject = 'ann' WHERE position = 6", ["entry 6 shows another member than its body"]),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "found"), FOUND)
def test_what_was_tampered_with_is_named(path: Path, statement: str, found: list[str]) -> None:
    got = damage(path, statement)
    assert got[: len(found)] == found
    assert got


def test_a_link_may_lead_over_erased_entries_but_over_no_other(path: Path) -> None:
    with Ledger.create(path) as ledger:
        ledger.free_space_floor = 0
        ledger.append([Objection("ann", at) for at in range(5)])
        for position in (1, 2, 4):
            ledger.erase([position])
            assert ledger.check() == []
        ledger.append([Objection("ann", 5)])  # leads to 3, the last that is not erased
        assert ledger.check() == []
    # Left in the index alone, an entry of hers that no link leads to has been slipped in.
    tamper(path, "UPDATE entries SET subject = 'ann' WHERE position = 4")
    with Ledger.read(path) as reader:
        assert reader.check() == ["entry 4 has lost its body"]


def test_an_entry_that_was_taken_out_of_a_member_s_history_breaks_their_chain(path: Path) -> None:
    with Ledger.create(path) as ledger:
        ledger.free_space_floor = 0
        ledger.append([Objection("ann", at) for at in range(4)])
    # As if the choice at 1 had never been hers: neither its owner nor the chain will have it.
    tamper(path, "UPDATE entries SET subject = NULL WHERE position = 1")
    with Ledger.read(path) as reader:
        assert reader.check() == [
            "entry 1 shows another member than its body",
            "entry 2 breaks its member's chain",
        ]


def test_a_body_of_another_hand_is_corrupt_where_it_is_read(path: Path) -> None:
    assert damage(
        path, 'UPDATE entries SET body = CAST(\'{"event":{"unheard":1}}\' AS BLOB) WHERE position = 1'
    )
    with Ledger.read(path) as reader, pytest.raises(Corrupt, match="the body of entry 1 cannot be read"):
        list(reader.entries())
