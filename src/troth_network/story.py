"""The demo's story as data: what left as alleged, what Troth lets out, what a withdrawal changes.

A face asks for the steps one by one and renders them; every figure is counted when it is told.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

import troth
from troth_network import pipelines
from troth_network.days import DENIAL, POLICY_CHANGED, SUIT, TODAY, iso
from troth_network.history import AFFILIATE, THIRD_PARTIES, Json
from troth_network.members import Member
from troth_network.network import Network
from troth_network.pipelines import PURPOSE, Asked, Disclosed
from troth_network.places import country

MODEL = "autocomplete"


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


class Story:
    """Tells the story of a network in a new home; that, the releases and a tampered copy go to a new folder."""

    def __init__(self, network: Network, folder: Path) -> None:
        self.network = network
        self.folder = folder

    def steps(self) -> Iterator[Step]:
        """The steps in order; each is worked out when it is asked for."""
        told = (self.stage, self.alleged, self.promised, self.explained, self.released)
        yield from (step() for step in (*told, self.withdrawn, self.tampered, self.unlearned))

    # what the steps share

    @cached_property
    def home(self) -> troth.Home:
        """The home, told everything; made when first asked for."""
        home = troth.init(self.folder / "home")
        home.record(self.network.events)
        home.import_records(self.network.table())
        return home

    @cached_property
    def disclosed(self) -> list[Disclosed]:
        """What had left as alleged when the suit was filed."""
        return pipelines.as_alleged(self.network, SUIT)

    @cached_property
    def asked(self) -> list[Asked]:
        """What Troth answered for each who would train, before anybody withdrew."""
        return pipelines.as_promised(self.home, iso(TODAY), self.folder / "releases")

    def inmail_to_explain(self) -> str:
        """The id of an InMail by a Premium member to one who never paid, that left as alleged.

        The oldest one written before the policy spoke of training, still there; both in the US and of age.

        Raises:
            LookupError: the network is too small to hold one.
        """
        for one in self.disclosed:
            at, names = one.record.created_at, one.record.addressees
            addressee = self.network.by_id.get(names[0]) if len(names) == 1 else None
            if (
                (one.is_premium_inmail and at is not None and at < POLICY_CHANGED)
                and (addressee is not None and not addressee.premium_spells)
                and all(_settled_in_the_us(party, at) for party in (one.author, addressee))
                and one.record.deleted_at is None
            ):
                return one.record.id
        raise LookupError("no such InMail in this network: make it larger")

    def member_who_withdraws(self) -> str:
        """The id of the member with the most records in the operator's release and some that left as alleged.

        Somebody to whom others wrote messages that are in the release, where there is one: these go too.

        Raises:
            LookupError: nothing is allowed in this network.
        """
        records = {record.id: record for record in self.network.records}
        left = {one.author.id for one in self.disclosed}
        rows = _rows(self.asked[0].path)
        theirs = Counter(author for _, author in rows if author in left)
        written_to = {name for record, _ in rows for name in records[record].addressees}
        if not theirs:
            raise LookupError("nobody's records are allowed in this network: make it larger")
        return min(theirs, key=lambda name: (name not in written_to, -theirs[name], name))

    # steps

    def stage(self) -> Step:
        """Who is there and what they wrote."""
        members, records = self.network.members, self.network.records
        premium = sum(bool(member.premium_spells) for member in members)
        places = Counter(country(member.places[0][1] or "not known") for member in members)
        categories = Counter(record.category for record in records)
        return Step(
            "stage",
            "Northlight, a professional network that does not exist",
            "Its history follows the public record of a real affair, in our own words: a switch for training,"
            " on by default; a policy that took effect the day it was published; a suit; a denial.",
            {"members": len(members), "ever Premium": premium, "records": len(records)},
            {
                "Members by country": dict(places.most_common()),
                "Records by category": dict(categories.most_common()),
            },
        )

    def alleged(self) -> Step:
        """What left when the switch alone was trusted, to whom, and who had been told."""
        told = pipelines.first_told(self.network)
        groups = Counter(_telling(told.get(one.author.id), one.at) for one in self.disclosed)
        figures = pipelines.alleged_figures(self.network, self.disclosed, SUIT)
        return Step(
            "alleged",
            f"As alleged: what had left by {iso(SUIT)[:10]}, the day of the suit",
            f"The programme trusted the switch alone. {figures['records']:,} records went to the affiliate"
            f" ({AFFILIATE}) and to two third parties ({', '.join(THIRD_PARTIES)}); nobody kept proof of it.",
            figures,
            {"Had their author been told when they left?": dict(groups.most_common())},
        )

    def promised(self) -> Step:
        """What Troth lets out, for each who would train, and why the rest stays."""
        return Step(
            "promised",
            f"As promised: what Troth lets out on {iso(TODAY)[:10]}",
            "The same records and the same history. Each use is asked for by itself, and every record that"
            " stays out has its reasons.",
            {f"allowed for {one.recipient}": one.count("verdicts")["allowed"] for one in self.asked},
            {f"Why records stay out: {one.recipient}": one.count("first_reasons") for one in self.asked},
            {one.recipient: one.summary for one in self.asked},
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
            f" {iso(left.at)[:10]} for {THIRD_PARTIES[0]}. Asked on {iso(DENIAL)[:10]}, the day of the"
            f" denial, Troth says {answer['verdict']}: {answer['reason']}.",
            details={"explanation": answer},
        )

    def released(self) -> Step:
        """What was sealed, and that it verifies offline."""
        sealed = {one.recipient: one.sealed for one in self.asked if one.sealed is not None}
        found = {one.recipient: troth.verify(one.path) for one in self.asked if one.path is not None}
        return Step(
            "released",
            "Sealed releases, checked offline",
            "What may leave leaves in a sealed release. Anybody can check one without this home.",
            {"releases": len(found), "verified": sum(findings.ok for findings in found.values())},
            {"Rows sealed": {one: rows for one in sealed if isinstance(rows := sealed[one]["rows"], int)}},
            {one: {"release": sealed[one], "verified": found[one].as_json()} for one in sealed},
        )

    def withdrawn(self) -> Step:
        """A member withdraws everything; the next release holds nothing of theirs.

        Both releases ask for one instant, so that nothing but the withdrawal lies between them.
        """
        member, today = self.member_who_withdraws(), iso(TODAY)
        use, path = troth.Use(PURPOSE, recipient="operator"), self.folder / "releases" / "operator-after"
        if self.asked[0].path is not None:
            self.home.train([self.asked[0].path], MODEL)
        self.home.record([{"withdraw": {"subject": member, "at": today}}])
        release = self.home.release(use, at=today, out=path).as_json()
        before, after = _rows(self.asked[0].path), _rows(path)
        return Step(
            "withdrawn",
            f"A withdrawal: {member}",
            f"{member} withdraws on {today[:10]}. As alleged nothing comes back. As promised the next"
            f" release is built without {len(before - after)} of {len(before):,} records.",
            {
                "allowed before": len(before),
                "allowed after": len(after),
                "theirs before": _of(member, before),
                "theirs after": _of(member, after),
                "of others that they take along": len(before - after) - _of(member, before - after),
                "theirs that left as alleged": sum(one.author.id == member for one in self.disclosed),
            },
            details={"member": member, "release": release},
        )

    def tampered(self) -> Step:
        """A copy of a release with one row altered, refused."""
        path = next(one.path for one in self.asked if one.path is not None)
        copy = shutil.copytree(path, self.folder / "tampered")
        altered = _alter_one_row(copy)
        findings = troth.verify(copy)
        return Step(
            "tampered",
            "A tampered copy",
            f"One word was added to one row of {altered} in a copy. Verification"
            f" {'finds nothing wrong' if findings.ok else 'refuses it'}.",
            details={"altered": altered, "verified": findings.as_json()},
        )

    def unlearned(self) -> Step:
        """The model that was trained before the withdrawal, provably without the member."""
        made = self.home.unlearn(MODEL)
        with self.home.model(MODEL) as model:
            said = model.generate("", length=60, seed=1)
        names = made["made"] if isinstance(made["made"], list) else []
        paths = [one.path for one in self.asked[:1] if one.path is not None]
        findings = troth.replay(str(names[-1]), paths, [self.home.public_key_path])
        return Step(
            "unlearned",
            "A model that never knew them",
            "A small model (n-grams over bytes: an autocomplete, no large language model) had learned from the"
            " release before the withdrawal. It was made again without the member. The certificate is replayed:"
            f" what they took back is left out, and what comes out is {'' if findings.ok else 'NOT '}the same"
            f" model, bit for bit. It says: “{' '.join(said.split())}”",
            details={"model": made, "verified": findings.as_json()},
        )


def _settled_in_the_us(member: Member, at: int) -> bool:
    """Known to be of age, in the US all along, and still there."""
    places = {country(member.place(when) or "") for when in (at, DENIAL, TODAY)}
    return places == {"US"} and member.born is not None and not member.is_young and member.active(TODAY)


def _telling(told: int | None, left: int) -> str:
    if told is None:
        return "never told"
    if told <= left:
        return "told before"
    return "told after" if left >= POLICY_CHANGED else "left before the policy spoke of it"


def _rows(release: Path | None) -> set[tuple[str, str]]:
    """Ids and authors of the records in a release; nothing where there is none."""
    batches = troth.load(release) if release is not None else ()
    columns = ((batch["id"].to_pylist(), batch["author"].to_pylist()) for batch in batches)
    return {row for ids, authors in columns for row in zip(ids, authors, strict=True)}


def _of(member: str, records: set[tuple[str, str]]) -> int:
    return sum(author == member for _, author in records)


def _alter_one_row(folder: Path) -> str:
    """Put another word into one row of the first data file; the file's name in the folder."""
    path = min(folder.glob("data/*.parquet"))
    table = pq.read_table(path)
    bodies = table["body"].to_pylist()
    middle = len(bodies) // 2
    bodies[middle] = f"{bodies[middle]} Really."
    place = table.schema.get_field_index("body")
    pq.write_table(table.set_column(place, table.schema.field(place), pa.array(bodies, pa.string())), path)
    return path.relative_to(folder).as_posix()
