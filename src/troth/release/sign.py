"""The operator's key: made, kept, loaded; and signing with it.

Ed25519 by ``cryptography``, envelopes by ``securesystemslib``. The private key is PKCS#8 PEM, readable by
its owner alone.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from securesystemslib.dsse import Envelope
from securesystemslib.signer import CryptoSigner, SSlibKey

from troth.core.errors import BadInput, Conflict, Place
from troth.core.manifest import PAYLOAD_TYPE
from troth.core.verify import MAX_KEY_BYTES, parse_public_key, write_envelope

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def new_key(private: Path, public: Path) -> None:
    """Make a key pair: ``private`` with mode 0600, ``public`` beside it.

    Raises:
        Conflict: a file is there already.
    """
    key = Ed25519PrivateKey.generate()
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    open_ = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for path, data, mode in ((private, secret, 0o600), (public, open_, 0o644)):
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
        except FileExistsError:
            raise Conflict("a key is there already", place=Place(str(path))) from None
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())


def load_signer(private: Path) -> CryptoSigner:
    """The signer of a private key file. Raises as ``load_private``."""
    return CryptoSigner(load_private(private))


def load_private(private: Path) -> Ed25519PrivateKey:
    """The private key of a file.

    Raises:
        BadInput: no key, another kind of key, or one that others can read.
    """
    data = _read(private)
    if private.stat().st_mode & _OTHERS:
        raise BadInput(
            "the private key can be read by others",
            place=Place(str(private)),
            remedy="chmod 600 it; if others could really read it, make a new one",
        )
    try:
        key = load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise BadInput("is no private key", place=Place(str(private))) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise BadInput("is no Ed25519 key", place=Place(str(private)))
    return key


def load_public(public: Path) -> SSlibKey:
    """The public key of a file.

    Raises:
        BadInput: no key, or another kind of key.
    """
    return parse_public_key(_read(public), str(public))


def public_key_text(public: Path) -> str:
    """The PEM text of a public key file."""
    return _read(public).decode("ascii")


def seal_statement(payload: bytes, signer: CryptoSigner) -> bytes:
    """The bytes of a DSSE envelope around a statement, signed."""
    envelope = Envelope(payload, PAYLOAD_TYPE, {})
    envelope.sign(signer)
    return write_envelope(envelope)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_KEY_BYTES)
    except OSError as error:
        raise BadInput(
            f"cannot be read: {error.strerror}", place=Place(str(path)), remedy="check the path"
        ) from None
