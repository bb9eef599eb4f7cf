"""The public log of a ledger: publishing in an order in which nothing signed can be lost, and recovery.

Entries are committed to the store first; then come entry bundles, tiles bottom-up, the intention to sign a
checkpoint, its signature, the witnesses' cosignatures, and last the file ``checkpoint``. Each step is durable
before the next begins, and each can be repeated: what is there must be byte for byte what would be written.

Whatever was signed binds for ever. So a ledger that is shorter than the last signed checkpoint, or than what a
witness has seen, stops its writer (``stopped``) until the missing entries are back.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from troth.core.checkpoint import Checkpoint, parse_checkpoint
from troth.core.entries import Entry
from troth.core.errors import BadInput, Conflict, Corrupt, Place, TrothError, Unavailable
from troth.core.merkle import leaf_hash
from troth.core.note import ED25519, Note, Signature, VerifierKey, parse_note, sign, verifier_key, verify
from troth.core.policy import Policy
from troth.core.proof import ProofFile, verify_inclusion
from troth.core.tiles import WIDTH, Frontier, Tiles, bundle_path, parse_path, write_bundle
from troth.ledger.shelf import CHECKPOINT, REBUILD, Shelf, replace, unavailable

BUSY_SECONDS: Final = 30.0
SIGNED: Final = "signed"
STOPPED: Final = "stopped"
_PRIVATE: Final = 0o600


class Entries(Protocol):
    """What publishing needs of a ledger."""

    @property
    def size(self) -> int:
        """The number of entries."""

    def public(self, start: int, stop: int) -> Iterator[Entry]:
        """The entries of [start, stop) as the public sees them."""


class Witnesses(Protocol):
    """Those who are asked to cosign."""

    policy: Policy

    def cosign(self, note: Note, checkpoint: Checkpoint, tiles: Tiles, seen: int) -> list[Signature]:
        """Cosignatures on a signed checkpoint, enough for the quorum; ``seen``: the size they probably saw last.

        Raises:
            Ahead: a witness has seen a longer log, or another one.
            Unavailable: too few answered.
        """


class Ahead(Unavailable):
    """A witness has seen more of this log than there is here, or something else."""


@dataclass(frozen=True, slots=True)
class Published:
    """A checkpoint that is public: its tree and the note with all signatures."""

    checkpoint: Checkpoint
    note: Note


def _nothing(_done: int, _total: int | None) -> None:
    """Progress that nobody follows."""


class TileLog:
    """A log on disk: ``public`` is the folder to be served, ``state`` a private one beside it."""

    def __init__(
        self,
        public: Path,
        state: Path,
        origin: str,
        keys: Sequence[Ed25519PrivateKey],
        known: Sequence[VerifierKey] = (),
    ) -> None:
        """Name a log; nothing is read or written yet.

        Args:
            public: the folder of the checkpoint and the tiles.
            state: the folder of what was signed, the lock and, if need be, why writing stopped.
            origin: the log's name.
            keys: those that sign: the current one first, then older ones whose time is not over.
            known: further keys of this log whose signatures on what is published count, such as one that was lost.
        """
        self.shelf = Shelf(public)
        self.state = state
        self.origin = origin
        self._keys = tuple(keys)
        self._known = tuple(key for key in known if key.name == origin)

    @property
    def keys(self) -> list[VerifierKey]:
        """The log's verifier keys."""
        return [verifier_key(key, self.origin, ED25519) for key in self._keys]

    # what is there

    def signed(self) -> Checkpoint | None:
        """The last checkpoint that was signed or was about to be.

        Raises:
            Corrupt: what is written there cannot be read.
        """
        path = self.state / SIGNED
        try:
            return parse_checkpoint(path.read_text("utf-8"))
        except FileNotFoundError:
            return None
        except (BadInput, UnicodeDecodeError):
            raise Corrupt(
                "cannot be read", place=Place(str(path)), remedy="restore it from a backup; never delete it"
            ) from None
        except OSError as error:
            raise unavailable(path, error) from None

    def published(self) -> Published | None:
        """The checkpoint that the public sees, its own signature checked; None if there is none yet.

        Raises:
            Corrupt: it was altered.
        """
        data = self.shelf.find(CHECKPOINT)
        if data is None:
            return None
        try:
            note = parse_note(data)
            checkpoint = parse_checkpoint(note.text)
            ours = verify(note.text, note.signatures, list(dict.fromkeys((*self.keys, *self._known))))
        except TrothError as error:
            raise self._altered(error.message) from None
        if checkpoint.origin != self.origin or not ours:
            raise self._altered("is not signed by this log")
        return Published(checkpoint, note)

    def _altered(self, why: str) -> Corrupt:
        return Corrupt(f"was altered: {why}", place=Place(str(self.shelf.root / CHECKPOINT)), remedy=REBUILD)

    def tiles(self) -> Tiles:
        """The published tree, for proofs."""
        return Tiles(self.shelf.read)

    # stopping

    def stopped(self) -> str | None:
        """Why nothing may be written, or None."""
        return why_stopped(self.state)

    def check_writable(self, size: int) -> None:
        """See to it that a ledger of this size may be written to.

        Raises:
            Unavailable: it may not, with the reason.
        """
        why = self.stopped()
        signed = self.signed()
        if why is None and signed is not None and size < signed.size:
            why = _shorter(size, signed.size)
            self.stop(why)
        if why is not None:
            raise read_only(why, self.state)

    def stop(self, why: str) -> None:
        """Write down that nothing may be written any more, and why."""
        replace(self.state / STOPPED, json.dumps({"why": why}).encode(), _PRIVATE)

    def _go_on(self) -> None:
        """Forget a stop: what was missing is back."""
        if self.stopped() is not None:
            try:
                (self.state / STOPPED).unlink()
            except OSError as error:
                raise unavailable(self.state / STOPPED, error) from None

    # publishing

    def publish(
        self,
        ledger: Entries,
        witnesses: Witnesses | None = None,
        progress: Callable[[int, int | None], None] = _nothing,
    ) -> Published:
        """Publish what the ledger holds: tiles, a signed and cosigned checkpoint. May be repeated at any time.

        Also the way out of a stop, once the missing entries are back.

        Args:
            ledger: the entries.
            witnesses: whom to ask; None: nobody, and the checkpoint carries the log's signature alone.
            progress: told of (entries done, entries in all).

        Raises:
            Unavailable: storage failed, somebody else publishes, too few witnesses answered (then the next try
                goes on from here), or the ledger lacks entries that were signed (then nothing may be written).
            Corrupt: tiles or entries are not what was signed.
        """
        with self.locked():
            try:
                return self._publish(ledger, witnesses, progress)
            except sqlite3.Error as error:
                # Rows come as they are asked for, so reading may fail in the middle.
                raise Unavailable(
                    f"storage failed: {error}",
                    place=Place("ledger"),
                    remedy="check space, permissions and the disk, then repeat",
                ) from None

    def _publish(
        self, ledger: Entries, witnesses: Witnesses | None, progress: Callable[[int, int | None], None]
    ) -> Published:
        size, signed, published = ledger.size, self.signed(), self.published()
        shown = None if published is None else published.checkpoint
        known = max((one.size for one in (signed, shown) if one is not None), default=0)
        if size < known:
            self.stop(_shorter(size, known))
            raise read_only(_shorter(size, known), self.state)
        signed = signed or shown
        with self.shelf as shelf:
            full = []
            frontier = self._resume(ledger, signed, progress)
            if signed is None or frontier.size != size or published is None:
                full = self._grow(ledger, frontier, size, progress)
                shelf.sync()
        checkpoint = Checkpoint(self.origin, size, frontier.root())
        self._intend(signed, checkpoint)
        note = self._sign(checkpoint, published)
        if witnesses is not None:
            note = self._cosign(note, checkpoint, witnesses, published)
        if published is None or note != published.note:
            self.shelf.replace(CHECKPOINT, note.write())
        self._go_on()
        for path in full:
            self.shelf.tidy(path)
        return Published(checkpoint, note)

    def _resume(
        self, ledger: Entries, signed: Checkpoint | None, progress: Callable[[int, int | None], None]
    ) -> Frontier:
        """The edge of the tree that was signed last.

        It comes from the tiles, and the last entries of the store are compared with it. Where tiles are missing, and
        after a stop, everything is made anew from the store.
        """
        if signed is None:
            return Frontier()
        frontier = self._load(signed.size) if self.stopped() is None else None
        same = True
        if frontier is None:
            frontier = Frontier()
            self._grow(ledger, frontier, signed.size, progress)
        elif signed.size:
            same = self._same_end(ledger, signed.size)
        if frontier.root() != signed.root or not same:
            why = (
                f"the log's first {signed.size} entries are not those that were signed;"
                " the ledger or the tiles were altered"
            )
            self.stop(why)
            raise Corrupt(why, place=Place(str(self.shelf.root)), remedy=REBUILD)
        return frontier

    def _load(self, size: int) -> Frontier | None:
        try:
            return Frontier.load(size, self.shelf.read)
        except Corrupt:
            return None

    def _same_end(self, ledger: Entries, size: int) -> bool:
        """Whether the last entries of the store are those of the last tile."""
        index = (size - 1) // WIDTH
        start = index * WIDTH
        leaves = b"".join(leaf_hash(one.text()) for one in ledger.public(start, size))
        return leaves == self.shelf.read(0, index, size - start)

    def _grow(
        self, ledger: Entries, frontier: Frontier, size: int, progress: Callable[[int, int | None], None]
    ) -> list[str]:
        """Put bundles and tiles up to a size. Returns the paths of those that became full."""
        full = []
        start = frontier.size - frontier.size % WIDTH
        entries = ledger.public(start, size)
        while start < size:
            texts = [one.text() for one in islice(entries, WIDTH)]
            if len(texts) != min(WIDTH, size - start):
                raise Corrupt(f"the ledger lacks entries between {start} and {size}", place=Place("ledger"))
            leaves = b"".join(map(leaf_hash, texts))
            edge = frontier.edge()
            if leaves[: len(edge)] != edge:
                raise Corrupt(
                    f"entries from {start} on are not those that were published",
                    place=Place("ledger"),
                    remedy="restore the ledger from a backup",
                )
            files = [(bundle_path(start // WIDTH, len(texts)), write_bundle(texts))]
            files += frontier.extend(leaves[len(edge) :])
            for path, data in files:
                self.shelf.put(path, data)
            full += [path for path, _ in files if parse_path(path).width == WIDTH]
            start += len(texts)
            progress(start, size)
        for path, data in frontier.partial():
            self.shelf.put(path, data)
        return full

    def _intend(self, before: Checkpoint | None, checkpoint: Checkpoint) -> None:
        """Write down what is about to be signed; nobody else may have done so meanwhile."""
        there = self.signed()
        if there == checkpoint:
            return
        if there is not None and there != before:
            raise Conflict("somebody else has signed a checkpoint meanwhile", remedy="repeat")
        replace(self.state / SIGNED, checkpoint.text().encode(), _PRIVATE)

    def _sign(self, checkpoint: Checkpoint, published: Published | None) -> Note:
        """The checkpoint with the log's signatures; cosignatures that are there already are kept."""
        text = checkpoint.text()
        ours = tuple(sign(text, self.origin, key) for key in self._keys)
        if published is None or published.checkpoint != checkpoint:
            return Note(text, ours)
        others = (one for one in published.note.signatures if one.name != self.origin)
        return Note(text, (*ours, *others))

    def _cosign(
        self, note: Note, checkpoint: Checkpoint, witnesses: Witnesses, published: Published | None
    ) -> Note:
        ours = Note(note.text, tuple(one for one in note.signatures if one.name == self.origin))
        if published is not None and note == published.note and self.stopped() is None:
            known = {(one.key.name, one.key.id): name for name, one in witnesses.policy.witnesses.items()}
            held = {known.get((one.name, one.id), "") for one in note.signatures}
            if witnesses.policy.satisfied(held):
                return note
        seen = 0 if published is None else published.checkpoint.size
        try:
            return Note(
                note.text, (*ours.signatures, *witnesses.cosign(ours, checkpoint, self.tiles(), seen))
            )
        except Ahead as error:
            self.stop(error.message)
            raise read_only(error.message, self.state) from None

    def ask(self, witnesses: Witnesses) -> None:
        """Ask the witnesses whether they have seen more than was signed here, before anything is written.

        Witnesses that do not answer are passed over: whoever wants to withdraw must not have to wait for them.

        Raises:
            Unavailable: one has; from now on nothing may be written.
        """
        # Under the lock: what another process is just publishing would look like a witness ahead of us.
        with self.locked():
            signed = self.signed()
            if signed is None:
                return
            note = self._sign(signed, None)
            try:
                witnesses.cosign(note, signed, self.tiles(), signed.size)
            except Ahead as error:
                self.stop(error.message)
                raise read_only(error.message, self.state) from None
            except Unavailable:
                return

    @contextmanager
    def locked(self) -> Iterator[None]:
        """The publisher's lock; waits a while."""
        path = self.state / "lock"
        try:
            self.state.mkdir(0o700, exist_ok=True)
            lock = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, _PRIVATE)
        except OSError as error:
            raise unavailable(path, error) from None
        try:
            deadline = time.monotonic() + BUSY_SECONDS
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise Unavailable(
                            "another process is publishing this log",
                            place=Place(str(path)),
                            remedy="wait until it is done and repeat",
                        ) from None
                    time.sleep(0.02)
                except OSError as error:
                    raise unavailable(path, error) from None
            yield
        finally:
            # Nothing is written through a lock: the kernel lets it go, even if it says that closing failed.
            with suppress(OSError):
                os.close(lock)

    # proofs

    def receipt(self, entry: Entry, position: int) -> ProofFile:
        """The proof that an entry stands at a position of the published log.

        Raises:
            BadInput: it is not published yet.
            Corrupt: the log does not hold it.
        """
        published = self.published()
        if published is None or position >= published.checkpoint.size:
            raise BadInput(
                f"entry {position} is not in the public log yet", remedy="publish it with `troth log publish`"
            )
        tree, tiles, text = published.checkpoint, self.tiles(), entry.text()
        proof = tiles.inclusion(position, tree.size)
        if not verify_inclusion(leaf_hash(text), position, tree.size, proof, tree.root):
            raise Corrupt(
                f"entry {position} is not what was published",
                place=Place(str(self.shelf.root)),
                remedy=REBUILD,
            )
        return ProofFile(position, tuple(proof), published.note, text)


def why_stopped(state: Path) -> str | None:
    """Why nothing may be written to the ledger of a log, by its folder of state; None: it may be.

    Raises:
        Unavailable: storage failed.
    """
    try:
        return str(json.loads((state / STOPPED).read_text("utf-8"))["why"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        return "an earlier fault that can no longer be read"
    except OSError as error:
        raise unavailable(state / STOPPED, error) from None


def _shorter(size: int, signed: int) -> str:
    return (
        f"the ledger holds {size} entries, but its log was signed with {signed}:"
        " an old backup was restored, or entries were lost"
    )


def read_only(why: str, state: Path) -> Unavailable:
    """The error of a writer that stopped."""
    return Unavailable(
        f"nothing may be written: {why}",
        place=Place(str(state)),
        remedy="restore the newest copy of ledger and log, then run `troth log publish`;"
        " reading, proofs and checks still work",
    )
