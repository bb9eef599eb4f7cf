"""Cohorts are shared by who is alike, and by nobody else: crowds of near-copies, looked up without an engine."""

from __future__ import annotations

import pytest

from tests.properties.crowds import crowd, judged, looked_up
from tests.properties.worlds import SCALE, some_long
from troth.core.reasons import Reason

CHUNKS = 8 * SCALE
CROWDS = 12
UNKNOWN = 1 << Reason.UNKNOWN_SUBJECT


@pytest.mark.parametrize("chunk", some_long(CHUNKS))
def test_a_member_s_code_in_the_small_side_is_the_reference_s(chunk: int) -> None:
    check_crowds(chunk)


def check_crowds(chunk: int) -> None:
    """Compare reference and small side over the crowds of a chunk."""
    cohorts = spans = tuples = 0
    for number in range(CROWDS):
        drawn = crowd(f"{chunk}.{number}")
        found, made, passed = looked_up(drawn)
        cohorts, spans = cohorts + made, spans + passed
        for asked, wanted in judged(drawn).items():
            got = found[asked]
            # Who has no span is not known at T; the plan fills that in.
            assert (UNKNOWN if got is None else got) == wanted, (
                f"crowd {drawn.seed}, {asked}, T {drawn.at}, {drawn.use}"
            )
            tuples += 1
    assert tuples > 5_000
    # Else nothing was shared, and nothing of sharing was tested. (Near-copies share whole lives, each one span.)
    assert cohorts < spans * 0.9
