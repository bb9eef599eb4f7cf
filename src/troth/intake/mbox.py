"""The messages of an mbox file, one at a time, with bounded memory.

A message begins with a line ``From … weekday … time``, followed by a header line or an empty one. In doubt a
file is split once too often rather than once too rarely: a piece without an author is a gap, but a message
glued to the one before it would be taken for the words of somebody else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from troth.intake.sources import Source

_CANDIDATE: Final = b"\nFrom "
_MAX_SEPARATOR: Final = 1000
_AHEAD: Final = 2 * _MAX_SEPARATOR
"""Bytes from a line that may separate messages on that are enough to judge it and the line after it."""

_SEPARATOR: Final = re.compile(
    rb"From .*\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\b,?.*\b\d{1,2}:\d\d\b.*\s*", re.DOTALL
)
_HEADER: Final = re.compile(rb"[!-9;-~]{1,200}[ \t]*:|>From ")
_UNESCAPED: Final = re.compile(rb"^From ", re.MULTILINE)
_ESCAPED: Final = re.compile(rb"^>(>*From )", re.MULTILINE)


@dataclass(slots=True)
class RawMessage:
    """The bytes of one message with LF line ends, its number from 1 and its offset in the unpacked file.

    ``data`` is None where the message is larger than the limit. Number 0 is text before the first message.
    """

    number: int
    byte: int
    data: bytes | None


@dataclass(slots=True)
class _Growing:
    number: int
    byte: int
    limit: int
    pieces: list[bytes] = field(default_factory=list)
    size: int = 0

    def add(self, piece: bytes) -> None:
        self.size += len(piece)
        if self.size <= self.limit:
            self.pieces.append(piece)
        else:
            self.pieces.clear()

    def done(self, *, separated: bool) -> RawMessage:
        """The message; ``separated``: it begins with the line that separates it, and may be escaped."""
        if self.size > self.limit:
            return RawMessage(self.number, self.byte, None)
        data = b"".join(self.pieces).replace(b"\r\n", b"\n")
        return RawMessage(self.number, self.byte, _unescape(data.partition(b"\n")[2]) if separated else data)


def split_mbox(source: Source, limit: int) -> Iterator[RawMessage]:
    """The messages of an mbox; a file that begins with a header line is taken for one message (``.eml``).

    Raises:
        Unreadable: the file is damaged; the message in which that happens is not handed out.
    """
    message: _Growing | None = None
    single = False
    for piece in _pieces(source):
        if message is None:
            start = piece.data.lstrip()
            if not start:
                continue
            single = not piece.begins and _HEADER.match(start) is not None
            message = _Growing(1 if single else 0, piece.byte, limit)
        if piece.begins and not single:
            if message.size:
                yield message.done(separated=message.number > 0)
            message = _Growing(message.number + 1, piece.byte, limit)
        message.add(piece.data)
    if message is not None:
        yield message.done(separated=message.number > 0 and not single)


@dataclass(frozen=True, slots=True)
class _Piece:
    byte: int
    data: bytes
    begins: bool  # whether a message begins with it


def _pieces(source: Source) -> Iterator[_Piece]:
    """The file in pieces, cut before every line that separates messages."""
    first = b""
    while len(first) < _AHEAD and (chunk := source.chunk()):
        first += chunk
    # The line end that the first line of the file lacks before it; with so much read it is judged at once.
    data, byte, start, begins = b"\n" + first, source.offset - len(first) - 1, 1, False
    more = len(first) >= _AHEAD
    while True:
        found = data.find(_CANDIDATE)
        while found >= 0 and (not more or len(data) - found >= _AHEAD):
            if _is_separator(data[found + 1 : found + _AHEAD]):
                if found + 1 > start:
                    yield _Piece(byte + start, data[start : found + 1], begins)
                start, begins = found + 1, True
            found = data.find(_CANDIDATE, found + 1)
        if found < 0:
            found = len(data) - len(_CANDIDATE) if more else len(data)
        if found > start:
            yield _Piece(byte + start, data[start:found], begins)
            start, begins = found, False
        if not more:
            return
        chunk = source.chunk()
        data, byte, start, more = data[start:] + chunk, byte + start, 0, bool(chunk)


def _is_separator(ahead: bytes) -> bool:
    """Whether a message begins here: such a line, and a header line or an empty one after it."""
    line, _, following = ahead.partition(b"\n")
    if len(line) > _MAX_SEPARATOR or _SEPARATOR.fullmatch(line) is None:
        return False
    return not following.partition(b"\n")[0].strip() or _HEADER.match(following) is not None


def _unescape(data: bytes) -> bytes:
    """Take one ``>`` off the lines of a body that were escaped so that they don't look like a separator.

    A body in which a line begins with an unescaped ``From `` comes from a program that doesn't escape; there
    a ``>From `` was quoted by people.
    """
    while data.startswith(b">From "):  # an envelope line among the headers
        data = data.partition(b"\n")[2]
    head, blank, body = data.partition(b"\n\n")
    quoted = b"\n>" in body or body.startswith(b">")
    if quoted and b"From " in body and not _UNESCAPED.search(body):
        body = _ESCAPED.sub(rb"\1", body)
    return head + blank + body
