"""Recalls: opened by what is taken back, told by record ids alone, cleared by signatures alone, held under a hold."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.app.handed import AFFILIATE, DAY, THIRD, Hands, T
from tests.unit.app.test_disclosures import chain
from troth.app import disclosures, holds, papers, people, recalls, recipients, releases
from troth.core.errors import BadInput
from troth.core.events import Choose, Objection, Withdraw
from troth.release.sign import new_key

NOW = 5 * T


def given(hands: Hands) -> None:
    for path in chain(hands):
        disclosures.take_in(hands.home, path, hands.folder / "t")


def answer(hands: Hands, recall: str, by: str, *kept: tuple[str, str]) -> Path:
    out = hands.folder / f"{recall}.ack.json"
    notice = recalls.path_of(hands.home, recall)
    out.write_bytes(recalls.acknowledge(notice, hands.key(by), [hands.operator], kept, NOW))
    return out


def test_a_withdrawal_recalls_every_link_that_holds_the_member(hands: Hands) -> None:
    given(hands)
    assert recalls.sync(hands.home, NOW) == []
    hands.home.append([Withdraw("ann", 4 * T)])
    opened = recalls.sync(hands.home, NOW)
    assert sorted(one.rows for one in opened) == [3, 3]
    assert recalls.sync(hands.home, NOW) == []
    found = recalls.listed(hands.home, NOW)
    assert {(one["recipient"], one["depth"], one["status"]) for one in found} == {
        (AFFILIATE, 0, "open"),
        (THIRD, 1, "open"),
    }
    assert recalls.ids_of(hands.home, opened[0].id) == ("m1", "m2", "m4")
    notice = recalls.path_of(hands.home, opened[0].id).read_bytes()
    assert not any(name in notice for name in (b"ann", b"bob", b"withdraw"))
    assert disclosures.verify_any(recalls.path_of(hands.home, opened[0].id), [hands.operator]).ok


@pytest.mark.parametrize(
    ("event", "ids"),
    [
        (Choose("bob", "training", on=False, at=4 * T), ("m1", "m2")),
        (Objection("cyd", 4 * T), ("m2", "m3")),
        (Choose("bob", "other", on=False, at=4 * T), ()),
        (Withdraw("eva", 4 * T, setting="training"), ("m5",)),
        (Withdraw("eva", 6 * T), ()),
    ],
)
def test_what_is_recalled_is_what_was_taken_back(hands: Hands, event: object, ids: tuple[str, ...]) -> None:
    hands.give("a", AFFILIATE)
    if getattr(event, "setting", None) == "other":
        from troth.core.events import Setting

        hands.home.append([Setting("other", (), introduced_at=0)])
    hands.home.append([event])  # type: ignore[list-item]
    opened = recalls.sync(hands.home, NOW)
    assert [recalls.ids_of(hands.home, one.id) for one in opened] == ([ids] if ids else [])


def test_only_the_recipients_signature_clears(hands: Hands) -> None:
    given(hands)
    hands.home.append([Withdraw("ann", 4 * T)])
    mine, other = sorted(
        recalls.sync(hands.home, NOW),
        key=lambda one: recipients.book(hands.home).links[one.receipt].receipt.said.recipient.name,
    )
    with pytest.raises(BadInput, match="signature does not hold"):
        recalls.take_in(hands.home, answer(hands, mine.id, THIRD))
    assert not recalls.take_in(hands.home, answer(hands, mine.id, AFFILIATE, ("m1", "on tape"))).is_cleared
    status = {one["recall"]: one["status"] for one in recalls.listed(hands.home, NOW)}
    assert status == {mine.id: "not all deleted", other.id: "open"}
    assert recalls.take_in(hands.home, answer(hands, mine.id, AFFILIATE)).answer is not None
    hands_now = {one["recall"]: one for one in recalls.listed(hands.home, NOW, everything=True)}
    assert hands_now[mine.id]["status"] in ("cleared", "not all deleted")
    assert hands_now[mine.id]["chain_cleared"] is False
    with pytest.raises(BadInput, match="names no record 'm9'"):
        answer(hands, other.id, THIRD, ("m9", "why"))


def test_reminders_and_escalation(hands: Hands) -> None:
    hands.give("a", AFFILIATE)
    hands.home.append([Withdraw("ann", 4 * T)])
    recalls.sync(hands.home, NOW)
    assert recalls.remind(hands.home, NOW) == []
    soon = recalls.remind(hands.home, NOW + 10 * DAY)
    assert [(one["status"], one["escalate_to"]) for one in soon] == [("open", None)]
    assert recalls.remind(hands.home, NOW + 10 * DAY) == []
    late = recalls.remind(hands.home, NOW + 15 * DAY)
    assert [(one["status"], one["escalate_to"]) for one in late] == [("overdue", "the regulator")]
    assert recalls.listed(hands.home, NOW + 15 * DAY)[0]["escalated_at"] is not None


def test_a_successor_holds_nothing_of_theirs(hands: Hands, tmp_path: Path) -> None:
    hands.give("a", AFFILIATE)
    hands.home.append([Withdraw("ann", 4 * T)])
    made = recalls.successor(hands.home, tmp_path / "a", tmp_path / "next", "next")
    assert (made["rows"], made["successor_of"]) == (2, "a")
    assert releases.compare(tmp_path / "a", tmp_path / "next").added == 0


def test_a_hold_quarantines_and_destruction_follows(hands: Hands, tmp_path: Path) -> None:
    given(hands)
    escrow = holds.new_escrow(tmp_path / "escrow.key")
    holds.open_matter(hands.home, "case-1", escrow, subjects=["bob"])
    hands.home.append([Withdraw("ann", 4 * T)])
    opened = recalls.sync(hands.home, NOW)
    assert sorted((one.instruction, one.rows) for one in opened) == [
        ("delete", 1),
        ("delete", 1),
        ("quarantine", 2),
        ("quarantine", 2),
    ]
    quarantined = next(one for one in opened if one.instruction == "quarantine")
    link = recipients.book(hands.home).links[quarantined.receipt]
    signed = recalls.take_in(hands.home, answer(hands, quarantined.id, link.receipt.said.recipient.name))
    assert not signed.is_cleared
    assert signed.status(NOW + 99 * DAY) == "quarantined under hold"
    holds.close_matter(hands.home, "case-1")
    later = recalls.sync(hands.home, NOW)
    assert [(one.instruction, one.rows) for one in later] == [("delete", 2)] * 2
    assert recalls.sync(hands.home, NOW) == []


def test_an_erasure_under_hold_is_sealed_and_destroyed_at_the_end(hands: Hands, tmp_path: Path) -> None:
    home = hands.home
    escrow = holds.new_escrow(tmp_path / "escrow.key")
    holds.open_matter(home, "case-1", escrow, subjects=["bob"])
    holds.open_matter(home, "case-2", escrow, subjects=["bob", "ann"])
    with home.reading() as ledger:
        wanted = {position: ledger.opening(position) for position, _ in ledger.history("bob")}
    receipt, erased = people.erase(home, "bob", None, bodies=True)
    assert erased == len(wanted) == 2
    sealed = {about.get("position"): found for found, about in holds.sealed_things(home)}
    for position, opening in wanted.items():
        assert opening is not None
        path = sealed[position]
        assert holds.unseal(path, tmp_path / "escrow.key") == b"".join(opening)
        assert opening[1] not in path.read_bytes()
    with home.reading() as ledger:
        acts = [act.details for _, act in ledger.acts("hold")]
        assert ledger.opened(next(iter(wanted))) == "erased"
    assert acts[-1]["step"] == "sealed"
    assert acts[-1]["erasure"] == receipt.position
    other = tmp_path / "other.key"
    new_key(other, tmp_path / "other.pub")
    with pytest.raises(BadInput, match="no X25519 key"):
        holds.unseal(sealed[next(iter(wanted))], other)
    assert holds.close_matter(home, "case-1")[1] == 0
    assert holds.close_matter(home, "case-2")[1] == 3
    assert not list(holds.sealed_things(home))
    assert holds.close_matter(home, "case-2")[1] == 0


def test_the_paper_on_who_was_told_names_the_recalls_of_the_members_own_rows_alone(
    hands: Hands, tmp_path: Path
) -> None:
    _, path = hands.give("a", AFFILIATE)
    hands.sign(path, "a", AFFILIATE)
    for member in ("ann", "eva"):
        hands.home.append([Withdraw(member, 4 * T)])
        recalls.sync(hands.home, 5 * T)
    told = {}
    for member in ("ann", "eva", "dan"):
        paper = papers.make(hands.home, "art19", member, folders=[tmp_path / "a"])
        (field,) = [one for section in paper.sections for one in section.fields if one.key == "recipients"]
        told[member] = set(re.findall(r"\d+", str(field)))
    ids = list(recipients.book(hands.home).recalls.values())
    assert [str(one.entry) in told["ann"] for one in ids] == [True, False]
    assert [str(one.entry) in told["eva"] for one in ids] == [False, True]
    # dan is a party of one of ann's rows: what is deleted for ann is deleted of dan's too.
    assert [str(one.entry) in told["dan"] for one in ids] == [True, False]
