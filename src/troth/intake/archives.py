"""The files of an export, in a zip archive or a folder. Nothing is ever unpacked to disk.

An archive comes from outside and is not to be trusted: its names may lead elsewhere, its files may unpack to
more than any disk holds. What is refused is handed out with its place, so that it is counted.
"""

from __future__ import annotations

import os
import re
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import IO, Final, Self

from troth.core.errors import BadInput, Place
from troth.intake.rows import LeftOut, Rejected, Where
from troth.intake.sources import Meter, Source, Unreadable, open_stream, unreadable_file

MAX_RATIO: Final = 200
FREE_BYTES: Final = 64 * 1024 * 1024
"""A file may unpack to so many bytes, or to ``MAX_RATIO`` times what it takes in the archive, if that is more.

Text of people packs about tenfold; what packs better than the ratio was made to.
"""

MAX_CONTENTS: Final = 64 * 1024 * 1024
"""Bytes of an archive's table of contents: it is read whole before anything else."""

_END: Final = b"PK\x05\x06"
_END_64: Final = b"PK\x06\x06"
_END_BYTES: Final = 22
_MAX_COMMENT: Final = 65_535
_LARGE: Final = 0xFFFFFFFF
_FOLDED: Final = re.compile(r"[\s_]+")
_DRIVE: Final = re.compile(r"[A-Za-z]:")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_ENCRYPTED: Final = 0x1
_GET_ANEW: Final = "get the archive anew and import it again; what is stored is recognised"


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an archive: its name with slashes, its size unpacked."""

    name: str
    size: int
    info: zipfile.ZipInfo | None = field(default=None, compare=False)

    @property
    def key(self) -> str:
        """The file's own name as export programs vary it: without spaces and underscores, in lower case."""
        return folded(PurePosixPath(self.name).name)

    @property
    def parts(self) -> tuple[str, ...]:
        """The folders and the name."""
        return PurePosixPath(self.name).parts


def folded(name: str) -> str:
    """A file name without spaces and underscores, in lower case (also of the full-width kind)."""
    return _FOLDED.sub("", unicodedata.normalize("NFKC", name)).lower()


class Archive:
    """A zip archive or a folder. Use it in a ``with``.

    ``members`` are the files in it by name; ``refused`` what is not touched, and why.

    Raises:
        BadInput: there is no such path, or it is no archive that can be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.members: tuple[Member, ...] = ()
        self.refused: list[Rejected | LeftOut] = []
        self._zip: zipfile.ZipFile | None = None
        if path.is_dir():
            self.members = tuple(sorted(self._walk(), key=lambda one: one.name))
        else:
            self._zip = _open_zip(path)
            self.members = tuple(self._listed(self._zip))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the file go."""
        if self._zip is not None:
            self._zip.close()

    @property
    def size(self) -> int:
        """Bytes of all members, unpacked."""
        return sum(member.size for member in self.members)

    def where(self, member: Member) -> Where:
        """The place of a member."""
        return Where(f"{self.path}/{_shown(member.name)}")

    @contextmanager
    def open(self, member: Member, meter: Meter) -> Iterator[Source]:
        """A member for reading by lines; see ``sources.open_source``.

        Raises:
            BadInput: it cannot be opened, or is text in UTF-16.
            Unreadable: it is damaged from the start.
        """
        with (
            self._opened(member) as file,
            open_stream(Path(self.where(member).source), file, meter) as source,
        ):
            yield source

    def read(self, member: Member, limit: int, meter: Meter) -> bytes:
        """All bytes of a member.

        Raises:
            BadInput: it cannot be opened.
            Unreadable: it is larger than ``limit``, or damaged.
        """
        if member.size > limit:
            raise Unreadable(f"the file is larger than {limit:,} bytes")
        try:
            with self._opened(member) as file:
                data = file.read(limit + 1)
        except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
            raise Unreadable(_why(error)) from None
        meter.add(len(data))
        if len(data) > limit:
            raise Unreadable(f"the file is larger than {limit:,} bytes")
        return data

    @contextmanager
    def _opened(self, member: Member) -> Iterator[IO[bytes]]:
        if self._zip is None or member.info is None:
            path = self.path / member.name
            try:
                file: IO[bytes] = path.open("rb")
            except OSError as error:
                raise unreadable_file(path, error) from None
        else:
            try:
                file = self._zip.open(member.info)
            except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError) as error:
                raise Unreadable(_why(error)) from None
        with file:
            yield file

    def _walk(self) -> Iterator[Member]:
        def refuse(error: OSError) -> None:
            raise unreadable_file(Path(error.filename or self.path), error)

        for top, folders, names in os.walk(self.path, onerror=refuse):
            folders[:] = sorted(one for one in folders if one != "__MACOSX")
            for name in sorted(names):
                path = Path(top) / name
                relative = path.relative_to(self.path).as_posix()
                # A link could lead to anything that the operator may read.
                if path.is_symlink() or not path.is_file():
                    self.refused.append(LeftOut(Where(str(path)), "no-regular-file"))
                elif not _is_litter(relative):
                    yield Member(relative, path.stat().st_size)

    def _listed(self, opened: zipfile.ZipFile) -> Iterator[Member]:
        for info in opened.infolist():
            if info.is_dir() or _is_litter(info.filename):
                continue
            why = _unsafe(info)
            if why is None:
                yield Member(info.filename, info.file_size, info)
            else:
                self.refused.append(Rejected(Where(f"{self.path}/{_shown(info.filename)}"), why))


def _unsafe(info: zipfile.ZipInfo) -> str | None:
    """Why a file of an archive is not touched, or None."""
    # zipfile cuts a name at a NUL and turns the system's separators to slashes.
    name = info.orig_filename
    parts = re.split(r"[/\\]", name)
    if name.startswith(("/", "\\")) or ".." in parts or _DRIVE.match(name) or "\0" in name:
        return "its name leads out of the archive"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "is a link"
    if info.flag_bits & _ENCRYPTED:
        return "is encrypted"
    if info.file_size > max(FREE_BYTES, MAX_RATIO * info.compress_size):
        return f"unpacks to {info.file_size:,} bytes from {info.compress_size:,}: made to fill the disk"
    return None


def _is_litter(name: str) -> bool:
    """Whether a file is what systems leave in folders and nobody means."""
    parts = name.split("/")
    return parts[0] == "__MACOSX" or parts[-1] in (".DS_Store", "Thumbs.db", "desktop.ini")


def _shown(name: str) -> str:
    """A name as places show it: a name may hold anything, also what a terminal obeys."""
    return _CONTROL.sub("\ufffd", name)


def _open_zip(path: Path) -> zipfile.ZipFile:
    try:
        _check_contents(path)
        return zipfile.ZipFile(path)
    except OSError as error:
        raise unreadable_file(path, error) from None
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error, UnicodeError):
        raise BadInput(
            "is no zip archive, or one that ends too early",
            place=Place(str(path)),
            remedy="name the archive as it was downloaded, or its unpacked folder; or download it again",
        ) from None


def _check_contents(path: Path) -> None:
    """Refuse an archive whose table of contents alone would fill the memory."""
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        size = file.tell()
        file.seek(max(0, size - _MAX_COMMENT - _END_BYTES - 20 - 56))
        tail = file.read()
    at = tail.rfind(_END)
    if at < 0 or len(tail) - at < _END_BYTES:
        raise zipfile.BadZipFile
    [length] = struct.unpack_from("<L", tail, at + 12)
    if length == _LARGE:
        found = tail.rfind(_END_64, 0, at)
        if found < 0:
            raise zipfile.BadZipFile
        [length] = struct.unpack_from("<Q", tail, found + 40)
    if length > MAX_CONTENTS:
        raise BadInput(
            f"its table of contents takes {length:,} bytes; expected up to {MAX_CONTENTS:,}",
            place=Place(str(path)),
            remedy="this is no export that a platform makes; unpack it yourself if you trust it",
        )


def _why(error: Exception) -> str:
    if isinstance(error, EOFError):
        return "the archive ends too early"
    if isinstance(error, NotImplementedError):
        return "the file is packed in a way that is not known here"
    if isinstance(error, zipfile.BadZipFile | zlib.error | RuntimeError):
        return "the file in the archive is damaged"
    return (
        f"the archive cannot be read any further: {getattr(error, 'strerror', None) or type(error).__name__}"
    )


GET_ANEW: Final = _GET_ANEW
