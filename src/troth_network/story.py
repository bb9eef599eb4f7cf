"""The demo's story as data: what left as alleged, what Troth lets out as promised, and what a withdrawal changes.

A face asks for the steps one by one and renders them; every figure is counted when it is told.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

import troth
from troth_network.days import DAY, DENIAL, HOUR, POLICY_CHANGED, SUIT, TODAY, iso
from troth_network.history import AFFILIATE, THIRD_PARTIES, Json
from troth_network.network import Network
from troth_network.pipelines import (
    PURPOSE,
    Asked,
    Disclosed,
    alleged_figures,
    as_alleged,
    as_promised,
    ask,
    first_told,
)
from troth_network.places import country
from troth_network.records import Record

_WITHDRAWN: Final = TODAY + 9 * HOUR
_ASKED_AGAIN: Final = TODAY + DAY


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the story.

    ``key`` names it for programs; ``figures`` are counts in words; ``bars`` hold charts by title, each a
    count by label; ``details`` are Troth's own JSON answers.
    """

    key: str
    title: str
    text: str
    figures: dict[str, int] = field(default_factory=dict)
    bars: dict[str, dict[str, int]] = field(default_factory=dict)
    details: dict[str, Json] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """Plain JSON values."""
        return {
            "step": self.key,
            "title": self.title,
            "text": self.text,
            "figures": self.figures,
            "bars": self.bars,
            "details": self.details,
        }


class Story:
    """Tells the story of a network in a new home under a folder.

    Args:
        network: whose story.
        folder: an empty or new folder; the home, the releases and the tampered copy go there.
    """

    def __init__(self, network: Network, folder: Path) -> None:
        self.network = network
        self.folder = folder
        self._home: troth.Home | None = None
        self._asked: list[Asked] = []

    @property
    def home(self) -> troth.Home:
        """The home; made, and told everything, when first asked for."""
        if self._home is None:
            self._home = troth.init(self.folder / "home")
            self._home.record(self.network.events)
            self._home.import_records(self.network.table())
        return self._home

    @cached_property
    def disclosed(self) -> list[Disclosed]:
        """What had left as alleged when the suit was filed."""
        return as_alleged(self.network, SUIT)

    def steps(self) -> Iterator[Step]:
        """The steps in order; each is worked out when it is asked for."""
        yield self.stage()
        yield self.alleged()
        yield self.promised()
        yield self.explained()
        yield self.released()
        yield self.withdrawn()
        yield self.tampered()

    # searches

    def inmail_to_explain(self) -> str:
        """The id of an InMail by a Premium member to a basic one, both in the US and of age, that left as alleged.

        The oldest one written before the policy spoke of training, and still there.

        Raises:
            LookupError: the network is too small to hold one.
        """
        for one in self.disclosed:
            record = one.record
            if record.created_at is None or record.created_at >= POLICY_CHANGED or record.deleted_at is not None:
                continue
            if record.category == "private_message.inmail" and self._parties_fit(record, record.created_at):
                return record.id
        raise LookupError("no such InMail in this network: make it larger")

    def _parties_fit(self, record: Record, at: int) -> bool:
        parties = [self.network.by_id.get(name) for name in (record.author or "", *record.addressees)]
        return [party.tier(at) for party in parties if party is not None] == ["premium", "basic"] and all(
            party is not None
            and party.is_adult
            and party.active(TODAY)
            and {country(party.place(when) or "") for when in (at, DENIAL, TODAY)} == {"US"}
            for party in parties
        )

    def member_who_withdraws(self) -> str:
        """The id of the member with the most records in the operator's release, of those whose records left as alleged.

        Raises:
            LookupError: nothing is allowed in this network.
        """
        rows = Counter(author for _, author in self._allowed(iso(TODAY)))
        left = {one.author.id for one in self.disclosed}
        ranked = sorted((-count, author) for author, count in rows.items() if author in left)
        if not ranked:
            raise LookupError("nobody's records are allowed in this network: make it larger")
        return ranked[0][1]

    def _allowed(self, at: str) -> set[tuple[str, str]]:
        """Ids and authors of the records that the operator may train on."""
        table = self.home.gate(troth.Use(PURPOSE, recipient="operator"), at=at).decide(self.network.table())
        allowed = table.filter(table.verdict == "allowed").select("id", "author").to_pyarrow()
        return set(zip(allowed["id"].to_pylist(), allowed["author"].to_pylist(), strict=True))

    # steps

    def stage(self) -> Step:
        """Who is there and what they wrote."""
        members, records = self.network.members, self.network.records
        places = Counter(country(member.places[0][1] or "not known") for member in members)
        premium = sum(bool(member.premium_spells) for member in members)
        return Step(
            "stage",
            "Northlight, a professional network that does not exist",
            "Its history follows the public record of a real affair, in our own words: a switch for training,"
            " on by default; a policy that took effect the day it was published; a suit; a denial.",
            {"members": len(members), "ever Premium": premium, "records": len(records)},
            {
                "Members by country": dict(places.most_common()),
                "Records by category": dict(Counter(record.category for record in records).most_common()),
            },
        )

    def alleged(self) -> Step:
        """What left when the switch alone was trusted, to whom, and who had been told."""
        told = first_told(self.network)
        groups = Counter(_telling(told.get(one.author.id), one.at) for one in self.disclosed)
        figures = alleged_figures(self.network, self.disclosed, SUIT)
        return Step(
            "alleged",
            f"As alleged: what had left by {iso(SUIT)[:10]}, the day of the suit",
            f"The programme trusted the switch alone. {figures['records']} records went to the affiliate"
            f" ({AFFILIATE}) and to two third parties ({', '.join(THIRD_PARTIES)}); nobody kept proof of it.",
            figures,
            {"Had their author been told when they left?": dict(groups.most_common())},
        )

    def promised(self) -> Step:
        """What Troth lets out, for each who would train, and why the rest stays."""
        self._asked = as_promised(self.home, iso(TODAY), self.folder / "releases")
        allowed = {asked.recipient: _count(asked, "verdicts", "allowed") for asked in self._asked}
        return Step(
            "promised",
            f"As promised: what Troth lets out on {iso(TODAY)[:10]}",
            "The same records and the same history. Each use is asked for by itself, and every record that"
            " stays out has its reasons.",
            {f"allowed for {recipient}": count for recipient, count in allowed.items()},
            {
                f"Why records stay out: {asked.recipient}": _counts(asked.summary.get("first_reasons"))
                for asked in self._asked
            },
            {asked.recipient: asked.summary for asked in self._asked},
        )

    def explained(self) -> Step:
        """One InMail: what happened to it, and what should have."""
        name = self.inmail_to_explain()
        left = next(one for one in self.disclosed if one.record.id == name)
        use = troth.Use(PURPOSE, recipient=THIRD_PARTIES[0])
        answer = self.home.explain(name, use, at=iso(DENIAL)).as_json()
        return Step(
            "explained",
            f"One InMail explained: {name}",
            f"Written by a Premium member on {iso(left.record.created_at or 0)[:10]}. As alleged it left on"
            f" {iso(left.at)[:10]} for {THIRD_PARTIES[0]}. Asked on {iso(DENIAL)[:10]}, the day of the denial,"
            f" Troth says {answer['verdict']}: {answer['reason']}.",
            details={"explanation": answer},
        )

    def released(self) -> Step:
        """What was sealed, and that it verifies offline."""
        sealed = {asked.recipient: asked for asked in self._asked if asked.path is not None}
        findings = {recipient: troth.verify(asked.path) for recipient, asked in sealed.items()}
        return Step(
            "released",
            "Sealed releases, checked offline",
            "What may leave leaves in a sealed release. Anybody can check one without this home.",
            {
                "releases": len(sealed),
                "verified": sum(found.ok for found in findings.values()),
                **{f"rows for {one}": _number(asked.sealed, "rows") for one, asked in sealed.items()},
            },
            details={
                recipient: {"release": asked.sealed, "verified": findings[recipient].as_json()}
                for recipient, asked in sealed.items()
            },
        )

    def withdrawn(self) -> Step:
        """A member withdraws everything; the next release holds nothing of theirs."""
        member = self.member_who_withdraws()
        before = self._allowed(iso(_ASKED_AGAIN))
        self.home.record([{"withdraw": {"subject": member, "at": iso(_WITHDRAWN)}}])
        after = self._allowed(iso(_ASKED_AGAIN))
        again = ask(self.home, "operator", iso(_ASKED_AGAIN), self.folder / "releases" / "after")
        gone = before - after
        return Step(
            "withdrawn",
            f"A withdrawal: {member}",
            f"{member} withdraws on {iso(_WITHDRAWN)[:10]}. As alleged nothing comes back. As promised the"
            f" next release is built without {len(gone)} of {len(before)} records.",
            {
                "allowed before": len(before),
                "allowed after": len(after),
                "theirs before": _of(member, before),
                "theirs after": _of(member, after),
                "of others lost": len(gone) - _of(member, gone),
                "theirs that left as alleged": sum(one.author.id == member for one in self.disclosed),
            },
            details={"member": member, "release": again.sealed, "summary": again.summary},
        )

    def tampered(self) -> Step:
        """A copy of a release with one byte altered, refused."""
        path = next(asked.path for asked in self._asked if asked.path is not None)
        copy = self.folder / "tampered"
        shutil.copytree(path, copy)
        altered = _alter_one_byte(copy)
        findings = troth.verify(copy)
        return Step(
            "tampered",
            "A tampered copy",
            f"One byte of {altered} was altered in a copy: verification says"
            f" {'that all is well' if findings.ok else 'no, and what was altered'}.",
            details={"altered": altered, "verified": findings.as_json()},
        )


def _telling(told: int | None, left: int) -> str:
    if told is None:
        return "never told"
    if told <= left:
        return "told before"
    return "told after" if left >= POLICY_CHANGED else "left before the policy spoke of it"


def _of(member: str, records: set[tuple[str, str]]) -> int:
    return sum(author == member for _, author in records)


def _count(asked: Asked, group: str, name: str) -> int:
    return _number(asked.summary.get(group), name)


def _number(values: Json, name: str) -> int:
    found = values.get(name) if isinstance(values, dict) else None
    return found if isinstance(found, int) else 0


def _counts(values: Json) -> dict[str, int]:
    """Counts, largest first."""
    found = values if isinstance(values, dict) else {}
    return dict(sorted(((name, _number(found, name)) for name in found), key=lambda item: (-item[1], item[0])))


def _alter_one_byte(folder: Path) -> str:
    """Flip a bit in the middle of the largest file; its name in the folder."""
    files: Sequence[Path] = sorted(path for path in folder.rglob("*") if path.is_file())
    largest = max(files, key=lambda path: path.stat().st_size)
    data = bytearray(largest.read_bytes())
    data[len(data) // 2] ^= 1
    largest.chmod(0o600)
    largest.write_bytes(data)
    return largest.relative_to(folder).as_posix()
