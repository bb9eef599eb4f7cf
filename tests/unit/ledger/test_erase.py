"""Erasing: the bytes are really gone, and the log is still valid."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.ledger.peek import peek, raw_bytes
from troth.core.entries import Act
from troth.core.errors import BadInput, Unavailable
from troth.core.events import Attributes, Choose, Consent, Objection, Setting, Withdraw
from troth.core.terms import Terms
from troth.ledger.store import Ledger

ALL = ("any",)
SECRET = "zibbeldorn"
PARTNER = "third_party:quenkelmann"


def member_entries(subject: str) -> list[Attributes | Choose | Consent | Objection]:
    return [
        Attributes(subject, 0, (("tier", "plinthwick"),)),
        Choose(subject, "g", on=False, at=5),
        Consent("c1", subject, ALL, ALL, (PARTNER,), 6),
        Objection(subject, 7),
    ]


@pytest.fixture
def filled(ledger: Ledger) -> Ledger:
    ledger.append([Terms("policy", "faq", "1", 0, 0, ()), Setting("g", (), introduced_at=0)])
    ledger.append(member_entries(SECRET), request="r1")
    ledger.append([Attributes("bob", 0), Consent("c2", "bob", ALL, ALL, ALL, 1)])
    for number in range(200):  # so that the entries lie on pages among others
        ledger.append([Objection(f"member {number}", number)])
    return ledger


def test_body_salt_name_and_request_are_gone_from_every_byte_on_disk(filled: Ledger, path: Path) -> None:
    salts = [salt for (salt,) in peek(path, "SELECT salt FROM entries WHERE position BETWEEN 2 AND 5")]
    ((digest,),) = peek(path, "SELECT digest FROM requests WHERE request = 'r1'")
    traces = [*salts, digest, SECRET.encode(), b"plinthwick", PARTNER.encode()]
    before = raw_bytes(path)
    assert all(trace in before for trace in traces)

    assert filled.erase([2, 3, 4, 5]) == 4

    after = raw_bytes(path)
    assert [trace for trace in traces if trace in after] == []
    assert b"member 17" in after
    filled.close()
    assert [trace for trace in traces if trace in raw_bytes(path)] == []


def test_the_log_stays_valid_and_everybody_else_s_history_whole(filled: Ledger) -> None:
    entries = [one.entry for one in filled.entries()]
    others = filled.known().members
    del others[SECRET]
    filled.erase([2, 3, 4, 5])
    assert [one.entry for one in filled.entries()] == entries
    assert [one.what for one in filled.entries(2, 6)] == [None] * 4
    assert filled.check() == []
    assert filled.size == len(entries)
    assert filled.known().members == others
    assert filled.history(SECRET) == []
    assert {subject for _, subject, _ in filled.bodies(filled.size)} == set(others)


def test_a_name_stays_taken_and_whose_it_was_is_forgotten(filled: Ledger) -> None:
    filled.erase([4])
    with pytest.raises(BadInput, match="a consent called 'c1' is there already"):
        filled.append([Consent("c1", "bob", ALL, ALL, ALL, 0)])
    with pytest.raises(BadInput, match="has given no consent called 'c1'"):
        filled.append([Withdraw(SECRET, 9, consent="c1")])
    filled.append([Withdraw("bob", 9, consent="c2")])


def test_a_request_whose_entries_were_erased_is_still_known_by_its_id(filled: Ledger) -> None:
    receipts = [filled.receipt(position) for position in range(2, 6)]
    assert filled.append(member_entries(SECRET), request="r1") == receipts
    size = filled.size
    filled.erase([3])
    # The digest would tell what was in it to whoever guesses, so it is gone; without it nothing is acknowledged.
    for events in (member_entries(SECRET), [Objection("bob", 0)]):
        with pytest.raises(BadInput, match="was erased"):
            filled.append(events, request="r1")
    assert filled.size == size


def test_a_member_who_comes_back_begins_or_continues_a_chain_without_the_erased(filled: Ledger) -> None:
    filled.erase([2, 3, 5])
    filled.append([Objection(SECRET, 9), Objection(SECRET, 10)])
    assert [position for position, _ in filled.history(SECRET)] == [4, 208, 209]
    assert filled.check() == []


def test_erasing_twice_is_erasing_once(filled: Ledger) -> None:
    assert filled.erase([2, 2, 3]) == 2
    assert filled.erase([2, 3]) == 0
    assert filled.erase([]) == 0


@pytest.mark.parametrize("position", [0, 1, 999, -1])
def test_only_members_entries_are_erased_and_then_none_of_the_call(filled: Ledger, position: int) -> None:
    with pytest.raises(BadInput, match=f"entry {position} is not a member's"):
        filled.erase([2, position])
    assert filled.history(SECRET) == list(enumerate(member_entries(SECRET), 2))


def test_an_act_is_no_member_s(ledger: Ledger) -> None:
    ledger.append([Act("release", {"release": "r"})])
    with pytest.raises(BadInput, match="not a member's"):
        ledger.erase([0])


def test_while_somebody_reads_the_old_bytes_the_erasure_says_that_it_is_not_done(
    filled: Ledger, path: Path
) -> None:
    filled._connection.execute("PRAGMA busy_timeout = 50")
    with Ledger.read(path) as reader:
        entries = reader.entries()
        next(entries)  # an open snapshot, from before
        filled.append([Objection("bob", 50)])
        with pytest.raises(Unavailable, match="still reads") as caught:
            filled.erase([2, 3, 4, 5])
        assert caught.value.remedy is not None
        assert "repeat" in caught.value.remedy
        # The entries are erased for everybody who asks from now on; only old bytes still lie in the log.
        assert filled.history(SECRET) == []
        entries.close()  # type: ignore[attr-defined]
    filled.erase([2, 3, 4, 5])
    assert SECRET.encode() not in raw_bytes(path)
    filled.append([Objection("bob", 51)])
