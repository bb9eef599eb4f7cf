"""From a mark in members' posts to a model of ours, the finding, the withdrawal, and the finding gone."""

from __future__ import annotations

import importlib.resources
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from jsonschema import Draft202012Validator

import troth
from tests.unit.app.canary_world import draw_in
from tests.unit.learning.world import EVENTS, PEOPLE, USE, make_world
from troth.app import audit as audits
from troth.app import canaries as marks
from troth.app import certificates, models, targets, unlearning
from troth.core.errors import BadInput, Refused
from troth.core.findings import Findings
from troth.core.marked import check_marks
from troth.core.significance import fisher
from troth.core.verify import read_envelope

WAY = targets.Way()
SIZE = 200
LEVEL = 5e-4
"""Keys are drawn anew in each run: at this level chance does not make the test fail."""


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
    canaries = marks.new(tmp_path / "canaries.json", marks.Wish(("ann", "bob", "cyd"), size=SIZE))
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
    assert [row["p_value"] for row in found.tests[1:3]] == [1 / SIZE, 1 / SIZE]
    assert not audits.uniformity(home, canaries, target, ["ann", "bob"], LEVEL).uniform
    # Cyd's mark was placed nowhere: her p-value is one like any other, the smallest one once in a while.
    assert found.tests[3]["messages"] == 0
    target.close()

    home.record([{"withdraw": {"subject": "ann", "setting": "improve", "at": "2026-01-01"}}])
    home.record([{"withdraw": {"subject": "bob", "setting": "improve", "at": "2026-01-01"}}])
    unlearning.honour_all(home)
    clean = targets.find(home, "m", WAY)
    after = audits.uniformity(home, canaries, clean, ["ann", "bob"], LEVEL)
    assert clean.digest != target.digest
    assert after.uniform
    clean.close()

    made = unlearning.unlearn(home, "m", canaries=canaries.path)["made"]
    assert isinstance(made, list)
    certificate = Path(str(made[0]))
    said = json.loads(read_envelope(certificate.read_bytes(), "c").payload)["predicate"]["marks"]
    assert {key: said[key] for key in ("campaign", "score", "members", "level")} == {
        "campaign": canaries.campaign, "score": "loss-v1", "members": 2, "level": audits.LEVEL,
    }  # fmt: skip
    assert said["uniform"] == (said["class_p_value"] > audits.LEVEL)
    assert said["class_p_value"] > LEVEL
    findings = certificates.verify(certificate)
    assert findings.ok
    assert "the marks of 2 who left" in " ".join(one.what for one in findings.findings)
    text = importlib.resources.files("troth.schemas").joinpath("certificate.schema.json").read_text("utf-8")
    statement = json.loads(read_envelope(certificate.read_bytes(), "c").payload)
    Draft202012Validator(json.loads(text)).validate(statement)
    assert certificates.replay(certificate, home=home).ok


@pytest.mark.parametrize(
    ("change", "level"),
    [
        ({}, "info"),
        ({"p_values": [0.001, 0.002], "members": 2, "class_p_value": 2.8e-05, "uniform": False}, "warning"),
        ({"class_p_value": 0.9}, "error"),
        ({"p_values": [0.7, 0.5, 0.01]}, "error"),
        ({"p_values": [0, 0.5, 0.7]}, "error"),
        ({"members": 2}, "error"),
        ({"uniform": False}, "error"),
        ({"level": "low"}, "error"),
    ],
)
def test_numbers_that_do_not_go_together_are_noticed(change: dict[str, Any], level: str) -> None:
    values = [0.01, 0.5, 0.7]
    honest: dict[str, Any] = {
        "members": 3, "p_values": [*values], "class_p_value": fisher(values), "level": 0.05, "uniform": True,
    }  # fmt: skip
    findings = Findings("certificate")
    check_marks(honest | change, findings)
    assert findings.findings[0].level == level


def test_marks_of_others_are_no_matter_of_a_certificate(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    canaries = marks.new(tmp_path / "canaries.json", marks.Wish(("somebody",), size=10))
    models.train(world.home, world.releases, "m", shards=2)
    unlearning.withdraw(world.home, PEOPLE[0])
    with pytest.raises(Refused, match="no commitment"):
        unlearning.unlearn(world.home, "m", canaries=canaries.path)
    draw_in(world.home, canaries)
    made = unlearning.unlearn(world.home, "m", canaries=canaries.path)["made"]
    assert isinstance(made, list)
    statement = json.loads(read_envelope(Path(str(made[0])).read_bytes(), "c").payload)
    assert "marks" not in statement["predicate"]


def test_models_that_are_not_there(tmp_path: Path) -> None:
    home = troth.init(tmp_path / "home")
    for name in ("m", "../home", str(tmp_path / "none")):
        with pytest.raises(BadInput, match="no such model"):
            targets.find(home, name, WAY)
