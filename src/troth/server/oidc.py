"""Sign-ins by a provider (OpenID Connect Core 1.0, code flow with PKCE), by Authlib and joserfc."""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import time
from dataclasses import dataclass
from typing import Any, Final

import httpx2
from authlib.integrations.httpx_client import AsyncOAuth2Client
from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from troth.core.errors import BadInput
from troth.core.values import check_recipient
from troth.ledger.store import clock
from troth.server.config import Oidc, Settings
from troth.server.errors import HttpError
from troth.server.signin import local, set_cookie
from troth.server.state import Account, State

COOKIE: Final = "troth-oidc"
_SECONDS: Final = 600
_ALGORITHMS: Final = ["RS256", "ES256", "PS256", "EdDSA"]
"""Signatures by keys of the provider alone; `none` and shared secrets are not among them."""


@dataclass(frozen=True, slots=True)
class _Trip:
    """What must come back unchanged from the provider, or with it."""

    state: str
    nonce: str
    verifier: str
    following: str
    until: int


async def start(request: Request, following: str) -> Response:
    """Send the browser to the provider.

    Raises:
        HttpError: there is no provider, or it does not answer as one.
    """
    settings: Settings = request.app.state.settings
    provider = _provider(settings)
    found = await _discover(provider)
    trip = _Trip(
        secrets.token_urlsafe(24),
        secrets.token_urlsafe(24),
        secrets.token_urlsafe(48),
        following,
        int(time.time()) + _SECONDS,
    )
    async with _client(request, provider) as client:
        address, _ = client.create_authorization_url(
            found["authorization_endpoint"], state=trip.state, nonce=trip.nonce, code_verifier=trip.verifier
        )
    answer = RedirectResponse(address, 303)
    set_cookie(answer, settings, COOKIE, _seal(request.app.state.store, trip), _SECONDS)
    return answer


async def finish(request: Request) -> tuple[Account, str]:
    """Who comes back from the provider, and where they wanted to go.

    Raises:
        HttpError: anything is not as it was sent, is not signed by the provider, or gives no role here.
    """
    settings: Settings = request.app.state.settings
    provider = _provider(settings)
    trip = _open(request.app.state.store, request.cookies.get(COOKIE, ""))
    given = request.query_params.get("state", "")
    if trip is None or not hmac.compare_digest(given.encode(), trip.state.encode()):
        raise HttpError(403, "this sign-in was not begun here", remedy="begin it again")
    code = request.query_params.get("code")
    if not code:
        raise HttpError(403, "the provider did not let you in")
    found = await _discover(provider)
    try:
        async with _client(request, provider) as client:
            token = await client.fetch_token(
                found["token_endpoint"],
                code=code,
                code_verifier=trip.verifier,
                grant_type="authorization_code",
            )
        keys = KeySet.import_key_set(await _fetched(found["jwks_uri"]))
        claims = _claims(str(token.get("id_token", "")), keys, provider, trip.nonce)
    except HttpError:
        raise
    except Exception as error:  # noqa: BLE001 - see below
        # Authlib raises many kinds; whatever it is, nobody was let in, and its text may hold the code.
        raise HttpError(403, f"the provider's answer does not hold ({type(error).__name__})") from None
    return _account(request.app.state.store, provider, claims), trip.following


def _claims(text: str, keys: KeySet, provider: Oidc, nonce: str) -> dict[str, Any]:
    token = jwt.decode(text, keys, algorithms=_ALGORITHMS)
    registry = jwt.JWTClaimsRegistry(
        leeway=60,
        iss={"essential": True, "value": provider.issuer},
        exp={"essential": True},
        iat={"essential": True},
        sub={"essential": True},
        nonce={"essential": True, "value": nonce},
    )
    registry.validate(token.claims)
    audience = token.claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if (
        provider.client_id not in audiences
        or token.claims.get("azp", provider.client_id) != provider.client_id
    ):
        raise JoseError("the token is for somebody else")
    return dict(token.claims)


def _account(store: State, provider: Oidc, claims: dict[str, Any]) -> Account:
    """The account of a provider's subject; made at the first sign-in, and held to its claims ever after."""
    role = claims.get(provider.role_claim)
    if role not in provider.roles:
        raise HttpError(403, "your organisation gives you no role here")
    subject = str(claims.get(provider.subject_claim, "")) or None if role == "member" else None
    recipient = str(claims.get(provider.recipient_claim, "")) or None if role == "recipient" else None
    name = str(claims["sub"])
    known = store.account(name, provider.issuer)
    if known is not None:
        kept = known[0]
        if (kept.role, kept.subject, kept.recipient) == (role, subject, recipient):
            return kept
        # Another role than before: nobody keeps rights that the provider no longer gives.
        store.disable(kept.id)
        store.rows("UPDATE accounts SET name = name || ' (until ' || ? || ')' WHERE id = ?", clock(), kept.id)
    try:
        if recipient is not None:
            check_recipient(recipient)
        return store.add_account(
            name, str(role), clock(), subject=subject, recipient=recipient, issuer=provider.issuer
        )
    except BadInput as error:
        raise HttpError(403, error.message) from None


def _provider(settings: Settings) -> Oidc:
    if settings.oidc is None:
        raise HttpError(404, "there is no provider of sign-ins here")
    return settings.oidc


def _client(request: Request, provider: Oidc) -> Any:  # noqa: ANN401 - Authlib's class has no types
    settings: Settings = request.app.state.settings
    base = settings.public_url or f"{request.url.scheme}://{request.url.netloc}"
    return AsyncOAuth2Client(
        provider.client_id,
        provider.client_secret,
        scope="openid",
        redirect_uri=f"{base.rstrip('/')}/sign-in/back",
        code_challenge_method="S256",
        token_endpoint_auth_method="client_secret_basic",  # noqa: S106 - the name of a method
        timeout=10,
        trust_env=False,
    )


async def _discover(provider: Oidc) -> dict[str, Any]:
    address = f"{provider.issuer}/.well-known/openid-configuration"
    try:
        found = await _fetched(address)
    except (httpx2.HTTPError, ValueError):
        raise HttpError(
            503, "the provider of sign-ins does not answer", headers={"Retry-After": "10"}
        ) from None
    if not isinstance(found, dict) or found.get("issuer") != provider.issuer:
        raise HttpError(503, "the provider of sign-ins is another than the one agreed on")
    return found


async def _fetched(address: str) -> Any:  # noqa: ANN401 - any JSON
    async with httpx2.AsyncClient(timeout=10, trust_env=False) as client:
        return (await client.get(address)).raise_for_status().json()


def _seal(store: State, trip: _Trip) -> str:
    values = [trip.state, trip.nonce, trip.verifier, trip.following, trip.until]
    text = base64.urlsafe_b64encode(json.dumps(values).encode()).decode()
    return f"{text}.{store.derive('oidc', text)}"


def _open(store: State, cookie: str) -> _Trip | None:
    text, _, seal = cookie.partition(".")
    if not hmac.compare_digest(seal.encode(), store.derive("oidc", text).encode()):
        return None
    state, nonce, verifier, following, until = json.loads(base64.urlsafe_b64decode(text))
    return _Trip(state, nonce, verifier, local(following), until) if until > time.time() else None
