"""What the operator keeps of a release's members, by their tags: enough to open their details in a proof.

A file of records of one width, in the order of the tags, searched where it lies. It names nobody; whose a tag is,
only the secret tells.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
import numpy.typing as npt

from troth.core.errors import BadInput, Corrupt, Place
from troth.core.merkle import HASH_BYTES
from troth.core.sets import COUNT_BYTES, NO_HEAD, TAG_BYTES, Details, bucket_of, details_digest
from troth.core.tiles import WIDTH, bundle_path, parse_bundle
from troth.release.fixed import Bytes, Numbers, big_endian

RECORD: Final = TAG_BYTES + 2 * HASH_BYTES + 16
"""tag ‖ detail ‖ row root ‖ u64 rows ‖ u64 head."""

UNKNOWN_HEAD: Final = 2**64 - 2
"""The head of a record that was made anew from a release's folder, which holds sealed heads only."""


def pack(tags: Bytes, details: Bytes, roots: Bytes, counts: Numbers, heads: npt.NDArray[np.uint64]) -> bytes:
    """The records of a batch of members."""
    return np.concatenate(
        [tags, details, roots, big_endian(counts, 8), big_endian(heads, 8)], axis=1
    ).tobytes()


@dataclass(frozen=True, slots=True)
class Record:
    """What is kept of one member."""

    tag: bytes
    detail: bytes
    row_root: bytes
    rows: int
    head: int | None

    def opened(self, secret: bytes, stop: int) -> Details | None:
        """The member's details; None: they are not those that the detail commits to.

        Args:
            secret: the member's.
            stop: where the ledger ended for the release: an unknown head is searched below it.
        """
        heads = chain((None,), range(stop)) if self.head == UNKNOWN_HEAD else (self.head,)
        for head in heads:
            details = Details(self.rows, self.row_root, head)
            if details.commit(self.tag, secret) == self.detail:
                return details
        return None


def bucket_records(path: Path, index: int, bits: int) -> list[Record]:
    """The records of one bucket.

    Raises:
        Corrupt: the file is not there, or damaged.
    """
    try:
        with path.open("rb") as file:
            return _scan(file, index, bits)
    except (OSError, ValueError) as error:
        raise Corrupt(
            f"cannot be read: {error}",
            place=Place(str(path)),
            remedy="delete the folder it lies in; it is made anew from the release's folder",
        ) from None


def find_records_damage(path: Path, tiles: Path, bits: int) -> list[str]:
    """What is wrong with the records of a release: each bucket is held against the one in the public set.

    Args:
        path: the file of records.
        tiles: the set's public folder, which was found to be as signed.
        bits: it has 2^bits buckets.
    """
    try:
        with path.open("rb") as file:
            if file.seek(0, os.SEEK_END) % RECORD:
                return [f"{path.name}: its length is no multiple of a record's"]
            number = file.seek(0)
            for start in range(0, 1 << bits, WIDTH):
                width = min(WIDTH, (1 << bits) - start)
                for bucket in parse_bundle((tiles / bundle_path(start // WIDTH, width)).read_bytes(), width):
                    count = int.from_bytes(bucket[:COUNT_BYTES], "big")
                    records = [_read(file, number + at) for at in range(count)]
                    details = details_digest(one.detail for one in records)
                    if bucket[COUNT_BYTES:] != b"".join((*(one.tag for one in records), details)):
                        return [
                            f"{path.name} is not what was sealed; delete the set's folder, it is made anew"
                        ]
                    number += count
            if file.seek(0, os.SEEK_END) != number * RECORD:
                return [f"{path.name} holds more than was sealed"]
    except (OSError, BadInput) as error:
        return [f"{path.name} cannot be read ({type(error).__name__})"]
    return []


def _scan(file: BinaryIO, index: int, bits: int) -> list[Record]:
    count, odd = divmod(file.seek(0, os.SEEK_END), RECORD)
    if odd:
        raise ValueError("its length is no multiple of a record's")
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if bucket_of(_read(file, middle).tag, bits) < index:
            low = middle + 1
        else:
            high = middle
    found = []
    while low < count and bucket_of((record := _read(file, low)).tag, bits) == index:
        found.append(record)
        low += 1
    return found


def _read(file: BinaryIO, number: int) -> Record:
    file.seek(number * RECORD)
    data = file.read(RECORD)
    at = TAG_BYTES
    head = int.from_bytes(data[-8:], "big")
    return Record(
        tag=data[:at],
        detail=data[at : at + HASH_BYTES],
        row_root=data[at + HASH_BYTES : at + 2 * HASH_BYTES],
        rows=int.from_bytes(data[-16:-8], "big"),
        head=None if head == NO_HEAD else head,
    )
