"""Candidates, their commitment and the draw: fixed bytes, uniform, and closed to whoever has no key."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from troth.core.canary import (
    CODE,
    REPLY,
    Beacon,
    CanarySet,
    Commitment,
    Logged,
    Promised,
    Stream,
    check_draw,
    check_set,
    read_beacon,
    read_commitment,
    read_history,
    set_key,
)
from troth.core.errors import BadInput, Refused
from troth.core.merkle import root
from troth.core.significance import band
from troth.core.written import Json

KEY = bytes(range(32))
ONE = CanarySet("s-1", KEY, size=50)
BEACON = Beacon("drand:1", 10_000_000, bytes(32))
COMMITMENT = Commitment(
    "c", (Promised("s-1", ONE.root(), 50, CODE),), "loss-v1", "drand:1", 5_000_000, "member"
)


def test_the_bytes_are_fixed() -> None:
    """Whoever changes one of these makes every campaign that runs worthless: a new version is needed."""
    assert ONE.mark(0) == "gupo guguro poro gupogu poro gurogu guro popopo poro poporo popo pororo"
    assert ONE.root().hex() == "a4a6a569ae736655dfc56a9476d916555897e0c043a8d2437c577d7bce51e762"
    assert ONE.draw(ONE.root(), BEACON) == 5
    assert CanarySet("s-2", KEY, REPLY, 10).cue == "zapo dokaza dori"
    assert set_key(KEY, "s-1").hex() == "554fc82f61cea0041e781660341879e7bc1517cf6bd7ed943b9a94394ca1a547"


def test_the_root_is_that_of_its_leaves() -> None:
    assert ONE.root() == root(ONE.leaves())


@given(st.binary(min_size=32, max_size=32), st.sampled_from([CODE, REPLY]))
def test_marks_are_plain_words_of_equal_length(key: bytes, carrier: str) -> None:
    marks = CanarySet("s", key, carrier, 20).marks()
    assert len({len(mark) for mark in marks}) == 1
    assert all(re.fullmatch("[a-z]+( [a-z]+){11}", mark) for mark in marks)
    for words in (mark.split() for mark in marks):
        assert len(set(pairwise(words))) == len(words) - 1, "filters of repetition look for such runs"


def test_nothing_of_a_set_follows_from_another() -> None:
    sets = [CanarySet(name, set_key(KEY, name), size=30) for name in ("a", "b")]
    assert not set(sets[0].marks()) & set(sets[1].marks())
    assert not set(sets[0].leaves()) & set(sets[1].leaves())


def test_a_draw_is_uniform_and_moves_with_everything_it_rests_on() -> None:
    drawn = Counter(
        CanarySet("s", KEY, size=10).draw(bytes(32), Beacon("b", at, bytes(32))) for at in range(4_000)
    )
    low, high = band(4_000, 0.1, 0.9999)
    assert all(low <= drawn[index] <= high for index in range(10))
    wide = CanarySet("s", KEY, size=10**6)
    assert len({
        wide.draw(bytes(32), BEACON),
        wide.draw(bytes([1] * 32), BEACON),
        wide.draw(bytes(32), Beacon("b", BEACON.at, BEACON.value)),
        wide.draw(bytes(32), Beacon(BEACON.source, BEACON.at, bytes([1] * 32))),
        CanarySet("s", bytes(32), size=10**6).draw(bytes(32), BEACON),
    }) == 5  # fmt: skip


@given(st.integers(1, 2**40))
def test_a_stream_stays_below_its_bound(bound: int) -> None:
    stream = Stream(KEY, b"label")
    assert all(0 <= stream.below(bound) < bound for _ in range(5))


def test_a_stream_is_uniform_also_where_bytes_do_not_divide() -> None:
    below = Stream(KEY, b"uniform").below
    found = Counter(below(200) for _ in range(40_000))
    low, high = band(40_000, 1 / 200, 0.99999)
    assert all(low <= found[number] <= high for number in range(200))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"id": "Ünique"}, "id"),
        ({"key": b"short"}, "32 bytes"),
        ({"carrier": "song"}, "carrier"),
        ({"size": 1}, "candidates"),
        ({"size": 10**9}, "candidates"),
    ],
)
def test_sets_that_cannot_be_are_refused(changed: dict[str, object], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        CanarySet(**{"id": "s", "key": KEY, **changed})  # type: ignore[arg-type]


def test_a_set_is_the_one_that_was_committed_to_or_refused() -> None:
    promised = COMMITMENT.sets[0]
    check_set(promised, ONE)
    for other in (
        CanarySet("s-1", bytes(32), size=50),
        CanarySet("s-1", KEY, size=49),
        CanarySet("s-1", KEY, REPLY, 50),
        CanarySet("s-2", KEY, size=50),
    ):
        with pytest.raises(Refused):
            check_set(promised, other)


def test_a_commitment_reads_back() -> None:
    assert read_commitment(COMMITMENT.details()) == COMMITMENT
    changes: tuple[dict[str, Json], ...] = (
        {"sets": 3},
        {"sets": [{}]},
        {"beacon": "x"},
        {"action": "draw"},
    )
    for spoilt in ({}, *({**COMMITMENT.details(), **change} for change in changes)):
        with pytest.raises(BadInput):
            read_commitment(spoilt)


@pytest.mark.parametrize(
    "value", [None, 3, [], {}, {"source": "a", "at": "2026-01-01", "value": "zz"}, {"source": "a", "at": 1}]
)
def test_what_is_no_beacon_is_refused(value: object) -> None:
    with pytest.raises(BadInput):
        read_beacon(value)


def test_a_short_beacon_could_be_guessed() -> None:
    with pytest.raises(BadInput, match="16 bytes"):
        read_beacon({"source": "a", "at": "2026-01-01", "value": "abcd"})
    assert read_beacon(BEACON.as_json()) == BEACON


def test_a_beacon_is_later_than_the_commitment_and_the_one_that_was_named() -> None:
    check_draw(COMMITMENT, 9_999_999, BEACON)
    for committed_at, beacon in (
        (10_000_000, BEACON),
        (1, Beacon("drand:1", 4_999_999, bytes(32))),
        (1, Beacon("drand:2", 10_000_000, bytes(32))),
    ):
        with pytest.raises(Refused):
            check_draw(COMMITMENT, committed_at, beacon)


def test_a_commitment_counts_from_the_end_of_its_public_second() -> None:
    """The log rounds down: a value of the same second may have been known before."""
    commit = Logged(0, 10_000_000, COMMITMENT.details())
    draw = {"action": "draw", "campaign": "c", "beacon": Beacon("drand:1", 10_500_000, bytes(32)).as_json()}
    history = read_history("c", [commit, Logged(1, 12_000_000, draw)])  # type: ignore[arg-type]
    assert "before the draw was open" in history.wrong[0]


def test_a_draw_is_not_older_than_its_beacon() -> None:
    commit = Logged(0, 6_000_000, COMMITMENT.details())
    draw = Logged(1, 8_000_000, {"action": "draw", "campaign": "c", "beacon": BEACON.as_json()})
    assert "older than the value" in read_history("c", [commit, draw]).wrong[0]


def test_other_campaigns_do_not_matter() -> None:
    commit = Logged(0, 6_000_000, COMMITMENT.details())
    other = Logged(1, 7_000_000, {"action": "surprise", "campaign": "d"})
    assert read_history("c", [commit, other]).wrong == []
