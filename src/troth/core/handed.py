"""What the ledger says of recipients, disclosures and recalls: a fold over its entries, and nothing else.

An acknowledgement counts only if the recipient's signature under it holds, whatever an entry says of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from troth.core.disclosure import Agreement, Receipt, read_receipt
from troth.core.entries import Act
from troth.core.errors import BadInput, Corrupt, Place
from troth.core.recall import Acknowledgement, read_acknowledgement
from troth.core.values import MICROSECONDS_PER_DAY, parse_instant
from troth.core.written import Json

RECIPIENT: Final = "recipient"
DISCLOSED: Final = "disclosed"
COUNTERSIGNED: Final = "countersigned"
PASSED_ON: Final = "passed_on"
OPENED: Final = "opened"
REMINDED: Final = "reminded"
ESCALATED: Final = "escalated"
ACKNOWLEDGED: Final = "acknowledged"

QUARANTINE: Final = "quarantine"
DELETE: Final = "delete"


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who may get something: name, public keys (raw, hex), agreement, contact, and how it is recalled from."""

    name: str
    keys: tuple[str, ...]
    agreement: Agreement | None
    contact: str
    deadline_days: int
    escalation: str | None = None

    def as_json(self) -> dict[str, Json]:
        """Plain JSON values."""
        return {
            "recipient": self.name,
            "keys": list(self.keys),
            "agreement": self.agreement.as_json() if self.agreement else None,
            "contact": self.contact,
            "deadline_days": self.deadline_days,
            "escalation": self.escalation,
        }


@dataclass(slots=True)
class Link:
    """A disclosure that the ledger knows: its newest receipt, where it stands, what was recalled of it."""

    receipt: Receipt
    envelope: str
    entry: int
    recalls: list[Recalled] = field(default_factory=list)

    @property
    def digest(self) -> str:
        """What it is known by."""
        return self.receipt.digest

    @property
    def is_countersigned(self) -> bool:
        """Whether the recipient has signed for it."""
        return self.receipt.by_recipient


@dataclass(slots=True)
class Recalled:
    """A recall as it stands. ``rows``: how many; ``notice``: the digest of what the recipient was told."""

    id: str
    receipt: str
    rows: int
    notice: str
    instruction: str
    opened_at: int
    due_at: int
    entry: int
    replaces: str | None = None
    replaced: bool = False
    reminders: list[int] = field(default_factory=list)
    escalated_at: int | None = None
    answer: Acknowledgement | None = None

    @property
    def is_cleared(self) -> bool:
        """Whether the recipient has signed that every row is deleted: nothing less clears a recall."""
        return (
            self.answer is not None
            and self.answer.notice == self.notice
            and self.instruction == DELETE
            and not self.answer.kept
        )

    def status(self, now: int) -> str:
        """``cleared``, ``replaced``, ``quarantined under hold``, ``not all deleted``, ``overdue`` or ``open``."""
        if self.is_cleared:
            return "cleared"
        if self.replaced:
            return "replaced"
        if self.instruction == QUARANTINE:
            return "quarantined under hold"
        if self.answer is not None:
            return "not all deleted"
        return "overdue" if now > self.due_at else "open"


class Book:
    """Recipients, disclosures and recalls, as the ledger's entries tell them."""

    def __init__(self, acts: Iterable[tuple[int, Act]]) -> None:
        self.recipients: dict[str, Recipient] = {}
        self.links: dict[str, Link] = {}
        self.recalls: dict[str, Recalled] = {}
        self.past: list[tuple[int, dict[str, Json]]] = []
        for position, act in acts:
            try:
                self.add(position, act)
            except (BadInput, KeyError, TypeError, ValueError) as error:
                raise Corrupt(
                    f"entry {position} cannot be read: {error}",
                    place=Place("ledger"),
                    remedy="restore the ledger from a backup",
                ) from None

    def add(self, position: int, act: Act) -> None:
        """Take in one more entry; entries come in ledger order."""
        details = act.details
        step = details.get("step")
        if act.type == "key" and details.get("use") == RECIPIENT:
            one = recipient_of(details)
            self.recipients[one.name] = one
        elif act.type == "disclosure" and step == "past":
            self.past.append((position, details))
        elif act.type == "disclosure":
            self._disclosed(position, str(step), str(details["envelope"]))
        elif act.type == "recall":
            self._recalled(position, str(step), details)

    def _disclosed(self, position: int, step: str, envelope: str) -> None:
        receipt = read_receipt(envelope.encode(), f"entry {position}")
        if step in (DISCLOSED, PASSED_ON):
            self.links.setdefault(receipt.digest, Link(receipt, envelope, position))
        elif step == COUNTERSIGNED and receipt.by_recipient:
            known = self.links[receipt.digest]
            known.receipt, known.envelope = receipt, envelope

    def _recalled(self, position: int, step: str, details: Mapping[str, Json]) -> None:
        if step == OPENED:
            self._opened(position, details)
            return
        recall = self.recalls[str(details["recall"])]
        at = parse_instant(str(details["at"]))
        if step == REMINDED:
            recall.reminders.append(at)
        elif step == ESCALATED:
            recall.escalated_at = at
        elif step == ACKNOWLEDGED:
            keys = self.links[recall.receipt].receipt.said.recipient.keys
            answer = read_acknowledgement(str(details["envelope"]).encode(), keys, f"entry {position}")
            if answer.recall == recall.id and answer.notice == recall.notice:
                recall.answer = answer

    def _opened(self, position: int, details: Mapping[str, Json]) -> None:
        replaces = details.get("replaces")
        recall = Recalled(
            id=str(details["recall"]),
            receipt=str(details["receipt"]),
            rows=int(str(details["rows"])),
            notice=str(details["notice"]),
            instruction=str(details["instruction"]),
            opened_at=parse_instant(str(details["at"])),
            due_at=parse_instant(str(details["due_at"])),
            entry=position,
            replaces=None if replaces is None else str(replaces),
        )
        if recall.replaces is not None:
            self.recalls[recall.replaces].replaced = True
        self.recalls[recall.id] = recall
        self.links[recall.receipt].recalls.append(recall)

    # following chains

    def below(self, digest: str) -> Iterator[Link]:
        """The links that rest on a receipt directly, in ledger order."""
        return (one for one in self.links.values() if one.receipt.said.rests_on == digest)

    def roots(self) -> Iterator[Link]:
        """The disclosures by the operator, and those whose base the ledger does not know."""
        return (one for one in self.links.values() if one.receipt.said.rests_on not in self.links)

    def tree(self, link: Link, depth: int = 0) -> Iterator[tuple[int, Link]]:
        """A link and all that rest on it, each with its depth."""
        yield depth, link
        for one in self.below(link.digest):
            yield from self.tree(one, depth + 1)

    def others(self) -> dict[str, bytes]:
        """All receipts by their digests."""
        return {digest: one.envelope.encode() for digest, one in self.links.items()}

    def is_chain_cleared(self, link: Link) -> bool:
        """Whether nothing that was recalled of a link, or of one that rests on it, waits for a signature."""
        return all(
            recall.is_cleared or recall.replaced for _, one in self.tree(link) for recall in one.recalls
        )


def recipient_of(details: Mapping[str, Json]) -> Recipient:
    """A recipient of what an entry says. Raises KeyError, TypeError, ValueError."""
    agreement, escalation, keys = details["agreement"], details["escalation"], details["keys"]
    found = None
    if isinstance(agreement, dict):
        digest = agreement["sha256"]
        found = Agreement(
            str(agreement["document"]), str(agreement["version"]), None if digest is None else str(digest)
        )
    return Recipient(
        name=str(details["recipient"]),
        keys=tuple(str(one) for one in keys) if isinstance(keys, list) else (),
        agreement=found,
        contact=str(details["contact"]),
        deadline_days=int(str(details["deadline_days"])),
        escalation=None if escalation is None else str(escalation),
    )


def due_at(opened_at: int, days: int) -> int:
    """When a recall is due: so many days after it was opened (microseconds UTC)."""
    return opened_at + days * MICROSECONDS_PER_DAY
