"""What must hold of a ledger after a process that wrote to it died."""

from __future__ import annotations

from pathlib import Path

from troth.core.events import Objection
from troth.ledger.store import Ledger

BATCH = 3


def acknowledged(output: str) -> dict[int, str]:
    """The position and commitment of every entry that was acknowledged; a last line cut in two counts as not."""
    lines = [line.split() for line in output.split("\n")[:-1]]
    return {int(line[1]): line[2] for line in lines if line[0] == "ack"}


def judge(path: Path, promised: dict[int, str]) -> int:
    """No acknowledged entry is missing or another, appends are whole, nothing is damaged. Returns the size."""
    with Ledger.read(path) as reader:
        assert reader.check() == []
    with Ledger.write(path) as ledger:
        ledger.free_space_floor = 0
        size = ledger.size
        assert size % BATCH == 0
        there = {one.position: one.entry.commitment.hex() for one in ledger.entries()}
        missing = [position for position in promised if there.get(position) != promised[position]]
        assert missing == []
        # And life goes on.
        ledger.append([Objection("cy", 0)] * BATCH)
        assert ledger.check() == []
    return size
