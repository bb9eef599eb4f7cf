"""A model's artefacts under a hold: out of serving, sealed, in the certificate, destroyed when the hold closes."""

from __future__ import annotations

from pathlib import Path

from tests.unit.app.handed import Hands, T
from troth.app import certificates, holds, models, releases, unlearning
from troth.core.values import Use


def test_what_a_model_forgets_is_sealed_until_the_hold_closes(hands: Hands, tmp_path: Path) -> None:
    home = hands.home
    releases.build(home, Use("train.generative", "operator"), tmp_path / "own", at=T, name="own")
    models.train(home, [tmp_path / "own"], "small")
    escrow = holds.new_escrow(tmp_path / "escrow.key")
    holds.open_matter(home, "case", escrow, releases=["own"])
    unlearning.withdraw(home, "ann", at=2 * T)
    made = unlearning.unlearn(home, "small")
    folder = home.path / "models" / "small"
    assert not list((folder / "held").rglob("*.*"))
    sealed = [about for _, about in holds.sealed_things(home)]
    assert sealed
    assert {one["kind"] for one in sealed} == {"model"}
    names = made["made"]
    assert isinstance(names, list)
    found = certificates.verify(Path(str(names[-1])), [home.public_key_path])
    assert found.ok
    assert any("legal hold keeps" in one.what for one in found.findings)
    assert holds.close_matter(home, "case")[1] == len(sealed)
    assert not list(holds.sealed_things(home))
