"""Watching on real documents: the life of one policy, and the labelled moments of the development part."""

import json
from pathlib import Path

import pytest

from bench.watch import measure, part
from troth.app.watching import Life, life

pytestmark = pytest.mark.needs_data


@pytest.fixture(scope="module")
def policy(shared_data: Path) -> Life:
    return life(shared_data / "policy" / "pga-versions.bundle", "LinkedIn", "Privacy Policy")


def test_the_life_of_a_policy_that_took_up_training(policy: Life) -> None:
    moments = {one.seen[:10]: one.reading for one in policy.moments if one.reading is not None}
    for day, words in (("2024-09-19", "train artificial intelligence"), ("2025-11-04", "train")):
        reading = moments[day]
        assert reading is not None
        first = reading.changes[0]
        assert first.kind == "widens"
        assert "ai-training-added" in first.flags
        assert first.after is not None
        assert words in first.after
    september = moments["2024-09-19"]
    assert september is not None
    assert "same-day" in [one.name for one in september.lints]


def test_another_document_under_the_name(policy: Life) -> None:
    reading = next(one.reading for one in policy.moments if one.seen.startswith("2025-06-10"))
    assert reading is not None
    assert reading.changes == ()
    assert [one.name for one in reading.lints] == ["document-switch"]


def test_technical_commits_are_told_apart(policy: Life) -> None:
    assert {one.kind for one in policy.moments if one.reading is None} == {"first", "technical"}


@pytest.mark.slow
def test_moments_of_the_development_part(shared_data: Path) -> None:
    text = (shared_data / "policy" / "moments.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.split("\n") if line]
    counts = measure(
        [one for one in rows if one["label"] != "ambiguous" and part(one["service"]) == "development"]
    )
    assert counts["fn"] == counts["fp"] == counts["wrong_direction"] == 0
    assert counts["first"] >= 0.9 * counts["tp"]
