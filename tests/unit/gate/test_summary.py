"""The numbers of a run equal what one gets by asking the reference record by record."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.properties.worlds import as_table, eventful_world
from troth.core.decide import combination
from troth.core.reasons import Reason, bits
from troth.gate.gate import Gate, summarise


@pytest.mark.parametrize("seed", range(6))
def test_every_number_equals_brute_force(seed: int) -> None:
    world = eventful_world(f"summary{seed}", 300)
    verdicts: Counter[str] = Counter()
    first: Counter[str] = Counter()
    every: Counter[str] = Counter()
    would = 0
    for record, decision in zip(world.records, world.decisions(), strict=True):
        verdicts[decision.verdict] += 1
        if decision.reason is not None:
            first[decision.reason.text] += 1
        alone = {decision.reason} if not decision.parties and decision.reason is not None else set()
        for reason in alone | {one for party in decision.parties for one in party.reasons}:
            every[reason.text] += 1
        asked_all = combination(record.categories, world.known) == "all_parties"
        would += (
            asked_all and decision.verdict != "allowed" and any(not party.code for party in decision.parties)
        )
    summary = Gate(world.known, world.question.use, world.question.at).summary(as_table(world.records))
    assert summary.records == 300
    assert summary.verdicts == {one: verdicts[one] for one in ("allowed", "denied", "gap")}
    assert summary.first_reasons == first
    assert summary.all_reasons == every
    assert summary.any_party_rule_would_allow == would
    in_order = [reason.text for reason in Reason]
    for counts in (summary.first_reasons, summary.all_reasons):
        assert list(counts) == [one for one in in_order if one in counts]


def test_nothing_decided_is_nothing_counted() -> None:
    world = eventful_world("empty", 10)
    summary = Gate(world.known, world.question.use, world.question.at).summary(as_table([]))
    assert summary.as_json() == {
        "records": 0,
        "verdicts": {"allowed": 0, "denied": 0, "gap": 0},
        "first_reasons": {},
        "all_reasons": {},
        "any_party_rule_would_allow": 0,
    }


def test_the_table_of_codes_spells_every_code_that_can_come_out() -> None:
    world = eventful_world("codes", 200)
    gate = Gate(world.known, world.question.use, world.question.at)
    decided = gate.decide(as_table(world.records))
    spelled = {
        (row["verdict"], row["reason"], tuple(row["codes"]), row["party"])
        for row in decided.to_pyarrow().to_pylist()
    }
    assert all(verdict in ("allowed", "denied", "gap") for verdict, *_ in spelled)
    assert all((reason is None) == (verdict == "allowed") for verdict, reason, *_ in spelled)
    assert all(
        (party is not None) == (bool(codes) and verdict != "allowed") for verdict, _, codes, party in spelled
    )
    assert summarise(decided).records == 200
    assert bits([Reason.NOT_YET]) == 1
