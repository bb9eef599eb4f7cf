"""Checking proofs of inclusion and consistency (RFC 9162, section 2.1), and proof files (C2SP tlog-proof@v1).

A proof file holds all that is needed to see offline that an entry is in a log: its index, the hashes beside its
way to the root, and a checkpoint with the signatures of the log and its witnesses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from troth.core.checkpoint import parse_size
from troth.core.errors import BadInput
from troth.core.merkle import EMPTY_ROOT, HASH_BYTES, node_hash
from troth.core.note import MAX_NOTE_BYTES, Note, decode64, encode64, parse_note

MAX_HASHES: Final = 63
HEADER: Final = "c2sp.org/tlog-proof@v1"
EXTENSION: Final = ".tlog-proof"


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether a proof leads from a leaf hash at an index to the root of a tree (RFC 9162, section 2.1.3.2)."""
    if not 0 <= index < size or len(proof) > MAX_HASHES or len(leaf) != HASH_BYTES:
        return False
    found, node, last = leaf, index, size - 1
    for sibling in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            found = sha256(b"\1" + sibling + found).digest()
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            found = sha256(b"\1" + found + sibling).digest()
        node >>= 1
        last >>= 1
    return last == 0 and found == root


def verify_consistency(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> bool:
    """Whether a tree goes on from an older one (RFC 9162, section 2.1.4.2).

    From an empty tree, and between trees of one size, the proof is empty.
    """
    if not 0 <= old <= new or len(proof) > MAX_HASHES:
        return False
    if old == 0 and old_root != EMPTY_ROOT:
        return False
    if old in (0, new):
        return not proof and (old != new or old_root == new_root)
    path = [old_root, *proof] if old & old - 1 == 0 else list(proof)
    if not path:
        return False
    node, last = old - 1, new - 1
    while node & 1:
        node >>= 1
        last >>= 1
    first, second = path[0], path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            second = node_hash(second, sibling)
        node >>= 1
        last >>= 1
    return last == 0 and first == old_root and second == new_root


@dataclass(frozen=True, slots=True)
class ProofFile:
    """A proof file: nothing in it is verified yet.

    ``extra`` are bytes that the file carries along unsigned. In Troth's receipts they are the entry itself, so that
    its leaf hash can be made from the file alone.
    """

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: Note
    extra: bytes | None = None

    def write(self) -> bytes:
        """The bytes of the file."""
        lines = [HEADER]
        if self.extra is not None:
            lines.append(f"extra {encode64(self.extra)}")
        lines += [f"index {self.index}", *map(encode64, self.hashes), "", ""]
        return "\n".join(lines).encode() + self.checkpoint.write()


def parse_proof(data: bytes) -> ProofFile:
    """Read a proof file, in its one form.

    Raises:
        BadInput: not one.
    """
    if not data.startswith(f"{HEADER}\n".encode()):
        raise BadInput("is no proof file: its first line is another")
    if len(data) > 2 * MAX_NOTE_BYTES:
        raise BadInput("a proof file of this size is not read")
    head, blank, note = data.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")[1:]
    except UnicodeDecodeError:
        raise BadInput("is no proof file: only ASCII stands above the checkpoint") from None
    extra = None
    if lines and lines[0].startswith("extra "):
        extra = _decode(lines.pop(0).removeprefix("extra "))
    if not blank or not lines or not lines[0].startswith("index "):
        raise BadInput("is no proof file: it lacks an index or a checkpoint")
    hashes = parse_hashes(lines[1:])
    return ProofFile(parse_size(lines[0].removeprefix("index ")), hashes, parse_note(note), extra)


def parse_hashes(lines: Sequence[str]) -> tuple[bytes, ...]:
    """Read the hashes of a proof, one a line.

    Raises:
        BadInput: more than 63, or a line that is no hash.
    """
    hashes = tuple(map(_decode, lines))
    if len(hashes) > MAX_HASHES or any(len(one) != HASH_BYTES for one in hashes):
        raise BadInput("expected at most 63 hashes of 32 bytes, in base64")
    return hashes


def _decode(text: str) -> bytes:
    try:
        return decode64(text)
    except ValueError:
        raise BadInput("expected base64 in its one form") from None
