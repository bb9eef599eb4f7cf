"""Data sets of others: reading their record ids, and writing verdicts where they can use them."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.csv
import pyarrow.ipc
import pyarrow.json
import pyarrow.parquet as pq

from troth.app import lineage
from troth.app.decisions import HomeGate
from troth.core.errors import BadInput, Place
from troth.core.written import Json
from troth.gate import sinks
from troth.gate.duck import batches
from troth.gate.gate import Source

_MIB = 2**20
_KINDS = (".arrow", ".parquet", ".jsonl", ".csv")
"""Of a folder all of these are read: a file that is passed over would pass the gate."""
_BESIDE = ("dataset_info.json", "state.json", "dataset_dict.json", "README.md", ".gitattributes")
"""What libraries put beside the data; it holds no rows."""
_ROWS = 100_000
VERDICT_COLUMNS: Final = ("id", "verdict", "reason", "party", "judged", "codes")
"""The columns of written verdicts."""


def read_ids(path: Path, column: str = "id") -> pa.Table:
    """The record ids of a data set as a table with the one column ``id``.

    Args:
        path: Parquet, JSON lines, CSV, an Arrow file, or a folder of these (such as Hugging Face datasets save).
        column: the column that holds the ids.

    Raises:
        BadInput: the data set cannot be read, or has no such column.
    """
    files = _data_files(path)
    try:
        tables = [_read_column(file, column) for file in files]
    except KeyError:
        raise BadInput(
            f"has no column {column!r}",
            place=Place(str(path)),
            remedy="name the column of the record ids with --id-column",
        ) from None
    except (pa.ArrowException, OSError) as error:
        raise BadInput(
            f"cannot be read: {_without_values(error)}",
            place=Place(str(path)),
            remedy="expected Parquet, JSON lines, CSV or Arrow with record ids as text",
        ) from None
    ids = pa.chunked_array([chunk for table in tables for chunk in table.column(0).chunks], type=pa.string())
    return pa.table({"id": ids})


def _without_values(error: Exception) -> str:
    """Arrow's text without the row that it quotes where the cells of a CSV file are too many or too few."""
    return re.sub(r"(Expected \d+ columns, got \d+).*", r"\1", str(error).partition("\n")[0])


def _data_files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise BadInput("there is no such data set", place=Place(str(path)))
    files = []
    for file in sorted(path.rglob("*")):
        if file.is_symlink():
            raise BadInput("is a link, which is not followed", place=Place(str(file)), remedy="take it out")
        if not file.is_file() or file.name in _BESIDE:
            continue
        if file.suffix.lower() not in _KINDS:
            raise BadInput(
                "is of a kind that cannot be checked",
                place=Place(str(file)),
                remedy=f"expected {', '.join(_KINDS)}",
            )
        files.append(file)
    if files:
        return files
    raise BadInput(
        "holds no data that can be checked",
        place=Place(str(path)),
        remedy=f"expected {', '.join(_KINDS)}",
    )


def _read_column(file: Path, column: str) -> pa.Table:
    suffix = file.suffix.lower()
    if suffix == ".parquet":
        if column not in pq.read_schema(file).names:
            raise KeyError(column)
        table = pq.read_table(file, columns=[column])
    elif suffix == ".arrow":
        with pa.memory_map(str(file)) as source:
            table = _open_arrow(source).read_all().select([column])
    elif suffix == ".csv":
        options = pyarrow.csv.ConvertOptions(include_columns=[column], column_types={column: pa.string()})
        table = pyarrow.csv.read_csv(file, convert_options=options)
    else:
        options = pyarrow.json.ReadOptions(block_size=16 * _MIB)
        table = pyarrow.json.read_json(file, read_options=options).select([column])
    if table.num_columns != 1:
        raise KeyError(column)
    return pa.table({"id": table.column(0).cast(pa.string())})


def _open_arrow(source: pa.MemoryMappedFile) -> pa.RecordBatchReader:
    try:
        return pa.ipc.open_stream(source)
    except pa.ArrowInvalid:
        source.seek(0)
        return pa.ipc.open_file(source)


def write_verdicts(gate: HomeGate, source: Source | None, path: Path) -> int:
    """Write every verdict to a Parquet file, whole or not at all. Returns the number of records.

    Columns: id, verdict, reason, party, judged, codes (see ``troth.gate.plan.decided``).
    """
    with lineage.deciding(gate, "decide", source) as told:
        written = _write_private(gate.decide(source).select(*VERDICT_COLUMNS), path)
        told.made(lineage.dataset(path))
    return written


def give_verdicts(gate: HomeGate, source: Source | None, target: Path | str) -> dict[str, Json]:
    """Write every verdict to a file or, by its name, to a table elsewhere: the JSON of ``troth decide --out``."""
    if isinstance(target, Path):
        return {"records": write_verdicts(gate, source, target), "path": str(target)}
    sunk = sink_verdicts(gate, source, target)
    return {"records": sunk.rows, "path": sunk.name, "version": sunk.version}


def sink_verdicts(gate: HomeGate, source: Source | None, target: str) -> sinks.Sunk:
    """Write every verdict to a table elsewhere, whole or not at all; columns as of ``write_verdicts``.

    Verdicts tell who chose what: who may read the table is for its owner to see to.
    """
    with lineage.deciding(gate, "decide", source) as told:
        table = gate.decide(source).select(*VERDICT_COLUMNS)
        schema = table.schema().to_pyarrow()
        sunk = sinks.write(target, (batch.cast(schema) for batch in batches(table, _ROWS)), schema)
        told.made(lineage.dataset(target))
    return sunk


def write_part(decided: ir.Table, path: Path) -> int:
    """Write the verdicts of some records; as ``write_verdicts``."""
    return _write_private(decided.select(*VERDICT_COLUMNS), path)


def join_parts(parts: Sequence[Path], path: Path) -> int:
    """Make one file of the verdicts in several, whole or not at all. Returns the number of records."""
    schema = pq.read_schema(parts[0])

    def batches_of() -> Iterator[pa.RecordBatch]:
        for part in parts:
            with pq.ParquetFile(part) as file:
                yield from file.iter_batches(_ROWS)

    return _write_batches(batches_of(), schema, path)


def write_left_out(decided: ir.Table, path: Path) -> int:
    """Write the records that are not allowed, and why, to a Parquet file; columns as of ``write_verdicts``."""
    return _write_private(decided.filter(decided.verdict != "allowed").select(*VERDICT_COLUMNS), path)


def _write_private(table: ir.Table, path: Path) -> int:
    schema = table.schema().to_pyarrow()
    return _write_batches(batches(table, _ROWS), schema, path)


def _write_batches(rows: Iterator[pa.RecordBatch], schema: pa.Schema, path: Path) -> int:
    """Verdicts tell who chose what: the file is readable by its owner alone."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.making")
    written = 0
    try:
        descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            with pq.ParquetWriter(file, schema, compression="zstd") as writer:
                for batch in rows:
                    writer.write_batch(batch.cast(schema))
                    written += batch.num_rows
            os.fsync(file.fileno())
        temporary.rename(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return written
