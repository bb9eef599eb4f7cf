"""The API: what goes in comes out; repeated requests; pages of lists; the one envelope; the access log."""

from __future__ import annotations

import json
import time

from tests.http.site import OTHER, SETTING, Site
from troth.server.application import record_accesses

LINES = {"Content-Type": "application/x-ndjson"}


def choice(value: str = "off", at: str = "2025-03-01T00:00:00Z", subject: str = OTHER) -> dict[str, object]:
    return {"choose": {"subject": subject, "setting": SETTING, "value": value, "at": at}}


def test_a_choice_is_durable_and_a_repeated_request_records_nothing_anew(site: Site) -> None:
    header = {**site.token("choices:write"), "Idempotency-Key": "k-1"}
    first = site.client.post("/api/v1/choices", json=choice(), headers=header)
    assert first.status_code == 201
    with site.home.reading() as ledger:
        assert ledger.receipt(first.json()["position"]).as_json() == first.json()
        size = ledger.size
    again = site.client.post("/api/v1/choices", json=choice(), headers=header)
    assert (again.status_code, again.json()) == (201, first.json())
    other = site.client.post("/api/v1/choices", json=choice("on"), headers=header)
    assert (other.status_code, other.json()["error"]["kind"]) == (400, "bad_input")
    assert "used for something else" in other.json()["error"]["message"]
    assert site.home.position == size
    strange = site.client.post("/api/v1/choices", json=choice(), headers={**header, "Idempotency-Key": "a b"})
    assert strange.status_code == 400


def test_one_program_s_keys_are_not_another_s(site: Site) -> None:
    one, other = (site.token("choices:write") | {"Idempotency-Key": "same"} for _ in range(2))
    first = site.client.post("/api/v1/choices", json=choice(), headers=one).json()
    second = site.client.post("/api/v1/choices", json=choice("on"), headers=other).json()
    assert first["position"] != second["position"]


def test_lines_are_answered_one_by_one_in_order_and_can_be_repeated(site: Site) -> None:
    lines = [choice(at="2025-03-02"), {"choose": {"subject": OTHER}}, choice(at="2025-03-03")]
    content = "\n".join(map(json.dumps, lines)) + "\n\n"
    header = {**site.token("choices:write"), **LINES, "Idempotency-Key": "batch-7"}
    answer = site.client.post("/api/v1/choices", content=content, headers=header)
    found = [json.loads(line) for line in answer.text.splitlines()]
    assert [one["line"] for one in found] == [1, 2, 3]
    assert ["receipt" in one for one in found] == [True, False, True]
    assert "'setting' is missing" in found[1]["error"]["message"]
    again = site.client.post("/api/v1/choices", content=content, headers=header)
    assert [json.loads(one).get("receipt") for one in again.text.splitlines()] == [
        one.get("receipt") for one in found
    ]


def test_what_concerns_everybody_is_not_taken_from_programs(site: Site) -> None:
    header = site.token("choices:write")
    for event in (
        {"rules": {"minimum_age": 0}},
        {"regime": {"jurisdictions": ["US"], "regime": "terms"}},
        {"notice": {"terms": "privacy-policy", "version": "2024-09-18", "to": {}, "at": "2025-01-01"}},
    ):
        answer = site.client.post("/api/v1/choices", json=event, headers=header)
        assert answer.status_code == 400, event


def test_records_in_are_decided_and_deletions_take_their_words(site: Site) -> None:
    header = site.token()
    record = {
        "id": "live-1", "category": "post", "created_at": "2024-10-02T00:00:00Z", "author": "ann", "body": "zibbeldorn",
    }  # fmt: skip
    assert site.client.post("/api/v1/records", json=record, headers=header).json()["imported"] == 1
    assert site.client.post("/api/v1/records", json=record, headers=header).json()["duplicates"] == 1
    ask = {
        "purpose": "train.generative",
        "recipient": "operator",
        "at": "2025-02-01",
        "records": ["live-1", "none"],
    }
    found = site.client.post("/api/v1/decisions", json=ask, headers=header).json()["decisions"]
    assert [(one["verdict"], one["reason"]) for one in found] == [
        ("allowed", None),
        ("gap", "unknown-record"),
    ]
    gone = site.client.post(
        "/api/v1/deletions", json={"id": "live-1", "deleted_at": "2025-01-01"}, headers=header
    )
    assert gone.json()["found"] == 1
    found = site.client.post("/api/v1/decisions", json=ask, headers=header).json()["decisions"]
    assert (found[0]["verdict"], found[0]["reason"]) == ("denied", "deleted")
    parts = b"".join(path.read_bytes() for path in site.home.records_path.glob("*.parquet"))
    assert b"zibbeldorn" not in parts
    explained = site.client.get(
        "/api/v1/decisions/explained/mail",
        params={"purpose": "train.generative", "recipient": "operator", "at": "2025-02-01"},
        headers=header,
    ).json()
    assert explained["record"] == "mail"
    summary = site.client.get(
        "/api/v1/decisions/summary",
        params={"purpose": "train.generative", "recipient": "operator", "at": "2025-02-01"},
        headers=header,
    ).json()
    assert sum(summary["verdicts"].values()) == summary["records"] > 8


def test_lists_come_in_pages_without_gaps(site: Site) -> None:
    header = site.token("log:read")
    seen: list[int] = []
    after: int | None = -1
    while after is not None:
        page = site.client.get("/api/v1/entries", params={"after": after, "limit": 7}, headers=header).json()
        seen += [one["position"] for one in page["items"]]
        after = page["next"]
    assert seen == list(range(len(seen)))
    assert len(seen) == site.home.position


def test_a_withdrawal_goes_through_to_its_certificate_and_is_repeatable(site: Site) -> None:
    header = {**site.token("withdrawals:write"), "Idempotency-Key": "w-1"}
    asked = site.client.post("/api/v1/withdrawals", json={"subject": "ann"}, headers=header)
    assert asked.status_code == 202
    number = asked.json()["id"]
    deadline = time.monotonic() + 120
    found = asked.json()
    while not found["done"] and time.monotonic() < deadline:
        time.sleep(0.05)
        found = site.client.get(f"/api/v1/withdrawals/{number}", headers=header).json()
    steps = {step["kind"]: step["details"] for step in found["steps"]}
    assert list(steps) == ["recorded", "out-of-use", "releases", "models", "certificate"]
    assert steps["out-of-use"]["still_allowed"] == 0
    assert steps["releases"]["releases"][0]["rows"] > 0
    site.sign_in("member")
    made = steps["certificate"]["certificates"][0]
    certificate = site.client.get(f"/me/certificates/{made['model']}/{made['certificate']}")
    assert certificate.status_code == 200
    assert "payload" in certificate.json()
    events = site.client.get(f"/me/withdrawals/{number}/events").text
    assert events.count("event: step") == 5
    assert events.endswith("event: done\ndata: {}\n\n")
    again = site.client.post("/api/v1/withdrawals", json={"subject": "ann"}, headers=header)
    assert again.json()["id"] == number


def test_gpc_is_heard_once_for_each_browser(site: Site) -> None:
    site.sign_in("other")
    site.client.get("/me")
    size = site.home.position
    page = site.client.get("/me", headers={"Sec-GPC": "1"})
    assert "Global Privacy Control" in page.text
    assert site.home.position == size + 1
    site.client.get("/me", headers={"Sec-GPC": "1"})
    assert site.home.position == size + 1
    site.client.cookies.clear()
    site.sign_in("other")
    site.client.get("/me", headers={"Sec-GPC": "1"})
    assert site.home.position == size + 2
    assert site.client.get("/.well-known/gpc.json").json()["gpc"] is True


def test_the_access_log_is_held_by_the_ledger_and_names_nobody(site: Site) -> None:
    site.sign_in("member")
    site.client.get("/me/records/mail")
    record_accesses(site.edge.app)
    lines = [row[0] for row in site.store.rows("SELECT line FROM accesses")]
    assert any(json.loads(line)["route"] == "/me/records/{record}" for line in lines)
    assert not any("ann" in line or "mail" in line for line in lines)
    site.sign_in("auditor")
    assert "matches the ledger" in site.client.get("/auditor/accesses").text
    site.store.rows("UPDATE accesses SET line = replace(line, 'status', 'state') WHERE number = 0")
    assert "does not match" in site.client.get("/auditor/accesses").text


def test_metrics_and_readiness(site: Site) -> None:
    assert site.client.get("/ready").json()["status"] == "ready"
    text = site.client.get("/metrics", headers=site.token("metrics:read")).text
    assert 'route="/api/v1/choices"' in text
    assert "troth_writer_waiting 0.0" in text
    assert "ann" not in text


def test_the_description_fits_the_routes(site: Site) -> None:
    described = site.client.get("/api/v1/openapi.json").json()
    assert described["openapi"].startswith("3.")
    assert set(described["paths"]["/api/v1/choices"]["post"]["requestBody"]["content"]) == {
        "application/json", "application/x-ndjson",
    }  # fmt: skip
    for path, methods in described["paths"].items():
        for method in methods.values():
            assert "400" in method["responses"], path
    assert "ErrorEnvelope" in described["components"]["schemas"]
