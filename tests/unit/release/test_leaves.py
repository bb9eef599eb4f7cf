"""The quick forms against the plain ones of core, on every layout that Arrow has for the same rows."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.core.test_rows import ROWS
from troth.core import merkle
from troth.core.rows import FIELDS, Row, canonical_row, row_leaf, row_salt
from troth.release import leaves
from troth.release.columns import DATA
from troth.release.leaves import derive_row_salts, leaves_of, packed, row_root, sort_leaves, unpacked

SALTS = st.binary(min_size=16, max_size=16)


def batch(rows: list[Row], salts: list[bytes]) -> pa.RecordBatch:
    columns = [pa.array([getattr(row, name) for row in rows], DATA.field(name).type) for name in FIELDS]
    return pa.RecordBatch.from_arrays([*columns, pa.array(salts, pa.binary(16))], schema=DATA)


def plain(rows: list[Row], salts: list[bytes]) -> bytes:
    return b"".join(row_leaf(salt, canonical_row(row)) for row, salt in zip(rows, salts, strict=True))


@given(st.lists(st.tuples(ROWS, SALTS), max_size=12), st.integers(0, 5), st.integers(0, 5))
def test_leaves_of_a_batch_and_of_its_slices(given: list[tuple[Row, bytes]], skip: int, cut: int) -> None:
    rows, salts = [row for row, _ in given], [salt for _, salt in given]
    whole = batch(rows, salts)
    assert leaves_of(whole) == plain(rows, salts)
    part = slice(skip, len(rows) - cut if cut else None)
    length = len(rows[part])
    assert leaves_of(whole.slice(skip, length)) == plain(rows[part], salts[part])


@pytest.mark.parametrize("length", [9, 10, 4095, 4096, 99_999, 100_000])
def test_lengths_of_every_number_of_digits(length: int) -> None:
    rows = [Row("m1", "post", body="x" * length), Row("m2", "post", body="é" * 3)]
    assert leaves_of(batch(rows, [bytes(16)] * 2)) == plain(rows, [bytes(16)] * 2)


def test_items_hidden_behind_a_null_list_do_not_count() -> None:
    rows = [Row("m1", "post", addressees=None), Row("m2", "post", addressees=("bob",))]
    hidden = pa.ListArray.from_arrays(
        pa.array([0, 2, 3], pa.int32()), pa.array(["eve", "eve", "bob"]), mask=pa.array([True, False])
    )
    whole = batch(rows, [bytes(16)] * 2)
    at = DATA.get_field_index("addressees")
    whole = whole.set_column(at, DATA.field("addressees"), hidden.cast(DATA.field("addressees").type))
    assert whole["addressees"].to_pylist() == [None, ["bob"]]
    assert leaves_of(whole) == plain(rows, [bytes(16)] * 2)


@given(
    st.lists(st.none() | st.binary(min_size=32, max_size=32), max_size=9),
    st.integers(0, 4),
    st.text(max_size=40),
)
def test_row_salts_are_those_of_core(salts: list[bytes | None], skip: int, release: str) -> None:
    array = pa.array([salt or bytes(32) for salt in salts], pa.binary(32)).slice(skip)
    derived = derive_row_salts(array, release)
    assert derived.type == pa.binary(16)
    assert derived.to_pylist() == [row_salt(salt, release) for salt in array.to_pylist()]


def test_packing() -> None:
    array = unpacked(bytes(range(96)), 32)
    assert array.to_pylist() == [bytes(range(32)), bytes(range(32, 64)), bytes(range(64, 96))]
    assert packed(array.slice(1)) == bytes(range(32, 96))


# Leaves that share their first bits, their first eight bytes, or everything.
HASHES = st.one_of(
    st.binary(min_size=32, max_size=32),
    st.sampled_from(
        [bytes(32), b"\xff" * 32, bytes(31) + b"\1", bytes(7) + b"\1" + bytes(24), bytes(8) + b"\1" * 24]
    ),
)


@given(st.lists(HASHES, max_size=300))
def test_leaves_are_sorted_as_bytes(hashes: list[bytes]) -> None:
    assert sort_leaves(b"".join(hashes)) == b"".join(sorted(hashes))


@given(st.lists(HASHES, max_size=40), st.booleans(), st.sampled_from([1, 2, 8, 1 << 16]))
def test_the_row_root_is_the_root(hashes: list[bytes], pooled: bool, chunk: int) -> None:
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(2) as pool:
        patch.setattr(leaves, "CHUNK_LEAVES", chunk)
        assert row_root(b"".join(hashes), pool if pooled else None) == merkle.root(hashes)
