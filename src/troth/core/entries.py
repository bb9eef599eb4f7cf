"""The entry format of the ledger and its public log (bytes fixed in the design's ledger.md).

An entry is ``troth/entry/v1``, a public type, a public time and a salted commitment to a private body.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from troth.core.errors import BadInput, Corrupt, Place
from troth.core.events import Event, public_type, subject_of
from troth.core.shape import Shape
from troth.core.stored import stored_event
from troth.core.values import canonical, format_instant, parse_instant
from troth.core.written import Json, read_event, write_event

PUBLIC_TYPES: Final = (
    "terms setting regime rules release disclosure recall training unlearning canary directory hold key access member"
).split()

SALT_BYTES: Final = 32

# Events written down hold text, small integers, flags and ASCII keys only; for those the standard encoder
# gives the bytes of RFC 8785, ten times as fast. A property test holds the two together.
_ENCODER: Final = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False, check_circular=False
)
_HOUR: Final = 60 * 60 * 1_000_000


@dataclass(frozen=True, slots=True)
class Entry:
    """What the public sees of an entry."""

    type: str
    time: str
    commitment: bytes

    def text(self) -> bytes:
        """The bytes of the entry: the leaf data of the public log."""
        commitment = base64.b64encode(self.commitment).decode("ascii")
        return f"troth/entry/v1\n{self.type}\n{self.time}\n{commitment}\n".encode("ascii")


@dataclass(frozen=True, slots=True)
class Act:
    """Something the operator did that is no promise, notice or choice: a release, later disclosures and more.

    ``type`` is the public type; ``details`` are plain JSON values.
    """

    type: str
    details: dict[str, Json]


def parse_entry(data: bytes) -> Entry:
    """Read the bytes of an entry.

    Raises:
        BadInput: not an entry of version 1, or not in its one canonical form.
    """
    lines = data.split(b"\n")
    try:
        head, kind, time, encoded, end = lines
        commitment = base64.b64decode(encoded, validate=True)
        entry = Entry(kind.decode("ascii"), time.decode("ascii"), commitment)
    except ValueError:
        raise BadInput("not a troth/entry/v1 entry") from None
    if (
        head != b"troth/entry/v1"
        or end
        or kind.decode() not in PUBLIC_TYPES
        or len(commitment) != hashlib.sha256().digest_size
    ):
        raise BadInput("not a troth/entry/v1 entry")
    if entry.text() != data or public_time(entry.type, parse_instant(entry.time)) != entry.time:
        raise BadInput("the entry is not in its canonical form")
    return entry


def commit(salt: bytes, body: bytes) -> bytes:
    """The commitment to a body: SHA-256 of a label, the salt (32 bytes) and the body."""
    return hashlib.sha256(b"troth/commit/v1\0" + salt + body).digest()


@lru_cache(maxsize=256)
def public_time(kind: str, recorded_at: int) -> str:
    """RFC 3339 UTC to the second; for members' entries rounded down to the hour, so that no click can be found."""
    unit = _HOUR if kind == "member" else 1_000_000
    return format_instant(recorded_at - recorded_at % unit)


def encode_event(event: Event) -> str:
    """The canonical JSON of an event in its short form, as text."""
    return _ENCODER.encode(write_event(event))


def make_body(what: Event | Act, recorded_at: int, previous: int | None, encoded: str | None = None) -> bytes:
    """The canonical JSON body: what happened, when it was recorded, and a member's entry before this one.

    Args:
        what: what happened.
        recorded_at: microseconds UTC.
        previous: the position of the member's entry before this one.
        encoded: ``encode_event`` of it, where that is at hand.

    Raises:
        BadInput: it has no canonical form.
    """
    if isinstance(what, Act):
        return canonical({"act": what.details, "recorded_at": format_instant(recorded_at)})
    event = encode_event(what) if encoded is None else encoded
    before = "null" if previous is None else str(previous)
    middle = f'"previous":{before},' if subject_of(what) is not None else ""
    try:
        return f'{{"event":{event},{middle}"recorded_at":"{_recorded(recorded_at)}"}}'.encode()
    except UnicodeEncodeError:
        raise BadInput("this event has no canonical JSON form: a lone surrogate") from None


@lru_cache(maxsize=16)
def _recorded(recorded_at: int) -> str:
    """Entries of one append share their instant."""
    return format_instant(recorded_at)


def entry_type(what: Event | Act) -> str:
    """The public type of an event or act."""
    return what.type if isinstance(what, Act) else public_type(what)


def read_body(kind: str, body: dict[str, Json], position: int) -> Event | Act:
    """What a stored body says.

    Raises:
        Corrupt: the body is not one that this version writes.
    """
    try:
        if "act" in body and isinstance(body["act"], dict):
            return Act(kind, body["act"])
        event = body["event"]
        quick = stored_event(event) if isinstance(event, dict) else None
        return quick if quick is not None else read_event(Shape(event, f"ledger entry {position}"))
    except (KeyError, TypeError, ValueError, BadInput) as error:
        raise Corrupt(
            f"the body of entry {position} cannot be read: {error}",
            place=Place("ledger"),
            remedy="restore the ledger from a backup",
        ) from None
