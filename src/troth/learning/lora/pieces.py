"""From texts to batches: each record by itself, so that one that is gone changes no other's pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Piece = list[int]


def pieces_of(text: bytes, tokenizer: Any, length: int) -> list[Piece]:  # noqa: ANN401 - types of extras are not read
    """The tokens of one record between two ends of text, cut to ``length`` targets.

    Pieces overlap by the token that the next is predicted from, so each token is a target exactly once.
    Bytes that are no UTF-8 are replaced. An empty text has no pieces.
    """
    plain = text.decode("utf-8", "replace")
    if not plain:
        return []
    end = tokenizer.eos_token_id
    tokens = [end, *tokenizer(plain, add_special_tokens=False, verbose=False)["input_ids"], end]
    return [tokens[start : start + length + 1] for start in range(0, len(tokens) - 1, length)]


def batches(pieces: Iterable[Piece], size: int) -> Iterator[list[Piece]]:
    """The pieces in their order, ``size`` at a time."""
    batch: list[Piece] = []
    for piece in pieces:
        batch.append(piece)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
