"""Asking a counts model: Witten–Bell smoothing over the tables as they are.

For a context c that was seen n times, followed by T different bytes, and c' without its first byte::

    P(w | c) = (n(c, w) + T · P(w | c')) / (n + T)

(Witten and Bell, "The Zero-Frequency Problem", 1991, method C; in the interpolated form of Chen and Goodman, "An
Empirical Study of Smoothing Techniques for Language Modeling", 1998, equation 13.) Below the empty context lies
the even distribution over all bytes that UTF-8 uses, and the end of a text. A context that was never seen says
what the shorter one says. Counts are integers and the arithmetic is float64, so equal counts give equal answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from troth.core.errors import BadInput
from troth.learning.counts.grams import END, START, WIDTH, Numbers, grams, mask
from troth.learning.counts.table import Table, summed

Floats = npt.NDArray[np.float64]

_SYMBOLS: Final = 256


class CountsModel:
    """A counts model that is open: the sum of tables, less differences."""

    def __init__(self, tables: Sequence[Table], differences: Sequence[Table], order: int) -> None:
        # Never added up here: opening has to be quick, since whoever is served waits for it after a withdrawal.
        self._tables = list(tables)
        self._differences = list(differences)
        self.order = order

    def generate(self, prompt: str, *, length: int = 200, seed: int = 0, temperature: float = 0.7) -> str:
        """Text that goes on from a prompt, without it: up to ``length`` bytes, or to the end of a text.

        Args:
            prompt: what to go on from; nothing: a text from its beginning.
            length: how many bytes at most.
            seed: the same gives the same.
            temperature: 1 draws as the model believes, less keeps to what is likely, 0 always takes the likeliest.

        Raises:
            BadInput: a number that cannot be.
        """
        if length < 1 or temperature < 0:
            raise BadInput("expected a length of 1 or more and a temperature of 0 or more")
        draw = np.random.Generator(np.random.PCG64(seed))
        said = bytearray(prompt.encode())
        context = bytearray([START]) + said
        if said:
            # A prompt is the middle of something: nothing is known of what came before it.
            context = said
        begun = len(context)
        for _ in range(length):
            symbol = _drawn(self.following(bytes(context[-(self.order - 1) :])), temperature, draw)
            if symbol == END:
                break
            context.append(symbol)
        # What is cut off within a character, or was never one, is left out.
        return bytes(context[begun:]).decode("utf-8", "ignore")

    def following(self, context: bytes) -> Floats:
        """The probability of each next byte (index END: the end of the text) after a context."""
        found = np.full(_SYMBOLS, 1 / (_SYMBOLS - 1))
        found[START] = 0.0
        for length in range(min(len(context), self.order - 1) + 1):
            counts = self._after(context[len(context) - length :])
            total, kinds = int(counts.sum()), int(np.count_nonzero(counts))
            if total:
                found = (counts + kinds * found) / (total + kinds)
        return found

    def _after(self, context: bytes) -> npt.NDArray[np.int64]:
        """How often each byte followed a context."""
        length = len(context)
        low = int.from_bytes(context.ljust(WIDTH, b"\0"), "big")
        step = 1 << 8 * (WIDTH - length - 1)
        bounds = np.uint64(low) + np.uint64(step) * np.arange(_SYMBOLS, dtype=np.uint64)
        last = np.uint64(low | ~mask(length) & ((1 << 64) - 1))
        counts = np.zeros(_SYMBOLS, np.int64)
        for sign, tables in ((1, self._tables), (-1, self._differences)):
            for table in tables:
                places = np.append(
                    np.searchsorted(table.grams, bounds), np.searchsorted(table.grams, last, "right")
                )
                counts += sign * _steps(table.upto, places)
        if not length:
            # As many texts end as begin; a beginning never follows anything.
            counts[END], counts[START] = counts[START], 0
        return counts

    @cached_property
    def _whole(self) -> Table:
        return summed(self._tables, self._differences)

    def bits_per_byte(self, texts: Iterator[bytes]) -> float:
        """Cross-entropy on texts in bits for each of their bytes, the ends of texts included.

        Raises:
            BadInput: there is no byte in them.
        """
        told = list(texts)
        size = sum(map(len, told))
        if not size:
            raise BadInput("there is no text to measure on")
        bits = -np.log2(_surprise(self._whole, told)).sum()
        return float(bits / size)


def _steps(upto: Numbers, places: npt.NDArray[np.intp]) -> npt.NDArray[np.int64]:
    """The sums between places of running sums."""
    sums = np.zeros(len(places), np.int64)
    sums[places > 0] = upto[places[places > 0] - 1]
    return sums[1:] - sums[:-1]


def _drawn(chances: Floats, temperature: float, draw: np.random.Generator) -> int:
    if temperature == 0:
        return int(np.argmax(chances))
    weights = chances ** (1 / temperature)
    sums = np.cumsum(weights)
    return int(np.searchsorted(sums, draw.random() * sums[-1], "right"))


def _surprise(table: Table, texts: Sequence[bytes]) -> Floats:
    """The probability of each byte of texts, and of each end, where it stands; for many at a time."""
    if not len(table.grams):
        return np.full(sum(map(len, texts)) + len(texts), 1 / (_SYMBOLS - 1))
    symbols = np.frombuffer(b"".join(bytes([START]) + text + bytes([END]) for text in texts), np.uint8)
    starts = np.concatenate([[0], np.cumsum([len(text) + 2 for text in texts])[:-1]])
    depth = np.arange(len(symbols)) - np.repeat(starts, np.diff(np.append(starts, len(symbols))))
    chance = np.full(len(symbols), 1 / (_SYMBOLS - 1))
    for length in range(table.order):
        # Contexts of this length that lie within their text.
        places = np.flatnonzero(depth >= max(length, 1))
        if not len(places):
            break
        total, kinds, seen = _counts_at(table, symbols, places, length)
        known = total > 0
        there = places[known]
        chance[there] = (seen + kinds * chance[places])[known] / (total + kinds)[known]
    found: Floats = chance[depth > 0]
    return found


def _counts_at(
    table: Table, symbols: npt.NDArray[np.uint8], places: npt.NDArray[np.intp], length: int
) -> tuple[Floats, Floats, Floats]:
    """For contexts of a length before places: how often they were seen, with how many followers, and with this one."""
    low = np.zeros(len(places), np.uint64)
    for back in range(length, 0, -1):
        low |= symbols[places - back].astype(np.uint64) << np.uint64(8 * (WIDTH - 1 - (length - back)))
    contexts, back_to = np.unique(low, return_inverse=True)
    heads = table.grams & np.uint64(mask(length + 1))
    is_new = np.concatenate([[0], np.cumsum(np.diff(heads, prepend=~heads[:1]) != 0)])
    upto = np.concatenate([np.zeros(1, np.uint64), table.upto])
    first = np.searchsorted(table.grams, contexts)
    last = np.searchsorted(table.grams, contexts | np.uint64(~mask(length) & ((1 << 64) - 1)), "right")
    total = (upto[last] - upto[first]).astype(np.float64)
    kinds = (is_new[last] - is_new[first]).astype(np.float64)
    shift = np.uint64(8 * (WIDTH - 1 - length))
    following = low | symbols[places].astype(np.uint64) << shift
    below = (np.uint64(1) << shift) - np.uint64(1)
    ends = np.searchsorted(table.grams, following | below, "right")
    seen = (upto[ends] - upto[np.searchsorted(table.grams, following)]).astype(np.float64)
    if not length:
        # As many texts end as begin; see ``CountsModel._after``.
        begun = upto[np.searchsorted(table.grams, np.uint64(START) << np.uint64(56))]
        seen[symbols[places] == END] = float(table.upto[-1] - begun)
    return total[back_to], kinds[back_to], seen


def small_table(texts: Iterator[bytes], order: int) -> Table:
    """The table of a few texts, in memory; for tests and for peers."""
    from troth.learning.counts.table import counted_small

    return counted_small(order, list(grams(texts, order)))
