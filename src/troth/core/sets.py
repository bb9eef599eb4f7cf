"""Release sets and directories: who is in a release, as bytes that everybody may see (decision 10).

A **directory** binds each account to one secret; the **set** of a release holds a tag for each of its members.
Both are lists of 2^k buckets, the entries of a tile log of that size. In which bucket something stands follows
from its own first k bits, and within a bucket the order is strict. So for each account, and for each secret, there
is one place to look, and whoever has seen the bucket knows what stands there and what does not.

Hashes are SHA-256; numbers are unsigned, the larger byte first; ``‖`` joins::

    label   = SHA-256("troth/label/v1" 0 ‖ account)                          account: 16 bytes
    C       = SHA-256("troth/key/v1" 0 ‖ s)                                  s, the secret: 32 bytes
    tag     = SHA-256("troth/tag/v1" 0 ‖ release id ‖ s), first 16 bytes
    sealed  = SHA-256("troth/head/v1" 0 ‖ tag ‖ s ‖ u64 head)                2^64-1: no entry
    detail  = SHA-256("troth/detail/v1" 0 ‖ tag ‖ u64 rows ‖ row root ‖ sealed)
    digest  = SHA-256("troth/details/v1" 0 ‖ detail ‖ …)                     in the order of the tags
    bucket of a set         = u16 count ‖ tag ‖ … ‖ digest                   tags strictly ascending
    bucket of a directory   = u16 count ‖ label ‖ C ‖ …                      labels strictly ascending

``row root`` is the RFC 6962 root over the sorted leaves of the member's rows (``core.rows``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from typing import Final

from troth.core.errors import BadInput
from troth.core.merkle import HASH_BYTES, root

ACCOUNT_BYTES: Final = 16
SECRET_BYTES: Final = 32
TAG_BYTES: Final = 16
COUNT_BYTES: Final = 2
HEAD_BYTES: Final = 8

LABEL: Final = b"troth/label/v1\0"
KEY: Final = b"troth/key/v1\0"
TAG: Final = b"troth/tag/v1\0"
HEAD: Final = b"troth/head/v1\0"
DETAIL: Final = b"troth/detail/v1\0"
DETAILS: Final = b"troth/details/v1\0"

NO_HEAD: Final = 2**64 - 1
"""The head of a member of whom the ledger held no entry."""

MEAN: Final = 6
"""A bucket holds so many on average, at most: 2^24 buckets for a hundred million members."""

MAX_BITS: Final = 40
MAX_COUNT: Final = 2**16 - 1
_PREFIX_BYTES: Final = 8


@dataclass(frozen=True, slots=True, repr=False)
class Credential:
    """What a member holds: the account (16 bytes) and its secret (32 bytes). Never printed.

    Raises:
        BadInput: a part is of another length.
    """

    account: bytes
    secret: bytes

    def __post_init__(self) -> None:
        if len(self.account) != ACCOUNT_BYTES or len(self.secret) != SECRET_BYTES:
            raise BadInput(f"expected an account of {ACCOUNT_BYTES} bytes and a secret of {SECRET_BYTES}")

    @property
    def label(self) -> bytes:
        """What the directory calls the account."""
        return sha256(LABEL + self.account).digest()

    @property
    def commitment(self) -> bytes:
        """C: what the directory holds of the secret."""
        return sha256(KEY + self.secret).digest()

    def tag(self, release: str) -> bytes:
        """What the set of a release calls the member."""
        return sha256(TAG + release.encode() + self.secret).digest()[:TAG_BYTES]


@dataclass(frozen=True, slots=True)
class Details:
    """What a set says of a member, hidden: how many rows, the root over them, and the last entry honoured.

    ``head`` is the position of the member's last ledger entry that the release honoured; None: there was none.
    """

    rows: int
    row_root: bytes
    head: int | None

    def commit(self, tag: bytes, secret: bytes) -> bytes:
        """The detail: a commitment that the member's secret hides."""
        return detail(tag, self.rows, self.row_root, seal_head(tag, secret, self.head))


def seal_head(tag: bytes, secret: bytes, head: int | None) -> bytes:
    """A commitment to a head that only the secret opens."""
    number = NO_HEAD if head is None else head
    return sha256(HEAD + tag + secret + number.to_bytes(HEAD_BYTES, "big")).digest()


def detail(tag: bytes, rows: int, row_root: bytes, sealed_head: bytes) -> bytes:
    """A member's detail from its parts."""
    return sha256(DETAIL + tag + rows.to_bytes(8, "big") + row_root + sealed_head).digest()


def details_digest(details: Iterable[bytes]) -> bytes:
    """The digest at the end of a bucket, over the details of its members in the order of their tags."""
    return sha256(DETAILS + b"".join(details)).digest()


def member_root(leaves: Iterable[bytes]) -> bytes:
    """The root over the leaves of a member's rows, which may come in any order."""
    return root(sorted(leaves))


def bits_for(members: int) -> int:
    """The number k of bits for so many members: the smallest with ``MEAN`` of them or fewer in a bucket."""
    bits = 0
    while members > MEAN << bits:
        bits += 1
    return bits


def bucket_of(name: bytes, bits: int) -> int:
    """The bucket in which a tag or label stands: its first ``bits`` bits."""
    return int.from_bytes(name[:_PREFIX_BYTES], "big") >> 8 * _PREFIX_BYTES - bits


@dataclass(frozen=True, slots=True)
class SetBucket:
    """A bucket of a release set."""

    tags: tuple[bytes, ...]
    digest: bytes

    def write(self) -> bytes:
        """Its bytes."""
        return b"".join((len(self.tags).to_bytes(COUNT_BYTES, "big"), *self.tags, self.digest))


@dataclass(frozen=True, slots=True)
class DirectoryBucket:
    """A bucket of a directory: (label, C) of each account."""

    bound: tuple[tuple[bytes, bytes], ...]

    def write(self) -> bytes:
        """Its bytes."""
        parts = (part for pair in self.bound for part in pair)
        return b"".join((len(self.bound).to_bytes(COUNT_BYTES, "big"), *parts))

    def commitment(self, label: bytes) -> bytes | None:
        """The C that a label is bound to; None: it does not stand here."""
        return dict(self.bound).get(label)


def parse_set_bucket(data: bytes, index: int, bits: int) -> SetBucket:
    """Read a bucket of a set.

    Raises:
        BadInput: its length is not that of its count, its tags are not strictly ascending, or belong elsewhere.
    """
    tags = _names(data, TAG_BYTES, HASH_BYTES)
    _check_order(tags, index, bits)
    return SetBucket(tuple(tags), data[-HASH_BYTES:])


def parse_directory_bucket(data: bytes, index: int, bits: int) -> DirectoryBucket:
    """Read a bucket of a directory.

    Raises:
        BadInput: as ``parse_set_bucket``, of labels.
    """
    pairs = _names(data, 2 * HASH_BYTES, 0)
    bound = tuple((pair[:HASH_BYTES], pair[HASH_BYTES:]) for pair in pairs)
    _check_order([label for label, _ in bound], index, bits)
    return DirectoryBucket(bound)


def _names(data: bytes, width: int, behind: int) -> list[bytes]:
    """The items of a bucket, ``width`` bytes each, with so many bytes behind them."""
    count = int.from_bytes(data[:COUNT_BYTES], "big")
    stop = COUNT_BYTES + width * count
    if len(data) != stop + behind:
        raise BadInput("is no bucket: its length does not fit its count")
    return [data[at : at + width] for at in range(COUNT_BYTES, stop, width)]


def _check_order(names: Sequence[bytes], index: int, bits: int) -> None:
    if any(left >= right for left, right in pairwise(names)):
        raise BadInput("is no bucket: what it lists is not in strictly ascending order")
    if any(bucket_of(name, bits) != index for name in names):
        raise BadInput("lists something that belongs into another bucket")
