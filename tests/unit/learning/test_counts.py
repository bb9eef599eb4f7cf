"""The counts model against a plain reading of its definition."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import troth
from troth.learning.counts import table as tables
from troth.learning.counts.backend import Counts
from troth.learning.counts.grams import END, START, grams
from troth.learning.counts.model import CountsModel, small_table

texts = st.lists(st.text("ab é", max_size=12).map(str.encode), max_size=8)


def plain(told: list[bytes], context: bytes, order: int) -> dict[int, float]:
    """Witten-Bell as it is written, with dictionaries."""
    marked = [bytes([START]) + text + bytes([END]) for text in told]
    chances = {one: 1 / 255 for one in range(256) if one != START}
    for length in range(min(len(context), order - 1) + 1):
        tail = context[len(context) - length :]
        seen: Counter[int] = Counter(
            text[at]
            for text in marked
            for at in range(max(length, 1), len(text))
            if text[at - length : at] == tail
        )
        if seen:
            total = seen.total()
            chances = {
                one: (seen[one] + len(seen) * chance) / (total + len(seen)) for one, chance in chances.items()
            }
    return chances


@settings(max_examples=40)
@given(texts, st.text("ab é", max_size=6).map(str.encode), st.booleans(), st.integers(2, 8))
def test_chances_are_those_of_the_definition(
    told: list[bytes], context: bytes, begins: bool, order: int
) -> None:
    context = bytes([START]) + context if begins else context
    model = CountsModel([small_table(iter(told), order)], [], order)
    expected = plain(told, context, order)
    found = model.following(context)
    assert found[START] == 0
    assert found.sum() == pytest.approx(1)
    assert [found[one] for one in expected] == pytest.approx(list(expected.values()))


@settings(max_examples=40)
@given(
    texts.filter(bool), st.lists(st.text("abc é", max_size=9).map(str.encode), max_size=3), st.integers(2, 8)
)
def test_many_at_a_time_are_as_one_by_one(told: list[bytes], asked: list[bytes], order: int) -> None:
    model = CountsModel([small_table(iter(told), order)], [], order)
    bits = 0.0
    for text in asked:
        whole = bytes([START]) + text + bytes([END])
        for at in range(1, len(whole)):
            bits -= math.log2(model.following(whole[max(0, at - order + 1) : at])[whole[at]])
    if sum(map(len, asked)):
        assert model.bits_per_byte(iter(asked)) == pytest.approx(bits / sum(map(len, asked)))
    else:
        with pytest.raises(troth.BadInput):
            model.bits_per_byte(iter(asked))


@settings(max_examples=40)
@given(texts, texts, texts, st.integers(2, 8))
def test_subtracting_is_never_having_counted(
    kept: list[bytes], one: list[bytes], two: list[bytes], order: int
) -> None:
    whole, first, second, rest = (
        small_table(iter(told), order) for told in (kept + one + two, one, two, kept)
    )
    assert tables.less(whole, [first, second]).digest() == rest.digest()
    assert tables.less(tables.less(whole, [second]), [first]).digest() == rest.digest()
    assert tables.summed([rest, first, second]).digest() == whole.digest()
    served = CountsModel([whole], [first, second], order)
    for context in (b"", b"a", b"ab", bytes([START])):
        assert np.array_equal(served.following(context), CountsModel([rest], [], order).following(context))


@settings(max_examples=40)
@given(texts)
def test_the_engine_counts_as_numpy_does(told: list[bytes]) -> None:
    counted = tables.counted(8, grams(iter(told), 8), Path("unused"))
    assert counted.digest() == small_table(iter(told), 8).digest()


def test_what_was_never_counted_is_not_taken_out() -> None:
    table = small_table(iter([b"abc"]), 4)
    for other in ([b"abd"], [b"abc", b"abc"], [b"zzz"]):
        with pytest.raises(troth.Conflict):
            tables.less(table, [small_table(iter(other), 4)])
    with pytest.raises(troth.Conflict):
        tables.less(table, [small_table(iter([b"abc"]), 5)])


def test_it_goes_on_as_it_was_taught() -> None:
    model = CountsModel([small_table(iter([b"the quick brown fox jumps"] * 3), 8)], [], 8)
    assert model.generate("the qui", temperature=0) == "ck brown fox jumps"
    assert model.generate("", seed=1) == model.generate("", seed=1)
    assert len(model.generate("the", length=4, seed=2).encode()) <= 4
    with pytest.raises(troth.BadInput):
        model.generate("x", length=0)


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(troth.BadInput, match="UTF-8"):
        list(grams([b"a\xff"], 8))


def test_a_table_comes_back_as_it_was_written(tmp_path: Path) -> None:
    table = small_table(iter([b"hello", b"help"]), 6)
    tables.write(table, tmp_path)
    assert tables.read(tmp_path).digest() == table.digest() == Counts().digest(tmp_path)
    data = (tmp_path / tables.NAME).read_bytes()
    (tmp_path / tables.NAME).write_bytes(data[: len(data) // 2])
    with pytest.raises(troth.Corrupt):
        tables.read(tmp_path)
    with pytest.raises(troth.Corrupt):
        tables.read(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "options", [{"order": 1}, {"order": 9}, {"order": True}, {"order": "8"}, {"size": 3}]
)
def test_options_that_cannot_be_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(troth.BadInput):
        Counts().configure(options)  # type: ignore[arg-type]
