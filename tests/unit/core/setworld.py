"""A small operator for tests of proofs: pure, built from the definitions alone, and free to cheat."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.dsse import Envelope
from securesystemslib.signer import CryptoSigner

from troth.core.findings import Findings
from troth.core.manifest import PAYLOAD_TYPE, File, Manifest, build_statement
from troth.core.merkle import root
from troth.core.presence import OpenedRow, Opening, Proof, check_proof
from troth.core.rows import Row, canonical_row, row_leaf
from troth.core.sets import (
    Credential,
    Details,
    DirectoryBucket,
    SetBucket,
    bits_for,
    bucket_of,
    details_digest,
    member_root,
)
from troth.core.tiles import Frontier, Tiles, static_tree, tile_path
from troth.core.values import Use
from troth.core.verify import Signed, check_manifest, write_envelope

SIGNER = CryptoSigner(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
RELEASE = "r-test"


def credential(number: int) -> Credential:
    """The account and secret of a member by number."""
    drawn = sha256(b"member %d" % number).digest() + sha256(b"secret %d" % number).digest()
    return Credential(drawn[:16], drawn[32:])


@dataclass(frozen=True)
class Tree:
    """Buckets and their tree."""

    entries: tuple[bytes, ...]

    @property
    def bits(self) -> int:
        return len(self.entries).bit_length() - 1

    def _grown(self) -> tuple[Frontier, dict[str, bytes]]:
        frontier = Frontier()
        return frontier, dict(static_tree(self.entries, frontier))

    @property
    def root(self) -> bytes:
        return self._grown()[0].root()

    def open(self, index: int) -> Opening:
        """A bucket with its path."""
        files = self._grown()[1]
        tiles = Tiles(lambda level, number, width: files[tile_path(level, number, width)])
        return Opening(self.entries[index], tuple(tiles.inclusion(index, len(self.entries))))


def directory_of(bound: Iterable[tuple[bytes, bytes]], bits: int) -> Tree:
    """A directory with these (label, C), each in its bucket, in order."""
    buckets: list[list[tuple[bytes, bytes]]] = [[] for _ in range(1 << bits)]
    for label, commitment in sorted(bound):
        buckets[bucket_of(label, bits)].append((label, commitment))
    return Tree(tuple(DirectoryBucket(tuple(one)).write() for one in buckets))


def set_of(items: Iterable[tuple[bytes, bytes]], bits: int) -> Tree:
    """A set with these (tag, detail)."""
    buckets: list[list[tuple[bytes, bytes]]] = [[] for _ in range(1 << bits)]
    for tag, detail in sorted(items):
        buckets[bucket_of(tag, bits)].append((tag, detail))
    return Tree(
        tuple(
            SetBucket(tuple(tag for tag, _ in one), details_digest(detail for _, detail in one)).write()
            for one in buckets
        )
    )


ROWS = tuple(
    (
        bytes([number]) * 16,
        canonical_row(Row(f"m{number}", "private_message", 10**15 + number, title="Grüße")),
    )
    for number in range(7)
)
LEAVES = sorted(row_leaf(salt, row) for salt, row in ROWS)


def rows_of(member: int) -> list[tuple[bytes, bytes]]:
    """The rows of a member, each shared with the next one."""
    return [ROWS[member % 7], ROWS[(member + 1) % 7]]


def details_of(member: int) -> Details:
    """The honest details of a member."""
    leaves = [row_leaf(salt, row) for salt, row in rows_of(member)]
    return Details(len(leaves), member_root(leaves), None if member % 5 == 0 else member)


def item_of(member: int, release: str = RELEASE) -> tuple[bytes, bytes]:
    """(tag, detail) of a member."""
    own = credential(member)
    tag = own.tag(release)
    return tag, details_of(member).commit(tag, own.secret)


def bound_of(member: int) -> tuple[bytes, bytes]:
    """(label, C) of a member."""
    own = credential(member)
    return own.label, own.commitment


def manifest_of(chosen: Tree | None, directory: Tree | None, bits: int | None = None) -> Manifest:
    """A manifest that states these trees."""
    stated = Manifest(
        release=RELEASE,
        use=Use("train.generative", "third_party:acme"),
        at=1_737_417_600_000_000,
        settings_as_of=1000,
        created_at=1_737_480_000_123_456,
        engine={"name": "duckdb", "version": "2.0.0"},
        verdicts={"allowed": 7, "denied": 0, "gap": 0},
        first_reasons={},
        all_reasons={},
        any_party_rule_would_allow=0,
        rows=7,
        members=7,
        row_root=root(LEAVES).hex(),
        row_salts="derived",
        terms=(),
        inputs=(),
        files=(File("data/part-00000.parquet", "ab" * 32, 7, 100),),
    )
    if chosen is None or directory is None:
        return stated
    return replace(
        stated,
        set_root=chosen.root.hex(),
        set_bits=chosen.bits if bits is None else bits,
        directory_root=directory.root.hex(),
    )


def envelope_of(manifest: Manifest, signer: CryptoSigner = SIGNER) -> bytes:
    """The signed manifest."""
    envelope = Envelope(build_statement(manifest), PAYLOAD_TYPE, {})
    envelope.sign(signer)
    return write_envelope(envelope)


def signed(manifest: Manifest) -> Signed:
    """The manifest as a verifier reads it."""
    findings = Findings("release")
    found = check_manifest(envelope_of(manifest), [SIGNER.public_key], findings, "m")
    assert findings.ok, findings
    assert found is not None
    return found


@dataclass(frozen=True)
class World:
    """An honest release of some members of all, and what it takes to prove."""

    present: Sequence[int]
    everybody: Sequence[int]

    @property
    def directory(self) -> Tree:
        return directory_of(map(bound_of, self.everybody), bits_for(len(self.everybody)))

    @property
    def chosen(self) -> Tree:
        return set_of(map(item_of, self.present), bits_for(len(self.present)))

    @property
    def manifest(self) -> Manifest:
        return manifest_of(self.chosen, self.directory)

    def proof(self, member: int, *, rows: bool = False) -> Proof:
        """The honest proof about a member."""
        own, manifest = credential(member), self.manifest
        directory, chosen = self.directory, self.chosen
        tag = own.tag(manifest.release)
        index = bucket_of(tag, chosen.bits)
        proof = Proof(
            manifest.release,
            signed(manifest).digest,
            own,
            directory.open(bucket_of(own.label, directory.bits)),
            chosen.open(index),
        )
        if member not in self.present:
            return proof
        items = sorted(
            item for item in map(item_of, self.present) if bucket_of(item[0], chosen.bits) == index
        )
        others = tuple(detail for name, detail in items if name != tag)
        return replace(
            proof, details=details_of(member), others=others, rows=opened(member) if rows else None
        )


def opened(member: int) -> tuple[OpenedRow, ...]:
    """A member's rows, opened."""
    frontier = Frontier()
    files = dict(frontier.extend(b"".join(LEAVES))) | dict(frontier.partial())
    tiles = Tiles(lambda level, number, width: files[tile_path(level, number, width)])
    found = []
    for salt, row in rows_of(member):
        index = LEAVES.index(row_leaf(salt, row))
        found.append(OpenedRow(row, salt, index, tuple(tiles.inclusion(index, len(LEAVES)))))
    return tuple(sorted(found, key=lambda one: one.index))


def check(data: bytes, against: Signed, mine: Credential | None = None) -> Findings:
    """What a verifier finds."""
    findings = Findings("proof")
    check_proof(data, against, findings, "p", mine)
    return findings
