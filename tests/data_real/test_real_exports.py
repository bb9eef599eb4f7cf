"""Exports as platforms make them: everything is accounted for, and a second import changes nothing."""

from __future__ import annotations

import csv
import io
import json
import time
import zipfile
from pathlib import Path

import duckdb
import pytest

from troth.core.values import parse_instant
from troth.intake.importing import Intake
from troth.intake.kinds import Importer, Job
from troth.intake.linkedin import LinkedIn
from troth.intake.records import RecordStore
from troth.intake.report import ImportReport
from troth.intake.slack import Slack

pytestmark = pytest.mark.needs_data

NOW = parse_instant("2026-06-01")


@pytest.fixture
def store(tmp_path: Path) -> RecordStore:
    return RecordStore(tmp_path / "records")


def bring(store: RecordStore, importer: Importer, path: Path) -> ImportReport:
    intake = Intake(store, store.folder.parent / "rejects", NOW)
    return intake.take(importer.items(Job((path,), NOW)))


def rows(store: RecordStore, columns: str, where: str = "true") -> list[tuple[object, ...]]:
    paths = [str(path) for path in store.paths()]
    return duckdb.read_parquet(paths).filter(where).project(columns).fetchall()


def contents(store: RecordStore) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(store.folder.rglob("*.parquet"))}


def test_a_linkedin_export_of_twenty_thousand_messages(store: RecordStore, shared_data: Path) -> None:
    path = shared_data / "linkedin" / "sample_export.zip"
    started = time.process_time()
    report = bring(store, LinkedIn(), path)
    # The demand is 5 s of wall time on a quiet machine; this one may be shared.
    assert time.process_time() - started < 5
    with zipfile.ZipFile(path) as archive:
        messages = list(csv.DictReader(io.StringIO(archive.read("messages.csv").decode("utf-8"), newline="")))
    drafts = [one for one in messages if one["IS MESSAGE DRAFT"] == "true"]
    assert len(messages) == 20_000
    assert (report.rejected, report.left_out["draft"]) == (0, len(drafts))
    stored = rows(
        store,
        "author, list_sort(addressees), created_at, conversation, body",
        "category IN ('private_message', 'private_message.inmail')",
    )
    expected = [
        (
            one["SENDER PROFILE URL"],
            sorted(set(one["RECIPIENT PROFILE URLS"].split())),
            parse_instant(one["DATE"].removesuffix(" UTC")),
            "linkedin:" + one["CONVERSATION ID"],
            one["CONTENT"].rstrip(),
        )
        for one in messages
        if one["IS MESSAGE DRAFT"] == "false"
    ]
    assert sorted(map(repr, stored)) == sorted(map(repr, expected))
    before = contents(store)
    again = bring(store, LinkedIn(), path)
    assert (again.read, again.imported, again.duplicates) == (report.read, 0, report.imported)
    assert contents(store) == before


def test_three_eras_of_one_linkedin_export(store: RecordStore, shared_data: Path) -> None:
    for folder in sorted((shared_data / "linkedin" / "eras").glob("*/*")):
        with (folder / "messages.csv").open(newline="", encoding="utf-8-sig") as file:
            messages = list(csv.DictReader(file))
        report = bring(store, LinkedIn(), folder)
        left_out = {name: count for name, count in report.left_out.items() if name != "no-words"}
        assert set(left_out) <= {"draft", "spam", "sponsored"}
        assert (left_out["spam"], left_out["sponsored"], report.rejected) == (1, 1, 0)
        stored = report.imported + report.duplicates
        # Beside the messages a post and a profile.
        assert stored == len(messages) - sum(left_out.values()) + 2
    groups = rows(store, "addressees", "contains(body, 'Panel')")
    assert sorted(len(one[0]) for one in groups) == [2, 2, 2]  # type: ignore[arg-type]


def test_a_slack_export(store: RecordStore, shared_data: Path) -> None:
    [path] = (shared_data / "slack").glob("*.zip")
    report = bring(store, Slack(), path)
    with zipfile.ZipFile(path) as archive:
        days = [name for name in archive.namelist() if "/" in name and name.endswith(".json")]
        messages = [one for name in days for one in json.loads(archive.read(name))]
    written = [one for one in messages if one.get("subtype", "") in ("", "file_share", "file_comment")]
    assert (report.read, report.imported, report.rejected) == (len(messages), len(written), 0)
    found = rows(store, "created_at, author")
    stamps = {round(float(one["ts"]) * 1_000_000) for one in written}
    assert {one[0] for one in found} == stamps
    users = {one["user"] for one in written if "user" in one}
    assert {str(one[1]).rpartition(":")[2] for one in found} >= users
    before = contents(store)
    assert bring(store, Slack(), path).imported == 0
    assert contents(store) == before
