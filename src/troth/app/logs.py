"""A home's public log: set up, published after each append, asked for receipts, checked."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import replace as dataclass_replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from troth.core.entries import Act
from troth.core.errors import BadInput, Place, TrothError, Unpublished
from troth.core.findings import Findings
from troth.core.logfile import check_log_file, parse_trust, recognise
from troth.core.note import ED25519, VerifierKey, check_name, verifier_key
from troth.core.policy import MAX_POLICY_BYTES, NONE, Party, Policy, cosignatures, parse_policy
from troth.core.proof import ProofFile
from troth.core.written import Json
from troth.ledger.cosigners import Cosigners
from troth.ledger.logcheck import find_log_damage
from troth.ledger.shelf import replace
from troth.ledger.tilelog import Published, TileLog, read_only, why_stopped
from troth.release.sign import load_private, new_key

if TYPE_CHECKING:
    from troth.app.home import Home

MAX_FILE_BYTES: Final = 1024 * 1024
_NAME_BYTES: Final = 8


def unheard(_done: int, _total: int | None) -> None:
    """Progress that nobody follows."""


# setting up


def new_log_key(home: Home, origin: str | None) -> VerifierKey:
    """Make the key of a home's log, with its name (None: one made from the key).

    Raises:
        BadInput: a log cannot have this name.
        Conflict: there is a key already.
    """
    if origin is not None:
        check_name(origin)
    new_key(home.log_key_path, home.log_key_path.with_suffix(".pub"))
    private = load_private(home.log_key_path)
    public = private.public_key().public_bytes_raw()
    name = origin or f"troth-log/{hashlib.sha256(public).hexdigest()[: 2 * _NAME_BYTES]}"
    return verifier_key(private, name, ED25519)


def log_settings(key: VerifierKey) -> str:
    """What a home's configuration says of its log."""
    return f"log:\n  origin: {key.name}\n  publish: automatic\n"


def set_up(home: Home, key: VerifierKey) -> None:
    """Make the files of a log: its state and a policy that asks for no witness yet."""
    home.log_state_path.mkdir(0o700, exist_ok=True)
    if not home.policy_path.exists():
        replace(home.policy_path, Policy((Party(key),), {}, {}, NONE).write().encode())


def adopt(home: Home, origin: str | None) -> Home:
    """Give a home that was made before there were logs one of its own.

    Repeatable: the configuration, which says that there is a log, is written last.
    """
    from troth.app.home import CONFIG, open_home

    if home.log_key_path.exists():
        private = load_private(home.log_key_path)
        public = private.public_key().public_bytes_raw()
        name = origin or f"troth-log/{hashlib.sha256(public).hexdigest()[: 2 * _NAME_BYTES]}"
        key = verifier_key(private, name, ED25519)
    else:
        key = new_log_key(home, origin)
    set_up(home, key)
    home.append([Act("key", {"use": "log", "vkey": str(key)})], request=f"log key {key}")
    before = (home.path / CONFIG).read_bytes()
    end = b"" if before.endswith(b"\n") else b"\n"
    replace(home.path / CONFIG, before + end + log_settings(key).encode(), 0o600)
    return open_home(home.path)


# opening


def open_log(home: Home) -> TileLog:
    """The log of a home.

    Raises:
        BadInput: it has none yet.
    """
    if home.config.origin is None:
        raise BadInput(
            "this home has no public log yet",
            place=Place(str(home.path)),
            remedy="make it with `troth log publish`",
        )
    known = [log.key for log in policy_of(home).logs]
    return TileLog(home.log_path, home.log_state_path, home.config.origin, _keys(home), known)


def _keys(home: Home) -> list[Ed25519PrivateKey]:
    """The keys that sign, the current one first; while keys change over, the older one signs too."""
    older = sorted(home.log_key_path.parent.glob("log-before-*.key"))
    keys = [load_private(path) for path in (home.log_key_path, *older)]
    return list({key.public_key().public_bytes_raw(): key for key in keys}.values())


# keys


def rotate(home: Home, *, lost: bool = False) -> VerifierKey:
    """Change the log's key over to a new one. Until ``retire`` the old one signs too, so that nobody is cut off.

    Repeatable: each step that was done is passed over.

    Args:
        home: an open home.
        lost: the old private key is gone. Then the new one signs alone, and others have to be told some other way.

    Raises:
        BadInput: the old key is there though it is said to be lost, or the other way round.
    """
    log_key, coming = home.log_key_path, home.log_key_path.with_name("log-next.key")
    origin = home.config.origin
    if origin is None:
        open_log(home)
    if lost == log_key.exists():
        raise BadInput(
            "the log's key is there" if lost else "the log's key is not there",
            place=Place(str(log_key)),
            remedy="leave --lost out" if lost else "restore it from a backup; if it is gone for good: --lost",
        )
    if not coming.exists():
        new_key(coming, coming.with_suffix(".pub"))
    key = verifier_key(load_private(coming), str(origin), ED25519)
    _know(home, key)
    if lost:
        coming.rename(log_key)
    details: dict[str, Json] = {"use": "log", "vkey": str(key), "lost": lost}
    home.append([Act("key", details)], request=f"log key {key}")
    if not lost:
        before = load_private(log_key).public_key().public_bytes_raw()
        older = log_key.with_name(f"log-before-{hashlib.sha256(before).hexdigest()[: 2 * _NAME_BYTES]}.key")
        if not older.exists():
            os.link(log_key, older)
        coming.replace(log_key)
    coming.with_suffix(".pub").replace(log_key.with_suffix(".pub"))
    publish(home)
    return key


def retire(home: Home) -> int:
    """End a change of keys: older keys sign no longer, and are deleted. Returns how many there were."""
    older = list(home.log_key_path.parent.glob("log-before-*.key"))
    gone = {load_private(path).public_key().public_bytes_raw() for path in older}
    gone.discard(load_private(home.log_key_path).public_key().public_bytes_raw())
    for path in older:
        path.unlink()
    publish(home)
    policy = policy_of(home)
    kept = tuple(log for log in policy.logs if log.key.public not in gone)
    replace(home.policy_path, dataclass_replace(policy, logs=kept).write().encode("utf-8", "surrogateescape"))
    return len(older)


def _know(home: Home, key: VerifierKey) -> None:
    """Write a key of the log into its policy, so that others come to know it before it signs."""
    policy = policy_of(home)
    if all(log.key != key for log in policy.logs):
        url = next((log.url for log in policy.logs if log.key.name == key.name), None)
        wider = dataclass_replace(policy, logs=(*policy.logs, Party(key, url)))
        replace(home.policy_path, wider.write().encode("utf-8", "surrogateescape"))


def policy_of(home: Home) -> Policy:
    """The policy of a home's log: whom others should trust, and whom publishing asks.

    Raises:
        BadInput: it cannot be read.
    """
    return parse_policy(_read(home.policy_path, MAX_POLICY_BYTES), str(home.policy_path))


def _cosigners(home: Home) -> Cosigners | None:
    policy = policy_of(home)
    cosigners = Cosigners(policy)
    return cosigners if cosigners or policy.quorum != NONE else None


# publishing


def publish(
    home: Home, origin: str | None = None, progress: Callable[[int, int | None], None] = unheard
) -> Published:
    """Publish what the ledger holds; see ``TileLog.publish``. A home without a log gets one.

    Raises:
        BadInput: the log has another name already.
    """
    if home.config.origin is None:
        home = adopt(home, origin)
    elif origin not in (None, home.config.origin):
        raise BadInput(
            f"this home's log is called {home.config.origin}, for good",
            remedy="who knows a log knows it by its name; leave --origin out",
        )
    log = open_log(home)
    with home.reading() as ledger:
        return log.publish(ledger, _cosigners(home), progress)


def before_writing(home: Home) -> None:
    """Once for each open home: ask the witnesses whether this is an old copy.

    Raises:
        Unavailable: it is; nothing may be written.
    """
    if home.config.origin is None or home.asked:
        return
    home.asked = True
    cosigners = _cosigners(home)
    if cosigners:
        open_log(home).ask(cosigners)


def check_writable(home: Home, size: int) -> None:
    """See to it that a ledger of this size goes on from what was signed.

    Raises:
        Unavailable: it does not; nothing may be written.
    """
    if home.config.origin is not None:
        open_log(home).check_writable(size)


def check_not_stopped(home: Home) -> None:
    """See to it that the log has not stopped since the ledger was opened: one look, cheap enough for each group.

    Raises:
        Unavailable: it has; nothing may be written.
    """
    why = why_stopped(home.log_state_path) if home.config.origin is not None else None
    if why is not None:
        raise read_only(why, home.log_state_path)


def after_append(home: Home) -> None:
    """Publish what a command has just recorded, if the home says so; if that fails, warn: it is recorded anyway."""
    if home.config.origin is None or not home.config.publish:
        return
    try:
        publish(home)
    except TrothError as error:
        warnings.warn(
            Unpublished(f"what was asked for is recorded, but not public yet: {error}"), stacklevel=2
        )


# answering


def receipt(home: Home, position: int) -> ProofFile:
    """The receipt of an entry: a proof that it is in the public log.

    Raises:
        BadInput: there is no such entry, or it is not published yet.
    """
    log = open_log(home)
    with home.reading() as ledger:
        entry = next(ledger.public(position, position + 1), None)
        if entry is None:
            raise BadInput(f"there is no entry {position}; the ledger holds {ledger.size}")
    return log.receipt(entry, position)


@dataclass(frozen=True, slots=True)
class Status:
    """How a log stands: its name and keys, the ledger's size, what is public, who cosigned, why it stopped."""

    origin: str
    vkeys: list[str]
    entries: int
    published: int
    root: str | None
    cosigned: dict[str, int]
    quorum: str
    stopped: str | None

    def as_json(self) -> dict[str, Json]:
        """The JSON of ``troth log show``."""
        return {
            "origin": self.origin,
            "vkeys": list(self.vkeys),
            "entries": self.entries,
            "published": self.published,
            "root": self.root,
            "cosigned": dict(self.cosigned),
            "quorum": self.quorum,
            "stopped": self.stopped,
        }


def status(home: Home) -> Status:
    """How the log of a home stands."""
    log, policy = open_log(home), policy_of(home)
    published = log.published()
    held = {} if published is None else cosignatures(published.note, policy)
    return Status(
        origin=log.origin,
        vkeys=[str(key) for key in log.keys],
        entries=home.position,
        published=0 if published is None else published.checkpoint.size,
        root=None if published is None else published.checkpoint.root.hex(),
        cosigned={name: one.time for name, one in held.items() if one.time is not None},
        quorum=policy.quorum,
        stopped=log.stopped(),
    )


def set_policy(home: Home, path: Path) -> Policy:
    """Take a policy file as the log's own; from now on publishing asks its witnesses.

    Raises:
        BadInput: it cannot be read, or does not name this log and its keys.
    """
    data = _read(path, MAX_POLICY_BYTES)
    policy = parse_policy(data, str(path))
    ours = {str(key) for key in open_log(home).keys}
    if not ours <= {str(log.key) for log in policy.logs}:
        raise BadInput(
            "does not name this home's log",
            place=Place(str(path)),
            remedy="begin from what `troth log policy` prints, and add witness, group and quorum lines",
        )
    replace(home.policy_path, data)
    return policy


def check(home: Home, progress: Callable[[int, int | None], None] = unheard) -> list[str]:
    """What is wrong with the public log, made anew from the ledger; empty if nothing is."""
    with home.reading() as ledger:
        return find_log_damage(open_log(home), ledger, progress)


# verifying


def is_log_file(path: Path) -> bool:
    """Whether a file seems to be a checkpoint or a proof file."""
    return path.is_file() and path.stat().st_size <= MAX_FILE_BYTES and recognise(_read(path)) is not None


def verify(path: Path, trust: Path | None) -> Findings:
    """Check a checkpoint or proof file offline, with a policy file or the file of a log's verifier key.

    Raises:
        BadInput: a file cannot be read, or nobody is trusted.
    """
    if trust is None:
        raise BadInput(
            "nothing says whose log to trust",
            place=Place(str(path)),
            remedy="name a policy, or a file with the log's verifier key: --policy FILE",
        )
    return check_log_file(_read(path), read_trust(trust), path.name)


def read_trust(path: Path) -> Policy:
    """Whom to trust: a policy file, or the file of one log's verifier key.

    Raises:
        BadInput: it cannot be read, or is neither.
    """
    return parse_trust(_read(path, MAX_POLICY_BYTES), str(path))


def _read(path: Path, limit: int = MAX_FILE_BYTES) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise BadInput(
            f"cannot be read: {error.strerror}", place=Place(os.fspath(path)), remedy="check the path"
        ) from None
    if len(data) > limit:
        raise BadInput(f"is larger than {limit} bytes", place=Place(os.fspath(path)))
    return data
