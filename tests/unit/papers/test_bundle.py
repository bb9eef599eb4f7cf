"""A bundle holds as it was made; every altered, added or missing part is named."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from tests.unit.papers.conftest import World
from troth.app import exposure
from troth.core.errors import BadInput
from troth.core.findings import Findings
from troth.intake.yaml_files import read_yaml
from troth.release.sign import load_signer, new_key, seal_statement


@pytest.fixture(scope="module")
def bundle(world: World) -> Path:
    out = world.folder / "bundle"
    counted = exposure.expose(world.home, world.claim, disclosed=(world.past,))
    exposure.bundle(world.home, counted, out, ("json", "html"))
    return out


@pytest.fixture
def copy(bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bundle, tmp_path / "copy"))


def check(world: World, path: Path) -> Findings:
    return exposure.verify(path, [world.home.public_key_path], path / "log.vkey")


def errors(findings: Findings) -> str:
    return "; ".join(f"{one.where}: {one.what}" for one in findings.findings if one.level == "error")


def sign_anew(world: World, path: Path) -> None:
    """What a dishonest operator can do: make the digests fit and sign again."""
    envelope = json.loads((path / exposure.BUNDLE).read_bytes())
    statement = json.loads(base64.b64decode(envelope["payload"]))
    for one in statement["subject"]:
        one["digest"]["sha256"] = hashlib.sha256((path / one["name"]).read_bytes()).hexdigest()
    (path / exposure.BUNDLE).write_bytes(
        seal_statement(json.dumps(statement).encode(), load_signer(world.home.key_path))
    )


def test_it_holds(world: World, bundle: Path) -> None:
    found = check(world, bundle)
    assert found.ok, errors(found)
    said = " ".join(one.what for one in found.findings)
    assert "none of their types is left out" in said
    assert "as the paper says" in said


@pytest.mark.parametrize(
    "name", ["exposure.json", "exposure.html", "claim.yaml", "entries.jsonl", "opened.jsonl", "log.vkey"]
)
def test_each_file_is_bound(world: World, copy: Path, name: str) -> None:
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(data)
    assert name in errors(check(world, copy))
    (copy / name).unlink()
    assert name in errors(check(world, copy))


def test_another_s_signature(copy: Path, tmp_path: Path) -> None:
    new_key(tmp_path / "k", tmp_path / "k.pub")
    assert "no trusted key" in errors(exposure.verify(copy, [tmp_path / "k.pub"]))
    assert exposure.verify(copy, []).ok


def lines(path: Path, change: Callable[[list[str]], list[str]]) -> None:
    path.write_text("".join(change(path.read_text().splitlines(keepends=True))))


def test_a_release_kept_back_by_the_operator_itself(world: World, copy: Path) -> None:
    lines(copy / "opened.jsonl", lambda found: [one for one in found if json.loads(one)["type"] != "release"])
    sign_anew(world, copy)
    assert "was not opened" in errors(check(world, copy))


def test_a_log_that_was_shortened(world: World, copy: Path) -> None:
    lines(copy / "entries.jsonl", lambda found: found[:-1])
    sign_anew(world, copy)
    assert "not the entries" in errors(check(world, copy))


def test_a_body_that_was_swapped(world: World, copy: Path) -> None:
    def swap(found: list[str]) -> list[str]:
        first, second = json.loads(found[0]), json.loads(found[1])
        return [json.dumps({**first, "body": second["body"]}) + "\n", *found[1:]]

    lines(copy / "opened.jsonl", swap)
    sign_anew(world, copy)
    assert "something else" in errors(check(world, copy))


def test_a_zero_that_is_none(world: World, copy: Path) -> None:
    claim = (copy / "claim.yaml").read_text()
    (copy / "claim.yaml").write_text(claim.replace("[third_party]", "[operator]"))
    sign_anew(world, copy)
    assert "the log holds" in errors(check(world, copy))


def test_what_is_no_bundle_is_said(world: World, copy: Path) -> None:
    (copy / "stray").write_text("x")
    assert any("not part" in one.what for one in check(world, copy).findings)
    (copy / exposure.BUNDLE).write_text("{}")
    assert not check(world, copy).ok
    with pytest.raises(BadInput, match="there already"):
        exposure.bundle(world.home, exposure.expose(world.home, world.claim), copy)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("tier: premium", "teir: premium", "teir|tier"),
        ("filed_at: 2025-01-21", "filed_at: soon", "claim.yaml:4"),
        ("measure: per_person", "measure: per_head", "claim.yaml:19: money.0.measure"),
        ("source: the statute's minimum for a person", "{}", "source|expected"),
        ("before: 2024-09-18", "before: 2024-09-18\n  from: 2025-01-01", "ends before it begins"),
        ("categories: [private_message.inmail]", "categories: [Not A Category]", "claim.yaml"),
    ],
)
def test_a_claim_that_cannot_be_read(world: World, tmp_path: Path, old: str, new: str, said: str) -> None:
    text = world.claim.read_text()
    assert old in text
    path = tmp_path / "claim.yaml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(BadInput) as caught:
        exposure.read_claim_file(path)
    assert re.search(said, str(caught.value)), str(caught.value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("past.txt", "x"),
        ("past.csv", "record,recipient\na,b\n"),
        ("past.jsonl", '{"record": 1'),
        ("past.parquet", "no"),
    ],
)
def test_disclosures_that_cannot_be_read(world: World, tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(BadInput):
        exposure.expose(world.home, world.claim, disclosed=(path,))


def test_the_schema_knows_the_shipped_claim(world: World) -> None:
    schema = json.loads(files("troth.schemas").joinpath("claim.schema.json").read_text())
    claim = read_yaml(world.claim)[0].value
    jsonschema.validate(claim, schema)
    assert isinstance(claim, dict)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**claim, "more": 1}, schema)
