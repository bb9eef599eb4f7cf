"""At scale: 5,000 honest histories yield no violation, 1,000 planted ones yield one each."""

from __future__ import annotations

import pytest

from tests.properties.test_violations import ten_honest_histories, ten_planted_violations


@pytest.mark.parametrize("block", range(1000, 1500))
def test_no_honest_history_yields_a_violation(block: int) -> None:
    ten_honest_histories(block)


@pytest.mark.parametrize("block", range(1000, 1100))
def test_every_planted_violation_yields_one(block: int) -> None:
    ten_planted_violations(block)
