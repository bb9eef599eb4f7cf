"""Looking after a home: everything derived anew (`fsck`), copies taken while it works, and put back."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from troth.app import damage, logs
from troth.app.home import CONFIG, Config, Home, open_home
from troth.core.errors import BadInput, Conflict, Corrupt, Place, Unavailable
from troth.core.findings import Findings
from troth.core.values import canonical, format_instant, parse_instant
from troth.core.written import Json
from troth.learning.registry import ModelFolder
from troth.ledger.store import Ledger, clock

MANIFEST: Final = "backup.json"
_FORMAT: Final = "troth/backup/v1"
_CHUNK: Final = 1024 * 1024
_LEDGER: Final = "ledger.sqlite3"
_LEFT_OUT: Final = (".lock", "-wal", "-shm", "-journal", ".new", ".making", ".unfinished")
_TRIES: Final = 5
_BUSY_SECONDS: Final = 10.0

Wanted = Callable[[Path], bool]
Progress = Callable[[int, int | None], None]


# checking


def check(home: Home, progress: Progress = logs.unheard) -> Findings:
    """Derive everything of a home anew from the store and the files, and say what is damaged. Changes nothing.

    Raises:
        Unavailable: storage failed, so that it cannot be looked at.
    """
    findings = Findings("home")
    entries, wrong = damage.of_ledger(home)
    _say(findings, "ledger", wrong, f"{entries} entries, each as its commitment says")
    if home.config.origin is None:
        findings.warning("this home has no public log yet; make it with `troth log publish`", "log")
    elif entries is not None:
        _say(findings, "log", damage.of_log(home, progress), "every file is what the ledger says")
    _say(findings, "keys", list(damage.of_keys(home)), "the keys are there, readable by their owner alone")
    _say(findings, "records", list(damage.of_records(home)), "every file of records can be read")
    if entries is not None:
        for where, look, fine in damage.PARTS:
            seen = look(home)
            for one in seen.doubtful:
                findings.warning(one, where)
            if seen.count or seen.wrong:
                _say(findings, where, seen.wrong, fine.format(seen.count))
    return findings


def _say(findings: Findings, where: str, wrong: list[str], fine: str) -> None:
    for one in wrong:
        findings.error(one, where)
    if not wrong:
        findings.info(fine, where)


# copies


@dataclass(frozen=True, slots=True)
class Backup:
    """A copy of a home: where it is, of when, and how many entries and files it holds."""

    path: Path
    created_at: int
    entries: int
    files: int

    def as_json(self) -> dict[str, Json]:
        """The JSON of ``troth backup`` and ``troth restore``."""
        return {
            "path": str(self.path),
            "created_at": format_instant(self.created_at),
            "entries": self.entries,
            "files": self.files,
        }


def backup(home: Home, out: Path, progress: Progress = logs.unheard) -> Backup:
    """Copy a home while it may be in use, check the copy, and give it its name only then.

    What refers to something is copied before that: see ``_copied``. It holds private keys, the members' secrets and
    everything that they said: keep it as safe as the home.

    Raises:
        BadInput: the ledger is in PostgreSQL.
        Conflict: something is there already, or a model changes all the time.
        Corrupt: the copy does not hold; the home may be damaged.
        Unavailable: storage failed.
    """
    if home.config.ledger is not None:
        raise BadInput(
            "this home keeps its ledger in PostgreSQL, which is not copied with files",
            place=Place(str(home.path)),
            remedy="stop the server, take a base backup of the database, and copy the folder of the home",
        )
    with _making(out) as making:
        files = _copied(home, making, progress)
        findings = check(Home(making, home.config))
        if not findings.ok:
            wrong = "; ".join(one.what for one in findings.findings if one.level == "error")
            raise Corrupt(f"the copy does not hold: {wrong}", remedy="see `troth fsck`; nothing was kept")
        with Ledger.read(making / _LEDGER) as ledger:
            entries = ledger.size
        # Reading makes files of SQLite's own beside it.
        for end in ("-wal", "-shm"):
            (making / f"{_LEDGER}{end}").unlink(missing_ok=True)
        made = Backup(out, clock(), entries, len(files))
        digests: dict[str, Json] = {name: _digest(making / name) for name in sorted(files)}
        about: dict[str, Json] = {
            "format": _FORMAT,
            "created_at": format_instant(made.created_at),
            "entries": entries,
            "files": digests,
        }
        (making / MANIFEST).write_bytes(canonical(about) + b"\n")
        _sync_tree(making)
    return made


def restore(source: Path, target: Path, progress: Progress = logs.unheard) -> Backup:
    """Make a home of a copy: every file compared with its digest, everything derived anew, the witnesses asked.

    If the log has grown since the copy was taken, the home that comes out may only be read.

    Raises:
        BadInput: this is no copy of a home, or a file of it was altered.
        Conflict: something is there already.
        Corrupt: what came out does not hold.
        Unavailable: storage failed.
    """
    digests, made = _read_manifest(source)
    with _making(target) as making:
        for done, (name, digest) in enumerate(digests.items(), start=1):
            _put_back(source, making, name, digest)
            progress(done, len(digests))
        _make_folders(making)
        _sync_tree(making)
        home = open_home(making)
        wrong = [one.what for one in check(home).findings if one.level == "error"]
        if wrong:
            raise Corrupt(f"the copy does not hold: {'; '.join(wrong)}", remedy="take another copy")
    return Backup(target, made.created_at, made.entries, made.files)


def why_read_only(home: Home) -> str | None:
    """Ask the witnesses whether a home is an old copy. Returns why it may only be read, or None."""
    if home.config.origin is None:
        return None
    try:
        logs.before_writing(home)
        logs.check_writable(home, home.position)
    except Unavailable as error:
        return error.message
    return None


class _making:  # noqa: N801 - used like a function
    """A hidden folder that gets its name when all went well, and vanishes when not."""

    def __init__(self, target: Path) -> None:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise Conflict(
                "something is there already", place=Place(str(target)), remedy="choose an empty or new folder"
            )
        self._target = target.absolute()
        self._making = self._target.with_name(f".{self._target.name}.{secrets.token_hex(4)}.making")

    def __enter__(self) -> Path:
        self._target.parent.mkdir(parents=True, exist_ok=True)
        self._making.mkdir(mode=0o700)
        return self._making

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            shutil.rmtree(self._making, ignore_errors=True)
            return
        if self._target.exists():
            self._target.rmdir()
        self._making.rename(self._target)
        _sync(self._target.parent)


def _copied(home: Home, making: Path, progress: Progress) -> list[str]:
    """Copy all files of a home that may be in use; their names.

    What refers to something is copied before what it refers to, and what is referred to only ever grows. So the log
    comes before the ledger that it was signed from; models, sets and the server's own state, which name positions,
    come before it too; then the directories that the ledger names, and last the accounts that these bind: an account
    is made before a directory or a set holds it. Marks on records come after the records that they are about.
    """
    log = {home.log_path.name, home.log_state_path.name}
    marks, late = ("records", "marks"), {home.directories_path.name, "models"}
    # What is kept to be quicker is made anew.
    passed_over = {home.folds_path.name}
    found: list[str] = []

    def take(wanted: Wanted) -> None:
        found.extend(_copy_files(home.path, making, wanted))
        progress(len(found), None)

    with ExitStack() as stack:
        if home.config.origin is not None:
            stack.enter_context(logs.open_log(home).locked())
            take(lambda path: path.parts[0] in log)
    take(lambda path: path.parts[0] not in log | late | passed_over and path.parts[:2] != marks)
    take(lambda path: path.parts[:2] == marks)
    found += _copy_models(home.path / "models", making)
    stores = sorted(path.name for path in home.path.glob("*.sqlite3") if not path.is_symlink())
    last = [_LEDGER, home.accounts_path.name]
    for name in (*(one for one in stores if one not in last), _LEDGER):
        _copy_store(home.path / name, making / name)
        found.append(name)
    take(lambda path: path.parts[0] == home.directories_path.name)
    if home.accounts_path.exists():
        _copy_store(home.accounts_path, making / home.accounts_path.name)
        found.append(home.accounts_path.name)
    progress(len(found), len(found))
    _make_folders(making)
    return found


def _copy_models(source: Path, making: Path) -> list[str]:
    """Copy the models, each as its state says it is: the state stands still meanwhile, work on the model need not."""
    found: list[str] = []
    for path in sorted(source.glob("*")):
        if path.is_dir() and not path.name.startswith("."):
            with ModelFolder(path).still():
                names = _copy_files(path, making / "models" / path.name, lambda _: True)
            found += [f"models/{path.name}/{name}" for name in names]
    return found


def _copy_files(source: Path, target: Path, wanted: Wanted) -> list[str]:
    """Copy those files of a folder that are wanted and stay. Returns their names in it.

    Raises:
        Conflict: files go and come at every try.
    """
    for _ in range(_TRIES):
        found: list[str] = []
        try:
            for path in source.rglob("*"):
                inside = path.relative_to(source)
                if wanted(inside) and not _is_left_out(inside) and path.is_file() and not path.is_symlink():
                    _copy(path, target / inside)
                    found.append(inside.as_posix())
        except FileNotFoundError:
            # A file that was listed is gone: it was moved or replaced, and where it went may have been passed by.
            for name in found:
                (target / name).unlink()
        else:
            return found
    raise Conflict(
        "changes while it is copied", place=Place(str(source)), remedy="repeat when less is going on"
    )


def _is_left_out(path: Path) -> bool:
    """Whether a file is a lock, unfinished (names with a dot), or a store, which is copied by its own means."""
    own = path.name == "lock" or (len(path.parts) == 1 and path.suffix == ".sqlite3")
    return own or any(part.startswith(".") or part.endswith(_LEFT_OUT) for part in path.parts)


def _make_folders(making: Path) -> None:
    """The folders of a home that may be empty."""
    home = Home(making, Config())
    for folder in (home.records_path, home.rejects_path, home.log_state_path):
        folder.mkdir(0o700, exist_ok=True)


def _copy_store(source: Path, target: Path) -> None:
    """A consistent copy of an SQLite file by its own means, also while it is written to."""
    # Of others than the ledger (whose readers never touch its log) what a killed writer left is rolled back first.
    mode = "ro" if source.name == _LEDGER else "rw"
    try:
        target.touch(0o600)
        reading = sqlite3.connect(
            f"{source.absolute().as_uri()}?mode={mode}", uri=True, timeout=_BUSY_SECONDS
        )
        writing = sqlite3.connect(target)
        try:
            reading.backup(writing)
        finally:
            writing.close()
            reading.close()
    except sqlite3.OperationalError as error:
        raise Unavailable(
            f"storage failed: {error}",
            place=Place(str(source)),
            remedy="check space and the disk, then repeat",
        ) from None
    except sqlite3.DatabaseError as error:
        raise Corrupt(
            f"cannot be copied: {error}",
            place=Place(str(source)),
            remedy="see `troth fsck`; nothing was kept",
        ) from None


def _copy(source: Path, target: Path) -> None:
    """Copy a file with its mode. Raises FileNotFoundError."""
    target.parent.mkdir(0o700, parents=True, exist_ok=True)
    shutil.copy(source, target)


def _put_back(source: Path, target: Path, name: str, digest: str) -> None:
    """Copy a file of a backup, if it is what was backed up.

    Raises:
        BadInput: it is missing, or was altered.
    """
    wrong = None
    try:
        _copy(source / name, target / name)
        if _digest(target / name) != digest:
            wrong = "was altered since the copy was taken"
    except FileNotFoundError:
        wrong = "is missing"
    if wrong is not None:
        why = damage.WHY_ACCOUNTS if name == Home(target, Config()).accounts_path.name else ""
        raise BadInput(f"{wrong}{why}", place=Place(str(source / name)), remedy="take another copy")


def _read_manifest(source: Path) -> tuple[dict[str, str], Backup]:
    try:
        about = json.loads((source / MANIFEST).read_bytes())
        digests = {str(name): str(digest) for name, digest in about["files"].items()}
        if about["format"] != _FORMAT or CONFIG not in digests or _LEDGER not in digests:
            raise ValueError
        if any(Path(name).is_absolute() or ".." in Path(name).parts for name in digests):
            raise ValueError
        made = Backup(source, parse_instant(about["created_at"]), int(about["entries"]), len(digests))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, BadInput):
        raise BadInput(
            "is no copy of a home", place=Place(str(source)), remedy="name a folder made by `troth backup`"
        ) from None
    return digests, made


def _digest(path: Path) -> str:
    hashed = sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            hashed.update(chunk)
    return hashed.hexdigest()


def _sync_tree(root: Path) -> None:
    for path in root.rglob("*"):
        _sync(path)
    _sync(root)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
