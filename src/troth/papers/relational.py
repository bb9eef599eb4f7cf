"""The relational side: members' attributes as spans of time, in DuckDB, for counts over millions of members.

Figures are counted here by SQL that a paper shows; tests count them again by the reference decision's own view of a
member (``troth.core.standing``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Final, TypeAlias

import duckdb
import pyarrow as pa

Bodies: TypeAlias = Iterable[tuple[int, str, bytes]]
"""(position, subject, body) of members' entries, as ``Ledger.bodies`` gives them."""

BATCH: Final = 500_000

_SCHEMA: Final = pa.schema([("position", pa.int64()), ("subject", pa.string()), ("body", pa.string())])

NAMES: Final = ("tier", "jurisdiction", "status")

# ``since`` is ISO 8601 in UTC; instants are microseconds. A key that an entry names with null is unknown from then on,
# a key that it does not name stays what it was: a JSON null and a missing key (SQL NULL) are told apart. One call takes
# all keys out, since each reads the whole body.
_READ: Final = """
INSERT INTO attributes
SELECT position, subject, epoch_us(CAST(found[1]->>'$' AS TIMESTAMP)), {columns}
FROM (SELECT position, subject, json_extract(body, [{paths}]) AS found FROM batch) WHERE found[1] IS NOT NULL
"""

_SPANS: Final = """
CREATE TABLE spans_of_{name} AS
SELECT subject, {name}, since AS start,
       COALESCE(LEAD(since) OVER (PARTITION BY subject ORDER BY since, position), {end}) AS stop, position
FROM attributes WHERE names_{name}
"""
END: Final = 2**62


@contextmanager
def engine(threads: int | None = None, memory: str | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory that fetches nothing from outside."""
    settings: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    if threads is not None:
        settings["threads"] = threads
    if memory is not None:
        settings["memory_limit"] = memory
    with duckdb.connect(":memory:", config=settings) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


def load_attributes(
    connection: duckdb.DuckDBPyConnection, bodies: Bodies, names: Sequence[str] = NAMES
) -> None:
    """Read members' attributes into ``attributes``, and make ``spans_of_tier`` and so on: [start, stop) in microseconds.

    A span of no length (two entries of one instant: the later in the ledger holds) stays out by itself.

    Args:
        connection: a database without these tables.
        bodies: all entries of members, or more.
        names: those attributes that will be asked about, of NAMES.
    """
    kinds = "".join(f", names_{one} BOOLEAN, {one} VARCHAR" for one in names)
    connection.execute(f"CREATE TABLE attributes (position BIGINT, subject VARCHAR, since BIGINT{kinds})")
    columns = ", ".join(f"found[{at}] IS NOT NULL, found[{at}]->>'$'" for at in range(2, len(names) + 2))
    paths = ", ".join(f"'$.event.{one}'" for one in ("since", *names))
    read = _READ.format(columns=columns, paths=paths)
    wanted = (one for one in bodies if b'"since":' in one[2])
    while chunk := list(islice(wanted, BATCH)):
        positions, subjects, texts = zip(*chunk, strict=True)
        arrays = [
            pa.array(positions, pa.int64()),
            pa.array(subjects, pa.string()),
            pa.array(texts, pa.binary()).cast(pa.string()),
        ]
        connection.register("batch", pa.Table.from_arrays(arrays, schema=_SCHEMA))
        connection.execute(read)
        connection.unregister("batch")
    for name in names:
        connection.execute(_SPANS.format(name=name, end=END))


def load_people(connection: duckdb.DuckDBPyConnection, joined: Iterable[tuple[str, str]]) -> None:
    """Make ``people``: (account, person) of accounts that were joined to another; others are a person by themselves."""
    rows = list(joined)
    connection.execute("CREATE TABLE people (account VARCHAR, person VARCHAR)")
    if rows:
        connection.executemany("INSERT INTO people VALUES (?, ?)", rows)


CROWD: Final = """
WITH present AS (
  SELECT subject, MIN(since) AS joined FROM attributes GROUP BY subject HAVING MIN(since) <= $now
), held AS (
  SELECT subject, status FROM spans_of_status WHERE start <= $now AND $now < stop
), counted AS (
  SELECT present.subject FROM present LEFT JOIN held USING (subject)
  WHERE COALESCE(held.status, 'active') NOT IN ('closed', 'erased')
    AND present.subject NOT IN (SELECT unnest($gone::VARCHAR[]))
)
SELECT COALESCE(span.{name}, 'not known') AS value, COUNT(*) AS members
FROM counted LEFT JOIN (SELECT subject, {name} FROM spans_of_{name} WHERE start <= $now AND $now < stop) AS span USING (subject)
GROUP BY 1 ORDER BY 1
"""


def crowd(
    connection: duckdb.DuckDBPyConnection, now: int, gone: list[str], name: str
) -> list[tuple[str, int]]:
    """Members who are there at an instant, by an attribute (``tier``, ``jurisdiction``); ``gone``: who were erased."""
    rows = connection.execute(CROWD.format(name=name), {"now": now, "gone": gone}).fetchall()
    return [(str(value), int(members)) for value, members in rows]
