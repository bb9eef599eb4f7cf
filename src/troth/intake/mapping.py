"""Which columns of a table become which columns of a record: mapping files.

columns: {id: path, created_at: date, author: from, addressees: [to, cc], title: subject, body: body}
constants: {category: private_message.inmail}
formats: {created_at: "%d/%m/%Y %H:%M"}
identity: [from, to, date, subject, body]
addresses: true
split: {addressees: ";"}
reject_when_missing: [author]
delimiter: ","
encoding: utf-8
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from troth.core.errors import BadInput, Place
from troth.core.shape import Shape
from troth.core.values import check_category, topic_category
from troth.intake.plain import MAX_LINE_BYTES, Style
from troth.intake.rows import CONTENT, record_category
from troth.intake.yaml_files import read_yaml

COLUMNS: Final = ("id", *CONTENT)
EPOCH_UNITS: Final = {"epoch:s": 1_000_000, "epoch:ms": 1_000, "epoch:us": 1}
"""Formats of instants that are numbers: their unit in microseconds."""

_LISTS: Final = ("addressees", "topics")
_INSTANTS: Final = ("created_at", "deleted_at")
_CONSTANTS: Final = ("category", "author", "topics", "conversation")


@dataclass(frozen=True, slots=True)
class Mapping:
    """What a mapping file says.

    ``columns`` names, for each record column, the table's columns that it comes from. ``given`` says whether
    there was a file: without one the table has the record columns by their own names.
    """

    columns: dict[str, tuple[str, ...]]
    constants: dict[str, tuple[str, ...]] = field(default_factory=dict)
    formats: dict[str, str] = field(default_factory=dict)
    identity: tuple[str, ...] = ()
    addresses: bool = False
    split: dict[str, str] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    style: Style = field(default_factory=Style)
    given: bool = True
    places: dict[str, Place] = field(default_factory=dict)

    @property
    def wanted(self) -> tuple[str, ...]:
        """The table's columns that are read."""
        named = (*(name for names in self.columns.values() for name in names), *self.identity)
        return tuple(dict.fromkeys(named))


def standard_mapping(limit: int = MAX_LINE_BYTES) -> Mapping:
    """The record columns under their own names; those that the table lacks are unknown."""
    return Mapping({name: (name,) for name in COLUMNS}, style=Style(limit=limit), given=False)


def read_mapping(path: Path, limit: int = MAX_LINE_BYTES) -> Mapping:
    """Read a mapping file.

    Raises:
        BadInput: with the line and what was expected there.
    """
    documents = read_yaml(path)
    if len(documents) != 1:
        raise BadInput(f"expected one document, found {len(documents)}", place=Place(str(path)))
    shape = documents[0]
    columns = shape.need("columns")
    identity = shape.get("identity")
    addresses = shape.get("addresses")
    required = shape.get("reject_when_missing")
    constants = _section(shape, "constants", _CONSTANTS)
    mapping = Mapping(
        columns=_columns(columns),
        constants={name: _constant(name, value) for name, value in constants.items()},
        formats={
            name: value.checked(_format) for name, value in _section(shape, "formats", _INSTANTS).items()
        },
        identity=identity.texts() if identity else (),
        addresses=addresses.as_flag() if addresses else False,
        split={
            name: value.as_text() for name, value in _section(shape, "split", ("author", *_LISTS)).items()
        },
        required=tuple(item.as_one_of(COLUMNS) for item in required.items()) if required else (),
        style=_style(shape, limit),
        places=_places(columns) | (dict.fromkeys(identity.texts(), identity.place) if identity else {}),
    )
    shape.close()
    _check(shape, mapping)
    return mapping


def _section(shape: Shape, key: str, names: tuple[str, ...]) -> dict[str, Shape]:
    section = shape.get(key)
    if section is None:
        return {}
    found = {name: value for name in names if (value := section.get(name)) is not None}
    section.close()
    return found


def _columns(shape: Shape) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name in COLUMNS:
        value = shape.get(name)
        if value is None:
            continue
        if isinstance(value.value, list) and name not in _LISTS:
            value.refuse(f"expected one column; only {' and '.join(_LISTS)} may come from several")
        found[name] = value.texts() if isinstance(value.value, list) else (value.as_text(),)
    shape.close()
    return found


def _places(shape: Shape) -> dict[str, Place]:
    """Where each of the table's columns is named."""
    places: dict[str, Place] = {}
    for name in COLUMNS:
        value = shape.get(name)
        if value is None:
            continue
        for item in value.items() if isinstance(value.value, list) else (value,):
            places.setdefault(str(item.value), item.place)
    return places


def _constant(name: str, value: Shape) -> tuple[str, ...]:
    if name == "topics":
        return value.texts(_topic)
    if name == "category":
        return (value.checked(record_category),)
    return (value.as_text(),)


def _topic(text: str) -> str:
    check_category(topic_category(text))
    return text


def _format(text: str) -> str:
    if text in EPOCH_UNITS:
        return text
    if "%" not in text:
        raise BadInput(f"expected a date format such as %d/%m/%Y %H:%M, or one of {', '.join(EPOCH_UNITS)}")
    try:
        datetime.strptime("", text)  # noqa: DTZ007 - only whether the format is one
    except ValueError as error:
        if "does not match" not in str(error):
            raise BadInput(f"is no date format: {error}", remedy="see strftime for the directives") from None
    return text


def _style(shape: Shape, limit: int) -> Style:
    delimiter, encoding = shape.get("delimiter"), shape.get("encoding")
    return Style(
        delimiter=delimiter.checked(_delimiter) if delimiter else ",",
        encoding=encoding.checked(_encoding) if encoding else "utf-8",
        limit=limit,
    )


def _delimiter(text: str) -> str:
    if len(text) != 1 or text in '"\r\n ':
        raise BadInput("expected one character that separates cells", remedy='for instance ";" or "\\t"')
    return text


def _encoding(text: str) -> str:
    try:
        if '\n,;\t"a'.encode(text) == b'\n,;\t"a':
            return text
    except (LookupError, UnicodeError):
        pass
    raise BadInput("expected a charset that contains ASCII, such as utf-8 or cp1252")


def _check(shape: Shape, mapping: Mapping) -> None:
    """What a mapping must have for a record to come of it."""
    columns, constants = mapping.columns, mapping.constants
    if "id" not in columns and not mapping.identity:
        shape.refuse(
            "says neither which column is the id nor what makes up the identity of a record",
            remedy="add `columns: {id: …}`, or `identity: […]` with the columns that tell records apart",
        )
    if "category" not in columns and "category" not in constants:
        shape.refuse(
            "says nothing of the category", remedy="add `constants: {category: private_message}` or another"
        )
    for name in constants:
        if name in columns:
            shape.need("constants").need(name).refuse("is a constant and a column", remedy="keep one")
