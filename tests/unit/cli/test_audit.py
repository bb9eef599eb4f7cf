"""Canaries and audits on the command line: a campaign from its keys to the report."""

from __future__ import annotations

import io
import json
import re
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.unit.app.canary_world import SOURCE, Model
from tests.unit.cli.running import done, refused, troth
from troth.app import targets
from troth.app.home import Home
from troth.core.entries import Act
from troth.core.values import format_instant
from troth.ledger.store import Ledger, clock

VALUE = "ab" * 32


class Campaign:
    """A home with a campaign, and a model that stands for whatever is named."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.file = folder / "canaries.json"
        self.known: list[str] = []
        self.middling: list[str] = []

    def run(self, *arguments: object) -> object:
        return done(*arguments, "--json", home=self.home).json

    def make(self, *options: object) -> list[str]:
        done("init", self.home)
        made = self.run("canary", "new", self.file, "--candidates", 50, *options)
        assert isinstance(made, dict)
        return list(made["sets"])

    def draw(self, at: int) -> None:
        beacon = self.folder / "beacon.json"
        beacon.write_text(json.dumps({"source": SOURCE, "at": format_instant(at), "value": VALUE}))
        self.run("canary", "draw", self.file, "--beacon", beacon)

    def place(self, name: str, count: int = 2) -> list[str]:
        placed = self.run("canary", "place", self.file, "--set", name, "--count", count)
        assert isinstance(placed, dict)
        return list(placed["marked"])


@pytest.fixture
def campaign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Campaign:
    made = Campaign(tmp_path)
    # The ledger's clock goes ten seconds ahead with each entry, so that nobody has to wait for a beacon.
    ticks = iter(range(1, 10_000))
    writing = Home.writing

    @contextmanager
    def later(home: Home) -> Iterator[Ledger]:
        with writing(home) as ledger:
            started = clock() - 10**12
            ledger.now = lambda: started + next(ticks) * 10_000_000
            yield ledger

    monkeypatch.setattr(Home, "writing", later)
    monkeypatch.setattr(targets, "find", lambda *_: Model(made.known, middling=made.middling))
    return made


def _commit(campaign: Campaign, *options: object) -> int:
    receipt = campaign.run(
        "canary", "commit", campaign.file, "--beacon", SOURCE, "--after", "2020-01-01", *options
    )
    assert isinstance(receipt, dict)
    with Ledger.read(campaign.home / "ledger.sqlite3") as ledger:
        (entry,) = [one.entry for one in ledger.entries(receipt["position"])]
    from troth.core.values import parse_instant

    return parse_instant(entry.time)


def _started(campaign: Campaign, *options: object) -> list[str]:
    names = campaign.make(*options)
    campaign.draw(_commit(campaign) + 2_000_000)
    return names


def _mark(sentence: str) -> str:
    found = re.search(r"((?:\b(?:[bdfgjklmnprstvz][aeiou]){2,3}\b ?){12})", sentence)
    assert found
    return found[1].strip()


def test_a_campaign_on_the_command_line(campaign: Campaign) -> None:
    names = _started(campaign, "--sets", 3, "--calibration", 2)
    for name in names:
        campaign.known.append(_mark(campaign.place(name)[0]))
    page, out = campaign.folder / "report.html", campaign.folder / "audit.json"
    found = campaign.run("audit", "model", "--canaries", campaign.file, "--report", page, "--out", out)
    assert isinstance(found, dict)
    assert {"tests", "conclusion", "cannot_be_concluded"} <= set(found)
    assert [row["name"] for row in found["tests"]] == ["class", *names[:3]]
    assert all({"name", "statistic", "p_value", "k", "power_at"} <= set(row) for row in found["tests"])
    assert found["tests"][1]["p_value"] == 1 / 50
    assert found["found"]
    assert json.loads(out.read_text()) == found
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    html = page.read_text()
    assert found["conclusion"] in html.replace("&#39;", "'")
    assert html.count("<svg") == 5  # three sets, their ranks, the power
    assert "<script" not in html
    assert not re.search(r"""(?:src|href)=["']https?:""", html)
    said = done("audit", "model", "--canaries", campaign.file, home=campaign.home).out
    assert said.startswith("Yes: the model knows the marked text")
    assert "What cannot be concluded:" in said
    assert done("canary", "test", campaign.file, "model", home=campaign.home).out.startswith("test\tp\t")
    # A plan out of what was measured, and out of what comes along.
    plan = done("canary", "plan", "--calibration", out, "--members", 1, "--level", "0.05", "--json").json
    assert plan["options"][0]["calibration_sets"] == 2
    assert done("canary", "plan").out.count("\n") > 6
    opened = campaign.run("canary", "open", campaign.file)
    assert isinstance(opened, list)
    assert len(opened) == 5


def test_a_negative_says_what_it_would_have_seen(campaign: Campaign) -> None:
    names = _started(campaign, "--sets", 1, "--calibration", 20)
    for name in names:
        mark = _mark(campaign.place(name, 4)[0])
        (campaign.middling if name == names[0] else campaign.known).append(mark)
    found = campaign.run("audit", "model", "--canaries", campaign.file)
    assert isinstance(found, dict)
    assert not found["found"]
    assert (
        "Had at least 4 marked messages of the member been used, this test would have seen it"
        in found["conclusion"]
    )
    assert "probability 0.86 or more" in found["conclusion"]


def test_messages_without_marks(campaign: Campaign) -> None:
    _started(campaign)
    texts = campaign.folder / "texts.txt"
    texts.write_text("Hello there.\nNothing to see.\n")
    page = campaign.folder / "r.html"
    found = campaign.run("audit", "model", "--canaries", campaign.file, "--unmarked", texts, "--report", page)
    assert isinstance(found, dict)
    assert found["indicative"]["label"] == "indicative, false-positive rate unknown"
    assert "cannot be known" in found["indicative"]["says"]
    assert "Indicative, false-positive rate unknown." in page.read_text()


def test_placing_in_messages_and_checking_a_pipeline(campaign: Campaign) -> None:
    _started(campaign)
    messages, marked = campaign.folder / "m.jsonl", campaign.folder / "marked.jsonl"
    messages.write_text(
        "".join(json.dumps({"body": f"The meeting {n} is in the small room."}) + "\n" for n in range(4))
    )
    campaign.run("canary", "place", campaign.file, "--messages", messages, "--out", marked)
    assert stat.S_IMODE(marked.stat().st_mode) == 0o600
    found = campaign.run("canary", "clean-check", campaign.file, "--messages", marked)
    assert isinstance(found, list)
    assert [one["strips"] for one in found] == [False] * len(found)
    stripped = campaign.folder / "after.txt"
    stripped.write_text("The meeting is in the small room.\n")
    ran = troth(
        "canary", "clean-check", campaign.file, "--messages", marked, "--after", stripped, home=campaign.home
    )
    assert ran.status == 1
    assert "STRIPS" in ran.out


def test_errors_have_a_place_and_a_remedy(campaign: Campaign) -> None:
    file = campaign.file
    campaign.make()
    refused("canary", "place", file, home=campaign.home, status=1, says="canary commit")
    refused("canary", "new", file, home=campaign.home, status=3, place=file)
    odd = campaign.folder / "odd.json"
    for content in ("", "[]", "{}", '{"format": "x"}', "nonsense"):
        odd.write_text(content)
        odd.chmod(0o600)
        refused("audit", "model", "--canaries", odd, home=campaign.home, place=odd)
        refused("canary", "draw", file, "--beacon", odd, home=campaign.home, place=odd)
    refused("canary", "plan", "--calibration", odd, place=odd)
    refused("canary", "commit", file, "--beacon", "b", "--score", "best", home=campaign.home, says="no score")


def test_an_address_is_not_asked_without_a_yes(campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    _started(campaign)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    ask = ("audit", "https://example.org/v1", "--model-name", "m", "--canaries", campaign.file)
    ran = troth(*ask, "--price", "2", home=campaign.home)
    assert ran.status == 1
    assert "requests of about" in ran.err
    assert "at that price" in ran.err
    assert "say --yes" in ran.err
    assert done(*ask, "--yes", home=campaign.home).status == 0
    with Ledger.read(campaign.home / "ledger.sqlite3") as ledger:
        acts = [
            one.what.details["action"] for one in list(ledger.entries())[-2:] if isinstance(one.what, Act)
        ]
    assert acts == ["show", "test"]


def test_models_that_are_not_there(tmp_path: Path) -> None:
    home = tmp_path / "home"
    done("init", home)
    done("canary", "new", tmp_path / "c.json", "--candidates", 5, home=home)
    refused("audit", tmp_path / "none", "--canaries", tmp_path / "c.json", home=home, says="no such model")
    refused(
        "audit", "http://127.0.0.1:9/v1", "--canaries", tmp_path / "c.json", home=home, says="--model-name"
    )
