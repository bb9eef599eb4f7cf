"""The tree of RFC 6962 against its definition, and against known answers."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from troth.core.merkle import EMPTY_ROOT, hash_pairs, leaf_hash, node_hash, packed_root, root

HASHES = st.lists(st.binary(min_size=32, max_size=32), max_size=70)


def by_definition(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1, word for word, over leaf hashes."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    split = max(1 << power for power in range(len(leaves).bit_length()) if 1 << power < len(leaves))
    both = by_definition(leaves[:split]) + by_definition(leaves[split:])
    return hashlib.sha256(b"\x01" + both).digest()


@given(HASHES)
def test_both_ways_to_a_root_follow_the_definition(leaves: list[bytes]) -> None:
    expected = by_definition(leaves)
    assert root(iter(leaves)) == expected
    assert packed_root(b"".join(leaves)) == expected
    assert packed_root(memoryview(b"".join(leaves))) == expected


@given(HASHES, st.integers(0, 4))
def test_runs_of_a_power_of_two_are_subtrees(leaves: list[bytes], power: int) -> None:
    runs = [leaves[at : at + (1 << power)] for at in range(0, len(leaves), 1 << power)]
    assert packed_root(b"".join(map(by_definition, runs))) == by_definition(leaves)


# Inputs and roots of the tests of Certificate Transparency's reference implementation (RFC 6962, section 2.1).
INPUTS = [bytes.fromhex(one) for one in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)


@pytest.mark.parametrize("size", range(1, 9))
def test_known_roots(size: int) -> None:
    assert root(leaf_hash(one) for one in INPUTS[:size]).hex() == ROOTS[size - 1]


def test_the_root_of_nothing() -> None:
    nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert root([]).hex() == packed_root(b"").hex() == EMPTY_ROOT.hex() == nothing


def test_leaves_and_nodes_are_hashed_apart() -> None:
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert node_hash(left, right) == hash_pairs(left + right)
    assert node_hash(left, right) != leaf_hash(left + right)


@pytest.mark.parametrize("size", [1, 31, 33, 95])
def test_a_buffer_of_half_a_hash_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="whole number of hashes"):
        packed_root(bytes(size))


def test_another_way_to_hash_pairs_is_used() -> None:
    seen = []

    def counted(pairs: bytes | memoryview) -> bytes:
        seen.append(len(pairs) // 64)
        return hash_pairs(pairs)

    assert packed_root(bytes(32 * 5), counted) == by_definition([bytes(32)] * 5)
    assert seen == [2, 1, 1]
