"""Tables elsewhere as records, pinned: what a release was built from has a name and a digest in its manifest.

Delta and Iceberg tables are read at one version or snapshot, which can be had again. A PostgreSQL table is read
in one transaction and has the digest of its rows; of an object store the files have theirs. How such tables are
called: ``troth.gate.addresses``.
"""

from __future__ import annotations

import hashlib
import tempfile
import weakref
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, Final, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from troth.core.errors import BadInput, Conflict, Place
from troth.core.manifest import File
from troth.gate import drivers
from troth.gate.addresses import (
    DELTA,
    ICEBERG,
    Address,
    Delta,
    Iceberg,
    Objects,
    Postgres,
    is_address,
    read_address,
)

if TYPE_CHECKING:
    import pyarrow.dataset as ds

_TEXTS: Final = ("id", "category", "author", "conversation", "title", "body")
_LISTS: Final = ("addressees", "topics")
_RECORD: Final = (*_TEXTS, *_LISTS, "created_at", "deleted_at", "salt")
_PIECE: Final = 2**22  # bytes of an object that are hashed at a time

Rows: TypeAlias = "ds.Dataset | Copy"


class Copy:
    """Rows copied to a file of this machine that has no name: nobody else opens it, and it goes with the process."""

    def __init__(self, folder: Path) -> None:
        self._file: BinaryIO = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - open as long as it is read
        weakref.finalize(self, self._file.close)

    def fill(self, batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> None:
        """Write the rows, as Parquet."""
        with pq.ParquetWriter(self._file, schema, compression="lz4") as writer:
            for batch in batches:
                writer.write_batch(batch)
        self._file.flush()

    def keep(self) -> None:
        """Do nothing; whoever holds this method keeps the copy."""

    @property
    def path(self) -> Path:
        """Where it can be opened by this process."""
        return Path(f"/proc/self/fd/{self._file.fileno()}")


@dataclass(frozen=True, eq=False)
class Pinned:
    """A table as it is at one time.

    ``address`` is what it was called; ``name`` says that without credentials; ``key`` tells it from the same table
    at other times; ``rows`` are an Arrow dataset, or a copy here. ``inputs`` finds out what the manifest says of it;
    ``check`` raises Conflict if other rows may have been read meanwhile.
    """

    address: Address
    name: str
    key: Hashable
    rows: Rows
    inputs: Callable[[], Sequence[File]]
    check: Callable[[], None] = field(default=lambda: None)


def pin(source: str, folder: Path) -> Pinned:
    """Open a table as its name says, or as it is now.

    Args:
        source: its name.
        folder: where copies may lie while they are read; they have no name there.

    Raises:
        BadInput: there is no such table, version or object, or it has features that cannot be read.
        Unavailable: a library is not installed, or the store does not answer.
    """
    address = read_address(source)
    match address:
        case Delta():
            return _delta(address)
        case Iceberg():
            return _iceberg(address, folder)
        case Postgres():
            return _postgres(address, folder)
        case Objects():
            return _objects(address)


# --- Delta


def _delta(address: Delta) -> Pinned:
    with drivers.delta(address) as library:
        table = library.DeltaTable(address.path, version=address.version)
        version = int(table.version())
        rows = table.to_pyarrow_dataset()
    # The version's entry in the table's own log names every file of the version.
    entry = f"_delta_log/{version:020}.json"
    try:
        with _inside(address.path) as (filesystem, path):
            digest = _digest(filesystem, f"{path}/{entry}")
    except (BadInput, OSError):
        raise BadInput(
            f"the log of the table does not hold version {version} any more",
            place=Place(address.shown),
            remedy="name a newer version",
        ) from None
    name = f"{DELTA}{PurePosixPath(path).name}@{version}"
    shown = Delta(address.path, version).shown
    return Pinned(address, shown, (address.path, version), rows, lambda: [File(name, digest)])


@contextmanager
def _inside(path: str) -> Iterator[tuple[fs.FileSystem, str]]:
    if is_address(path):
        with drivers.objects(Objects(path)) as (filesystem, inner):
            yield filesystem, inner.rstrip("/")
    else:
        yield fs.LocalFileSystem(), str(Path(path).absolute())


# --- Iceberg


def _iceberg(address: Iceberg, folder: Path) -> Pinned:
    copy = Copy(folder)
    with drivers.iceberg(address) as catalog:
        table = catalog.load_table(address.table)
        snapshot = (
            table.current_snapshot() if address.snapshot is None else table.snapshot_by_id(address.snapshot)
        )
        if snapshot is None:
            raise BadInput(
                "the table has no such snapshot" if address.snapshot else "the table holds nothing yet",
                place=Place(address.shown),
                remedy="name a snapshot that has not expired",
            )
        number = int(snapshot.snapshot_id)
        # The library knows which rows were deleted, and which names columns had; so it reads them.
        reader = table.scan(snapshot_id=number).to_arrow_batch_reader()
        copy.fill(reader, reader.schema)
        # The list of manifests names all files of the snapshot.
        with table.io.new_input(snapshot.manifest_list).open() as listed:
            digest = hashlib.sha256(listed.read()).hexdigest()
    pinned = File(f"{ICEBERG}{address.table}@{number}", digest)
    shown = Iceberg(address.catalog, address.table, number).shown
    return Pinned(address, shown, shown, copy, lambda: [pinned])


# --- PostgreSQL


def _postgres(address: Postgres, folder: Path) -> Pinned:
    copy = Copy(folder)
    with drivers.postgres(address) as connection, connection.cursor() as cursor:
        # One snapshot for everything that is read in this transaction.
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        there = _columns(cursor, address)
        cursor.execute(
            "SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()::text"
            " ELSE pg_current_wal_lsn()::text END"
        )
        position = cursor.fetchall()[0][0]
        wanted = [name for name in _RECORD if name in there]
        columns = ", ".join(f"{drivers.quote(name)}{_AS_TEXT.get(name, '')}" for name in wanted)
        cursor.execute(f"SELECT {columns} FROM {drivers.quoted(address)}")  # noqa: S608 - quoted names
        reader = cursor.fetch_record_batch()
        copy.fill(reader, reader.schema)
    name = f"postgresql:{address.named}@{position}"

    def inputs() -> Sequence[File]:
        from troth.gate.digest import rows_digest

        return [File(name, rows_digest(copy.path))]

    return Pinned(address, f"{address.shown}@{position}", id(copy), copy, inputs)


_AS_TEXT: Final = dict.fromkeys(_TEXTS, "::text") | dict.fromkeys(_LISTS, "::text[]")


def _columns(cursor: Any, address: Postgres) -> list[str]:  # noqa: ANN401 - of an extra
    there = drivers.columns(cursor, address)
    if not there:
        raise BadInput(
            "there is no such table",
            place=Place(address.shown),
            remedy="check its schema and name, and that this user may read it",
        )
    missing = [name for name in ("id", "category", "created_at", "author") if name not in there]
    if missing:
        raise BadInput(
            f"the table has no column {', '.join(missing)}; it has {', '.join(there)}",
            place=Place(address.shown),
            remedy="name a view that calls the columns as the documentation says",
        )
    return there


# --- object stores


def _objects(address: Objects) -> Pinned:
    import pyarrow.dataset as ds

    with drivers.objects(address) as (filesystem, path):
        found = _listed(filesystem, path, address)
        try:
            schemas = [pq.read_schema(one.path, filesystem=filesystem) for one in found]
            schema = pa.unify_schemas([_plain(one) for one in schemas], promote_options="permissive")
        except pa.ArrowException as error:
            said = str(error).splitlines()[0]
            raise BadInput(f"is no Parquet that can be read: {said}", place=Place(address.shown)) from None
        rows = ds.dataset([one.path for one in found], schema, "parquet", filesystem)

    def inputs() -> Sequence[File]:
        with drivers.objects(address):
            return [File(one.base_name, _digest(filesystem, one.path)) for one in found]

    def check() -> None:
        with drivers.objects(address):
            if _stamps(_listed(filesystem, path, address)) != _stamps(found):
                raise Conflict("the records changed while they were read", place=Place(address.shown))

    return Pinned(address, address.shown, (address.url, _stamps(found)), rows, inputs, check)


def _listed(filesystem: fs.FileSystem, path: str, address: Objects) -> list[fs.FileInfo]:
    """The Parquet files that an address stands for, in the order of their names."""
    if "*" in path:
        folder = path.partition("*")[0].rpartition("/")[0]
        listed = filesystem.get_file_info(fs.FileSelector(folder, recursive=True))
        found = [one for one in listed if PurePosixPath(one.path).match(path)]
    else:
        (info,) = filesystem.get_file_info([path.rstrip("/")])
        if info.type == fs.FileType.Directory:
            listed = filesystem.get_file_info(fs.FileSelector(info.path))
            found = [one for one in listed if one.path.endswith(".parquet")]
        else:
            found = [info]
    files = sorted((one for one in found if one.type == fs.FileType.File), key=lambda one: str(one.path))
    if not files:
        raise BadInput("no object matches", place=Place(address.shown), remedy="check the address or pattern")
    return files


def _stamps(files: Iterable[fs.FileInfo]) -> tuple[tuple[str, int, int | None], ...]:
    return tuple((one.path, one.size, one.mtime_ns) for one in files)


def _plain(schema: pa.Schema) -> pa.Schema:
    """Without dictionaries, as files are read elsewhere here."""
    return pa.schema(
        [
            one.with_type(one.type.value_type) if pa.types.is_dictionary(one.type) else one
            for one in schema.remove_metadata()
        ]
    )


def _digest(filesystem: fs.FileSystem, path: str) -> str:
    sha = hashlib.sha256()
    with filesystem.open_input_stream(path) as stream:
        while piece := stream.read(_PIECE):
            sha.update(piece)
    return sha.hexdigest()
