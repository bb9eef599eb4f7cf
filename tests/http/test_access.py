"""Who may do what: every route × every role × own and others' data, generated from the routes; default deny."""

from __future__ import annotations

import pytest
from fastapi import APIRouter

from tests.http.site import MEMBER, OTHER, Site, routes
from troth.ledger.store import clock
from troth.server.access import GuardedRoute
from troth.server.state import ROLES

NOBODY = "nobody"
PARAMETERS = {
    "setting": "improve-models",
    "position": "0",
    "withdrawal": "0" * 24,
    "record": "mail",
    "release": "r000000000000",
    "model": "none",
    "name": "none",
    "path": "checkpoint",
}
LET_IN = {200, 201, 202, 303, 304, 400, 404, 409}
"""What somebody gets whom the rule lets in: an answer, or that the question is wrong. Never 401, never 403."""


def test_a_route_without_a_rule_cannot_be_made() -> None:
    router = APIRouter(route_class=GuardedRoute)
    with pytest.raises(TypeError, match="say whom this route is for"):

        @router.get("/open")
        async def open_to_all() -> None:
            """Forgotten."""


def test_every_route_of_the_application_has_a_rule(site: Site) -> None:
    assert len(routes(site.edge)) > 50
    public = {route.path for route in routes(site.edge) if route.rule.public}
    assert public == {
        "/", "/sign-in", "/sign-in/provider", "/sign-in/back", "/health", "/ready", "/static/{name}",
        "/favicon.ico", "/.well-known/gpc.json", "/log/{path:path}", "/keys/operator.pub", "/api/v1/openapi.json",
    }  # fmt: skip


@pytest.mark.parametrize("role", [NOBODY, *ROLES])
def test_the_matrix_of_routes_and_roles(site: Site, role: str) -> None:
    site.sign_in(None if role == NOBODY else role)
    form = {} if role == NOBODY else {"form_token": site.form_token()}
    wrong = []
    for route in routes(site.edge):
        if route.path in ("/sign-out", "/account/end") or route.rule.public:
            continue
        path = route.path.replace(":path}", "}").format(**PARAMETERS)
        for method in set(route.methods or ()) - {"HEAD"}:
            allowed = role in route.rule.roles
            if allowed and (method, route.path) in SLOW:
                continue
            answer = site.client.request(method, path, data=form if method == "POST" else None)
            if allowed:
                right = answer.status_code in LET_IN
            elif role == NOBODY:
                right = answer.status_code == 401 or (
                    answer.status_code == 303 and answer.headers["location"].startswith("/sign-in?next=")
                )
            else:
                right = answer.status_code == 403
            if not right:
                wrong.append((method, route.path, role, answer.status_code))
    assert wrong == []


SLOW = {
    ("POST", "/me/withdraw"),
    ("POST", "/me/object"),
    ("POST", "/me/proofs/secret"),
    ("GET", "/me/withdrawals/{withdrawal}/events"),
    ("GET", "/operator"),
    ("GET", "/operator/gaps"),
    ("GET", "/api/v1/decisions/summary"),
}
"""Asked about in tests of their own; here it matters that nobody else gets that far."""


def test_the_matrix_of_routes_and_scopes(site: Site) -> None:
    site.sign_in(None)
    wrong = []
    everything = {route.rule.scope for route in routes(site.edge) if route.rule.scope}
    for route in routes(site.edge):
        if route.rule.public:
            continue
        path = route.path.replace(":path}", "}").format(**PARAMETERS)
        others = site.token(*sorted(everything - {route.rule.scope}))
        for method in set(route.methods or ()) - {"HEAD"}:
            status = site.client.request(method, path, headers=others).status_code
            if status != 403:
                wrong.append((method, route.path, status))
    assert wrong == []


def test_a_token_opens_just_what_its_scope_names(site: Site) -> None:
    site.sign_in(None)
    assert site.client.get("/api/v1/releases", headers=site.token("releases:read")).status_code == 200
    for header in ("Bearer x", "Bearer troth_1_2", "Basic eDp4", "Bearer " + "a" * 9000):
        answer = site.client.get("/api/v1/releases", headers={"Authorization": header})
        assert (answer.status_code, answer.json()["error"]["kind"]) == (401, "sign_in")
    good = site.token("releases:read")
    assert site.client.get("/api/v1/releases", headers=good).status_code == 200
    site.store.revoke(good["Authorization"].split("_")[1])
    assert site.client.get("/api/v1/releases", headers=good).status_code == 401
    ended = site.store.add_token("old", ["releases:read"], clock() - 2, ends_at=clock() - 1)
    assert (
        site.client.get("/api/v1/releases", headers={"Authorization": f"Bearer {ended}"}).status_code == 401
    )


def test_what_is_somebody_else_s_looks_like_what_is_not_there(site: Site) -> None:
    withdrawal = site.edge.app.state.withdrawals.request(OTHER, None, "a-test")
    with site.home.reading() as ledger:
        theirs = ledger.history(OTHER)[0][0]
        public = next(position for position in range(ledger.size) if ledger.receipt(position).type == "terms")
    site.sign_in("member")
    paths = [
        f"/me/withdrawals/{withdrawal.id}",
        f"/me/withdrawals/{withdrawal.id}/events",
        f"/me/receipts/{theirs}",
        f"/me/receipts/{theirs}/proof",
        f"/me/receipts/{public}",
        "/me/records/post-off",
        "/me/certificates/writer/none",
    ]
    there = [site.client.get(path) for path in paths]
    absent = site.client.get("/me/records/there-is-none")
    assert {answer.status_code for answer in there} == {404}
    assert {answer.text for answer in there} == {absent.text}
    mine = site.client.get("/me/records/post-new")
    assert mine.status_code == 200
    copy = site.client.get("/me/copy/download").json()
    assert copy["subject"] == MEMBER
    assert OTHER not in {entry.get("subject") for entry in copy["entries"]}


def test_a_member_s_pages_never_say_what_the_other_party_chose(site: Site) -> None:
    """Two worlds that differ in the other party's choices alone look the same from here."""
    site.sign_in("member")
    paths = [
        "/me/records/mail",
        "/me/conversations",
        "/me/conversations?kind=",
        "/me/settings/improve-models?to=off",
    ]
    before = [site.client.get(path).text for path in paths]
    header = site.token("choices:write")
    for value in ("on", "off"):
        choice = {"subject": OTHER, "setting": "improve-models", "value": value, "at": "2025-06-01T00:00:00Z"}
        assert site.client.post("/api/v1/choices", json={"choose": choice}, headers=header).status_code == 201
        assert [site.client.get(path).text for path in paths] == before
    erase = {"erase": {"subject": OTHER, "at": "2025-07-01"}}
    assert site.client.post("/api/v1/choices", json=erase, headers=header).status_code == 201
    assert [site.client.get(path).text for path in paths] == before
