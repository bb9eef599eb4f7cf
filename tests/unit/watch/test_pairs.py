"""Whole changes in the styles of many services: whether training is added, and which sentence is shown first."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from troth.watch.reading import Reading, read_change, version
from troth.watch.text import key_of, read


@dataclass
class Pair:
    name: str
    added: bool
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)
    first: str = ""

    def read(self) -> Reading:
        return read_change(version(read(joined(self.before))), version(read(joined(self.after))))


def joined(lines: list[str]) -> str:
    """Blocks, with the lines of a list or a table next to one another."""
    text, listed = "", False
    for line in lines:
        was, listed = listed, line.startswith(("* ", "- ", "|"))
        text += ("\n" if was and listed else "\n\n") + line
    return text


def pairs(path: Path) -> list[Pair]:
    found: list[Pair] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        sign, text = line[:1], line[2:]
        if sign == "@":
            label, _, name = text.partition(" | ")
            found.append(Pair(name, label == "added"))
        elif sign in "=-+*" and line:
            one = found[-1]
            if sign in "=-":
                one.before.append(text)
            if sign in "=+*":
                one.after.append(text)
            if sign == "*":
                one.first = text
    return found


ALL = pairs(Path(__file__).with_name("pairs.txt"))


@pytest.mark.parametrize("pair", ALL, ids=lambda pair: pair.name)
def test_training_is_found_where_it_is_added_and_its_sentence_comes_first(pair: Pair) -> None:
    reading = pair.read()
    assert any("ai-training-added" in one.flags for one in reading.changes) == pair.added
    if pair.added:
        first = key_of(reading.changes[0].after or "")
        assert first
        assert first in key_of(pair.first)
