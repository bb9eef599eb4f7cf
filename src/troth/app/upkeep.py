"""Looking after a home: everything derived anew (`fsck`), copies taken while it works, and put back."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from troth.app import logs
from troth.app.home import CONFIG, Config, Home, open_home
from troth.core.errors import BadInput, Conflict, Corrupt, Place, TrothError, Unavailable
from troth.core.findings import Findings
from troth.core.values import canonical, format_instant, parse_instant
from troth.core.written import Json
from troth.ledger.store import Ledger, clock
from troth.release.sign import load_private, load_public

MANIFEST: Final = "backup.json"
_FORMAT: Final = "troth/backup/v1"
_CHUNK: Final = 1024 * 1024
_LEDGER: Final = "ledger.sqlite3"
_LEFT_OUT: Final = (".lock", "-wal", "-shm", ".new", ".making", ".unfinished")


# checking


def check(home: Home, progress: Callable[[int, int | None], None] = logs.unheard) -> Findings:
    """Derive everything of a home anew from the store and the files, and say what is damaged. Changes nothing."""
    findings = Findings("home")
    with home.reading() as ledger:
        _say(findings, "ledger", ledger.check(), f"{ledger.size} entries, each as its commitment says")
    if home.config.origin is None:
        findings.warning("this home has no public log yet; make it with `troth log publish`", "log")
    else:
        _say(findings, "log", _log_damage(home, progress), "every file is what the ledger says")
    _say(findings, "keys", list(_bad_keys(home)), "the keys are there, readable by their owner alone")
    _say(findings, "records", list(_bad_records(home)), "every file of records can be read")
    return findings


def _say(findings: Findings, where: str, wrong: list[str], fine: str) -> None:
    for one in wrong:
        findings.error(one, where)
    if not wrong:
        findings.info(fine, where)


def _log_damage(home: Home, progress: Callable[[int, int | None], None]) -> list[str]:
    try:
        logs.policy_of(home)
        return logs.check(home, progress)
    except TrothError as error:
        return [str(error)]


def _bad_keys(home: Home) -> Iterator[str]:
    for path in [home.key_path, *([home.log_key_path] if home.config.origin else [])]:
        try:
            load_private(path)
        except (BadInput, OSError) as error:
            yield f"{path.name}: {error}"
    try:
        load_public(home.public_key_path)
    except BadInput as error:
        yield str(error)


def _bad_records(home: Home) -> Iterator[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    for path in sorted(home.records_path.glob("*.parquet")):
        try:
            with pq.ParquetFile(path) as file:
                for _ in file.iter_batches():
                    pass
        except (OSError, pa.ArrowException) as error:
            yield f"{path.name} cannot be read: {type(error).__name__}"


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


def backup(home: Home, out: Path, progress: Callable[[int, int | None], None] = logs.unheard) -> Backup:
    """Copy a home while it may be in use, check the copy, and give it its name only then.

    The log comes first and the ledger after it, so that the copy never lacks entries that its log was signed with.
    It holds private keys and everything that members said: keep it as safe as the home.

    Raises:
        Conflict: something is there already.
        Corrupt: the copy does not hold; the home may be damaged.
        Unavailable: storage failed.
    """
    with _making(out) as making:
        files = _copied(home, making, progress)
        _copy_ledger(home.ledger_path, making / _LEDGER)
        files.append(_LEDGER)
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


def restore(source: Path, target: Path, progress: Callable[[int, int | None], None] = logs.unheard) -> Backup:
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
            _copy(source / name, making / name)
            if _digest(making / name) != digest:
                raise BadInput(
                    "was altered since the copy was taken",
                    place=Place(str(source / name)),
                    remedy="take another copy",
                )
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


def _copied(home: Home, making: Path, progress: Callable[[int, int | None], None]) -> list[str]:
    """Copy all files but the ledger: the log's under the publisher's lock, so that they belong together."""
    log = {home.log_path.name, home.log_state_path.name}
    found: list[str] = []
    with ExitStack() as stack:
        if home.config.origin is not None:
            stack.enter_context(logs.open_log(home).locked())
            found += _copy_files(home.path, making, lambda path: path.parts[0] in log)
    found += _copy_files(home.path, making, lambda path: path.parts[0] not in log)
    progress(len(found), len(found))
    _make_folders(making)
    return found


def _copy_files(source: Path, target: Path, wanted: Callable[[Path], bool]) -> list[str]:
    """Copy those files of a folder that are wanted and stay. Returns their names in it."""
    found = []
    for path in source.rglob("*"):
        inside = path.relative_to(source)
        if path.is_file() and not path.is_symlink() and wanted(inside) and not _is_left_out(inside):
            _copy(path, target / inside)
            found.append(inside.as_posix())
    return found


def _is_left_out(path: Path) -> bool:
    own = path.name.startswith(_LEDGER) or path.name == "lock"
    return own or any(part.endswith(_LEFT_OUT) for part in path.parts)


def _make_folders(making: Path) -> None:
    """The folders of a home that may be empty."""
    home = Home(making, Config())
    for folder in (home.records_path, home.rejects_path, home.log_state_path):
        folder.mkdir(0o700, exist_ok=True)


def _copy_ledger(source: Path, target: Path) -> None:
    """A consistent copy of the ledger by SQLite's own means, also while it is written to."""
    try:
        target.touch(0o600)
        reading = sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)
        writing = sqlite3.connect(target)
        try:
            reading.backup(writing)
        finally:
            writing.close()
            reading.close()
    except sqlite3.Error as error:
        raise Unavailable(
            f"storage failed: {error}",
            place=Place(str(target)),
            remedy="check space and the disk, then repeat",
        ) from None


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(0o700, parents=True, exist_ok=True)
    try:
        shutil.copy(source, target)
    except FileNotFoundError:
        raise BadInput(
            "is missing", place=Place(str(source)), remedy="repeat, or take another copy"
        ) from None


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
