"""Signed statements: in-toto Statement v1 in a DSSE v1 envelope, accepted in one form of bytes only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from securesystemslib.signer import SSlibKey

from troth.core.errors import BadInput
from troth.core.manifest import STATEMENT_TYPE
from troth.core.shape import Shape
from troth.core.values import canonical
from troth.core.verify import read_envelope
from troth.core.written import Json

MAX_STATEMENT_BYTES: Final = 16 * 1024 * 1024
_KEY_HEX: Final = 64
_DIGEST_HEX: Final = 64


def build(kind: str, subject: tuple[str, str], predicate: dict[str, Json]) -> bytes:
    """The canonical bytes of a statement about one thing: its name and its SHA-256 in hex."""
    return canonical(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": subject[0], "digest": {"sha256": subject[1]}}],
            "predicateType": kind,
            "predicate": predicate,
        }
    )


def read(payload: bytes, kind: str, source: str) -> tuple[tuple[str, str], Shape]:
    """The one subject and the predicate of a statement.

    Raises:
        BadInput: no statement of that kind.
    """
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{source} holds no JSON: {type(error).__name__}") from None
    shape = Shape(value, source)
    for key, expected in (("_type", STATEMENT_TYPE), ("predicateType", kind)):
        shape.need(key).as_one_of((expected,))
    subjects = list(shape.need("subject").items())
    if len(subjects) != 1:
        shape.need("subject").refuse("expected one subject")
    name, digest = subjects[0].need("name").as_text(), subjects[0].need("digest").need("sha256")
    return (name, as_digest(digest)), shape.need("predicate")


def kind_of(data: bytes) -> str | None:
    """What kind of statement the bytes of an envelope seem to hold; None: it is none, or cannot be read."""
    if len(data) > MAX_STATEMENT_BYTES or data[:1] != b"{" or b'"payload' not in data:
        return None
    try:
        value = json.loads(read_envelope(data, "").payload)
    except (BadInput, ValueError, RecursionError):
        return None
    kind = value.get("predicateType") if isinstance(value, Mapping) else None
    return kind if isinstance(kind, str) else None


def digest_of(payload: bytes) -> str:
    """What a statement is known by: SHA-256 (hex) of its bytes, the same however many have signed it."""
    return sha256(payload).hexdigest()


def as_digest(shape: Shape) -> str:
    """64 hexadecimal digits."""
    return _as_hex(shape, _DIGEST_HEX)


def as_public_key(shape: Shape) -> str:
    """A raw Ed25519 public key, in hexadecimal digits."""
    return _as_hex(shape, _KEY_HEX)


def _as_hex(shape: Shape, length: int) -> str:
    text = shape.as_text()
    if len(text) != length or set(text) - set("0123456789abcdef"):
        shape.refuse(f"expected {length} hexadecimal digits")
    return text


def key_of(public: str) -> SSlibKey:
    """The key of raw public bytes in hex.

    Raises:
        BadInput: no such key.
    """
    try:
        return SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)))
    except ValueError:
        raise BadInput("is no Ed25519 public key") from None


def public_of(key: SSlibKey) -> str:
    """The raw public bytes of a key, in hex."""
    return str(key.keyval["public"])
