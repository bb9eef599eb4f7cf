"""Requests made from the API's own description: none may break it, and every answer must be as described."""

from __future__ import annotations

import importlib.util
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy

from tests.http.site import Site

if importlib.util.find_spec("schemathesis") is None:
    pytest.skip("missing: the browser extra (schemathesis)", allow_module_level=True)

import schemathesis

QUICK = settings(
    max_examples=4,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
KEYS = {"kind", "message", "remedy", "place", "request_id"}


def test_nothing_made_from_the_description_breaks_the_api(site: Site) -> None:
    site.sign_in(None)
    header = site.token()
    schema = schemathesis.openapi.from_dict(json.loads(site.client.get("/api/v1/openapi.json").text))
    tried = 0
    for result in schema.get_all_operations():
        operation: Any = result.ok()  # type: ignore[union-attr]
        if not operation.path.endswith("/summary"):  # that decides all records; a test of its own asks it
            tried += _try(site, header, operation.as_strategy(), set(operation.definition.raw["responses"]))
    assert tried > 30


def _try(site: Site, header: dict[str, str], cases: SearchStrategy[Any], described: set[str]) -> int:
    tried = 0

    def ask(case: Any) -> None:
        nonlocal tried
        values = case.as_transport_kwargs(base_url="http://testserver")
        values["headers"] = {**dict(values.get("headers") or {}), **header}
        for name in ("timeout", "cookies"):
            values.pop(name, None)
        answer = site.client.request(**values)
        tried += 1
        assert answer.status_code < 500, (case.method, case.path, answer.text)
        assert str(answer.status_code) in described
        if answer.status_code >= 400:
            assert set(answer.json()["error"]) == KEYS

    QUICK(given(cases)(ask))()
    return tried
