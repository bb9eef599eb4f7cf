"""Signed notes and verifier keys after C2SP signed-note, with Ed25519 signatures and cosignatures.

A note is a text, a blank line, and signature lines. A text may hold blank lines itself: it ends at the *last* one.
Cosignatures (C2SP tlog-cosignature) sign a checkpoint together with the time at which a witness saw it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from troth.core.errors import BadInput, Refused

ED25519: Final = 1
COSIGNATURE: Final = 4
KEY_BYTES: Final = 32
ID_BYTES: Final = 4
MAX_NOTE_BYTES: Final = 256 * 1024
MAX_SIGNATURES: Final = 64
MAX_NAME: Final = 255

_SIGNATURE_BYTES: Final = 64
_TIME_BYTES: Final = 8
_LAST_TIME: Final = 2**63 - 1
_DASH: Final = "— "
_FIRST_PRINTABLE: Final = 0x20
_VKEY_PARTS: Final = 3


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with its name and kind: ``ED25519`` signs the text, ``COSIGNATURE`` the text with a time."""

    name: str
    kind: int
    public: bytes

    @property
    def id(self) -> bytes:
        """The key id: four bytes over name, kind and key."""
        head = self.name.encode() + b"\n" + bytes([self.kind])
        return hashlib.sha256(head + self.public).digest()[:ID_BYTES]

    def __str__(self) -> str:
        """The vkey: ``name+hash+base64``."""
        return f"{self.name}+{self.id.hex()}+{encode64(bytes([self.kind]) + self.public)}"


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature line: the name and id of a key, and what it signed with; not verified yet."""

    name: str
    id: bytes
    data: bytes

    def line(self) -> str:
        """The line, with its newline."""
        return f"{_DASH}{self.name} {encode64(self.id + self.data)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A text, which ends with a newline, and its signatures, none of them verified yet."""

    text: str
    signatures: tuple[Signature, ...]

    def write(self) -> bytes:
        """The bytes of the note."""
        return f"{self.text}\n{''.join(one.line() for one in self.signatures)}".encode()


@dataclass(frozen=True, slots=True)
class Verified:
    """A signature that holds; ``time`` is that of a cosignature, in seconds of POSIX time."""

    key: VerifierKey
    time: int | None = None


# verifier keys


def parse_vkey(text: str) -> VerifierKey:
    """Read a verifier key, ``name+hash+base64``.

    Raises:
        BadInput: not one, of another kind than Ed25519, or its hash is not that of the key.
    """
    parts = text.split("+", _VKEY_PARTS - 1)
    try:
        name, key_id, encoded = parts
        material = decode64(encoded)
    except ValueError:
        raise BadInput(
            "is no verifier key", remedy="expected NAME+HASH+KEY, such as the log's operator publishes"
        ) from None
    check_name(name)
    if len(material) != 1 + KEY_BYTES or material[0] not in (ED25519, COSIGNATURE):
        raise BadInput("this verifier key is of a kind that Troth does not know (it knows Ed25519)")
    key = VerifierKey(name, material[0], material[1:])
    if key.id.hex() != key_id:
        raise BadInput("the hash in this verifier key is not that of its name and key: it was altered")
    return key


def verifier_key(private: Ed25519PrivateKey, name: str, kind: int) -> VerifierKey:
    """The verifier key of a private key.

    Raises:
        BadInput: this cannot be the name of a key.
    """
    check_name(name)
    return VerifierKey(name, kind, private.public_key().public_bytes_raw())


def check_name(name: str) -> None:
    """See to it that a key (and so a log) can have a name.

    Raises:
        BadInput: it is empty or too long, or holds a space, a plus or a control character.
    """
    bad = any(one.isspace() or one == "+" or ord(one) < _FIRST_PRINTABLE for one in name)
    surrogate = any("\ud800" <= one <= "\udfff" for one in name)
    if not name or bad or surrogate or len(name.encode(errors="replace")) > MAX_NAME:
        raise BadInput(
            "the name of a key cannot be empty or hold spaces or a plus",
            remedy="use a name such as example.com/log, without https://",
        )


# notes


def parse_note(data: bytes) -> Note:
    """Read a signed note, in its one form.

    Raises:
        BadInput: not a signed note, or too large.
    """
    if len(data) > MAX_NOTE_BYTES:
        raise BadInput(f"a note of more than {MAX_NOTE_BYTES} bytes is not read")
    try:
        whole = data.decode("utf-8")
    except UnicodeDecodeError:
        raise BadInput("is no signed note: not UTF-8") from None
    if any(byte < _FIRST_PRINTABLE and byte != ord("\n") for byte in data):
        raise BadInput("is no signed note: it holds a control character")
    end = whole.rfind("\n\n")
    if end < 0 or not whole.endswith("\n"):
        raise BadInput("is no signed note: expected a text, a blank line and signatures")
    return Note(whole[: end + 1], parse_signatures(whole[end + 2 :]))


def parse_signatures(text: str) -> tuple[Signature, ...]:
    """Read signature lines.

    Raises:
        BadInput: none, too many, or a line is not one.
    """
    lines = text.split("\n")
    if lines.pop() or not lines:
        raise BadInput("is no signed note: expected signature lines, each with its end of line")
    if len(lines) > MAX_SIGNATURES:
        raise BadInput(f"a note with more than {MAX_SIGNATURES} signatures is not read")
    return tuple(map(_parse_signature, lines))


def _parse_signature(line: str) -> Signature:
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    try:
        data = decode64(encoded)
    except ValueError:
        data = b""
    if f"{dash} " != _DASH or len(data) <= ID_BYTES:
        raise BadInput("is no signed note: a signature line is not in its form")
    check_name(name)
    return Signature(name, data[:ID_BYTES], data[ID_BYTES:])


def check_text(text: str) -> None:
    """See to it that a text can be signed.

    Raises:
        BadInput: it does not end with a newline, or holds a control character.
    """
    if not text.endswith("\n") or any(ord(one) < _FIRST_PRINTABLE and one != "\n" for one in text):
        raise BadInput("a note's text ends with a newline and holds no control character")


def sign(text: str, name: str, private: Ed25519PrivateKey) -> Signature:
    """Sign the text of a note (type 01).

    Raises:
        BadInput: text or name cannot stand in a note.
    """
    check_text(text)
    key = verifier_key(private, name, ED25519)
    return Signature(name, key.id, private.sign(text.encode()))


def cosign(text: str, name: str, private: Ed25519PrivateKey, time: int) -> Signature:
    """Cosign the text of a checkpoint at a time in seconds of POSIX time (type 04, ``cosignature/v1``).

    Raises:
        BadInput: text, name or time cannot stand in a cosignature.
    """
    check_text(text)
    if not 0 < time <= _LAST_TIME:
        raise BadInput("this cannot be the time of a cosignature")
    key = verifier_key(private, name, COSIGNATURE)
    return Signature(name, key.id, time.to_bytes(_TIME_BYTES, "big") + private.sign(_cosigned(text, time)))


def _cosigned(text: str, time: int) -> bytes:
    return f"cosignature/v1\ntime {time}\n{text}".encode()


def verify(text: str, signatures: Iterable[Signature], keys: Sequence[VerifierKey]) -> list[Verified]:
    """Those of the signatures that known keys made; signatures of unknown keys are passed over.

    Raises:
        Refused: a signature that names a known key does not hold, or a key has signed twice.
    """
    known = {(key.name, key.id): key for key in keys}
    found: dict[VerifierKey, Verified] = {}
    for signature in signatures:
        key = known.get((signature.name, signature.id))
        if key is None:
            continue
        if key in found:
            raise Refused(f"{key.name} has signed twice")
        found[key] = _verify(text, signature, key)
    return list(found.values())


def _verify(text: str, signature: Signature, key: VerifierKey) -> Verified:
    data, time, message = signature.data, None, text.encode()
    try:
        if key.kind == COSIGNATURE:
            time = int.from_bytes(data[:_TIME_BYTES], "big")
            data = data[_TIME_BYTES:]
            message = _cosigned(text, time)
        if len(data) != _SIGNATURE_BYTES or (time is not None and not 0 < time <= _LAST_TIME):
            raise InvalidSignature
        Ed25519PublicKey.from_public_bytes(key.public).verify(data, message)
    except (InvalidSignature, ValueError):
        raise Refused(
            f"the signature of {key.name} does not hold: the text or the signature was altered"
        ) from None
    return Verified(key, time)


# base64


def encode64(data: bytes) -> str:
    """Base64 of RFC 4648, section 4."""
    return base64.b64encode(data).decode("ascii")


def decode64(text: str) -> bytes:
    """Read base64 in its one form.

    Raises:
        ValueError: not base64, or another form of it (padding left out, stray bits set).
    """
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise ValueError("not base64") from None
    if encode64(data) != text:
        raise ValueError("not base64 in its one form")
    return data
