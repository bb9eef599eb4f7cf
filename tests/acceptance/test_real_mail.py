"""Real mail, from import to a release that anybody can check."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

import troth
from tests.acceptance.real_mail import run
from troth.app.decisions import explain
from troth.core.values import Use

pytestmark = pytest.mark.needs_data


def test_mail_becomes_a_verified_release(tmp_path: Path) -> None:
    ran = run(tmp_path)
    found = ran.figures
    for name, read in (("enron", 9_651), ("mboxrd", 4_000)):
        report = found[name]
        assert report["read"] == read == report["imported"] + report["duplicates"] + report["rejected"]
    imported = found["enron"]["imported"] + found["mboxrd"]["imported"]
    decided = found["decided"]
    assert decided["records"] == imported == sum(decided["verdicts"].values())
    assert min(decided["verdicts"].values()) > 100
    assert {"no-ground", "promised-not-to", "unknown-subject", "unknown-time"} <= set(decided["all_reasons"])
    assert found["release"]["rows"] == decided["verdicts"]["allowed"]
    assert found["release"]["counts"]["first_reasons"] == decided["first_reasons"]
    assert found["verified"]["ok"] is True

    # What left is what the reference allows, and nothing else: looked at for some of both.
    home, use = troth.open(tmp_path / "home"), Use("train.generative", "operator")
    left = {row for path in (ran.release / "data").iterdir() for row in pq.read_table(path)["id"].to_pylist()}
    every = sorted(
        name
        for path in (tmp_path / "home" / "records").glob("part-*.parquet")
        for name in pq.read_table(path)["id"].to_pylist()
    )
    for name in every[::1500]:
        verdict = explain(home, name, use, "2020-01-01").decision.verdict
        assert (verdict == "allowed") == (name in left)

    part = next((ran.release / "data").iterdir())
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(data)
    altered = troth.verify(ran.release)
    assert not altered.ok
    assert any(part.name in str(one.where) for one in altered.findings)
