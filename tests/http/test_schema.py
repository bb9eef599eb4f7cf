"""Requests made from the API's own description: none may break it, and every answer must be as described."""

from __future__ import annotations

import importlib.util
import json

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.http.site import Site

if importlib.util.find_spec("schemathesis") is None:
    pytest.skip("missing: the browser extra (schemathesis)", allow_module_level=True)

import schemathesis


def test_nothing_made_from_the_description_breaks_the_api(site: Site) -> None:
    site.sign_in(None)
    header = site.token()
    described = json.loads(site.client.get("/api/v1/openapi.json").text)
    schema = schemathesis.openapi.from_dict(described)
    tried = 0
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.path.endswith("/summary"):
            continue  # it decides all records; asked about in a test of its own

        def one(case: schemathesis.Case) -> None:
            nonlocal tried
            values = case.as_transport_kwargs(base_url="http://testserver")
            values["headers"] = {**dict(values.get("headers") or {}), **header}
            for name in ("timeout", "cookies"):
                values.pop(name, None)
            answer = site.client.request(**values)
            tried += 1
            assert answer.status_code < 500, (case.method, case.path, answer.text)
            assert str(answer.status_code) in operation.definition.raw["responses"] or answer.status_code in (
                405,
            )
            if answer.status_code >= 400:
                assert set(answer.json()["error"]) == {"kind", "message", "remedy", "place", "request_id"}

        strategy = operation.as_strategy()
        _try(one, strategy)
    assert tried > 50


def _try(one: object, strategy: object) -> None:
    from hypothesis import given

    quick = settings(
        max_examples=4,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    quick(given(case=strategy)(lambda case: one(case)))()  # type: ignore[operator]
