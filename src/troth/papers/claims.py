"""A claim as a file: whom it calls its class, which records and disclosures it is about, what money it asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from troth.core.regions import check_listed_place
from troth.core.shape import Shape
from troth.core.values import check_category, check_purpose, check_recipient

READINGS: Final = {
    "when_sent": "paid when the message was sent",
    "when_disclosed": "paid when it was disclosed",
    "ever": "paid at any time until the claim was filed",
}
PARTIES: Final = ("author", "addressee")
MEASURES: Final = ("per_person", "subscription", "restitution")


@dataclass(frozen=True, slots=True)
class Money:
    """What a claim asks for. ``cents``: per person, or for a month of the subscription; ``source`` of that figure."""

    claim: str
    name: str
    law: str
    measure: str
    currency: str
    cents: int | None = None
    source: str | None = None
    since: int | None = None
    before: int | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim; instants in microseconds UTC, ``since`` and ``before`` bound the disclosures' time."""

    claim: str
    title: str
    filed_at: int
    tier: str
    readings: tuple[str, ...]
    parties: tuple[str, ...]
    jurisdictions: tuple[str, ...] | None
    categories: tuple[str, ...]
    recipients: tuple[str, ...]
    purposes: tuple[str, ...]
    since: int | None
    before: int
    money: tuple[Money, ...]


def read_claim(shape: Shape) -> Claim:
    """Read a claim (schema: ``schemas/claim.schema.json``).

    Raises:
        BadInput: with file and line.
    """
    who, records, out = shape.need("class"), shape.need("records"), shape.need("disclosures")
    readings, parties, places = who.get("readings"), who.get("parties"), who.get("jurisdictions")
    since, money = out.get("from"), shape.get("money")
    claim = Claim(
        claim=shape.need("claim").as_text(),
        title=shape.need("title").as_text(),
        filed_at=shape.need("filed_at").as_instant(),
        tier=who.need("tier").as_text(),
        readings=tuple(one.as_one_of(tuple(READINGS)) for one in readings.items())
        if readings
        else tuple(READINGS),
        parties=tuple(one.as_one_of(PARTIES) for one in parties.items()) if parties else PARTIES,
        jurisdictions=places.texts(check_listed_place) if places else None,
        categories=records.need("categories").texts(check_category),
        recipients=out.need("recipients").texts(check_recipient),
        purposes=out.need("purposes").texts(check_purpose),
        since=since.as_instant() if since else None,
        before=out.need("before").as_instant(),
        money=tuple(map(_money, money.items())) if money else (),
    )
    for one in (who, records, out, shape):
        one.close()
    if claim.since is not None and claim.since >= claim.before:
        out.refuse("the time of the disclosures ends before it begins")
    return claim


def _money(shape: Shape) -> Money:
    cents, source, since, before = (shape.get(key) for key in ("cents", "source", "from", "before"))
    money = Money(
        claim=shape.need("claim").as_text(),
        name=shape.need("name").as_text(),
        law=shape.need("law").as_text(),
        measure=shape.need("measure").as_one_of(MEASURES),
        currency=shape.need("currency").as_text(),
        cents=cents.as_count() if cents else None,
        source=source.as_text() if source else None,
        since=since.as_instant() if since else None,
        before=before.as_instant() if before else None,
    )
    if money.cents is not None and money.source is None:
        shape.refuse("an amount needs its source", remedy="say where it stands: `source: 18 U.S.C. 2707(c)`")
    shape.close()
    return money
