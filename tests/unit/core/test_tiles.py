"""Tiles, growth and proofs against a naive recomputation from the words of the specifications."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.core.trees import Files, leaf, mth, path, subproof
from troth.core.errors import BadInput, Corrupt
from troth.core.merkle import EMPTY_ROOT
from troth.core.proof import verify_consistency, verify_inclusion
from troth.core.tiles import (
    Frontier,
    TilePath,
    Tiles,
    bundle_path,
    parse_bundle,
    parse_path,
    static_tree,
    tile_path,
    widths,
    write_bundle,
)

# Around the edges of tiles, where levels begin.
SIZES = (1, 2, 3, 5, 7, 8, 100, 255, 256, 257, 511, 512, 513, 700)


def entries(count: int) -> list[bytes]:
    return [b"entry %d" % one for one in range(count)]


def log_of(count: int) -> Files:
    return Files(static_tree(entries(count)))


LEAVES = [leaf(one) for one in entries(70_000)]
BIG = log_of(700)
BIG_TILES = BIG.tiles()


def test_paths_are_those_of_the_specification() -> None:
    assert tile_path(0, 1234067) == "tile/0/x001/x234/067"
    assert tile_path(3, 0, 17) == "tile/3/000.p/17"
    assert bundle_path(5) == "tile/entries/005"
    assert bundle_path(1000, 1) == "tile/entries/x001/000.p/1"


@given(st.none() | st.integers(0, 63), st.integers(0, 2**63 - 1), st.integers(1, 256))
def test_paths_are_read_back(level: int | None, index: int, width: int) -> None:
    wanted = TilePath(level, index, width)
    assert parse_path(str(wanted)) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "", "tile", "tile/0", "tile/0/0", "tile/0/00", "tile/0/0000", "tile/00/000", "tile/64/000", "tile/-1/000",
        "tile/0/x000/000", "tile/0/001/000", "tile/0/x001/x000", "tile/0/000.p/0", "tile/0/000.p/256",
        "tile/0/000.p/01", "tile/0/000.p/", "tile/0/000.p", "tile/entry/000", "tile/0/000/", "/tile/0/000",
        "tile/0/../000", "tile/0/000\n", "tile/0/\u0660\u0660\u0660", "tile/0" + "/x999" * 6 + "/999", "TILE/0/000",
    ],
)  # fmt: skip
def test_other_paths_are_refused(text: str) -> None:
    with pytest.raises(BadInput):
        parse_path(text)


def test_the_tiles_of_the_specifications_example() -> None:
    """70,000 entries: 273 full and a partial tile of 112, one full and a partial of 17, a partial of 1."""
    frontier = Frontier()
    full = dict(frontier.extend(b"".join(LEAVES)))
    partial = dict(frontier.partial())
    assert set(full) == {tile_path(0, one) for one in range(273)} | {tile_path(1, 0)}
    assert set(partial) == {tile_path(0, 273, 112), tile_path(1, 1, 17), tile_path(2, 0, 1)}
    assert list(widths(70_000)) == [(0, 70_000), (1, 273), (2, 1)]
    assert full[tile_path(0, 7)] == b"".join(LEAVES[7 * 256 : 8 * 256])
    assert partial[tile_path(1, 1, 17)][:32] == mth(LEAVES[65536 : 65536 + 256])
    assert partial[tile_path(2, 0, 1)] == mth(LEAVES[:65536])
    assert frontier.root() == mth(LEAVES)


def test_256_entries_are_a_full_tile_and_one_above_of_width_1() -> None:
    assert set(log_of(256)) == {bundle_path(0), tile_path(0, 0), tile_path(1, 0, 1)}


def test_an_empty_log_has_no_tiles() -> None:
    assert log_of(0) == {}
    assert Frontier().root() == EMPTY_ROOT == Tiles(Files().read).root(0)


@given(st.lists(st.integers(0, 600), max_size=5))
def test_growing_in_steps_gives_the_same_tree(steps: list[int]) -> None:
    frontier, files, at = Frontier(), Files(), 0
    for step in steps:
        files.update(frontier.extend(b"".join(LEAVES[at : at + step])))
        files.update(frontier.partial())
        at += step
        assert frontier.size == at
        assert frontier.root() == mth(LEAVES[:at])
        # Picked up from its tiles it is the same one.
        frontier = Frontier.load(at, files.read)
    static = {name: data for name, data in log_of(at).items() if not name.startswith("tile/entries")}
    assert static.items() <= files.items()


def test_a_copy_grows_by_itself() -> None:
    frontier = Frontier()
    list(frontier.extend(b"".join(LEAVES[:300])))
    copy = frontier.copy()
    list(copy.extend(b"".join(LEAVES[300:600])))
    assert frontier.root() == mth(LEAVES[:300])
    assert copy.root() == mth(LEAVES[:600])


def test_a_frontier_of_another_size_is_refused() -> None:
    with pytest.raises(BadInput):
        Frontier(3, [bytes(64)])
    with pytest.raises(Corrupt):
        Frontier.load(3, lambda *_: bytes(64))
    with pytest.raises(ValueError, match="whole number"):
        list(Frontier().extend(bytes(33)))


@pytest.mark.parametrize("size", SIZES)
def test_proofs_of_inclusion_follow_the_definition(size: int) -> None:
    root = mth(LEAVES[:size])
    assert BIG_TILES.root(size) == root
    for index in {0, 1, size // 2, size - 2, size - 1, 254, 255, 256, 257} & set(range(size)):
        proof = BIG_TILES.inclusion(index, size)
        assert proof == path(index, LEAVES[:size])
        assert BIG_TILES.leaf(index, size) == LEAVES[index]
        assert verify_inclusion(LEAVES[index], index, size, proof, root)


@pytest.mark.parametrize(("old", "new"), list(itertools.combinations_with_replacement((0, *SIZES), 2)))
def test_proofs_of_consistency_follow_the_definition(old: int, new: int) -> None:
    proof = BIG_TILES.consistency(old, new)
    assert proof == (subproof(old, LEAVES[:new], True) if old else [])
    old_root, new_root = mth(LEAVES[:old]), mth(LEAVES[:new])
    assert verify_consistency(old, new, proof, old_root, new_root)
    for other in (old_root[::-1], new_root[::-1]):
        # Any tree goes on from the empty one.
        assert (0 == old < new) or not verify_consistency(old, new, proof, old_root, other)
        assert not verify_consistency(old, new, proof, other, new_root)
    assert not verify_consistency(old, new, [*proof, bytes(32)], old_root, new_root)
    if proof:
        assert not verify_consistency(old, new, proof[:-1], old_root, new_root)


@pytest.mark.parametrize("size", range(1, 20))
def test_a_proof_holds_for_one_place_only(size: int) -> None:
    tiles = log_of(size).tiles()
    root = tiles.root(size)
    for index in range(size):
        proof = tiles.inclusion(index, size)
        holds = [
            (other, count)
            for count in range(1, 24)
            for other in range(-1, count + 1)
            if verify_inclusion(LEAVES[index], other, count, proof, root)
        ]
        assert (index, size) in holds
        # A tree of another size may have the same way to its root; never does an entry stand in two places.
        assert {other for other, count in holds if count == size} == {index}


@given(st.integers(1, 700), st.data())
def test_an_altered_proof_does_not_hold(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof, root = BIG_TILES.inclusion(index, size), BIG_TILES.root(size)
    assert verify_inclusion(LEAVES[index], index, size, proof, root)
    assert not verify_inclusion(LEAVES[index + 1], index, size, proof, root)
    assert not verify_inclusion(LEAVES[index], index, size, [*proof, bytes(32)], root)
    if proof:
        place = data.draw(st.integers(0, len(proof) - 1))
        other = [*proof]
        other[place] = bytes([other[place][0] ^ 1]) + other[place][1:]
        assert not verify_inclusion(LEAVES[index], index, size, other, root)
        assert not verify_inclusion(LEAVES[index], index, size, proof[:-1], root)


def test_there_is_no_proof_of_what_is_not_there() -> None:
    for index, size in ((0, 0), (5, 5), (-1, 5)):
        with pytest.raises(BadInput):
            BIG_TILES.inclusion(index, size)
    with pytest.raises(BadInput):
        BIG_TILES.consistency(6, 5)
    assert not verify_consistency(6, 5, [], EMPTY_ROOT, EMPTY_ROOT)


def test_few_tiles_are_kept_if_so_asked() -> None:
    seen: list[tuple[int, int, int]] = []

    def read(level: int, index: int, width: int) -> bytes:
        seen.append((level, index, width))
        return BIG.read(level, index, width)

    tiles = Tiles(read, keep=1)
    assert tiles.inclusion(0, 700) == tiles.inclusion(0, 700) == path(0, LEAVES[:700])
    assert len(seen) > 3
    with pytest.raises(Corrupt):
        Tiles(lambda *_: b"").root(1)


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_bundles_are_read_back(listed: list[bytes]) -> None:
    data = write_bundle(listed)
    assert parse_bundle(data, len(listed)) == listed
    for wrong in (data[:-1], data + b"\0", data + b"\0\1"):
        if wrong != data:
            with pytest.raises(BadInput):
                parse_bundle(wrong, len(listed))


def test_an_entry_has_at_most_65535_bytes() -> None:
    assert parse_bundle(write_bundle([bytes(65535)]), 1) == [bytes(65535)]
    with pytest.raises(BadInput):
        write_bundle([bytes(65536)])
