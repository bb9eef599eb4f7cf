"""What leaves, on the command line: one chain from giving to clearing, then a hold, the past and a violation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.app.handed import AFFILIATE, THIRD, Hands
from tests.unit.cli.running import done, refused, troth


@pytest.fixture(scope="module")
def hands(tmp_path_factory: pytest.TempPathFactory) -> Hands:
    return Hands.make(tmp_path_factory.mktemp("hands"))


def test_from_giving_to_clearing(hands: Hands, tmp_path: Path) -> None:
    home, folder, operator = hands.home.path, hands.folder, hands.operator
    assert AFFILIATE in done("recipient", "list", home=home).out
    assert done("recipient", "show", THIRD, "--json", home=home).json["deadline_days"] == 14
    refused("disclose", folder / "a", "--to", THIRD, home=home, status=1, says="decided for affiliate:west")
    refused("disclose", folder / "a", "--to", "third_party:nobody", home=home, status=1)
    below, above = tmp_path / "below.json", tmp_path / "above.json"
    made = done("disclose", folder / "a", "--to", AFFILIATE, "--out", below, "--json", home=home).json
    assert made["right"] == "use"
    key = ("--operator-key", operator)
    done("countersign", below, "--release", folder / "a", "--key", hands.key(AFFILIATE), *key)
    onward = ("--rests-on", below, "--key", hands.key(AFFILIATE), "--to-key", hands.public(THIRD))
    done("disclose", folder / "t", "--to", THIRD, *onward, *key, "--agreement", "dpa 1", "--out", above)
    signing = ("--release", folder / "t", "--key", hands.key(THIRD), "--rests-on", below)
    done("countersign", above, *signing, *key)
    assert done("verify", above, below, "--key", operator).out.count("holds") == 2
    broken = troth("verify", above, "--key", operator)
    assert broken.status == 1
    assert "is missing" in broken.out
    done("disclose", "--returned", below, home=home)
    done("disclose", folder / "t", "--returned", above, home=home)
    lines = done("disclosures", "--flow", home=home).out.splitlines()
    assert lines[0] == "operator"
    assert lines[2].startswith("   └─ third_party:acme: t")
    done("disclosures", "--svg", tmp_path / "flow.svg", home=home)
    assert (tmp_path / "flow.svg").read_text().startswith("<svg")

    assert "2 recalls were opened" in done("withdraw", "ann", "--all", home=home).out
    due = done("recalls", "--json", home=home).json
    assert {one["recipient"] for one in due} == {AFFILIATE, THIRD}
    for one in due:
        notice, ack = home / "recalls" / f"{one['recall']}.dsse.json", tmp_path / f"{one['recall']}.ack"
        assert troth("verify", notice, "--key", operator).status == 0
        signer = hands.key(one["recipient"])
        done("recall", "acknowledge", notice, "--key", signer, *key, "--out", ack)
        done("recall", "ack", ack, home=home)
    assert done("recalls", "--json", home=home).json == []
    assert "cleared" in done("recalls", "--all", home=home).out


PAST = """\
kind,who,purpose,what,when,since,evidence,confidence,model
disclosure,third_party:acme,train.generative,private_message,2001-09-09,,contract of May,certain,
training,operator,deliver,any,2001-09-09,1970-01-01,press,alleged,assistant-1
"""


def test_the_past_is_judged_by_the_terms_of_its_day(hands: Hands, tmp_path: Path) -> None:
    home, path = hands.home.path, tmp_path / "past.csv"
    path.write_text(PAST)
    ran = troth("past", "import", path, "--members", tmp_path / "who.csv", "--json", home=home)
    assert ran.status == 1
    first, second = ran.json
    assert first["records"] == {"allowed": 4, "denied": 0, "gap": 0}
    assert first["notify"] == []
    assert (second["records"]["denied"], second["first_reasons"]) == (5, {"no-ground": 5})
    assert second["members_affected"] == 5
    assert (tmp_path / "who.csv").read_text().count("\n") == 6
    entries = hands.home.position
    troth("past", "import", path, home=home)
    assert hands.home.position == entries
    for line, says in (
        ("rumour,operator,train,any,2001-01-01,,e,certain,", "expected one of disclosure, training"),
        ("training,operator,train,any,someday,,e,certain,", "someday"),
        ("training,operator,train,any,2001-01-01,,e,maybe,", "expected one of certain"),
    ):
        path.write_text(f"{PAST.splitlines()[0]}\n{line}\n")
        refused("past", "import", path, home=home, place=f"{path}:2", says=says)
    (tmp_path / "past.jsonl").write_text(json.dumps({"kind": "training"}) + "\n")
    refused("past", "import", tmp_path / "past.jsonl", home=home, says="'who' is missing")


def test_a_release_that_keeps_its_word_yields_no_violation(hands: Hands) -> None:
    refused(
        "violation", "--subject", "bob", "--release", hands.folder / "a", home=hands.home.path, status=1,
        says="keeps its word",
    )  # fmt: skip


def test_holds(hands: Hands, tmp_path: Path) -> None:
    home = hands.home.path
    done("hold", "key", tmp_path / "escrow.key")
    refused("hold", "open", "case", "--escrow", tmp_path / "escrow.pub", home=home, says="nothing is held")
    opening = ("hold", "open", "case", "--escrow", tmp_path / "escrow.pub", "--subject", "eva")
    assert done(*opening, "--json", home=home).json["subjects"] == 1
    done(*opening, home=home)
    done("erase", "eva", "--bodies", "--yes", home=home)
    assert done("hold", "list", "--json", home=home).json["sealed"] == 3
    sealed = next((home / "holds" / "sealed").iterdir())
    done("hold", "unseal", sealed, "--key", tmp_path / "escrow.key", "--out", tmp_path / "opened")
    assert done("hold", "close", "case", "--json", home=home).json["destroyed"] == 3
    refused("hold", "close", "other", home=home, says="there is no matter")
