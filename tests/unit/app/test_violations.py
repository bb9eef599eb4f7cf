"""A violation in a real home: shown by a member, checked with the manifest, the log's key and the operator's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.app.handed import AFFILIATE, Hands, T
from troth.app import releases, violations
from troth.app.decisions import open_gate
from troth.app.home import Home
from troth.core.errors import Refused
from troth.core.events import Choose
from troth.core.values import Use

USE = Use("train.generative", AFFILIATE)


def cheat(home: Home, out: Path) -> None:
    """Seal a release that says that it honours everything, of a gate that stopped three entries earlier."""
    head = home.position
    home.append([Choose("ann", "training", on=False, at=20), Choose("bob", "training", on=False, at=2 * T)])
    gate = open_gate(home, USE, T, head)
    gate.question = replace(gate.question, position=home.position)
    releases.build_from(home, gate, out, name="cheat")


def test_a_choice_that_was_passed_over_is_proved(hands: Hands, tmp_path: Path) -> None:
    home = hands.home
    cheat(home, tmp_path / "cheat")
    shown = violations.show(home, str(tmp_path / "cheat"), "ann")
    assert shown.violation.kind == "newer"
    path = tmp_path / "violation.json"
    path.write_bytes(shown.data)
    policy = home.policy_path
    found = violations.verify(path, tmp_path / "cheat", policy, [hands.operator])
    assert found.ok
    assert any("was passed over" in one.what for one in found.findings)
    assert not violations.verify(path, tmp_path / "a", policy, [hands.operator]).ok
    with pytest.raises(Refused, match="keeps its word"):
        violations.show(home, str(tmp_path / "cheat"), "bob")
    with pytest.raises(Refused, match="keeps its word"):
        violations.show(home, str(tmp_path / "a"), "ann")


def test_a_row_that_its_own_history_denies_is_proved(hands: Hands, tmp_path: Path) -> None:
    home = hands.home
    home.append([Choose("ann", "training", on=False, at=20)])
    head = home.position
    gate = open_gate(home, USE, T, head - 1)
    gate.people = open_gate(home, USE, T, head).people
    gate.question = replace(gate.question, position=head)
    releases.build_from(home, gate, tmp_path / "wrong", name="wrong")
    shown = violations.show(home, str(tmp_path / "wrong"), "ann")
    assert shown.violation.kind == "denied"
    path = tmp_path / "violation.json"
    path.write_bytes(shown.data)
    found = violations.verify(path, tmp_path / "wrong", home.policy_path, [hands.operator])
    assert found.ok
    assert any("opted-out" in one.what for one in found.findings)
