"""The JSON Schemas that editors use: they take what the product takes, and refuse what they can express."""

from __future__ import annotations

import importlib.resources
import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tests.support import ROOT
from tests.unit.cli.bad_terms import BAD
from tests.unit.cli.world import CASE, EVENTS, NEXT, TERMS
from troth.intake.yaml_files import parse_yaml, read_yaml


def validator(name: str) -> Draft202012Validator:
    schema = json.loads(importlib.resources.files("troth.schemas").joinpath(name).read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


CASES = validator("case.schema.json")
EVENTS_SCHEMA = validator("events.schema.json")


def wrong(check: Draft202012Validator, text: str) -> bool:
    return any(not check.is_valid(shape.value) for shape in parse_yaml(text.encode(), "x"))


@pytest.mark.parametrize(
    "path", sorted((ROOT / "tests" / "cases").glob("*.yaml")), ids=lambda path: path.name
)
def test_every_case_of_the_project_is_valid(path: Path) -> None:
    documents = read_yaml(path)
    assert documents
    for shape in documents:
        CASES.validate(shape.value)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "src" / "troth_network" / "terms").glob("*.yaml")), ids=lambda path: path.name
)
def test_all_terms_of_the_reference_network_are_valid(path: Path) -> None:
    documents = read_yaml(path)
    assert documents
    for shape in documents:
        EVENTS_SCHEMA.validate(shape.value)


@pytest.mark.parametrize("text", [TERMS, NEXT, EVENTS])
def test_the_terms_of_these_tests_are_valid(text: str) -> None:
    assert not wrong(EVENTS_SCHEMA, text)
    assert not wrong(CASES, CASE.replace("VERDICT", "gap"))


@pytest.mark.parametrize("name", [name for name, bad in BAD.items() if bad.schema])
def test_what_the_reader_refuses_the_schema_refuses(name: str) -> None:
    assert wrong(EVENTS_SCHEMA, BAD[name].text)


@pytest.mark.parametrize("name", [name for name, bad in BAD.items() if bad.schema])
def test_a_case_with_the_same_events_is_refused_too(name: str) -> None:
    for shape in parse_yaml(BAD[name].text.encode(), "x"):
        events = shape.value if isinstance(shape.value, list) else [shape.value]
        if any(not EVENTS_SCHEMA.is_valid(event) for event in events):
            assert not CASES.is_valid({"case": "x", "events": events})
