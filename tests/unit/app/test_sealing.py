"""Who saw a commitment before the value of its draw was known: witnesses do, the operator's clock is its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.app.canary_world import SOURCE, Model, drawn, made, recorded_at
from tests.unit.app.test_logs import witnessed
from troth.app import audit as audits
from troth.app import canaries as marks
from troth.app import logs
from troth.app.home import Home
from troth.core.canary import Beacon
from troth.core.errors import BadInput, Refused
from troth.ledger.store import clock

LATER = 20_000_000


def _receipt(home: Home, canaries: marks.Canaries, folder: Path) -> Path:
    path = folder / "receipt"
    path.write_bytes(logs.receipt(home, marks.history_of(home, canaries.campaign).commit_entry).write())
    return path


def test_a_receipt_shows_who_saw_the_commitment_before_the_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, canaries = made(tmp_path)
    with witnessed(home, tmp_path / "witness"):
        marks.commit(home, canaries, "loss-v1", SOURCE)
        receipt = _receipt(home, canaries, tmp_path)
        monkeypatch.setattr(marks, "clock", lambda: clock() + 2 * LATER)
        beacon = Beacon(SOURCE, clock() + LATER, bytes(range(32)))
        recorded_at(home, clock() + 2 * LATER, lambda: marks.draw(home, canaries, beacon))
        found = audits.audit(home, canaries, audits.Question(Model(), receipt=receipt))
        assert found.asked["sealed"]["witnesses"] == ["w1"]
        assert not any("doubts the clock" in one for one in found.cannot)
        bare = audits.audit(home, canaries, audits.Question(Model()))
        assert any("doubts the clock" in one for one in bare.cannot)
        receipt.write_bytes(logs.receipt(home, 0).write())
        with pytest.raises(BadInput, match="is the receipt of entry 0"):
            audits.audit(home, canaries, audits.Question(Model(), receipt=receipt))
        receipt.write_text("nothing")
        with pytest.raises(BadInput, match="no proof file"):
            audits.audit(home, canaries, audits.Question(Model(), receipt=receipt))


def test_a_commitment_that_was_written_after_the_value_with_an_earlier_time(tmp_path: Path) -> None:
    """The operator waits for the value, chooses candidates, and sets its clock back. No witness signs the past."""
    home, canaries = drawn(tmp_path)
    receipt = _receipt(home, canaries, tmp_path)
    with pytest.raises(BadInput, match="no witness signed it before"):
        audits.audit(home, canaries, audits.Question(Model(), receipt=receipt))
    with witnessed(home, tmp_path / "witness"):
        marks.open_sets(home, canaries)
        receipt = _receipt(home, canaries, tmp_path)
        with pytest.raises(BadInput, match="no witness signed it before"):
            audits.audit(home, canaries, audits.Question(Model(), receipt=receipt))


def test_a_log_that_is_not_trusted_shows_nothing(tmp_path: Path) -> None:
    home, canaries = drawn(tmp_path)
    receipt = _receipt(home, canaries, tmp_path)
    other, _ = made(tmp_path / "other")
    policy = tmp_path / "policy"
    policy.write_text(logs.policy_of(other).write())
    with pytest.raises((BadInput, Refused)):
        audits.audit(home, canaries, audits.Question(Model(), receipt=receipt, policy=policy))
