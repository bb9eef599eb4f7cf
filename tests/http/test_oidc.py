"""Sign-ins by a provider that runs here: who is let in as what, and every answer that must not be believed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from joserfc.jwk import OctKey, RSAKey

from tests.http.provider import CLIENT, SECRET, Provider
from tests.http.site import Site, served
from troth.server.config import Oidc


@pytest.fixture(scope="module")
def running() -> Iterator[Provider]:
    made = Provider()
    yield made
    made.close()


@pytest.fixture
def provider(running: Provider) -> Provider:
    """The provider, with nothing spoilt."""
    running.reset()
    return running


@pytest.fixture(scope="module")
def there(running: Provider, prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    home = tmp_path_factory.mktemp("oidc") / "home"
    shutil.copytree(prepared, home)
    oidc = Oidc(running.issuer, CLIENT, SECRET, roles=("member", "auditor"))
    with served(home, oidc=oidc) as site:
        yield site


def go(site: Site) -> httpx2.Response:
    """Through the provider and back."""
    site.client.cookies.clear()
    off = site.client.get("/sign-in/provider?next=/me/terms")
    assert off.status_code == 303
    back = httpx2.get(off.headers["location"], trust_env=False).headers["location"]
    return site.client.get(back.removeprefix("http://testserver"))


def test_somebody_whom_the_provider_vouches_for_gets_the_role_that_it_says(
    there: Site, provider: Provider
) -> None:
    answer = go(there)
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"] == "/me/terms"
    assert there.client.get("/me").status_code == 200
    assert there.client.get("/auditor").status_code == 403
    first = there.client.cookies["troth"]
    provider.claims |= {"troth_role": "auditor"}
    assert go(there).status_code == 303
    assert there.client.get("/auditor").status_code == 200
    assert there.client.get("/me", headers={"Cookie": f"troth={first}"}).status_code == 303


@pytest.mark.parametrize("role", [None, "admin", "privacy", "", ["member"]])
def test_a_role_that_the_provider_may_not_give_lets_nobody_in(
    there: Site, provider: Provider, role: object
) -> None:
    provider.claims["troth_role"] = role
    assert go(there).status_code == 403
    assert "troth" not in there.client.cookies


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "http://else"},
        {"aud": "another"},
        {"aud": ["x"]},
        {"nonce": "x"},
        {"exp": 1},
        {"azp": "another"},
    ],
    ids=str,
)
def test_a_token_for_somebody_or_some_time_else_is_not_believed(
    there: Site, provider: Provider, claims: dict[str, object]
) -> None:
    provider.spoil = {"claims": claims}
    assert go(there).status_code == 403


def test_a_token_of_another_signature_is_not_believed(there: Site, provider: Provider) -> None:
    provider.sign_with = RSAKey.generate_key(2048, {"kid": "k1"}, private=True)
    assert go(there).status_code == 403
    provider.sign_with = OctKey.import_key(SECRET)  # type: ignore[assignment]
    provider.spoil = {"alg": "HS256"}
    assert go(there).status_code == 403


def test_a_provider_that_is_another_is_not_asked(there: Site, provider: Provider) -> None:
    provider.spoil = {"issuer": "http://else"}
    assert there.client.get("/sign-in/provider").status_code == 503


def test_a_trip_that_was_not_begun_here_ends(there: Site) -> None:
    there.client.cookies.clear()
    assert there.client.get("/sign-in/back?code=code-0&state=x").status_code == 403
    there.client.get("/sign-in/provider")
    assert there.client.get("/sign-in/back?code=code-0&state=x").status_code == 403
    assert there.client.get("/sign-in/back?error=access_denied").status_code == 403
