"""Accounts of members, and the directories of them that are sealed epoch by epoch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from troth.app.crowd import LedgerPeople
from troth.app.decisions import files_of, stamps_of
from troth.app.home import Home
from troth.core.entries import Act
from troth.core.errors import BadInput, Conflict, Refused
from troth.core.events import Erase, Event
from troth.core.presence import write_secret
from troth.core.values import format_instant
from troth.core.written import Json
from troth.gate import duck
from troth.ledger.accounts import Account, Accounts
from troth.ledger.store import Ledger, clock
from troth.release.directory import build_directory
from troth.release.engine import BATCH, Limits
from troth.release.folder import building
from troth.release.memberset import Built
from troth.release.trees import TileFolder

T = TypeVar("T")

_TRIES = 5
_COVERED = "covered"
_SEALED = "sealed"


@dataclass(frozen=True, slots=True)
class Directory:
    """A sealed directory: its epoch from 0, k, root, number of accounts, and the position of its ledger entry."""

    epoch: int
    bits: int
    root: bytes
    accounts: int
    entry: int

    def as_json(self) -> dict[str, Json]:
        """Plain JSON values."""
        return {
            "epoch": self.epoch,
            "root": self.root.hex(),
            "bits": self.bits,
            "accounts": self.accounts,
            "entry": self.entry,
        }


def accounts_of(home: Home) -> Accounts:
    """The accounts of a home."""
    return Accounts(home.accounts_path)


def limits_of(home: Home) -> Limits:
    """What the engine may take in this home, and where it spills: in the home, since names pass through it."""
    return Limits(home.config.threads, home.config.memory, home.path)


def listed(home: Home) -> list[Directory]:
    """The directories that the ledger knows, by epoch."""
    with home.reading() as ledger:
        return _directories(ledger)


def _directories(ledger: Ledger) -> list[Directory]:
    found = []
    for entry, act in ledger.acts("directory"):
        root = bytes.fromhex(str(act.details["root"]))
        epoch, bits, accounts = (int(str(act.details[key])) for key in ("epoch", "bits", "accounts"))
        found.append(Directory(epoch, bits, root, accounts, entry))
    return found


def find(home: Home, root: bytes) -> Directory | None:
    """The directory of a root, as the ledger knows it."""
    return next((one for one in listed(home) if one.root == root), None)


# accounts


def cover(home: Home, people: LedgerPeople) -> int:
    """Give everybody an account who has none: members of the ledger, and parties of the home's records.

    The parties of records count too: somebody who is no member may want a proof that nothing of theirs was released.
    Who was erased gets none.

    Returns:
        How many accounts were made.
    """
    accounts = accounts_of(home)
    accounts.purge(clock())
    newest, number = -1, 0
    for _, head in people.heads():
        newest, number = max(newest, head), number + 1
    state = json.dumps([number, newest, stamps_of(home, None)])
    key = hashlib.sha256(state.encode()).hexdigest()
    if accounts.recall(_COVERED) == key:
        return 0
    erased = people.erased(clock())
    made = accounts.ensure(one for one, _ in people.heads() if one not in erased)
    made += accounts.ensure(one for one in _parties(home) if one not in erased)
    accounts.note(_COVERED, key)
    return made


def is_erased(entries: Sequence[tuple[int, Event]], now: int) -> bool:
    """Whether a member's erasure has come."""
    return any(isinstance(event, Erase) and event.at <= now for _, event in entries)


def _parties(home: Home) -> Iterator[str]:
    """All authors and addressees of the home's records, once each."""
    if not files_of(home, None):
        return
    records = duck.read_parquet(home.records_path, home.config.threads, home.config.memory)
    authors = records.select(subject=records.author)
    found = authors.union(records.select(subject=records.addressees.unnest())).distinct()
    found = found.filter(found.subject.notnull() & (found.subject != ""))
    for batch in duck.batches(found, BATCH):
        yield from batch.column(0).to_pylist()


def hand_out(home: Home, subject: str, *, again: bool = False) -> bytes:
    """A member's secret file, to be given to the member and nobody else.

    Args:
        home: the home.
        subject: the member.
        again: hand out also what was handed out before.

    Raises:
        Refused: it was handed out before.
        BadInput: nobody here is called so, or was erased.
    """
    account = need_account(home, subject)
    if account.handed_out is not None and not again:
        raise Refused(
            f"the secret of this member was handed out at {format_instant(account.handed_out)}",
            remedy="make sure that it is the member who asks, then repeat with --again",
        )
    accounts_of(home).hand_out(subject, clock())
    return write_secret(account.credential)


def need_account(home: Home, subject: str) -> Account:
    """The account of a subject; one is made for whoever is known to the home and has none.

    Raises:
        BadInput: nobody here is called so, or was erased.
    """
    accounts = accounts_of(home)
    accounts.purge(clock())
    found = accounts.find(subject)
    if found is None:
        with home.reading() as ledger:
            history = ledger.history(subject)
        if is_erased(history, clock()):
            raise BadInput(
                "this member was erased: account and secret are forgotten",
                remedy="whoever holds the secret file can still prove with --secret FILE",
            )
        if not history and subject not in _parties(home):
            raise BadInput(
                "neither the ledger nor the records know this subject", remedy="check the spelling"
            )
        accounts.ensure([subject])
        found = accounts.find(subject)
    if found is None:
        raise Conflict("the account went while it was looked up", remedy="repeat")
    return found


# sealing


def seal(home: Home) -> Directory:
    """Seal the accounts as they are: a new epoch, or the newest one if nothing has changed since.

    Repeating it does no harm: an epoch names the one before it, and equal accounts have equal directories.

    Raises:
        Conflict: others sealed directories at every try.
        Unavailable: storage failed.
    """
    accounts = accounts_of(home)
    for _ in range(_TRIES):
        generation = accounts.generation
        known = listed(home)
        newest = known[-1] if known else None
        if (
            newest
            and accounts.recall(_SEALED) == f"{generation} {newest.root.hex()}"
            and folder(home, newest.root).is_dir()
        ):
            return newest
        built = _build(home, accounts)
        if newest is None or newest.root != built.root:
            try:
                newest = _record(home, built, known)
            except Conflict:
                continue
        accounts.note(_SEALED, f"{generation} {built.root.hex()}")
        return newest
    raise Conflict(f"others sealed directories meanwhile, {_TRIES} times", remedy="repeat")


def folder(home: Home, root: bytes) -> Path:
    """Where the tiles of a directory lie."""
    return home.directories_path / root.hex()


def _build(home: Home, accounts: Accounts) -> Built:
    """Make the directory of the accounts; its tiles get the root's name."""
    home.directories_path.mkdir(mode=0o700, exist_ok=True)
    with building(home.directories_path / "next") as made:
        tiles = TileFolder(made.path)
        built = build_directory(_credentials(accounts), tiles.put, limits_of(home))
        made.out = folder(home, built.root)
        if not made.out.exists():
            tiles.sync()
            made.sync()
            made.publish()
    return built


def _credentials(accounts: Accounts) -> Iterator[tuple[list[bytes], list[bytes]]]:
    for batch in accounts.batches():
        yield [account for _, account, _ in batch], [secret for _, _, secret in batch]


def _record(home: Home, built: Built, known: Sequence[Directory]) -> Directory:
    """Append the epoch's entry, if no other directory was sealed meanwhile."""
    epoch = len(known)
    details: dict[str, Json] = {
        "epoch": epoch,
        "root": built.root.hex(),
        "bits": built.bits,
        "accounts": built.members,
        "previous": known[-1].entry if known else None,
    }
    with home.writing() as ledger:
        if _directories(ledger) != list(known):
            raise Conflict("another directory was sealed meanwhile")
        entry = ledger.append([Act("directory", details)], expected=ledger.size)[0].position
    return Directory(epoch, built.bits, built.root, built.members, entry)


def batched(items: Iterable[T]) -> Iterator[list[T]]:
    """Items in lists of bounded length."""
    waiting: list[T] = []
    for item in items:
        waiting.append(item)
        if len(waiting) == BATCH:
            yield waiting
            waiting = []
    yield waiting
