"""What the gate takes: the same records in every shape say the same; what cannot be read is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.properties.worlds import World, as_table, eventful_world
from troth.core.decide import decide
from troth.core.errors import BadInput
from troth.core.standing import Known
from troth.core.values import FIRST_INSTANT, LAST_INSTANT, Record, Use
from troth.gate.gate import Gate, Source, open_records
from troth.gate.plan import ANSWERS as ANSWERS_OF_THE_PLAN

ANSWERS = ["id", "verdict", "reason", "party", "judged", "codes"]
US = 1_000_000


@pytest.fixture(scope="module")
def world() -> World:
    return eventful_world("inputs", 150)


@pytest.fixture(scope="module")
def wanted(world: World) -> list[dict[str, Any]]:
    return answers(world, as_table(world.records))


def answers(world: World, source: Source) -> list[dict[str, Any]]:
    decided = Gate(world.known, world.question.use, world.question.at).decide(source)
    return sorted(decided.select(*ANSWERS).to_pyarrow().to_pylist(), key=lambda row: str(row["id"]))


def with_column(table: pa.Table, name: str, values: object) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, values)


def timestamps(table: pa.Table, kind: pa.DataType) -> pa.Table:
    for name in ("created_at", "deleted_at"):
        table = with_column(table, name, table.column(name).cast(kind))
    return table


@pytest.mark.parametrize(
    "kind",
    [
        pa.timestamp("us"),
        pa.timestamp("us", "UTC"),
        pa.timestamp("us", "Asia/Kathmandu"),
    ],
    ids=str,
)
def test_timestamps_mean_what_integers_mean(
    world: World, wanted: list[dict[str, Any]], kind: pa.DataType
) -> None:
    assert answers(world, timestamps(as_table(world.records), kind)) == wanted


@pytest.mark.parametrize("instant", [-1, 0, 1, -US, -US - 1, 12_345_678_901_234_567, -12_345_678_901_234_567])
@pytest.mark.parametrize("kind", [pa.timestamp("us"), pa.timestamp("us", "UTC")], ids=str)
def test_timestamps_are_read_to_the_microsecond(instant: int, kind: pa.DataType) -> None:
    table = pa.table(
        {"id": ["a"], "category": ["post"], "author": ["ann"], "created_at": pa.array([instant], kind)}
    )
    assert open_records(table).created_at.to_pyarrow().to_pylist() == [instant]


def test_coarser_timestamps_and_smaller_integers_are_read() -> None:
    base = {"id": ["a"], "category": ["post"], "author": ["ann"]}
    for column in (
        pa.array([1_700_000_000], pa.timestamp("s")),
        pa.array([1_700_000_000_000], pa.timestamp("ms")),
        pa.array([1_700_000_000_000_000_123], pa.timestamp("ns")),
        pa.array([1_700_000_000_000_000], pa.uint64()),
    ):
        table = open_records(pa.table({**base, "created_at": column}))
        assert table.created_at.to_pyarrow().to_pylist() == [1_700_000_000_000_000], column.type


def test_a_reader_a_parquet_file_a_pattern_and_an_ibis_table_do(
    world: World, wanted: list[dict[str, Any]], tmp_path: Path
) -> None:
    table = as_table(world.records)
    pq.write_table(table.slice(0, 70), tmp_path / "a.parquet")
    pq.write_table(table.slice(70), tmp_path / "b.parquet")
    pq.write_table(table, tmp_path / "all.parq")
    assert answers(world, pa.RecordBatchReader.from_batches(table.schema, table.to_batches(40))) == wanted
    assert answers(world, tmp_path / "all.parq") == wanted
    assert answers(world, str(tmp_path / "*.parquet")) == wanted
    assert answers(world, ibis.memtable(table)) == wanted


def test_large_and_viewed_types_of_arrow_do(world: World, wanted: list[dict[str, Any]]) -> None:
    table = as_table(world.records)
    lists = pa.large_list(pa.large_string())
    for name, kind in (("id", pa.large_string()), ("category", pa.large_string()), ("addressees", lists)):
        table = with_column(table, name, table.column(name).cast(kind))
    assert answers(world, table) == wanted


def test_a_category_column_that_is_a_dictionary_does(world: World, wanted: list[dict[str, Any]]) -> None:
    table = as_table(world.records)
    assert (
        answers(world, with_column(table, "category", table.column("category").dictionary_encode())) == wanted
    )


def test_optional_columns_may_be_missing(world: World) -> None:
    table = as_table(world.records).drop_columns(["deleted_at", "addressees", "topics"])
    bare = [
        Record(one.id, one.category, one.created_at, one.author)
        for one in sorted(world.records, key=lambda r: r.id)
    ]
    decisions = [decide(one, world.question.use, world.question.at, world.known) for one in bare]
    got = answers(world, table)
    assert [row["verdict"] for row in got] == [one.verdict for one in decisions]
    assert [row["codes"] for row in got] == [[party.code for party in one.parties] for one in decisions]


def test_columns_of_nothing_but_nulls_are_as_missing(world: World) -> None:
    table = as_table(world.records).drop_columns(["deleted_at", "addressees", "topics"])
    wanted = answers(world, table)
    for name in ("deleted_at", "addressees", "topics"):
        table = table.append_column(name, pa.nulls(table.num_rows))
    assert answers(world, table) == wanted


def test_columns_of_duckdbs_own_null_type_are_as_missing(world: World, tmp_path: Path) -> None:
    """DuckDB writes ``SELECT null`` and ``[]`` to Parquet as types that nothing else knows."""
    import duckdb

    table = as_table(world.records).drop_columns(["deleted_at", "addressees", "topics"])
    path = tmp_path / "null.parquet"
    with duckdb.connect(":memory:") as connection:
        connection.register("given", table)
        connection.execute(
            "COPY (SELECT *, null AS deleted_at, [] AS addressees, null AS topics, [null] AS more FROM given)"
            f" TO '{path}' (FORMAT parquet)"
        )
    assert answers(world, path) == answers(world, table)


def test_null_lists_are_empty_and_a_null_addressee_is_an_unknown_account(world: World) -> None:
    author = world.records[0].author or "ann"
    rows: list[dict[str, object]] = [
        {"id": "null", "addressees": None, "topics": None},
        {"id": "holes", "addressees": [None], "topics": [None, "other"]},
        {"id": "wide", "addressees": [None, author, "", None], "topics": [None]},
    ]
    same: list[dict[str, object]] = [
        {"id": "null", "addressees": [], "topics": []},
        {"id": "holes", "addressees": [""], "topics": ["other"]},
        {"id": "wide", "addressees": ["", author], "topics": []},
    ]
    common: dict[str, object] = {
        "category": "private_message",
        "created_at": world.question.at - 1,
        "author": author,
    }
    schema = as_table(()).schema
    tables = [
        pa.Table.from_pylist([{**common, **row} for row in some], schema=schema) for some in (rows, same)
    ]
    assert answers(world, tables[0]) == answers(world, tables[1])


def test_an_author_of_empty_text_is_nobody(world: World) -> None:
    table = pa.table({"id": ["a"], "category": ["post"], "created_at": [0], "author": [""]})
    (row,) = answers(world, table)
    assert (row["verdict"], row["reason"], row["party"], row["judged"]) == (
        "gap",
        "unknown-subject",
        None,
        [],
    )


def test_other_columns_come_through_untouched_whatever_they_are_called(world: World) -> None:
    table = as_table(world.records)
    inside = (
        "kind",
        "mode",
        "key",
        "subject",
        "start",
        "stop",
        "cohort",
        "codes_",
        "order",
        "entries",
        "rank",
    )
    for name in inside:
        table = table.append_column(name, pa.array([f"{name}{place}" for place in range(table.num_rows)]))
    decided = Gate(world.known, world.question.use, world.question.at).decide(table).to_pyarrow()
    assert decided.num_rows == table.num_rows
    places = {one.id: place for place, one in enumerate(world.records)}
    for row in decided.to_pylist():
        assert {name: row[name] for name in inside} == {name: f"{name}{places[row['id']]}" for name in inside}


@pytest.mark.parametrize("name", ANSWERS_OF_THE_PLAN)
def test_a_column_that_is_called_as_an_answer_is_refused(world: World, name: str) -> None:
    table = as_table(world.records[:3]).append_column(name, pa.array(["x"] * 3))
    with pytest.raises(BadInput, match=f"have a column {name} already"):
        Gate(world.known, world.question.use, world.question.at).decide(table)


def test_no_records_at_all_are_no_verdicts(world: World) -> None:
    assert answers(world, as_table(())) == []


def test_it_is_lazy_until_asked(world: World) -> None:
    assert isinstance(
        Gate(world.known, world.question.use, world.question.at).decide(as_table(world.records)), ibis.Table
    )


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("id", [1], "the column id holds int64; expected text"),
        ("category", [b"post"], "the column category holds binary; expected text"),
        ("author", [7], "the column author holds int64; expected text"),
        ("created_at", ["2024-01-01"], "the column created_at holds string; expected a timestamp"),
        ("created_at", [1.5], "the column created_at holds float64; expected a timestamp"),
        ("deleted_at", [True], "the column deleted_at holds boolean; expected a timestamp"),
        (
            "created_at",
            pa.array([19_000], pa.date32()),
            "the column created_at holds date; expected a timestamp",
        ),
        ("addressees", ["bob"], "the column addressees holds string; expected a list of text"),
        ("topics", [[1]], "the column topics holds array<int64>; expected a list of text"),
    ],
)
def test_a_column_of_another_type_is_refused(name: str, values: Any, said: str) -> None:
    columns = {"id": ["a"], "category": ["post"], "created_at": [0], "deleted_at": [0], "author": ["ann"]}
    with pytest.raises(BadInput) as caught:
        open_records(pa.table({**columns, name: values}))
    assert said in str(caught.value)


@pytest.mark.parametrize("name", ["id", "category", "created_at", "author"])
def test_a_column_that_is_missing_is_named_beside_those_there_are(name: str) -> None:
    columns = {"id": ["a"], "category": ["post"], "created_at": [0], "author": ["ann"]}
    del columns[name]
    with pytest.raises(BadInput) as caught:
        open_records(pa.table(columns))
    assert f"no column {name}; they have {', '.join(columns)}" in caught.value.message
    assert caught.value.remedy


@pytest.mark.parametrize("instant", [-(10**17), 1_700_000_000_000_000_000, -(2**63), 2**63 - 1])
def test_an_instant_off_the_calendar_is_refused_since_it_is_mostly_another_unit(
    world: World, instant: int
) -> None:
    table = pa.table({"id": ["a"], "category": ["post"], "author": ["ann"], "created_at": [instant]})
    with pytest.raises(BadInput, match="a record's created_at is") as caught:
        Gate(world.known, world.question.use, world.question.at).decide(table)
    assert caught.value.remedy == "give microseconds since 1970-01-01T00:00:00Z"


def test_the_first_and_last_instants_of_the_calendar_are_decided(world: World) -> None:
    instants = [FIRST_INSTANT, FIRST_INSTANT + 1, 0, LAST_INSTANT - 1, LAST_INSTANT]
    author = next(one.author for one in world.records if one.author in world.known.members)
    records = [Record(f"r{place}", "post", instant, author) for place, instant in enumerate(instants)]
    for at in (FIRST_INSTANT, world.question.at, LAST_INSTANT):
        decided = Gate(world.known, world.question.use, at).decide(as_table(records))
        got = {row["id"]: (row["verdict"], row["codes"]) for row in decided.to_pyarrow().to_pylist()}
        for one in records:
            decision = decide(one, world.question.use, at, world.known)
            assert got[one.id] == (decision.verdict, [party.code for party in decision.parties])


def test_a_record_without_id_or_category_is_refused() -> None:
    gate = Gate(Known([]), Use("improve", "operator"), 0)
    for row in ({"id": None, "category": "post"}, {"id": "a", "category": None}):
        table = pa.Table.from_pylist([row | {"created_at": 0, "author": "ann"}], schema=as_table(()).schema)
        with pytest.raises(BadInput, match="no id or no category"):
            gate.decide(table)


def test_two_records_of_one_id_are_refused_where_parties_would_be_mixed_up() -> None:
    gate = Gate(Known([]), Use("improve", "operator"), 0)
    row = {
        "id": "a",
        "category": "private_message",
        "created_at": 0,
        "author": "ann",
        "addressees": ["bob", "cy"],
    }
    table = pa.Table.from_pylist([row, row | {"author": "dee"}], schema=as_table(()).schema)
    with pytest.raises(BadInput, match="two records share an id"):
        gate.decide(table)


def test_a_file_that_is_not_there_or_no_parquet_is_refused_with_its_name(tmp_path: Path) -> None:
    gate = Gate(Known([]), Use("improve", "operator"), 0)
    with pytest.raises(BadInput, match=r"none\.parquet: no file matches"):
        gate.decide(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("id,category\n")
    with pytest.raises(BadInput, match=r"text\.parquet: is no Parquet that can be read"):
        gate.decide(tmp_path / "text.parquet")
    table = as_table([Record("a", "post", 0, "ann")])
    pq.write_table(table, tmp_path / "whole.parquet")
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "whole.parquet").read_bytes()[:-20])
    with pytest.raises(BadInput, match=r"cut\.parquet: is no Parquet that can be read"):
        gate.decide(tmp_path / "cut.parquet")


def test_signs_that_the_gate_uses_inside_cannot_join_two_topics_into_another_kind() -> None:
    """A topic may hold any text: ``a`` and ``b`` are not the one topic ``a<unit separator>b``."""
    from troth.core.events import Attributes
    from troth.core.terms import Clause, Terms

    clause = Clause("c", "forbid", ("any",), ("topic:a",), ("any",))
    terms = Terms("doc", "statement", "1", 0, 0, (clause,))
    ann = Attributes("ann", 0, (("jurisdiction", "US"), ("born", (1960, 1, 1))))
    known = Known(enumerate([terms, ann]))
    records = [
        Record("two", "post", 1, "ann", topics=("a", "b")),
        Record("one", "post", 1, "ann", topics=("a\x1fb",)),
        Record("odd", "post\x1ea", 1, "ann"),
        Record("mixed", "post\x1ea", 1, "ann", topics=("a",)),
    ]
    use = Use("improve", "operator")
    wanted = {one.id: [party.code for party in decide(one, use, 2, known).parties] for one in records}
    assert wanted["two"] != wanted["one"]
    try:
        rows = Gate(known, use, 2).decide(as_table(records)).to_pyarrow().to_pylist()
    except BadInput:
        return
    assert {row["id"]: row["codes"] for row in rows} == wanted
