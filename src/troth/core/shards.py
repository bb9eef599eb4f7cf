"""Which shard and slice a record is learned in, in which order, and from which seeds.

Everything here is a function of one record and of what was fixed before training, never of which other records
exist: a plan that looked at them would move others about when one leaves, and so tell of the one who left.
After SISA (Bourtoule et al., "Machine Unlearning", 2021), with members' communities in place of random shards.

The rule, of which ``RULE`` is the name (``‖`` joins, ``text(x)`` is the length of x in bytes as 4 bytes
big-endian, then x in UTF-8; ``u32`` is 4 bytes big-endian)::

    shard = SHA-256("troth/shard/v1" NUL ‖ key ‖ text(kind) ‖ text(unit))[:8] mod K
    slice = first(class) + SHA-256("troth/slice/v2" NUL ‖ key ‖ text(kind) ‖ text(holder))[:8] mod width(class)
    seed  = SHA-256("troth/seed/v1" NUL ‖ key ‖ u32 shard ‖ u32 slice ‖ u32 epoch)
    order = ascending by SHA-256(seed ‖ record id in UTF-8)

``kind`` and ``unit`` are told by ``unit_of``, ``kind`` and ``holder`` by ``holder_of``. All that a member published
stands in one slice, and so does a conversation: what is spread over the slices of a shard would nearly always begin in
the first one, and the whole shard would have to be trained again. The slices are divided among the risk classes in
order, so that the records of members who are likelier to leave stand in later slices, of which less has to be trained
again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from troth.core.errors import BadInput
from troth.core.values import canonical, covers
from troth.core.written import Json

RULE: Final = "troth/shards/v2"
KEY_BYTES: Final = 32
MAX_SHARDS: Final = 4096
MAX_SLICES: Final = 256
PRIVATE: Final = "private_message"


@dataclass(frozen=True, slots=True)
class Plan:
    """What fixes the place of every record, drawn or chosen before any record was seen.

    ``key`` is 32 random bytes; ``classes`` is the number of risk classes (class 0 is the least likely to leave).

    Raises:
        BadInput: a number out of range.
    """

    key: bytes
    shards: int = 1
    slices: int = 1
    classes: int = 1

    def __post_init__(self) -> None:
        if len(self.key) != KEY_BYTES:
            raise BadInput(f"the key of a plan has {KEY_BYTES} bytes, got {len(self.key)}")
        for name, value, most in (("shards", self.shards, MAX_SHARDS), ("slices", self.slices, MAX_SLICES)):
            if not 1 <= value <= most:
                raise BadInput(f"expected 1 to {most} {name}, got {value}")
        if not 1 <= self.classes <= self.slices:
            raise BadInput(
                f"expected as many slices as risk classes or more, got {self.slices} for {self.classes}",
                remedy="raise --slices",
            )

    def as_json(self) -> dict[str, Json]:
        """Plain JSON values, the key in hex."""
        return {
            "rule": RULE,
            "key": self.key.hex(),
            "shards": self.shards,
            "slices": self.slices,
            "classes": self.classes,
        }

    def digest(self) -> str:
        """SHA-256 (hex) of the canonical JSON."""
        return hashlib.sha256(canonical(self.as_json())).hexdigest()


@dataclass(frozen=True, slots=True)
class Item:
    """What the place of a record depends on. ``quoted``: members whose words it repeats."""

    id: str
    category: str
    author: str | None
    addressees: tuple[str, ...] = ()
    conversation: str | None = None
    quoted: tuple[str, ...] = ()

    @property
    def is_private(self) -> bool:
        """Whether it was written to somebody, not to the public."""
        return covers(PRIVATE, self.category) or bool(self.addressees)

    @property
    def parties(self) -> tuple[str, ...]:
        """Everybody whose record it is, each once: author, addressees and those it quotes.

        A withdrawal of any of them removes it.
        """
        everybody = (self.author, *self.addressees, *self.quoted)
        return tuple(dict.fromkeys(one for one in everybody if one))


@dataclass(frozen=True, slots=True)
class Frozen:
    """What was written down about members and conversations before training, and never changes for a model.

    ``communities``: the community that each member was assigned when they joined. ``conversations``: the community
    of each conversation, fixed by its first message. ``risks``: the risk class of each member.
    """

    communities: Mapping[str, str] = field(default_factory=dict)
    conversations: Mapping[str, str] = field(default_factory=dict)
    risks: Mapping[str, int] = field(default_factory=dict)

    def digest(self) -> str:
        """SHA-256 (hex) of the canonical JSON."""
        return hashlib.sha256(
            canonical(
                {
                    "communities": dict(self.communities),
                    "conversations": dict(self.conversations),
                    "risks": dict(self.risks),
                }
            )
        ).hexdigest()


NOTHING_FROZEN: Final = Frozen()


def unit_of(item: Item, frozen: Frozen = NOTHING_FROZEN) -> tuple[str, str]:
    """The kind and name of what goes to one shard as a whole.

    What ``holder_of`` tells, or its community, where one was frozen: that of the conversation, or of the author.
    """
    kind, holder = holder_of(item)
    known = {"conversation": frozen.conversations, "author": frozen.communities}.get(kind, {})
    return ("community", known[holder]) if holder in known else (kind, holder)


def holder_of(item: Item) -> tuple[str, str]:
    """The kind and name of what goes to one slice as a whole.

    A private message goes with its conversation (without one: with its parties); anything else with its author; a
    record of nobody goes by itself.
    """
    if item.is_private:
        if item.conversation is not None:
            return "conversation", item.conversation
        return "parties", "".join(f"{len(one)}:{one}" for one in sorted(item.parties))
    return ("author", item.author) if item.author else ("record", item.id)


def shard_of(plan: Plan, item: Item, frozen: Frozen = NOTHING_FROZEN) -> int:
    """The shard of a record, from 0."""
    if plan.shards == 1:
        return 0
    kind, unit = unit_of(item, frozen)
    return _number(b"troth/shard/v1\0" + plan.key + _text(kind) + _text(unit)) % plan.shards


def slice_of(plan: Plan, item: Item, frozen: Frozen = NOTHING_FROZEN) -> int:
    """The slice of a record in its shard, from 0: by the highest risk class among its parties, and a hash of what it
    belongs to (see ``holder_of``)."""
    if plan.slices == 1:
        return 0
    risk = max((frozen.risks.get(one, 0) for one in item.parties), default=0)
    if not 0 <= risk < plan.classes:
        raise BadInput(f"a member is of risk class {risk}; the plan has {plan.classes} classes, from 0")
    first = risk * plan.slices // plan.classes
    width = (risk + 1) * plan.slices // plan.classes - first
    kind, holder = holder_of(item)
    return first + _number(b"troth/slice/v2\0" + plan.key + _text(kind) + _text(holder)) % width


def seed(plan: Plan, shard: int, slice_: int, epoch: int = 0) -> bytes:
    """The seed of an epoch on a slice, 32 bytes."""
    numbers = b"".join(one.to_bytes(4, "big") for one in (shard, slice_, epoch))
    return hashlib.sha256(b"troth/seed/v1\0" + plan.key + numbers).digest()


def in_order(seed_: bytes, ids: Iterable[str]) -> list[int]:
    """The places of records in the order in which an epoch takes them; two records never change places
    because a third is there or not."""
    keyed = [(hashlib.sha256(seed_ + one.encode()).digest(), at) for at, one in enumerate(ids)]
    return [at for _, at in sorted(keyed)]


def _text(value: str) -> bytes:
    data = value.encode()
    return len(data).to_bytes(4, "big") + data


def _number(data: bytes) -> int:
    return int.from_bytes(hashlib.sha256(data).digest()[:8], "big")
