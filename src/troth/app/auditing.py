"""What an auditor checks: the ledger as a whole, entries drawn at random, the access log against its digests."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from troth.app import logs, releases
from troth.app.home import Home
from troth.core.checkpoint import parse_checkpoint
from troth.core.errors import BadInput
from troth.core.note import parse_note, verify
from troth.core.proof import verify_consistency


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


@dataclass(frozen=True, slots=True)
class Contained:
    """Whether the log as it is published goes on from an earlier checkpoint of it.

    ``signed``: it carries this log's signature. ``hashes`` are those of the consistency proof (RFC 9162, 2.1.4).
    """

    size: int
    published: int
    signed: bool
    holds: bool
    hashes: int

    @property
    def alarming(self) -> bool:
        """The log signed two histories of which neither goes on from the other."""
        return self.signed and not self.holds


def contains(home: Home, data: bytes) -> Contained:
    """Hold an earlier signed checkpoint against the published log.

    Raises:
        BadInput: the home has no log, nothing is published, or the text is no checkpoint of this log.
        Refused: it names this log's key, and the signature does not hold.
    """
    log = logs.open_log(home)
    now = log.published()
    if now is None:
        raise BadInput("nothing is published yet")
    note = parse_note(data)
    earlier = parse_checkpoint(note.text)
    if earlier.origin != log.origin:
        raise BadInput(
            "this is a checkpoint of another log", remedy="paste one that was fetched from this log"
        )
    keys = [party.key for party in logs.policy_of(home).logs]
    signed = bool(verify(note.text, note.signatures, keys))
    size = now.checkpoint.size
    if earlier.size > size:
        return Contained(earlier.size, size, signed, holds=False, hashes=0)
    proof = log.tiles().consistency(earlier.size, size) if 0 < earlier.size < size else []
    holds = verify_consistency(earlier.size, size, proof, earlier.root, now.checkpoint.root)
    return Contained(earlier.size, size, signed, holds, len(proof))


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
