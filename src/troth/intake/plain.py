"""Tables as plain rows: CSV, JSON lines, Parquet; one row at a time, with bounded memory and with places.

Values are those of JSON, and ``Moment`` for the instants that Parquet knows as such.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from troth.core.errors import BadInput, Place
from troth.intake.rows import Damaged, Rejected, Where
from troth.intake.sources import Meter, Source, Unreadable, check_files, open_file, open_source

MAX_LINE_BYTES: Final = 64 * 1024 * 1024

_BATCH_ROWS: Final = 1024
_MAX_PREAMBLE: Final = 20
_SNIFF_BYTES: Final = 1024
_GET_ANEW: Final = "get the file anew and import it again; what is stored is recognised"
_KINDS: Final = {
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
}


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant in microseconds UTC, as Parquet's own types give it."""

    instant: int


@dataclass(frozen=True, slots=True)
class PlainRow:
    """One row: its place and its values by column. In JSON lines a column may be missing."""

    where: Where
    values: Mapping[str, object]


Found: TypeAlias = PlainRow | Rejected | Damaged


@dataclass(frozen=True, slots=True)
class Style:
    """How text is laid out where nothing in it says so."""

    delimiter: str = ","
    encoding: str = "utf-8"
    limit: int = MAX_LINE_BYTES


class Table:
    """One table file. Raises BadInput when it is no file or of no kind that is known by its name."""

    def __init__(self, path: Path, style: Style | None = None) -> None:
        check_files([path])
        self.path = path
        self.kind = _kind_of(path)
        self._style = style or Style()

    def columns(self) -> tuple[str, ...] | None:
        """The columns that the file declares; None for JSON lines, which declare none, and damaged files.

        Raises:
            BadInput: a column is named twice, there is no header, or the file is no table of its kind.
        """
        names: list[str] | None = None
        try:
            if self.kind == "csv":
                with open_source(self.path, _unwatched()) as source:
                    names = _header(self.path, _csv_reader(_Lines(source, self._style), self._style))
            elif self.kind == "jsonl":
                _check_objects(self.path)
            else:
                with open_file(self.path) as file:
                    names = list(pq.ParquetFile(file).schema_arrow.names)
        except (Unreadable, pa.ArrowException, OSError):
            return None
        if names is None:
            return None
        for name in names:
            if names.count(name) > 1:
                raise BadInput(
                    f"two columns are called {name!r}", place=Place(str(self.path), 1), remedy="rename one"
                )
        return tuple(names)

    def rows(self, meter: Meter, wanted: Collection[str] | None = None) -> Iterator[Found]:
        """The rows in order; damage is the last thing to come.

        Args:
            meter: told how far reading is.
            wanted: the columns to read (all if None); a hint that saves work in Parquet.
        """
        reader: Callable[[Source, Style], Iterator[PlainRow | Rejected]]
        match self.kind:
            case "csv":
                reader = csv_rows
            case "jsonl":
                reader = _json_rows
            case _:
                yield from _parquet_rows(self.path, meter, wanted)
                return
        done = 0
        try:
            with open_source(self.path, meter) as source:
                for found in reader(source, self._style):
                    done = found.where.line or done
                    yield found
        except Unreadable as damage:
            yield Damaged(Where(str(self.path), line=done + 1), str(damage), _GET_ANEW)


def _kind_of(path: Path) -> str:
    name = path.name.lower().removesuffix(".gz")
    kind = _KINDS.get(Path(name).suffix)
    if kind is None:
        raise BadInput(
            f"expected a name that ends in {', '.join(_KINDS)} (text also with .gz)",
            place=Place(str(path)),
            remedy="rename the file after what it holds",
        )
    return kind


def _unwatched() -> Meter:
    return Meter((), lambda _done, _total: None)


class _TooLong(Exception):
    """A line is longer than the limit; it was passed over."""


class _Lines:
    """The lines of a file as text; ``number`` is that of the last one that was handed out or passed over."""

    def __init__(self, source: Source, style: Style) -> None:
        self.number = 0
        self._source = source
        self._style = style

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        """The next line. Bytes that the encoding cannot read become lone surrogates."""
        data = self.take()
        if not data:
            raise StopIteration
        return data.decode(self._style.encoding, "surrogateescape")

    def take(self) -> bytes:
        """The next line as it stands; empty at the end."""
        data = self._source.line(self._style.limit)
        self.number += bool(data)
        if len(data) >= self._style.limit and not data.endswith(b"\n"):
            self._source.skip_line()
            raise _TooLong
        return data


# CSV


def _csv_reader(lines: _Lines, style: Style) -> Iterator[list[str]]:
    # The limit is one of the process; whatever reads CSV beside us is content with a larger one.
    csv.field_size_limit(max(csv.field_size_limit(), style.limit))
    return csv.reader(lines, delimiter=style.delimiter, strict=True)


def _header(path: Path, reader: Iterator[list[str]]) -> list[str]:
    try:
        names = next(reader, None)
    except (csv.Error, _TooLong):
        names = None
    if not names:
        raise BadInput("has no header line", place=Place(str(path), 1), remedy="name the columns in line 1")
    return [name.strip() for name in names]


def csv_rows(source: Source, style: Style, begins: str = "") -> Iterator[PlainRow | Rejected]:
    """The rows of an open CSV file.

    Args:
        source: the file.
        style: how it is laid out.
        begins: a column of the header line; lines before one that has it are a preamble. Empty: line 1.

    Raises:
        BadInput: there is no header line.
        Unreadable: the file is damaged.
    """
    lines = _Lines(source, style)
    reader = _csv_reader(lines, style)
    names = _header(source.path, reader)
    for _ in range(_MAX_PREAMBLE if begins else 0):
        if begins in names:
            break
        names = [name.strip() for name in next(reader, [])]
    while True:
        where = Where(str(source.path), line=lines.number + 1)
        try:
            cells = next(reader, None)
        except _TooLong:
            yield Rejected(where, f"the line is longer than {style.limit:,} bytes")
            continue
        except csv.Error as error:
            yield Rejected(where, _csv_reason(str(error)))
            continue
        if cells is None:
            return
        if cells:
            yield _csv_row(where, names, cells, style)


def _csv_row(where: Where, names: list[str], cells: list[str], style: Style) -> PlainRow | Rejected:
    if len(cells) != len(names):
        return Rejected(where, f"the row has {len(cells)} cells, the header {len(names)}")
    if not all(map(_is_whole, cells)):
        return Rejected(where, f"the row is not {style.encoding.upper()}")
    return PlainRow(where, dict(zip(names, cells, strict=True)))


def _is_whole(cell: str) -> bool:
    """Whether every byte could be read; those that could not are lone surrogates."""
    if cell.isascii():
        return True
    try:
        return bool(cell.encode())
    except UnicodeEncodeError:
        return False


_CSV_REASONS: Final = {
    "unexpected end of data": "a quoted cell is not closed before the end of the file",
    "field larger than field limit": "a quoted cell is not closed",
    "new-line character": "a carriage return stands in a cell that is not quoted",
}


def _csv_reason(text: str) -> str:
    known = (reason for start, reason in _CSV_REASONS.items() if text.startswith(start))
    return next(known, "the quotes of the row do not fit together")


# JSON lines


def _check_objects(path: Path) -> None:
    with open_source(path, _unwatched()) as source:
        if source.line(_SNIFF_BYTES).lstrip().startswith(b"["):
            raise BadInput(
                "expected one JSON object a line, found a JSON array",
                place=Place(str(path), 1),
                remedy="write each object on a line of its own, for instance with `jq -c '.[]'`",
            )


def _json_rows(source: Source, style: Style) -> Iterator[PlainRow | Rejected]:
    lines = _Lines(source, style)
    while True:
        where = Where(str(source.path), line=lines.number + 1)
        try:
            data = lines.take()
        except _TooLong:
            yield Rejected(where, f"the line is longer than {style.limit:,} bytes")
            continue
        if not data:
            return
        if data.strip():
            yield _json_row(where, data)


def _json_row(where: Where, data: bytes) -> PlainRow | Rejected:
    try:
        value = json.loads(data.decode("utf-8"))
    except UnicodeDecodeError:
        return Rejected(where, "the line is not UTF-8")
    except RecursionError:
        return Rejected(where, "the line is nested too deeply")
    except ValueError:
        return Rejected(where, "the line is not JSON")
    if not isinstance(value, dict):
        return Rejected(where, "expected a JSON object on the line")
    return PlainRow(where, value)


# Parquet


def _parquet_rows(path: Path, meter: Meter, wanted: Collection[str] | None) -> Iterator[Found]:
    number = 0
    try:
        with open_file(path) as opened:
            file = pq.ParquetFile(opened, page_checksum_verification=True)
            names = [name for name in file.schema_arrow.names if wanted is None or name in wanted]
            size, rows = path.stat().st_size, max(1, file.metadata.num_rows)
            for batch in file.iter_batches(_BATCH_ROWS, columns=names):
                for values in _batch_values(batch):
                    number += 1
                    where = Where(str(path), row=number)
                    if values is None:
                        yield Rejected(where, "the row is not UTF-8")
                    else:
                        yield PlainRow(where, values)
                meter.add(size * number // rows - size * (number - batch.num_rows) // rows)
    except (pa.ArrowException, OSError) as error:
        why = "the Parquet file is damaged or ends too early"
        detail = "" if isinstance(error, pa.ArrowInvalid) else f" ({type(error).__name__})"
        yield Damaged(Where(str(path), row=number + 1), why + detail, _GET_ANEW)


def _batch_values(batch: pa.RecordBatch) -> Iterator[dict[str, object] | None]:
    """The rows of a batch; None for one whose text is not UTF-8."""
    columns = [_plain_column(column) for column in batch.columns]
    try:
        values = [column.to_pylist() for column in columns]
    except UnicodeDecodeError:
        for index in range(batch.num_rows) if batch.num_rows > 1 else ():
            yield from _batch_values(batch.slice(index, 1))
        if batch.num_rows == 1:
            yield None
        return
    moments = [
        pa.types.is_temporal(column.type) and not plain.type.equals(column.type)
        for column, plain in zip(batch.columns, columns, strict=True)
    ]
    for row in zip(*values, strict=True):
        yield {
            name: Moment(value) if moment and value is not None else value
            for name, value, moment in zip(batch.schema.names, row, moments, strict=True)
        }


def _plain_column(column: pa.Array) -> pa.Array:
    """Instants and days as integers in microseconds (a day is its midnight UTC); the rest as it is."""
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return column.cast(pa.timestamp("us", getattr(kind, "tz", None)), safe=False).cast(pa.int64())
    return column
