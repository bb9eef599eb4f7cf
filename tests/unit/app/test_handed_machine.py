"""Disclosing, countersigning, passing on, taking back, holding, recalling and answering, in any order.

Messages get lost or come twice, and the process dies before or after an entry is committed. What always holds: nothing
recalled counts as cleared without the recipient's signature; nothing held is destroyed; every chain of receipts
verifies offline, or names its broken link.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.properties.worlds import SCALE
from tests.unit.app.handed import AFFILIATE, NAMES, THIRD, Hands, T
from troth.app import disclosures, holds, people, recalls, recipients
from troth.core.disclosure import check_receipt
from troth.core.errors import BadInput, Refused
from troth.core.events import Withdraw
from troth.core.findings import Findings
from troth.core.recall import Acknowledgement
from troth.ledger.store import Ledger
from troth.release.sign import load_public, load_signer, seal_statement

NOW = 9 * T
MEMBERS = st.sampled_from(NAMES)
SMALL = st.integers(0, 7)
ROWS = {
    "ann": {"m1", "m2", "m4"},
    "bob": {"m1", "m2"},
    "cyd": {"m2", "m3"},
    "dan": {"m3", "m4"},
    "eva": {"m5"},
}


class Crash(Exception):
    """The process died."""


def expected(error: BadInput | Refused, *words: str) -> None:
    """It was refused for one of these."""
    assert any(one in error.message for one in words), error


class Machine(RuleBasedStateMachine):
    stage: Hands

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="handed-"))
        self.hands = self.stage.copy(self.folder)
        self.escrow = holds.new_escrow(self.folder / "escrow.key")
        self.receipts: list[Path] = []
        self.answers: list[Path] = []
        self.signed: set[str] = set()
        self.gone: set[str] = set()
        self.sealed: dict[str, dict[int, bytes]] = {}
        self.matters = 0
        self.numbers = 0

    def teardown(self) -> None:
        try:
            self.everything_taken_back_is_recalled()
        finally:
            shutil.rmtree(self.folder)

    @property
    def home(self) -> Any:
        return self.hands.home

    @contextmanager
    def crashing(self, when: str) -> Iterator[None]:
        """Die at the first append, before or after it is committed; or not at all."""
        if when == "never":
            yield
            return
        append: Callable[..., Any] = Ledger.append

        def dying(ledger: Ledger, *args: Any, **named: Any) -> Any:
            if when == "after":
                append(ledger, *args, **named)
            raise Crash

        with patch.object(Ledger, "append", dying):
            try:
                yield
            except Crash:
                return

    # rules

    @initialize()
    def first(self) -> None:
        self.disclose("never")

    @rule(when=st.sampled_from(["never", "before", "after"]))
    def disclose(self, when: str) -> None:
        with self.crashing(when):
            self.hands.give("a", AFFILIATE)
        link, path = self.hands.give("a", AFFILIATE)
        assert link.receipt.said.id == "d-a"
        if path not in self.receipts:
            self.receipts.append(path)

    @rule()
    def countersign(self) -> None:
        for path, name, to, below in self._waiting():
            try:
                self.hands.sign(path, name, to, *below)
            except Refused as error:
                expected(error, *(["countersigned"] if below else []))

    def _waiting(self) -> Iterator[tuple[Path, str, str, list[Path]]]:
        base, above = self.folder / "a.receipt.json", self.folder / "o-t.receipt.json"
        if base.exists():
            yield base, "a", AFFILIATE, []
        if above.exists():
            yield above, "t", THIRD, [base]

    @rule()
    def pass_on(self) -> None:
        try:
            path = self.hands.pass_on("t", THIRD, self.folder / "a.receipt.json", AFFILIATE)
        except Refused as error:
            expected(error, "has not countersigned")
            return
        if path not in self.receipts:
            self.receipts.append(path)

    @rule(number=SMALL, when=st.sampled_from(["never", "before", "after"]))
    def a_receipt_arrives(self, number: int, when: str) -> None:
        path = self.receipts[number % len(self.receipts)]
        try:
            with self.crashing(when):
                disclosures.take_in(self.home, path, self.folder / "t")
        except Refused as error:
            expected(error, "countersigned", "is missing")

    @rule(member=MEMBERS)
    def withdraw(self, member: str) -> None:
        self.home.append([Withdraw(member, 4 * T)])
        self.gone.add(member)

    @precondition(lambda self: self.matters < 2)
    @rule(member=MEMBERS)
    def hold(self, member: str) -> None:
        holds.open_matter(self.home, f"case-{self.matters}", self.escrow, subjects=[member])
        self.matters += 1

    @precondition(lambda self: self.matters)
    @rule(number=SMALL)
    def close(self, number: int) -> None:
        holds.close_matter(self.home, f"case-{number % self.matters}")

    @rule(member=MEMBERS)
    def erase(self, member: str) -> None:
        with self.home.reading() as ledger:
            openings = {at: ledger.opening(at) for at, _ in ledger.history(member)}
        people.erase(self.home, member, 4 * T, bodies=True)
        self.gone.add(member)
        there = self.sealed.setdefault(member, {})
        if holds.Holds(self.home).by_subject(member):
            there.update({at: b"".join(one) for at, one in openings.items() if one})

    @rule(when=st.sampled_from(["never", "before", "after"]))
    def sync(self, when: str) -> None:
        with self.crashing(when):
            recalls.sync(self.home, NOW)

    @rule(number=SMALL, honest=st.booleans(), whole=st.booleans())
    def answer(self, number: int, honest: bool, whole: bool) -> None:
        book = recipients.book(self.home)
        if not book.recalls:
            return
        recall = list(book.recalls.values())[number % len(book.recalls)]
        to = book.links[recall.receipt].receipt.said.recipient.name
        signer = self.hands.key(to if honest else (THIRD if to == AFFILIATE else AFFILIATE))
        left = () if whole else ((recalls.ids_of(self.home, recall.id)[0], "on tape"),)
        said = Acknowledgement(recall.id, recall.notice, to, NOW + self.numbers, left)
        self.numbers += 1
        path = self.folder / f"answer-{self.numbers}.json"
        path.write_bytes(seal_statement(said.write(), load_signer(signer)))
        self.answers.append(path)
        if honest and whole:
            self.signed.add(recall.id)

    @precondition(lambda self: self.answers)
    @rule(number=SMALL, when=st.sampled_from(["never", "before", "after"]))
    def an_answer_arrives(self, number: int, when: str) -> None:
        try:
            with self.crashing(when):
                recalls.take_in(self.home, self.answers[number % len(self.answers)])
        except BadInput as error:
            expected(error, "signature does not hold")

    # what always holds

    @invariant()
    def nothing_is_cleared_without_a_signature(self) -> None:
        cleared = {one.id for one in recipients.book(self.home).recalls.values() if one.is_cleared}
        assert cleared <= self.signed

    @invariant()
    def nothing_held_is_destroyed(self) -> None:
        if not any(self.sealed.values()):
            return
        held = holds.Holds(self.home)
        there = {
            (about["subject"], about.get("position")): path for path, about in holds.sealed_things(self.home)
        }
        for member, openings in self.sealed.items():
            if held.by_subject(member) is None:
                openings.clear()  # the hold is over: destruction may follow
            for at, opening in openings.items():
                assert holds.unseal(there[member, at], self.folder / "escrow.key") == opening

    @invariant()
    def every_chain_verifies(self) -> None:
        book, keys = recipients.book(self.home), [load_public(self.hands.operator)]
        for link in book.links.values():
            findings = Findings("receipt")
            check_receipt(link.envelope.encode(), book.others(), keys, findings, "r")
            assert findings.ok, findings
            if link.receipt.said.rests_on:
                alone = Findings("receipt")
                check_receipt(link.envelope.encode(), {}, keys, alone, "r")
                assert [one.where for one in alone.findings if one.level == "error"] == [
                    f"link {link.receipt.said.rests_on[:16]}…"
                ]

    def everything_taken_back_is_recalled(self) -> None:
        recalls.sync(self.home, NOW)
        book = recipients.book(self.home)
        wanted = set().union(*(ROWS[member] for member in self.gone)) if self.gone else set()
        for link in book.links.values():
            told = {one for recall in link.recalls for one in recalls.ids_of(self.home, recall.id)}
            assert told == wanted
        assert recalls.sync(self.home, NOW) == []


Machine.TestCase.settings = settings(
    max_examples=4 * SCALE,
    stateful_step_count=14 if SCALE == 1 else 30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module", autouse=True)
def _stage(stage: Hands) -> Iterator[None]:
    Machine.stage = stage
    yield
    del Machine.stage


@pytest.mark.usefixtures("_stage")
class TestHanded(Machine.TestCase):  # type: ignore[misc,valid-type]
    """The machine, run."""
