"""N-grams of texts as sortable numbers.

A text is taken as START ‖ its bytes ‖ END, padded with END. From each position but those of END the next
``order`` bytes make one gram, written as an unsigned 64-bit number, first byte highest, what is left of eight
bytes zero. So the numeric order of grams is that of their bytes, and all grams that begin with the same bytes
stand together: one sorted table holds the counts of every shorter gram too.

START and END are bytes that UTF-8 never uses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from troth.core.errors import BadInput

WIDTH: Final = 8
"""Bytes of the longest gram."""

START: Final = 0xFE
END: Final = 0xFF

Numbers = npt.NDArray[np.uint64]

_CHUNK: Final = 1 << 23
_HEAD: Final = bytes([START])
_TAIL: Final = bytes([END]) * WIDTH


def mask(length: int) -> int:
    """The bits that the first ``length`` bytes of a gram take."""
    return (1 << 64) - (1 << 8 * (WIDTH - length))


def grams(texts: Iterable[bytes | memoryview], order: int) -> Iterator[Numbers]:
    """The grams of texts, some million at a time.

    Raises:
        BadInput: a text that is no UTF-8.
    """
    pieces: list[bytes | memoryview] = []
    size = count = 0
    for text in texts:
        pieces += (_HEAD, text, _TAIL)
        size += len(text)
        count += 1
        if size >= _CHUNK:
            yield _grams(b"".join(pieces), count, order)
            pieces, size, count = [], 0, 0
    if count:
        yield _grams(b"".join(pieces), count, order)


def _grams(padded: bytes, count: int, order: int) -> Numbers:
    symbols = np.frombuffer(padded, np.uint8)
    ends = symbols == END
    if np.count_nonzero(symbols == START) != count or np.count_nonzero(ends) != count * WIDTH:
        raise BadInput("a text holds bytes that are no UTF-8", remedy="import the records again")
    # Pairs, then fours, then eights: three steps in place of seven.
    twos = symbols[:-1].astype(np.uint16) << np.uint16(8) | symbols[1:]
    fours = twos[:-2].astype(np.uint32) << np.uint32(16) | twos[2:]
    eights = fours[:-4].astype(np.uint64) << np.uint64(32) | fours[4:]
    found: Numbers = eights[~ends[: len(eights)]]
    return found if order == WIDTH else found & np.uint64(mask(order))
