"""Spark, the engine of a cluster: the same expression, run where the data is.

Ibis writes the SQL. What its backend does through pandas, which turns null integers into doubles, is done through
Arrow here: small tables go in and answers come out as they are.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from troth.core.errors import BadInput, Place, Unavailable
from troth.gate.sources import parquet_files

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

INSTANTS: Final = ("created_at", "deleted_at")
PLACE: Final = "place"
"""The column that ``numbered`` of the other engine adds; here bodies stay with their rows."""

_SETTINGS: Final = {
    # As SQL was before: an element that a list does not have is null, not an error.
    "spark.sql.ansi.enabled": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "16384",
    "spark.sql.mapKeyDedupPolicy": "LAST_WIN",
    "spark.sql.parquet.mergeSchema": "true",
    # Fields of a file are matched by name, whoever wrote it.
    "spark.sql.legacy.parquet.nanosAsLong": "false",
}
_STATIC: Final = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.log.level": "ERROR",
    "spark.sql.catalogImplementation": "in-memory",
    "spark.sql.shuffle.partitions": "8",
}
_MEMORY: Final = re.compile(r"^(\d+)\s*([KMGT])i?B$", re.IGNORECASE)


@cache
def connect(threads: int | None = None, memory: str | None = None) -> Any:  # noqa: ANN401 - of an extra
    """The connection of this process.

    There is one Spark in a process: where the program runs one already, that is used, with its own limits. Else
    one is started on this machine; ``SPARK_REMOTE`` and a ``spark-defaults.conf`` may say another master.

    Args:
        threads: how many tasks run at a time, on this machine; None: as many as there are cores.
        memory: of the Java machine, such as ``2GB``; None: 1 GB.

    Raises:
        Unavailable: Spark or Java is not there, or does not start.
    """
    try:
        from pyspark.sql import SparkSession
    except ImportError:
        raise Unavailable(
            "Spark is not installed", remedy="install the extra: pip install 'troth[spark]'"
        ) from None
    running = SparkSession.getActiveSession()
    return _Backends.of(running or _started(threads, memory))


def _started(threads: int | None, memory: str | None) -> SparkSession:
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    if not (os.environ.get("JAVA_HOME") or shutil.which("java")):
        raise Unavailable("there is no Java, which Spark runs on", remedy="install Java 17 or 21")
    builder = SparkSession.builder.appName("troth")
    if "MASTER" not in os.environ and "SPARK_CONF_DIR" not in os.environ:
        builder = builder.master(f"local[{threads or '*'}]")
        # Its workers are this Python, with what is installed here.
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    for key, value in {**_STATIC, **_SETTINGS, "spark.driver.memory": _java_memory(memory)}.items():
        builder = builder.config(key, value)
    try:
        return builder.getOrCreate()
    except (PySparkException, OSError, RuntimeError) as error:
        raise Unavailable(
            f"Spark does not start: {str(error).splitlines()[0]}",
            remedy="see that Java 17 or 21 is installed (java -version)",
        ) from None


def _java_memory(memory: str | None) -> str:
    if memory is None:
        return "1g"
    found = _MEMORY.match(memory.strip())
    if found is None:
        raise BadInput(f"memory is {memory!r}", remedy="write it such as 2GB")
    return found[1] + found[2].lower()


class _Backends:
    """The connections by session, so that each has its settings made once."""

    _known: Final[dict[int, Any]] = {}

    @classmethod
    def of(cls, session: SparkSession) -> Any:  # noqa: ANN401 - of an extra
        # A session of its own, so that the program's keeps its settings; data and cluster are shared.
        known = cls._known.get(id(session))
        if known is None:
            own = session.newSession()
            for key, value in _SETTINGS.items():
                own.conf.set(key, value)
            known = cls._known[id(session)] = _backend_class()()
            known.do_connect(own)
        return known


@cache
def _backend_class() -> type[Any]:
    from ibis.backends.pyspark import Backend as Ours
    from ibis.backends.sql.compilers.pyspark import PySparkCompiler

    class Compiler(PySparkCompiler):  # type: ignore[misc]
        """Ibis's compiler, with what Spark has and Ibis 12 does not know of it."""

        def visit_BitOr(self, op: Any, *, arg: Any, where: Any) -> Any:  # noqa: ANN401, N802, ARG002 - Ibis's
            return self.agg.bit_or(arg, where=where)

    class Backend(Ours):  # type: ignore[misc]
        """Ibis's backend, with Arrow tables in and out as they are."""

        compiler = Compiler()

        def _register_in_memory_table(self, op: Any) -> None:  # noqa: ANN401 - Ibis's
            data = op.data.to_pyarrow(op.schema)
            self._session.createDataFrame(data).createOrReplaceTempView(op.name)

        def to_pyarrow(self, expr: ir.Expr, /, **_: object) -> Any:  # noqa: ANN401 - as Ibis says
            table = expr.as_table()
            found = frame(table).toArrow().cast(table.schema().to_pyarrow())
            return expr.__pyarrow_result__(found)

    return Backend


def frame(table: ir.Table) -> DataFrame:
    """A table as a Spark frame: nothing is computed yet."""
    backend = table.get_backend()
    backend._run_pre_execute_hooks(table)
    return backend._session.sql(backend.compile(table))


def table_of(data: DataFrame) -> ir.Table:
    """A Spark frame as an Ibis table; instants become integer microseconds.

    Of a timestamp without a time zone, UTC is meant.
    """
    from pyspark.sql import functions as f
    from pyspark.sql import types as t

    for field in data.schema:
        name = field.name
        if name in INSTANTS and isinstance(field.dataType, t.TimestampType):
            data = data.withColumn(name, f.unix_micros(f.col(name)))
        elif name in INSTANTS and isinstance(field.dataType, t.TimestampNTZType):
            epoch = "timestampdiff(MICROSECOND, TIMESTAMP_NTZ'1970-01-01 00:00:00', `{}`)"
            data = data.withColumn(name, f.expr(epoch.format(name)))
    view = ibis.util.gen_name("frame")
    data.createGlobalTempView(view)
    backend = _Backends.of(data.sparkSession)
    own = backend._session.table(f"global_temp.{view}")
    own.createOrReplaceTempView(view)
    return backend.table(view)


def is_frame(source: object) -> bool:
    """Whether something is a Spark frame, found without importing Spark."""
    return type(source).__module__.startswith("pyspark.sql.") and type(source).__name__ == "DataFrame"


def adopted(table: ir.Table) -> ir.Table:
    """A table on a Spark connection of the caller's comes over to ours; any other stays what it is."""
    backend = table.get_backend()
    if backend.name != "pyspark" or isinstance(backend, _backend_class()):
        return table
    return table_of(frame(table))


def arrow_table(data: pa.Table, threads: int | None = None, memory: str | None = None) -> ir.Table:
    """An Arrow table on Spark."""
    backend = connect(threads, memory)
    plain = pa.table({name: _plain(data[name]) for name in data.column_names})
    return table_of(_emptied(backend._session.createDataFrame(plain), [data.schema]))


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Without dictionaries, and nulls as text: types that Spark takes."""
    if pa.types.is_null(column.type):
        return column.cast(pa.string())
    if pa.types.is_dictionary(column.type):
        return column.cast(column.type.value_type)
    return column


def _emptied(data: DataFrame, schemas: Sequence[pa.Schema]) -> DataFrame:
    """Columns that hold nothing but nulls, which Spark reads from files as integers, as what they are."""
    from pyspark.sql import functions as f

    fields = [field for schema in schemas for field in schema]
    filled = {field.name for field in fields if not pa.types.is_null(field.type)}
    for name in {field.name for field in fields} - filled:
        data = data.withColumn(name, f.lit(None))
    return data


def read_parquet(
    source: str | Path | Sequence[Path], threads: int | None = None, memory: str | None = None
) -> ir.Table:
    """Parquet files as an Ibis table on Spark: of a path or pattern (``sources.parquet_files``), or just those named.

    Columns are matched by name, those that a file lacks are null.

    Raises:
        BadInput: no such file, or no Parquet.
    """
    import pyarrow.parquet as pq
    from pyspark.errors import PySparkException

    files = parquet_files(source) if isinstance(source, str | Path) else list(source)
    session = connect(threads, memory)._session
    try:
        schemas = [pq.read_schema(file) for file in files]
        # Characters that Spark would take for a pattern stand for themselves.
        data = session.read.parquet(*(_literal(file) for file in files))
        return table_of(_emptied(data, schemas))
    except (PySparkException, pa.ArrowInvalid) as error:
        place = str(source if isinstance(source, str | Path) else files[0])
        said = str(error).splitlines()[0]
        raise BadInput(f"is no Parquet that can be read: {said}", place=Place(place)) from None


def _literal(file: Path) -> str:
    return re.sub(r"([\\{}\[\]*?,])", r"\\\1", str(file.absolute()))


def batches(table: ir.Table, rows: int) -> Iterator[pa.RecordBatch]:
    """The rows of a table as Arrow batches, one partition after another on this machine.

    For what has to end in one file here; a release's rows never come this way.
    """
    import tempfile

    import pyarrow.parquet as pq

    schema = table.schema().to_pyarrow()
    with tempfile.TemporaryDirectory(prefix=".troth-spark-") as folder:
        frame(table).write.parquet(f"{folder}/out", compression="lz4_raw")
        for file in sorted(Path(folder, "out").glob("*.parquet")):
            with pq.ParquetFile(file) as parquet:
                for batch in parquet.iter_batches(rows):
                    yield batch.cast(schema)
