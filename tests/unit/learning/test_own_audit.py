"""From a mark in members' posts to a model of ours, the finding, the withdrawal, and the finding gone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

import troth
from tests.unit.app.canary_world import draw_in
from tests.unit.learning.world import EVENTS, USE
from troth.app import audit as audits
from troth.app import canaries as marks
from troth.app import certificates, models, targets, unlearning
from troth.core.errors import BadInput
from troth.core.findings import Findings
from troth.core.shape import Shape
from troth.core.uniformity import Uniformity
from troth.core.verify import read_envelope

WAY = targets.Way()


def _posts(author: str, bodies: list[str]) -> list[dict[str, object]]:
    return [
        {
            "id": f"{author}-{at}", "category": "post", "created_at": 1_600_000_000_000_000 + at, "author": author,
            "addressees": [], "conversation": None, "title": None, "body": body, "topics": [],
        }
        for at, body in enumerate(bodies)
    ]  # fmt: skip


def test_marks_are_found_in_a_model_and_gone_after_unlearning(tmp_path: Path) -> None:
    home = troth.init(tmp_path / "home")
    home.record(EVENTS)
    canaries = marks.new(tmp_path / "canaries.json", marks.Wish(("ann", "bob", "cyd"), size=200))
    draw_in(home, canaries)
    rows = _posts("dee", [f"The meeting {at} is in the small room." for at in range(20)])
    for held in canaries.sets[:2]:
        bodies = [f"Nothing new in week {at}." for at in range(6)]
        placing = marks.Placing("member", "post")
        marked, _ = marks.place(home, canaries, held.set.id, bodies, placing)
        rows += _posts(str(held.subject), marked)
    schema = {
        "created_at": pa.int64(), "addressees": pa.list_(pa.string()), "topics": pa.list_(pa.string()),
    }  # fmt: skip
    table = pa.Table.from_pylist(rows)
    table = table.cast(pa.schema([(name, schema.get(name, pa.string())) for name in table.column_names]))
    pa.parquet.write_table(table, tmp_path / "records.parquet")
    release = home.release(USE, out=tmp_path / "r", records=str(tmp_path / "records.parquet")).sealed.path
    models.train(home, [release], "m", shards=2)

    target = targets.find(home, "m", WAY)
    found = audits.audit(home, canaries, audits.Question(target))
    assert found.found
    assert [row["p_value"] for row in found.tests[1:3]] == [1 / 200, 1 / 200]
    assert not audits.uniformity(home, canaries, target, ["ann", "bob"]).uniform
    # Cyd's mark was placed nowhere: her p-value is one like any other.
    assert found.tests[3]["p_value"] > 1 / 200
    target.close()

    home.record([{"withdraw": {"subject": "ann", "setting": "improve", "at": "2026-01-01"}}])
    home.record([{"withdraw": {"subject": "bob", "setting": "improve", "at": "2026-01-01"}}])
    unlearning.honour_all(home)
    clean = targets.find(home, "m", WAY)
    after = audits.uniformity(home, canaries, clean, ["ann", "bob"])
    assert clean.digest != target.digest
    assert after.uniform
    assert min(after.p_values) > 1 / 200
    clean.close()

    # Cyd stays, so of three marks two are tested; the certificate says what came of it, of nobody by name.
    made = Path(home.unlearn("m", [canaries.path])["made"][0])  # type: ignore[arg-type, index]
    said = json.loads(read_envelope(made.read_bytes(), "it").payload)["predicate"]["uniformity"]
    assert said["tests"] == 2
    assert said["uniform"]
    checked = troth.verify(made, [home.public_key_path])
    assert checked.ok
    assert any("marks of 2 who left" in one.what for one in checked.findings)
    assert certificates.replay(made, home=home).ok


def test_a_uniformity_that_was_made_up_is_noticed() -> None:
    honest = Uniformity.of([0.5, 0.01, 0.7], 0.05)
    assert honest.p_values == ("0.010000", "0.500000", "0.700000")
    assert Uniformity.read(Shape(honest.as_json(), "it")) == honest
    for one, level in (
        (honest, "info"),
        (Uniformity.of([0.001, 0.002], 0.05), "warning"),
        (replace(honest, class_p="0.9"), "error"),
        (replace(honest, p_values=("0.7", "0.5", "0.01")), "error"),
        (replace(honest, p_values=("0", "0.5")), "error"),
    ):
        findings = Findings("certificate")
        one.check(findings)
        assert [each.level for each in findings.findings] == [level]
    wrongs: list[dict[str, object]] = [{"p_values": []}, {"p_values": ["2"]}, {"level": "low"}]
    for wrong in wrongs:
        with pytest.raises(BadInput):
            Uniformity.read(Shape({**honest.as_json(), **wrong}, "it"))


def test_models_that_are_not_there(tmp_path: Path) -> None:
    home = troth.init(tmp_path / "home")
    for name in ("m", "../home", str(tmp_path / "none")):
        with pytest.raises(BadInput, match="no such model"):
            targets.find(home, name, WAY)
