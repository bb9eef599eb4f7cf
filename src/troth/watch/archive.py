"""Versions out of a git history in the layout of Open Terms Archive: ``SERVICE/TERMS TYPE.md``, a commit a version.

Git itself reads the objects (``git log``, ``git cat-file --batch``); nothing of the repository's configuration is run.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

from troth.core.errors import BadInput, Place, Unavailable

_TECHNICAL: Final = re.compile(r"(?:Apply technical|Refilter|Technical|Apply declaration)", re.IGNORECASE)
_FIRST: Final = re.compile(r"(?:First record|Start tracking)", re.IGNORECASE)
_SAFE: Final = (
    "--no-pager", "-c", "safe.directory=*", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null",
    "-c", "log.showSignature=false", "-c", "protocol.allow=never", "-c", "protocol.file.allow=always",
)  # fmt: skip
_NOTHING: Final = "0" * 40
MAX_BLOB: Final = 64 * 2**20
"""A version of more bytes is no document; it is reported, not read."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One version of one document: what it replaced (blob ids, None where there was or is none) and how it came.

    ``kind``: ``first`` (tracking began), ``change``, ``technical`` (our extraction changed, not their text), ``gone``.
    """

    service: str
    terms_type: str
    commit: str
    date: str
    before: str | None
    after: str | None
    kind: str


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR", "LANG") if name in os.environ}
    return kept | {
        "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_LAZY_FETCH": "1", "HOME": os.devnull,
    }  # fmt: skip


def _git() -> str:
    found = shutil.which("git")
    if found is None:
        raise Unavailable("git is not installed", remedy="install git; archives are read with it")
    return found


@contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """Open a repository (a work tree, a bare one, or a bundle, which is unpacked to a temporary folder).

    Raises:
        BadInput: it is none.
    """
    if path.is_file():
        with tempfile.TemporaryDirectory(prefix="troth-watch-") as folder:
            target = Path(folder) / "archive.git"
            done = _run(["clone", "--quiet", "--bare", str(path.absolute()), str(target)], Path(folder))
            if done.returncode:
                raise _no_archive(path, done)
            yield Archive(target)
        return
    if not path.is_dir() or _run(["rev-parse", "--git-dir"], path).returncode:
        raise _no_archive(path)
    yield Archive(path)


def _no_archive(path: Path, done: subprocess.CompletedProcess[bytes] | None = None) -> BadInput:
    why = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] if done else []
    return BadInput(
        f"is no git history{': ' + why[0][:200] if why else ''}",
        place=Place(str(path)),
        remedy="name a clone of an archive, or a bundle of one",
    )


def _run(arguments: list[str], where: Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(  # noqa: S603 - a fixed program with arguments of ours, no shell
        [_git(), *_SAFE, *arguments],
        cwd=where,
        env=_environment(),
        capture_output=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


class Archive:
    """An open history."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def moments(self) -> Iterator[Moment]:
        """All versions, oldest first."""
        format_ = "%x01%H%x00%cI%x00%s"
        command = [
            _git(), *_SAFE, "log", "--reverse", "--topo-order", "--no-merges", "--raw", "-z", "--no-renames",
            "--no-abbrev", "--no-ext-diff", f"--format={format_}",
        ]  # fmt: skip
        with subprocess.Popen(  # noqa: S603 - as above
            command,
            cwd=self.path,
            env=_environment(),
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as git:
            assert git.stdout is not None  # noqa: S101 - asked for above
            commit = when = subject = ""
            change: str | None = None
            for field in _fields(git.stdout):
                if field.startswith(("\x01", "\n\x01")):
                    commit = field.lstrip("\n")[1:]
                    when = subject = ""
                    change = None
                elif commit and not when:
                    when = field
                elif when and not subject:
                    subject = field.split("\n")[0] or " "
                elif field.lstrip("\n").startswith(":"):
                    change = field.lstrip("\n")
                elif change:
                    moment = _moment(commit, when, subject, change, field)
                    change = None
                    if moment:
                        yield moment

    @contextmanager
    def blobs(self) -> Iterator[Blobs]:
        """Reads objects by id."""
        command = [_git(), *_SAFE, "cat-file", "--batch"]
        with subprocess.Popen(  # noqa: S603 - as above
            command,
            cwd=self.path,
            env=_environment(),
            stdout=subprocess.PIPE,
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as git:
            assert git.stdout is not None  # noqa: S101 - asked for above
            assert git.stdin is not None  # noqa: S101 - asked for above
            try:
                yield Blobs(git.stdin, git.stdout)
            finally:
                git.stdin.close()
                git.stdout.close()


class Blobs:
    """A running ``git cat-file --batch``."""

    def __init__(self, asks: IO[bytes], answers: IO[bytes]) -> None:
        self._asks, self._answers = asks, answers

    def read(self, name: str) -> bytes:
        """The bytes of an object; those of one that is too large, up to the bound.

        Raises:
            BadInput: it is not there.
        """
        self._asks.write(name.encode("ascii") + b"\n")
        self._asks.flush()
        head = self._answers.readline().split()
        if len(head) != 3:  # noqa: PLR2004 - id, type, size
            raise BadInput(f"the history lacks the object {name}", remedy="fetch it whole (no partial clone)")
        size = int(head[2])
        data = self._answers.read(min(size, MAX_BLOB))
        left = size - len(data)
        while left > 0:
            left -= len(self._answers.read(min(left, 2**20)))
        self._answers.read(1)
        return data


def _fields(stream: IO[bytes]) -> Iterator[str]:
    """NUL-separated fields, read piece by piece."""
    rest = b""
    while piece := stream.read(2**16):
        *whole, rest = (rest + piece).split(b"\x00")
        for one in whole:
            yield one.decode("utf-8", "replace")
    if rest:
        yield rest.decode("utf-8", "replace")


def _moment(commit: str, when: str, subject: str, change: str, path: str) -> Moment | None:
    service, _, name = path.rpartition("/")
    if not service or not name.endswith((".md", ".txt")):
        return None
    _, _, old, new, *_ = change.split(" ")
    before, after = (None if one == _NOTHING else one for one in (old, new))
    if _TECHNICAL.match(subject):
        kind = "technical"
    elif after is None:
        kind = "gone"
    elif before is None or _FIRST.match(subject):
        kind = "first"
    else:
        kind = "change"
    instant = datetime.fromisoformat(when).astimezone(UTC).isoformat().replace("+00:00", "Z")
    return Moment(service, name.rsplit(".", 1)[0], commit, instant, before, after, kind)
