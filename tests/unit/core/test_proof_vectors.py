"""The vectors of another implementation (transparency-dev/merkle): good proofs and, most of them, bad ones."""

from __future__ import annotations

import base64
import json

import pytest

from tests.support import ROOT
from troth.core.proof import verify_consistency, verify_inclusion

VECTORS = json.loads((ROOT / "tests/golden/transparency-dev-merkle.json").read_text())


def decoded(values: list[str] | None) -> list[bytes]:
    return [base64.b64decode(one) for one in values or []]


@pytest.mark.parametrize("vector", VECTORS["inclusion"], ids=lambda one: one["name"])
def test_inclusion(vector: dict[str, object]) -> None:
    leaf, root = decoded([str(vector["leafHash"]), str(vector["root"])])
    proof = decoded(vector["proof"])  # type: ignore[arg-type]
    holds = verify_inclusion(leaf, int(str(vector["leafIdx"])), int(str(vector["treeSize"])), proof, root)
    assert holds is not vector["wantErr"]


@pytest.mark.parametrize("vector", VECTORS["consistency"], ids=lambda one: one["name"])
def test_consistency(vector: dict[str, object]) -> None:
    old_root, new_root = decoded([str(vector["root1"]), str(vector["root2"])])
    proof = decoded(vector["proof"])  # type: ignore[arg-type]
    old, new = int(str(vector["size1"])), int(str(vector["size2"]))
    # Theirs asks for no proof from an empty tree at all; a witness accepts the empty one (C2SP tlog-witness).
    from_nothing = vector["name"] == "consistency/additional/size1-is-zero-and-size2-is-not-zero"
    expected = from_nothing or not vector["wantErr"]
    assert verify_consistency(old, new, proof, old_root, new_root) is expected


def test_there_are_good_and_bad_ones() -> None:
    for kind in ("inclusion", "consistency"):
        assert {one["wantErr"] for one in VECTORS[kind]} == {True, False}
        assert len(VECTORS[kind]) > 90
