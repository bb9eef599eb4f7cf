"""One meaning, three computations: the oracle, the reference and the gate agree in all that they say.

The oracle (tests/oracle) was written from decisions.md alone, by somebody who never saw the reference.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.oracle.oracle import evaluate
from tests.properties.coverage import cover
from tests.properties.worlds import (
    SCALE,
    World,
    as_table,
    eventful_world,
    raw_case,
    raw_record,
    read_raw,
    shrink,
    some_long,
)
from troth.core.cases import Case
from troth.core.decide import Decision, combination, decide
from troth.core.reasons import Reason, bits
from troth.core.values import Record, format_instant
from troth.gate.gate import DUCKDB, Gate

ORACLE_CHUNKS = 8 * SCALE
CASES = 150
GATE_CHUNKS = 10 * SCALE
WORLDS = 10
RECORDS = 220


def as_the_oracle_says(decision: Decision) -> dict[str, Any]:
    return {
        "record": decision.record,
        "verdict": decision.verdict,
        "reason": None if decision.reason is None else decision.reason.text,
        "party": decision.party,
        "reasons": {party.subject: [one.text for one in party.reasons] for party in decision.parties},
    }


def reference(case: Case) -> list[dict[str, Any]]:
    return [
        as_the_oracle_says(decide(one.record, one.use, one.at, case.known(one.as_of)))
        for one in case.expectations
    ]


def differs(raw: dict[str, Any]) -> bool:
    return bool(reference(read_raw(raw)) != evaluate(raw))


@pytest.mark.parametrize("chunk", range(ORACLE_CHUNKS))
def test_the_reference_says_what_the_oracle_says(chunk: int) -> None:
    check_reference(chunk)


def check_reference(chunk: int) -> None:
    """Compare oracle and reference over the cases of a chunk."""
    for index in range(CASES):
        raw = raw_case(f"o{chunk}.{index}")
        if differs(raw):
            small = shrink(raw, differs)
            pytest.fail(
                f"case o{chunk}.{index}, shrunk:\n{json.dumps(small, indent=1)}\n"
                f"oracle:    {evaluate(small)}\nreference: {reference(read_raw(small))}"
            )


def worlds_of(chunk: int) -> list[World]:
    return [eventful_world(f"g{chunk}.{index}", RECORDS) for index in range(WORLDS)]


def decided(world: World, engine: str = DUCKDB) -> dict[str, dict[str, Any]]:
    """What the gate says, by record."""
    gate = Gate(world.known, world.question.use, world.question.at, engine=engine)
    table = as_table(world.records)
    rows = gate.decide(table).to_pyarrow().to_pylist()
    assert len(rows) == len(world.records)
    allowed = gate.allowed(table).to_pyarrow()["id"].to_pylist()
    assert sorted(allowed) == sorted(row["id"] for row in rows if row["verdict"] == "allowed")
    return {row["id"]: row for row in rows}


def what_the_gate_should_say(world: World, record: Record, decision: Decision) -> dict[str, Any]:
    codes = [party.code for party in decision.parties]
    alone = bits([decision.reason]) if decision.reason is not None and not codes else 0
    every = alone
    for code in codes:
        every |= code
    mode = combination(record.categories, world.known)
    return {
        "verdict": decision.verdict,
        "reason": None if decision.reason is None else decision.reason.text,
        "party": decision.party,
        "judged": [party.subject for party in decision.parties],
        "codes": codes,
        "all_codes": every,
        "some_allowed": 0 in codes,
        "any_party_would_allow": mode == "all_parties" and decision.verdict != "allowed" and 0 in codes,
    }


@pytest.mark.parametrize("chunk", some_long(GATE_CHUNKS))
def test_the_gate_says_what_the_reference_says_row_by_row(chunk: int) -> None:
    check_gate(chunk)


def check_gate(chunk: int, engine: str = DUCKDB, worlds: int = WORLDS) -> None:
    """Compare reference and gate over the records of a chunk's worlds."""
    for world in worlds_of(chunk)[:worlds]:
        rows = decided(world, engine)
        for record, decision in zip(world.records, world.decisions(), strict=True):
            wanted = what_the_gate_should_say(world, record, decision)
            got = {name: rows[record.id][name] for name in wanted}
            assert got == wanted, f"world {world.seed}, {world.question}, {record}"


@pytest.mark.parametrize("chunk", range(GATE_CHUNKS))
def test_the_reference_says_what_the_oracle_says_of_the_gate_s_records(chunk: int) -> None:
    for world in worlds_of(chunk):
        asked = {"purpose": world.question.use.purpose, "recipient": world.question.use.recipient}
        asked["at"] = format_instant(world.question.at)
        some = world.records[::8]
        raw = {
            "events": world.raw["events"],
            "records": [raw_record(one) for one in some],
            "expect": [{"record": one.id, **asked, "as_of": world.question.as_of} for one in some],
        }
        decisions = [as_the_oracle_says(one) for one in world.decisions()[::8]]
        for record, got, wanted in zip(some, decisions, evaluate(raw), strict=True):
            assert got == wanted, f"world {world.seed}, {world.question}, {record}"


def test_the_cases_reach_everything_that_there_is_to_reach() -> None:
    covered = cover(
        [raw_case(f"o{chunk}.{index}") for chunk in range(ORACLE_CHUNKS) for index in range(CASES)]
    )
    assert covered.expectations >= 6000
    assert covered.missing() == []


def test_the_gate_s_records_reach_every_reason() -> None:
    in_a_set = dict.fromkeys(Reason, 0)
    first = dict.fromkeys(Reason, 0)
    tuples = 0
    for world in [one for chunk in range(GATE_CHUNKS) for one in worlds_of(chunk)]:
        for decision in world.decisions():
            tuples += 1
            codes = [party.reasons for party in decision.parties]
            everything = {one for reasons in codes for one in reasons}
            if decision.reason is not None:
                everything.add(decision.reason)
            for reason in everything:
                in_a_set[reason] += 1
            if decision.reason is not None:
                first[decision.reason] += 1
    assert tuples >= 20_000
    assert [reason.text for reason in Reason if in_a_set[reason] < 100] == []
    assert [reason.text for reason in Reason if not first[reason]] == []
