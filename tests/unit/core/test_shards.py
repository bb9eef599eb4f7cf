from __future__ import annotations

import hashlib
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import troth
from troth.core.shards import Frozen, Item, Plan, in_order, seed, shard_of, slice_of, unit_of

KEY = bytes(range(32))
names = st.text(min_size=1, max_size=8)


def message(name: str, author: str = "ann", conversation: str | None = "c") -> Item:
    return Item(name, "private_message", author, ("bob",), conversation)


def test_the_formulas_are_those_that_are_written_down() -> None:
    plan = Plan(KEY, shards=7, slices=3)
    item = Item("r1", "post", "ann")
    text = b"\0\0\0\6author\0\0\0\3ann"
    assert (
        shard_of(plan, item) == int(hashlib.sha256(b"troth/shard/v1\0" + KEY + text).hexdigest()[:16], 16) % 7
    )
    assert (
        slice_of(plan, item) == int(hashlib.sha256(b"troth/slice/v2\0" + KEY + text).hexdigest()[:16], 16) % 3
    )
    numbers = b"\0\0\0\5\0\0\0\2\0\0\0\1"
    assert seed(plan, 5, 2, 1) == hashlib.sha256(b"troth/seed/v1\0" + KEY + numbers).digest()


def test_what_goes_together() -> None:
    frozen = Frozen(communities={"ann": "north"}, conversations={"c2": "south"})
    assert unit_of(Item("p", "post", "ann"), frozen) == ("community", "north")
    assert unit_of(Item("p", "post", "bob"), frozen) == ("author", "bob")
    assert unit_of(Item("p", "post", None), frozen) == ("record", "p")
    # A conversation stays whole, whoever writes in it and whatever community they are of.
    assert unit_of(message("m1"), frozen) == unit_of(message("m2", "bob"), frozen) == ("conversation", "c")
    assert unit_of(message("m1", conversation="c2"), frozen) == ("community", "south")
    there = Item("m", "private_message", "ann", ("bob",))
    back = Item("n", "private_message", "bob", ("ann",))
    assert unit_of(there) == unit_of(back)
    assert unit_of(Item("m", "private_message", "a", ("bc",))) != unit_of(
        Item("m", "private_message", "ab", ("c",))
    )


def test_parties_are_everybody_whose_record_it_is() -> None:
    assert Item("m", "post", "ann", ("bob", "", "ann"), quoted=("cyd",)).parties == ("ann", "bob", "cyd")
    assert Item("m", "post", None).parties == ()


def test_what_one_member_published_stands_in_one_slice_and_so_does_a_conversation() -> None:
    plan, frozen = Plan(KEY, shards=4, slices=8), Frozen(communities={f"m{n}": "north" for n in range(99)})
    for author in ("m1", "m2", "zoe"):
        assert len({slice_of(plan, Item(str(n), "post", author), frozen) for n in range(50)}) == 1
    assert len({slice_of(plan, message(str(n), author)) for n in range(9) for author in ("ann", "bob")}) == 1
    # People of one community share a shard, and spread over its slices.
    posts = [Item("p", "post", f"m{n}") for n in range(99)]
    assert len({shard_of(plan, one, frozen) for one in posts}) == 1
    assert len({slice_of(plan, one, frozen) for one in posts}) == 8


def test_likely_leavers_stand_in_later_slices() -> None:
    plan = Plan(KEY, slices=8, classes=2)
    frozen = Frozen(risks={f"high{n}": 1 for n in range(200)})
    low = {slice_of(plan, Item("p", "post", f"low{n}"), frozen) for n in range(200)}
    high = {slice_of(plan, message("m", f"high{n}", f"c{n}"), frozen) for n in range(200)}
    assert (low, high) == ({0, 1, 2, 3}, {4, 5, 6, 7})
    with pytest.raises(troth.BadInput, match="risk class"):
        slice_of(plan, Item("p", "post", "cyd"), Frozen(risks={"cyd": 2}))


@pytest.mark.parametrize(
    "wrong", [{"shards": 0}, {"shards": 5000}, {"slices": 0}, {"slices": 1, "classes": 2}, {"key": b"short"}]
)
def test_a_plan_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(troth.BadInput):
        Plan(**{"key": KEY, **wrong})  # type: ignore[arg-type]


def test_members_spread_over_shards() -> None:
    plan = Plan(KEY, shards=16)
    counts = Counter(shard_of(plan, Item("p", "post", f"m{n}")) for n in range(4_000))
    assert len(counts) == 16
    assert max(counts.values()) < 350


@settings(max_examples=50)
@given(st.lists(names, unique=True, max_size=20), st.data())
def test_one_record_less_moves_no_other(ids: list[str], data: st.DataObject) -> None:
    keyed = seed(Plan(KEY), 0, 0)
    ordered = [ids[at] for at in in_order(keyed, ids)]
    gone = data.draw(st.sets(st.sampled_from(ids)) if ids else st.just(set[str]()))
    kept = [one for one in ids if one not in gone]
    assert [kept[at] for at in in_order(keyed, kept)] == [one for one in ordered if one not in gone]
