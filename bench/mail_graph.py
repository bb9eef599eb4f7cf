"""Real mail as records: who wrote to whom, when, how much; and communities of a mail graph."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import networkx

from troth.core.shards import Frozen, Item


@dataclass(frozen=True, slots=True)
class Mail:
    """A message: people by address or name, the instant as ISO text that sorts."""

    id: str
    author: str
    addressees: tuple[str, ...]
    date: str
    text: str

    @property
    def size(self) -> int:
        """Bytes of text: what training on it costs is in proportion."""
        return len(self.text.encode())

    @property
    def pair(self) -> str:
        """The conversation of two people, as in a chat."""
        return " ~ ".join(sorted((self.author, *self.addressees)))

    def as_message(self) -> Item:
        """A private message of a conversation."""
        return Item(self.id, "private_message", self.author, self.addressees, self.pair)

    def as_post(self) -> Item:
        """The same as something public of its author."""
        return Item(self.id, "post", self.author)


def enron(path: Path) -> list[Mail]:
    """The mail of some mailboxes, each text once."""
    found: dict[str, Mail] = {}
    for row in _rows(path):
        author = _name(row["from"])
        people = {_name(one) for key in ("to", "cc", "bcc") for one in row[key] or ()} - {author, ""}
        text = "\n".join(filter(None, (row["subject"], row["body"])))
        if author and people and row["body"]:
            key = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
            found.setdefault(key, Mail(key[:24], author, tuple(sorted(people)), str(row["date"] or ""), text))
    return sorted(found.values(), key=lambda mail: (mail.date, mail.id))


def mailing_list(path: Path) -> list[Mail]:
    """The mail of a list; addresses that never wrote are taken for lists and left out."""
    rows = [row for row in _rows(path) if row["from"] and row["body"]]
    writers = {row["from"][0]["addr"].lower() for row in rows}
    found: dict[str, Mail] = {}
    for row in rows:
        author = row["from"][0]["addr"].lower()
        people = ({one["addr"].lower() for key in ("to", "cc") for one in row[key]} & writers) - {author}
        text = "\n".join(filter(None, (row["subject"], row["body"])))
        key = row["message_id"] or hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
        found.setdefault(key, Mail(key, author, tuple(sorted(people)), str(row["date"] or ""), text))
    return sorted(found.values(), key=lambda mail: (mail.date, mail.id))


def louvain(mails: list[Mail], resolution: float) -> dict[str, str]:
    """The community of each person, by Louvain's method (Blondel et al. 2008) as networkx has it."""
    graph = networkx.Graph()
    for (one, other), count in Counter(
        (min(mail.author, other), max(mail.author, other)) for mail in mails for other in mail.addressees
    ).items():
        graph.add_edge(one, other, weight=count)
    found = networkx.community.louvain_communities(graph, resolution=resolution, seed=1)
    return {person: f"c{number}" for number, people in enumerate(found) for person in people}


def joined(mails: list[Mail], known: Mapping[str, str]) -> Frozen:
    """Communities as they are fixed when people join: who is not known joins that of whom they first write with.

    A conversation has the community of whoever wrote its first message. Nothing later counts.
    """
    people, conversations = dict(known), dict[str, str]()
    for mail in mails:
        for one in (mail.author, *mail.addressees):
            if one not in people:
                others = [other for other in (mail.author, *mail.addressees) if other in people]
                people[one] = people[others[0]] if others else f"new:{one}"
        conversations.setdefault(mail.pair, people[mail.author])
    return Frozen(people, conversations)


def small_groups(mails: list[Mail], most: int) -> Frozen:
    """Groups of at most ``most`` people, filled as they join: each goes where their first correspondent is, if
    there is room, else to a group of their own. A conversation goes with its newer party.

    Nothing but the past counts, and the groups stay small, so that people of many conversations (whose withdrawal
    touches much, wherever it stands) don't gather everybody else's around them.
    """
    people: dict[str, str] = {}
    sizes: Counter[str] = Counter()
    conversations: dict[str, str] = {}
    joined_at: dict[str, int] = {}
    for mail in mails:
        parties = (mail.author, *mail.addressees)
        for one in parties:
            if one not in people:
                near = [people[other] for other in parties if other in people]
                people[one] = next((group for group in near if sizes[group] < most), f"of:{one}")
                sizes[people[one]] += 1
                joined_at[one] = len(joined_at)
        if mail.pair not in conversations:
            conversations[mail.pair] = people[max(parties, key=joined_at.__getitem__)]
    return Frozen(people, conversations)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _name(shown: str | None) -> str:
    return (shown or "").partition("<")[0].strip().lower()
