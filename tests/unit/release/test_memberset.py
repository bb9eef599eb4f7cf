"""The set made by the engine is, bit for bit, the one that the definitions give."""

from __future__ import annotations

import io
import random
from collections import deque
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tests.unit.core.setworld import directory_of, set_of
from troth.core.errors import BadInput
from troth.core.merkle import root
from troth.core.sets import Credential, Details, bits_for, bucket_of, member_root
from troth.core.tiles import static_tree
from troth.release.directory import build_directory
from troth.release.engine import Limits
from troth.release.fixed import prefixes, roots_of, table_of
from troth.release.folder import NewFile
from troth.release.leaves import leaf_places, sort_leaves
from troth.release.memberset import Joining
from troth.release.records import RECORD, bucket_records
from troth.release.trees import BucketTree, write_row_tiles


def drawn(*names: object) -> bytes:
    return sha256(repr(names).encode()).digest()


@pytest.mark.parametrize("members", [1, 3, 40, 4000])
def test_the_set_is_the_one_that_the_definitions_give(tmp_path: Path, members: int) -> None:
    chance = random.Random(members)
    names = [f"member {number}" for number in range(members)]
    rows = [
        (chance.choice(names), [chance.choice([*names[:50], "", None]) for _ in range(chance.randrange(3))])
        for _ in range(2 * members)
    ]
    leaves = [drawn("leaf", number % (2 * members - 1)) for number in range(len(rows))]
    secrets = {name: drawn("secret", name) for name in names}
    heads = {name: number for number, name in enumerate(names) if number % 3}
    packed = b"".join(leaves)
    found: dict[str, bytes] = {}
    records = tmp_path / "records"
    with Joining(Limits(folder=tmp_path)) as joining, records.open("wb") as kept:
        author = pa.array([one for one, _ in rows])
        addressees = pa.array([several for _, several in rows], pa.list_(pa.string()))
        joining.load_rows([(author, addressees, leaf_places(packed))])
        joining.load_accounts("r-1", [(list(secrets), list(secrets.values()), [*map(heads.get, secrets)])])
        with NewFile(tmp_path / "openings") as file:
            joining.write_openings(file)
        with (tmp_path / "openings").open("rb") as openings:
            built = joining.build_set(openings, sort_leaves(packed), found.__setitem__, kept)

    owned: dict[str, list[bytes]] = {}
    for (one, several), leaf in zip(rows, leaves, strict=True):
        for name in {one, *several} - {"", None}:
            owned.setdefault(str(name), []).append(leaf)
    items = {}
    for name, own in owned.items():
        tag = Credential(bytes(16), secrets[name]).tag("r-1")
        items[tag] = Details(len(own), member_root(own), heads.get(name)).commit(tag, secrets[name])
    expected = set_of(items.items(), bits_for(len(items)))
    assert (built.root, built.bits, built.members) == (expected.root, expected.bits, len(items))
    assert found == dict(static_tree(expected.entries))

    tag = next(iter(items))
    [record] = [
        one for one in bucket_records(records, bucket_of(tag, built.bits), built.bits) if one.tag == tag
    ]
    assert record.detail == items[tag]
    owner = next(name for name in owned if Credential(bytes(16), secrets[name]).tag("r-1") == tag)
    opened = record.opened(secrets[owner], 10**6)
    assert opened == Details(len(owned[owner]), member_root(owned[owner]), heads.get(owner))
    assert record.opened(bytes(32), 10**6) is None
    assert records.stat().st_size == RECORD * len(items)


@pytest.mark.parametrize("accounts", [0, 1, 700])
def test_the_directory_is_the_one_that_the_definitions_give(tmp_path: Path, accounts: int) -> None:
    several = [
        Credential(drawn("account", number)[:16], drawn("secret", number)) for number in range(accounts)
    ]
    found: dict[str, bytes] = {}
    batches = [([one.account for one in several], [one.secret for one in several])]
    built = build_directory(batches, found.__setitem__, Limits(folder=tmp_path))
    expected = directory_of(((one.label, one.commitment) for one in several), bits_for(accounts))
    assert (built.root, built.bits, built.members) == (expected.root, expected.bits, accounts)
    assert found == dict(static_tree(expected.entries))


def test_roots_of_runs() -> None:
    counts = [1, 2, 3, 5, 8, 1, 13, 64, 65]
    leaves = [drawn(number) for number in range(sum(counts))]
    roots = roots_of(table_of(b"".join(leaves), 32), np.array(counts))
    at = 0
    for count, found in zip(counts, roots, strict=True):
        assert found.tobytes() == root(leaves[at : at + count])
        at += count


def test_prefixes_are_the_first_bits() -> None:
    names = [drawn(number)[:16] for number in range(50)]
    for bits in (0, 1, 7, 24, 40):
        assert prefixes(table_of(b"".join(names), 16), bits).tolist() == [
            bucket_of(name, bits) for name in names
        ]


def test_items_come_in_strict_order() -> None:
    low, high = bytes(16), b"\xff" * 16
    for first, second in (([high, low], []), ([low, low], []), ([high], [low]), ([low], [low])):
        tree = BucketTree(1, lambda _path, _data: None, sealed=False)
        tables = [table_of(b"".join(items), 16) for items in (first, second)]
        with pytest.raises(BadInput, match="strictly ascending"):
            deque(map(tree.add, tables), 0)


def test_a_member_without_a_secret_or_an_opening_is_noticed(tmp_path: Path) -> None:
    rows = [
        (pa.array(["ann", "bob"]), pa.array([[], []], pa.list_(pa.string())), np.arange(2, dtype=np.uint64))
    ]
    with Joining(Limits(folder=tmp_path)) as joining:
        joining.load_rows(rows)
        joining.load_accounts("r-1", [(["ann"], [bytes(32)], [None])])
        assert list(joining.without_secret()) == [["bob"]]
        with NewFile(tmp_path / "one") as file, pytest.raises(BadInput, match="has no secret"):
            joining.write_openings(file)
    with Joining(Limits(folder=tmp_path)) as joining:
        joining.load_rows(
            [(pa.array(["ann"]), pa.array([[]], pa.list_(pa.string())), np.zeros(1, np.uint64))]
        )
        joining.load_accounts("r-1", [(["ann"], [bytes(32)], [None])])
        with NewFile(tmp_path / "two") as file:
            joining.write_openings(file)
    with Joining(Limits(folder=tmp_path)) as joining, (tmp_path / "two").open("rb") as openings:
        joining.load_rows(rows)
        with pytest.raises(BadInput, match="one opening for each member"):
            joining.build_set(openings, bytes(64), lambda _path, _data: None, io.BytesIO())
    assert not list(tmp_path.glob(".joining-*"))


def test_row_tiles_leave_out_the_leaves() -> None:
    leaves = [drawn(number) for number in range(300)]
    found: dict[str, bytes] = {}
    write_row_tiles(b"".join(leaves), found.__setitem__)
    assert list(found) == ["rows/tile/1/000.p/1"]
    assert found["rows/tile/1/000.p/1"] == root(leaves[:256])
