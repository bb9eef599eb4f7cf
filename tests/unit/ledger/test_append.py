"""Appending: all or none, in one order, with receipts; compare-and-swap; requests that are repeated."""

from __future__ import annotations

import base64
import hashlib
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.unit.ledger.peek import peek
from troth.core.entries import Act
from troth.core.errors import BadInput, Conflict, Unavailable
from troth.core.events import Attributes, Choose, Consent, Event, Notice, Objection, Setting, Withdraw
from troth.core.terms import Audience, Terms
from troth.core.values import parse_instant
from troth.ledger.store import Ledger

ALL = ("any",)
POLICY = Terms("policy", "privacy_policy", "1", 0, 0, ())
SWITCH = Setting("g", (), introduced_at=0)
ANN = Attributes("ann", 0, (("jurisdiction", "US"),))
BOB = Attributes("bob", 0)


def previous(path: Path, position: int) -> int | None:
    """The link of an entry, read past the store."""
    ((body,),) = peek(path, f"SELECT body FROM entries WHERE position = {position}")
    found: int | None = json.loads(body)["previous"]
    return found


def test_positions_count_from_zero_and_the_size_is_the_next_one(ledger: Ledger) -> None:
    assert ledger.size == 0
    first = ledger.append([POLICY, SWITCH])
    second = ledger.append([ANN])
    assert [one.position for one in first + second] == [0, 1, 2]
    assert ledger.size == 3
    assert [(one.position, one.what) for one in ledger.entries()] == [(0, POLICY), (1, SWITCH), (2, ANN)]
    assert [one.position for one in ledger.entries(1, 2)] == [1]


def test_what_was_appended_is_there_when_opened_again(ledger: Ledger, path: Path) -> None:
    receipts = ledger.append([POLICY, ANN, Notice("policy", "1", Audience(), 5), Act("release", {"rows": 3})])
    ledger.close()
    with Ledger.write(path) as again:
        assert again.size == 4
        assert [again.receipt(position) for position in range(4)] == receipts
        assert [one.what for one in again.entries()][-1] == Act("release", {"rows": 3})
        assert again.check() == []


def test_a_receipt_says_what_the_public_log_will_show_and_no_more(ledger: Ledger, path: Path) -> None:
    ledger.now = lambda: parse_instant("2025-01-21T17:42:09.5Z")
    public, private = ledger.append([POLICY, ANN])
    assert (public.type, public.time) == ("terms", "2025-01-21T17:42:09Z")
    assert (private.type, private.time) == ("member", "2025-01-21T17:00:00Z")
    rows = peek(path, "SELECT salt, body, commitment FROM entries ORDER BY position")
    for receipt, (salt, body, commitment) in zip((public, private), rows, strict=True):
        assert len(salt) == 32
        assert hashlib.sha256(b"troth/commit/v1\0" + salt + body).digest() == commitment
        assert receipt.commitment == commitment.hex()
        assert set(receipt.as_json()) == {"position", "type", "time", "commitment"}
    entry = next(ledger.entries(1)).entry
    encoded = base64.b64encode(bytes.fromhex(private.commitment)).decode()
    assert entry.text().decode() == f"troth/entry/v1\nmember\n2025-01-21T17:00:00Z\n{encoded}\n"
    assert ledger.receipt(1) == private
    with pytest.raises(BadInput, match="no entry 2; the ledger holds 2"):
        ledger.receipt(2)


def test_salts_are_drawn_afresh_so_that_equal_bodies_have_different_commitments(ledger: Ledger) -> None:
    same = ledger.append([Objection("ann", 5)] * 20)
    assert len({one.commitment for one in same}) == 20


def test_each_member_s_entries_are_a_chain_across_and_within_appends(ledger: Ledger, path: Path) -> None:
    ledger.append([POLICY, ANN, BOB])
    ledger.append([Objection("ann", 1), Objection("bob", 1), Objection("ann", 2)])
    ledger.append([Notice("policy", "1", "ann", 5), Withdraw("bob", 6)])
    assert [previous(path, position) for position in range(1, 8)] == [None, None, 1, 2, 3, 5, 4]
    assert ledger.history("ann") == [
        (1, ANN),
        (3, Objection("ann", 1)),
        (5, Objection("ann", 2)),
        (6, Notice("policy", "1", "ann", 5)),
    ]
    assert [position for position, _ in ledger.history("ann", 5)] == [1, 3]
    assert ledger.history("nobody") == []


def test_known_is_what_stands_before_a_position_for_all_members_or_for_some(ledger: Ledger) -> None:
    ledger.append([POLICY, ANN, BOB, Act("key", {}), Objection("ann", 1), SWITCH])
    assert set(ledger.known().members) == {"ann", "bob"}
    assert ledger.known(4).member("ann") == [(1, ANN)]
    assert not ledger.known(5).settings
    some = ledger.known(None, ["bob", "bob", "zed"])
    assert set(some.members) == {"bob"}
    assert set(some.documents) == {"policy"}
    assert set(some.settings) == {"g"}
    assert some.member("bob") == ledger.known().member("bob")


def test_an_append_may_say_which_head_it_has_seen(ledger: Ledger) -> None:
    ledger.append([ANN], expected=0)
    with pytest.raises(Conflict, match="grown from 0 to 1 entries meanwhile") as caught:
        ledger.append([BOB], expected=0)
    assert caught.value.remedy == "read it again and repeat"
    assert ledger.size == 1
    assert ledger.append([BOB], expected=1)[0].position == 1
    with pytest.raises(Conflict):
        ledger.append([BOB], expected=7)


def test_a_request_that_is_repeated_gets_its_first_receipts_and_writes_nothing(
    ledger: Ledger, path: Path
) -> None:
    first = ledger.append([ANN, Objection("ann", 1)], request="r1")
    ledger.append([BOB])
    assert ledger.append([ANN, Objection("ann", 1)], request="r1") == first
    # Also where the head that it once saw is long past, and after opening again.
    assert ledger.append([ANN, Objection("ann", 1)], request="r1", expected=0) == first
    ledger.close()
    with Ledger.write(path) as again:
        again.free_space_floor = 0
        assert again.append([ANN, Objection("ann", 1)], request="r1") == first
        assert again.size == 3
        assert again.append([Objection("ann", 1)], request="r2")[0].position == 3


@pytest.mark.parametrize("other", [[BOB], [ANN], [ANN, Objection("ann", 2)], [], [Act("key", {})]])
def test_a_request_id_stands_for_one_content_only(ledger: Ledger, other: list[Event | Act]) -> None:
    ledger.append([ANN, Objection("ann", 1)], request="r1")
    with pytest.raises(BadInput, match="this request id was used for something else") as caught:
        ledger.append(other, request="r1")
    assert caught.value.remedy == "use a new id for a new request"
    assert ledger.size == 2


def test_an_append_that_refers_to_nothing_writes_nothing_of_it(ledger: Ledger) -> None:
    ledger.append([POLICY])
    batches: tuple[list[Event], ...] = (
        [ANN, Choose("ann", "g", on=True, at=0)],
        [Notice("policy", "2", "ann", 0)],
        [SWITCH, SWITCH],
        [POLICY],
        [Consent("c", "ann", ALL, ALL, ALL, 0), Withdraw("bob", 0, consent="c")],
    )
    for wrong in batches:
        with pytest.raises(BadInput):
            ledger.append(wrong, request="again")
        assert ledger.size == 1
    # Nor does anything linger of the names that it defined, or of its request id.
    ledger.append([SWITCH, Consent("c", "bob", ALL, ALL, ALL, 0)], request="again")
    assert ledger.size == 3
    assert ledger.check() == []


def test_references_are_to_all_that_was_ever_appended(ledger: Ledger, path: Path) -> None:
    ledger.append([POLICY, SWITCH, Consent("c", "ann", ALL, ALL, ALL, 0)])
    ledger.close()
    with Ledger.write(path) as again:
        again.free_space_floor = 0
        again.append([Choose("ann", "g", on=True, at=0), Withdraw("ann", 0, consent="c")])
        with pytest.raises(BadInput, match="there already"):
            again.append([Consent("c", "bob", ALL, ALL, ALL, 0)])


def test_a_trial_checks_the_same_and_defines_nothing(ledger: Ledger, path: Path) -> None:
    ledger.append([POLICY])
    batch: list[Event] = [
        SWITCH,
        Choose("ann", "g", on=True, at=0),
        Terms("policy", "privacy_policy", "2", 0, 0, ()),
    ]
    with Ledger.read(path) as reader:
        for _ in range(2):
            reader.check_references(batch)
        with pytest.raises(BadInput, match="there already"):
            reader.check_references([POLICY])
    ledger.append(batch)


def test_nothing_appended_is_nothing_done(ledger: Ledger) -> None:
    assert ledger.append([]) == []
    assert ledger.append([], request="empty") == []
    assert ledger.append([], request="empty") == []
    assert ledger.size == 0


def test_a_ledger_open_for_reading_refuses_to_write(ledger: Ledger, path: Path) -> None:
    ledger.append([ANN])
    with Ledger.read(path) as reader:
        for write in (lambda: reader.append([BOB]), lambda: reader.erase([0])):
            with pytest.raises(Unavailable, match="open for reading only"):
                write()
    assert ledger.size == 1


class Appending(RuleBasedStateMachine):
    """Any order of appends, repeats, conflicts, erasures and re-openings keeps what was acknowledged."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "l.sqlite3"
        self.ledger = Ledger.create(self.path)
        self.ledger.free_space_floor = 0
        self.acknowledged: list[tuple[str, Event | None]] = []
        self.requests: dict[str, tuple[list[Event], list[str]]] = {}

    members = st.sampled_from(["ann", "bob", "cy"])

    @rule(subjects=st.lists(members, max_size=3), at=st.integers(0, 9), stale=st.booleans())
    def append(self, subjects: list[str], at: int, stale: bool) -> None:
        events: list[Event] = [Objection(one, at) for one in subjects]
        if stale:
            with pytest.raises(Conflict):
                self.ledger.append(events, expected=len(self.acknowledged) + 1)
            return
        receipts = self.ledger.append(events, expected=len(self.acknowledged))
        self.acknowledged += [(r.commitment, e) for r, e in zip(receipts, events, strict=True)]

    @rule(request=st.sampled_from(["a", "b"]), subject=members)
    def request_it(self, request: str, subject: str) -> None:
        events: list[Event] = [Objection(subject, 1)]
        if request not in self.requests:
            receipts = self.ledger.append(events, request=request)
            self.requests[request] = (events, [one.commitment for one in receipts])
            self.acknowledged += [(r.commitment, e) for r, e in zip(receipts, events, strict=True)]
        elif self.requests[request][0] == events:
            repeated = self.ledger.append(events, request=request)
            assert [one.commitment for one in repeated] == self.requests[request][1]

    @rule(place=st.integers(0, 30))
    def erase(self, place: int) -> None:
        if place < len(self.acknowledged):
            commitment, event = self.acknowledged[place]
            assert self.ledger.erase([place]) == (event is not None)
            self.acknowledged[place] = (commitment, None)

    @rule()
    def open_again(self) -> None:
        self.ledger.close()
        self.ledger = Ledger.write(self.path)
        self.ledger.free_space_floor = 0

    @invariant()
    def all_that_was_acknowledged_is_there(self) -> None:
        stored = list(self.ledger.entries())
        assert [(one.entry.commitment.hex(), one.what) for one in stored] == self.acknowledged
        assert self.ledger.check() == []
        for subject in ("ann", "bob", "cy"):
            mine = [
                e
                for _, e in self.acknowledged
                if e is not None and e == Objection(subject, getattr(e, "at", 0))
            ]
            assert [event for _, event in self.ledger.history(subject)] == mine

    def teardown(self) -> None:
        self.ledger.close()
        self.folder.cleanup()


TestAppending = Appending.TestCase
TestAppending.settings = settings(max_examples=25, stateful_step_count=25)


@given(st.lists(st.sampled_from(["ann", "bob"]), max_size=12), st.integers(1, 5))
@settings(max_examples=25)
def test_cutting_a_history_into_appends_otherwise_changes_nothing(subjects: list[str], size: int) -> None:
    events = [Objection(one, at) for at, one in enumerate(subjects)]
    with tempfile.TemporaryDirectory() as folder:
        links = []
        for name, step in (("one", max(len(events), 1)), ("cut", size)):
            path = Path(folder) / name
            with Ledger.create(path) as ledger:
                ledger.free_space_floor = 0
                for start in range(0, len(events), step):
                    ledger.append(events[start : start + step])
                assert ledger.check() == []
            links.append([previous(path, position) for position in range(len(events))])
    assert links[0] == links[1]
