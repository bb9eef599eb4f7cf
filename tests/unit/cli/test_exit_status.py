"""0 fine, 1 the answer is no, 2 the question is wrong, 3 the system could not; errors on standard error alone."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.running import check_error, done, refused, snapshot, troth
from tests.unit.cli.world import AT, DELIVER, OUTSIDER, TRAIN
from troth.app import releases
from troth.app.decisions import HomeGate, open_gate

USE = TRAIN[:4]


@contextmanager
def held(lock: Path) -> Iterator[None]:
    """A lock that somebody else holds: locks of this kind belong to the open file, not to the process."""
    descriptor = os.open(lock, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


# 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "refused.csv", *TRAIN),
        ("check", "usable.csv", *OUTSIDER),
        ("test", "differs.yaml"),
        ("test", "same.yaml", "differs.yaml"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("form", [(), ("--json",)])
@pytest.mark.usefixtures("here")
def test_an_answer_that_is_no_is_an_answer(arguments: tuple[str, ...], form: tuple[str, ...]) -> None:
    ran = troth(*arguments, *form)
    assert ran.status == 1
    assert ran.out
    assert ran.err == ""
    if form:
        assert isinstance(ran.json, dict)


@pytest.mark.parametrize(
    "part", ["README.txt", "leaves.bin", "manifest.dsse.json", "data/part-00000.parquet"]
)
def test_an_altered_release_does_not_hold_and_the_part_is_named(here: Path, part: str) -> None:
    altered = here / "release" / part
    data = bytearray(altered.read_bytes())
    data[len(data) // 2] ^= 1
    altered.write_bytes(bytes(data))
    ran = troth("verify", "release", "--json")
    assert ran.status == 1
    assert part in {one["where"] for one in ran.json["findings"] if one["level"] == "error"} or part.endswith(
        "json"
    )


def test_one_release_that_does_not_hold_among_several_decides(here: Path) -> None:
    (here / "empty").mkdir()
    ran = troth("verify", "release", "empty", "release")
    assert ran.status == 1
    assert ran.out.count("release: holds") == 2
    assert "empty: DOES NOT HOLD" in ran.out


def test_a_release_of_nothing_is_refused_and_leaves_nothing(here: Path) -> None:
    before = snapshot(here)
    refused("release", "build", *OUTSIDER, "--out", "r1", status=1, says="no release was made")
    assert snapshot(here) == before


# 2


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("decid",),
        ("decide",),
        ("decide", "--purpose", "train"),
        ("decide", *USE, "--summary", "--record", "mail"),
        ("verify", "nothing-there"),
        ("decide", *USE, "--as-of", "-1"),
        ("decide", *USE, "--as-of", "three"),
        ("decide", *USE, "--out", "no/such/folder.parquet"),
        ("decide", *USE, "--out", "home"),
        ("decide", *USE, "--out", ""),
        ("explain", *USE),
        ("explain", "", *USE),
        ("explain", "\udcff", *USE),
        ("check", "usable.csv", *USE, "--limit", str(10**30)),
        ("terms",),
        ("terms", "lst"),
        ("notice", "send", "privacy-policy", "2022-01-01"),
        ("notice", "send", "privacy-policy", "2022-01-01", "--to", ""),
        ("notice", "send", "privacy-policy", "2022-01-01", "--to", "ann", "--pending", "x.csv"),
        ("setting", "choose", "ann", "improve-models", "yes"),
        ("withdraw", "ann"),
        ("withdraw", "ann", "--all", "--setting", "improve-models"),
        ("object", ""),
        ("object", "\udcff"),
        ("ledger", "show", "--from", str(10**30)),
        ("release", "build", *USE),
        ("release", "build", *USE, "--out", "r1", "--id", ""),
        ("import", "telegram", "x"),
    ],
    ids=repr,
)
def test_a_command_that_is_not_one_says_how_it_is_called(here: Path, arguments: tuple[str, ...]) -> None:
    before = snapshot(here)
    ran = troth(*arguments)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("Usage: troth")
    assert snapshot(here) == before


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("decide", *USE, "--at", "2025-02-30"), "day is out of range"),
        (("decide", *USE, "--at", "yesterday"), "expected an instant such as"),
        (("decide", *USE, "--as-of", "99"), "ask for a position from 0 to"),
        (("decide", "--purpose", "tr ain", "--recipient", "operator"), "expected a purpose such as"),
        (("decide", "--purpose", "train", "--recipient", "acme"), "third_party:NAME"),
        (("decide", "--purpose", "any", "--recipient", "operator"), "any"),
        (("explain", "nothing", *USE), "no record is called"),
        (("decide", *USE, "--records", "nothing.parquet"), "nothing.parquet: no file matches"),
        (("decide", *USE, "--records", "usable.csv"), "usable.csv: is no Parquet"),
        (("check", "nothing.csv", *USE), "nothing.csv: there is no such data set"),
        (("check", "usable.csv", "--id-column", "name", *USE), "usable.csv: has no column 'name'"),
        (("check", "records.jsonl", "--id-column", "name", *USE), "records.jsonl: has no column 'name'"),
        (("check", "home/records/part-000001.parquet", "--id-column", "name", *USE), "has no column 'name'"),
        (("terms", "add", "nothing.yaml"), "nothing.yaml: cannot be read"),
        (("terms", "add", "home"), "home: cannot be read"),
        (("terms", "show", "privacy-policy", "1999"), "the ledger has privacy-policy 2022-01-01"),
        (("terms", "add", "events.yaml"), "events.yaml:1: 0: expected terms, setting, regime, rules here"),
        (("notice", "show", "nothing", "1"), "there is no version"),
        (("setting", "choose", "ann", "nothing", "on"), "add the setting first"),
        (("consent", "withdraw", "ann", "c9"), "has given no consent called 'c9'"),
        (("import", "table", "nothing.csv"), "nothing.csv: cannot be read"),
        (("import", "table", "next.yaml"), "rename the file after what it holds"),
        (("import", "mbox", "nothing.mbox"), "nothing.mbox: cannot be read"),
        (("subjects", "import", "nothing.csv"), "nothing.csv: cannot be read"),
        (("release", "build", *DELIVER, "--out", "release"), "release: is there already"),
        (("release", "show", "nothing"), "troth: nothing: there is no such folder"),
        (("release", "diff", "release", "home"), "home/manifest.dsse.json: is missing"),
        (("verify", "release", "--key", "nothing"), "nothing: cannot be read"),
        (("verify", "release", "--key", "usable.csv"), "usable.csv: is no public key"),
        (("test", "nothing.yaml"), "nothing.yaml: cannot be read"),
        (("test", "home/rejects"), "home/rejects: holds no case files"),
        (("--home", "nowhere", "terms", "list"), "make one with `troth init DIR`"),
    ],
    ids=str,
)
@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_wrong_question_is_said_to_be_wrong_where_and_how(
    here: Path, arguments: tuple[str, ...], says: str, form: tuple[str, ...]
) -> None:
    before = snapshot(here)
    refused(*arguments, *form, says=says)
    assert snapshot(here) == before


# 3


@pytest.mark.parametrize(
    "arguments",
    [
        ("terms", "add", "next.yaml"),
        ("record", "events.yaml"),
        ("object", "ann", "--at", AT),
        ("release", "build", *DELIVER, "--out", "r1"),
    ],
    ids=" ".join,
)
def test_a_ledger_that_another_one_writes_to_is_waited_for_and_then_given_up(
    here: Path, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("troth.ledger.store.BUSY_SECONDS", 0.1)
    with held(here / "home" / "ledger.lock"):
        refused(*arguments, status=3, place="home/ledger.sqlite3", says="wait until it is done and repeat")
        # Who only asks does not wait.
        done("decide", *TRAIN)
    assert not (here / "r1").exists()
    assert not list(here.glob(".r1*"))
    done(*arguments)


def test_two_imports_do_not_write_at_once(here: Path) -> None:
    with held(here / "home" / "records" / ".lock"):
        refused("import", "table", "records.jsonl", status=3, place="home/records", says="another import")
    done("import", "table", "records.jsonl")


@pytest.mark.parametrize(
    "arguments",
    [
        ("terms", "add", "next.yaml"),
        ("subjects", "import", "more.csv"),
        ("object", "ann", "--at", AT),
        ("erase", "ann", "--at", AT),
        ("release", "build", *DELIVER, "--out", "r1"),
    ],
    ids=" ".join,
)
def test_below_the_free_space_floor_nothing_is_written(here: Path, arguments: tuple[str, ...]) -> None:
    (here / "more.csv").write_text("subject,since\neve,2020-01-01\n")
    (here / "home" / "troth.yaml").write_text("format: 1\nfree_space_floor_mib: 1000000000000\n")
    before = snapshot(here)
    refused(*arguments, status=3, place="home/ledger.sqlite3", says="free some space and repeat")
    assert snapshot(here) == before


def test_a_home_is_not_made_where_something_is(here: Path) -> None:
    before = snapshot(here)
    refused("init", "home", status=3, place="home", says="choose an empty or new folder")
    refused("init", "usable.csv", status=3, place="usable.csv", says="something is there already")
    refused("init", "usable.csv/home", status=3)
    assert snapshot(here) == before


def test_a_release_whose_settings_keep_changing_is_given_up(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []

    def changing(*arguments: Any) -> HomeGate:
        gate = open_gate(*arguments)
        opened.append(done("object", "cyd", "--at", AT))
        return gate

    monkeypatch.setattr(releases, "open_gate", changing)
    refused(
        "release",
        "build",
        *DELIVER,
        "--out",
        "r1",
        status=3,
        says="build for a fixed position with --as-of N",
    )
    assert len(opened) > 1
    assert not (here / "r1").exists()
    assert not list(here.glob(".r1*"))
    done("release", "build", *DELIVER, "--out", "r1", "--as-of", "14")


def test_a_damaged_ledger_is_said_to_be_damaged(here: Path) -> None:
    with sqlite3.connect(here / "home" / "ledger.sqlite3") as connection:
        connection.execute(
            "UPDATE entries SET body = CAST(replace(CAST(body AS TEXT), 'US-CA', 'US-NY') AS BLOB)"
            " WHERE position = 6"
        )
    connection.close()
    ran = troth("ledger", "check")
    assert (ran.status, ran.err) == (1, "")
    assert "restore it from a backup" in ran.out
    ran = troth("fsck")
    assert (ran.status, ran.err) == (1, "")
    assert "error: ledger: entry 6 does not match its commitment" in ran.out
    ran = troth("ledger", "check", "--json")
    assert ran.status == 1
    assert ran.json["ok"] is False
    assert any("6" in one for one in ran.json["findings"])


def test_damaged_records_of_the_home_are_the_systems_fault(here: Path) -> None:
    (part,) = (here / "home" / "records").glob("*.parquet")
    data = part.read_bytes()
    part.write_bytes(data[:100] + b"\xff" * 100 + data[200:])
    ran = troth("decide", *TRAIN)
    assert ran.status == 3
    check_error(ran, says=part.name)


def test_an_interrupted_command_says_that_nothing_was_written(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_arguments: object) -> None:
        raise KeyboardInterrupt

    before = snapshot(here)
    monkeypatch.setattr("troth.app.home.read_yaml", interrupted)
    ran = troth("terms", "add", "next.yaml")
    assert (ran.status, ran.out) == (3, "")
    assert ran.err.strip() == "troth: interrupted; what was not finished was not written"
    assert snapshot(here) == before


@pytest.mark.parametrize(
    "arguments",
    [
        ("erase", "anne", "--at", AT),
        ("object", "anne"),
        ("withdraw", "anne", "--all"),
        ("setting", "choose", "anne", "improve-models", "off"),
    ],
)
@pytest.mark.usefixtures("here")
def test_a_misspelt_member_is_noted(arguments: tuple[str, ...]) -> None:
    ran = done(*arguments, "--json")
    assert "no attributes of 'anne' are known here; recorded all the same; did you mean 'ann'?" in ran.err
    assert ran.json


@pytest.mark.usefixtures("here")
def test_a_member_who_is_known_is_not_noted() -> None:
    assert done("object", "ann").err == ""
