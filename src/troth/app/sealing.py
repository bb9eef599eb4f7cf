"""Whether the candidates of a campaign were sealed before the value that drew one of them was known.

The time of a ledger's entry is the word of whoever keeps the ledger: an operator could wait for the value and then
write a commitment with an earlier time. A receipt of the entry that was fetched in between holds the signatures of
witnesses, with times of theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from troth.app import logs
from troth.app.home import Home
from troth.core.canary import History
from troth.core.errors import BadInput, Place
from troth.core.merkle import leaf_hash
from troth.core.policy import check_note
from troth.core.proof import parse_proof, verify_inclusion
from troth.core.values import format_instant

UNSEALED: Final = (
    "For somebody who doubts the clock of whoever keeps the ledger: that the candidates were sealed before the draw. "
    "No receipt of the seal, signed by a witness before it, was handed in."
)
_MICROSECONDS: Final = 1_000_000
_REMEDY: Final = "fetch it after the commitment and before the value is known: troth log receipt POSITION"


@dataclass(frozen=True, slots=True)
class Sealed:
    """Who saw the commitment before the value was known, and when (µs UTC)."""

    witnesses: tuple[str, ...]
    at: int

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"witnesses": list(self.witnesses), "at": format_instant(self.at)}


def sealed(home: Home, history: History, receipt: Path, policy: Path | None = None) -> Sealed:
    """Check a receipt of a campaign's commitment, and who signed it before the value of the draw was known.

    Args:
        home: whose ledger.
        history: of the campaign, committed to and drawn.
        receipt: the proof file (C2SP tlog-proof).
        policy: whom to trust; None: the home's own policy.

    Raises:
        BadInput: it is of another entry, leads to no root, or no witness signed it before.
        Refused: the policy does not trust its checkpoint.
    """
    place = Place(str(receipt))
    try:
        proof = parse_proof(receipt.read_bytes())
    except OSError as error:
        raise BadInput(f"cannot be read: {error.strerror}", place=place) from None
    with home.reading() as ledger:
        entry = next(ledger.public(history.commit_entry, history.commit_entry + 1))
    if proof.index != history.commit_entry:
        raise BadInput(
            f"is the receipt of entry {proof.index}; the commitment is entry {history.commit_entry}",
            place=place,
            remedy=_REMEDY,
        )
    accepted = check_note(proof.checkpoint, logs.read_trust(policy) if policy else logs.policy_of(home))
    tree = accepted.checkpoint
    if not verify_inclusion(leaf_hash(entry.text()), proof.index, tree.size, proof.hashes, tree.root):
        raise BadInput("does not lead from this ledger's entry to the log's root", place=place)
    assert history.beacon is not None  # noqa: S101 - drawn
    before = {
        name: seconds
        for name, seconds in accepted.cosigned.items()
        if seconds * _MICROSECONDS < history.beacon.at
    }
    if not before:
        raise BadInput(
            f"no witness signed it before the value was known ({format_instant(history.beacon.at)})",
            place=place,
            remedy=_REMEDY,
        )
    return Sealed(tuple(sorted(before)), min(before.values()) * _MICROSECONDS)
