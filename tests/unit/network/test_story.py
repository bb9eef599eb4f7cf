from pathlib import Path

import pytest

import troth
from troth_network import Network, Step, Story, build, days
from troth_network.pipelines import ASKED


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, small: Network) -> Story:
    return Story(small, tmp_path_factory.mktemp("story"))


@pytest.fixture(scope="module")
def steps(story: Story) -> dict[str, Step]:
    return {step.key: step for step in story.steps()}


def test_the_story_has_its_steps_in_order(steps: dict[str, Step]) -> None:
    assert list(steps) == [
        "stage",
        "alleged",
        "promised",
        "explained",
        "released",
        "withdrawn",
        "tampered",
        "unlearned",
    ]
    assert all(step.title and step.text for step in steps.values())


def test_as_promised_much_less_leaves_and_nothing_for_who_may_only_carry(steps: dict[str, Step]) -> None:
    figures = steps["promised"].figures
    assert set(figures) == {f"allowed for {recipient}" for recipient in ASKED}
    assert 0 < figures["allowed for operator"] < steps["alleged"].figures["records"]
    assert figures["allowed for third_party:borealis"] == figures["allowed for processor:courier"] == 0
    reasons = steps["promised"].bars["Why records stay out: operator"]
    assert list(reasons.values()) == sorted(reasons.values(), reverse=True)


def test_the_explained_inmail_left_as_alleged_and_was_promised_not_to(
    steps: dict[str, Step], story: Story, small: Network
) -> None:
    answer = steps["explained"].details["explanation"]
    assert isinstance(answer, dict)
    assert (answer["verdict"], answer["reason"]) == ("denied", "promised-not-to")
    record = next(one for one in small.records if one.id == answer["record"])
    assert record.category == "private_message.inmail"
    assert record.id in {one.record.id for one in story.disclosed}
    parties = answer["parties"]
    assert isinstance(parties, list)
    assert [party["role"] for party in parties] == ["author", "addressee"]  # type: ignore[call-overload,index]
    cited = [{clause["terms"] for clause in party["clauses"]} for party in parties]  # type: ignore[call-overload,index,union-attr]
    assert "subscription-agreement" in cited[0]
    assert "subscription-agreement" not in cited[1]
    assert "public-denial" in cited[1]


def test_every_release_verifies(steps: dict[str, Step]) -> None:
    figures = steps["released"].figures
    assert figures["releases"] == figures["verified"] >= 2
    rows = steps["released"].bars["Rows sealed"]
    assert rows["operator"] == steps["promised"].figures["allowed for operator"]


def test_after_a_withdrawal_nothing_of_theirs_is_left_and_nobody_else_gains(steps: dict[str, Step]) -> None:
    figures = steps["withdrawn"].figures
    assert figures["theirs before"] > 0
    assert figures["theirs after"] == 0
    gone = figures["theirs before"] + figures["of others that they take along"]
    assert figures["allowed before"] - figures["allowed after"] == gone
    release = steps["withdrawn"].details["release"]
    assert isinstance(release, dict)
    assert release["rows"] == figures["allowed after"]
    assert figures["theirs that left as alleged"] > 0


def test_a_tampered_copy_is_refused_and_the_original_is_not(steps: dict[str, Step], story: Story) -> None:
    verified = steps["tampered"].details["verified"]
    assert isinstance(verified, dict)
    assert verified["ok"] is False
    assert story.asked[0].path is not None
    assert troth.verify(story.asked[0].path).ok


def test_ids_are_found_by_searching(story: Story, small: Network) -> None:
    assert story.inmail_to_explain() in {record.id for record in small.records}
    assert story.member_who_withdraws() in small.by_id


def test_a_network_too_small_for_the_story_says_so(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="make it larger"):
        Story(build(members=1, records=3), tmp_path).inmail_to_explain()


def test_the_story_is_told_after_the_extension() -> None:
    assert (
        days.SETTING_INTRODUCED < days.POLICY_CHANGED < days.SUIT < days.DENIAL < days.EXTENSION < days.TODAY
    )


def test_the_model_is_without_the_member_and_that_can_be_replayed(steps: dict[str, Step]) -> None:
    details = steps["unlearned"].details
    verified, model = details["verified"], details["model"]
    assert isinstance(verified, dict)
    assert isinstance(model, dict)
    assert verified["ok"]
    assert model["status"] == "served"
    assert model["withdrawals_waiting"] == 0
    assert "NOT" not in steps["unlearned"].text
