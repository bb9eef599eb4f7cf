"""Making a public log anew from the ledger's entries, to find what was damaged, altered or lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from troth.core.errors import TrothError, Unavailable
from troth.core.merkle import leaf_hash
from troth.core.tiles import WIDTH, File, Frontier, bundle_path, parse_path, write_bundle
from troth.ledger.tilelog import Entries, TileLog


def find_log_damage(log: TileLog, ledger: Entries, progress: Callable[[int, int | None], None]) -> list[str]:
    """What is wrong with a log; empty if it is what the ledger says. Changes nothing.

    Every published file is compared byte for byte, every root recomputed. Entries that no checkpoint covers yet
    are nobody's loss but the next publication's, and say nothing here.
    """
    try:
        signed, published, stopped = log.signed(), log.published(), log.stopped()
    except Unavailable:
        raise
    except TrothError as error:
        return [str(error)]
    wrong = [] if stopped is None else [f"nothing may be written: {stopped}"]
    shown = None if published is None else published.checkpoint
    size = ledger.size
    for what, one in (("signed", signed), ("published", shown)):
        if one is not None and one.size > size:
            return [*wrong, f"the ledger holds {size} entries; {one.size} were {what}"]
    if shown is not None and (signed is None or signed.size < shown.size):
        wrong.append(f"{shown.size} entries are public, but there is no record of signing that many")
    frontier = Frontier()
    for tree in sorted({one for one in (signed, shown) if one is not None}, key=lambda one: one.size):
        public = shown is not None and tree.size <= shown.size
        for path, data in _files(ledger, frontier, tree.size, progress):
            if public and (problem := _compare(log, path, data)):
                wrong.append(problem)
        if frontier.root() != tree.root:
            wrong.append(f"the first {tree.size} entries are not those that were signed")
    return wrong


def _files(
    ledger: Entries, frontier: Frontier, size: int, progress: Callable[[int, int | None], None]
) -> Iterator[File]:
    """The files of the log up to a size, from the frontier on."""
    start = frontier.size - frontier.size % WIDTH
    entries = ledger.public(start, size)
    while start < size:
        texts = [one.text() for one in islice(entries, WIDTH)]
        yield bundle_path(start // WIDTH, len(texts)), write_bundle(texts)
        leaves = b"".join(map(leaf_hash, texts))
        yield from frontier.extend(leaves[len(frontier.edge()) :])
        start += len(texts)
        progress(start, size)
    yield from frontier.partial()


def _compare(log: TileLog, path: str, data: bytes) -> str | None:
    there = log.shelf.find(path)
    if there == data:
        return None
    if there is not None:
        return f"{path} was altered"
    found = parse_path(path)
    if found.width < WIDTH:
        # Tidied away once the full one was there.
        full = log.shelf.find(str(type(found)(found.level, found.index)))
        if full is not None and full.startswith(data):
            return None
    return f"{path} is missing"
