"""Files of a log, written so that they are whole and stay: temporary file, fsync, link, fsync of the folder.

A file that is there is never replaced by another; only the checkpoint is, by a rename.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from troth.core.errors import Corrupt, Place, Unavailable
from troth.core.merkle import HASH_BYTES
from troth.core.tiles import WIDTH, bundle_path, tile_path

CHECKPOINT: Final = "checkpoint"
REBUILD: Final = (
    "move the log's folder away; `troth log publish` makes it anew from the ledger and compares roots"
)

_FILE_MODE: Final = 0o600
_FOLDER_MODE: Final = 0o700


class Shelf:
    """The public folder of a log. ``put`` files in a ``with`` and ``sync`` before anything speaks of them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._folders: dict[Path, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._let_go()

    # reading

    def read(self, level: int, index: int, width: int) -> bytes:
        """A tile; a partial one that was tidied away is cut from the full one.

        Raises:
            Corrupt: it is not there.
            Unavailable: storage failed.
        """
        data = self.find(tile_path(level, index, width))
        if data is None:
            data = self.find(tile_path(level, index))
            if data is None or width == WIDTH:
                path = self.root / tile_path(level, index, width)
                raise Corrupt("a tile of the log is missing", place=Place(str(path)), remedy=REBUILD)
        return data[: width * HASH_BYTES]

    def bundle(self, index: int, width: int) -> bytes | None:
        """An entry bundle, or the full one that took its place; None if neither is there."""
        found = self.find(bundle_path(index, width))
        return self.find(bundle_path(index)) if found is None else found

    def find(self, path: str) -> bytes | None:
        """The bytes of a file, or None.

        Raises:
            Unavailable: storage failed.
        """
        try:
            return (self.root / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise unavailable(self.root / path, error) from None

    # writing

    def put(self, path: str, data: bytes) -> None:
        """Write a file that stays for good. Durable only after ``sync``.

        Raises:
            Corrupt: another file is there already.
            Unavailable: storage failed.
        """
        target = self.root / path
        try:
            folder = self._folder(target.parent)
            there = self.find(path)
            if there is None:
                new = f".{target.name}.new"
                _write(new, data, folder)
                os.link(new, target.name, src_dir_fd=folder, dst_dir_fd=folder)
                os.unlink(new, dir_fd=folder)
                return
        except OSError as error:
            raise unavailable(target, error) from None
        if there != data:
            raise Corrupt(
                "what was published here is not what the ledger holds",
                place=Place(str(target)),
                remedy=REBUILD,
            )

    def replace(self, name: str, data: bytes) -> None:
        """Write a file of the root in the place of an older one; durable when it returns."""
        if not self.root.is_dir():
            self._folder(self.root)
            self.sync()
        replace(self.root / name, data)

    def sync(self) -> None:
        """Have the disk keep all that was put.

        Raises:
            Unavailable: storage failed.
        """
        try:
            for folder in self._folders.values():
                os.fsync(folder)
        except OSError as error:
            raise unavailable(self.root, error) from None
        finally:
            self._let_go()

    def tidy(self, path: str) -> None:
        """Remove the partial tiles that a full one has taken the place of; no harm if it fails."""
        with contextlib.suppress(OSError):  # closing a folder is not among what is ignored
            shutil.rmtree(self.root / f"{path}.p", ignore_errors=True)

    def _folder(self, path: Path) -> int:
        """A folder's descriptor, held until ``sync``; makes the folder if need be."""
        if path not in self._folders:
            if path != self.root.parent and not path.is_dir():
                self._folder(path.parent)
                path.mkdir(_FOLDER_MODE, exist_ok=True)
            self._folders[path] = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return self._folders[path]

    def _let_go(self) -> None:
        # Nothing is written through these: what had to be kept, fsync has said before.
        for folder in self._folders.values():
            with contextlib.suppress(OSError):
                os.close(folder)
        self._folders.clear()


def replace(path: Path, data: bytes, mode: int = _FILE_MODE) -> None:
    """Write a file in the place of an older one: all of it or nothing, durable when it returns.

    Raises:
        Unavailable: storage failed.
    """
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            new = f".{path.name}.new"
            _write(new, data, folder, mode)
            os.rename(new, path.name, src_dir_fd=folder, dst_dir_fd=folder)
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise unavailable(path, error) from None


def _write(name: str, data: bytes, folder: int, mode: int = _FILE_MODE) -> None:
    """Write and fsync a temporary file. Its name is fixed: there is one writer, and leftovers are overwritten."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)
    descriptor = os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, mode, dir_fd=folder)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)


def unavailable(path: Path, error: OSError) -> Unavailable:
    """The error for storage that failed."""
    return Unavailable(
        f"storage failed: {error.strerror or error}",
        place=Place(str(path)),
        remedy="check space, permissions and the disk, then repeat",
    )
