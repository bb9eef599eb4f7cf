"""The add-checkpoint request of C2SP tlog-witness, and what a witness answers: pure functions of bytes.

The witness keeps one thing for each log: the last checkpoint that it cosigned. ``judge`` compares a request with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from troth.core.checkpoint import Checkpoint, parse_checkpoint, parse_size
from troth.core.errors import BadInput, Refused
from troth.core.merkle import EMPTY_ROOT
from troth.core.note import MAX_NOTE_BYTES, Note, VerifierKey, encode64, parse_note, verify
from troth.core.proof import parse_hashes, verify_consistency

OK: Final = 200
BAD_REQUEST: Final = 400
FORBIDDEN: Final = 403
NOT_FOUND: Final = 404
CONFLICT: Final = 409
UNPROCESSABLE: Final = 422

PLAIN: Final = "text/plain; charset=utf-8"
SIZE: Final = "text/x.tlog.size"
MAX_REQUEST_BYTES: Final = MAX_NOTE_BYTES + 8 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """A log's request: the size that the witness has seen last, a proof from there, the checkpoint."""

    old: int
    proof: tuple[bytes, ...]
    note: Note
    checkpoint: Checkpoint

    def write(self) -> bytes:
        """The body of the request."""
        return "\n".join([f"old {self.old}", *map(encode64, self.proof), "", ""]).encode() + self.note.write()


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP status, the body and its type."""

    status: int
    body: bytes = b""
    type: str = PLAIN


class Declined(Exception):
    """A request that is not cosigned; carries the answer."""

    def __init__(self, status: int, why: str, kind: str = PLAIN) -> None:
        super().__init__(why)
        self.answer = Answer(status, f"{why}\n".encode(), kind)


def parse_request(data: bytes) -> Request:
    """Read the body of an add-checkpoint request.

    Raises:
        BadInput: not one.
    """
    if len(data) > MAX_REQUEST_BYTES:
        raise BadInput("the request is too large")
    head, blank, rest = data.partition(b"\n\n")
    try:
        first, *lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise BadInput("expected ASCII above the checkpoint") from None
    if not blank or not first.startswith("old "):
        raise BadInput("expected an old size, a proof, a blank line and a checkpoint")
    note = parse_note(rest)
    old = parse_size(first.removeprefix("old "))
    return Request(old, parse_hashes(lines), note, parse_checkpoint(note.text))


def judge(request: Request, keys: Sequence[VerifierKey], last: Checkpoint | None) -> None:
    """Check a request in the order of the specification.

    Args:
        request: what was asked.
        keys: those trusted for this origin; none: the log is unknown.
        last: the checkpoint of this origin that was cosigned last.

    Raises:
        Declined: it must not be cosigned; with the status to answer.
    """
    checkpoint, proof = request.checkpoint, request.proof
    if not keys:
        raise Declined(NOT_FOUND, "this log is unknown here")
    try:
        signed = verify(request.note.text, request.note.signatures, keys)
    except Refused as error:
        raise Declined(FORBIDDEN, error.message) from None
    if not signed:
        raise Declined(FORBIDDEN, "no trusted key of this log has signed the checkpoint")
    if request.old > checkpoint.size:
        raise Declined(BAD_REQUEST, "the old size is larger than the checkpoint's")
    size = 0 if last is None else last.size
    if request.old != size:
        raise Declined(CONFLICT, str(size), SIZE)
    if checkpoint.size == 0 and checkpoint.root != EMPTY_ROOT:
        raise Declined(UNPROCESSABLE, "this is not the root of the empty tree")
    root = EMPTY_ROOT if last is None else last.root
    if not verify_consistency(size, checkpoint.size, proof, root, checkpoint.root):
        raise Declined(UNPROCESSABLE, "the proof does not lead from the last checkpoint to this one")
