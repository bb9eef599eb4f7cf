"""What became known of stored records later: that they are gone, and which topics are in them.

Parts of the store never change; marks lie beside them, in files that are replaced whole. Whoever reads the
records reads them with their marks.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from troth.core.errors import Corrupt, Place
from troth.intake.parts import escaped, storage_errors, sync_folder
from troth.intake.rows import VERSION_MARK, Gone, Hint

GONE: Final = "gone.parquet"
DELETED: Final = "deleted.parquet"
TOPICS: Final = "topics.parquet"
HINTS: Final = "hints.parquet"

_GONE: Final = pa.schema(
    [pa.field("id", pa.string(), nullable=False), pa.field("gone_at", pa.int64(), nullable=False)]
)
_DELETED: Final = pa.schema(
    [pa.field("id", pa.string(), nullable=False), pa.field("deleted_at", pa.int64(), nullable=False)]
)
_HINTS: Final = pa.schema(
    [
        pa.field("account", pa.string(), nullable=False),
        pa.field("other", pa.string(), nullable=False),
        pa.field("why", pa.string(), nullable=False),
        pa.field("sure", pa.bool_(), nullable=False),
    ]
)
_TOPICS: Final = pa.schema(
    [pa.field("id", pa.string(), nullable=False), pa.field("topics", pa.list_(pa.string()), nullable=False)]
)

# A version is gone once a later one came, or the message was deleted.
_SETTLE: Final = """
WITH versions AS (
    SELECT id, split_part(id, $1, 1) AS first,
        coalesce(try_cast(nullif(split_part(id, $1, 2), '') AS BIGINT), -1) AS worded
    FROM read_parquet($2)
)
SELECT versions.id, min(gone.gone_at) AS deleted_at
FROM versions JOIN gone ON versions.first = gone.id AND gone.gone_at > versions.worded
GROUP BY versions.id ORDER BY versions.id
"""


class Marks:
    """The marks of a record store, in the folder ``marks`` inside it."""

    def __init__(self, records: Path) -> None:
        self.folder = records / "marks"

    @property
    def deleted(self) -> Path:
        """Records that are gone: ``id``, ``deleted_at``."""
        return self.folder / DELETED

    @property
    def topics(self) -> Path:
        """Topics that were found in records: ``id``, ``topics``."""
        return self.folder / TOPICS

    def files(self) -> list[Path]:
        """The files that change what the records say, as far as they are there."""
        return [path for path in (self.deleted, self.topics) if path.is_file()]

    def add_gone(self, found: Iterable[Gone], parts: Sequence[Path]) -> None:
        """Keep what is gone, and settle which of the stored records that concerns.

        It is kept also where no such record is stored yet: an older export may still come.

        Raises:
            Unavailable: storage failed.
            Corrupt: a part or the marks cannot be read.
        """
        new = [{"id": one.id, "gone_at": one.at} for one in found]
        path = self.folder / GONE
        if not new and not path.is_file():
            return
        with duckdb.connect(":memory:") as connection:
            connection.register("fresh", pa.Table.from_pylist(new, _GONE))
            try:
                if path.is_file():
                    connection.execute(
                        "CREATE TABLE gone AS SELECT id, gone_at FROM fresh"
                        " UNION SELECT id, gone_at FROM read_parquet($1)",
                        [escaped(path)],
                    )
                else:
                    connection.execute("CREATE TABLE gone AS SELECT DISTINCT id, gone_at FROM fresh")
                gone = connection.sql("FROM gone ORDER BY id, gone_at").to_arrow_table()
                deleted = _DELETED.empty_table()
                if parts:
                    names = [escaped(part) for part in parts]
                    deleted = connection.sql(_SETTLE, params=[VERSION_MARK, names]).to_arrow_table()
            except duckdb.Error as error:
                raise _corrupt(self.folder, error) from None
        self._replace(path, gone.cast(_GONE))
        self._replace(self.deleted, deleted.cast(_DELETED))

    def hints(self) -> list[Hint]:
        """What speaks for two accounts being one person's, as imports found it."""
        path = self.folder / HINTS
        return [Hint(**row) for row in pq.read_table(path).to_pylist()] if path.is_file() else []

    def add_hints(self, found: Iterable[Hint]) -> None:
        """Keep what speaks for two accounts being one person's."""
        known = dict.fromkeys(self.hints())
        new = [one for one in found if one not in known]
        if new:
            everything = [*known, *new]
            rows = [
                {"account": one.account, "other": one.other, "why": one.why, "sure": one.sure}
                for one in everything
            ]
            self._replace(self.folder / HINTS, pa.Table.from_pylist(rows, _HINTS))

    def found_topics(self) -> dict[str, list[str]]:
        """The topics that were found, by record."""
        if not self.topics.is_file():
            return {}
        try:
            return {row["id"]: row["topics"] for row in pq.read_table(self.topics).to_pylist()}
        except (pa.ArrowException, OSError, KeyError) as error:
            raise _corrupt(self.folder, error) from None

    def set_topics(self, found: Mapping[str, Sequence[str]]) -> None:
        """Replace the topics that were found: by record, in any order; records without any are left out."""
        rows = [{"id": name, "topics": sorted(found[name])} for name in sorted(found) if found[name]]
        self._replace(self.topics, pa.Table.from_pylist(rows, _TOPICS))

    def drop_topics(self, ids: Collection[str]) -> None:
        """Drop what was found in some records, such as those whose words are no longer there."""
        found = self.found_topics()
        gone = found.keys() & set(ids)
        if gone:
            self.set_topics({name: topics for name, topics in found.items() if name not in gone})

    def _replace(self, path: Path, table: pa.Table) -> None:
        """Put a table in a file's place, whole or not at all; the same content leaves the file as it is."""
        if path.is_file() and pq.read_table(path).equals(table):
            return
        temporary = path.with_name(f".{path.name}.tmp")
        with storage_errors(self.folder):
            self.folder.mkdir(mode=0o700, exist_ok=True)
            temporary.unlink(missing_ok=True)
            descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                pq.write_table(table, file, compression="zstd")
                file.flush()
                os.fsync(file.fileno())
            temporary.rename(path)
            sync_folder(self.folder)


def _corrupt(folder: Path, error: Exception) -> Corrupt:
    return Corrupt(
        f"the record store or its marks cannot be read ({type(error).__name__})",
        place=Place(str(folder)),
        remedy="restore the records from a backup",
    )
