"""Tables as records: CSV, JSON lines and Parquet, with a mapping file or by the standard names."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path

from troth.core.errors import BadInput, Place
from troth.intake.importing import Intake
from troth.intake.mapping import Mapping, read_mapping, standard_mapping
from troth.intake.plain import MAX_LINE_BYTES, PlainRow, Table
from troth.intake.report import ImportReport
from troth.intake.rows import Item, Noted
from troth.intake.sources import Meter
from troth.intake.table_rows import read_row


def import_table(
    intake: Intake,
    paths: Sequence[Path],
    *,
    mapping: Path | None = None,
    limit: int = MAX_LINE_BYTES,
) -> ImportReport:
    """Import tables of one shape.

    Args:
        intake: where to and how.
        paths: CSV, JSON lines (both also gzip) and Parquet files.
        mapping: a mapping file; without one the table has the record columns under their own names.
        limit: bytes of the longest line that is read; longer ones are rejected with their place.

    Raises:
        BadInput: a path or the mapping is wrong, or a table lacks a column; nothing was written.
        DamagedInput: a file was damaged; the whole rows before the damage are imported.
        Unavailable: storage failed, or another import is writing.
    """
    tables, how = open_tables(paths, mapping, limit)
    meter = Meter(paths, intake.progress)
    return intake.take(_items(tables, how, meter, intake.now))


def open_tables(
    paths: Sequence[Path], mapping: Path | None, limit: int = MAX_LINE_BYTES
) -> tuple[list[Table], Mapping]:
    """Tables of one shape, their columns checked, and which of them are which.

    Raises:
        BadInput: a path or the mapping is wrong, or a table lacks a column.
    """
    how = standard_mapping(limit) if mapping is None else read_mapping(mapping, limit)
    tables = [Table(path, how.style) for path in paths]
    for table in tables:
        _check_columns(table, how)
    return tables, how


def _check_columns(table: Table, mapping: Mapping) -> None:
    """Make sure that a table which declares its columns has those that are asked for."""
    names = table.columns()
    if names is None:
        return
    needed = mapping.wanted if mapping.given else ("id", "category")
    missing = next((name for name in needed if name not in names), None)
    if missing is None:
        return
    near = difflib.get_close_matches(missing, names, n=1)
    raise BadInput(
        f"{table.path} has no column {missing!r}; it has {', '.join(names)}",
        place=mapping.places.get(missing, Place(str(table.path), 1)),
        remedy=f"did you mean {near[0]!r}?" if near else "say in a mapping file which columns are which",
    )


def _items(tables: Sequence[Table], mapping: Mapping, meter: Meter, now: int) -> Iterator[Item]:
    for table in tables:
        unseen = set(mapping.wanted) if mapping.given and table.kind == "jsonl" else set()
        for found in table.rows(meter, mapping.wanted):
            if not isinstance(found, PlainRow):
                yield found
                continue
            if unseen:
                unseen.difference_update(found.values)
            yield read_row(found, mapping, now)
        for name in sorted(unseen):
            yield Noted(f"no row has the column {name!r}")
