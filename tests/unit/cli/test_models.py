"""The commands on models: what they print, as text and as JSON, and how they end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.running import done, troth
from tests.unit.cli.world import SECRET, TRAIN, make_home


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = make_home(tmp_path)
    done("release", "build", *TRAIN, "--out", tmp_path / "r", home=made)
    done("train", tmp_path / "r", "--model", "m", "--shards", "2", home=made)
    return made


def test_the_way_of_a_withdrawal(home: Path) -> None:
    assert SECRET in done("generate", "m", "--prompt", SECRET[:5], "--temperature", "0", home=home).out
    preview = json.loads(done("withdraw", "ann", "--all", "--preview", "--json", home=home).out)
    assert preview["models"][0]["model"] == "m"
    assert preview["releases"][0]["holds_theirs"] is True
    before = json.loads(done("ledger", "show", "--json", home=home).out)
    receipts = json.loads(done("withdraw", "ann", "--all", "--json", home=home).out)
    assert len(json.loads(done("ledger", "show", "--json", home=home).out)) == len(before) + 1
    assert receipts[0]["models"][0]["records"] == preview["models"][0]["records"]
    assert "zanz" not in done("generate", "m", "--length", "50", home=home).out
    planned = json.loads(done("unlearn", "m", "--plan-only", "--json", home=home).out)
    assert planned["parts"]
    made = json.loads(done("unlearn", "m", "--json", home=home).out)["made"]
    assert json.loads(done("verify", made[0], "--json", home=home).out)["kind"] == "certificate"
    assert json.loads(done("replay", made[0], "--json", home=home).out)["ok"]
    assert json.loads(done("show", "m", "--json", home=home).out)["certificates_hold"]
    assert json.loads(done("models", "--json", home=home).out)[0]["status"] == "served"
    assert "nothing waits" in done("unlearn", "m", home=home).out
    text = Path(made[0]).read_text("utf-8")
    Path(made[0]).write_text(text.replace("a", "b", 1), encoding="utf-8")
    for command in (("verify", made[0]), ("replay", made[0]), ("show", "m")):
        assert troth(*command, home=home).status == 1


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (("show", "nothing"), "no model"),
        (("generate", "../m"), "expected a name"),
        (("unlearn", "nothing"), "no model"),
        (("train", "--model", "new"), "one release or more"),
        (("train", "nowhere", "--model", "new", "--option", "order"), "NAME=VALUE"),
        (("train", "nowhere", "--model", "new", "--option", "order=99"), "2 to 8"),
        (("train", "nowhere", "--model", "new", "--option", "size=1"), "no option"),
        (("models", "register", "--model", "m", "nowhere"), "there already"),
        (("withdraw", "ann", "--preview"), "--all"),
        (("withdraw", "ann", "--setting", "never-was", "--preview"), "never-was"),
    ],
)
def test_what_cannot_be_is_said(home: Path, command: tuple[str, ...], says: str) -> None:
    found = troth(*command, home=home)
    assert found.status == 2
    assert says in found.err
    assert "Traceback" not in found.err
