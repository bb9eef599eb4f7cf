"""A paper: fields with a value or a blank that has its reason, each with what it was counted from.

Nothing here knows a form, a format or an engine. Forms (``troth.papers.forms`` and its neighbours) fill papers in;
renderers turn the JSON of a paper into HTML and PDF.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from troth.core.note import encode64
from troth.core.values import canonical, format_instant
from troth.core.written import Json

FORMAT: Final = "troth/paper/v1"
MAX_RANGES: Final = 500
"""Ranges of ledger positions that a field lists; of more it gives the number and a digest."""

NOT_KNOWN: Final = "not known from the ledger"
"""How every blank begins whose answer no entry holds."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text and numbers under headings."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str | int, ...], ...]

    def as_json(self) -> dict[str, Json]:
        """Plain JSON values."""
        return {"headings": list(self.headings), "rows": [list(row) for row in self.rows]}


Value: TypeAlias = str | int | tuple[str, ...] | Table


@dataclass(frozen=True, slots=True)
class Behind:
    """Ledger positions behind a figure, however many: ranges ``(first, last)``, or beyond MAX_RANGES a digest.

    The digest is SHA-256 over the positions in order, each as eight bytes, big-endian.
    """

    count: int
    ranges: tuple[tuple[int, int], ...]
    sha256: str | None = None

    @classmethod
    def of(cls, positions: npt.ArrayLike) -> Behind:
        """The positions of an array, in any order."""
        numbers = np.unique(np.asarray(positions, np.int64))
        if not numbers.size:
            return cls(0, ())
        breaks = np.flatnonzero(np.diff(numbers) != 1)
        if breaks.size >= MAX_RANGES:
            return cls(int(numbers.size), (), hashlib.sha256(numbers.astype(">u8").tobytes()).hexdigest())
        firsts, lasts = numbers[np.r_[0, breaks + 1]], numbers[np.r_[breaks, numbers.size - 1]]
        pairs = zip(firsts.tolist(), lasts.tolist(), strict=True)
        return cls(int(numbers.size), tuple((first, last) for first, last in pairs))

    def as_json(self) -> dict[str, Json]:
        """Plain JSON values."""
        if self.sha256 is not None:
            return {"count": self.count, "sha256": self.sha256}
        return {"count": self.count, "ranges": [list[Json](one) for one in self.ranges]}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a paper.

    Args:
        key: its name, the same in every version of the paper.
        label: what it is called by whoever asks for it, in plain words.
        value: the answer; None where there is none.
        blank: why there is none.
        query: how it was counted, in words or SQL.
        entries: positions of the ledger entries that it was counted from.
        erased: positions of entries whose body is gone, so that the value cannot be counted anew from them.
        note: an explanation for the reader.
    """

    key: str
    label: str
    value: Value | None = None
    blank: str | None = None
    query: str | None = None
    entries: tuple[int, ...] | Behind = ()
    erased: tuple[int, ...] = ()
    note: str | None = None

    def __post_init__(self) -> None:
        if (self.value is None) == (self.blank is None):
            raise ValueError(f"field {self.key}: a field has either a value or the reason why it is blank")

    def as_json(self) -> dict[str, Json]:
        """Plain JSON values."""
        found: dict[str, Json] = {"key": self.key, "label": self.label}
        match self.value:
            case None:
                found["blank"] = self.blank
            case Table():
                found["table"] = self.value.as_json()
            case tuple():
                found["value"] = list(self.value)
            case _:
                found["value"] = self.value
        if self.query is not None:
            found["query"] = self.query
        behind = self.entries if isinstance(self.entries, Behind) else Behind.of(self.entries)
        if behind.count:
            found["entries"] = behind.as_json()
        if self.erased:
            found["rests_on_erased"] = Behind.of(self.erased).as_json()
        if self.note is not None:
            found["note"] = self.note
        return found


@dataclass(frozen=True, slots=True)
class Section:
    """Fields under a title; ``text`` introduces them."""

    title: str
    fields: tuple[Field, ...]
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Stand:
    """The state of the ledger that a paper was counted from.

    ``position`` entries were there, ``time`` (microseconds UTC) is when the last of them was recorded, to the precision
    that the public log shows; ``root`` is the root of the public log's tree over just these entries, ``origin`` the
    log's name (None: the home has no log).
    """

    position: int
    time: int
    root: bytes
    origin: str | None = None

    def as_json(self) -> dict[str, Json]:
        """Plain JSON values."""
        return {
            "position": self.position,
            "time": format_instant(self.time),
            "checkpoint": {"origin": self.origin, "size": self.position, "root": encode64(self.root)},
        }


@dataclass(frozen=True, slots=True)
class Paper:
    """A paper as of a ledger position; ``document`` is its form for machines where a standard has one."""

    kind: str
    about: str
    title: str
    reader: str
    rule: str
    stand: Stand
    sections: tuple[Section, ...]
    document: dict[str, Json] | None = None
    words: tuple[tuple[str, str], ...] = field(default=())

    @property
    def fields(self) -> tuple[Field, ...]:
        """All fields in order."""
        return tuple(one for section in self.sections for one in section.fields)

    def as_json(self) -> dict[str, Json]:
        """The JSON of a paper: what is stored, compared and rendered."""
        return {
            "format": FORMAT,
            "paper": self.kind,
            "about": self.about,
            "title": self.title,
            "reader": self.reader,
            "rule": self.rule,
            "ledger": self.stand.as_json(),
            "sections": [
                {
                    "title": section.title,
                    **({"text": section.text} if section.text else {}),
                    "fields": [one.as_json() for one in section.fields],
                }
                for section in self.sections
            ],
            "blanks": [
                {"key": one.key, "label": one.label, "reason": one.blank}
                for one in self.fields
                if one.blank is not None
            ],
            "rests_on_erased": [one.key for one in self.fields if one.erased],
            "words": [{"word": word, "meaning": meaning} for word, meaning in self.words],
            **({"document": self.document} if self.document is not None else {}),
        }


def paper_bytes(paper: dict[str, Json]) -> bytes:
    """The bytes of a paper's JSON: canonical (RFC 8785), so that equal papers are equal bytes."""
    return canonical(paper) + b"\n"


@dataclass(frozen=True, slots=True)
class Change:
    """A field that differs between two versions of a paper; None: it was not there, or is there no more."""

    key: str
    label: str
    before: Json
    after: Json

    def as_json(self) -> dict[str, Json]:
        """Plain JSON values."""
        return {"key": self.key, "label": self.label, "before": self.before, "after": self.after}


def difference(before: dict[str, Json], after: dict[str, Json]) -> list[Change]:
    """How the fields of two papers' JSON differ: answers and blanks, not what they were counted from."""
    old, new = _answers(before), _answers(after)
    changes = []
    for key in [*new, *(key for key in old if key not in new)]:
        earlier, later = old.get(key, ("", None)), new.get(key, ("", None))
        if earlier[1] != later[1]:
            changes.append(Change(key, later[0] or earlier[0], earlier[1], later[1]))
    return changes


def _answers(paper: dict[str, Json]) -> dict[str, tuple[str, Json]]:
    found: dict[str, tuple[str, Json]] = {}
    for section in _list(paper.get("sections")):
        for one in _list(section.get("fields")):
            answer = one.get("value", one.get("table"))
            if answer is None:
                answer = {"blank": one.get("blank")}
            found[str(one.get("key"))] = (str(one.get("label")), answer)
    return found


def _list(value: Json) -> list[dict[str, Json]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def table(headings: Sequence[str], rows: Iterable[Sequence[str | int]]) -> Table:
    """A table of its headings and rows."""
    return Table(tuple(headings), tuple(tuple(row) for row in rows))
