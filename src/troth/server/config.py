"""What an operator may set for the server: ``server.yaml`` in the home. Everything has a default."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from troth.core.errors import BadInput, Place
from troth.core.shape import Shape
from troth.intake.yaml_files import read_yaml

CONFIG: Final = "server.yaml"
MIB: Final = 2**20


@dataclass(frozen=True, slots=True)
class Oidc:
    """A provider of sign-ins: who it is, and how its claims become roles.

    ``role_claim`` holds one of the roles; ``subject_claim`` the member's id on the platform;
    ``recipient_claim`` a recipient such as ``third_party:acme``. Whoever has no role is let in nowhere.
    """

    issuer: str
    client_id: str
    client_secret: str
    role_claim: str = "troth_role"
    subject_claim: str = "troth_subject"
    recipient_claim: str = "troth_recipient"
    roles: tuple[str, ...] = ("member",)


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of the server. Sizes in bytes, times in seconds, rates in requests a second.

    ``secure`` cookies are sent over HTTPS only; ``loopback_hooks`` lets webhooks go to this machine (tests).
    """

    secure: bool = True
    public_url: str | None = None
    max_body: int = 8 * MIB
    session_seconds: int = 12 * 3600
    page_rate: float = 20.0
    token_rate: float = 5_000.0
    sign_in_rate: float = 0.2
    loopback_hooks: bool = False
    hook_pauses: tuple[float, ...] = (5, 30, 120, 600, 3_600, 21_600)
    access_batch_seconds: float = 60.0
    recall_seconds: float = 300.0
    warm: bool = True
    demo: tuple[tuple[str, str], ...] = ()
    oidc: Oidc | None = None
    purpose: str = "train.generative"
    language: str = "en"
    extra: dict[str, str] = field(default_factory=dict)


def read_settings(home: Path) -> Settings:
    """The settings of a home; defaults where it has no ``server.yaml``.

    Raises:
        BadInput: a key is not known, or a value not of its kind; with file and line.
    """
    path = home / CONFIG
    if not path.is_file():
        return Settings()
    documents = read_yaml(path)
    if len(documents) != 1:
        raise BadInput("expected one document of settings", place=Place(str(path)))
    shape = documents[0]
    secure, public_url, purpose = shape.get("secure"), shape.get("public_url"), shape.get("purpose")
    body, oidc, language = shape.get("max_body_mib"), shape.get("oidc"), shape.get("language")
    default = Settings()
    settings = Settings(
        secure=secure.as_flag() if secure else default.secure,
        public_url=public_url.as_text() if public_url else None,
        max_body=body.as_count() * MIB if body else default.max_body,
        purpose=purpose.as_text() if purpose else default.purpose,
        language=language.checked(_language) if language else default.language,
        oidc=_read_oidc(oidc) if oidc else None,
    )
    shape.close()
    return settings


def _language(text: str) -> str:
    if not text.replace("-", "").replace("_", "").isalnum():
        raise BadInput(f"expected a language such as de or pt_BR, got {text[:40]!r}")
    return text


def _read_oidc(shape: Shape) -> Oidc:
    secret_file = Path(shape.need("client_secret_file").as_text())
    try:
        secret = secret_file.read_text("utf-8").strip()
    except OSError as error:
        raise BadInput(
            f"cannot be read: {error.strerror}",
            place=Place(str(secret_file)),
            remedy="write the client secret into it, readable by the server alone (mode 0600)",
        ) from None
    roles = shape.get("roles")
    found = Oidc(
        issuer=shape.need("issuer").as_text().rstrip("/"),
        client_id=shape.need("client_id").as_text(),
        client_secret=secret,
        roles=roles.texts(str) if roles else ("member",),
    )
    shape.close()
    return found
