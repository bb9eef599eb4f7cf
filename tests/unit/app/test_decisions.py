"""Questions to a home's gate: the answers are those of the reference, whichever way one asks."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.properties.worlds import World, as_table
from tests.unit.app.conftest import Making
from troth.app import decisions
from troth.app.home import Home
from troth.core.decide import Decision, decide
from troth.core.errors import BadInput
from troth.core.events import Attributes, Event
from troth.core.standing import Known
from troth.core.terms import Clause, Terms
from troth.core.values import LAST_INSTANT, Record, Use, format_instant

USE = Use("improve", "operator")
ALL = ("any",)


def reference(world: World) -> dict[str, Decision]:
    """Over the whole ledger, as a home is asked that is not told of a position."""
    known = world.case.known()
    return {one.id: decide(one, world.question.use, world.question.at, known) for one in world.records}


def test_a_home_decides_as_the_reference_does_at_its_head_and_at_any_position(
    home: Home, world: World
) -> None:
    position = len(world.case.events) // 2
    for as_of, known in ((None, world.case.known()), (position + 1, world.case.known(position))):
        gate = decisions.open_gate(home, world.question.use, world.question.at, as_of)
        rows = gate.decide().to_pyarrow().to_pylist()
        assert gate.question.position == (len(world.case.events) + 1 if as_of is None else as_of)
        wanted = {r.id: decide(r, world.question.use, world.question.at, known) for r in world.records}
        assert {row["id"]: (row["verdict"], row["codes"], row["party"]) for row in rows} == {
            name: (one.verdict, [party.code for party in one.parties], one.party)
            for name, one in wanted.items()
        }


def test_records_may_be_named_by_folder_pattern_file_or_table(home: Home, world: World) -> None:
    gate = decisions.open_gate(home, world.question.use, format_instant(world.question.at))
    everything = gate.summary().as_json()
    folder = home.records_path
    for source in (folder, str(folder), str(folder / "*.parquet"), as_table(world.records)):
        assert gate.summary(source).as_json() == everything
    assert gate.summary(folder / "a.parquet").records == 100


def test_a_summary_is_the_json_of_the_interface(home: Home, world: World) -> None:
    gate = decisions.open_gate(home, world.question.use, world.question.at)
    answer = decisions.timed_summary(gate)
    assert list(answer) == [
        "records",
        "verdicts",
        "first_reasons",
        "all_reasons",
        "any_party_rule_would_allow",
        "seconds",
    ]
    assert answer["records"] == 200
    assert list(answer["verdicts"]) == ["allowed", "denied", "gap"]
    assert sum(answer["verdicts"].values()) == 200
    assert answer["seconds"] >= 0


def test_an_explanation_says_what_the_gate_says_of_every_record(home: Home, world: World) -> None:
    wanted = reference(world)
    for record in random.Random(1).sample(world.records, 25):
        found = decisions.explain(home, record.id, world.question.use, world.question.at)
        decision = wanted[record.id]
        assert found.record == record
        assert found.decision == decision
        plain = found.as_json()
        assert list(plain) == ["record", "verdict", "reason", "party", "parties"]
        assert plain["reason"] == (None if decision.reason is None else decision.reason.text)
        parties = plain["parties"]
        assert isinstance(parties, list)
        assert [one["subject"] for one in parties] == [one.subject for one in decision.parties]  # type: ignore[index, call-overload]


def test_an_explanation_quotes_the_clauses_that_it_rests_on(make_home: Making) -> None:
    promise = Clause("no", "forbid", ("improve",), ("post",), ALL, quote="We never do.")
    permit = Clause("yes", "permit", ("improve",), ("post",), ALL, quote="We may.")
    silent = Clause("ads", "permit", ("ads",), ("post",), ALL, quote="We advertise.")
    events: list[Event] = [
        Terms("policy", "privacy_policy", "1", 0, 0, (permit, silent)),
        Attributes("ann", 1, (("jurisdiction", "US"), ("born", (1940, 1, 1)))),
        Terms("answers", "faq", "1", 5, 5, (promise,)),
    ]
    home = make_home(events, [Record("p", "post", 3, "ann"), Record("q", "post", 3, "zed")])
    plain = decisions.explain(home, "p", USE, 9).as_json()
    assert (plain["verdict"], plain["reason"], plain["party"]) == ("denied", "promised-not-to", "ann")
    assert plain["parties"] == [
        {
            "subject": "ann",
            "role": "author",
            "verdict": "denied",
            "reasons": ["promised-not-to"],
            "clauses": [
                {
                    "terms": "answers",
                    "version": "1",
                    "clause": "no",
                    "effect": "forbid",
                    "quote": "We never do.",
                },
                {"terms": "policy", "version": "1", "clause": "yes", "effect": "permit", "quote": "We may."},
            ],
        }
    ]
    # Before the answers were given, the permit alone is what it rests on.
    (party,) = decisions.explain(home, "p", USE, 4).decision.parties
    assert [one.clause.id for one in party.clauses] == ["yes"]
    assert decisions.explain(home, "q", USE, 9).decision.parties[0].clauses == ()


def test_a_record_that_is_not_there_or_there_twice_is_said_so(home: Home, world: World) -> None:
    with pytest.raises(BadInput, match="no record is called 'nothing'"):
        decisions.explain(home, "nothing", USE)
    twice = pa.concat_tables([as_table(world.records[:3]), as_table(world.records[:1])])
    with pytest.raises(BadInput, match=f"several records are called '{world.records[0].id}'"):
        decisions.explain(home, world.records[0].id, USE, source=twice)


def test_a_question_beyond_the_ledger_or_the_calendar_is_wrong(home: Home, world: World) -> None:
    head = len(world.case.events) + 1
    for position in (-1, head + 1):
        with pytest.raises(BadInput, match=f"it has no position {position}") as caught:
            decisions.open_gate(home, USE, as_of=position)
        assert caught.value.remedy == f"ask for a position from 0 to {head}"
    with pytest.raises(BadInput, match="outside the years 1 to 9999"):
        decisions.open_gate(home, USE, LAST_INSTANT + 1)
    with pytest.raises(BadInput, match="not an instant of the calendar"):
        decisions.open_gate(home, USE, "2025-02-29")


def test_at_position_zero_nothing_is_known(home: Home) -> None:
    verdicts = decisions.open_gate(home, USE, as_of=0).summary().verdicts
    assert verdicts["allowed"] == 0


def test_a_home_without_records_says_how_to_get_some(make_home: Making) -> None:
    home = make_home([Attributes("ann", 0)])
    with pytest.raises(BadInput, match="holds no records yet") as caught:
        decisions.open_gate(home, USE).decide()
    assert caught.value.remedy == "import some with `troth import`, or name a table with --records"


def test_records_whose_columns_are_called_as_answers_are_refused_by_every_way(
    home: Home, tmp_path: Path
) -> None:
    table = as_table([Record("r", "post", 0, "ann")]).append_column("verdict", pa.array(["allowed"]))
    pq.write_table(table, tmp_path / "decided.parquet")
    gate = decisions.open_gate(home, USE)
    for source in (table, tmp_path / "decided.parquet"):
        with pytest.raises(BadInput, match="have a column verdict already"):
            gate.decide(source)


# check: a gate for pipelines


def as_ids(ids: list[str | None]) -> pa.Table:
    return pa.table({"id": pa.array(ids, pa.string())})


def test_checking_a_data_set_equals_looking_each_row_up(home: Home, world: World) -> None:
    wanted = reference(world)
    rng = random.Random(3)
    ids = [rng.choice([*wanted, "unheard-of"]) for _ in range(400)]
    found = decisions.check(
        decisions.open_gate(home, world.question.use, world.question.at), as_ids([*ids]), limit=None
    )
    verdicts = [wanted[one].verdict if one in wanted else "gap" for one in ids]
    assert found.rows == 400
    assert found.verdicts == {one: verdicts.count(one) for one in ("allowed", "denied", "gap")}
    assert found.unknown == ids.count("unheard-of")
    assert not found.ok
    refused = [
        (place, one, verdict, reason_of(wanted.get(one)))
        for place, (one, verdict) in enumerate(zip(ids, verdicts, strict=True), 1)
        if verdict != "allowed"
    ]
    assert found.refused == refused
    some = decisions.check(
        decisions.open_gate(home, world.question.use, world.question.at), as_ids([*ids]), limit=7
    )
    assert some.refused == refused[:7]
    assert some.verdicts == found.verdicts


def reason_of(decision: Decision | None) -> str | None:
    if decision is None:
        return "unknown-record"
    return None if decision.reason is None else decision.reason.text


def test_a_data_set_is_fine_just_where_every_row_is_allowed(home: Home, world: World) -> None:
    gate = decisions.open_gate(home, world.question.use, world.question.at)
    allowed = [name for name, one in reference(world).items() if one.verdict == "allowed"]
    other = next(name for name, one in reference(world).items() if one.verdict != "allowed")
    assert len(allowed) >= 10
    for ids, fine in (
        (allowed + allowed, True),
        ([], True),
        ([*allowed, other], False),
        ([*allowed, "x"], False),
    ):
        assert decisions.check(gate, as_ids([*ids])).ok is fine
    assert decisions.check(gate, as_ids([allowed[0], None])).ok is False


def test_two_records_of_one_id_cannot_vouch_for_each_other(home: Home, world: World) -> None:
    """One allowed and one denied under one id: the row of the data set could be either."""
    known: Known = world.case.known()
    by_verdict = {decide(r, world.question.use, world.question.at, known).verdict: r for r in world.records}
    good, bad = by_verdict["allowed"], by_verdict["denied"]
    twins = [
        Record("twin", one.category, one.created_at, one.author, one.addressees, one.topics, one.deleted_at)
        for one in (good, bad)
    ]
    gate = decisions.open_gate(home, world.question.use, world.question.at)
    with pytest.raises(BadInput, match="two records share an id"):
        decisions.check(gate, as_ids(["twin"]), as_table(twins))
