"""Two pipelines that read the same records: *as alleged* and *as promised*.

As alleged, the training programme trusts the switch alone: whatever members wrote whose switch is on, by
choice or by default, goes to the affiliate and to third parties, with everybody else's side of it; nothing
is forgotten, nobody is told. As promised, it asks Troth for each use and trains on sealed releases only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import troth
from troth_network import history
from troth_network.days import DAY, SETTING_INTRODUCED, instant
from troth_network.history import AFFILIATE, PROCESSOR, THIRD_PARTIES, Event, Json, switch_is_on
from troth_network.members import Member
from troth_network.network import Network
from troth_network.records import Record

PURPOSE: Final = "train.generative"
RECIPIENTS: Final = ("operator", AFFILIATE, *THIRD_PARTIES)
"""Who trains in the programme."""

ASKED: Final = (*RECIPIENTS, PROCESSOR)
"""For whom Troth is asked: also for the processor, whose carrying of mail gives it no right to train."""

FIRST_RUN: Final = SETTING_INTRODUCED + 14 * DAY
BETWEEN_RUNS: Final = 30 * DAY


@dataclass(frozen=True, slots=True)
class Disclosed:
    """A record that left as alleged: to all of RECIPIENTS, in the run of an instant (microseconds UTC)."""

    record: Record
    author: Member
    at: int

    @property
    def is_message(self) -> bool:
        """Whether it is a private message."""
        return self.record.category.startswith("private_message")

    @property
    def is_premium_inmail(self) -> bool:
        """Whether it is an InMail whose author paid when they sent it."""
        at = self.record.created_at
        return self.record.category == "private_message.inmail" and self.author.tier(at or 0) == "premium"


def as_alleged(network: Network, until: int) -> list[Disclosed]:
    """What left by an instant, each record in the first run that found its author's switch on.

    Runs began a fortnight after the switch did. Records that were deleted leave all the same, and so do
    those whose time is lost.
    """
    choices = switch_choices(network.events)
    runs = range(FIRST_RUN, until + 1, BETWEEN_RUNS)
    on = {one.id: [at for at in runs if switch_is_on(choices[one.id], one, at)] for one in network.members}
    found = []
    for record in network.records:
        author = network.by_id.get(record.author or "")
        if author is not None:
            first = next((at for at in on[author.id] if (record.created_at or 0) <= at), None)
            if first is not None:
                found.append(Disclosed(record, author, first))
    return found


def switch_choices(events: Iterable[Event]) -> dict[str, list[tuple[int, bool]]]:
    """What each member set the switch to, oldest first; a pipeline that trusts the switch heeds no signal."""
    found: dict[str, list[tuple[int, bool]]] = defaultdict(list)
    for event in events:
        kind, inner = next(iter(event.items()))
        if isinstance(inner, dict) and (
            (kind == "choose" and inner["by"] != "signal") or (kind == "withdraw" and "consent" not in inner)
        ):
            found[str(inner["subject"])].append((instant(str(inner["at"])), inner.get("value") == "on"))
    return found


def first_told(network: Network) -> dict[str, int]:
    """When each member was first told of the changed policy, by notice or by joining under it.

    Who is missing never was.
    """
    changed = instant(history.CHANGED_POLICY)
    told = {member.id: member.joined for member in network.members if member.joined >= changed}
    for event in network.events:
        notice = event.get("notice")
        if isinstance(notice, dict) and notice["terms"] == history.POLICY and notice["delivered"]:
            told.setdefault(str(notice["to"]), instant(str(notice["at"])))
    return told


def alleged_figures(network: Network, disclosed: list[Disclosed], at: int) -> dict[str, int]:
    """What left as alleged by ``at``, counted in the ways that people ask about; the counts overlap."""
    told = first_told(network)
    choices = switch_choices(network.events)

    def off(member: Member | None, when: int) -> bool:
        return member is not None and not switch_is_on(choices[member.id], member, when)

    return {
        "records": len(disclosed),
        "their authors": len({one.author.id for one in disclosed}),
        "private messages": sum(one.is_message for one in disclosed),
        "InMail of Premium members": sum(one.is_premium_inmail for one in disclosed),
        "before their author was told": sum(told.get(one.author.id, at + 1) > one.at for one in disclosed),
        "messages to somebody whose switch was off": sum(
            any(off(network.by_id.get(name), one.at) for name in one.record.addressees) for one in disclosed
        ),
        "author said no afterwards": sum(off(one.author, at) for one in disclosed),
        "deleted by their author": sum((one.record.deleted_at or at + 1) <= at for one in disclosed),
        "of minors": sum(one.author.is_young for one in disclosed),
    }


@dataclass(frozen=True, slots=True)
class Asked:
    """One use as Troth answered it: the counts, and the release where anything was allowed.

    ``sealed`` is the JSON of ``troth release build``; None where nothing may leave.
    """

    recipient: str
    summary: dict[str, Json]
    path: Path | None
    sealed: dict[str, Json] | None

    def count(self, group: str) -> dict[str, int]:
        """Counts of a group of the summary such as ``verdicts``, largest first."""
        values = self.summary[group]
        found = values.items() if isinstance(values, dict) else ()
        counts = [(name, count) for name, count in found if isinstance(count, int)]
        return dict(sorted(counts, key=lambda item: (-item[1], item[0])))


def ask(home: troth.Home, recipient: str, at: str, folder: Path) -> Asked:
    """Ask Troth for one use, and build a sealed release of what it allows.

    Args:
        home: a home that knows the network's events and records.
        recipient: who would train.
        at: the instant asked about, ISO 8601.
        folder: where the release goes, in a folder of the recipient's name.
    """
    gate = home.gate(troth.Use(PURPOSE, recipient=recipient), at=at)
    asked = Asked(recipient, gate.summary().as_json(), None, None)
    if not asked.count("verdicts")["allowed"]:
        return asked
    path = folder / recipient.replace(":", "-")
    return Asked(recipient, asked.summary, path, gate.release(path).as_json())


def as_promised(home: troth.Home, at: str, folder: Path) -> list[Asked]:
    """Ask for every recipient of ASKED; see ``ask``."""
    return [ask(home, recipient, at, folder) for recipient in ASKED]
