"""Big tables for tests and benchmarks: millions of members and records in seconds, in batches.

Every value is a hash of (seed, column, row): the same on every machine and NumPy, whatever the size of a
batch, and any slice can be made alone. Integers only, so nothing depends on how a machine rounds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.lib.stride_tricks import sliding_window_view

from troth_network.chance import Dice
from troth_network.days import DAY, FIRST_JOINED, FIRST_RECORD, SETTING_INTRODUCED, TODAY, iso
from troth_network.history import SETTING, Event, happened_at, read_terms
from troth_network.places import PLACES
from troth_network.records import SCHEMA
from troth_network.writing import write

BATCH: Final = 131_072
"""Records per batch: about 50 MB with bodies of 256 bytes."""

_ID_DIGITS: Final = 10
_POOL_BYTES: Final = 1 << 20

Numbers: TypeAlias = npt.NDArray[np.uint64]
Integers: TypeAlias = npt.NDArray[np.int64]

MEMBER_SCHEMA: Final = pa.schema(
    [
        ("subject", pa.string()),
        ("since", pa.int64()),
        ("jurisdiction", pa.string()),
        ("tier", pa.string()),
        ("born", pa.string()),
        ("status", pa.string()),
    ]
)
CHOICE_SCHEMA: Final = pa.schema(
    [
        ("subject", pa.string()),
        ("setting", pa.string()),
        ("value", pa.string()),
        ("at", pa.int64()),
        ("by", pa.string()),
        ("covers_past", pa.bool_()),
    ]
)


@dataclass(frozen=True, slots=True)
class Mix:
    """What records are made of, in thousandths; what is left over are two-party messages.

    ``topics`` of the records touch a topic, ``deleted`` are deleted some day, ``missing_times`` have no time.
    """

    posts: int = 0
    groups: int = 0
    topics: int = 100
    deleted: int = 10
    missing_times: int = 0


MESSAGES: Final = Mix()


def _draw(seed: int, column: str, rows: Integers) -> Numbers:
    """64 bits for each row: splitmix64 of the row's number on a start of its own for seed and column."""
    start = int.from_bytes(hashlib.sha256(f"{seed}\x1f{column}".encode()).digest()[:8], "big")
    with np.errstate(over="ignore"):
        x = rows.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(start)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))


def _below(draws: Numbers, count: int) -> Integers:
    """Whole numbers of [0, count) for count < 2**32."""
    return (((draws >> np.uint64(32)) * np.uint64(count)) >> np.uint64(32)).astype(np.int64)


def _instants(draws: Numbers, start: int, stop: int) -> Integers:
    """Instants of [start, stop), to the microsecond: a second, and a part of it."""
    seconds = _below(draws, (stop - start) // 1_000_000)
    return start + seconds * 1_000_000 + (draws & np.uint64(0xFFFF)).astype(np.int64)


def _names(prefix: str, numbers: Integers) -> pa.Array:
    """``m0000000042`` of 42: text of one width."""
    width = len(prefix) + _ID_DIGITS
    text = np.empty((len(numbers), width), dtype=np.uint8)
    text[:, : len(prefix)] = np.frombuffer(prefix.encode(), dtype=np.uint8)
    left = numbers.copy()
    for column in range(width - 1, len(prefix) - 1, -1):
        text[:, column] = left % 10 + ord("0")
        left //= 10
    return _fixed_text(text)


def _fixed_text(text: npt.NDArray[np.uint8], kind: pa.DataType | None = None) -> pa.Array:
    """Rows of bytes of one width as an Arrow column, without a copy."""
    rows, width = text.shape
    offsets = np.arange(rows + 1, dtype=np.int32) * np.int32(width)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(text.reshape(-1))]
    return pa.Array.from_buffers(kind or pa.string(), rows, buffers)


def _coded(codes: Integers, words: list[str | None]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array(words, pa.string())).cast(
        pa.string()
    )


def members_table(count: int, seed: int, *, joins: int | None = 24) -> pa.Table:
    """Members as they joined: MEMBER_SCHEMA, one row each.

    Args:
        count: how many.
        seed: what makes it reproducible.
        joins: on how many different days they joined; None: each at an instant of their own.
    """
    rows = np.arange(count, dtype=np.int64)
    bounds = np.cumsum(np.array(list(PLACES.values()), dtype=np.int64))
    place = np.searchsorted(bounds, _below(_draw(seed, "place", rows), int(bounds[-1])), side="right")
    joined = _instants(_draw(seed, "joined", rows), FIRST_JOINED, SETTING_INTRODUCED)
    if joins is not None:
        step = (SETTING_INTRODUCED - FIRST_JOINED) // joins // DAY * DAY
        joined = FIRST_JOINED + _below(_draw(seed, "joined", rows), joins) * step
    years: list[str | None] = [str(year) for year in range(1950, 2010)]
    born = _below(_draw(seed, "born", rows), 48)
    odd = _below(_draw(seed, "odd", rows), 1000)
    born = np.where(odd < 20, born + 12, np.where(odd < 40, len(years), born))
    return pa.table(
        {
            "subject": _names("m", rows),
            "since": joined,
            "jurisdiction": _coded(place, list(PLACES)),
            "tier": _coded(_below(_draw(seed, "tier", rows), 100) // 85, ["basic", "premium"]),
            "born": _coded(born, [*years, None]),
            "status": _coded(np.zeros(count, dtype=np.int64), ["active"]),
        },
        schema=MEMBER_SCHEMA,
    )


def choices_table(members: int, seed: int, *, changed: int = 100) -> pa.Table:
    """Switch changes: ``changed`` thousandths of the members, one to three each at instants of their own.

    CHOICE_SCHEMA, ordered by member and instant. A member's values alternate.
    """
    rows = np.arange(members, dtype=np.int64)
    rows = rows[_below(_draw(seed, "changes", rows), 1000) < changed]
    count = 1 + _below(_draw(seed, "times", rows), 3)
    subject = np.repeat(rows, count)
    turn = np.arange(len(subject)) - np.repeat(np.cumsum(count) - count, count)
    at = _instants(_draw(seed, "at", subject * 4 + turn), SETTING_INTRODUCED, TODAY)
    order = np.lexsort((at, subject))
    first = _below(_draw(seed, "first", subject), 10) < 7
    return pa.table(
        {
            "subject": _names("m", subject),
            "setting": _coded(np.zeros(len(subject), dtype=np.int64), [SETTING]),
            "value": _coded((turn % 2 == 0).astype(np.int64) ^ first, ["on", "off"]),
            "at": at[order],
            "by": _coded(np.zeros(len(subject), dtype=np.int64), ["member"]),
            "covers_past": pa.array(_below(_draw(seed, "past", subject * 4 + turn), 10) == 0),
        },
        schema=CHOICE_SCHEMA,
    )


def events(members: int, seed: int, *, joins: int | None = 24, changed: int = 100) -> Iterator[Event]:
    """The network's terms, a notice of each policy to its whole audience, every member, and their choices.

    Plain dicts in the short form, members and choices as in ``members_table`` and ``choices_table``.
    """
    yield from sorted(read_terms(), key=happened_at)
    for version, at in (("2024-09-18", "2024-09-18"), ("2025-11-03", "2025-09-18")):
        yield {"notice": {"terms": "privacy-policy", "version": version, "to": {}, "channel": "email", "at": at}}
    for batch in members_table(members, seed, joins=joins).to_batches(max_chunksize=BATCH):
        for row in batch.to_pylist():
            yield {**row, "since": iso(row["since"])}
    for batch in choices_table(members, seed, changed=changed).to_batches(max_chunksize=BATCH):
        for row in batch.to_pylist():
            yield {"choose": {**row, "at": iso(row["at"])}}


def record_batches(
    count: int, members: int, seed: int, *, body_bytes: int = 256, mix: Mix = MESSAGES, salts: bool = False
) -> Iterator[pa.RecordBatch]:
    """Records in batches of BATCH rows, in Troth's record columns.

    Args:
        count: how many records.
        members: how many members write them; the first of them more than the last.
        seed: what makes it reproducible.
        body_bytes: the length of each body, at least 16; no two are equal.
        mix: categories, topics, deletions and missing times.
        salts: fill ``salt``, in place of Troth's own draw at import. Not secret: for measuring only.
    """
    pool = _text_pool(seed, body_bytes)
    for start in range(0, count, BATCH):
        rows = np.arange(start, min(start + BATCH, count), dtype=np.int64)
        yield _records(rows, members, seed, body_bytes, mix, salts, pool)


def records_table(
    count: int, members: int, seed: int, body_bytes: int = 256, *, mix: Mix = MESSAGES, salts: bool = False
) -> pa.Table:
    """All of ``record_batches`` in one table: about 400 bytes a record with bodies of 256."""
    batches = record_batches(count, members, seed, body_bytes=body_bytes, mix=mix, salts=salts)
    return pa.Table.from_batches(batches, schema=SCHEMA)


def write_records(
    path: Path, count: int, members: int, seed: int, *, body_bytes: int = 256, mix: Mix = MESSAGES, salts: bool = True
) -> None:
    """``record_batches`` to a Parquet file, one batch in memory at a time."""
    with pq.ParquetWriter(path, SCHEMA) as writer:
        for batch in record_batches(count, members, seed, body_bytes=body_bytes, mix=mix, salts=salts):
            writer.write_batch(batch)


def _records(
    rows: Integers, members: int, seed: int, body_bytes: int, mix: Mix, salts: bool, pool: npt.NDArray[np.uint8]
) -> pa.RecordBatch:
    kind = _below(_draw(seed, "category", rows), 1000)
    post, group = kind < mix.posts, (kind >= mix.posts) & (kind < mix.posts + mix.groups)
    many = 2 + _below(_draw(seed, "others", rows), 6)
    counts = np.where(post, 0, np.where(group, many, 1))
    topics = (_below(_draw(seed, "topical", rows), 1000) < mix.topics).astype(np.int64)
    created = _instants(_draw(seed, "created", rows), FIRST_RECORD, TODAY)
    deleted = created + 1 + _below(_draw(seed, "deleted", rows), 1 << 31) * 4000
    authors = _authors(rows, members, seed)
    return pa.RecordBatch.from_arrays(
        [
            _names("r", rows),
            _coded(_categories(rows, post, group, seed), ["private_message.inmail", "private_message.direct",
                                                          "private_message.group", "post", "comment"]),
            pa.array(created, mask=_below(_draw(seed, "timeless", rows), 1000) < mix.missing_times),
            pa.array(deleted, mask=_below(_draw(seed, "ended", rows), 1000) >= mix.deleted),
            _names("m", authors),
            _lists(counts, _names("m", _addressees(rows, counts, authors, members, seed))),
            _lists(topics, _topics(rows[topics > 0], seed)),
            _names("c", rows // 4),
            pa.nulls(len(rows), pa.string()),
            _bodies(rows, seed, body_bytes, pool),
            _salts(rows, seed) if salts else pa.nulls(len(rows), pa.binary()),
        ],
        schema=SCHEMA,
    )  # fmt: skip


def _categories(
    rows: Integers, post: npt.NDArray[np.bool_], group: npt.NDArray[np.bool_], seed: int
) -> Integers:
    half = _below(_draw(seed, "half", rows), 2)
    return np.where(group, 2, np.where(post, 3 + half, half))


def _authors(rows: Integers, members: int, seed: int) -> Integers:
    """Some write much more than others: the square of an even draw."""
    even = _draw(seed, "author", rows) >> np.uint64(32)
    return _below(even * even, members)


def _addressees(rows: Integers, counts: Integers, authors: Integers, members: int, seed: int) -> Integers:
    """Evenly drawn; never the author, where there is anybody else."""
    place = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    steps = 1 + _below(_draw(seed, "addressee", np.repeat(rows, counts) * 8 + place), max(members - 1, 1))
    return (np.repeat(authors, counts) + steps) % members


def _topics(rows: Integers, seed: int) -> pa.Array:
    names: list[str | None] = ["compensation", "intellectual_property", "health", "recruiting"]
    return _coded(_below(_draw(seed, "topic", rows), len(names)), names)


def _lists(counts: Integers, values: pa.Array) -> pa.Array:
    offsets = np.zeros(len(counts) + 1, dtype=np.int32)
    np.cumsum(counts, out=offsets[1:])
    return pa.ListArray.from_arrays(pa.array(offsets), values)


def _text_pool(seed: int, body_bytes: int) -> npt.NDArray[np.uint8]:
    """A stretch of members' writing from which bodies are cut."""
    dice, text, size = Dice(seed, "pool"), [], 0
    while size < _POOL_BYTES + body_bytes:
        text.append(write("article", dice).body.encode("ascii"))
        size += len(text[-1]) + 1
    return np.frombuffer(b" ".join(text), dtype=np.uint8)


def _bodies(rows: Integers, seed: int, body_bytes: int, pool: npt.NDArray[np.uint8]) -> pa.Array:
    """A piece of the pool each; the row's number in front makes it the only one of its kind."""
    windows = sliding_window_view(pool, body_bytes)
    text = windows[_below(_draw(seed, "body", rows), len(windows))]
    left = rows.copy()
    for column in range(_ID_DIGITS, -1, -1):
        text[:, column] = ord(" ") if column == _ID_DIGITS else left % 10 + ord("0")
        left = left if column == _ID_DIGITS else left // 10
    return _fixed_text(text)


def _salts(rows: Integers, seed: int) -> pa.Array:
    words = np.stack([_draw(seed, f"salt{part}", rows) for part in range(4)], axis=1)
    return _fixed_text(words.astype(">u8").view(np.uint8).reshape(len(rows), 32), pa.binary())
