"""What is damaged in a home: each part of it held against what the ledger and the signed manifests say of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from troth.app import certificates, directories, logs, membersets, models
from troth.app.home import Home
from troth.core.entries import Act
from troth.core.errors import BadInput, Corrupt, Unavailable
from troth.core.findings import Findings
from troth.core.manifest import Manifest
from troth.core.verify import check_manifest
from troth.learning.corpus import CORPUS_FOLDER
from troth.learning.jobs import TRAINING, certificate_name, pending_statement
from troth.learning.registry import Checkpoint, ModelFolder, State
from troth.learning.serving import backend_of
from troth.ledger.accounts import find_account_damage
from troth.ledger.store import find_store_damage
from troth.release.layout import LEAVES, MANIFEST
from troth.release.records import find_records_damage
from troth.release.sign import load_private, load_public
from troth.release.treecheck import find_row_damage, find_tree_damage

WHY_ACCOUNTS: Final = (
    ": it holds the members' accounts and secrets, which cannot be made anew; without them nobody who has not got"
    " their own secret file could prove anything any more"
)


@dataclass(slots=True)
class Seen:
    """What was looked at: how many there were, what is wrong, and what is doubtful."""

    count: int = 0
    wrong: list[str] = field(default_factory=list)
    doubtful: list[str] = field(default_factory=list)


def of_ledger(home: Home) -> tuple[int | None, list[str]]:
    """The number of entries of the ledger (None: it cannot be read), and what is wrong with it.

    Raises:
        Unavailable: storage failed.
        BadInput: it is of a newer version.
    """
    if home.config.ledger is None and not home.ledger_path.is_file():
        return None, [f"{home.ledger_path.name} is missing"]
    try:
        with home.reading() as ledger:
            return ledger.size, ledger.check()
    except Corrupt as error:
        return None, [error.message]


def of_log(home: Home, progress: Callable[[int, int | None], None]) -> list[str]:
    """What is wrong with the public log. Raises Unavailable."""
    try:
        logs.policy_of(home)
        return logs.check(home, progress)
    except (BadInput, Corrupt) as error:
        return [str(error)]


def of_keys(home: Home) -> Iterator[str]:
    """What is wrong with the keys."""
    for path in [home.key_path, *([home.log_key_path] if home.config.origin else [])]:
        try:
            load_private(path)
        except (BadInput, OSError) as error:
            yield f"{path.name}: {error}"
    try:
        load_public(home.public_key_path)
    except BadInput as error:
        yield str(error)


def of_records(home: Home) -> Iterator[str]:
    """What is wrong with the records and the marks on them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for path in sorted(home.records_path.rglob("*.parquet")):
        try:
            with pq.ParquetFile(path) as file:
                for _ in file.iter_batches():
                    pass
        except (OSError, pa.ArrowException) as error:
            name = path.relative_to(home.records_path).as_posix()
            yield f"{name} cannot be read: {type(error).__name__}"


# members


def of_accounts(home: Home) -> Seen:
    """What is wrong with the members' accounts and secrets. Raises Unavailable."""
    path = home.accounts_path
    if path.is_file():
        return Seen(1, find_account_damage(path))
    bound = max((one.accounts for one in directories.listed(home)), default=0)
    return Seen(0, [f"{path.name} is missing{WHY_ACCOUNTS}"] if bound else [])


def of_directories(home: Home) -> Seen:
    """What is wrong with the directories that the ledger names."""
    seen = Seen()
    for one in directories.listed(home):
        seen.count += 1
        wrong = find_tree_damage(directories.folder(home, one.root), one.bits, one.root)
        seen.wrong += [f"directory {one.epoch}: {each}" for each in wrong]
    return seen


def of_sets(home: Home) -> Seen:
    """What is wrong with the sets of the releases."""
    seen = Seen()
    with home.reading() as ledger:
        released = {str(act.details["release"]): act for _, act in ledger.acts("release")}
        roots = {str(act.details["root"]) for _, act in ledger.acts("directory")}
    for name in _folders(home.sets_path):
        seen.count += 1
        act = released.get(name)
        if act is None:
            seen.doubtful.append(
                f"{name}: the ledger knows no such release; it was not finished, or is another's"
            )
        seen.wrong += [f"{name}: {one}" for one in _bad_set(home, name, act, roots)]
    return seen


def _bad_set(home: Home, name: str, act: Act | None, roots: set[str]) -> list[str]:
    public = membersets.folder(home, name) / membersets.PUBLIC
    findings = Findings("set")
    try:
        keys = [load_public(home.public_key_path)]
        signed = check_manifest((public / MANIFEST).read_bytes(), keys, findings, MANIFEST)
    except (OSError, BadInput) as error:
        return [f"{MANIFEST} cannot be read ({type(error).__name__})"]
    if signed is None or not findings.ok:
        return [f"{one.where}: {one.what}" for one in findings.findings if one.level == "error"]
    manifest = signed.manifest
    if manifest.release != name or (act is not None and act.details["manifest"] != signed.digest):
        return [f"{MANIFEST} is not the one that the ledger names"]
    if manifest.set_root is None or manifest.set_bits is None:
        return [f"{MANIFEST} names no set"]
    wrong = (
        [] if manifest.directory_root in roots else ["the ledger does not know the directory that it names"]
    )
    wrong += find_tree_damage(public, manifest.set_bits, bytes.fromhex(manifest.set_root))
    if not wrong:
        records = membersets.folder(home, name) / membersets.RECORDS
        wrong += find_records_damage(records, public, manifest.set_bits)
    return wrong + _bad_rows(home, public, manifest)


def _bad_rows(home: Home, public: Path, manifest: Manifest) -> list[str]:
    leaves = home.path / "releases" / manifest.release / LEAVES
    return find_row_damage(public, manifest.rows, leaves if leaves.is_file() else None)


# models


def of_models(home: Home) -> Seen:
    """What is wrong with the models: state, checkpoints, corpus, certificates."""
    seen = Seen()
    for name in _folders(models.models_path(home)):
        seen.count += 1
        try:
            model = models.model_of(home, name)
            state = model.state()
        except (BadInput, Corrupt) as error:
            seen.wrong.append(f"{name}: {error}")
            continue
        if not model.facts.is_elsewhere:
            try:
                seen.wrong += [f"{name}: {one}" for one in _bad_model(home, model, state)]
            except Unavailable as error:
                seen.doubtful.append(f"{name}: not looked at: {error.message}")
    return seen


def _bad_model(home: Home, model: ModelFolder, state: State) -> Iterator[str]:
    backend = backend_of(model.facts.backend)
    done = [one.checkpoint for one in state.job.done] if state.job else []
    for one in dict.fromkeys((*state.serving, *state.retired, *done)):
        yield from _bad_checkpoint(model, backend, one)
    for less in state.differences:
        if not (model.path / less.path).is_dir():
            yield f"{less.path} is missing"
    for file in sorted(model.files_of(state).names):
        if not (model.path / CORPUS_FOLDER / file).is_file():
            yield f"{CORPUS_FOLDER}/{file} is missing"
    yield from _bad_statements(home, model, state)


def _bad_checkpoint(model: ModelFolder, backend: Any, one: Checkpoint) -> Iterator[str]:  # noqa: ANN401 - any backend
    try:
        digest = backend.digest(model.path / one.path)
    except (OSError, ValueError, KeyError, TypeError, BadInput, Corrupt) as error:
        yield f"{one.path} cannot be read ({type(error).__name__})"
    else:
        if digest != one.digest:
            yield f"{one.path} is not what was learned: its digest is another"


def _bad_statements(home: Home, model: ModelFolder, state: State) -> Iterator[str]:
    if state.training is not None and _digest(model.path / TRAINING) != state.training:
        yield f"{TRAINING} is missing, or not the one that was signed"
    if state.job is not None and state.job.statement is not None:
        found = (_digest(pending_statement(model)), _digest(model.path / certificate_name(state.job)))
        if state.job.statement not in found:
            yield "the statement that waits to be recorded is missing, or was altered"
    try:
        found_wrong = certificates.chain(home, model.facts.name).findings
    except OSError as error:
        yield f"a certificate cannot be read: {error.strerror}"
        return
    yield from (f"{one.where}: {one.what}" for one in found_wrong if one.level == "error")


def _digest(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def of_server(home: Home) -> Seen:
    """What is wrong with the server's own state. Raises Unavailable."""
    path = home.path / "server.sqlite3"
    return Seen(1, find_store_damage(path)) if path.is_file() else Seen()


def _folders(path: Path) -> list[str]:
    """The names of the finished folders in one."""
    if not path.is_dir():
        return []
    return sorted(one.name for one in path.iterdir() if one.is_dir() and not one.name.startswith("."))


PARTS: Final[tuple[tuple[str, Callable[[Home], Seen], str], ...]] = (
    (
        "members",
        of_accounts,
        "every account has a secret of its own, readable by the owner of the file alone",
    ),
    ("directories", of_directories, "{} directories, each as the ledger names it"),
    ("sets", of_sets, "{} sets, each as its release was signed"),
    ("models", of_models, "{} models, each as its state and certificates say"),
    ("server", of_server, "the server's own state can be read"),
)
"""What else a home may hold: its name, who looks, and what is said where nothing is wrong."""
