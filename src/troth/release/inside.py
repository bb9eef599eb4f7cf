"""Reading files inside a folder that somebody else may have made: nothing leads out of it, nothing blocks.

Names are opened piece by piece without following links, and only plain files are read.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final

from troth.core.errors import BadInput, Place

MAX_DEPTH: Final = 8
_BLOCK: Final = 1 << 20
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Opening a pipe would wait for its other end without O_NONBLOCK.
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Stamp:
    """What changes with a file: which one it is, its size, and when it or its entry was last written."""

    device: int
    inode: int
    size: int
    written: int
    changed: int


class Inside:
    """The files of a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self, name: str) -> BinaryIO:
        """Open a plain file for reading.

        Raises:
            BadInput: it is missing, is no plain file, lies behind a link, or cannot be read.
        """
        try:
            descriptor = self._descend(PurePosixPath(name))
        except OSError as error:
            raise self._refused(name, error) from None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise BadInput("is no plain file", place=Place(name))
        return os.fdopen(descriptor, "rb")

    def _descend(self, name: PurePosixPath) -> int:
        if name.is_absolute() or ".." in name.parts or not name.parts:
            raise OSError(0, "is no name of a file in this folder")
        folder = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for piece in name.parts[:-1]:
                inner = os.open(piece, _FOLDER, dir_fd=folder)
                os.close(folder)
                folder = inner
            return os.open(name.parts[-1], _FILE, dir_fd=folder)
        finally:
            os.close(folder)

    def _refused(self, name: str, error: OSError) -> BadInput:
        if isinstance(error, FileNotFoundError):
            what = "is missing"
        elif (self.path / name).is_symlink():
            what = "is a link; links are not followed"
        else:
            what = f"cannot be read: {error.strerror or error}"
        return BadInput(what, place=Place(name))

    def read(self, name: str, limit: int) -> bytes:
        """All of a small file.

        Raises:
            BadInput: as ``open``; or it is larger than the limit in bytes.
        """
        with self.open(name) as file:
            try:
                data = file.read(limit + 1)
            except OSError as error:
                raise self._refused(name, error) from None
        if len(data) > limit:
            raise BadInput(f"is larger than {limit} bytes", place=Place(name))
        return data

    def digest(self, name: str, size: int | None = None) -> tuple[str | None, Stamp]:
        """The SHA-256 of a file, in hex, and its stamp from before it was read.

        Args:
            name: the file.
            size: the bytes that it should have; a file of another size is not read, and its digest is None.

        Raises:
            BadInput: as ``open``.
        """
        with self.open(name) as file:
            stamp = stamp_of(file)
            if size is not None and stamp.size != size:
                return None, stamp
            digest = hashlib.sha256()
            try:
                while block := file.read(_BLOCK):
                    digest.update(block)
            except OSError as error:
                raise self._refused(name, error) from None
        return digest.hexdigest(), stamp

    def names(self) -> Iterator[tuple[str, str]]:
        """All that lies in the folder: names and what is odd about them (else ""); links are not followed."""
        for name, odd in self._names(PurePosixPath()):
            yield name.encode("utf-8", "backslashreplace").decode(), odd

    def _names(self, below: PurePosixPath) -> Iterator[tuple[str, str]]:
        try:
            with os.scandir(self.path / below) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            yield str(below), f"cannot be read: {error.strerror or error}"
            return
        for entry in found:
            name = below / entry.name
            if entry.is_symlink():
                yield str(name), "is a link; links are not followed"
            elif not entry.is_dir(follow_symlinks=False):
                yield str(name), "" if entry.is_file(follow_symlinks=False) else "is no plain file"
            elif len(name.parts) >= MAX_DEPTH:
                yield str(name), "lies too deep; not looked into"
            else:
                yield from self._names(name)


def stamp_of(file: BinaryIO) -> Stamp:
    """The stamp of an open file."""
    status = os.fstat(file.fileno())
    return Stamp(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
