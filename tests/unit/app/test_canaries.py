"""A campaign from its keys to its opening, and what a cheating operator or holder may try."""

from __future__ import annotations

import json
import stat
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.unit.app.canary_world import SOURCE, Model, beacon, drawn, made, mark_of
from troth.app import audit as audits
from troth.app import canaries as marks
from troth.app.home import Home
from troth.core.canary import Beacon
from troth.core.entries import Act
from troth.core.errors import BadInput, Conflict, Refused, Unavailable
from troth.learning.targets import Report, unheard

PLACING = marks.Placing("member", "private_message")


def _recorded(home: Home, action: str) -> list[dict[str, object]]:
    with home.reading() as ledger:
        return [
            dict(one.what.details)
            for one in ledger.entries()
            if isinstance(one.what, Act) and one.what.details.get("action") == action
        ]


def test_a_campaign_from_key_to_finding(tmp_path: Path) -> None:
    home, canaries = drawn(tmp_path)
    marked, receipt = marks.place(home, canaries, None, ["Hello there.", "See you."], PLACING)
    mark = mark_of(home, canaries)
    assert all(mark in text for text in marked)
    assert marked[0].startswith("Hello there. ")
    assert marked[0].removeprefix("Hello there.") != marked[1].removeprefix("See you."), (
        "equal lines are removed"
    )
    assert _recorded(home, "place")[0] | {"digest": "", "at": "", "campaign": ""} == {
        "action": "place", "campaign": "", "set": canaries.sets[0].set.id, "by": "member",
        "where": "private_message", "at": "", "messages": 2, "digest": "",
    }  # fmt: skip
    found = audits.audit(home, canaries, audits.Question(Model([mark])))
    assert found.found
    assert found.tests[0]["p_value"] == 1 / 100
    assert found.tests[0]["k"] == 99
    assert found.entry == receipt.position + 1
    assert _recorded(home, "test")[0]["inputs"] == found.inputs
    assert not audits.audit(home, canaries, audits.Question(Model(seed=3, middling=[mark]))).found


def test_the_same_audit_gives_the_same_answer(tmp_path: Path) -> None:
    home, canaries = drawn(tmp_path)
    first, second = (audits.audit(home, canaries, audits.Question(Model(seed=1))) for _ in range(2))
    assert first.tests == second.tests
    assert first.inputs == second.inputs


def test_keys_are_the_holders_alone(tmp_path: Path) -> None:
    home, canaries = made(tmp_path, subjects=["ann"])
    assert stat.S_IMODE(canaries.path.stat().st_mode) == 0o600
    assert marks.read(canaries.path) == canaries
    canaries.path.chmod(0o644)
    with pytest.raises(BadInput, match="read by others"):
        marks.read(canaries.path)
    canaries.path.chmod(0o600)
    marks.commit(home, canaries, "loss-v1", SOURCE)
    ledger = home.ledger_path.read_bytes()
    assert canaries.sets[0].set.key.hex().encode() not in ledger
    assert b"ann" not in ledger, "the ledger does not say whose messages are marked"
    with pytest.raises(Conflict):
        marks.new(canaries.path, marks.Wish())


def test_a_holders_key_gives_the_same_sets_again(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("ab" * 32)
    with pytest.raises(BadInput, match="read by others"):
        marks.new(tmp_path / "a.json", marks.Wish(size=10), key)
    key.chmod(0o600)
    one = marks.new(tmp_path / "a.json", marks.Wish(size=10), key).sets[0].set
    from troth.core.canary import set_key

    assert one.key == set_key(bytes.fromhex("ab" * 32), one.id)


# what may be tried


def test_nothing_can_be_drawn_placed_or_opened_before_it_was_committed_to(tmp_path: Path) -> None:
    home, canaries = made(tmp_path)
    for act in (
        lambda: marks.draw(home, canaries, beacon()),
        lambda: marks.place(home, canaries, None, [""], PLACING),
        lambda: marks.open_sets(home, canaries),
        lambda: audits.audit(home, canaries, audits.Question(Model())),
    ):
        with pytest.raises(Refused, match="no commitment"):
            act()
    marks.commit(home, canaries, "loss-v1", SOURCE)
    with pytest.raises(Refused, match="not drawn yet"):
        marks.place(home, canaries, None, [""], PLACING)
    with pytest.raises(Refused, match="not drawn yet"):
        audits.audit(home, canaries, audits.Question(Model()))


def test_choosing_the_canary_after_training_is_refused(tmp_path: Path) -> None:
    """Another set of candidates, made when the model's answers are known, has another root."""
    home, canaries = drawn(tmp_path)
    document = json.loads(canaries.path.read_text())
    document["sets"][0]["key"] = "00" * 32
    canaries.path.write_text(json.dumps(document))
    other = marks.read(canaries.path)
    with pytest.raises(Refused, match="not the one that was committed to"):
        audits.audit(home, other, audits.Question(Model()))
    with pytest.raises(Refused, match="not the one that was committed to"):
        marks.open_sets(home, other)
    with pytest.raises(Conflict, match="committed to already"):
        marks.commit(home, other, "loss-v1", SOURCE)


def test_a_value_that_was_known_before_decides_nothing(tmp_path: Path) -> None:
    home, canaries = made(tmp_path)
    before = beacon(0)
    marks.commit(home, canaries, "loss-v1", SOURCE)
    for value in (before, Beacon("another source", beacon().at, bytes(32))):
        with pytest.raises(Refused):
            marks.draw(home, canaries, value)
    with pytest.raises(BadInput, match="not come yet"):
        marks.draw(home, canaries, beacon(60_000_000))
    assert not _recorded(home, "draw")


def test_a_second_draw_is_refused(tmp_path: Path) -> None:
    home, canaries = drawn(tmp_path)
    with pytest.raises(Refused, match="drawn already"):
        marks.draw(home, canaries, Beacon(SOURCE, beacon().at - 2_000_000, bytes(32)))


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        (
            {"action": "draw", "beacon": {"source": SOURCE, "at": "2099-01-01", "value": "00" * 32}},
            "second draw",
        ),
        ({"action": "commit"}, "second time"),
        ({"action": "place", "set": "S"}, "after it was opened"),
        ({"action": "open", "set": "S"}, "opened a second time"),
        ({"action": "test", "score": "another"}, "another score"),
        ({"action": "surprise"}, "does not know"),
    ],
)
def test_what_was_written_into_the_ledger_by_hand_voids_the_campaign(
    tmp_path: Path, entry: dict[str, object], says: str
) -> None:
    """An operator who goes round these commands leaves a trace that stops every later test."""
    home, canaries = drawn(tmp_path)
    marks.open_sets(home, canaries)
    name = canaries.sets[0].set.id
    details = {**entry, "campaign": canaries.campaign}
    if entry["action"] == "commit":
        details = _recorded(home, "commit")[0]
    if "set" in details:
        details["set"] = name
    home.append([Act("canary", details)])  # type: ignore[arg-type]
    with pytest.raises(Refused, match=says):
        audits.audit(home, canaries, audits.Question(Model()))


def test_opening_twice_is_refused(tmp_path: Path) -> None:
    home, canaries = drawn(tmp_path)
    marks.open_sets(home, canaries)
    assert _recorded(home, "open")[0]["key"] == canaries.sets[0].set.key.hex()
    with pytest.raises(Refused, match="opened already"):
        marks.open_sets(home, canaries)
    with pytest.raises(Refused, match="was opened"):
        marks.place(home, canaries, None, ["late"], PLACING)


def test_a_draw_is_not_used_for_a_later_model(tmp_path: Path) -> None:
    home, canaries = drawn(tmp_path)
    marks.open_sets(home, canaries)
    later = beacon().at
    with pytest.raises(Refused, match="was opened"):
        audits.audit(home, canaries, audits.Question(Model(), trained_by=later))
    audits.audit(home, canaries, audits.Question(Model(), trained_by=later - 60_000_000))


class Gone(Model):
    """An endpoint that goes away after the first questions."""

    def losses(self, prompt: str, texts: Sequence[str], report: Report = unheard) -> list[float]:
        raise Unavailable(f"gone before {len(texts)} texts after {prompt!r} could be asked for, {report}")


def test_what_an_endpoint_was_shown_is_not_used_for_its_later_models(tmp_path: Path) -> None:
    home, canaries = drawn(tmp_path)
    with pytest.raises(Unavailable):
        audits.audit(home, canaries, audits.Question(Gone(), remote=True))
    with pytest.raises(Refused, match="shown to an endpoint"):
        audits.audit(home, canaries, audits.Question(Model(seed=2), trained_by=beacon().at))


def test_a_set_is_not_used_in_two_campaigns(tmp_path: Path) -> None:
    home, canaries = drawn(tmp_path)
    document = json.loads(canaries.path.read_text())
    document["campaign"] = "c-other"
    second = tmp_path / "second.json"
    marks.write_private(second, json.dumps(document).encode())
    marks.commit(home, marks.read(second), "loss-v1", SOURCE)
    with pytest.raises(Refused, match="another campaign"):
        audits.audit(home, canaries, audits.Question(Model()))


def test_sets_that_are_left_out_count_as_nothing_found(tmp_path: Path) -> None:
    """Dropping the sets that did badly (or well) helps nobody: each counts as p = 1, and no negative is drawn."""
    home, canaries = drawn(tmp_path, subjects=[None] * 3, calibration=2)
    for held in canaries.sets:
        marks.place(home, canaries, held.set.id, ["a", "b"], PLACING)
    document = json.loads(canaries.path.read_text())
    document["sets"] = document["sets"][2:]
    less = tmp_path / "less.json"
    marks.write_private(less, json.dumps(document).encode())
    model = Model(middling=[mark_of(home, canaries, 2)])
    whole = audits.audit(home, canaries, audits.Question(model))
    found = audits.audit(home, marks.read(less), audits.Question(model))
    assert found.tests[0]["sets"] == 3
    mine = next(row for row in whole.tests if row["name"] == canaries.sets[2].set.id)
    assert found.tests[0]["p_value"] > mine["p_value"]
    assert "no negative either: 2 sets are missing" in found.conclusion
    assert any("2 sets" in one for one in found.cannot)


def test_marks_in_a_set_that_was_never_placed_are_named(tmp_path: Path) -> None:
    home, canaries = drawn(tmp_path)
    found = audits.audit(home, canaries, audits.Question(Model(middling=[mark_of(home, canaries)])))
    assert any("never placed" in one for one in found.cannot)
    assert "no calibration sets" in found.conclusion


def test_marks_that_the_operator_placed_are_named(tmp_path: Path) -> None:
    home, canaries = drawn(tmp_path)
    marks.place(home, canaries, None, ["a"], marks.Placing("operator", "post"))
    found = audits.audit(home, canaries, audits.Question(Model()))
    assert any("who inserts can strip" in one for one in found.cannot)


def test_a_class_and_its_calibration(tmp_path: Path) -> None:
    home, canaries = drawn(tmp_path, subjects=[f"m{n}" for n in range(4)], calibration=12)
    for held in canaries.sets:
        marks.place(home, canaries, held.set.id, ["x"] * 8, PLACING)
    known = [mark_of(home, canaries, number) for number in range(4, 16)]
    others = [mark_of(home, canaries, number) for number in range(4)]
    negative = audits.audit(home, canaries, audits.Question(Model(known, middling=others)))
    assert not negative.found
    assert "Had at least 8 marked messages of each of the members been used" in negative.conclusion
    assert negative.calibration == {8: [0.01] * 12}
    assert {one.members for one in negative.power} == {1, 4}
    assert [one.at_least for one in negative.power if one.members == 1] == [pytest.approx(0.05 ** (1 / 12))]
    known += [mark_of(home, canaries, number) for number in range(4)]
    positive = audits.audit(home, canaries, audits.Question(Model(known)))
    assert positive.found
    assert positive.tests[0]["name"] == "class"
    assert positive.tests[0]["p_value"] < 1e-4
    assert all(row["rejected"] for row in positive.tests)
    assert positive.any_time_p < 0.01


def test_members_are_not_named_where_the_class_is_not_found(tmp_path: Path) -> None:
    home, canaries = drawn(tmp_path, subjects=[None] * 2)
    marked = [mark_of(home, canaries, 0), mark_of(home, canaries, 1)]
    found = audits.audit(home, canaries, audits.Question(Model(seed=8, middling=marked)))
    assert found.tests[0]["p_value"] > 0.05
    assert not any(row["rejected"] for row in found.tests)


def test_forgotten_members_are_tested_for_uniformity(tmp_path: Path) -> None:
    home, canaries = drawn(tmp_path, subjects=["ann", "bob"])
    before = Model([mark_of(home, canaries, 0), mark_of(home, canaries, 1)])
    assert not audits.uniformity(home, canaries, before, ["ann"]).uniform
    marked = [mark_of(home, canaries, 0), mark_of(home, canaries, 1)]
    after = audits.uniformity(home, canaries, Model(seed=5, middling=marked), ["ann", "bob"])
    assert after.uniform
    assert len(after.p_values) == 2
    with pytest.raises(BadInput):
        audits.uniformity(home, canaries, before, ["nobody"])


def test_text_alone(tmp_path: Path) -> None:
    home, canaries = drawn(tmp_path, score="reply-matches-v1", carrier="reply")
    found = audits.audit(home, canaries, audits.Question(Model([mark_of(home, canaries)])))
    assert found.found
    assert found.asked["text_only"]


def test_a_score_that_the_carrier_cannot_give_is_refused(tmp_path: Path) -> None:
    home, canaries = made(tmp_path)
    with pytest.raises(BadInput, match="needs the carrier"):
        marks.commit(home, canaries, "reply-matches-v1", SOURCE)
    with pytest.raises(BadInput, match="no score"):
        marks.commit(home, canaries, "best-of-all", SOURCE)


@pytest.mark.parametrize(
    ("p_value", "times"), [(1.0, "1"), (0.34, "2"), (0.02, "50"), (1 / 9999, "9,900"), (1e-22, "a billion")]
)
def test_once_in_how_many_never_says_too_much(p_value: float, times: str) -> None:
    assert audits.once_in(p_value) == times
