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

from troth_network import days, history
from troth_network.chance import Dice
from troth_network.days import DAY, SECOND, SETTING_INTRODUCED, TODAY, iso
from troth_network.places import PLACES
from troth_network.records import SCHEMA
from troth_network.writing import write

BATCH: Final = 131_072
"""Records per batch: about 50 MB with bodies of 256 bytes."""

_ID_DIGITS: Final = 10
_MESSAGES: Final = [f"private_message.{kind}" for kind in ("inmail", "direct", "group")]
_CATEGORIES: Final[list[str | None]] = [*_MESSAGES, "post", "comment"]
_TOPICS: Final[list[str | None]] = ["compensation", "intellectual_property", "health", "recruiting"]
_POOL_BYTES: Final = 1 << 20

Numbers: TypeAlias = npt.NDArray[np.uint64]
Integers: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Mix:
    """What records are made of, in thousandths; what is left over are two-party messages.

    ``topics`` of the records touch a topic, ``deleted`` are deleted some day, ``missing_times`` have no
    time. ``salts`` fills that column in place of Troth's own draw: not secret, for measuring only.
    """

    posts: int = 0
    groups: int = 0
    topics: int = 100
    deleted: int = 10
    missing_times: int = 0
    salts: bool = False


MESSAGES: Final = Mix()


class _Rolls:
    """64 bits for each row and column: splitmix64 of the row's number on a start of seed and column."""

    def __init__(self, seed: int, rows: Integers) -> None:
        self.seed = seed
        self.rows = rows.astype(np.uint64)

    def bits(self, column: str) -> Numbers:
        start = int.from_bytes(hashlib.sha256(f"{self.seed}\x1f{column}".encode()).digest()[:8], "big")
        with np.errstate(over="ignore"):
            x = self.rows * np.uint64(0x9E3779B97F4A7C15) + np.uint64(start)
            x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            return x ^ (x >> np.uint64(31))

    def below(self, column: str, count: int) -> Integers:
        """Whole numbers of [0, count) for count < 2**32."""
        return _scaled(self.bits(column) >> np.uint64(32), count)

    def skewed(self, column: str, count: int) -> Integers:
        """The same, the low ones more often than the high ones: the square of an even draw."""
        even = self.bits(column) >> np.uint64(32)
        return _scaled((even * even) >> np.uint64(32), count)

    def share(self, column: str, thousandths: int) -> npt.NDArray[np.bool_]:
        """True for so many thousandths of the rows."""
        return self.below(column, 1000) < thousandths

    def instants(self, column: str, start: int, stop: int) -> Integers:
        """Instants of [start, stop): a second, and a part of it."""
        fraction = (self.bits(column) & np.uint64(0xFFFF)).astype(np.int64)
        return start + self.below(column, (stop - start) // SECOND) * SECOND + fraction


def _scaled(draws: Numbers, count: int) -> Integers:
    return ((draws * np.uint64(count)) >> np.uint64(32)).astype(np.int64)


def _digits(numbers: npt.NDArray[np.integer]) -> npt.NDArray[np.uint8]:
    """Decimal digits, one column each, most significant first."""
    powers = 10 ** np.arange(_ID_DIGITS - 1, -1, -1, dtype=np.int64)
    return (numbers.astype(np.int64)[:, None] // powers % 10 + ord("0")).astype(np.uint8)


def _names(prefix: str, numbers: npt.NDArray[np.integer]) -> pa.Array:
    """``m0000000042`` of 42: text of one width."""
    letter = np.full((len(numbers), 1), ord(prefix), dtype=np.uint8)
    return _fixed_width(np.hstack([letter, _digits(numbers)]), pa.string())


def _fixed_width(text: npt.NDArray[np.uint8], kind: pa.DataType) -> pa.Array:
    """Rows of bytes as an Arrow column, without another copy."""
    rows, width = text.shape
    offsets = np.arange(rows + 1, dtype=np.int32) * np.int32(width)
    return pa.Array.from_buffers(kind, rows, [None, pa.py_buffer(offsets), pa.py_buffer(text)])


def _coded(codes: Integers, words: list[str | None]) -> pa.Array:
    """The words of some codes."""
    return pa.array(words, pa.string()).take(pa.array(codes))


def members_table(count: int, seed: int, *, joins: int | None = 24) -> pa.Table:
    """Members as they joined: subject, since (microseconds UTC), jurisdiction, tier, born, status.

    Args:
        count: how many, from number ``first`` on: slices of one table can be made apart.
        seed: what makes it reproducible.
        joins: on how many different days they joined; None: each at an instant of their own.
    """
    roll = _Rolls(seed, np.arange(count, dtype=np.int64))
    bounds = np.cumsum(np.array(list(PLACES.values()), dtype=np.int64))
    place = np.searchsorted(bounds, roll.below("place", int(bounds[-1])), side="right")
    step = (SETTING_INTRODUCED - days.FIRST_JOINED) // (joins or 1) // DAY * DAY
    joined = roll.instants("joined", days.FIRST_JOINED, SETTING_INTRODUCED)
    # Two in a hundred are young, two have no birth date: the last of the words.
    years: list[str | None] = [*map(str, range(1950, 2010)), None]
    born = np.where(roll.share("young", 20), 58, roll.below("born", 48))
    return pa.table(
        {
            "subject": _names("m", roll.rows),
            "since": joined if joins is None else days.FIRST_JOINED + roll.below("joined", joins) * step,
            "jurisdiction": _coded(place, list(PLACES)),
            "tier": _coded(roll.share("premium", 150).astype(np.int64), ["basic", "premium"]),
            "born": _coded(np.where(roll.share("ageless", 20), len(years) - 1, born), years),
            "status": pa.repeat("active", count),
        }
    )


def choices_table(members: int, seed: int, *, changed: int = 100) -> pa.Table:
    """Switch changes: ``changed`` thousandths of the members, one to three each at instants of their own.

    Columns subject, setting, value, at (microseconds UTC), by, covers_past; ordered by member and instant.
    A member's values alternate.
    """
    every = np.arange(members, dtype=np.int64)
    rows = every[_Rolls(seed, every).share("changes", changed)]
    count = 1 + _Rolls(seed, rows).below("times", 3)
    subject = np.repeat(rows, count)
    turn = _places_in(count)
    roll = _Rolls(seed, subject * 4 + turn)
    at = roll.instants("at", SETTING_INTRODUCED, TODAY)
    off_first = _Rolls(seed, subject).share("off first", 700)
    return pa.table(
        {
            "subject": _names("m", subject),
            "setting": pa.repeat(history.SETTING, len(subject)),
            "value": _coded((turn + off_first) % 2, ["on", "off"]),
            "at": at[np.lexsort((at, subject))],
            "by": pa.repeat("member", len(subject)),
            "covers_past": roll.share("past", 100),
        }
    )


def events(members: int, seed: int, *, joins: int | None = 24, changed: int = 100) -> Iterator[history.Event]:
    """The network's terms, a notice of each policy to its whole audience, every member, and their choices.

    Plain dicts in the short form, members and choices as in ``members_table`` and ``choices_table``.
    """
    yield from sorted(history.read_terms(), key=history.happened_at)
    versions = {
        history.CHANGED_POLICY: days.POLICY_CHANGED,
        history.EXTENDED_POLICY: days.EXTENSION_ANNOUNCED,
    }
    for version, at in versions.items():
        yield {"notice": {"terms": history.POLICY, "version": version, "to": {}, "at": iso(at)}}
    for batch in members_table(members, seed, joins=joins).to_batches(max_chunksize=BATCH):
        for row in batch.to_pylist():
            yield {**row, "since": iso(row["since"])}
    for batch in choices_table(members, seed, changed=changed).to_batches(max_chunksize=BATCH):
        for row in batch.to_pylist():
            yield {"choose": {**row, "at": iso(row["at"])}}


def record_batches(
    count: int, members: int, seed: int, body_bytes: int = 256, mix: Mix = MESSAGES, *, first: int = 0
) -> Iterator[pa.RecordBatch]:
    """Records in batches of BATCH rows, in Troth's record columns.

    Args:
        count: how many records, from number ``first`` on: slices of one table can be made apart.
        members: how many members write them; the first of them more than the last.
        seed: what makes it reproducible.
        body_bytes: the length of each body, at least 16; no two are equal.
        mix: categories, topics, deletions, missing times, salts.
    """
    pool = _text_pool(seed, body_bytes)
    for start in range(first, first + count, BATCH):
        rows = np.arange(start, min(start + BATCH, first + count), dtype=np.int64)
        yield _batch(rows, members, seed, mix, _bodies(rows, seed, body_bytes, pool))


def records_table(
    count: int, members: int, seed: int, body_bytes: int = 256, mix: Mix = MESSAGES
) -> pa.Table:
    """All of ``record_batches`` in one table: about 400 bytes a record with bodies of 256."""
    return pa.Table.from_batches(record_batches(count, members, seed, body_bytes, mix), schema=SCHEMA)


def write_records(
    path: Path, count: int, members: int, seed: int, body_bytes: int = 256, mix: Mix = MESSAGES
) -> None:
    """``record_batches`` to a Parquet file, one batch in memory at a time."""
    with pq.ParquetWriter(path, SCHEMA) as writer:
        for batch in record_batches(count, members, seed, body_bytes, mix):
            writer.write_batch(batch)


def _batch(rows: Integers, members: int, seed: int, mix: Mix, bodies: pa.Array) -> pa.RecordBatch:
    roll = _Rolls(seed, rows)
    kind = roll.below("category", 1000)
    post, group = kind < mix.posts, (kind >= mix.posts) & (kind < mix.posts + mix.groups)
    counts = np.where(post, 0, np.where(group, 2 + roll.below("others", 6), 1))
    topics = roll.share("topical", mix.topics).astype(np.int64)
    created = roll.instants("created", days.FIRST_RECORD, TODAY)
    deleted = created + 1 + roll.below("deleted", 200 * DAY // SECOND) * SECOND
    authors = roll.skewed("author", members)
    categories = np.where(group, 2, np.where(post, 3, 0) + roll.below("half", 2))
    return pa.RecordBatch.from_arrays(
        [
            _names("r", rows),
            _coded(categories, _CATEGORIES),
            pa.array(created, mask=roll.share("timeless", mix.missing_times)),
            pa.array(deleted, mask=~roll.share("ended", mix.deleted)),
            _names("m", authors),
            _lists(counts, _names("m", _addressees(rows, counts, authors, members, seed))),
            _lists(topics, _coded(_Rolls(seed, rows[topics > 0]).below("topic", 4), _TOPICS)),
            _names("c", rows // 4),
            pa.nulls(len(rows), pa.string()),
            bodies,
            _salts(roll) if mix.salts else pa.nulls(len(rows), pa.binary()),
        ],
        schema=SCHEMA,
    )


def _places_in(counts: Integers) -> Integers:
    """0, 1, … within each run of so many."""
    return np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)


def _addressees(rows: Integers, counts: Integers, authors: Integers, members: int, seed: int) -> Integers:
    """Evenly drawn; never the author, where there is anybody else."""
    roll = _Rolls(seed, np.repeat(rows, counts) * 8 + _places_in(counts))
    return (np.repeat(authors, counts) + 1 + roll.below("addressee", max(members - 1, 1))) % members


def _lists(counts: Integers, values: pa.Array) -> pa.Array:
    offsets = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts)])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)


def _text_pool(seed: int, body_bytes: int) -> npt.NDArray[np.uint8]:
    """A stretch of members' writing from which bodies are cut."""
    dice = Dice(seed, "pool")
    text: list[bytes] = []
    while sum(map(len, text)) < _POOL_BYTES + body_bytes:
        text.append(b" ".join(write("post.article", dice)[2].encode("ascii") for _ in range(1000)))
    return np.frombuffer(b" ".join(text), dtype=np.uint8)


def _bodies(rows: Integers, seed: int, body_bytes: int, pool: npt.NDArray[np.uint8]) -> pa.Array:
    """A piece of the pool each; the row's number in front makes it the only one of its kind."""
    windows = sliding_window_view(pool, body_bytes)
    text = windows[_Rolls(seed, rows).below("body", len(windows))]
    text[:, :_ID_DIGITS] = _digits(rows)
    text[:, _ID_DIGITS] = ord(" ")
    return _fixed_width(text, pa.string())


def _salts(roll: _Rolls) -> pa.Array:
    words = np.stack([roll.bits(f"salt {part}") for part in range(4)], axis=1)
    return _fixed_width(words.astype(">u8").view(np.uint8), pa.binary())
