"""Recalls: what a recipient is told to delete, and what it signs that it did.

The notice names rows by their record ids and nothing else: not whose they are, not why. The acknowledgement is
signed by the recipient with the keys that its receipt names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from securesystemslib.signer import SSlibKey

from troth.core import statement
from troth.core.errors import BadInput
from troth.core.findings import Findings
from troth.core.manifest import check_release_id
from troth.core.shape import Shape
from troth.core.values import check_recipient, format_instant
from troth.core.verify import read_envelope, signed_by
from troth.core.written import Json

NOTICE_TYPE: Final = "urn:troth:recall:v1"
ACKNOWLEDGEMENT_TYPE: Final = "urn:troth:recall-acknowledgement:v1"
INSTRUCTIONS: Final = ("delete", "quarantine")


@dataclass(frozen=True, slots=True)
class Notice:
    """What a recipient is told. ``receipt``: the digest of what it signed for; ``ids``: sorted record ids.

    ``instruction`` ``quarantine``: a legal hold; use ends at once, nothing may be destroyed until another notice.
    """

    id: str
    receipt: str
    release: str
    manifest: str
    recipient: str
    instruction: str
    at: int
    due_at: int
    ids: tuple[str, ...]
    successor: str | None = None

    def write(self) -> bytes:
        """The canonical bytes of the statement."""
        predicate: dict[str, Json] = {
            "recall": self.id,
            "receipt": self.receipt,
            "release": self.release,
            "recipient": self.recipient,
            "instruction": self.instruction,
            "at": format_instant(self.at),
            "due_at": format_instant(self.due_at),
            "records": list(self.ids),
            "successor": self.successor,
        }
        return statement.build(NOTICE_TYPE, ("manifest.dsse.json", self.manifest), predicate)


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What a recipient signs: all rows of the notice are gone (or, in quarantine, out of use) but those in ``kept``.

    ``notice``: the digest of the notice's statement; ``kept``: record ids and why each could not be deleted.
    """

    recall: str
    notice: str
    recipient: str
    at: int
    kept: tuple[tuple[str, str], ...] = ()

    def write(self) -> bytes:
        """The canonical bytes of the statement."""
        predicate: dict[str, Json] = {
            "recall": self.recall,
            "recipient": self.recipient,
            "at": format_instant(self.at),
            "not_deleted": [{"record": record, "why": why} for record, why in self.kept],
        }
        return statement.build(ACKNOWLEDGEMENT_TYPE, ("recall", self.notice), predicate)


def parse_notice(payload: bytes, source: str) -> Notice:
    """Read the statement of a notice.

    Raises:
        BadInput: none of this version, or not in its canonical form.
    """
    (_, manifest), shape = statement.read(payload, NOTICE_TYPE, source)
    successor = shape.get("successor")
    found = Notice(
        id=shape.need("recall").checked(check_release_id),
        receipt=statement.as_digest(shape.need("receipt")),
        release=shape.need("release").checked(check_release_id),
        manifest=manifest,
        recipient=shape.need("recipient").checked(check_recipient),
        instruction=shape.need("instruction").as_one_of(INSTRUCTIONS),
        at=shape.need("at").as_instant(),
        due_at=shape.need("due_at").as_instant(),
        ids=shape.need("records").texts(),
        successor=successor.checked(check_release_id) if successor else None,
    )
    if found.write() != payload or list(found.ids) != sorted(set(found.ids)) or not found.ids:
        raise BadInput(f"{source} holds more, or other, than a notice of this version")
    return found


def read_notice(data: bytes, keys: Sequence[SSlibKey], source: str) -> Notice:
    """Read a notice that one of these keys has signed.

    Raises:
        BadInput: no notice, or none of them has.
    """
    envelope = read_envelope(data, source)
    found = parse_notice(envelope.payload, source)
    if not signed_by(envelope, keys) or len(envelope.signatures) != 1:
        raise BadInput(
            f"{source}: no trusted key has signed the notice: it was altered, or is somebody else's"
        )
    return found


def parse_acknowledgement(payload: bytes, source: str) -> Acknowledgement:
    """Read the statement of an acknowledgement. Raises as ``parse_notice``."""
    (_, notice), shape = statement.read(payload, ACKNOWLEDGEMENT_TYPE, source)
    found = Acknowledgement(
        recall=shape.need("recall").checked(check_release_id),
        notice=notice,
        recipient=shape.need("recipient").checked(check_recipient),
        at=shape.need("at").as_instant(),
        kept=tuple(_kept(one) for one in shape.need("not_deleted").items()),
    )
    if found.write() != payload:
        raise BadInput(f"{source} holds more, or other, than an acknowledgement of this version")
    return found


def _kept(shape: Shape) -> tuple[str, str]:
    return shape.need("record").as_text(), shape.need("why").as_text()


def read_acknowledgement(data: bytes, keys: Sequence[str], source: str) -> Acknowledgement:
    """Read an acknowledgement that one of these keys (raw, hex) has signed.

    Raises:
        BadInput: none of them has, or it cannot be read.
    """
    envelope = read_envelope(data, source)
    found = parse_acknowledgement(envelope.payload, source)
    if not signed_by(envelope, [statement.key_of(one) for one in keys]) or len(envelope.signatures) != 1:
        raise BadInput(
            f"{source}: the recipient's signature does not hold: nothing is cleared by it",
            remedy="have the recipient sign with a key that its receipt names",
        )
    return found


def check_signed(data: bytes, keys: Sequence[SSlibKey], findings: Findings, source: str) -> None:
    """Check a notice or an acknowledgement with trusted keys, and say what it says."""
    try:
        if statement.kind_of(data) == NOTICE_TYPE:
            one = read_notice(data, keys, source)
            findings.info(
                f"{one.recipient} is told to {one.instruction} {len(one.ids):,} rows of {one.release} by"
                f" {format_instant(one.due_at)}"
            )
        else:
            answer = read_acknowledgement(data, [statement.public_of(key) for key in keys], source)
            findings.info(
                f"{answer.recipient} signed at {format_instant(answer.at)} for recall {answer.recall}"
            )
            for record, why in answer.kept:
                findings.warning(f"could not be deleted: {why}", f"record {record}")
    except BadInput as error:
        findings.error(error.message, source)
