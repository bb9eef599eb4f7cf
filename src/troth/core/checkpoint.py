"""Checkpoints after C2SP tlog-checkpoint: what a log says it is at some size, to be signed as a note.

``origin\\nsize\\nbase64(root)\\n``; lines beyond these three are refused, since no monitor can check what they say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from troth.core.errors import BadInput
from troth.core.merkle import EMPTY_ROOT, HASH_BYTES
from troth.core.note import check_name, decode64, encode64
from troth.core.tiles import MAX_SIZE

_NUMBER: Final = re.compile("0|[1-9][0-9]{0,18}", re.ASCII)
_LINES: Final = 3


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log's name, its number of entries and the root over them (32 bytes)."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{encode64(self.root)}\n"


def parse_checkpoint(text: str) -> Checkpoint:
    """Read the text of a checkpoint.

    Raises:
        BadInput: not one, not in its one form, or of another tree than RFC 6962's.
    """
    lines = text.split("\n")
    if lines.pop() or len(lines) != _LINES:
        raise BadInput("is no checkpoint: expected three lines, the log's name, its size and its root")
    origin, size, encoded = lines
    check_name(origin)
    try:
        root = decode64(encoded)
    except ValueError:
        root = b""
    if len(root) != HASH_BYTES:
        raise BadInput("is no checkpoint: the third line is no SHA-256 root in base64")
    return Checkpoint(origin, parse_size(size), root)


def parse_size(text: str) -> int:
    """Read a size or index: decimal, no leading zeroes, at most 2^63 - 1.

    Raises:
        BadInput: not one.
    """
    if _NUMBER.fullmatch(text) is None or int(text) > MAX_SIZE:
        raise BadInput("is no checkpoint: a size is a decimal number without leading zeroes")
    return int(text)


def is_empty_root(checkpoint: Checkpoint) -> bool:
    """Whether the root is that of the empty tree."""
    return checkpoint.root == EMPTY_ROOT
