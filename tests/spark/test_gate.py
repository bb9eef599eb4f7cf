"""The gate on Spark says what the reference says; many more worlds are in tests/acceptance."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.properties.test_decision import check_gate, worlds_of
from tests.properties.worlds import as_table
from troth.core.errors import BadInput
from troth.gate import spark
from troth.gate.gate import DUCKDB, SPARK, Gate, open_records

pytestmark = [
    pytest.mark.needs_spark,
    # Spark leaves its sockets to the collector, and speaks to pandas by old names.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:pyspark"),
]


@pytest.mark.usefixtures("session")
def test_the_gate_on_spark_says_what_the_reference_says() -> None:
    check_gate(0, SPARK, worlds=1)


def micros(day: datetime) -> int:
    return int(day.replace(microsecond=0).timestamp()) * 1_000_000 + day.microsecond


def test_instants_keep_their_microseconds_and_nulls_stay_nulls(session: Any, tmp_path: Path) -> None:
    instants = [
        datetime(2024, 2, 29, 23, 59, 59, 999_999, UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC),
        datetime(1901, 1, 1, 0, 0, 0, 1, UTC),
        None,
    ]
    table = pa.table(
        {
            "id": ["a", "b", "c", "d"],
            "category": ["private_message"] * 4,
            "created_at": pa.array(instants, pa.timestamp("us", "UTC")),
            "deleted_at": pa.array(
                [one and one.replace(tzinfo=None) for one in instants], pa.timestamp("us")
            ),
            "author": ["", "x", None, "y"],
            "addressees": pa.array([[], None, ["z", None], [""]], pa.list_(pa.string())),
            "topics": pa.nulls(4),
        }
    )
    pq.write_table(table, tmp_path / "r.parquet")
    names = ["id", "created_at", "deleted_at", "author", "addressees"]
    wanted = open_records(tmp_path / "r.parquet", DUCKDB).select(names).to_pyarrow().sort_by("id").to_pylist()
    expected = [one and micros(one) for one in instants]
    assert [row["created_at"] for row in wanted] == expected
    assert [row["deleted_at"] for row in wanted] == expected
    sources = (
        tmp_path / "r.parquet",
        table,
        session.read.parquet(str(tmp_path / "r.parquet")).drop("topics"),
    )
    for source in sources:
        found = open_records(source, SPARK).select(names).to_pyarrow().sort_by("id").to_pylist()
        assert found == wanted


def test_a_spark_frame_is_decided_where_it_is(session: Any) -> None:
    world = worlds_of(1)[0]
    gate = Gate(world.known, world.question.use, world.question.at)
    frame = session.createDataFrame(as_table(world.records))
    decided = gate.decide(frame)
    assert decided.get_backend().name == "pyspark"
    wanted = gate.summary(as_table(world.records))
    assert gate.summary(frame) == wanted
    batches = list(spark.batches(decided.select("id", "code"), 50))
    assert sum(batch.num_rows for batch in batches) == len(world.records)


@pytest.mark.usefixtures("session")
def test_what_is_no_parquet_is_refused_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"no")
    with pytest.raises(BadInput, match=r"x\.parquet: is no Parquet"):
        open_records(tmp_path / "x.parquet", SPARK)
