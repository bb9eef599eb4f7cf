"""Reading untrusted plain values (from YAML or JSON) key by key, with the place of every error.

A ``Shape`` wraps one value and knows where it stands. Its readers say what was expected; ``close``
refuses keys that nobody asked for.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NoReturn, TypeVar

from troth.core.errors import BadInput, Place
from troth.core.values import parse_instant

T = TypeVar("T")

Path = tuple[str | int, ...]

_SHOWN = 60
"""How much of a wrong value an error shows, in characters."""


class Shape:
    """One value of a document, its path in it, and the lines of the document's values.

    ``lines`` maps paths to line numbers from 1; a path that is missing takes its parent's line.
    """

    def __init__(
        self, value: object, source: str, lines: Mapping[Path, int] | None = None, path: Path = ()
    ) -> None:
        self.value = value
        self._source = source
        self._lines = lines or {}
        self._path = path
        self._asked: set[str] = set()
        self._mapped: Mapping[str, object] | None = None

    @property
    def place(self) -> Place:
        """Where this value stands."""
        path = self._path
        while path and path not in self._lines:
            path = path[:-1]
        return Place(self._source, self._lines.get(path))

    def refuse(self, message: str, *, remedy: str | None = None) -> NoReturn:
        """Raise BadInput at this value's place."""
        name = ".".join(str(part) for part in self._path)
        raise BadInput(f"{name}: {message}" if name else message, place=self.place, remedy=remedy)

    def checked(self, check: Callable[[str], T]) -> T:
        """This value as text, read by ``check``; its BadInput gets this place."""
        try:
            return check(self.as_text())
        except BadInput as error:
            if error.place is not None:
                raise
            self.refuse(error.message, remedy=error.remedy)

    # scalars

    def as_text(self) -> str:
        """A non-empty string; a number is taken as its digits (an unquoted id or version)."""
        if isinstance(self.value, bool) or not isinstance(self.value, str | int) or self.value == "":
            self.refuse(f"expected text, got {_kind(self.value)}")
        return str(self.value)

    def as_any_text(self) -> str:
        """A string, perhaps empty."""
        if not isinstance(self.value, str):
            self.refuse(f"expected text, got {_kind(self.value)}")
        return self.value

    def as_flag(self) -> bool:
        """true or false."""
        if not isinstance(self.value, bool):
            self.refuse(f"expected true or false, got {_kind(self.value)}")
        return self.value

    def as_count(self) -> int:
        """A whole number of 0 or more."""
        if isinstance(self.value, bool) or not isinstance(self.value, int) or not 0 <= self.value < 2**53:
            self.refuse(f"expected a whole number of 0 or more, got {_kind(self.value)}")
        return self.value

    def as_instant(self) -> int:
        """An instant in microseconds UTC."""
        return self.checked(parse_instant)

    def as_one_of(self, options: Sequence[str]) -> str:
        """One of these words."""
        if self.value not in options or not isinstance(self.value, str):
            near = difflib.get_close_matches(str(self.value), options, n=1)
            self.refuse(
                f"expected one of {', '.join(options)}; got {_kind(self.value)}",
                remedy=f"did you mean {near[0]}?" if near else None,
            )
        return self.value

    # containers

    def items(self) -> Iterator[Shape]:
        """The members of a list."""
        if not isinstance(self.value, list | tuple):
            self.refuse(f"expected a list, got {_kind(self.value)}")
        for index, value in enumerate(self.value):
            yield Shape(value, self._source, self._lines, (*self._path, index))

    def texts(self, check: Callable[[str], str] = str) -> tuple[str, ...]:
        """A list of texts, each read by ``check``."""
        return tuple(item.checked(check) for item in self.items())

    def keys(self) -> tuple[str, ...]:
        """The keys of a mapping, all of them text."""
        return tuple(self._mapping())

    def _mapping(self) -> Mapping[str, object]:
        if self._mapped is not None:
            return self._mapped
        if not isinstance(self.value, Mapping) or not all(isinstance(key, str) for key in self.value):
            self.refuse(f"expected a mapping of names to values, got {_kind(self.value)}")
        self._mapped = self.value
        return self._mapped

    def has(self, key: str) -> bool:
        """Whether the mapping has the key, even with null."""
        self._asked.add(key)
        return key in self._mapping()

    def get(self, key: str) -> Shape | None:
        """The value of a key that may be missing; null counts as missing."""
        if not self.has(key) or self._mapping()[key] is None:
            return None
        return Shape(self._mapping()[key], self._source, self._lines, (*self._path, key))

    def need(self, key: str) -> Shape:
        """The value of a key that must be there."""
        found = self.get(key)
        if found is None:
            self.refuse(f"{key!r} is missing", remedy=f"add `{key}: …`")
        return found

    def need_list(self, key: str) -> Iterator[Shape]:
        """The members of a list that must be there, perhaps empty."""
        return self.need(key).items()

    def close(self) -> None:
        """Refuse keys that were never asked for."""
        unknown = [key for key in self._mapping() if key not in self._asked]
        if unknown:
            near = difflib.get_close_matches(unknown[0], sorted(self._asked), n=1)
            known = ", ".join(sorted(self._asked))
            Shape(None, self._source, self._lines, (*self._path, unknown[0])).refuse(
                f"unknown key; expected {known}",
                remedy=f"did you mean {near[0]!r}?" if near else "take the key out",
            )


def _kind(value: object) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case str():
            return repr(value if len(value) <= _SHOWN else value[: _SHOWN - 1] + "…")
        case int() | float():
            return f"the number {value}"
        case Mapping():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case _:
            return type(value).__name__
