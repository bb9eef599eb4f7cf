"""Openings: positions, salts and bodies of ledger entries, as files that are handed to those whom they concern.

A member's history, the public terms, or one disclosure: whoever has the log sees by the commitments that the bodies are
the ones that were entered.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from troth.core.errors import BadInput
from troth.core.shape import Shape
from troth.core.values import canonical
from troth.core.written import Json

TYPE: Final = "troth/openings/v1"
MAX_OPENINGS_BYTES: Final = 256 * 1024 * 1024
_SALT: Final = 32


@dataclass(frozen=True, slots=True)
class Opened:
    """An entry of the log, opened: its position, salt (32 B) and body; ``proof``: its receipt, where that is needed."""

    position: int
    salt: bytes
    body: bytes
    proof: bytes | None = None

    def as_json(self) -> dict[str, Json]:
        """Plain JSON values."""
        return {
            "position": self.position,
            "salt": self.salt.hex(),
            "body": base64.b64encode(self.body).decode(),
            "proof": None if self.proof is None else self.proof.decode(),
        }


def read_opened(shape: Shape) -> Opened:
    """An opened entry of a file.

    Raises:
        BadInput: none.
    """
    proof, salt = shape.get("proof"), shape.need("salt").as_text()
    try:
        raw = bytes.fromhex(salt)
    except ValueError:
        raw = b""
    if len(raw) != _SALT:
        shape.need("salt").refuse(f"expected {2 * _SALT} hexadecimal digits")
    return Opened(
        shape.need("position").as_count(),
        raw,
        read_base64(shape.need("body")),
        proof.as_text().encode() if proof else None,
    )


def read_base64(shape: Shape) -> bytes:
    """Bytes of a file. Raises as ``read_opened``."""
    try:
        return base64.b64decode(shape.as_any_text(), validate=True)
    except ValueError:
        shape.refuse("expected base64")


def write_openings(entries: Sequence[Opened]) -> bytes:
    """The bytes of a file of openings."""
    listed: list[Json] = [one.as_json() for one in entries]
    return canonical({"type": TYPE, "entries": listed}) + b"\n"


def parse_openings(data: bytes, source: str) -> list[Opened]:
    """Read the bytes of a file of openings, and nothing but what ``write_openings`` writes.

    Raises:
        BadInput: none, or in another form.
    """
    shape = read_shape(data, source, MAX_OPENINGS_BYTES)
    shape.need("type").as_one_of((TYPE,))
    found = [read_opened(one) for one in shape.need("entries").items()]
    if write_openings(found) != data:
        raise BadInput(f"{source} is not in the form in which openings are written: it was altered")
    return found


def read_shape(data: bytes, source: str, limit: int) -> Shape:
    """The JSON of a file of bounded size.

    Raises:
        BadInput: it is larger, or holds no JSON.
    """
    if len(data) > limit:
        raise BadInput(f"{source} is larger than {limit:,} bytes")
    try:
        return Shape(json.loads(data), source)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{source} holds no JSON: {type(error).__name__}") from None
