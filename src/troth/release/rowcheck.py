"""Checking the rows of a release: each leaf anew, the root over them, and the names of rows that differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import BinaryIO, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from troth.core.errors import BadInput
from troth.core.findings import Findings
from troth.core.manifest import File, Manifest
from troth.core.merkle import HASH_BYTES
from troth.release.columns import BATCH_ROWS, DATA, Parties
from troth.release.inside import Inside, Stamp, stamp_of
from troth.release.layout import LEAVES, MANIFEST
from troth.release.leaves import leaves_of, row_root, sort_leaves

SHOWN: Final = 100
"""So many rows are named; further ones are counted."""

_NAME_LENGTH: Final = 80
_WARY_ROWS: Final = 256  # of a file that is not as sealed: a few bytes may stand for very long values
_ROWS_BEYOND: Final = 100_000
_BYTES_BEYOND: Final = 64 << 20

# What damaged Parquet has been seen to raise on its way through Arrow.
_READ_ERRORS: Final = (
    pa.ArrowException,
    OSError,
    ValueError,
    LookupError,
    TypeError,
    RuntimeError,
    MemoryError,
)


@dataclass(slots=True)
class _Rows:
    """What the data files hold: packed leaves, parties, and the files of which rows could not be read."""

    leaves: list[bytes] = field(default_factory=list)
    parties: Parties = field(default_factory=Parties)
    damaged: list[str] = field(default_factory=list)


def check_rows(inside: Inside, manifest: Manifest, intact: set[str], findings: Findings) -> None:
    """Recompute each row's leaf and the root; where they differ, name the rows.

    Args:
        inside: the release's folder.
        manifest: what was sealed.
        intact: the names of the files whose digest is the sealed one.
        findings: taken further.
    """
    parts = [file for file in manifest.files if file.rows is not None]
    read = _Rows()
    for file in parts:
        _take_in(inside, file, file.name in intact, read, findings)
    found = sort_leaves(b"".join(read.leaves))
    if not read.damaged and row_root(found).hex() == manifest.row_root:
        if read.parties.count() != manifest.members:
            findings.error("the number of members is not that of the rows", MANIFEST)
        if not all(file.name in intact for file in parts):
            findings.info("all rows are as they were sealed; they were written anew, or moved between files")
        return
    if LEAVES not in intact:
        findings.error(
            f"the rows do not have the root that was signed; which ones differ cannot be told without {LEAVES}",
            "data",
        )
        return
    sealed = inside.read(LEAVES, manifest.rows * HASH_BYTES)
    _name(inside, [one for one in parts if one.name not in intact] or parts, found, sealed, findings)
    if read.damaged:
        findings.info("rows that could not be read count among the missing ones", ", ".join(read.damaged))


def _take_in(inside: Inside, file: File, is_intact: bool, read: _Rows, findings: Findings) -> None:
    count = 0
    try:
        for batch in batches(inside, file, trusted=is_intact):
            count += len(batch)
            read.leaves.append(leaves_of(batch))
            read.parties.add(batch)
    except BadInput as error:
        if error.message != "is missing":
            findings.error(error.message, file.name)
        read.damaged.append(file.name)
    except _READ_ERRORS as error:
        findings.error(
            f"cannot be read as Parquet after {count} of {file.rows} rows: {type(error).__name__}", file.name
        )
        read.damaged.append(file.name)
    else:
        if count != file.rows:
            findings.error(f"holds {count} rows; {file.rows} were sealed", file.name)


def batches(
    inside: Inside, file: File, *, trusted: bool, stamp: Stamp | None = None
) -> Iterator[pa.RecordBatch]:
    """The rows of a data file in the form of ``DATA``.

    Args:
        inside: the release's folder.
        file: the file as the manifest has it.
        trusted: False if the file is not what was sealed; then it is not read if it is much larger.
        stamp: what the file looked like when it was checked; None: it is not compared.

    Raises:
        BadInput: it is missing, holds other columns, is too large, or is not the file that was checked.
        Exception: any of ``_READ_ERRORS`` if it is damaged.
    """
    with inside.open(file.name) as source:
        _same(source, stamp)
        if not trusted and source.seek(0, 2) > 2 * (file.size or 0) + _BYTES_BEYOND:
            raise BadInput("is much larger than what was sealed; its rows were not looked at")
        with pq.ParquetFile(source) as parquet:
            if not parquet.schema_arrow.equals(DATA):
                raise BadInput("holds other columns than a release")
            if not trusted and parquet.metadata.num_rows > 2 * (file.rows or 0) + _ROWS_BEYOND:
                raise BadInput("holds many more rows than were sealed; they were not looked at")
            for batch in parquet.iter_batches(BATCH_ROWS if trusted else _WARY_ROWS):
                _same(source, stamp)
                yield batch.cast(DATA)


def _same(source: BinaryIO, stamp: Stamp | None) -> None:
    """The very file that is being read must be the one that was checked, and not written to since."""
    if stamp is not None and stamp_of(source) != stamp:
        raise BadInput("was written to, or exchanged, after it was checked")


def _name(inside: Inside, files: list[File], found: bytes, sealed: bytes, findings: Findings) -> None:
    """Name the rows that were not sealed, and count the sealed ones that are gone."""
    strange, gone = _differences(found, sealed)
    twice = {leaf for leaf in strange if _holds(sealed, leaf)}
    shown = 0
    for file in files:
        for row, name, leaf in _rows(inside, file):
            if not strange[leaf]:
                continue
            strange[leaf] -= 1
            shown += 1
            if shown <= SHOWN:
                what = (
                    "is there more often than it was sealed" if leaf in twice else "is not as it was sealed"
                )
                findings.error(f"row {row} (id {name}) {what}", file.name)
    if shown > SHOWN:
        findings.error(f"{shown - SHOWN} more rows are not as they were sealed", "data")
    if gone.total():
        findings.error(f"{gone.total()} of the sealed rows are not here, or not as they were sealed", "data")
    if not shown and not gone:
        findings.error(f"the root in the manifest is not that of {LEAVES}", MANIFEST)


def _rows(inside: Inside, file: File) -> Iterator[tuple[int, str, bytes]]:
    """Number (from 1), id and leaf of the rows of a file, as far as it can be read."""
    number = 0
    try:
        for batch in batches(inside, file, trusted=False):
            names = batch["id"].cast(pa.binary())
            leaves = leaves_of(batch)
            for at in range(len(batch)):
                number += 1
                name = names[at].as_py().decode("utf-8", "backslashreplace")
                yield number, name[:_NAME_LENGTH], leaves[at * HASH_BYTES : (at + 1) * HASH_BYTES]
    except (BadInput, *_READ_ERRORS):
        return  # it was said when the file was read the first time


def _differences(found: bytes, sealed: bytes) -> tuple[Counter[bytes], Counter[bytes]]:
    """Of two sorted, packed lists of leaves: what only the first holds, and what only the second does."""
    strange: Counter[bytes] = Counter()
    gone: Counter[bytes] = Counter()
    for left, right in zip(_piles(found), _piles(sealed), strict=True):
        if left != right:
            here, there = Counter(_split(left)), Counter(_split(right))
            strange += here - there
            gone += there - here
    return strange, gone


def _piles(leaves: bytes) -> Iterator[bytes]:
    """The leaves by their first two bytes."""
    heads = np.frombuffer(leaves, ">u2")[:: HASH_BYTES // 2]
    bounds = np.searchsorted(heads, np.arange((1 << 16) + 1)).tolist()
    for start, stop in pairwise(bounds):
        yield leaves[start * HASH_BYTES : stop * HASH_BYTES]


def _split(leaves: bytes) -> Iterator[bytes]:
    return (leaves[at : at + HASH_BYTES] for at in range(0, len(leaves), HASH_BYTES))


def _holds(leaves: bytes, leaf: bytes) -> bool:
    """Whether sorted, packed leaves hold one."""
    low, high = 0, len(leaves) // HASH_BYTES
    while low < high:
        middle = (low + high) // 2
        if leaves[middle * HASH_BYTES : (middle + 1) * HASH_BYTES] < leaf:
            low = middle + 1
        else:
            high = middle
    return leaves[low * HASH_BYTES : (low + 1) * HASH_BYTES] == leaf
