"""Batches of records brought into the one form of a release."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.release.conftest import records
from troth.core.errors import BadInput
from troth.release import columns
from troth.release.columns import DATA, Parties, check_columns, data_columns, record_salts, regular

SALTS = pa.array([bytes([number]) * 16 for number in range(6)], pa.binary(16))


def changed(name: str, values: pa.Array) -> pa.RecordBatch:
    batch = records(6).to_batches()[0]
    return batch.set_column(batch.schema.get_field_index(name), name, values)


LAYOUTS = {
    "id": [pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())],
    "body": [pa.large_string(), pa.string_view()],
    "addressees": [pa.list_(pa.large_string()), pa.large_list(pa.string())],
    "created_at": [
        pa.timestamp("us", "UTC"), pa.timestamp("us"), pa.timestamp("ns", "UTC"), pa.timestamp("us", "+02:00"),
    ],
    "salt": [pa.binary(32), pa.large_binary(), pa.binary_view()],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "kind"), [(name, kind) for name, kinds in LAYOUTS.items() for kind in kinds], ids=str
)
def test_every_layout_comes_out_the_same(name: str, kind: pa.DataType) -> None:
    plain = records(6).to_batches()[0]
    values = plain[name]
    other = values.cast(pa.timestamp("us", "UTC")).cast(kind) if name == "created_at" else values.cast(kind)
    if name == "created_at" and kind == pa.timestamp("us"):
        other = values.cast(kind)
    batch = changed(name, other)
    check_columns(batch.schema)
    assert data_columns(batch, SALTS).equals(data_columns(plain, SALTS))
    assert record_salts(batch).equals(record_salts(plain))
    assert data_columns(batch, SALTS).schema.equals(DATA)


@pytest.mark.parametrize(
    "name", ["author", "addressees", "topics", "conversation", "title", "body", "created_at"]
)
def test_a_column_of_nulls_needs_no_type(name: str) -> None:
    batch = changed(name, pa.nulls(6))
    check_columns(batch.schema)
    assert data_columns(batch, SALTS)[name].null_count == 6


def test_an_instant_before_1970_and_one_without() -> None:
    batch = changed("created_at", pa.array([-1, None, 0, 1, 2, 3], pa.int64()))
    assert data_columns(batch, SALTS)["created_at"].cast(pa.int64()).to_pylist() == [-1, None, 0, 1, 2, 3]


def schema(**kinds: pa.DataType | None) -> pa.Schema:
    fields = {field.name: field.type for field in records(1).schema} | kinds
    return pa.schema([(name, kind) for name, kind in fields.items() if kind is not None])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (schema(id=None), "'id' is missing"),
        (schema(title=None), "'title' is missing"),
        (schema(verdict=pa.string()), "'verdict' is not a column of records"),
        (schema(id=pa.int64()), "'id' is of the type int64"),
        (schema(id=pa.null()), "'id' is of the type null"),
        (schema(category=pa.null()), "'category' is of the type null"),
        (schema(created_at=pa.string()), "expected int64 microseconds UTC"),
        (schema(created_at=pa.date32()), "expected int64 microseconds UTC"),
        (schema(addressees=pa.string()), "expected a list of strings"),
        (schema(topics=pa.list_(pa.int8())), "expected a list of strings"),
        (schema(salt=pa.string()), "expected binary of 32 bytes"),
        (schema().append(pa.field("id", pa.string())), "'id' is there twice"),
    ],
)
def test_other_columns_are_refused(given: pa.Schema, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        check_columns(given)
    assert said in str(caught.value)


def test_what_is_known_of_a_record_but_not_released_is_welcome() -> None:
    check_columns(schema(deleted_at=pa.int64()))
    check_columns(schema(salt=None))


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("id", pa.array(["a", None, "c", None, "e", "f"]), "'id' is missing in 2 rows"),
        ("category", pa.array([None] * 6, pa.string()), "'category' is missing in 6 rows"),
        ("created_at", pa.array([1] * 6, pa.timestamp("ns", "UTC")), "'created_at' cannot be read"),
    ],
)
def test_values_that_a_release_cannot_hold_are_refused(name: str, values: pa.Array, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        data_columns(changed(name, values), SALTS)


def test_a_salt_of_another_length_is_refused() -> None:
    with pytest.raises(BadInput, match="not of 32 bytes"):
        record_salts(changed("salt", pa.array([bytes(32)] * 5 + [bytes(31)], pa.binary())))


def test_salts_that_are_not_there() -> None:
    batch = records(6).to_batches()[0]
    for without in (batch.drop_columns(["salt"]), changed("salt", pa.nulls(6))):
        assert record_salts(without).null_count == 6
    assert record_salts(changed("salt", pa.array([None, *[bytes(32)] * 5], pa.binary()))).null_count == 1


@given(st.lists(st.integers(0, 30), max_size=12), st.integers(2, 12))
def test_regular_keeps_rows_and_bounds_batches(sizes: list[int], most: int) -> None:
    table = records(sum(sizes)).combine_chunks()
    nothing = pa.RecordBatch.from_pylist([], table.schema)
    batches: list[pa.RecordBatch] = []
    start = 0
    for size in sizes:
        batches += table.slice(start, size).to_batches() if size else [nothing]
        start += size
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "BATCH_ROWS", most)
        patch.setattr(columns, "_MERGE_BELOW", most // 2)
        found = list(regular(batches))
    assert [name for one in found for name in one["id"].to_pylist()] == table["id"].to_pylist()
    assert all(0 < one.num_rows <= most for one in found)


def test_one_large_batch_is_cut_without_ado(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "BATCH_ROWS", 2)
    monkeypatch.setattr(columns, "_MERGE_BELOW", 1)
    table = records(5000).combine_chunks()
    assert sum(one.num_rows for one in regular(table.to_batches())) == 5000


def test_batches_are_bounded_in_bytes_but_for_single_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "BATCH_BYTES", 2000)
    batch = changed("body", pa.array(["x" * 10, "x" * 5000, "x", "x", "x", "x" * 900]))
    found = list(regular([batch]))
    assert [name for one in found for name in one["id"].to_pylist()] == batch["id"].to_pylist()
    assert all(one.nbytes <= 2000 or one.num_rows == 1 for one in found)


def test_a_row_beyond_reason_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "BATCH_BYTES", 2000)
    monkeypatch.setattr(columns, "MAX_ROW_BYTES", 4000)
    batch = changed("body", pa.array(["x" * 10, "x" * 5000, "x", "x", "x", "x"]))
    with pytest.raises(BadInput, match="a row of more than"):
        list(regular([batch]))


def test_columns_that_change_on_the_way_are_refused() -> None:
    one = records(6).to_batches()[0]
    with pytest.raises(BadInput, match="change within the stream"):
        list(regular([one, changed("id", one["id"].cast(pa.large_string()))]))


@given(
    st.lists(
        st.tuples(
            st.none() | st.text(max_size=2), st.none() | st.lists(st.none() | st.text(max_size=2), max_size=3)
        ),
        max_size=20,
    ),
    st.integers(1, 40),
)
def test_parties_are_counted_once(given: list[tuple[str | None, list[str | None] | None]], at: int) -> None:
    parties = Parties()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "_COUNT_AT", at)
        for author, addressees in given:
            batch = data_columns(records(1).to_batches()[0], SALTS.slice(0, 1))
            for name, value in (("author", author), ("addressees", addressees)):
                index = DATA.get_field_index(name)
                batch = batch.set_column(index, DATA.field(name), pa.array([value], DATA.field(name).type))
            parties.add(batch)
    everybody = {author for author, _ in given} | {one for _, listed in given for one in listed or ()}
    assert parties.count() == len(everybody - {None, ""})
