"""A provider of OpenID Connect for the tests: discovery, authorisation by Authlib's server, signed tokens, keys."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "troth", "a secret of the test's own"


class Provider:
    """One provider on this machine; ``claims`` are what it says of whoever signs in."""

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048, {"kid": "k1", "use": "sig", "alg": "RS256"}, private=True)
        self.codes: dict[str, dict[str, str]] = {}
        self.reset()
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
                if parts.path == "/authorize":
                    code = f"code-{len(provider.codes)}"
                    provider.codes[code] = asked
                    self.send_response(302)
                    back = urlencode({"code": code, "state": asked["state"]})
                    self.send_header("Location", f"{asked['redirect_uri']}?{back}")
                    self.end_headers()
                else:
                    self.answer(provider.documents()[parts.path])

            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                form = {name: one[0] for name, one in parse_qs(self.rfile.read(length).decode()).items()}
                asked = provider.codes.pop(form["code"], None)
                if asked is None or asked["code_challenge"] != create_s256_code_challenge(
                    form["code_verifier"]
                ):
                    self.answer({"error": "invalid_grant"}, 400)
                    return
                self.answer(provider.token(asked["nonce"]))

            def answer(self, body: dict[str, Any], status: int = 200) -> None:
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def reset(self) -> None:
        """As an honest provider is."""
        self.claims: dict[str, Any] = {"sub": "u-1", "troth_role": "member", "troth_subject": "ann"}
        self.spoil: dict[str, Any] = {}
        self.sign_with = self.key

    def documents(self) -> dict[str, dict[str, Any]]:
        return {
            "/.well-known/openid-configuration": {
                "issuer": self.spoil.get("issuer", self.issuer),
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
            },
            "/keys": {"keys": [self.key.as_dict(private=False)]},
        }

    def token(self, nonce: str) -> dict[str, Any]:
        now = int(time.time())
        said = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 60, "nonce": nonce, **self.claims}
        said |= self.spoil.get("claims", {})
        header = {"alg": self.spoil.get("alg", "RS256"), "kid": "k1"}
        signed = jwt.encode(header, said, self.sign_with, algorithms=["RS256", "HS256"])
        return {"access_token": "a", "token_type": "Bearer", "expires_in": 60, "id_token": signed}

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
