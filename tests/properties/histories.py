"""Releases made of random histories, honest or not, with their log and the proofs that members make of them.

Everything is pure and in memory: a ledger of entries with salts, a log that is signed, a release's set and rows.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.properties.worlds import World, world
from tests.unit.core.setworld import Tree, credential, directory_of, set_of, signed
from troth.core.checkpoint import Checkpoint
from troth.core.decide import decide
from troth.core.entries import Entry, commit, entry_type, make_body, public_time
from troth.core.events import Event, subject_of
from troth.core.findings import Findings
from troth.core.manifest import File, Manifest
from troth.core.merkle import leaf_hash, root
from troth.core.note import ED25519, Note, sign, verifier_key
from troth.core.openings import Opened
from troth.core.policy import NONE, Party, Policy
from troth.core.presence import OpenedRow, Proof
from troth.core.proof import ProofFile
from troth.core.rows import Row, canonical_row, row_leaf
from troth.core.sets import Credential, Details, bits_for, bucket_of, member_root
from troth.core.standing import Known
from troth.core.tiles import Frontier, Tiles, tile_path
from troth.core.values import Record, Use
from troth.core.verify import Signed
from troth.core.violation import DENIED, NEWER, Violation, check_violation, find, parties_of

LOG_KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
VKEY = verifier_key(LOG_KEY, "example.org/log", ED25519)
POLICY = Policy((Party(VKEY),), {}, {}, NONE)
RELEASE = "r-random"


class Ledger:
    """Entries with their salts, as the store would keep them, and their log."""

    def __init__(self, events: Sequence[Event]) -> None:
        self.events = list(events)
        self.entries: list[Entry] = []
        self.openings: list[tuple[bytes, bytes]] = []
        latest: dict[str, int] = {}
        for position, event in enumerate(events):
            subject = subject_of(event)
            body = make_body(event, 10**15 + position, latest.get(subject or ""))
            salt = sha256(b"salt %d" % position).digest()
            kind = entry_type(event)
            self.entries.append(Entry(kind, public_time(kind, 10**15 + position), commit(salt, body)))
            self.openings.append((salt, body))
            if subject is not None:
                latest[subject] = position

    @cached_property
    def tree(self) -> Tree:
        return Tree(tuple(one.text() for one in self.entries))

    @cached_property
    def note(self) -> Note:
        leaves = [leaf_hash(one.text()) for one in self.entries]
        text = Checkpoint(VKEY.name, len(leaves), root(leaves)).text()
        return Note(text, (sign(text, VKEY.name, LOG_KEY),))

    def open(self, position: int, *, proven: bool) -> Opened:
        """An entry, opened; with its receipt."""
        receipt = None
        if proven:
            path = tuple(self._tiles.inclusion(position, len(self.entries)))
            receipt = ProofFile(position, path, self.note, self.entries[position].text()).write()
        return Opened(position, *self.openings[position], receipt)

    @cached_property
    def _tiles(self) -> Tiles:
        frontier, leaves = Frontier(), b"".join(leaf_hash(one.text()) for one in self.entries)
        files = dict(frontier.extend(leaves)) | dict(frontier.partial())
        return Tiles(lambda level, number, width: files[tile_path(level, number, width)])


def row_of(record: Record) -> bytes:
    """A record as a release holds it."""
    return canonical_row(
        Row(record.id, record.category, record.created_at, record.author, record.addressees, record.topics)
    )


@dataclass(frozen=True)
class Released:
    """A release of some records with the entries before n, of which it honoured those before ``honoured``."""

    ledger: Ledger
    records: tuple[Record, ...]
    use: Use
    at: int
    stop: int
    honoured: int

    @cached_property
    def rows(self) -> list[tuple[bytes, bytes, bytes, Record]]:
        """(leaf, salt, row, record), by leaf."""
        found = []
        for record in self.records:
            salt, row = sha256(record.id.encode()).digest()[:16], row_of(record)
            found.append((row_leaf(salt, row), salt, row, record))
        return sorted(found, key=lambda one: one[0])

    @cached_property
    def members(self) -> list[str]:
        return sorted({one for *_, record in self.rows for one in _parties(record)})

    def details(self, member: str) -> Details:
        leaves = [leaf for leaf, _, _, record in self.rows if member in _parties(record)]
        theirs = [at for at in self.positions(member) if at < self.honoured]
        return Details(len(leaves), member_root(leaves), theirs[-1] if theirs else None)

    def positions(self, member: str) -> list[int]:
        return [at for at, event in enumerate(self.ledger.events) if subject_of(event) == member]

    @cached_property
    def sets(self) -> tuple[Tree, Tree, list[tuple[bytes, bytes]]]:
        owns = {name: credential_of(name) for name in self.members}
        items = [
            (own.tag(RELEASE), self.details(name).commit(own.tag(RELEASE), own.secret))
            for name, own in owns.items()
        ]
        bits = bits_for(len(owns))
        directory = directory_of(((own.label, own.commitment) for own in owns.values()), bits)
        return directory, set_of(items, bits), items

    @cached_property
    def signed(self) -> Signed:
        directory, chosen, _ = self.sets
        count = len(self.rows)
        return signed(
            Manifest(
                release=RELEASE,
                use=self.use,
                at=self.at,
                settings_as_of=self.stop,
                created_at=self.at,
                engine={},
                verdicts={"allowed": count, "denied": 0, "gap": 0},
                first_reasons={},
                all_reasons={},
                any_party_rule_would_allow=0,
                rows=count,
                members=len(self.members),
                row_root=root([leaf for leaf, *_ in self.rows]).hex(),
                row_salts="drawn",
                terms=(),
                inputs=(),
                files=(File("data/part-00000.parquet", "ab" * 32, count, 100),),
                set_root=chosen.root.hex(),
                set_bits=chosen.bits,
                directory_root=directory.root.hex(),
            )
        )

    def proof(self, member: str) -> Proof:
        """The member's proof of presence, all rows opened."""
        directory, chosen, items = self.sets
        own = credential_of(member)
        tag = own.tag(RELEASE)
        index = bucket_of(tag, chosen.bits)
        here = sorted(item for item in items if bucket_of(item[0], chosen.bits) == index)
        leaves = [leaf for leaf, *_ in self.rows]
        frontier = Frontier()
        files = dict(frontier.extend(b"".join(leaves))) | dict(frontier.partial())
        tiles = Tiles(lambda level, number, width: files[tile_path(level, number, width)])
        opened = tuple(
            OpenedRow(row, salt, at, tuple(tiles.inclusion(at, len(leaves))))
            for at, (_, salt, row, record) in enumerate(self.rows)
            if member in _parties(record)
        )
        return Proof(
            RELEASE,
            self.signed.digest,
            own,
            directory.open(bucket_of(own.label, directory.bits)),
            chosen.open(index),
            self.details(member),
            tuple(detail for name, detail in here if name != tag),
            opened,
        )

    # what a member shows

    def world(self) -> list[tuple[int, Event]]:
        return [(at, one) for at, one in enumerate(self.ledger.events) if subject_of(one) is None]

    def found(self, member: str) -> tuple[str, list[int]] | None:
        history = [(at, self.ledger.events[at]) for at in self.positions(member)]
        return find(self.proof(member), self.signed.manifest, history, self.world()) if history else None

    def show(self, member: str, found: tuple[str, list[int]]) -> Violation:
        """The file that a member writes, whether or not it holds."""
        kind, positions = found
        presence = self.proof(member).write()
        if kind == NEWER:
            return Violation(kind, presence, tuple(self.ledger.open(at, proven=True) for at in positions))
        world = [at for at, _ in self.world() if at < self.stop]
        return Violation(
            kind,
            presence,
            tuple(self.ledger.open(at, proven=False) for at in positions),
            tuple(self.ledger.open(at, proven=False) for at in world),
            tuple(one.text().decode() for one in self.ledger.entries),
            self.ledger.note.write().decode(),
        )

    def check(self, violation: Violation) -> Findings:
        findings = Findings("violation")
        check_violation(violation.write(), self.signed, POLICY, findings, "v")
        return findings

    def claims(self, member: str) -> Iterator[Violation]:
        """Every claim that a member could make out of their own entries, honest or not."""
        positions = self.positions(member)
        head = self.details(member).head
        for at in positions:
            if head is None or at > head:
                yield self.show(
                    member,
                    (NEWER, [one for one in positions if one <= at and (head is None or one > head)][::-1]),
                )
        if positions:
            yield self.show(member, (NEWER, positions[::-1]))
            yield self.show(member, (DENIED, positions))
            if head is not None:
                yield self.show(member, (DENIED, [one for one in positions if one <= head]))


def _parties(record: Record) -> list[str]:
    return parties_of(Row(record.id, record.category, None, record.author, record.addressees))


def credential_of(name: str) -> Credential:
    """The account and secret of a member by name."""
    return credential(int.from_bytes(sha256(name.encode()).digest()[:6], "big"))


def named(records: Sequence[Record]) -> list[Record]:
    """Records without parties of no name, whom no set holds."""
    return [one for one in records if one.author and all(one.addressees)]


def honest(seed: str, count: int = 40) -> Released | None:
    """A release that keeps its word, of a random history that goes on after it; None where nothing is allowed."""
    drawn = world(seed, count)
    stop = drawn.question.as_of if drawn.question.as_of is not None else _some(seed, len(drawn.case.events))
    return _released(drawn, stop, stop, drawn.case.known(stop))


def _some(seed: str, count: int) -> int:
    return random.Random(f"{seed}/stop").randint(count // 2, count)


def _released(drawn: World, stop: int, honoured: int, known: Known) -> Released | None:
    use, at = drawn.question.use, drawn.question.at
    kept = tuple(one for one in named(drawn.records) if decide(one, use, at, known).verdict == "allowed")
    if not kept:
        return None
    return Released(Ledger(drawn.case.events), kept, use, at, stop, honoured)


def passed_over(seed: str, count: int = 40) -> Released | None:
    """A release that claims to honour all entries but stopped earlier."""
    drawn = world(seed, count)
    stop = len(drawn.case.events)
    honoured = _some(seed, stop)
    return _released(drawn, stop, honoured, drawn.case.known(honoured))


def smuggled(seed: str, count: int = 40) -> Released | None:
    """A release that holds records which the entries that it honours deny."""
    drawn = world(seed, count)
    stop = _some(seed, len(drawn.case.events))
    known = drawn.case.known(stop)
    use, at = drawn.question.use, drawn.question.at
    kept = tuple(
        one for one in named(drawn.records) if (one.created_at or 0) <= at and one.created_at is not None
    )
    wrong = [one for one in kept if decide(one, use, at, known).verdict == "denied"]
    return Released(Ledger(drawn.case.events), kept, use, at, stop, stop) if wrong else None


def with_other(released: Released, event: Event) -> Released:
    """The same release over a ledger that goes on with one more entry."""
    return replace(released, ledger=Ledger([*released.ledger.events, event]))
