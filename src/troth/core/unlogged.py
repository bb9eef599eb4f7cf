"""Proofs that a disclosure was signed by both sides and never entered into the log: a violation, checked by anybody.

The operator's receipt names the position of its entry. The proof shows what the log holds there: an entry of another
type; another disclosure, opened; or nothing, though witnesses saw the log end before that position a day and more
after the receipt. Where the log holds a disclosure at that position that nobody opens, nothing is proved:
ask for the opening.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from securesystemslib.signer import SSlibKey

from troth.core.disclosure import OPERATOR, Receipt, check_receipt
from troth.core.entries import Act, commit, parse_entry, read_body
from troth.core.errors import BadInput, TrothError
from troth.core.findings import Findings
from troth.core.merkle import leaf_hash
from troth.core.note import parse_note
from troth.core.openings import Opened, read_base64, read_opened, read_shape
from troth.core.policy import NONE, Policy, check_note
from troth.core.proof import parse_proof, verify_inclusion
from troth.core.values import MICROSECONDS_PER_DAY, canonical, format_instant
from troth.core.written import Json

TYPE: Final = "troth/unlogged/v1"
KIND: Final = "violation"
MAX_UNLOGGED_BYTES: Final = 32 * 1024 * 1024
_MICROSECONDS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Unlogged:
    """A proof as it is written.

    ``receipt``: the envelope, signed by both. ``there``: what stands at its position, as a receipt of the log that
    carries the entry; None: the log ends before it, as ``checkpoint`` shows. ``opened``: that entry, opened.
    """

    receipt: bytes
    there: bytes | None = None
    checkpoint: str | None = None
    opened: Opened | None = None

    def write(self) -> bytes:
        """The bytes of the file."""
        value: dict[str, Json] = {
            "type": TYPE,
            "receipt": base64.b64encode(self.receipt).decode(),
            "there": None if self.there is None else self.there.decode(),
            "checkpoint": self.checkpoint,
            "opened": None if self.opened is None else self.opened.as_json(),
        }
        return canonical(value) + b"\n"


def is_unlogged(data: bytes) -> bool:
    """Whether a file says of itself that it is such a proof."""
    return data[:1] == b"{" and f'"type":"{TYPE}"'.encode() in data[-64:]


def parse_unlogged(data: bytes, source: str) -> Unlogged:
    """Read the bytes of a proof, and nothing but what ``Unlogged.write`` writes.

    Raises:
        BadInput: not one, or in another form.
    """
    shape = read_shape(data, source, MAX_UNLOGGED_BYTES)
    shape.need("type").as_one_of((TYPE,))
    there, checkpoint, opened = (shape.get(key) for key in ("there", "checkpoint", "opened"))
    try:
        found = Unlogged(
            receipt=read_base64(shape.need("receipt")),
            there=there.as_text().encode() if there else None,
            checkpoint=checkpoint.as_text() if checkpoint else None,
            opened=read_opened(opened) if opened else None,
        )
        written = found.write()
    except UnicodeError:
        raise BadInput(f"{source} holds half a surrogate pair") from None
    if written != data:
        raise BadInput(f"{source} is not in the form in which such proofs are written: it was altered")
    return found


def check_unlogged(
    data: bytes, keys: Sequence[SSlibKey], policy: Policy, findings: Findings, source: str
) -> None:
    """Check the bytes of a proof.

    Args:
        data: the bytes of the file.
        keys: the operator's public keys.
        policy: whose log to trust.
        findings: taken further; without an error the disclosure was signed by both sides and is not in the log.
        source: what to call the file.
    """
    try:
        found = parse_unlogged(data, source)
        inner = Findings(KIND)
        receipt = check_receipt(found.receipt, {}, keys, inner, "receipt")
        for one in inner.findings:
            if one.level == "error":
                findings.error(one.what, one.where)
        if receipt is None or not findings.ok:
            return
        what = _check_missing(found, receipt, policy)
    except TrothError as error:
        findings.error(error.message, source)
        return
    except (ValueError, RecursionError) as error:
        findings.error(f"cannot be read: {type(error).__name__}", source)
        return
    if policy.quorum == NONE:
        findings.warning("the policy asks for no witness: the log could show others another history", "log")
    said = receipt.said
    findings.info(
        f"{said.sender.name} and {said.recipient.name} both signed that release {said.release} ({said.rows:,} rows)"
        f" was given at {format_instant(said.at)}, entered at {said.position:,}; {what}"
    )


def _check_missing(found: Unlogged, receipt: Receipt, policy: Policy) -> str:
    """What the log holds instead; raises BadInput where nothing is missing, or nobody can see it."""
    said = receipt.said
    if said.sender.name != OPERATOR or said.position is None:
        raise BadInput(
            "is about a receipt of somebody who keeps no log: only the operator enters disclosures"
        )
    if not (receipt.by_sender and receipt.by_recipient):
        raise BadInput("the receipt is not signed by both sides")
    if found.there is None:
        return _check_end(found, said.position, said.at, policy)
    there = parse_proof(found.there)
    tree = check_note(there.checkpoint, policy).checkpoint
    if there.extra is None or there.index != said.position or found.checkpoint is not None:
        raise BadInput("does not show the entry at the position that the receipt names")
    if not verify_inclusion(leaf_hash(there.extra), there.index, tree.size, there.hashes, tree.root):
        raise BadInput("the entry that it shows is not in the log")
    entry = parse_entry(there.extra)
    if found.opened is None:
        if entry.type == "disclosure":
            raise BadInput(
                "the log holds a disclosure at this position, and nobody has opened it: nothing is proved",
                remedy="ask the operator for its opening",
            )
        return f"the log holds an entry of the type {entry.type} there"
    if (
        found.opened.position != said.position
        or commit(found.opened.salt, found.opened.body) != entry.commitment
    ):
        raise BadInput("salt and body do not open the entry at the position that the receipt names")
    act = read_body(entry.type, json.loads(found.opened.body), said.position)
    if isinstance(act, Act) and act.type == "disclosure" and act.details.get("receipt") == receipt.digest:
        raise BadInput("the log holds this disclosure: nothing is missing")
    return "the log holds something else there"


def _check_end(found: Unlogged, position: int, at: int, policy: Policy) -> str:
    if found.checkpoint is None or found.opened is not None:
        raise BadInput("shows neither the entry at this position nor where the log ends")
    accepted = check_note(parse_note(found.checkpoint.encode()), policy)
    size = accepted.checkpoint.size
    if size > position:
        raise BadInput("the log does not end before the position that the receipt names")
    seen = max(accepted.cosigned.values(), default=None)
    if seen is None or seen * _MICROSECONDS < at + MICROSECONDS_PER_DAY:
        raise BadInput(
            "no witness saw the log end before this position a day after the receipt: the entry may be on its way",
            remedy="repeat it with a newer checkpoint that a witness has cosigned",
        )
    return f"the log held {size:,} entries at {format_instant(seen * _MICROSECONDS)}, and ends before that position"
