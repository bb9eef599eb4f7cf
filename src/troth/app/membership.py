"""What a member may know and do: their switches and the sentences behind them, what happened with their words.

Everything here is seen from the member's own side. What another party of a message chose decides nothing that
these functions answer, so that neither an answer nor the time it takes can tell.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from troth.app.serving import ServedHome
from troth.core.catalogue import ALLOWED, SENTENCES
from troth.core.decide import Judge, combination, not_judged
from troth.core.entries import Act
from troth.core.events import EXPLICIT, Accept, Choose, Consent, MemberEvent, Notice, Objection, Withdraw
from troth.core.reasons import VERDICTS, Reason, bits, first_of, verdict_of
from troth.core.standing import Known, Placed, Standing
from troth.core.terms import Audience, Clause, Terms
from troth.core.values import Record, Use, format_instant
from troth.core.written import Json, write_event
from troth.intake.parts import part_paths
from troth.intake.theirs import Kept, find_theirs

PURPOSE: Final = "train.generative"
OTHERS: Final = "Its author alone decides about this."


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a document that was read as a clause."""

    document: str
    version: str
    effective_at: int
    clause: Clause

    @property
    def quote(self) -> str:
        """The sentence, or what was read from it."""
        return self.clause.quote or described(self.clause)


@dataclass(frozen=True, slots=True)
class Switch:
    """A switch of a member now: its state, where the state comes from, and what it rests on.

    ``source`` is ``chosen``, ``withdrawn``, ``signal`` or ``default``; ``at`` and ``by`` are of the choice.
    """

    setting: str
    on: bool
    source: str
    at: int | None
    by: str | None
    covers_past: bool
    place: str | None
    sentences: tuple[Sentence, ...]
    promises: tuple[Sentence, ...]


def switches(known: Known, subject: str, now: int) -> list[Switch]:
    """The member's switches, in the order in which they were introduced."""
    standing = Standing(known, known.member(subject), now)
    found = []
    for setting in known.settings:
        introduced = standing.introduced(setting)
        if introduced is not None and introduced <= now:
            found.append(_switch(standing, known.member(subject), setting))
    return found


def _switch(standing: Standing, history: Sequence[tuple[int, MemberEvent]], setting: str) -> Switch:
    now = standing.now
    on, source, at, by, past = standing.default(setting, now), "default", None, None, False
    choices = standing.choices(setting)
    if choices:
        last = choices[-1]
        event = next(event for position, event in history if position == last.when[1])
        on, at, past = last.on, last.when[0], last.covers_past
        source, by = ("withdrawn", "member") if isinstance(event, Withdraw) else ("chosen", "member")
        by = event.by if isinstance(event, Choose) else by
    elif standing.signalled_off(setting):
        on, source = False, "signal"
        at = max(
            event.at
            for _, event in history
            if isinstance(event, Choose)
            and event.setting == setting
            and event.by not in EXPLICIT
            and event.at <= now
        )
    permits, promises = [], []
    for document in standing.known.documents.values():
        newest = standing.newest(document, now)
        for clause in newest.terms.clauses if newest is not None else ():
            terms = newest.terms if newest is not None else document[0].terms
            sentence = Sentence(terms.document, terms.version, terms.effective_at, clause)
            if clause.condition is not None and clause.condition.setting == setting:
                permits.append(sentence)
            elif clause.effect != "permit" and terms.kind == "setting_text":
                promises.append(sentence)
    return Switch(
        setting, on, source, at, by, past, standing.jurisdiction(now), tuple(permits), tuple(promises)
    )


def described(clause: Clause) -> str:
    """A clause in plain words, where no sentence is kept."""
    verb = {"permit": "May be used", "forbid": "Is not used", "limit": "Is used for nothing but"}[
        clause.effect
    ]
    purposes = ", ".join(clause.purposes)
    middle = f" for {purposes}" if clause.effect != "limit" else f" {purposes}"
    return f"{', '.join(clause.categories)}: {verb}{middle}, by {', '.join(clause.recipients)}."


# uses


def uses(known: Known, acts: Sequence[Act] = ()) -> list[Use]:
    """The training uses worth showing: what releases were made for, and whom the terms speak of."""
    found = {Use(PURPOSE, "operator"): None}
    for act in acts:
        if act.type == "release":
            found[Use(str(act.details["purpose"]), str(act.details["recipient"]))] = None
    for document in known.documents.values():
        for placed in document:
            for clause in placed.terms.clauses:
                for recipient in clause.recipients:
                    if recipient not in ("any", "operator") and not recipient.startswith("processor"):
                        found[Use(PURPOSE, recipient)] = None
    return list(found)


def acts_of(home: ServedHome) -> list[tuple[int, Act]]:
    """What the operator did, in order: releases and more."""
    with home.reading() as ledger:
        return ledger.all_acts()


# the member's side of records


@dataclass(frozen=True, slots=True)
class Side:
    """How a record stands as far as the member is concerned, for one use.

    ``verdict`` and ``reason`` are of the member's own side (``others``: the member has none, its author decides);
    ``shared`` says that others have a say too.
    """

    use: Use
    verdict: str
    reason: Reason | None
    shared: bool
    sentences: tuple[Sentence, ...]

    @property
    def text(self) -> str:
        """The sentence for the member."""
        if self.verdict == "others":
            return OTHERS
        return ALLOWED.member if self.reason is None else SENTENCES[self.reason].member


class Own:
    """The member's own side of their records, now; nobody else's history is looked at."""

    def __init__(self, known: Known, subject: str, now: int) -> None:
        self._standing = Standing(known, known.member(subject), now)
        self._known = known
        self._subject = subject

    def side(self, record: Record, use: Use) -> Side:
        """One record, for one use."""
        mine = record.author == self._subject
        shared = any(one != self._subject for one in (record.author or "", *record.addressees))
        alone = not_judged(record, self._standing.now)
        if alone is not None and alone is not Reason.UNKNOWN_SUBJECT:
            return Side(use, "denied", alone, shared, ())
        if not mine and combination(record.categories, self._known) == "author":
            return Side(use, "others", None, shared, ())
        found, cited = Judge(self._standing, use, record.categories, record.created_at).judge()
        code = bits(found)
        sentences = tuple(
            Sentence(one.terms.document, one.terms.version, one.terms.effective_at, one.clause)
            for one in cited
        )
        return Side(use, verdict_of(code), first_of(code), shared, sentences)


def theirs(home: ServedHome, subject: str, **options: int | str | None) -> list[Kept]:
    """The member's records, newest first; options as of ``find_theirs``."""
    return find_theirs(part_paths(home.records_path), subject, **options)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Effect:
    """What a change would do to the member's own side of their records, for one use: counts by verdict."""

    use: Use
    before: dict[str, int]
    after: dict[str, int]


def effect(home: ServedHome, subject: str, event: Choose | Withdraw, now: int) -> list[Effect]:
    """What a choice or withdrawal would change, before it is made."""
    known, head = home.member(subject)
    records = [one.record for one in theirs(home, subject)]
    asked = uses(known, [act for _, act in acts_of(home)])
    before = [_tally(records, subject, use, now, known) for use in asked]
    known.add(head, event)
    after = [_tally(records, subject, use, now, known) for use in asked]
    return [Effect(*one) for one in zip(asked, before, after, strict=True)]


def tallies(
    records: Sequence[Record], subject: str, asked: Sequence[Use], now: int, known: Known
) -> dict[str, int]:
    """How many records nothing on the member's own side stands against, by use."""
    return {
        f"{use.purpose} {use.recipient}": _tally(records, subject, use, now, known)["allowed"]
        for use in asked
    }


def _tally(records: Sequence[Record], subject: str, use: Use, now: int, known: Known) -> dict[str, int]:
    own = Own(known, subject, now)
    counts = Counter(own.side(record, use).verdict for record in records)
    return {verdict: counts[verdict] for verdict in VERDICTS}


def reasons(records: Sequence[Kept], subject: str, use: Use, now: int, known: Known) -> dict[str, int]:
    """The member's own side of their records for one use, counted by sentence; allowed first."""
    own = Own(known, subject, now)
    sides = [own.side(one.record, use) for one in records]
    counts = Counter(side.reason for side in sides if side.verdict != "others")
    allowed = {ALLOWED.member: counts.pop(None)} if None in counts else {}
    return allowed | {SENTENCES[reason].member: n for reason, n in counts.most_common() if reason is not None}


# terms and notices


@dataclass(frozen=True, slots=True)
class Told:
    """How and when somebody was told of a version: ``joined``, ``accepted``, or a notice by a channel."""

    at: int
    how: str
    delivered: bool = True


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a document as a member met it; ``changes`` are against the version before."""

    placed: Placed
    told: tuple[Told, ...]
    applies: bool
    changes: tuple[Change, ...]

    @property
    def terms(self) -> Terms:
        """The version."""
        return self.placed.terms


@dataclass(frozen=True, slots=True)
class Change:
    """A sentence that came, went, changed or stayed; ``words`` are (``same``, ``new`` or ``gone``, text)."""

    kind: str
    clause: str
    effect: str
    words: tuple[tuple[str, str], ...]


def history_of_terms(known: Known, subject: str, now: int) -> dict[str, list[Version]]:
    """Every version of every document that was ever meant for the member, newest first."""
    standing = Standing(known, known.member(subject), now)
    found: dict[str, list[Version]] = {}
    for name, document in known.documents.items():
        ordered = sorted(document, key=lambda placed: placed.newness)
        newest = standing.newest(document, now)
        versions: list[Version] = []
        before: Terms | None = None
        for placed in ordered:
            told = tuple(told_of(known, standing, placed))
            start = max(placed.terms.effective_at, standing.joined or 0)
            if told or (start <= now and standing.in_effect(placed, start)) or placed is newest:
                changes = tuple(changes_between(before, placed.terms))
                versions.append(Version(placed, told, placed is newest, changes))
                before = placed.terms
        if versions:
            found[name] = versions[::-1]
    return found


def told_of(known: Known, standing: Standing, placed: Placed) -> Iterator[Told]:
    """When and how the member was told of a version, or was tried to be told, oldest first."""
    found: list[Told] = []
    if standing.joined is not None and standing.in_effect(placed, standing.joined):
        found.append(Told(standing.joined, "joined"))
    for _, notice in known.audience_notices:
        meant = isinstance(notice.to, Audience) and standing.in_audience(notice.to, notice.at)
        if meant and (notice.document, notice.version) == placed.terms.name:
            found.append(Told(notice.at, notice.channel or "notice", notice.delivered))
    for event in standing.events:
        if isinstance(event, Notice) and (event.document, event.version) == placed.terms.name:
            found.append(Told(event.at, event.channel or "notice", event.delivered))
        elif isinstance(event, Accept) and (event.document, event.version) == placed.terms.name:
            found.append(Told(event.at, "accepted"))
    yield from sorted((one for one in found if one.at <= standing.now), key=lambda one: one.at)


def changes_between(before: Terms | None, after: Terms) -> Iterator[Change]:
    """What changed between two versions, sentence by sentence."""
    old = {clause.id: clause for clause in before.clauses} if before is not None else {}
    for clause in after.clauses:
        earlier = old.pop(clause.id, None)
        text = clause.quote or described(clause)
        if earlier is None:
            kind = "new" if before is not None else "first"
            yield Change(kind, clause.id, clause.effect, (("same" if before is None else "new", text),))
            continue
        words = tuple(_words(earlier.quote or described(earlier), text))
        meaning = (
            earlier.effect,
            earlier.purposes,
            earlier.categories,
            earlier.recipients,
            earlier.condition,
        )
        now = (clause.effect, clause.purposes, clause.categories, clause.recipients, clause.condition)
        changed = any(kind != "same" for kind, _ in words) or meaning != now
        yield Change("changed" if changed else "same", clause.id, clause.effect, words)
    for clause in old.values():
        yield Change("gone", clause.id, clause.effect, (("gone", clause.quote or described(clause)),))


def _words(before: str, after: str) -> Iterator[tuple[str, str]]:
    old, new = re.findall(r"\S+\s*", before), re.findall(r"\S+\s*", after)
    for kind, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            yield "same", "".join(new[c:d])
            continue
        if b > a:
            yield "gone", "".join(old[a:b])
        if d > c:
            yield "new", "".join(new[c:d])


@dataclass(frozen=True, slots=True)
class Message:
    """A notice in the member's inbox."""

    position: int
    at: int
    document: str
    version: str
    channel: str
    delivered: bool
    effective_at: int | None


def inbox(known: Known, subject: str, now: int) -> list[Message]:
    """The notices to the member and to audiences they were in, newest first."""
    standing = Standing(known, known.member(subject), now)
    effective = {one.terms.name: one.terms.effective_at for all_ in known.documents.values() for one in all_}
    mine = [(position, event) for position, event in known.member(subject) if isinstance(event, Notice)]
    for position, notice in known.audience_notices:
        if isinstance(notice.to, Audience) and standing.in_audience(notice.to, notice.at):
            mine.append((position, notice))
    messages = [
        Message(
            position,
            one.at,
            one.document,
            one.version,
            one.channel or "notice",
            one.delivered,
            effective.get((one.document, one.version)),
        )
        for position, one in mine
        if one.at <= now
    ]
    return sorted(messages, key=lambda one: (one.at, one.position), reverse=True)


def objected(known: Known, subject: str, now: int) -> int | None:
    """When the member last objected to training; None: never."""
    return max(
        (one.at for _, one in known.member(subject) if isinstance(one, Objection) and one.at <= now),
        default=None,
    )


def consents(known: Known, subject: str, now: int) -> list[tuple[Consent, bool]]:
    """The member's consents and whether each still stands."""
    standing = Standing(known, known.member(subject), now)
    return [
        (
            one.consent,
            not one.withdrawn and not (one.consent.expires_at is not None and one.consent.expires_at <= now),
        )
        for one in standing.consents
    ]


def copy_of(home: ServedHome, subject: str) -> dict[str, Json]:
    """A copy of a member's data: what the ledger holds of them, and the records they are a party of."""
    with home.reading() as ledger:
        history = ledger.history(subject)
        receipts = {position: ledger.receipt(position) for position, _ in history}
    return {
        "subject": subject,
        "entries": [
            {
                "position": position,
                "commitment": receipts[position].commitment,
                "public_time": receipts[position].time,
                **write_event(event),
            }
            for position, event in history
        ],
        "records": [
            {
                "id": one.record.id,
                "category": one.record.category,
                "created_at": _instant(one.record.created_at),
                "deleted_at": _instant(one.record.deleted_at),
                "role": "author" if one.record.author == subject else "addressee",
                "author": one.record.author,
                "addressees": list(one.record.addressees),
                "topics": list(one.record.topics),
                "conversation": one.conversation,
                "title": one.title,
                "body": one.body,
            }
            for one in theirs(home, subject)
        ],
    }


def _instant(instant: int | None) -> str | None:
    return None if instant is None else format_instant(instant)
