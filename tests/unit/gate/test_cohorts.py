"""The small side: spans and windows are half-open to the microsecond, merged, and shared by who is alike."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

import pyarrow as pa
import pytest

from tests.properties.worlds import as_table, eventful_world
from troth.core.decide import decide
from troth.core.events import (
    Attributes,
    Choose,
    Consent,
    Default,
    Event,
    Notice,
    Objection,
    Regime,
    Setting,
    Withdraw,
)
from troth.core.reasons import Reason, bits
from troth.core.standing import Known
from troth.core.terms import Audience, Clause, Condition, Membership, Terms
from troth.core.values import MICROSECONDS_PER_DAY, Record, Use, parse_instant
from troth.gate.cohorts import EARLIEST, LATEST
from troth.gate.gate import Gate, open_records
from troth.gate.plan import SmallSide

DAY = MICROSECONDS_PER_DAY
START = parse_instant("2020-01-01")
NOW = parse_instant("2025-01-01")
POLICY = parse_instant("2022-06-01")
ALL = ("any",)
USE = Use("train.generative", "operator")
NOT_SWITCHED = bits([Reason.WRITTEN_WHILE_OFF])


def member(subject: str, *, place: str = "US", since: int = START) -> Attributes:
    return Attributes(
        subject,
        since,
        (("jurisdiction", place), ("tier", "basic"), ("born", (1980, 1, 1)), ("status", "active")),
    )


def promised(*more: Event) -> Known:
    """A policy with a switch that is on by default in the US, where that is enough; then members and their deeds."""
    clause = Clause("train", "permit", ("train",), ("post",), ("operator",), Condition("g"))
    events: list[Event] = [
        Setting("g", (Default(Audience(Membership(inside=("US",))), on=True),), introduced_at=START),
        Regime(("US",), "opt_out"),
        Terms("policy", "privacy_policy", "1", POLICY, POLICY, (clause,)),
        Notice("policy", "1", Audience(), POLICY),
        *more,
    ]
    return Known(enumerate(events))


def small_side(known: Known, *instants: int | None, at: int = NOW, use: Use = USE) -> SmallSide:
    records = [
        Record(f"r{n}", "post", instant, "ann") for n, instant in enumerate(instants or (START - 1, NOW))
    ]
    return Gate(known, use, at).small_side(open_records(as_table(records)))


def held(small: SmallSide) -> pa.Table:
    """The spans, which are few here."""
    assert isinstance(small.spans, pa.Table)
    return small.spans


def spans_of(small: SmallSide, subject: str) -> list[tuple[int, int, int]]:
    rows = [row for row in held(small).to_pylist() if row["subject"] == subject]
    return sorted((row["start"], row["stop"], row["cohort"]) for row in rows)


def codes_of(small: SmallSide, subject: str, kind: int = 0) -> list[tuple[int, int, int]]:
    """The codes that a member's records get: (start, stop, code), neighbours of one code joined."""
    windows = [row for row in small.windows.to_pylist() if row["kind"] == kind]
    found: list[tuple[int, int, int]] = []
    for start, stop, cohort in spans_of(small, subject):
        for row in sorted(
            (row for row in windows if row["cohort"] == cohort), key=lambda row: int(row["start"])
        ):
            low, high = max(start, row["start"]), min(stop, row["stop"])
            if low < high and found and found[-1][1:] == (low, row["code"]):
                found[-1] = (found[-1][0], high, row["code"])
            elif low < high:
                found.append((low, high, row["code"]))
    return found


def test_who_did_nothing_has_one_span_and_windows_that_change_with_the_world() -> None:
    small = small_side(promised(member("ann")))
    assert spans_of(small, "ann") == [(EARLIEST, START, 0), (START, LATEST, 1)]
    (before, early, late) = codes_of(small, "ann")
    assert before[2] == bits([Reason.UNKNOWN_JURISDICTION])
    assert early == (START, POLICY, bits([Reason.RETROACTIVE]))
    assert late == (POLICY, LATEST, 0)


def test_a_switch_turned_off_and_on_again_makes_windows_to_the_microsecond() -> None:
    off, on = POLICY + DAY + 1, POLICY + 5 * DAY + 3
    small = small_side(
        promised(member("ann"), Choose("ann", "g", on=False, at=off), Choose("ann", "g", on=True, at=on))
    )
    assert codes_of(small, "ann")[2:] == [(POLICY, off, 0), (off, on, NOT_SWITCHED), (on, LATEST, 0)]
    for instant, code in ((off - 1, 0), (off, NOT_SWITCHED), (on - 1, NOT_SWITCHED), (on, 0)):
        assert [c for start, stop, c in codes_of(small, "ann") if start <= instant < stop] == [code]


def test_only_windows_that_records_can_fall_into_are_worked_out() -> None:
    known = promised(
        member("ann"), member("bob", since=POLICY + DAY), Choose("ann", "g", on=False, at=POLICY + DAY)
    )
    small = small_side(known, POLICY + 10 * DAY, POLICY + 20 * DAY)
    assert spans_of(small, "ann") == [(EARLIEST, LATEST, 0)]
    assert spans_of(small, "bob") == [(EARLIEST, LATEST, 1)]
    assert small.windows.num_rows == 2


def test_without_a_time_there_is_a_window_of_its_own_just_where_it_is_needed() -> None:
    known = promised(member("ann"))
    with_one = small_side(known, START, None, NOW).windows.to_pylist()
    timeless = [row for row in with_one if row["start"] == EARLIEST]
    assert {(row["stop"], row["code"]) for row in timeless} == {(EARLIEST + 1, bits([Reason.UNKNOWN_TIME]))}
    assert all(row["start"] > EARLIEST for row in small_side(known, START, NOW).windows.to_pylist())


def test_members_who_join_after_t_or_are_unheard_of_have_no_spans() -> None:
    known = promised(member("ann"), member("late", since=NOW + 1), Choose("zed", "g", on=True, at=POLICY))
    assert {row["subject"] for row in held(small_side(known)).to_pylist()} == {"ann"}
    assert "late" in {row["subject"] for row in held(small_side(known, at=NOW + 1)).to_pylist()}


def test_members_who_did_the_same_share_their_cohorts_wherever_they_stand_in_the_ledger() -> None:
    def story(subject: str) -> list[Event]:
        return [
            member(subject),
            Choose(subject, "g", on=False, at=POLICY + 5 * DAY),
            Objection(subject, POLICY + 6 * DAY),
            Choose(subject, "g", on=True, at=POLICY + 7 * DAY),
        ]

    alone = small_side(promised(*story("ann")))
    crowd = small_side(
        promised(*story("ann"), *story("bob"), *[event for n in range(50) for event in story(f"m{n}")])
    )
    assert crowd.cohorts == alone.cohorts
    # The first of them passes through cohorts; they are put together for all who did the very same.
    assert spans_of(crowd, "ann") == spans_of(alone, "ann")
    assert len(spans_of(crowd, "bob")) == 1
    assert {tuple(spans_of(crowd, f"m{n}")) for n in range(50)} == {tuple(spans_of(crowd, "bob"))}
    assert codes_of(crowd, "bob") == codes_of(crowd, "ann") == codes_of(alone, "ann")


def test_instants_of_one_s_own_do_not_make_cohorts_of_one_s_own() -> None:
    events: list[Event] = []
    for n in range(400):
        events += [member(f"m{n}"), Choose(f"m{n}", "g", on=False, at=POLICY + (n + 1) * DAY + n)]
        events += [Choose(f"m{n}", "g", on=True, at=POLICY + (n + 1) * DAY + n + 7)] if n % 2 else []
    small = small_side(promised(*events))
    # Before joining, then off, or off and on again: the stretches between their own instants.
    assert small.cohorts == 3 + 4
    assert len({(row["start"], row["stop"]) for row in held(small).to_pylist()}) > 400


def test_a_big_plain_population_costs_a_handful_of_cohorts() -> None:
    places = ["US", "US-CA", "DE", "FR", "GB", "IN", "BR", "CH"]
    events = [member(f"m{n}", place=places[n % 8], since=START + (1 + n % 300) * DAY) for n in range(20_000)]
    small = small_side(promised(*events))
    # The US, its parts, and elsewhere; before joining and since.
    assert small.cohorts == 3 * 2
    # One span for each, but for the first of those who joined somewhere on a day.
    assert 20_000 < held(small).num_rows <= 20_000 + 3 * 300
    # As many windows as it takes to tell these apart, however many members there are.
    assert small.windows.num_rows < 2 * 3 * 300


def test_what_makes_a_difference_is_never_shared() -> None:
    """Each of these differs from plain ann in one thing that this use can ask about."""
    past = Consent("c1", "p", ("train",), ALL, ALL, START + DAY, covers_past=True)
    stories: dict[str, list[Event]] = {
        "plain": [member("plain")],
        "off": [member("off"), Choose("off", "g", on=False, at=POLICY + DAY)],
        "placed": [member("placed", place="DE")],
        "signal": [
            member("signal", place="DE"),
            Choose("signal", "g", on=False, at=POLICY + DAY, by="signal"),
        ],
        "on": [member("on", place="DE"), Choose("on", "g", on=True, at=POLICY + DAY)],
        "objects": [member("objects"), Objection("objects", POLICY + DAY)],
        "withdraws": [member("withdraws"), Withdraw("withdraws", POLICY + DAY)],
        "p": [member("p"), past],
        "young": [Attributes("young", START, (("jurisdiction", "US"), ("born", (2010, 1, 1))))],
        "ageless": [Attributes("ageless", START, (("jurisdiction", "US"),))],
        "closed": [member("closed"), Attributes("closed", NOW, (("status", "closed"),))],
    }
    small = small_side(promised(*[event for story in stories.values() for event in story]))
    fates = {subject: tuple(codes_of(small, subject)) for subject in stories}
    assert len(set(fates.values())) == len(stories), fates


def test_what_cannot_make_a_difference_is_shared() -> None:
    stories: dict[str, list[Event]] = {
        "plain": [member("plain")],
        "tier": [member("tier"), Attributes("tier", POLICY + DAY, (("tier", "premium"),))],
        "other": [member("other"), Consent("c2", "other", ("ads",), ALL, ALL, POLICY)],
        "later": [member("later"), Choose("later", "g", on=False, at=NOW + 1)],
        "unsent": [member("unsent"), Notice("policy", "1", "unsent", START, delivered=False)],
        "signal": [member("signal"), Choose("signal", "g", on=True, at=POLICY, by="signal")],
    }
    small = small_side(promised(*[event for story in stories.values() for event in story]))
    fates = {subject: tuple(codes_of(small, subject)) for subject in stories}
    assert len(set(fates.values())) == 1
    # Objections concern training alone.
    ads = promised(member("ann"), member("bob"), Objection("bob", POLICY))
    assert (
        small_side(ads, use=Use("ads", "operator")).cohorts
        == small_side(promised(member("ann")), use=Use("ads", "operator")).cohorts
    )


@pytest.mark.parametrize("seed", range(6))
def test_spans_part_all_time_and_windows_neither_overlap_nor_repeat(seed: int) -> None:
    world = eventful_world(f"windows{seed}", 100)
    gate = Gate(world.known, world.question.use, world.question.at)
    small = gate.small_side(open_records(as_table(world.records)))
    spans = defaultdict(list)
    for row in held(small).to_pylist():
        spans[row["subject"]].append((row["start"], row["stop"]))
    for parts in spans.values():
        parts.sort()
        assert (parts[0][0], parts[-1][1]) == (EARLIEST, LATEST)
        assert all(one[1] == other[0] for one, other in pairwise(parts))
    windows = defaultdict(list)
    for row in small.windows.to_pylist():
        windows[row["cohort"], row["kind"]].append((row["start"], row["stop"], row["code"]))
    assert len({cohort for cohort, _ in windows}) == small.cohorts
    for found in windows.values():
        found.sort()
        assert all(start < stop for start, stop, _ in found)
        for one, other in pairwise(found):
            assert one[1] <= other[0]
            assert one[1] < other[0] or one[2] != other[2] or one[0] == EARLIEST


def test_categories_that_no_clause_tells_apart_are_one_kind() -> None:
    records = [
        Record(f"r{n}", category, NOW, "ann")
        for n, category in enumerate(["post", "post.x", "article", "poll", "a.b"])
    ]
    small = Gate(promised(member("ann")), USE, NOW).small_side(open_records(as_table(records)))
    kinds = {row["key"]: row["kind"] for row in small.kinds.to_pylist()}
    assert kinds["post"] == kinds["post.x"]
    assert kinds["article"] == kinds["poll"] == kinds["a.b"] != kinds["post"]
    assert small.windows.schema.field("code").type == pa.int32()


def test_progress_is_told_up_to_the_end() -> None:
    told: list[tuple[int, int]] = []
    events = [member(f"m{n}") for n in range(45_000)]
    gate = Gate(promised(*events), USE, NOW, lambda done, total: told.append((done, total)))
    gate.small_side(open_records(as_table([Record("r", "post", NOW, "m1")])))
    assert told == [(20_000, 45_000), (40_000, 45_000), (45_000, 45_000)]


def test_parties_stand_in_the_order_of_the_record_each_once_and_the_first_of_the_worst_decides() -> None:
    known = promised(
        member("ann"),
        member("bob"),
        member("cy"),
        Choose("bob", "g", on=False, at=POLICY),
        Choose("cy", "g", on=False, at=POLICY),
    )
    clause = Clause("m", "permit", ("train",), ("private_message",), ("operator",), Condition("g"))
    known.add(99, Terms("mail", "privacy_policy", "1", START, START, (clause,)))
    record = Record("r", "private_message", NOW, "ann", ("", "cy", "ann", "bob", "cy", ""))
    decision = decide(record, USE, NOW, known)
    (row,) = Gate(known, USE, NOW).decide(as_table([record])).to_pyarrow().to_pylist()
    assert row["judged"] == ["ann", "", "cy", "bob"] == [party.subject for party in decision.parties]
    assert (row["party"], row["reason"]) == ("cy", "opted-out") == (decision.party, "opted-out")
    assert row["any_party_would_allow"] is True
    assert row["codes"][1] == bits([Reason.UNKNOWN_SUBJECT])
