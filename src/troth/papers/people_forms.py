"""Papers on people: the GDPR's record of processing (Art. 30), a member's copy (15), recipients told (19)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from troth.core.events import Attributes, Choose, Consent, Erase, MemberEvent, Notice, Objection, Withdraw
from troth.core.standing import Standing
from troth.core.values import covers, format_day, format_instant
from troth.papers.facts import Facts, category, party, purpose
from troth.papers.model_forms import WORDS
from troth.papers.paper import NOT_KNOWN, Field, Paper, Section, Table, table
from troth.papers.requests import Request


@dataclass(frozen=True, slots=True)
class Crowd:
    """How many members there are, by attribute, at the time of a paper; positions of the entries behind."""

    members: int
    by_place: tuple[tuple[str, int], ...]
    by_tier: tuple[tuple[str, int], ...]
    entries: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Presence:
    """What a release holds of a member: rows, or why that is not known."""

    release: str
    rows: int | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Copy:
    """What belongs in a member's copy besides the ledger: own records by category, presence in releases."""

    records: tuple[tuple[str, int, int], ...] | None
    """(category, written, received); None: the home holds no records."""
    presence: tuple[Presence, ...]
    requests: tuple[Request, ...] = ()
    erased: tuple[int, ...] = field(default=())
    recalls: frozenset[str] | None = None
    """The recalls that name rows of theirs; None: not known."""


def art30(facts: Facts, purpose_name: str, crowd: Crowd) -> Paper:
    """The record of one processing activity, GDPR Art. 30(1), items (a) to (g)."""
    clauses = facts.clauses_on(purpose_name)
    positions = tuple(position for position, *_ in clauses)
    uses = [one for one in facts.releases if covers(purpose_name, one.use.purpose)]
    behind = tuple(one.entry for one in uses)
    recipients: dict[str, list[int]] = {}
    for one in uses:
        recipients.setdefault(one.use.recipient, []).append(one.entry)
    categories = sorted(
        {
            listed
            for document in facts.known.documents.values()
            for placed in document
            for clause in placed.terms.clauses
            if clause.effect == "permit" and any(covers(one, purpose_name) for one in clause.purposes)
            for listed in clause.categories
        }
    )
    counted = "members whose status is neither closed nor erased at the time of the last entry counted from"
    fields = (
        Field(
            "a",
            "(a) Controller, representative, data protection officer",
            f"the operator of the log {facts.stand.origin}" if facts.stand.origin else None,
            blank=None if facts.stand.origin else f"{NOT_KNOWN}: the home has no public log, hence no name",
            note="Name by the public log; contacts, representative and officer are not in the ledger.",
        ),
        Field("b", "(b) Purpose of the processing", purpose(purpose_name), query=f"the use {purpose_name}"),
        Field(
            "b.ground",
            "Sentences on this purpose that members were shown",
            table(("Document", "Effect", "Sentence"), [row[1:] for row in clauses]),
            entries=positions,
            query=f"clauses of recorded terms whose purposes cover {purpose_name} or are covered by it",
        ),
        Field(
            "c.members",
            "(c) Categories of data subjects: members",
            crowd.members,
            entries=crowd.entries,
            erased=facts.erased_of("member"),
            query=counted,
        ),
        Field(
            "c.places",
            "(c) Members by place",
            table(("Place", "Members"), crowd.by_place),
            entries=crowd.entries,
            erased=facts.erased_of("member"),
            query=f"{counted}, by the first part of their jurisdiction",
            note="Two letters name a country (ISO 3166-1).",
        ),
        Field(
            "c.tiers",
            "(c) Members by tier",
            table(("Tier", "Members"), crowd.by_tier),
            entries=crowd.entries,
            erased=facts.erased_of("member"),
            query=f"{counted}, by tier",
        ),
        Field(
            "c.data",
            "(c) Categories of personal data",
            tuple(category(one) for one in categories),
            entries=positions,
            query="categories that a permitting clause on this purpose names",
        ),
        Field(
            "d",
            "(d) Categories of recipients",
            table(
                ("Recipient", "Releases", "Records", "Entries"),
                [
                    (
                        party(name),
                        len(at),
                        sum(one.rows for one in uses if one.use.recipient == name),
                        ", ".join(map(str, at)),
                    )
                    for name, at in sorted(recipients.items())
                ],
            ),
            entries=behind,
            query="release entries for this purpose, by recipient",
            note="A release is sealed for a recipient; disclosures that were countersigned are listed below.",
        ),
        Field(
            "d.disclosed",
            "(d) Disclosures recorded",
            _disclosed(facts, {one.release for one in uses}),
            entries=tuple(position for position, _ in facts.acts_of("disclosure")),
            query="disclosure entries of these releases",
        ),
        Field(
            "e",
            "(e) Transfers to third countries",
            blank=f"{NOT_KNOWN}: recipients are recorded by name, not by place",
        ),
        Field(
            "f",
            "(f) Time limits for erasure",
            blank=f"{NOT_KNOWN}: no entry sets one; erasures are recorded when they are asked for",
        ),
        Field(
            "g",
            "(g) Security measures",
            (
                "releases are sealed: any altered row is noticed",
                "every entry stands in a log that can be witnessed",
                "keys and bodies can be read by the operator's account alone",
            ),
            query="how this ledger is kept, whatever it holds",
        ),
    )
    return Paper(
        "art30",
        purpose_name,
        f"Record of a processing activity: {purpose(purpose_name)}",
        "the supervisory authority, on request",
        "Regulation (EU) 2016/679 (GDPR), Art. 30(1)",
        facts.stand,
        (Section("The activity", fields),),
        words=WORDS,
    )


def _disclosed(facts: Facts, releases: set[str]) -> Table:
    rows = [
        (
            one.release,
            party(one.recipient),
            "yes" if one.countersigned else "no",
            ", ".join(map(str, one.entries)),
        )
        for one in facts.disclosures
        if one.release in releases
    ]
    return table(("Release", "Recipient", "Countersigned", "Entries"), rows)


def said(event: MemberEvent) -> tuple[str, str]:
    """What happened and when, in words."""
    match event:
        case Attributes():
            named = ", ".join(
                f"{name} {format_day(value) if isinstance(value, tuple) else value or 'not known'}"
                for name, value in event.named
            )
            return (f"recorded about you: {named}", format_instant(event.since))
        case Notice():
            how = f" by {event.channel}" if event.channel else ""
            reached = "" if event.delivered else "; it did not reach you"
            return (f"you were sent {event.document} {event.version}{how}{reached}", format_instant(event.at))
        case Choose():
            who = {
                "member": "you",
                "guardian": "your guardian",
                "operator": "the operator",
                "signal": "a signal of your browser",
            }
            return (
                f"{who.get(event.by, event.by)} set {event.setting} to {'on' if event.on else 'off'}",
                format_instant(event.at),
            )
        case Consent():
            what = ", ".join(map(purpose, event.purposes))
            whom = ", ".join(map(party, event.recipients))
            return (
                f"you consented ({event.id}): {what} by {whom}, on {', '.join(map(category, event.categories))}",
                format_instant(event.at),
            )
        case Withdraw():
            what = event.consent or event.setting or "everything"
            return (f"you took back {what}", format_instant(event.at))
        case Objection():
            return ("you objected to training", format_instant(event.at))
        case Erase():
            return ("your erasure was recorded", format_instant(event.at))
        case _:
            return (
                f"you accepted {event.document} {event.version} ({event.manner.replace('_', ' ')})",
                format_instant(event.at),
            )


def art15(facts: Facts, subject: str, copy: Copy) -> Paper:
    """A member's copy, GDPR Art. 15: purposes, categories, recipients, sources, and every entry about them."""
    history = facts.known.member(subject)
    positions = tuple(position for position, _ in history)
    inside = [one for one in copy.presence if one.rows]
    models = [
        (
            one.model,
            ", ".join(p.release for p in inside if p.release in one.releases),
            one.entry,
            len(one.unlearned),
        )
        for one in facts.models
        if any(p.release in one.releases for p in inside)
    ]
    unknown = [one for one in copy.presence if one.rows is None]
    fields = [
        Field(
            "15.3.entries",
            "Every entry of the ledger about you",
            table(("What", "When", "Entry"), [(*said(event), position) for position, event in history]),
            entries=positions,
            erased=copy.erased,
            query="all entries under this account",
            note="Entries of members were erased; which of them were yours is not known any more."
            if copy.erased
            else None,
        ),
        _records(copy),
        Field(
            "15.1.a",
            "Art. 15(1)(a), (c) Releases that hold messages or posts of yours",
            table(
                ("Release", "Purpose", "Recipient", "Of yours"),
                [
                    (
                        one.release,
                        purpose(facts.by_release[one.release].use.purpose),
                        party(facts.by_release[one.release].use.recipient),
                        one.rows or 0,
                    )
                    for one in inside
                ],
            ),
            entries=tuple(facts.by_release[one.release].entry for one in inside),
            query="rows of each release whose author or addressee you are",
            note="“Of yours” counts what you wrote and private messages that you received.",
        ),
        Field(
            "15.1.models",
            "Models that were trained from these releases",
            table(("Model", "Release", "Entry", "Made again since"), models),
            entries=tuple(entry for *_, entry, _ in models),
            query="training entries that name one of these releases",
        ),
        Field(
            "15.1.c",
            "Art. 15(1)(c) Recipients",
            tuple(sorted({party(facts.by_release[one.release].use.recipient) for one in inside})),
            entries=tuple(facts.by_release[one.release].entry for one in inside),
            query="recipients of the releases above",
        ),
        Field("15.1.d", "Art. 15(1)(d) How long it is kept", blank=f"{NOT_KNOWN}: no entry sets a period"),
        Field(
            "15.1.e",
            "Art. 15(1)(e), (f) Your rights",
            (
                "ask for correction, erasure or restriction, and object (Art. 16, 17, 18, 21)",
                "withdraw a consent at any time (Art. 7(3))",
                "complain to a supervisory authority (Art. 77)",
            ),
            query="the same for everybody",
        ),
        Field(
            "15.1.g",
            "Art. 15(1)(g) Source",
            "you, whoever wrote to you, and the operator's own entries",
            query="the same for everybody",
        ),
        Field(
            "15.1.h",
            "Art. 15(1)(h) Automated decisions about you",
            blank=f"{NOT_KNOWN}: the ledger records uses of what you wrote, not decisions about you",
        ),
        Field(
            "requests",
            "Your requests",
            table(
                ("Request", "Kind", "Received", "Answer due by", "Status"),
                [
                    (
                        one.id,
                        one.kind,
                        format_instant(one.received)[:10],
                        format_instant(one.due)[:10],
                        one.status(facts.stand.time),
                    )
                    for one in copy.requests
                ],
            ),
            entries=tuple(at for one in copy.requests for at in one.entries),
            query="requests under this account",
        ),
    ]
    if unknown:
        fields.insert(
            4,
            Field(
                "15.1.unknown",
                "Releases of which it is not known here whether they hold anything of yours",
                blank=f"{NOT_KNOWN}: {len(unknown)} releases; "
                + "; ".join(sorted({one.reason or "" for one in unknown})),
                entries=tuple(facts.by_release[one.release].entry for one in unknown),
            ),
        )
    return Paper(
        "art15",
        subject,
        "A copy of what is recorded about you",
        "the member",
        "Regulation (EU) 2016/679 (GDPR), Art. 15",
        facts.stand,
        (
            Section(
                "Your copy",
                tuple(fields),
                "Ask the operator for the texts themselves; this paper says what was done with them.",
            ),
        ),
        words=WORDS,
    )


def _records(copy: Copy) -> Field:
    label = "Art. 15(1)(b) Records of yours that are kept, by kind"
    if copy.records is None:
        return Field("15.1.b", label, blank="no records are kept beside this ledger")
    rows = [(category(name), written, received) for name, written, received in copy.records]
    return Field(
        "15.1.b",
        label,
        table(("Kind", "Written by you", "Received by you"), rows),
        query="records by category where you are the author; where you are an addressee",
    )


def art19(facts: Facts, subject: str, copy: Copy, erasures: Sequence[int]) -> Paper:
    """Who was told of a member's erasure, GDPR Art. 19: recipients of releases that held them, and their answers."""
    inside = {one.release for one in copy.presence if one.rows}
    unknown = {one.release for one in copy.presence if one.rows is None}
    held: dict[str, list[int]] = {}
    for one in facts.releases:
        if one.release in inside and one.use.recipient != "operator":
            held.setdefault(one.use.recipient, []).append(one.entry)
    for handed in facts.disclosures:
        if handed.release in inside:
            held.setdefault(handed.recipient, []).extend(handed.entries)
    # A recall names rows: that of another member from the same release says nothing of this one.
    recalls = [
        one
        for one in facts.recalls
        if one.release in inside and (copy.recalls is None or one.recall in copy.recalls)
    ]
    rows: list[tuple[str | int, ...]] = []
    for name in sorted(held):
        entries = ", ".join(map(str, sorted(held[name])))
        told = [one for one in recalls if one.recipient == name]
        rows += [
            (party(name), entries, one.at, one.due, one.answer, ", ".join(map(str, one.entries)))
            for one in told
        ]
        if not told:
            rows.append((party(name), entries, "not told as far as the ledger shows", "—", "—", "—"))
    events = [
        event
        for event in Standing(facts.known, facts.known.member(subject), facts.stand.time).events
        if isinstance(event, Erase)
    ]
    fields = [
        Field(
            "erasure",
            "Erasure",
            tuple(f"recorded as of {format_instant(one.at)}" for one in events) if events else None,
            blank=None if events else f"{NOT_KNOWN}: no erasure of this account is recorded",
            entries=tuple(erasures),
            query="erasure entries of the account",
        ),
        Field(
            "recipients",
            "Recipients of releases that held the member, whether they were told, and what they answered",
            table(
                (
                    "Recipient",
                    "Entries of what they got",
                    "Told",
                    "To be done by",
                    "Answer",
                    "Entries of that",
                ),
                rows,
            ),
            entries=tuple(
                sorted(
                    {
                        *(at for positions in held.values() for at in positions),
                        *(at for one in recalls for at in one.entries),
                    }
                )
            ),
            query="release and disclosure entries whose rows hold the member, recall entries that name rows of theirs",
        ),
    ]
    if unknown:
        fields.append(
            Field(
                "unknown",
                "Releases of which it is not known whether they held the member",
                blank=f"{NOT_KNOWN}: {len(unknown)} releases; "
                + "; ".join(sorted({one.reason or "" for one in copy.presence if one.rows is None})),
                entries=tuple(facts.by_release[one].entry for one in sorted(unknown)),
            ),
        )
    return Paper(
        "art19",
        subject,
        "Recipients told of an erasure",
        "the member who asked for it, and the supervisory authority",
        "Regulation (EU) 2016/679 (GDPR), Art. 19",
        facts.stand,
        (Section("Who was told", tuple(fields)),),
        words=WORDS,
    )
