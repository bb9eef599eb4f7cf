"""Folds of the members that are kept in a home, and what became of the ledger since they were made.

They say who chose what, so the folder is private, and an erasure forgets all of them.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import ibis.expr.types as ir

from troth.app.home import Home
from troth.core.identity import accounts_of, joins_of
from troth.core.values import Use
from troth.gate.gate import Asked, Gate
from troth.gate.kept import Kept, LedgerNow, State

_WORLD = ("terms", "setting", "regime", "rules")


def folder_of(home: Home, use: Use, *more: str) -> Path:
    """Where the fold of a use is kept; ``more`` tells apart what else it is kept for."""
    key = hashlib.sha256(json.dumps([use.purpose, use.recipient, *more]).encode()).hexdigest()[:16]
    return home.folds_path / key


def forget(home: Home) -> None:
    """Remove every kept fold: the next sync folds everybody anew."""
    shutil.rmtree(home.folds_path, ignore_errors=True)


def since(home: Home, before: State | None, position: int) -> LedgerNow:
    """What became of the ledger before a position since a fold was made."""
    with home.reading() as ledger:
        commitment = ledger.receipt(position - 1).commitment if position else None
        erased = ledger.erased_count(position)
        if before is None or position < before.position:
            return LedgerNow(position, commitment, erased, frozenset(), world_changed=True, same=False)
        then = ledger.receipt(before.position - 1).commitment if before.position else None
        touched = ledger.subjects(before.position, position)
        acts = ledger.member_acts(position)
        world_changed = any(one.type in _WORLD for one in ledger.public(before.position, position))
    for place, act in acts:
        if place >= before.position:
            touched |= {str(act.details.get(key, "")) for key in ("subject", "account")}
    # Whose accounts were joined then, or are now: what is said under one of them counts for the others.
    for joins in (joins_of(acts), joins_of(one for one in acts if one[0] < before.position)):
        if joins:
            touched |= {account for one in touched for account in accounts_of(one, joins)}
    return LedgerNow(
        position,
        commitment,
        erased,
        frozenset(touched - {""}),
        world_changed=world_changed,
        same=then == before.commitment,
    )


def brought_up(
    kept: Kept, gate: Gate, ledger: LedgerNow, records: ir.Table
) -> tuple[State, Asked, str | None]:
    """A kept fold brought up to a question: the members that were touched folded again, or everybody.

    Returns:
        The state, not committed yet; what was asked of the records; why everybody was folded, or None.
    """
    kept.hand_on(gate, ledger)
    before = kept.asked(gate) if kept.state is not None else None
    asked = gate.ask(records, before)
    touched = ledger.touched | kept.due(gate.at) if before is not None else set()
    reason = kept.outdated(gate, ledger, asked, len(touched))
    if reason is None:
        state = kept.state
        if state is not None and not touched and (state.at, state.position) == (gate.at, ledger.position):
            return state, asked, None
        return kept.advance(gate, ledger, touched), asked, None
    asked = gate.ask(records)
    return kept.rebuild(gate, asked, ledger), asked, reason
