"""The commands: what they print, write, and end with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.papers.conftest import World
from troth.cli.main import cli


def troth(world: World, *arguments: str) -> int:
    try:
        cli(["--home", str(world.home.path), *arguments], prog_name="troth", standalone_mode=False)
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def test_a_paper_is_printed_written_and_compared(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert troth(world, "paper", "ab2013", "autocomplete") == 0
    printed = capsys.readouterr().out
    assert "Number of data points" in printed
    assert "left blank: not known from the ledger" in printed
    out = tmp_path / "papers"
    assert (
        troth(
            world,
            "paper",
            "model-card",
            "autocomplete",
            "--out",
            str(out),
            "--format",
            "json",
            "--format",
            "html",
        )
        == 0
    )
    assert sorted(one.name for one in out.iterdir()) == [
        "model-card.html",
        "model-card.json",
        "model-card.md",
    ]
    assert all(one.stat().st_mode & 0o077 == 0 for one in out.iterdir())
    capsys.readouterr()
    before = str(out / "model-card.json")
    assert troth(world, "paper", "model-card", "autocomplete", "--diff", before, "--json") == 0
    assert json.loads(capsys.readouterr().out)["changes"] == []


def test_requests_end_with_one_when_overdue(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert troth(world, "requests", "add", "m00009", "access", "--at", "2025-06-01", "--json") == 0
    name = json.loads(capsys.readouterr().out)["request"]
    assert troth(world, "requests", "list", "--open", "--at", "2025-06-02", "--json") == 0
    assert any(
        one["request"] == name and one["days_left"] == 30 for one in json.loads(capsys.readouterr().out)
    )
    assert troth(world, "requests", "list", "--at", "2025-08-01") == 1
    assert troth(world, "requests", "extend", name, "--reason", "many", "--at", "2025-06-10") == 0
    assert troth(world, "requests", "answer", name, "granted", "--at", "2025-06-20") == 0
    capsys.readouterr()
    assert troth(world, "requests", "list", "--open", "--at", "2025-06-21", "--json") == 0
    assert all(one["request"] != name for one in json.loads(capsys.readouterr().out))


def test_an_exposure_is_bundled_and_verified(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, notice = tmp_path / "exposure", tmp_path / "notice.csv"
    arguments = (
        "--disclosed",
        str(world.past),
        "--out",
        str(out),
        "--format",
        "html",
        "--notice-list",
        str(notice),
    )
    assert troth(world, "exposure", str(world.claim), *arguments) == 0
    assert "which is private" in capsys.readouterr().out
    assert troth(world, "verify", str(out), "--key", str(world.home.public_key_path)) == 0
    (out / "exposure.html").write_text("other")
    assert troth(world, "verify", str(out)) == 1
