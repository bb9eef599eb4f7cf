"""Who is in which release, kept for recalls: narrow rows of each release, and an index from members to releases.

The index turns a million withdrawals into one join: each member is there once, with the numbers of their releases.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa

from troth.release.engine import Limits

INDEX: Final = "index.parquet"
_PARTIES: Final = "list_distinct(list_append(coalesce(addressees, []), author))"
_OUT: Final = "(FORMAT parquet, COMPRESSION zstd)"


@contextmanager
def _engine(limits: Limits) -> Iterator[duckdb.DuckDBPyConnection]:
    settings: dict[str, Any] = {"autoinstall_known_extensions": False, "autoload_known_extensions": False}
    if limits.threads is not None:
        settings["threads"] = limits.threads
    if limits.memory is not None:
        settings["memory_limit"] = limits.memory
    if limits.folder is not None:
        settings["temp_directory"] = str(limits.folder / ".recalling")
    connection = duckdb.connect(":memory:", config=settings)
    try:
        yield connection
    finally:
        connection.close()


def _quoted(path: Path) -> str:
    return "'" + str(path.absolute()).replace("'", "''") + "'"


def write_rows(files: Sequence[Path], out: Path, limits: Limits) -> None:
    """Keep of a release's rows what recalls ask about: id, category, created_at, author, addressees, topics."""
    making = out.with_name(f".{out.name}.{secrets.token_hex(4)}.making")
    named = ", ".join(map(_quoted, files))
    try:
        with _engine(limits) as engine:
            engine.execute(
                "COPY (SELECT id, category, epoch_us(created_at) AS created_at, author, addressees, topics"  # noqa: S608 - quoted paths
                f" FROM read_parquet([{named}], hive_partitioning = false)) TO {_quoted(making)} {_OUT}"
            )
        making.chmod(0o600)
        making.rename(out)
    finally:
        making.unlink(missing_ok=True)


def write_index(folder: Path, rows: Path, number: int, limits: Limits) -> None:
    """Add a release, by a number of its own, to the index of a folder. May be repeated."""
    index, making = folder / INDEX, folder / f".{INDEX}.{secrets.token_hex(4)}.making"
    old = (
        f"read_parquet({_quoted(index)})"
        if index.exists()
        else "(SELECT '' AS subject, [] AS releases LIMIT 0)"
    )
    parties = f"SELECT DISTINCT unnest({_PARTIES}) AS subject FROM read_parquet({_quoted(rows)})"  # noqa: S608 - a quoted path
    try:
        with _engine(limits) as engine:
            engine.execute(
                "COPY (SELECT coalesce(old.subject, new.subject) AS subject,"  # noqa: S608 - quoted paths, own number
                " list_distinct(list_concat(coalesce(old.releases::USMALLINT[], []),"
                f" CASE WHEN new.subject IS NULL THEN [] ELSE [{number}::USMALLINT] END)) AS releases"
                f" FROM {old} old FULL JOIN ({parties}) new ON old.subject = new.subject) TO {_quoted(making)} {_OUT}"
            )
        making.chmod(0o600)
        making.rename(index)
    finally:
        making.unlink(missing_ok=True)


def touched(folder: Path, taken: pa.Table, limits: Limits) -> dict[int, int]:
    """How many of the members in ``taken`` (column ``subject``) are in each release, by its number: one pass."""
    with _engine(limits) as engine:
        engine.register("taken", taken)
        found = engine.execute(
            "SELECT release, count(*) FROM (SELECT unnest(releases) AS release"  # noqa: S608 - a quoted path
            f" FROM read_parquet({_quoted(folder / INDEX)}) SEMI JOIN taken USING (subject))"
            " GROUP BY release ORDER BY release"
        ).fetchall()
    return {int(release): int(members) for release, members in found}


def write_touched(folder: Path, taken: pa.Table, out: Path, limits: Limits) -> int:
    """All (release, subject) to be recalled, to a Parquet file, in one pass; how many."""
    with _engine(limits) as engine:
        engine.register("taken", taken)
        done = engine.execute(
            "COPY (SELECT unnest(releases) AS release, subject"  # noqa: S608 - quoted paths
            f" FROM read_parquet({_quoted(folder / INDEX)}) SEMI JOIN taken USING (subject))"
            f" TO {_quoted(out)} (FORMAT parquet, COMPRESSION snappy)"
        ).fetchone()
    return int(done[0]) if done else 0


def rows_of(rows: Path, taken: pa.Table, limits: Limits) -> pa.Table:
    """The rows of a release of which a member in ``taken`` is a party.

    Args:
        rows: the release's narrow rows.
        taken: columns ``subject`` and ``whole`` (every row of theirs, whatever else would allow it).
        limits: of the engine.

    Returns:
        The columns of the rows; ``parties``; and ``whole``, if it holds for one of the parties.
    """
    with _engine(limits) as engine:
        engine.register("taken", taken)
        return engine.sql(
            "SELECT id, any_value(category) AS category, any_value(created_at) AS created_at,"  # noqa: S608 - a quoted path
            " any_value(author) AS author, any_value(addressees) AS addressees, any_value(topics) AS topics,"
            " bool_or(whole) AS whole, list(subject) AS parties"
            f" FROM (SELECT *, unnest({_PARTIES}) AS subject FROM read_parquet({_quoted(rows)}))"
            " JOIN taken USING (subject) GROUP BY id ORDER BY id"
        ).to_arrow_table()


def with_ids(rows: Path, ids: pa.Table, limits: Limits) -> list[str]:
    """Those of some record ids (column ``id``) that a release holds, sorted."""
    with _engine(limits) as engine:
        engine.register("wanted", ids)
        found = engine.execute(
            f"SELECT DISTINCT id FROM read_parquet({_quoted(rows)}) SEMI JOIN wanted USING (id) ORDER BY id"  # noqa: S608 - a quoted path
        ).fetchall()
    return [str(one) for (one,) in found]


def ids_of_parties(rows: Path, subjects: Sequence[str], limits: Limits) -> set[str]:
    """The ids of the rows of which one of the members is a party."""
    table = pa.table({"subject": pa.array(subjects, pa.string()), "whole": pa.array([True] * len(subjects))})
    return set(rows_of(rows, table, limits)["id"].to_pylist()) if subjects else set()
