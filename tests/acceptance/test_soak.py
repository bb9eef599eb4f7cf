"""The soak, shortened: a leak of a few kilobytes a request would show even so."""

from __future__ import annotations

from pathlib import Path

from tests.acceptance.soak import slope, soak


def test_memory_settles_under_a_steady_load(tmp_path: Path) -> None:
    result = soak(tmp_path, minutes=2, pause=0.005)
    assert result["failed"] == 0
    assert sum(result["requests"].values()) > 500
    # In two minutes caches are still filling; what is looked for is growth with every request.
    grown = result["mib_last"] - result["mib_settled"]
    assert grown * 1024 / sum(result["requests"].values()) < 10, result


def test_the_slope_is_that_of_most_samples() -> None:
    flat = [(float(at), 100.0 + (50.0 if at == 7 else 0.0)) for at in range(100)]
    assert abs(slope(flat)) < 1e-9
    rising = [(float(at), 100.0 + at / 3600) for at in range(100)]
    assert abs(slope(rising) - 1.0) < 1e-6
