"""Deriving a ledger anew from its bodies, to find what was damaged or tampered with."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TypeAlias

from troth.core.entries import Act, commit, entry_type, public_time, read_body
from troth.core.errors import BadInput, Corrupt
from troth.core.events import subject_of
from troth.core.values import parse_instant
from troth.core.written import Json

Row: TypeAlias = tuple[int, str, str, bytes, bytes | None, bytes | None, str | None]
"""As stored: position, public type, public time, commitment, salt, body, subject."""


def find_damage(rows: Iterable[Row]) -> list[str]:
    """What is wrong with the entries of a ledger, in order of position; empty if nothing is.

    Entries that are missing at the end cannot be seen from here: for that there is the public log.
    """
    wrong: list[str] = []
    latest: dict[str, int] = {}
    erased: set[int] = set()
    for index, row in enumerate(rows):
        position, kind, _, commitment, salt, body, subject = row
        if position != index:
            return [*wrong, f"entry {index} is missing"]
        if body is None:
            if kind == "member" and salt is None and subject is None:
                erased.add(position)
            else:
                wrong.append(f"entry {position} has lost its body")
        elif salt is None or commit(salt, body) != commitment:
            wrong.append(f"entry {position} does not match its commitment")
        else:
            plain = json.loads(body)
            wrong += _against_body(row, plain)
            if subject is not None:
                if not _continues(plain.get("previous"), latest.get(subject), position, erased):
                    wrong.append(f"entry {position} breaks its member's chain")
                latest[subject] = position
    return wrong


def _against_body(row: Row, plain: dict[str, Json]) -> list[str]:
    """What stands beside a body and is not what the body says."""
    position, kind, public, _, _, _, subject = row
    try:
        what = read_body(kind, plain, position)
        time = public_time(kind, parse_instant(str(plain.get("recorded_at"))))
    except (Corrupt, BadInput):
        return [f"the body of entry {position} cannot be read"]
    owner = None if isinstance(what, Act) else subject_of(what)
    beside = {"type": (kind, entry_type(what)), "time": (public, time), "member": (subject, owner)}
    return [
        f"entry {position} shows another {name} than its body" for name, (a, b) in beside.items() if a != b
    ]


def _continues(previous: Json, last: int | None, position: int, erased: set[int]) -> bool:
    """A link leads to the member's entry before; where that was erased since, it still does, skipping no other."""
    if previous == last:
        return True
    return (
        isinstance(previous, int)
        and previous in erased
        and (-1 if last is None else last) < previous < position
    )
