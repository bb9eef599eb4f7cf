"""YAML 1.2 files as plain values that know their lines.

``NO`` is Norway, ``on`` and ``off`` are words, dates stay text. Reading is bounded in size, nesting and
number of values (aliases count as often as they are used), so a hostile file ends in BadInput. Size and values
are bounded for time, not only for memory: a parser of YAML 1.2 in Python reads about ten thousand values a second.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from troth.core.errors import BadInput, Place
from troth.core.shape import Path, Shape

MAX_BYTES = 4 * 1024 * 1024
MAX_VALUES = 100_000
MAX_DIGITS = 32
MAX_DEPTH = 40

_TRUE = ("true", "True", "TRUE")
_SPLIT = (
    "split the file; members and records come in from tables (`troth subjects import`, `troth import table`)"
)


def read_yaml(path: FilePath) -> list[Shape]:
    """The documents of a YAML file, each as a Shape.

    Raises:
        BadInput: the file cannot be read, is no YAML 1.2, repeats a key, or is too large.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise BadInput(
            f"cannot be read: {error.strerror or error}", place=Place(str(path)), remedy="check the path"
        ) from None
    if len(data) > MAX_BYTES:
        raise BadInput(f"is larger than {MAX_BYTES // 2**20} MiB", place=Place(str(path)), remedy=_SPLIT)
    return list(parse_yaml(data, str(path)))


def parse_yaml(data: bytes, source: str) -> Iterator[Shape]:
    """The documents of YAML bytes; see ``read_yaml``."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise BadInput("is not UTF-8", place=Place(source, line), remedy="save it as UTF-8") from None
    yaml = YAML(typ="safe", pure=True)
    yaml.Composer = _bounded(source)
    try:
        for node in yaml.compose_all(text):
            reader = _Reader(source)
            yield Shape(reader.plain(node, (), 0), source, reader.lines)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(source, mark.line + 1 if mark is not None else None)
        raise BadInput(f"is not YAML 1.2: {error.problem or error.context}", place=place) from None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise BadInput(
            "holds a character that YAML does not allow",
            place=Place(source, line),
            remedy="take it out; as text, write it as an escape in double quotes",
        ) from None
    except RecursionError:
        raise BadInput("is nested too deeply", place=Place(source), remedy="nest less") from None
    except (YAMLError, ValueError) as error:
        raise BadInput(f"is not YAML 1.2: {type(error).__name__}", place=Place(source)) from None


def _bounded(source: str) -> type[Composer]:
    """A composer that gives up as soon as there are too many values, before the rest of the file is read."""

    class Bounded(Composer):
        count = 0

        def compose_node(self, parent: Any, index: Any) -> Any:  # noqa: ANN401 - as in the library
            self.count += 1
            line = self.parser.peek_event().start_mark.line + 1
            _check_bounds(self.depth, self.count, source, line)
            return super().compose_node(parent, index)

    return Bounded


def _check_bounds(depth: int, count: int, source: str, line: int) -> None:
    if depth > MAX_DEPTH:
        raise BadInput(
            f"is nested too deeply (more than {MAX_DEPTH} levels)",
            place=Place(source, line),
            remedy="nest less",
        )
    if count > MAX_VALUES:
        raise BadInput(
            f"holds too many values (more than {MAX_VALUES:,} by here)",
            place=Place(source, line),
            remedy=_SPLIT,
        )


class _Reader:
    def __init__(self, source: str) -> None:
        self.source = source
        self.lines: dict[Path, int] = {}
        self.count = 0

    def plain(self, node: Node | None, path: Path, depth: int) -> object:
        if node is None:
            return None
        line = node.start_mark.line + 1
        self.lines.setdefault(path, line)
        self.count += 1
        _check_bounds(depth, self.count, self.source, line)
        match node:
            case MappingNode():
                return self.mapping(node, path, depth)
            case SequenceNode():
                return [self.plain(item, (*path, index), depth + 1) for index, item in enumerate(node.value)]
            case ScalarNode():
                return self.scalar(node, line)
            case _:
                raise BadInput("holds something that is no value", place=Place(self.source, line))

    def mapping(self, node: MappingNode, path: Path, depth: int) -> dict[str, object]:
        found: dict[str, object] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, ScalarNode):
                raise BadInput("expected a name as key", place=Place(self.source, line))
            key = self.text(key_node.value, line)
            if key in found:
                raise BadInput(
                    f"the key {key!r} stands twice", place=Place(self.source, line), remedy="keep one"
                )
            self.lines[(*path, key)] = line
            found[key] = self.plain(value_node, (*path, key), depth + 1)
        return found

    def scalar(self, node: ScalarNode, line: int) -> str | int | bool | None:
        kind = str(node.tag).rpartition(":")[2]
        if kind == "null":
            return None
        if kind == "bool":
            return node.value in _TRUE
        if kind == "int":
            if len(node.value) > MAX_DIGITS:
                raise BadInput("is too long for a number", place=Place(self.source, line))
            try:
                return int(node.value, 0) if node.value[:2] in ("0x", "0o") else int(node.value)
            except ValueError:
                raise BadInput("is no whole number", place=Place(self.source, line)) from None
        return self.text(node.value, line)

    def text(self, value: str, line: int) -> str:
        """Half a surrogate pair (an escape can write one) is no character: nothing could store it."""
        if not value.isascii() and any("\ud800" <= one <= "\udfff" for one in value):
            raise BadInput(
                "holds half a surrogate pair", place=Place(self.source, line), remedy="take it out"
            )
        return value
