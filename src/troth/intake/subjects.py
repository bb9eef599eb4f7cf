"""Tables about members: their attributes, and whether messages reached them.

Columns are known by name, an unknown one is refused (a misspelt ``jurisdiction`` would leave every member's
place unnamed), and any bad line refuses the whole table: half a table of members is worse than none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from troth.core.errors import BadInput, Place
from troth.core.events import Attributes
from troth.core.shape import Shape
from troth.core.values import MICROSECONDS_PER_DAY, day_of, format_day, format_instant
from troth.core.written import read_event
from troth.intake.plain import MAX_LINE_BYTES, PlainRow, Style, Table
from troth.intake.rows import Damaged
from troth.intake.sources import Meter, Progress, silent

T = TypeVar("T")

MAX_ERRORS_SHOWN: Final = 20
UNKNOWN_WORDS: Final = ("unknown", "null")
"""What a cell says for "not known from then on"; an empty one says nothing of that attribute."""

_ATTRIBUTES: Final = ("jurisdiction", "tier", "born", "status")
_SUBJECTS: Final = ("subject", "since", *_ATTRIBUTES)
_RESULTS: Final = ("subject", "at", "delivered")
_FLAGS: Final = {"true": True, "false": False}


def read_subjects(
    path: Path, progress: Progress = silent, *, limit: int = MAX_LINE_BYTES
) -> list[Attributes]:
    """Read a subjects table: CSV, JSON lines or Parquet.

    Columns: ``subject``, ``since``, ``jurisdiction``, ``tier``, ``born``, ``status``; only the first two must
    be there. An empty cell (also a null of Parquet) is not named; ``unknown`` or ``null`` in a cell, and null
    in JSON, say that the attribute is unknown from ``since`` on.

    Raises:
        BadInput: with the places of up to 20 bad lines and the number of the rest.
    """
    table = Table(path, Style(limit=limit))
    _check_header(table, needed=_SUBJECTS[:2], known=_SUBJECTS)
    keeps_null = table.kind == "jsonl"

    def read(row: PlainRow) -> Attributes:
        shape = _shape(_named(row.values, keeps_null=keeps_null), row)
        shape.need("subject")
        event = read_event(shape)
        if not isinstance(event, Attributes):
            raise BadInput("expected attributes of a member", place=row.where.place)
        return event

    return _read_all(table, Meter([path], progress), read)


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """Whether a message reached a member, with the line that says so; ``at`` in microseconds UTC."""

    subject: str
    at: int
    delivered: bool
    place: Place


def read_delivery_results(
    path: Path, progress: Progress = silent, *, limit: int = MAX_LINE_BYTES
) -> Iterator[DeliveryResult]:
    """Read what a mailer reports: CSV or JSON lines (or Parquet) with ``subject``, ``at``, ``delivered``.

    The rows come only once the whole file was found to be good.

    Raises:
        BadInput: with the places of up to 20 bad lines and the number of the rest.
    """
    table = Table(path, Style(limit=limit))
    _check_header(table, needed=_RESULTS, known=_RESULTS)
    yield from _read_all(table, Meter([path], progress), _read_result)


def _read_result(row: PlainRow) -> DeliveryResult:
    shape = _shape(_named(row.values, keeps_null=False), row)
    delivered = shape.need("delivered")
    if not isinstance(delivered.value, bool):
        word = delivered.as_one_of(tuple(_FLAGS))
    else:
        word = "true" if delivered.value else "false"
    result = DeliveryResult(
        shape.need("subject").as_text(), shape.need("at").as_instant(), _FLAGS[word], row.where.place
    )
    shape.close()
    return result


def _check_header(table: Table, *, needed: tuple[str, ...], known: tuple[str, ...]) -> None:
    names = table.columns()
    if names is None:
        return
    header = Shape(dict.fromkeys(names), str(table.path), {(): 1})
    for name in known:
        header.has(name)
    header.close()
    for name in needed:
        if name not in names:
            header.refuse(
                f"the column {name!r} is missing; found {', '.join(names)}", remedy=f"add the column {name}"
            )


def _read_all(table: Table, meter: Meter, read: Callable[[PlainRow], T]) -> list[T]:
    """Every row, or the places of those that cannot be read."""
    rows: list[T] = []
    errors: list[str] = []
    bad = 0
    for found in table.rows(meter):
        if isinstance(found, Damaged):
            # No line of it is to blame: mending lines would not help.
            raise BadInput(
                f"{found.reason}, so nothing was taken from the table",
                place=found.where.place,
                remedy=found.remedy.partition(";")[0].removesuffix(" and import it again") + " and repeat",
            )
        try:
            if isinstance(found, PlainRow):
                rows.append(read(found))
                continue
            raise BadInput(found.reason, place=found.where.place)
        except BadInput as error:
            bad += 1
            if bad <= MAX_ERRORS_SHOWN:
                errors.append(str(error).replace("\n", "\n  "))
    if bad:
        _refuse(table.path, errors, bad)
    return rows


def _refuse(path: Path, errors: list[str], bad: int) -> None:
    more = [f"… and {bad - len(errors)} more"] if bad > len(errors) else []
    lines = "\n  ".join([*errors, *more])
    noun = "line" if bad == 1 else "lines"
    raise BadInput(
        f"{bad} {noun} cannot be read, so nothing was taken from the table\n  {lines}",
        place=Place(str(path)),
        remedy="mend these lines and repeat",
    )


def _shape(values: Mapping[str, object], row: PlainRow) -> Shape:
    place = row.where.place
    return Shape(values, place.source, None if place.line is None else {(): place.line})


def _named(values: Mapping[str, object], *, keeps_null: bool) -> dict[str, object]:
    """The cells that say something, in the written form of events."""
    named: dict[str, object] = {}
    for name, value in values.items():
        written = _written(name, value)
        if written == "" or (written is None and not keeps_null):
            continue
        unknown = name in _ATTRIBUTES and written in UNKNOWN_WORDS
        named[name] = None if unknown else written
    return named


def _written(name: str, value: object) -> object:
    if isinstance(value, str):
        return value.strip()
    instant = getattr(value, "instant", None)
    if not isinstance(instant, int):
        return value
    whole_day = instant % MICROSECONDS_PER_DAY == 0
    return format_day(day_of(instant)) if name == "born" and whole_day else format_instant(instant)
