"""What attackers try: forged forms, planted sessions, addresses of other places, scripts in names, bombs, floods."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from statistics import median

import pytest

from tests.http.site import PASSWORD, SETTING, SETTINGS, Site, found, served
from troth.core.errors import BadInput
from troth.server.hooks import Hooks, sign
from troth.server.passwords import hashed, matches
from troth.server.signin import local
from troth.server.state import State

SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{7*7}}"


def test_forms_are_taken_from_this_session_s_own_pages_alone(site: Site) -> None:
    site.sign_in("other")
    stranger = site.form_token()
    site.sign_in("member")
    path = f"/me/settings/{SETTING}"
    size = site.home.position
    for fields in ({}, {"form_token": ""}, {"form_token": stranger}, {"form_token": "é"}):
        assert site.client.post(path, data={"to": "off", **fields}).status_code == 403
    own = site.form_token()
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
        answer = site.client.post(path, data={"to": "off", "form_token": own}, headers=headers)
        assert answer.status_code == 403
    assert site.home.position == size
    answer = site.client.post(
        path, data={"to": "off", "form_token": own}, headers={"Origin": "http://testserver"}
    )
    assert answer.status_code == 303
    assert site.home.position == size + 1
    receipt = site.client.get(answer.headers["location"])
    assert receipt.status_code == 200
    assert "Recorded" in receipt.text


def test_a_planted_session_is_not_taken_over(site: Site) -> None:
    site.sign_in("auditor")
    planted = site.client.cookies["troth"]
    site.client.cookies.clear()
    page = site.client.get("/sign-in").text
    site.client.cookies.set("troth", planted)
    visit = found(r'name="visit_token" value="([^"]+)"', page)
    answer = site.client.post("/sign-in", data={"name": "member", "password": PASSWORD, "visit_token": visit})
    assert planted not in found(r"troth=([^;]+)", str(answer.headers.get_list("set-cookie")))
    assert site.client.get("/auditor", headers={"Cookie": f"troth={planted}"}).status_code == 303


def test_signing_out_and_disabling_end_sessions_at_once(site: Site) -> None:
    site.sign_in("recipient")
    cookie = site.client.cookies["troth"]
    assert site.post("/sign-out").status_code == 303
    site.client.cookies.set("troth", cookie)
    assert site.client.get("/recipient").status_code == 303
    site.sign_in("recipient")
    account = next(one for one, _ in site.store.accounts() if one.name == "recipient")
    site.store.disable(account.id)
    assert site.client.get("/recipient").status_code == 303
    refused = site.sign_in("recipient")
    assert refused is not None
    assert refused.status_code == 403
    site.store.rows("UPDATE accounts SET disabled = 0 WHERE id = ?", account.id)


def test_unknown_accounts_and_wrong_passwords_look_alike_and_take_as_long(site: Site) -> None:
    one, other = site.sign_in("member", "not the password"), site.sign_in("nobody-at-all", "not the password")
    assert one is not None
    assert other is not None
    assert (one.status_code, one.headers.get("set-cookie") is None) == (
        403,
        other.headers.get("set-cookie") is None,
    )
    strip = r'name="visit_token" value="([^"]+)"'
    assert one.text.replace(found(strip, one.text), "") == other.text.replace(found(strip, other.text), "")

    def timed(kept: str | None) -> float:
        started = time.process_time()
        matches(kept, "not the password")
        return time.process_time() - started

    known, unknown = (median(timed(one) for _ in range(3)) for one in (hashed(PASSWORD), None))
    assert 0.4 < known / unknown < 2.5


def test_headers_of_every_answer_are_strict(site: Site) -> None:
    site.sign_in("member")
    for path in ("/me", "/sign-in", "/nowhere", "/api/v1/releases", "/static/app.css", "/health"):
        headers = site.client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert len(headers["x-request-id"]) >= 8
    assert site.client.get("/me").headers["cache-control"] == "no-store"
    for path in ("/me", "/me/terms", "/me/written", "/sign-in"):
        page = site.client.get(path).text
        assert "<style" not in page
        assert " style=" not in page
        assert "http://" not in page.replace("http://www.w3.org/", "")
        assert "https://" not in page


@pytest.mark.parametrize(
    "path",
    [
        "/static/..%2fapplication.py", "/static/%2e%2e/errors.py", "/static/app.css%00", "/log/../troth.yaml",
        "/log/%2e%2e/keys/operator.key", "/log/tile/0/..%2f..%2f..%2fkeys", "/log/tile/0/000.p/0",
        "/log//etc/passwd", "/me/proofs/..%2f..%2fkeys/proof.json", "/me/proofs/%2e%2e/manifest.json",
        "/operator/releases/..%2f..%2fkeys", "/api/v1/releases/..%2fkeys", "/me/certificates/..%2f/x",
    ],
)  # fmt: skip
def test_paths_lead_nowhere_else(site: Site, path: str) -> None:
    for role in ("member", "admin"):
        site.sign_in(role)
        answer = site.client.get(path)
        assert answer.status_code in (403, 404), path
        assert "PRIVATE" not in answer.text


def test_scripts_in_names_and_messages_stay_text(site: Site) -> None:
    header = site.token()
    record = {
        "id": "xss-1", "category": "post", "created_at": "2024-10-05T00:00:00Z", "author": "ann",
        "title": SCRIPT, "body": SCRIPT, "conversation": SCRIPT,
    }  # fmt: skip
    assert site.client.post("/api/v1/records", json=record, headers=header).json()["imported"] == 1
    site.sign_in("member")
    for path in ("/me/conversations?kind=", "/me/records/xss-1", f"/me/conversations?kind={SCRIPT}"):
        page = site.client.get(path).text
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "49" not in found(r"<h1>(.*?)</h1>", page)
    assert "&lt;script&gt;" in site.client.get("/me/records/xss-1").text
    site.sign_in("admin")
    answer = site.post("/operator/terms/what-if", text=SCRIPT, use="train.generative operator")
    assert answer.status_code == 400
    assert "<script>alert" not in answer.text
    answer = site.post("/operator/people", do="add-account", name=SCRIPT, role="auditor")
    assert "<script>alert" not in answer.text


def test_names_and_ids_do_not_split_headers(site: Site) -> None:
    answer = site.client.get("/health", headers={"X-Request-Id": "evil id; drop"})
    assert answer.headers["x-request-id"] != "evil id; drop"
    site.sign_in("member")
    for following in (
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "/ok\r\nSet-Cookie: a=b",
        "javascript:alert(1)",
    ):
        assert local(following) == ""
        assert "evil" not in site.client.get("/sign-in", params={"next": following}).text
    assert local("/me/terms") == "/me/terms"


def test_bombs_and_floods_are_cut_short(prepared: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(prepared, tmp_path / "home")
    with served(tmp_path / "home", max_body=100_000, page_rate=0.01, token_rate=0.01) as small:
        header = small.token()
        bomb = gzip.compress(b"[" * 5_000_000)
        answer = small.client.post(
            "/api/v1/records", content=bomb, headers={**header, "Content-Encoding": "gzip"}
        )
        assert (answer.status_code, answer.json()["error"]["kind"]) == (415, "unsupported_type")
        assert small.client.post("/api/v1/records", content=b" " * 100_001, headers=header).status_code == 413

        def endless() -> object:
            for _ in range(50):
                yield b" " * 10_000

        answer = small.client.post("/api/v1/records", content=endless(), headers=header)  # type: ignore[arg-type]
        assert answer.status_code == 413
        for nested in (
            b"[" * 50_000,
            b'{"a":' * 20_000,
            b'{"choose": {"subject": "\\ud800"}}',
            b"{}",
            b"NaN",
            b'"x"',
        ):
            answer = small.client.post(
                "/api/v1/choices",
                content=nested,
                headers={**small.token(), "Content-Type": "application/json"},
            )
            assert answer.status_code == 400, nested[:20]
        statuses = [small.client.get("/api/v1/checkpoint", headers=header).status_code for _ in range(15)]
        assert statuses[-1] == 429
        statuses = [small.client.get("/health").status_code for _ in range(8)]
        assert statuses[-1] == 429


EVIL = ("a" * 50_000 + "!",
        "a." * 25_000 + "!", "a:" * 25_000, " " * 50_000 + "x", "2025-01-01T00:00:00 " + " " * 50_000,
        "0" * 50_000, "-_" * 25_000 + "\n", "%" * 50_000, "{{" * 25_000, "[" * 40_000)  # fmt: skip
"""What makes patterns that look back again and again go on for hours."""


def test_no_pattern_takes_long_over_what_was_made_to_make_it(site: Site) -> None:
    header = site.token()
    choose = {"subject": "ann", "setting": SETTING, "value": "off", "at": "2025-06-01"}
    started = time.process_time()
    for evil in EVIL:
        for key in choose:
            answer = site.client.post(
                "/api/v1/choices", json={"choose": choose | {key: evil}}, headers=header
            )
            assert answer.status_code in (201, 400)
        consent = {
            "id": "c",
            "subject": "ann",
            "purposes": [evil],
            "categories": [evil],
            "recipients": [evil],
            "at": evil,
        }
        assert (
            site.client.post("/api/v1/choices", json={"consent": consent}, headers=header).status_code == 400
        )
        ask = {"purpose": evil[:200], "recipient": evil[:200], "at": evil[:40], "records": [evil]}
        assert site.client.post("/api/v1/decisions", json=ask, headers=header).status_code == 400
        plain = evil.replace("\n", " ")[:8_000]
        odd = {"Idempotency-Key": plain.strip() or "x", "X-Request-Id": plain, "User-Agent": plain}
        answer = site.client.post("/api/v1/choices", json={"choose": choose}, headers=header | odd)
        assert answer.status_code in (201, 400)
        assert site.client.get("/static/" + evil[:2_000].replace("%", "%25")).status_code in (400, 404)
    site.sign_in("admin")
    for evil in EVIL:
        answer = site.post("/operator/terms/what-if", text=evil, use=evil)
        assert answer.status_code in (200, 400)
    # A hundred and fifty requests; one bad pattern alone would take minutes.
    assert time.process_time() - started < 60


def test_a_lone_surrogate_spoils_nothing_for_others(site: Site) -> None:
    header = site.token()
    one = '{"object": {"subject": "%s", "at": "2025-01-01"}}\n'
    lines = (one % "\\ud800" + one % "zoe").encode()
    answer = site.client.post(
        "/api/v1/choices", content=lines, headers={**header, "Content-Type": "application/x-ndjson"}
    )
    first, second = map(json.loads, answer.text.splitlines())
    assert first["error"]["kind"] == "bad_input"
    assert second["receipt"]["type"] == "member"


# webhooks


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/x",
        "https://user:pw@example.com/",
        "ftp://example.com/",
        "https:///x",
        "file:///etc/passwd",
    ],
)
def test_webhooks_go_to_plain_https_addresses(site: Site, url: str) -> None:
    with pytest.raises(BadInput):
        Hooks(site.store, SETTINGS).add(url, ["recall.due"])


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "[::1]", "10.0.0.8", "169.254.169.254", "192.168.1.1", "[fe80::1]", "0.0.0.0",  # noqa: S104 - an address that must not be reached
     "[::ffff:127.0.0.1]",
     "2130706433", "localhost", "100.64.0.1", "[fd00::1]"],
)  # fmt: skip
def test_webhooks_reach_no_private_network(site: Site, host: str) -> None:
    hooks = Hooks(site.store, SETTINGS)
    problem = asyncio.run(hooks._send("msg_1", f"https://{host}/x", "whsec_AAAA", "{}"))
    assert problem is not None
    assert "private" in problem or "cannot be used" in problem


def test_webhooks_are_signed_retried_and_set_aside(tmp_path: Path) -> None:
    taken: list[tuple[dict[str, str], bytes]] = []
    answers = [500, 302, 200]

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            taken.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(answers.pop(0) if answers else 500)
            self.send_header("Location", "http://127.0.0.1:1/")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings = replace(SETTINGS, loopback_hooks=True, hook_pauses=(0.0, 0.0))
    store = State(tmp_path / "server.sqlite3")
    hooks = Hooks(store, settings)
    number, secret = hooks.add(f"http://127.0.0.1:{server.server_port}/in?x=1", ["recall.due"])
    hooks.announce("recall.due", {"release": "r1"})
    for _ in range(3):
        assert asyncio.run(hooks.deliver_due()) == 1
    assert asyncio.run(hooks.deliver_due()) == 0
    headers, body = taken[-1]
    assert json.loads(body)["data"] == {"release": "r1"}
    signed = sign(secret, headers["webhook-id"], headers["webhook-timestamp"], body.decode())
    assert headers["webhook-signature"] == signed
    assert len({one["webhook-id"] for one, _ in taken}) == 1
    hooks.announce("recall.due", {"release": "r2"})
    for _ in range(3):
        asyncio.run(hooks.deliver_due())
    (dead,) = hooks.dead()
    assert (dead["tries"], dead["problem"]) == (3, "answered 500")
    hooks.again(str(dead["id"]))
    assert hooks.dead() == []
    for _ in range(3):
        asyncio.run(hooks.deliver_due())
    hooks.remove(number)
    hooks.announce("recall.due", {})
    assert asyncio.run(hooks.deliver_due()) == 0
    server.shutdown()
    server.server_close()
    store.close()
