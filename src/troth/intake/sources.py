"""Files as bounded lines of bytes: gunzipped where they are gzip, any line ending, no byte order mark."""

from __future__ import annotations

import codecs
import gzip
import io
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, TypeAlias, cast

from troth.core.errors import BadInput, Place

Progress: TypeAlias = Callable[[int, int | None], None]

DAMAGE: Final = (OSError, EOFError, zlib.error, zipfile.BadZipFile)
"""What reading damaged bytes raises."""

_CHUNK: Final = 256 * 1024
_GZIP_MAGIC: Final = b"\x1f\x8b"
_UTF_16_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def silent(_done: int, _total: int | None) -> None:
    """Progress that nobody watches."""


class Unreadable(Exception):
    """The bytes cannot be read any further; the text says why, for people."""


class Meter:
    """Tells how far an import has come, over all of its files."""

    def __init__(self, paths: Iterable[Path], progress: Progress, *, total: int | None = None) -> None:
        self._progress = progress
        self._done = 0
        self._total = sum(path.stat().st_size for path in paths) if total is None else total

    def add(self, count: int) -> None:
        """So many more bytes of the files are done."""
        self._done += count
        self._progress(min(self._done, self._total), self._total)


class Source:
    """The lines of one file.

    ``offset`` is the number of bytes handed out so far, after unpacking. A file whose lines end in CR alone
    is read as if they ended in LF.
    """

    def __init__(self, path: Path, stream: io.BufferedReader, skipped: int) -> None:
        self.path = path
        self.offset = skipped
        self._stream = stream

    def line(self, limit: int) -> bytes:
        """The next line with its end, or its first ``limit`` bytes; empty at the end of the file.

        Raises:
            Unreadable: the file is damaged here. Nothing of an incomplete line is handed out.
        """
        return self._took(self._stream.readline, limit)

    def chunk(self) -> bytes:
        """The next bytes, however many come at once; empty at the end of the file. Raises as ``line``."""
        return self._took(self._stream.read1, _CHUNK)

    def _took(self, read: Callable[[int], bytes], size: int) -> bytes:
        try:
            data = read(size)
        except DAMAGE as error:
            raise Unreadable(_why(error)) from None
        self.offset += len(data)
        return data

    def skip_line(self) -> int:
        """Pass over the rest of a line whose beginning was handed out; returns its length in bytes."""
        start = self.offset
        while (data := self.line(_CHUNK)) and not data.endswith(b"\n"):
            pass
        return self.offset - start


@contextmanager
def open_source(path: Path, meter: Meter) -> Iterator[Source]:
    """Open a file for reading by lines.

    Raises:
        BadInput: it cannot be opened, or is text in UTF-16.
        Unreadable: it is gzip, damaged from the start.
    """
    with open_file(path) as file, open_stream(path, file, meter) as source:
        yield source


@contextmanager
def open_stream(path: Path, file: IO[bytes], meter: Meter) -> Iterator[Source]:
    """Read an open file by lines; ``path`` is what places call it. Raises as ``open_source``."""
    try:
        raw = _Raw(file, meter)
        head = raw.start()
    except DAMAGE as error:
        raise Unreadable(_why(error)) from None
    if head.startswith(_UTF_16_MARKS):
        raise BadInput("is UTF-16", place=Place(str(path)), remedy="save it as UTF-8")
    skipped = len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0
    raw.skip(skipped)
    yield Source(path, io.BufferedReader(raw, _CHUNK), skipped)


@contextmanager
def open_file(path: Path) -> Iterator[io.BufferedReader]:
    """Open a regular file.

    Raises:
        BadInput: it cannot be opened.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise unreadable_file(path, error) from None
    with file:
        yield file


def check_files(paths: Iterable[Path]) -> None:
    """Make sure that each path is a file that is there.

    Raises:
        BadInput: one is not. (A pipe cannot be read twice and has no size, so it is none either.)
    """
    for path in paths:
        try:
            if path.is_file():
                continue
            path.stat()
        except OSError as error:
            raise unreadable_file(path, error) from None
        raise BadInput("is no file", place=Place(str(path)), remedy="name a file")


def unreadable_file(path: Path, error: OSError) -> BadInput:
    """The error for a file that cannot be opened."""
    return BadInput(
        f"cannot be read: {error.strerror or error}", place=Place(str(path)), remedy="check the path"
    )


class _Raw(io.RawIOBase):
    """Unpacked bytes, one chunk of the file at a time.

    Reading goes chunk by chunk, never "until so much is there", since that loses what stands before damage.
    """

    def __init__(self, file: IO[bytes], meter: Meter) -> None:
        self._file = file
        self._meter = meter
        self._position = 0
        self._held = b""
        self._cr_only = False
        # Buffered files and the files of zip archives have these two beyond what IO[bytes] promises.
        reader = cast("io.BufferedReader", file)
        packed = reader.peek(2)[:2] == _GZIP_MAGIC
        self._chunk: Callable[[int], bytes] = gzip.GzipFile(fileobj=reader).read1 if packed else reader.read1

    def start(self) -> bytes:
        """Look at the beginning of the file and settle how its lines end."""
        self._held = self._next()
        self._cr_only = b"\r" in self._held and b"\n" not in self._held
        return self._held

    def skip(self, count: int) -> None:
        self._held = self._held[count:]

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._held[: len(buffer)] if self._held else self._next(len(buffer))
        self._held = self._held[len(buffer) :]
        buffer[: len(data)] = data.replace(b"\r", b"\n") if self._cr_only else data
        return len(data)

    def _next(self, size: int = _CHUNK) -> bytes:
        data = self._chunk(size)
        position = self._file.tell()
        if position != self._position:
            self._meter.add(position - self._position)
            self._position = position
        return data


def _why(error: Exception) -> str:
    if isinstance(error, EOFError):
        return "the gzip file ends too early"
    if isinstance(error, zlib.error | gzip.BadGzipFile):
        return "the gzip file is damaged"
    if isinstance(error, zipfile.BadZipFile):
        return "the file in the archive is damaged"
    return f"the file cannot be read any further: {getattr(error, 'strerror', None) or type(error).__name__}"
