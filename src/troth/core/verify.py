"""Verification of a signed manifest: a pure function of its bytes and of public keys.

The envelope is DSSE v1. Both it and the statement inside are accepted in one form of bytes only, the one that
sealing writes, so that nothing can be added or altered that a signature does not cover.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import Error as SigningError
from securesystemslib.signer import SSlibKey

from troth.core.errors import BadInput, Place
from troth.core.findings import Findings
from troth.core.manifest import PAYLOAD_TYPE, Manifest, parse_statement

MAX_ENVELOPE_BYTES: Final = 64 * 1024 * 1024
MAX_KEY_BYTES: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class Signed:
    """A manifest that could be read, the SHA-256 (hex) of its envelope, and the ids of the keys that signed it."""

    manifest: Manifest
    digest: str
    signers: tuple[str, ...]


def check_manifest(data: bytes, keys: Sequence[SSlibKey], findings: Findings, source: str) -> Signed | None:
    """Check the bytes of a signed manifest; what is wrong goes to the findings.

    Args:
        data: the bytes of the envelope.
        keys: the keys that are trusted.
        findings: taken further.
        source: what to call the manifest.

    Returns:
        The manifest, also if no trusted key has signed it (an error says so then); None if it cannot be read.
    """
    try:
        envelope = read_envelope(data, source)
        manifest = parse_statement(envelope.payload, source)
    except BadInput as error:
        findings.error(error.message, str(error.place) if error.place else source)
        return None
    signers = signed_by(envelope, keys)
    if not envelope.signatures:
        findings.error("is not signed", source)
    elif not signers:
        findings.error(
            "no trusted key has signed the manifest: it was altered, or is somebody else's", source
        )
    if signers and set(envelope.signatures) - set(signers):
        findings.error("holds a signature that no trusted key made", source)
    return Signed(manifest, sha256(data).hexdigest(), signers)


def write_envelope(envelope: Envelope) -> bytes:
    """The bytes of an envelope."""
    return json.dumps(envelope.to_dict(), sort_keys=True, indent=1).encode() + b"\n"


def read_envelope(data: bytes, source: str) -> Envelope:
    """Read the bytes of an envelope, and nothing but what ``write_envelope`` writes.

    Raises:
        BadInput: not an envelope, of another payload type, or in another form.
    """
    try:
        found: dict[str, object] = json.loads(data)
        envelope = Envelope.from_dict(found)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, SigningError) as error:
        raise BadInput(f"{source} is no DSSE envelope: {type(error).__name__}") from None
    if envelope.payload_type != PAYLOAD_TYPE:
        raise BadInput(f"{source} holds a payload of another type")
    extra = any(signature.unrecognized_fields for signature in envelope.signatures.values())
    if extra or write_envelope(envelope) != data:
        raise BadInput(f"{source} is not in the form in which manifests are written: it was altered")
    return envelope


def signed_by(envelope: Envelope, keys: Sequence[SSlibKey]) -> tuple[str, ...]:
    """The ids of those keys whose signature on the envelope holds."""
    found = []
    for key in keys:
        signature = envelope.signatures.get(key.keyid)
        if signature is None:
            continue
        try:
            key.verify_signature(signature, envelope.pae())
        except SigningError:
            continue
        found.append(key.keyid)
    return tuple(found)


def parse_public_key(data: bytes, source: str) -> SSlibKey:
    """The Ed25519 public key of PEM bytes.

    Raises:
        BadInput: no key, or another kind of key.
    """
    try:
        key = load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        raise BadInput("is no public key", place=Place(source)) from None
    if not isinstance(key, Ed25519PublicKey):
        raise BadInput("is no Ed25519 key", place=Place(source))
    return SSlibKey.from_crypto(key)


def public_pem(key: SSlibKey) -> bytes:
    """The PEM bytes of an Ed25519 public key, in the form in which they are written."""
    raw = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key.keyval["public"]))
    return raw.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
