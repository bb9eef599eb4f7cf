"""What a model was trained on: the texts of sealed releases, by record, shard and slice, and by member.

A release is read once, when training begins, and checked as it is read. After that the model needs no release to
forget somebody: their rows are found by name in milliseconds, wherever they stand.

Files of the folder: ``text.bin`` holds the texts one after another; ``rows-N.arrow`` one row for each record;
``parties-N.arrow`` which rows are whose, by a keyed hash of the member's name; ``gone-N.arrow`` the leaves of the
rows that are gone, by which a replay leaves them out. All of it is private. N counts the versions: forgetting
writes new files, and overwrites the texts with zeros where they stand.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from troth.core.errors import Corrupt, Place
from troth.core.merkle import HASH_BYTES, packed_root
from troth.core.shards import Frozen, Item, Plan, shard_of, slice_of
from troth.core.values import Record
from troth.release.columns import DATA
from troth.release.leaves import leaves_of, sort_leaves, unpacked
from troth.release.load import Loaded

CORPUS_FOLDER: Final = "corpus"
TEXT: Final = "text.bin"
ROWS: Final = pa.schema(
    [
        ("id", pa.string()),
        ("leaf", pa.binary(HASH_BYTES)),
        ("release", pa.int16()),
        *((name, pa.int64() if name == "created_at" else DATA.field(name).type)
          for name in ("category", "created_at", "author", "addressees", "topics")),
        ("shard", pa.int32()),
        ("slice", pa.int32()),
        ("at", pa.int64()),
        ("size", pa.int64()),
        ("check", pa.uint32()),
    ]
)  # fmt: skip
_PARTIES: Final = pa.schema([("party", pa.uint64()), ("row", pa.uint32())])
GONE: Final = pa.schema([("leaf", pa.binary(HASH_BYTES)), ("shard", pa.int32()), ("slice", pa.int32())])

Places = npt.NDArray[np.int64]
Part = tuple[int, int]
"""A shard and a slice of it."""

Report = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class Files:
    """The names of the files of one version of a corpus."""

    rows: str
    parties: str
    gone: str

    @classmethod
    def version(cls, number: int) -> Files:
        """The names of a version."""
        return cls(*(f"{kind}-{number}.arrow" for kind in ("rows", "parties", "gone")))

    @property
    def names(self) -> set[str]:
        """All files of the version, the texts included."""
        return {TEXT, self.rows, self.parties, self.gone}


def text_of(title: bytes | None, body: bytes | None) -> bytes:
    """The text that is learned of a record: its title, a line break, its body."""
    return b"\n".join((title, body or b"")) if title else body or b""


# building


class _Names:
    """Numbers members as they come; which rows are whose."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._parties: list[npt.NDArray[np.uint32]] = []
        self._rows: list[npt.NDArray[np.uint32]] = []

    def add(self, first: int, batch: pa.RecordBatch) -> None:
        """The parties of rows, of which the first has that number."""
        addressees = batch["addressees"]
        self._add(batch["author"], np.arange(first, first + batch.num_rows))
        self._add(addressees.flatten(), first + pc.list_parent_indices(addressees).to_numpy())

    def _add(self, names: pa.Array, rows: Places) -> None:
        coded = names.dictionary_encode()
        # Whoever is not known by name is no party.
        numbers = [
            self._numbers.setdefault(one, len(self._numbers)) if one else -1
            for one in coded.dictionary.to_pylist()
        ]
        there = pc.fill_null(coded.indices, -1).to_numpy()
        found = np.array([*numbers, -1], np.int64)[there]
        named = found >= 0
        self._parties.append(found[named].astype(np.uint32))
        self._rows.append(rows[named].astype(np.uint32))

    def table(self, plan: Plan) -> pa.Table:
        keys = np.array([party_key(plan, one) for one in self._numbers], np.uint64)
        numbers, rows = (
            np.concatenate([np.empty(0, np.uint32), *one]) for one in (self._parties, self._rows)
        )
        parties = keys[numbers] if len(keys) else np.empty(0, np.uint64)
        order = np.lexsort((rows, parties))
        parties, rows = parties[order], rows[order]
        # Who writes to themselves is a party once.
        first = np.ones(len(rows), bool)
        first[1:] = (parties[1:] != parties[:-1]) | (rows[1:] != rows[:-1])
        return pa.table([parties[first], rows[first]], schema=_PARTIES)


def party_key(plan: Plan, name: str) -> int:
    """What stands for a member in the index of parties."""
    return int.from_bytes(hashlib.sha256(b"troth/party/v1\0" + plan.key + name.encode()).digest()[:8], "big")


@dataclass(frozen=True, slots=True)
class Size:
    """How many records and bytes of text there are."""

    records: int
    size: int


def build(
    folder: Path,
    releases: Sequence[Loaded],
    plan: Plan,
    frozen: Frozen,
    report: Report | None = None,
    *,
    texts: bool = True,
) -> Size:
    """Take over the rows of releases into an empty folder. A record that several hold is taken from the first.

    Args:
        folder: where to.
        releases: what from.
        plan: the plan of the model.
        frozen: what was written down about members before.
        report: told how many rows are done, and of how many.
        texts: whether to take the texts over too; without them a member's rows can be found, and no more.

    Raises:
        Refused: a release was changed after it was checked.
    """
    names, files = _Names(), Files.version(0)
    at = done = 0
    total = sum(len(one) for one in releases)
    with (
        (folder / TEXT).open("xb") as text,
        pa.OSFile(str(folder / files.rows), "wb") as file,
        pa.ipc.new_file(file, ROWS) as writer,
    ):
        for batch, found in placed(releases, plan, frozen):
            learned = found if texts else [b""] * len(found)
            names.add(done, batch)
            text.write(b"".join(learned))
            writer.write_batch(_stored(batch, learned, at))
            at, done = at + sum(map(len, learned)), done + batch.num_rows
            if report is not None:
                report(done, total)
    _write(folder / files.parties, names.table(plan))
    _write(folder / files.gone, GONE.empty_table())
    return Size(done, at)


def _stored(batch: pa.RecordBatch, texts: Sequence[bytes], at: int) -> pa.RecordBatch:
    sizes = np.array([len(one) for one in texts], np.int64)
    computed = {
        "at": at + np.cumsum(sizes) - sizes,
        "size": sizes,
        "check": np.array([zlib.crc32(one) for one in texts], np.uint32),
    }
    columns = [
        pa.array(computed[field.name], field.type)
        if field.name in computed
        else batch[field.name].cast(field.type)
        for field in ROWS
    ]
    return pa.RecordBatch.from_arrays(columns, schema=ROWS)


def placed(
    releases: Sequence[Loaded], plan: Plan, frozen: Frozen
) -> Iterator[tuple[pa.RecordBatch, list[bytes]]]:
    """The rows of releases with their leaves, shards and slices, and their texts.

    The batches have the columns of a release and ``release`` (its place among the releases), ``leaf``, ``shard``,
    ``slice``.
    """
    seen: set[str] = set()
    places = _Placing(plan, frozen)
    for number, loaded in enumerate(releases):
        before = len(releases) > 1
        for batch in loaded:
            if before:
                fresh = [one not in seen for one in batch["id"].to_pylist()]
                seen.update(batch["id"].to_pylist())
                batch = batch.filter(pa.array(fresh))  # noqa: PLW2901 - the rows of it that count
            if batch.num_rows:
                yield _placed(batch, number, places), _texts(batch)


class _Placing:
    """Finds the parts of rows; what one row was told is known for the next of the same member or conversation."""

    def __init__(self, plan: Plan, frozen: Frozen) -> None:
        self._plan, self._frozen = plan, frozen
        self._known: dict[tuple[object, ...], Part] = {}

    def parts(self, batch: pa.RecordBatch) -> list[Part]:
        """The part of each row."""
        return [self._part(*row) for row in _rows(batch)]

    def _part(
        self, name: str, category: str, author: str | None, to: list[str] | None, talk: str | None
    ) -> Part:
        # All that the place of a record depends on; its id only if it is nobody's.
        key = (category, author or name, bool(author), tuple(to or ()), talk)
        found = self._known.get(key)
        if found is None:
            item = Item(name, category, author, tuple(one for one in to or () if one), talk)
            found = shard_of(self._plan, item, self._frozen), slice_of(self._plan, item, self._frozen)
            if len(self._known) >= _KNOWN:
                self._known.clear()
            self._known[key] = found
        return found


_KNOWN: Final = 1 << 17


def _placed(batch: pa.RecordBatch, number: int, places: _Placing) -> pa.RecordBatch:
    parts = places.parts(batch)
    rows = batch.num_rows
    added = {
        "release": pa.array(np.full(rows, number, np.int16)),
        "leaf": unpacked(leaves_of(batch), HASH_BYTES),
        "shard": pa.array([shard for shard, _ in parts], pa.int32()),
        "slice": pa.array([slice_ for _, slice_ in parts], pa.int32()),
    }
    return pa.RecordBatch.from_arrays([*batch.columns, *added.values()], [*batch.schema.names, *added])


def _texts(batch: pa.RecordBatch) -> list[bytes]:
    titles, bodies = (batch[name].cast(pa.binary()).to_pylist() for name in ("title", "body"))
    return [text_of(title, body) for title, body in zip(titles, bodies, strict=True)]


def items_of(batch: pa.RecordBatch) -> list[Item]:
    """What the places of rows depend on."""
    return [
        Item(name, category, author, tuple(one for one in addressees or () if one), conversation)
        for name, category, author, addressees, conversation in _rows(batch)
    ]


def _rows(batch: pa.RecordBatch) -> Iterator[tuple[Any, ...]]:
    columns = ("id", "category", "author", "addressees", "conversation")
    return zip(*(batch[column].to_pylist() for column in columns), strict=True)


def first_messages(releases: Sequence[Loaded], communities: Frozen) -> dict[str, str]:
    """The community of each conversation: that of whoever wrote its first message, where it is known."""
    first: dict[str, tuple[int, str, str | None]] = {}
    for loaded in releases:
        for batch in loaded:
            created = batch["created_at"].cast(pa.int64()).to_pylist()
            for item, when in zip(items_of(batch), created, strict=True):
                if item.is_private and item.conversation is not None:
                    this = (when if when is not None else 2**62, item.id, item.author)
                    first[item.conversation] = min(first.get(item.conversation, this), this)
    return {
        conversation: communities.communities[author]
        for conversation, (_, _, author) in first.items()
        if author is not None and author in communities.communities
    }


def _write(path: Path, table: pa.Table) -> None:
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def _read(path: Path) -> pa.Table:
    try:
        with pa.memory_map(str(path)) as file:
            return pa.ipc.open_file(file).read_all()
    except (OSError, pa.ArrowInvalid) as error:
        raise Corrupt(
            f"cannot be read ({type(error).__name__})", place=Place(str(path)), remedy="restore the model"
        ) from None


# reading


class Chosen:
    """Some records of a corpus: ids and texts. Implements ``backend.Records``."""

    def __init__(self, corpus: Corpus, places: Places) -> None:
        found = corpus.rows.select(["id", "at", "size", "check"]).take(pa.array(places))
        self.ids: list[str] = found["id"].to_pylist()
        self._corpus = corpus
        self._spans: tuple[list[int], ...] = tuple(
            found[name].to_pylist() for name in ("at", "size", "check")
        )

    def __len__(self) -> int:
        return len(self.ids)

    def text(self, at: int) -> bytes:
        """The text of a record.

        Raises:
            Corrupt: it is not what it was when it was read from the release.
        """
        starts, sizes, checks = self._spans
        found = self._corpus.text(starts[at], sizes[at])
        if zlib.crc32(found) != checks[at]:
            raise Corrupt(
                "a text is not what it was",
                place=Place(str(self._corpus.folder / TEXT)),
                remedy="restore the model from a backup, or train it anew",
            )
        return found


class Corpus:
    """A corpus that is open for reading."""

    def __init__(self, folder: Path, files: Files, plan: Plan) -> None:
        self.folder = folder
        self.plan = plan
        self.files = files
        self.rows = _read(folder / files.rows)
        self._parties = _read(folder / files.parties)

    @cached_property
    def _shards(self) -> npt.NDArray[np.int32]:
        return self._column("shard")

    @cached_property
    def _slices(self) -> npt.NDArray[np.int32]:
        return self._column("slice")

    def _column(self, name: str) -> npt.NDArray[np.int32]:
        found: npt.NDArray[np.int32] = pc.fill_null(self.rows[name], -1).to_numpy()
        return found

    @cached_property
    def _text(self) -> mmap.mmap | bytes:
        with (self.folder / TEXT).open("rb") as file:
            if not os.fstat(file.fileno()).st_size:
                return b""  # nothing can be mapped of an empty file
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def text(self, start: int, size: int) -> bytes:
        """Bytes of the texts."""
        return self._text[start : start + size]

    def rows_of(self, subject: str) -> list[int]:
        """The rows of a member: those that they wrote, that were written to them, or that quote them."""
        key = np.uint64(party_key(self.plan, subject))
        parties = self._parties["party"].to_numpy()
        low, high = (int(np.searchsorted(parties, key, side)) for side in ("left", "right"))
        found = self._parties["row"].slice(low, high - low).to_pylist()
        # Two names may share a key: what stands in the row itself counts.
        return [row for row, one in zip(found, self.records(found), strict=True) if _is_party(subject, one)]

    def records(self, places: Sequence[int]) -> list[Record]:
        """Rows as the decision sees them."""
        columns = ["id", "category", "created_at", "author", "addressees", "topics"]
        found = self.rows.select(columns).take(pa.array(places, pa.int64())).to_pylist()
        return [
            Record(
                id=row["id"] or "",
                category=row["category"] or "",
                created_at=row["created_at"],
                author=row["author"],
                addressees=tuple(one or "" for one in row["addressees"] or ()),
                topics=tuple(one for one in row["topics"] or () if one),
            )
            for row in found
        ]

    def releases_of(self, places: Sequence[int]) -> list[int]:
        """From which release each row came."""
        found: list[int] = self.rows["release"].take(pa.array(places, pa.int64())).to_pylist()
        return found

    def leaves(self, places: Sequence[int] | Places) -> list[bytes]:
        """The leaves of rows."""
        found: list[bytes] = self.rows["leaf"].take(pa.array(places, pa.int64())).to_pylist()
        return found

    def parts_of(self, places: Sequence[int]) -> list[Part]:
        """The shard and slice of each row."""
        chosen = np.array(places, np.int64)
        return list(zip(self._shards[chosen].tolist(), self._slices[chosen].tolist(), strict=True))

    def in_part(self, part: Part, without: Iterable[int] = ()) -> Places:
        """The rows of a part, in their order, but for some."""
        there = (self._shards == part[0]) & (self._slices == part[1])
        for row in without:
            there[row] = False
        return np.flatnonzero(there).astype(np.int64)

    def choose(self, places: Places | Sequence[int]) -> Chosen:
        """Records by their rows."""
        return Chosen(self, np.asarray(places, np.int64))

    def root(self, places: Places) -> bytes:
        """The root over the leaves of rows, sorted: what is retained of a part."""
        return packed_root(sort_leaves(b"".join(self.leaves(places))))

    def size_of(self, places: Places | Sequence[int]) -> int:
        """The bytes of text of rows."""
        return int(pc.sum(self.rows["size"].take(pa.array(places, pa.int64()))).as_py() or 0)

    def whole(self) -> Size:
        """All that is still there."""
        there = np.flatnonzero(self._shards >= 0)
        return Size(len(there), self.size_of(there))

    def gone(self) -> list[dict[str, Any]]:
        """The leaves of rows that are gone, and where they were: ``leaf``, ``shard``, ``slice``."""
        found: list[dict[str, Any]] = _read(self.folder / self.files.gone).to_pylist()
        return found

    # forgetting

    def without(self, places: Sequence[int], number: int) -> Files:
        """Write the files of a version that does not hold some rows; their texts still stand. May be repeated."""
        files = Files.version(number)
        taken = np.zeros(self.rows.num_rows, bool)
        taken[list(places)] = True
        kept = pa.array(np.arange(self.rows.num_rows), mask=taken)
        _write(self.folder / files.rows, self.rows.take(kept))
        parties = self._parties["row"].to_numpy()
        _write(self.folder / files.parties, self._parties.filter(pa.array(~taken[parties])))
        fresh = self.rows.select(GONE.names).take(pa.array(places, pa.int64()))
        gone = pa.concat_tables([_read(self.folder / self.files.gone), fresh])
        _write(self.folder / files.gone, gone)
        return files

    def spans(self, places: Sequence[int]) -> list[tuple[int, int]]:
        """Where the texts of rows stand: their beginnings and sizes in bytes."""
        found = self.rows.select(["at", "size"]).take(pa.array(places, pa.int64()))
        return list(zip(found["at"].to_pylist(), found["size"].to_pylist(), strict=True))


def _is_party(subject: str, record: Record) -> bool:
    return subject == record.author or subject in record.addressees


def overwrite(folder: Path, spans: Iterable[tuple[int, int]]) -> int:
    """Write zeros over texts, durably, and see that nothing else is left there. Returns how many bytes."""
    written = 0
    with (folder / TEXT).open("r+b") as file:
        for at, size in spans:
            file.seek(at)
            file.write(bytes(size))
            written += size
        file.flush()
        os.fsync(file.fileno())
    return written
