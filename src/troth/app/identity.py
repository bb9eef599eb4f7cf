"""Accounts and the subjects whose they are: joined with evidence, undone, and what is doubtful."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from troth.app.home import Home, instant_or_now
from troth.core.errors import BadInput
from troth.core.identity import Join, accounts_of, check_join, join_act, joins_of, undo_act
from troth.core.written import Json
from troth.intake.marks import Marks
from troth.intake.parts import escaped
from troth.ledger.store import Receipt


def join(home: Home, subject: str, account: str, evidence: str, at: int | str | None = None) -> Receipt:
    """Record that an account is a subject's: from now on a no under either reaches both.

    Args:
        home: the home.
        subject: the member, as the ledger's entries name them.
        account: another name that records have for the same person.
        evidence: why that is known, in words that an auditor understands.
        at: when it was found out; None: now.

    Raises:
        BadInput: no evidence, or the account is somebody's already.
        Conflict: another join came between.
    """
    if not evidence.strip():
        raise BadInput("a join needs evidence", remedy="say why this is known, with --evidence")
    with home.writing() as ledger:
        head = ledger.size
        check_join(subject, account, joins_of(ledger.member_acts(head)))
        act = join_act(subject, account, evidence.strip(), instant_or_now(at))
        return ledger.append([act], expected=head)[0]


def undo(home: Home, account: str, evidence: str, at: int | str | None = None) -> Receipt:
    """Undo a join: from the entry's position on each account stands for itself again.

    Raises:
        BadInput: no such join, or no reason given.
    """
    if not evidence.strip():
        raise BadInput("undoing a join needs a reason", remedy="say why, with --evidence")
    with home.writing() as ledger:
        head = ledger.size
        found = joins_of(ledger.member_acts(head)).get(account)
        if found is None:
            raise BadInput(f"{account!r} is joined to nobody", remedy="see `troth identity list`")
        return ledger.append([undo_act(found, evidence.strip(), instant_or_now(at))], expected=head)[0]


def listed(home: Home, subject: str | None = None) -> list[Join]:
    """The joins that hold, of one subject (by any of their accounts) or of all, by subject and account."""
    joins = home.joins()
    wanted = None if subject is None else set(accounts_of(subject, joins))
    found = [one for one in joins.values() if wanted is None or one.account in wanted]
    return sorted(found, key=lambda one: (one.subject, one.account))


def accounts(home: Home, subject: str) -> list[str]:
    """All accounts of a subject, whichever of them is named; the subject first."""
    return accounts_of(subject, home.joins())


@dataclass(frozen=True, slots=True)
class Doubt:
    """Two accounts that may be one person's. ``sure``: an export states it; ``records``: how many are at stake."""

    account: str
    other: str
    why: str
    sure: bool
    records: int

    def as_json(self) -> dict[str, Json]:
        """Plain JSON values."""
        return {
            "account": self.account,
            "other": self.other,
            "why": self.why,
            "stated_by_an_export": self.sure,
            "records": self.records,
        }


def doubtful(home: Home) -> list[Doubt]:
    """Pairs of accounts, both parties of records or known to the ledger, that may be one person's and are not joined.

    Nothing is joined by itself: a name in common proves nothing, and an address may be shared.
    """
    joins = home.joins()
    parties = _parties(home)
    with home.reading() as ledger:
        members = {one for one in _names(home) if ledger.history(one)}
    found: dict[tuple[str, str], Doubt] = {}
    for hint in Marks(home.records_path).hints():
        pair = (hint.account, hint.other)
        together = hint.other in accounts_of(hint.account, joins)
        there = all(one in parties or one in members for one in pair)
        if together or not there or (pair in found and not hint.sure):
            continue
        at_stake = min(parties.get(one, 0) for one in pair)
        found[pair] = Doubt(*pair, hint.why, hint.sure, at_stake)
    return sorted(found.values(), key=lambda one: (not one.sure, -one.records, one.account, one.other))


def _names(home: Home) -> list[str]:
    hints = Marks(home.records_path).hints()
    return list(dict.fromkeys(one for hint in hints for one in (hint.account, hint.other)))


def _parties(home: Home) -> dict[str, int]:
    """The accounts that are parties of stored records, and of how many."""
    parts = sorted(home.records_path.glob("*.parquet"))
    if not parts:
        return {}
    with duckdb.connect(":memory:") as connection:
        rows = connection.execute(
            "SELECT party, count(*) FROM (SELECT unnest(list_distinct(list_append(addressees, author))) AS party"
            " FROM read_parquet($1)) WHERE party IS NOT NULL AND party <> '' GROUP BY party",
            [[escaped(part) for part in parts]],
        ).fetchall()
    return {str(party): int(number) for party, number in rows}
