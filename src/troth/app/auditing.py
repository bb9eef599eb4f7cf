"""What an auditor checks: the ledger as a whole, entries drawn at random, the access log against its digests."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from troth.app import logs, releases
from troth.app.home import Home


@dataclass(frozen=True, slots=True)
class Opening:
    """An entry that was opened: what is public of it, and whether its body matches its commitment.

    ``state`` is ``matches``, ``erased`` or ``differs``. The body of a member's entry is not shown.
    """

    position: int
    type: str
    time: str
    commitment: str
    state: str


def overview(home: Home) -> dict[str, Any]:
    """The head, entries by type, and the releases."""
    with home.reading() as ledger:
        head = ledger.size
        kinds = Counter(dict(ledger.types()))
    return {
        "head": head,
        "log": _log(home),
        "types": dict(kinds.most_common()),
        "releases": releases.listed(home)[::-1][:10],
    }


def _log(home: Home) -> dict[str, Any] | None:
    """The public log as it stands: its newest checkpoint, and who cosigned it."""
    if home.config.origin is None:
        return None
    published = logs.open_log(home).published()
    text = None if published is None else published.note.write().decode()
    return {"text": text, **logs.status(home).as_json()}


def check_log(home: Home) -> list[str]:
    """Derive the public log anew from the ledger; what is wrong, empty if nothing is."""
    return logs.check(home) if home.config.origin is not None else []


def openings(home: Home, positions: Sequence[int]) -> list[Opening]:
    """Open entries at positions, each against its commitment."""
    with home.reading() as ledger:
        return [
            Opening(one.position, one.type, one.time, one.commitment, ledger.opened(one.position))
            for one in map(ledger.receipt, positions)
        ]


def check(home: Home) -> list[str]:
    """Derive the whole ledger anew; what is wrong, empty if nothing is."""
    with home.reading() as ledger:
        return ledger.check() + check_log(home)


def accesses(home: Home, rows: Callable[..., list[tuple[Any, ...]]]) -> list[dict[str, Any]]:
    """The batches of the access log, newest first: what the ledger says, and whether the kept lines are those.

    Args:
        home: the home.
        rows: reads the server's own database: lines by number.
    """
    with home.reading() as ledger:
        acts = [(position, act.details) for position, act in ledger.all_acts() if act.type == "access"]
    found = []
    for position, details in acts[::-1][:100]:
        first, count = int(str(details["first"])), int(str(details["lines"]))
        kept = rows(
            "SELECT line FROM accesses WHERE number BETWEEN ? AND ? ORDER BY number", first, first + count - 1
        )
        digest = hashlib.sha256("".join(f"{line}\n" for (line,) in kept).encode()).hexdigest()
        found.append(
            {
                "position": position,
                "lines": count,
                "matches": digest == details["sha256"] and len(kept) == count,
                "shown": [line for (line,) in kept[:20]],
            }
        )
    return found
