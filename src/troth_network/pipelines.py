"""Two pipelines that read the same records: *as alleged* and *as promised*.

As alleged, the training programme trusts the switch alone: whatever members wrote whose switch is on, by
choice or by default, goes to the affiliate and to third parties, with everybody else's side of it; nothing
is forgotten, nobody is told. As promised, it asks Troth for each use and trains on sealed releases only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import troth
from troth_network.days import DAY, SETTING_INTRODUCED, instant
from troth_network.history import (
    AFFILIATE,
    CHANGED_POLICY,
    POLICY,
    PROCESSOR,
    SETTING,
    THIRD_PARTIES,
    Event,
    Json,
    switch_is_on,
)
from troth_network.members import Member
from troth_network.network import Network
from troth_network.records import Record

PURPOSE: Final = "train.generative"
RECIPIENTS: Final = ("operator", AFFILIATE, *THIRD_PARTIES)
"""Who trains in the programme."""

ASKED: Final = (*RECIPIENTS, PROCESSOR)
"""For whom Troth is asked: also for the processor, whose carrying of mail gives it no right to train."""

FIRST_RUN: Final = SETTING_INTRODUCED + 14 * DAY
_BETWEEN_RUNS: Final = 30 * DAY


def runs(until: int) -> list[int]:
    """When the programme trained, up to an instant (microseconds UTC): a fortnight after the switch, then monthly."""
    return list(range(FIRST_RUN, until + 1, _BETWEEN_RUNS))


@dataclass(frozen=True, slots=True)
class Disclosed:
    """A record that left as alleged: to all of RECIPIENTS in the run of an instant."""

    record: Record
    author: Member
    at: int


def as_alleged(network: Network, until: int) -> list[Disclosed]:
    """What left by an instant, each record in the first run that found its author's switch on.

    Records that were deleted leave all the same, and so do those whose time is lost.
    """
    choices = switch_choices(network.events)
    on = {
        member.id: [at for at in runs(until) if switch_is_on(choices[member.id], member, at)]
        for member in network.members
    }
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
        if not isinstance(inner, dict):
            continue
        if kind == "choose" and inner["setting"] == SETTING and inner["by"] != "signal":
            found[str(inner["subject"])].append((instant(str(inner["at"])), inner["value"] == "on"))
        elif kind == "withdraw" and "consent" not in inner:
            found[str(inner["subject"])].append((instant(str(inner["at"])), False))
    return found


def first_told(network: Network) -> dict[str, int]:
    """When each member was first told of the changed policy, by notice or by joining under it; who is missing never was."""
    changed = instant(CHANGED_POLICY)
    told = {member.id: member.joined for member in network.members if member.joined >= changed}
    for event in network.events:
        notice = event.get("notice")
        if isinstance(notice, dict) and notice["terms"] == POLICY and notice.get("delivered"):
            told.setdefault(str(notice["to"]), instant(str(notice["at"])))
    return told


def alleged_figures(network: Network, disclosed: Sequence[Disclosed], at: int) -> dict[str, int]:
    """What left as alleged by ``at``, counted in the ways that people ask about; the counts overlap."""
    told = first_told(network)
    choices = switch_choices(network.events)
    messages = [one for one in disclosed if one.record.category.startswith("private_message")]
    figures = {
        "records": len(disclosed),
        "of members": len({one.author.id for one in disclosed}),
        "private messages": len(messages),
        "InMail of Premium members": sum(_is_premium_inmail(one) for one in messages),
        "before their author was told": sum(told.get(one.author.id, at + 1) > one.at for one in disclosed),
        "messages to somebody whose switch was off": sum(
            _sent_to_one_who_said_no(one, network, choices) for one in messages
        ),
        "author said no afterwards": sum(
            not switch_is_on(choices[one.author.id], one.author, at) for one in disclosed
        ),
        "deleted by their author": sum(
            one.record.deleted_at is not None and one.record.deleted_at <= at for one in disclosed
        ),
        "of minors": sum(one.author.is_young for one in disclosed),
    }
    return figures


def _is_premium_inmail(one: Disclosed) -> bool:
    created = one.record.created_at
    return (
        one.record.category == "private_message.inmail"
        and created is not None
        and one.author.tier(created) == "premium"
    )


def _sent_to_one_who_said_no(
    one: Disclosed, network: Network, choices: dict[str, list[tuple[int, bool]]]
) -> bool:
    addressees = [network.by_id[name] for name in one.record.addressees if name in network.by_id]
    return any(not switch_is_on(choices[member.id], member, one.at) for member in addressees)


@dataclass(frozen=True, slots=True)
class Asked:
    """One use as Troth answered it: the counts, and the release where anything was allowed.

    ``sealed`` is the JSON of ``troth release build``; None where nothing may leave.
    """

    recipient: str
    summary: dict[str, Json]
    path: Path | None
    sealed: dict[str, Json] | None


def ask(home: troth.Home, recipient: str, at: str, folder: Path) -> Asked:
    """Ask Troth for one use, and build a sealed release of what it allows.

    Args:
        home: a home that knows the network's events and records.
        recipient: who would train.
        at: the instant asked about, ISO 8601.
        folder: where the release goes, in a folder of the recipient's name.
    """
    use = troth.Use(PURPOSE, recipient=recipient)
    summary = home.summary(use, at=at)
    verdicts = summary["verdicts"]
    if not isinstance(verdicts, dict) or not verdicts.get("allowed"):
        return Asked(recipient, summary, None, None)
    path = folder / recipient.replace(":", "-")
    release = home.release(use, at=at, out=path)
    return Asked(recipient, summary, path, release.as_json())


def as_promised(home: troth.Home, at: str, folder: Path) -> list[Asked]:
    """Ask for every recipient of ASKED; see ``ask``."""
    return [ask(home, recipient, at, folder) for recipient in ASKED]
