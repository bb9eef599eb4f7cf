"""One plain row of a table as a record, by a mapping."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping as Values
from datetime import UTC, datetime
from typing import Final

from troth.core.errors import BadInput
from troth.core.values import check_category, parse_instant, to_microseconds, topic_category
from troth.intake.addresses import UNKNOWN, parse_entry, parse_list
from troth.intake.mapping import EPOCH_UNITS, Mapping
from troth.intake.plain import Moment, PlainRow
from troth.intake.rows import MAX_NAME, Rejected, Row, clean, named_addressees, plausible, record_category

_ADDRESS_KEYS: Final = ("addr", "address", "email", "emailAddress")
_LATEST: Final = parse_instant("9999-12-31")


class _Unfit(Exception):
    """The row is no record; the text says why, without what stood there."""


def read_row(plain: PlainRow, mapping: Mapping, now: int) -> Row | Rejected:
    """One row as a record. Dates before 1970 or in the future of ``now`` count as unknown, with a note."""
    try:
        row = _Reading(plain, mapping).row(now)
    except _Unfit as unfit:
        return Rejected(plain.where, str(unfit))
    for name in mapping.required:
        if getattr(row, name) in (None, "", (), (UNKNOWN,)):
            return Rejected(plain.where, f"{name} is missing")
    return row


class _Reading:
    def __init__(self, plain: PlainRow, mapping: Mapping) -> None:
        self.plain = plain
        self.values = plain.values
        self.mapping = mapping

    def row(self, now: int) -> Row:
        written, notes = self.instant("created_at"), []
        created_at = plausible(written, now)
        if created_at != written:
            notes.append("date before 1970 or in the future")
        category = self.category()
        author, more_authors = self.author()
        own = self.own_id()
        made = self.made_id()
        if own is None and made is None:
            raise _Unfit("id is missing")
        addressees = tuple(dict.fromkeys((*self.parties("addressees"), *more_authors)))
        if self.mapping.addresses:
            addressees = named_addressees(category, addressees)
        return Row(
            id=own or made or "",
            other_id=None if own is None else made,
            category=category,
            where=self.plain.where,
            created_at=created_at,
            deleted_at=self.instant("deleted_at"),
            author=author,
            addressees=addressees,
            topics=self.topics(),
            conversation=self.text("conversation"),
            title=self.text("title"),
            body=self.text("body"),
            notes=tuple(notes),
        )

    # identity

    def own_id(self) -> str | None:
        found = self.text("id")
        if found is not None and len(found) > MAX_NAME:
            raise _Unfit(f"id is longer than {MAX_NAME} characters")
        return found

    def made_id(self) -> str | None:
        """The identity that the mapping makes of other columns."""
        if not self.mapping.identity:
            return None
        values = [self.values.get(name) for name in self.mapping.identity]
        content = json.dumps(values, sort_keys=True, default=_plain_json)
        return "sha256:" + hashlib.sha256(content.encode()).hexdigest()

    # scalars

    def sources(self, name: str) -> list[object]:
        constant = self.mapping.constants.get(name)
        if constant is not None:
            return list(constant)
        return [self.values.get(column) for column in self.mapping.columns.get(name, ())]

    def text(self, name: str) -> str | None:
        """Text or None; one that is blank says nothing, except as a body."""
        text = _text(name, next(iter(self.sources(name)), None))
        return text if text is None or name == "body" or text.strip() else None

    def category(self) -> str:
        text = self.text("category")
        if text is None:
            raise _Unfit("category is missing")
        try:
            return record_category(text)
        except BadInput:
            raise _Unfit("category: expected one such as private_message or post") from None

    def topics(self) -> tuple[str, ...]:
        found = tuple(dict.fromkeys(text for text in self.several("topics") if text))
        try:
            for text in found:
                check_category(topic_category(text))
        except BadInput:
            raise _Unfit("topics: expected words such as compensation or topic:health") from None
        return found

    # instants

    def instant(self, name: str) -> int | None:
        value = next(iter(self.sources(name)), None)
        if value is None or value == "":
            return None
        try:
            return _instant(value, self.mapping.formats.get(name), given=self.mapping.given)
        except (BadInput, ValueError, OverflowError):
            how = self.mapping.formats.get(name)
            expected = how or "an instant such as 2024-09-18T09:30:00Z"
            if how is None and isinstance(value, int | float):
                expected = f"a unit for the number (formats: {{{name}: epoch:s}}, epoch:ms or epoch:us)"
            raise _Unfit(f"{name}: expected {expected}") from None

    # parties

    def author(self) -> tuple[str | None, tuple[str, ...]]:
        """The author and further authors."""
        if not self.mapping.addresses:
            text = self.text("author")
            if text is not None and len(text) > MAX_NAME:
                raise _Unfit(f"author is longer than {MAX_NAME} characters")
            return text, ()
        found = [party for party in self.parties("author") if party != UNKNOWN]
        return (found[0], tuple(found[1:])) if found else (None, ())

    def parties(self, name: str) -> tuple[str, ...]:
        if not self.mapping.addresses:
            found = self.several(name)
            if any(len(text) > MAX_NAME for text in found):
                raise _Unfit(f"{name}: one is longer than {MAX_NAME} characters")
            return tuple(found)
        listed = [party for value in self.sources(name) for party in self.addressed(name, value)]
        return tuple(dict.fromkeys(listed))

    def addressed(self, name: str, value: object) -> tuple[str, ...]:
        """The parties that mail addresses name: text, an object with name and address, or a list of these."""
        if isinstance(value, list | tuple):
            return tuple(party for one in value for party in self.entry(name, one))
        if isinstance(value, Values):
            return self.entry(name, value)
        text = _text(name, value)
        if not text:
            return ()
        if name in self.mapping.split:
            return tuple(party for one in self.cut(name, text) for party in self.entry(name, one))
        return parse_list(text)

    def entry(self, name: str, value: object) -> tuple[str, ...]:
        if isinstance(value, Values):
            address = next((_text(name, value[key]) for key in _ADDRESS_KEYS if value.get(key)), None)
            value = address or value.get("name")
        text = _text(name, value)
        return (parse_entry(text) if text else ()) or (UNKNOWN,)

    def several(self, name: str) -> list[str]:
        found: list[str] = []
        for value in self.sources(name):
            if isinstance(value, list | tuple):
                found += [_text(name, one) or "" for one in value]
            else:
                text = _text(name, value)
                found += self.cut(name, text) if text else []
        return found

    def cut(self, name: str, text: str) -> list[str]:
        separator = self.mapping.split.get(name)
        if separator is None:
            return [text]
        return [one for part in text.split(separator) if (one := part.strip())]


def _text(name: str, value: object) -> str | None:
    if isinstance(value, str):
        return clean(value)
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise _Unfit(f"{name}: expected text, got {_kind(value)}")


def _kind(value: object) -> str:
    match value:
        case bool():
            return "true or false"
        case Values():
            return "an object (mail addresses need `addresses: true`)"
        case list() | tuple():
            return "a list"
        case Moment():
            return "an instant"
        case _:
            return f"a value of type {type(value).__name__}"


def _instant(value: object, how: str | None, *, given: bool) -> int:
    """An instant in microseconds UTC."""
    if isinstance(value, Moment):
        return value.instant
    unit = EPOCH_UNITS.get(how or "")
    if unit is None and not given and isinstance(value, int | str):
        # Our own record columns are integers in microseconds, also when they went through CSV.
        unit = 1 if str(value).lstrip("-").isdigit() else None
    if unit is not None:
        return _in_range(_number(value), unit)
    if not isinstance(value, str):
        raise ValueError("a number without its unit")
    text = value.strip()
    if how is None:
        return parse_instant(text)
    moment = datetime.strptime(text, how)  # noqa: DTZ007 - the next line gives it its zone
    return to_microseconds(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _number(value: object) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("no number")
    if not isinstance(value, str):
        return value
    return int(value) if value.strip().lstrip("-").isdigit() else float(value)


def _in_range(number: int | float, unit: int) -> int:
    if isinstance(number, float) and not math.isfinite(number):
        raise ValueError("no instant")
    instant = number * unit if isinstance(number, int) else round(number * unit)
    if abs(instant) > _LATEST:
        raise ValueError("beyond the calendar")
    return instant


def _plain_json(value: object) -> object:
    """What counts for an identity of a value that JSON does not know."""
    return value.instant if isinstance(value, Moment) else str(value)
