"""Every other value of every byte of a proof is refused."""

from __future__ import annotations

import pytest

from tests.unit.core.setworld import World, check, signed
from troth.core.presence import Proof

WORLD = World(present=range(0, 6, 2), everybody=range(6))
SIGNED = signed(WORLD.manifest)


@pytest.mark.parametrize("proof", [WORLD.proof(2), WORLD.proof(3)], ids=["presence", "absence"])
def test_every_other_byte_is_refused(proof: Proof) -> None:
    data = proof.write()
    assert check(data, SIGNED).ok
    for place in range(len(data)):
        altered = bytearray(data)
        for value in range(256):
            if value != data[place]:
                altered[place] = value
                assert not check(bytes(altered), SIGNED).ok, (place, value)
