"""Canonical rows: written down, read back from their bytes, and computed by SQL."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from troth.core.errors import BadInput
from troth.core.rows import FIELDS, LABEL, LISTS, Row, canonical_row, row_leaf, row_salt

GOLDEN = Path(__file__).parents[2] / "golden" / "rows.txt"

TEXT = st.text(st.one_of(st.sampled_from("-:[0123456789\0é例"), st.characters(exclude_categories=["Cs"])))
MAYBE = st.none() | TEXT
TEXTS = st.none() | st.lists(MAYBE, max_size=4).map(tuple)
ROWS = st.builds(
    Row,
    id=TEXT,
    category=TEXT,
    created_at=st.none() | st.integers(-(2**63), 2**63 - 1),
    author=MAYBE,
    addressees=TEXTS,
    topics=TEXTS,
    conversation=MAYBE,
    title=MAYBE,
    body=MAYBE,
)


class Reader:
    """Reads canonical bytes from the left, as the grammar says; fails on anything else."""

    def __init__(self, data: bytes) -> None:
        assert data.startswith(LABEL)
        self.data = data[len(LABEL) :]

    def number(self) -> int:
        digits, _, self.data = self.data.partition(b":")
        assert digits == str(int(digits)).encode()
        return int(digits)

    def text(self) -> str | None:
        if self.data[:1] == b"-":
            self.data = self.data[1:]
            return None
        length = self.number()
        value, self.data = self.data[:length], self.data[length:]
        assert len(value) == length
        return value.decode()

    def texts(self) -> tuple[str | None, ...] | None:
        if self.data[:1] == b"-":
            self.data = self.data[1:]
            return None
        assert self.data[:1] == b"["
        self.data = self.data[1:]
        return tuple(self.text() for _ in range(self.number()))

    def row(self) -> Row:
        values = {name: self.texts() if name in LISTS else self.text() for name in FIELDS}
        assert self.data == b""
        created = values.pop("created_at")
        return Row(created_at=None if created is None else int(str(created)), **values)  # type: ignore[arg-type]


@given(ROWS)
def test_a_row_can_be_read_back_so_no_two_share_bytes(row: Row) -> None:
    assert Reader(canonical_row(row)).row() == row


# Pairs that a careless format would write alike.
ALIKE = [
    (Row("a", "b", author=None), Row("a", "b", author="-")),
    (Row("a", "b", title="1:x"), Row("a", "b", body="1:x")),
    (Row("a", "b", addressees=None), Row("a", "b", addressees=())),
    (Row("a", "b", addressees=("",)), Row("a", "b", addressees=(None,))),
    (Row("a", "b", addressees=("x", "y")), Row("a", "b", addressees=("x1:y",))),
    (Row("a", "b", addressees=("x",), topics=()), Row("a", "b", addressees=(), topics=("x",))),
    (Row("a", "b", addressees=("bob",) * 2), Row("a", "b", addressees=("bob",) * 23)),
    (Row("ab", "c"), Row("a", "bc")),
    (Row("a", "b", created_at=-1), Row("a", "b", created_at=1)),
    (Row("a", "b", title="é"), Row("a", "b", title="e\u0301")),
]


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_rows_that_look_alike_differ(one: Row, other: Row) -> None:
    assert canonical_row(one) != canonical_row(other)


FULL = Row(
    id="m1",
    category="private_message.inmail",
    created_at=1_714_608_000_000_000,
    author="ann",
    addressees=("bob", ""),
    topics=("compensation",),
    conversation="c7",
    title="Grüße",
    body="Shall we meet? 例\n-3:x",
)
WRITTEN = [
    FULL,
    Row("", ""),
    Row("m2", "post", -1, None, None, None),
    Row("m3", "post", 0, "", (None, "-"), ()),
]


def test_bytes_salts_and_leaves_are_the_ones_written_down() -> None:
    lines = []
    for row in WRITTEN:
        salt = row_salt(bytes(range(32)), "r-2025-01-21")
        written = canonical_row(row)
        lines += [repr(written), salt.hex(), row_leaf(salt, written).hex(), ""]
    assert GOLDEN.read_text(encoding="ascii") == "\n".join(lines)


def test_a_leaf_is_what_the_text_says() -> None:
    salt = hmac.new(b"\1" * 32, b"r1", "sha256").digest()[:16]
    assert row_salt(b"\1" * 32, "r1") == salt
    expected = hashlib.sha256(b"\0" + salt + canonical_row(FULL)).digest()
    assert row_leaf(salt, canonical_row(FULL)) == expected


def test_a_row_salt_belongs_to_one_release() -> None:
    assert row_salt(bytes(32), "r1") != row_salt(bytes(32), "r2")


def test_a_text_without_utf_8_is_refused() -> None:
    with pytest.raises(BadInput, match="cannot be written as UTF-8"):
        canonical_row(Row("m1", "post", body="\ud800"))


def sql() -> str:
    """The expression that the module's docstring gives for DuckDB, written out for every field."""

    def text(value: str) -> str:
        return f"coalesce(strlen({value}) || ':' || {value}, '-')"

    def field(name: str) -> str:
        if name in LISTS:
            items = f"array_to_string(list_transform({name}, lambda x: {text('x')}), '')"
            return f"coalesce('[' || len({name}) || ':' || {items}, '-')"
        return text("created_at::VARCHAR" if name == "created_at" else name)

    return " || ".join(["'troth/row/v1'", "chr(0)", *(field(name) for name in FIELDS)])


@given(st.lists(ROWS, min_size=1, max_size=5))
def test_sql_computes_the_same_bytes(rows: list[Row]) -> None:
    text, texts = pa.string(), pa.list_(pa.string())
    kinds = {"created_at": pa.int64(), "addressees": texts, "topics": texts}
    rows_given = pa.table(  # noqa: F841 - DuckDB finds it by its name
        {name: pa.array([getattr(row, name) for row in rows], kinds.get(name, text)) for name in FIELDS}
    )
    with duckdb.connect() as engine:
        found = engine.execute(f"SELECT encode({sql()}) FROM rows_given").fetchall()
    assert [bytes(row) for (row,) in found] == [canonical_row(row) for row in rows]
