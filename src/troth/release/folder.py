"""A folder that comes into being all at once: built beside its place, under another name, then renamed.

The name of the unfinished folder follows from that of the finished one, and whoever builds in it holds a lock
(``flock``) on it. So a folder of that name that nobody has locked was left by a process that died, and the
next build removes it.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from troth.core.errors import BadInput, Conflict, Place, Unavailable


class NewFile:
    """A file that is being written, and its digest. It is not durable before ``sync``."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        self._hash = hashlib.sha256()
        self.size = 0
        self.closed = False

    def write(self, data: bytes | memoryview) -> int:
        """Write all of the data. Raises OSError; ValueError after ``close``."""
        if self.closed:
            # An abandoned Parquet writer still tries to end its file; the descriptor may be another's by now.
            raise ValueError("the file is closed")
        view = memoryview(data)
        self._hash.update(view)
        self.size += len(view)
        while view:
            view = view[os.write(self._descriptor, view) :]
        return len(data)

    def tell(self) -> int:
        """Bytes written so far."""
        return self.size

    def flush(self) -> None:
        """Nothing is held back."""

    def sync(self) -> None:
        """Have the disk keep what was written. Raises OSError."""
        os.fsync(self._descriptor)

    def sync_so_far(self) -> None:
        """Have the disk take what was written by now, so that less is left for ``sync``. Raises OSError."""
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Let go of the file; repeating it does nothing."""
        if not self.closed:
            self.closed = True
            os.close(self._descriptor)

    @property
    def sha256(self) -> str:
        """The digest of what was written so far, in hex."""
        return self._hash.hexdigest()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def write_file(path: Path, data: bytes) -> str:
    """Write a small file, durably; its SHA-256 in hex. Raises OSError."""
    with NewFile(path) as file:
        file.write(data)
        file.sync()
        return file.sha256


def unfinished(out: Path) -> Path:
    """Where the folder ``out`` is built."""
    whole = out.absolute()
    return whole.with_name(f".{whole.name}.unfinished")


class Building:
    """The unfinished folder, locked; ``publish`` makes it the finished one."""

    def __init__(self, out: Path, descriptor: int) -> None:
        self.out = out
        self.path = unfinished(out)
        self.is_published = False
        self._descriptor = descriptor

    def sync(self) -> None:
        """Have the disk keep the names of all files in the folder. Raises OSError."""
        for top, _, _ in os.walk(self.path):
            _sync_folder(Path(top))

    def publish(self) -> None:
        """Rename the folder. This is the commit point: before it nothing is at ``out``, after it everything.

        Raises:
            OSError: storage failed, and nothing is at ``out``.
            BadInput: something has appeared at ``out``.
            Unavailable: everything is at ``out``, but the disk did not confirm it.
        """
        check_free(self.out)
        self.path.rename(self.out)
        self.is_published = True
        try:
            _sync_folder(self.out.absolute().parent)
        except OSError as error:
            raise Unavailable(
                f"the release is in its place, but the disk did not confirm it: {error.strerror or error}",
                place=Place(str(self.out)),
                remedy="check the disk, then check the release with `troth verify`",
            ) from None


@contextmanager
def building(out: Path) -> Iterator[Building]:
    """Build a folder; unless it was published, nothing is left of it.

    Raises:
        BadInput: something is at ``out`` already.
        Conflict: another process is building the same folder.
        Unavailable: storage failed.
    """
    check_free(out)
    try:
        out.absolute().parent.mkdir(parents=True, exist_ok=True)
        descriptor = _claim(unfinished(out))
    except OSError as error:
        raise storage_failed(out, error) from None
    started = Building(out, descriptor)
    try:
        yield started
    except OSError as error:
        raise storage_failed(out, error) from None
    finally:
        if not started.is_published:
            shutil.rmtree(started.path, ignore_errors=True)
        os.close(descriptor)


def check_free(out: Path) -> None:
    """See that nothing is at a place.

    Raises:
        BadInput: something is.
    """
    if os.path.lexists(out):
        raise BadInput("is there already", place=Place(str(out)), remedy="name a new folder with --out")


def storage_failed(out: Path, error: OSError) -> Unavailable:
    """What to tell of an error of the storage."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return Unavailable(
        f"storage failed, no release was made: {error.strerror or error}",
        place=Place(str(out)),
        remedy="free some space and repeat" if full else "check the disk and permissions, then repeat",
    )


def _claim(path: Path) -> int:
    """Make an unfinished folder and lock it, after removing one that was left behind."""
    while True:
        leftover = _lock(path)
        if leftover is not None:
            shutil.rmtree(path)
            os.close(leftover)
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            continue
        descriptor = _lock(path)
        if descriptor is not None:
            return descriptor


def _lock(path: Path) -> int | None:
    """Lock the folder at a path; None if there is none (any more)."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Another build may have taken it away and made a new one between the two calls.
        if os.path.samestat(os.fstat(descriptor), path.stat(follow_symlinks=False)):
            return descriptor
    except BlockingIOError:
        os.close(descriptor)
        raise Conflict(
            "another process is building this folder", place=Place(str(path)), remedy="wait until it is done"
        ) from None
    except FileNotFoundError:
        pass
    os.close(descriptor)
    return _lock(path)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
