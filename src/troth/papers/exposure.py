"""Exposure to a claim: members, records, disclosures and money under each reading, counted by SQL that the paper shows.

What was disclosed comes in as a table ``disclosed``; members' tiers and places are spans (``troth.papers.relational``).
Whoever has a record of disclosures from before the ledger began names it; without one the answer for that time is that
it is not known.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import duckdb
import numpy as np

from troth.core.regions import specificity
from troth.core.values import MICROSECONDS_PER_DAY, any_covers, format_instant
from troth.papers.claims import READINGS, Claim, Money
from troth.papers.facts import Facts, category, party, purpose
from troth.papers.model_forms import WORDS
from troth.papers.paper import NOT_KNOWN, Behind, Field, Paper, Section, table

_DAYS_OF_A_YEAR: Final = 365
_MONTHS_OF_A_YEAR: Final = 12
_CENTS: Final = 100

# The words of the queries that papers show are those that ran.
CHOSEN: Final = """
CREATE TABLE chosen AS
SELECT d.record, d.recipient, d.given_at, r.created_at, r.author, r.addressees
FROM (SELECT DISTINCT record, recipient, given_at FROM disclosed
      WHERE recipient IN (SELECT unnest($recipients::VARCHAR[])) AND purpose IN (SELECT unnest($purposes::VARCHAR[]))
        AND given_at < $before AND given_at >= $since) AS d
JOIN records AS r ON r.id = d.record
WHERE r.category IN (SELECT unnest($categories::VARCHAR[]))
"""

PARTIES: Final = """
CREATE TABLE parties AS
SELECT p.record, p.recipient, p.given_at, p.created_at, p.account, COALESCE(j.person, p.account) AS person
FROM (SELECT record, recipient, given_at, created_at, unnest({who}) AS account FROM chosen) AS p
LEFT JOIN people AS j ON j.account = p.account
WHERE p.account IS NOT NULL AND p.account <> '' {place}
"""

PLACE: Final = """AND EXISTS (SELECT 1 FROM spans_of_jurisdiction AS s WHERE s.subject = p.account
    AND s.start <= p.given_at AND p.given_at < s.stop AND s.jurisdiction IN (SELECT unnest($places::VARCHAR[])))"""

PARTIES_IN_ORDER: Final = ("author", "addressee")

WHO: Final = {
    ("author",): "[author]",
    ("addressee",): "list_distinct(addressees)",
    ("author", "addressee"): "list_distinct(list_append(addressees, author))",
}

SPAN_OF: Final = {
    "when_sent": "s.start <= p.created_at AND p.created_at < s.stop",
    "when_disclosed": "s.start <= p.given_at AND p.given_at < s.stop",
    "ever": "s.start < s.stop AND s.start <= $filed",
}

CLASS: Final = """
CREATE TABLE class_{reading} AS
SELECT p.person, p.account, p.record, p.recipient, p.given_at
FROM parties AS p SEMI JOIN (SELECT * FROM spans_of_tier WHERE tier = $tier) AS s ON s.subject = p.account AND {span}
"""

UNKNOWN: Final = {
    "when_sent": "SELECT COUNT(DISTINCT p.person) FROM parties AS p WHERE NOT EXISTS (SELECT 1 FROM spans_of_tier AS s"
    " WHERE s.subject = p.account AND s.start <= p.created_at AND p.created_at < s.stop AND s.tier IS NOT NULL)",
    "when_disclosed": "SELECT COUNT(DISTINCT p.person) FROM parties AS p WHERE NOT EXISTS (SELECT 1 FROM spans_of_tier AS s"
    " WHERE s.subject = p.account AND s.start <= p.given_at AND p.given_at < s.stop AND s.tier IS NOT NULL)",
    "ever": "SELECT COUNT(DISTINCT p.person) FROM parties AS p WHERE NOT EXISTS (SELECT 1 FROM spans_of_tier AS s"
    " WHERE s.subject = p.account AND s.tier IS NOT NULL)",
}

COUNT: Final = {
    "members": "SELECT COUNT(DISTINCT person) FROM class_{reading}",
    "records": "SELECT COUNT(DISTINCT record) FROM class_{reading}",
    "disclosures": "SELECT COUNT(*) FROM (SELECT DISTINCT record, recipient, given_at FROM class_{reading})",
}

BY_RECIPIENT: Final = """
SELECT recipient, COUNT(DISTINCT person), COUNT(DISTINCT record),
       COUNT(*) FILTER (first) FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY record, recipient, given_at ORDER BY person) = 1
       AS first FROM class_{reading}) GROUP BY recipient ORDER BY recipient
"""

PAID: Final = """
SELECT COALESCE(SUM(LEAST(s.stop, $until) - GREATEST(s.start, $start)), 0)
FROM spans_of_tier AS s JOIN (SELECT DISTINCT account FROM class_{reading}) AS c ON c.account = s.subject
WHERE s.tier = $tier AND s.start < $until AND s.stop > $start
"""

BEHIND: Final = """
SELECT DISTINCT s.position FROM spans_of_tier AS s JOIN (SELECT DISTINCT account FROM class_{reading}) AS c
ON c.account = s.subject ORDER BY s.position
"""

NOTICE: Final = """
SELECT person, MIN(given_at), COUNT(DISTINCT record), string_agg(DISTINCT reading, ' ' ORDER BY reading) FROM ({union}) GROUP BY person ORDER BY person
"""

WORDS_HERE: Final = (
    ("class", "the people for whom a claim is brought; each reading of its wording is counted by itself"),
    (
        "disclosure",
        "one record handed to one recipient at one time; a record to three recipients is three disclosures",
    ),
    ("InMail", "a private message that a paying member may send to somebody they are not connected to"),
    ("reading", "one way of understanding a word of the claim or the law"),
)


@dataclass(frozen=True, slots=True)
class Past:
    """A record of disclosures from before the ledger: the file, its digest, rows, who vouches and how surely."""

    name: str
    sha256: str
    rows: int
    evidence: tuple[str, ...]
    confidence: tuple[str, ...]
    entry: int | None = None


@dataclass
class Basis:
    """What an exposure rests on besides the ledger's entries: what was disclosed, and what is missing of it."""

    began: int
    past: tuple[Past, ...] = ()
    missing: tuple[tuple[str, str], ...] = ()
    """Releases whose rows could not be counted: (release, why)."""
    witnesses: int = 0


def count(connection: duckdb.DuckDBPyConnection, claim: Claim) -> None:
    """Make ``chosen``, ``parties`` and the classes; ``disclosed``, ``records``, ``people`` and spans are there."""
    values = {
        "categories": _covered(connection, "SELECT DISTINCT category FROM records", claim.categories),
        "recipients": _covered(connection, "SELECT DISTINCT recipient FROM disclosed", claim.recipients),
        "purposes": _covered(connection, "SELECT DISTINCT purpose FROM disclosed", claim.purposes),
        "before": claim.before,
        "since": claim.since if claim.since is not None else -(2**62),
    }
    connection.execute(CHOSEN, values)
    places = claim.jurisdictions
    listed: dict[str, list[str]] = {}
    if places is not None:
        found = connection.execute("SELECT DISTINCT jurisdiction FROM spans_of_jurisdiction").fetchall()
        listed["places"] = [
            str(one) for (one,) in found
            if one is not None and any(specificity(place, str(one), claim.before) for place in places)
        ]  # fmt: skip
    who = WHO[tuple(one for one in PARTIES_IN_ORDER if one in claim.parties)]
    connection.execute(PARTIES.format(who=who, place=PLACE if places is not None else ""), listed)
    for reading in claim.readings:
        more = {"filed": claim.filed_at} if reading == "ever" else {}
        connection.execute(CLASS.format(reading=reading, span=SPAN_OF[reading]), {"tier": claim.tier, **more})


def _covered(connection: duckdb.DuckDBPyConnection, query: str, listed: tuple[str, ...]) -> list[str]:
    found = connection.execute(query).fetchall()
    return sorted(str(one) for (one,) in found if one is not None and any_covers(listed, str(one)))


def notice_list(connection: duckdb.DuckDBPyConnection, claim: Claim) -> Iterator[tuple[str, str, int, str]]:
    """Whom a class notice would go to: person, first disclosure (ISO 8601), records, readings that include them."""
    union = " UNION ALL ".join(f"SELECT *, '{one}' AS reading FROM class_{one}" for one in claim.readings)  # noqa: S608 - own words
    cursor = connection.execute(NOTICE.format(union=union))
    while rows := cursor.fetchmany(100_000):
        for person, first, records, readings in rows:
            yield str(person), format_instant(int(first)), int(records), str(readings)


def exposure(connection: duckdb.DuckDBPyConnection, facts: Facts, claim: Claim, basis: Basis) -> Paper:
    """The paper of an exposure; ``count`` was called before."""
    sections = [_stated(claim), _known(facts, claim, basis)]
    covered = claim.since is not None and claim.since >= basis.began
    if basis.past or covered or _handed(facts, claim):
        note = (
            None
            if basis.past or covered
            else f"Since the ledger began. Of the time before: {_before(basis)}."
        )
        sections += [_class(connection, facts, reading, note) for reading in claim.readings]
        sections.append(_money(connection, facts, claim))
    else:
        sections.append(Section("The class", tuple(_nothing(claim, basis))))
    sections.append(_zero(facts, claim, basis))
    return Paper(
        "exposure",
        claim.claim,
        f"Exposure: {claim.title}",
        "the parties to the claim, their counsel, the court",
        "the claim as filed; figures by the queries that stand under them",
        facts.stand,
        tuple(sections),
        words=(*WORDS, *WORDS_HERE),
    )


def _stated(claim: Claim) -> Section:
    when = f"before {format_instant(claim.before)[:10]}"
    if claim.since is not None:
        when = f"from {format_instant(claim.since)[:10]}, {when}"
    how = {"author": "sent", "addressee": "received"}
    places = (
        "" if claim.jurisdictions is None else f", in {', '.join(claim.jurisdictions)} when it was disclosed"
    )
    fields = (
        Field("claim.class", "The class", f"members of the tier {claim.tier} who {' or '.join(how[one] for one in claim.parties)}"
              f" such a record{places}",
              query=_flat(PARTIES.format(who=WHO[tuple(one for one in PARTIES_IN_ORDER if one in claim.parties)], place="" if claim.jurisdictions is None else PLACE))),
        Field("claim.records", "Records", tuple(map(category, claim.categories))),
        Field("claim.disclosures", "Disclosures", f"to {', '.join(map(party, claim.recipients))}, for"
              f" {', '.join(map(purpose, claim.purposes))}, {when}", query=_flat(CHOSEN)),
        Field("claim.filed", "Filed", format_instant(claim.filed_at)[:10]),
    )  # fmt: skip
    return Section(
        "The claim, as it is stated", fields, "These words come from the claim's file, not from the ledger."
    )


def _known(facts: Facts, claim: Claim, basis: Basis) -> Section:
    fields = [
        Field("known.began", "The ledger began", format_instant(basis.began), entries=(0,), query="the time of entry 0",
              note="Of what happened before, it holds what was entered later, with the date of then."),
    ]  # fmt: skip
    if basis.past:
        rows = [
            (one.name, one.rows, ", ".join(one.evidence), ", ".join(one.confidence), one.sha256)
            for one in basis.past
        ]
        headings = ("File or entry", "Disclosures", "Evidence", "Confidence", "SHA-256")
        fields.append(
            Field("known.past", "Disclosures from before the ledger that were imported or handed in", table(headings, rows),
                  query="imported entries of the past, rows of the files named with --disclosed",
                  entries=tuple(one.entry for one in basis.past if one.entry is not None),
                  note="What is counted below for that time is what these state. What they leave out is not known.")
        )  # fmt: skip
    else:
        fields.append(Field("known.past", "Disclosures from before the ledger", blank=_before(basis)))
    handed = _handed(facts, claim)
    fields.append(
        Field("known.handed", "Disclosures that the ledger records", table(("Release", "Recipient", "At", "Entry"),
              [(release, party(to), at, entry) for release, to, at, entry in handed]), entries=tuple(one[3] for one in handed),
              query="disclosure entries of releases for recipients, purposes and times of the claim")
    )  # fmt: skip
    for release, why in basis.missing:
        fields.append(Field(f"known.missing.{release}", f"Rows of {release}", blank=f"{NOT_KNOWN}: {why}"))
    return Section("What can be known", tuple(fields))


def _before(basis: Basis) -> str:
    return (
        f"{NOT_KNOWN}: the ledger began on {format_instant(basis.began)[:10]}, and no record of disclosures from before"
        " was imported or handed in"
    )


def _handed(facts: Facts, claim: Claim) -> list[tuple[str, str, str, int]]:
    return [
        (one.release, one.recipient, format_instant(one.at), one.entries[0])
        for one in facts.disclosures
        if any_covers(claim.recipients, one.recipient)
        and one.release in facts.by_release
        and any_covers(claim.purposes, facts.by_release[one.release].use.purpose)
        and one.at < claim.before
        and (claim.since is None or claim.since <= one.at)
    ]


def _one(connection: duckdb.DuckDBPyConnection, query: str, values: dict[str, Any] | None = None) -> int:
    row = connection.execute(query, values or {}).fetchone()
    return int(row[0]) if row and row[0] is not None else 0


def _class(connection: duckdb.DuckDBPyConnection, facts: Facts, reading: str, note: str | None) -> Section:
    positions = connection.execute(BEHIND.format(reading=reading)).fetchnumpy()["position"]
    behind = Behind.of(np.asarray(positions, np.int64))
    erased = facts.erased_of("member")
    how = CLASS.format(reading=reading, span=SPAN_OF[reading])
    names = {"members": "Members", "records": "Records", "disclosures": "Disclosures"}
    fields = [
        Field(f"{reading}.{key}", names[key], _one(connection, query.format(reading=reading)),
              query=_flat(query.format(reading=reading)), entries=behind, erased=erased, note=note)
        for key, query in COUNT.items()
    ]  # fmt: skip
    fields.append(
        Field(f"{reading}.unknown", "People of whom it is not known whether they belong to the class", _one(connection, UNKNOWN[reading]),
              query=_flat(UNKNOWN[reading]), erased=erased,
              note="Parties of such a record whose tier at that time no entry gives: they are in none of the figures above.")
    )  # fmt: skip
    rows = connection.execute(BY_RECIPIENT.format(reading=reading)).fetchall()
    fields.append(
        Field(f"{reading}.recipients", "By recipient", table(("Recipient", "Members", "Records", "Disclosures"),
              [(party(str(name)), int(members), int(records), int(count_)) for name, members, records, count_ in rows]),
              query=_flat(BY_RECIPIENT.format(reading=reading)), entries=behind, erased=erased,
              note="A member or record in two rows counts in both.")
    )  # fmt: skip
    made = Field(
        f"{reading}.how", "How the class is made", f"parties of the chosen records who {READINGS[reading]}", query=_flat(how),
        note="“parties” and “chosen” are made from the claim's words; their queries stand under them above.",
    )  # fmt: skip
    text = "Each figure below counts only these people, each once however many accounts they have."
    return Section(f"The class, if it means members who {READINGS[reading]}", (made, *fields), text)


def _nothing(claim: Claim, basis: Basis) -> Iterator[Field]:
    for reading in claim.readings:
        for key in COUNT:
            yield Field(f"{reading}.{key}", f"{key.capitalize()} who {READINGS[reading]}" if key == "members" else
                        f"{key.capitalize()}, members who {READINGS[reading]}", blank=_before(basis))  # fmt: skip
    for money in claim.money:
        yield Field(f"money.{money.claim}", money.name, blank=_before(basis))


def _money(connection: duckdb.DuckDBPyConnection, facts: Facts, claim: Claim) -> Section:
    fields: list[Field] = []
    for money in claim.money:
        for reading in claim.readings:
            fields += _amounts(connection, facts, claim, money, reading)
    return Section(
        "Money, claim by claim",
        tuple(fields),
        "Amounts that the claim's words ask for. They are no finding that anything is owed.",
    )


def _amounts(
    connection: duckdb.DuckDBPyConnection, facts: Facts, claim: Claim, money: Money, reading: str
) -> Iterator[Field]:
    key, label = (
        f"money.{money.claim}.{reading}",
        f"{money.name} ({money.law}), members who {READINGS[reading]}",
    )
    erased = facts.erased_of("member")
    if money.measure == "restitution" or money.cents is None:
        yield Field(
            key,
            label,
            blank=f"{NOT_KNOWN}: no entry and no file gives what was paid for or lost under this claim",
        )
        return
    members = _one(connection, COUNT["members"].format(reading=reading))
    if money.measure == "per_person":
        counted = _flat(COUNT["members"].format(reading=reading))
        yield Field(f"{key}.everybody", f"{label}: if every member of the class counts", amount(money.currency, members * money.cents),
                    query=f"{counted}; times {amount(money.currency, money.cents)} ({money.source})", erased=erased)  # fmt: skip
        yield Field(f"{key}.damaged", f"{label}: if only members with actual damages count",
                    blank=f"{NOT_KNOWN}: no entry says who had actual damages; the amount lies between nothing and the figure above")  # fmt: skip
        return
    start, until = money.since, money.before if money.before is not None else claim.before
    if start is None:
        yield Field(
            key, label, blank="the claim's file does not say from when the subscription's price is asked back"
        )
        return
    values = {"start": start, "until": until, "tier": claim.tier}
    paid = _one(connection, PAID.format(reading=reading), values)
    yield Field(key, label, amount(money.currency, price(paid, money.cents)),
                query=f"{_flat(PAID.format(reading=reading))}; microseconds paid for, at {amount(money.currency, money.cents)} a month,"
                f" twelve months to {_DAYS_OF_A_YEAR} days ({money.source})", erased=erased,
                note=f"{paid // MICROSECONDS_PER_DAY:,} days of membership of these accounts from {format_instant(start)[:10]} to"
                f" {format_instant(until)[:10]}. Discounts and free months are not in the ledger.")  # fmt: skip


def price(paid: int, cents: int) -> int:
    """What some microseconds of a subscription cost in cents, at a price for a month; twelve months are 365 days."""
    year = _DAYS_OF_A_YEAR * MICROSECONDS_PER_DAY
    return (2 * _MONTHS_OF_A_YEAR * cents * paid + year) // (2 * year)


def amount(currency: str, cents: int) -> str:
    """An amount as people read it."""
    return f"{currency} {cents // _CENTS:,}.{cents % _CENTS:02}"


def _zero(facts: Facts, claim: Claim, basis: Basis) -> Section:
    sealed = [
        one
        for one in facts.releases
        if any_covers(claim.recipients, one.use.recipient) and any_covers(claim.purposes, one.use.purpose)
    ]
    given = {one.release for one in facts.disclosures}
    rows = [
        (
            one.release,
            party(one.use.recipient),
            one.rows,
            "yes" if one.release in given else "none recorded",
            one.entry,
        )
        for one in sealed
    ]
    entries = tuple(position for position, _ in facts.acts_of("release"))
    witnessed = (
        f"{basis.witnesses} witnesses have cosigned a checkpoint that covers these entries."
        if basis.witnesses
        else "No witness has cosigned these entries: that none was left out is the operator's signed word."
    )
    field_ = Field(
        "zero.releases", "Releases sealed for such recipients and purposes, since the ledger began", table(("Release", "Recipient", "Records", "Disclosed", "Entry"), rows),
        query="all release entries, by recipient and purpose", entries=entries, erased=facts.erased_of("release"),
        note=("" if rows else "None. ") + "The bundle opens every release and disclosure entry of the log, so that anybody can count them. " + witnessed,
    )  # fmt: skip
    return Section(
        "Since the ledger began",
        (field_,),
        "Only for this time, and only for what leaves by sealed releases, can a zero be claimed.",
    )


def _flat(query: str) -> str:
    return " ".join(query.split())
