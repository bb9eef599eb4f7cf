"""A whole network of one seed: members, what they wrote, and what the ledger is told of them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property

import pyarrow as pa

from troth_network.history import Event, make_events
from troth_network.members import Member, make_members
from troth_network.records import Record, make_records, to_table


@dataclass(frozen=True)
class Network:
    """Northlight, a professional network that does not exist."""

    seed: int
    members: tuple[Member, ...]
    records: tuple[Record, ...]
    events: tuple[Event, ...]

    @cached_property
    def by_id(self) -> dict[str, Member]:
        """The members by their ids."""
        return {member.id: member for member in self.members}

    def table(self) -> pa.Table:
        """The records in Troth's record columns; ``salt`` is null until Troth draws it."""
        return to_table(self.records)

    def digest(self) -> str:
        """SHA-256 (hex) of all events and records: equal for equal seeds and sizes, everywhere."""
        digest = hashlib.sha256()
        for item in (*self.events, *map(asdict, self.records)):
            digest.update(json.dumps(item, sort_keys=True, ensure_ascii=False).encode())
        return digest.hexdigest()


def build(members: int = 2_000, records: int = 12_000, seed: int = 1) -> Network:
    """Make a network; the defaults are those of the story.

    Raises:
        ValueError: a network has at least one member.
    """
    if members < 1:
        raise ValueError("a network has at least one member")
    people = make_members(members, seed)
    written = make_records(records, people, seed)
    return Network(seed, tuple(people), tuple(written), tuple(make_events(people, seed)))
