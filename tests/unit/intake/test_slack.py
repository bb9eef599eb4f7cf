"""Slack exports: who is a party of what, what counts as written, versions and deletions."""

from __future__ import annotations

import json
from typing import Any

import duckdb
import pytest

from tests.exports.slack import TEAM, Export, message
from tests.unit.intake.conftest import Desk
from troth.core.errors import BadInput
from troth.intake.conformance import check_importer
from troth.intake.importing import DamagedInput
from troth.intake.slack import Slack

DAY = "2016-01-15.json"


def who(*users: str) -> list[str]:
    return [f"slack:{TEAM}:{user}" for user in users]


def by_body(desk: Desk) -> dict[Any, dict[str, Any]]:
    return {row["body"]: row for row in desk.rows()}


def gone(desk: Desk) -> dict[str, int]:
    path = desk.store.marks.deleted
    return dict(duckdb.execute("FROM read_parquet($1)", [str(path)]).fetchall()) if path.is_file() else {}


@pytest.mark.parametrize("root", ["", "workspace export/"])
def test_conversations_and_their_parties(desk: Desk, root: str) -> None:
    days = {
        f"general/{DAY}": [
            message("UADA", "to all"),
            message("UBOB", "reply", "1452837319.000000", thread_ts="1452837318.000002"),
        ],
        f"board/{DAY}": [message("UADA", "to the board")],
        f"mpdm-a--b--c-1/{DAY}": [message("UBOB", "to both")],
        f"D1/{DAY}": [message("UADA", "to one"), message("UCEM", "who left", "1452837320.000000")],
        f"unlisted/{DAY}": [message("UADA", "to whom?")],
    }
    report = desk.export(Slack(), Export(days=days, root=root).write(desk.folder / "x.zip"))
    assert (report.read, report.imported) == (7, 7)
    found = {body: (row["category"], row["author"], row["addressees"]) for body, row in by_body(desk).items()}
    assert found == {
        "to all": ("post", *who("UADA"), []),
        "reply": ("comment", *who("UBOB"), []),
        "to the board": ("private_message.group", *who("UADA"), who("UBOB")),
        "to both": ("private_message.group", *who("UBOB"), who("UADA", "UCEM")),
        # Who wrote there was there, whatever the list of the last day says.
        "to one": ("private_message", *who("UADA"), who("UBOB", "UCEM")),
        "who left": ("private_message", *who("UCEM"), who("UADA", "UBOB")),
        "to whom?": ("private_message", *who("UADA"), [""]),
    }
    rows = by_body(desk)
    assert rows["to all"]["created_at"] == 1_452_837_318_000_002
    assert rows["reply"]["conversation"] == "slack:C1:1452837318.000002"
    assert report.notes["of the conversations stand in no list: somebody unknown is a party"] == 1


def test_what_no_member_wrote_is_left_out(desk: Desk) -> None:
    said = [
        message(None, "built", "1.000001", subtype="bot_message", bot_id="B1"),
        message("UBOT", "beep", "1.000002"),
        message(None, "hook", "1.000003", username="ci"),
        message("UADA", "joined", "1.000004", subtype="channel_join"),
        message("UADA", "gone", "1.000005", subtype="tombstone"),
        message("UADA", "shrugs", "1.000006", subtype="me_message"),
        message("UADA", "a file", "1.000007", subtype="file_share"),
        message(
            None, "x", "1.000008", subtype="file_comment", comment={"user": "UBOB", "comment": "fine file"}
        ),
        {"type": "presence_change", "ts": "1.000009"},
        "no message",
        message("UADA", "when?", "yesterday"),
        message("UADA", "late", "99999999999.000000"),
    ]
    report = desk.export(Slack(), Export(days={f"general/{DAY}": said}).write(desk.folder / "x.zip"))
    assert dict(report.left_out) == {"bot": 3, "system": 1, "deleted": 1, "no-message": 1}
    assert (report.read, report.imported, report.rejected) == (12, 4, 2)
    assert set(desk.values("body")) == {"shrugs", "a file", "fine file", "late"}
    assert by_body(desk)["fine file"]["author"] == who("UBOB")[0]
    assert by_body(desk)["late"]["created_at"] is None
    assert [one["row"] for one in desk.rejects(report)] == [10, 11]


def test_words_as_people_see_them(desk: Desk) -> None:
    text = "&lt;b&gt; <@UADA> in <#C1|general> <!here> see <https://example.org/a|this> and <https://example.org>"
    desk.export(
        Slack(), Export(days={f"general/{DAY}": [message("UBOB", text)]}).write(desk.folder / "x.zip")
    )
    assert desk.values("body") == ["<b> @UADA in #general @here see this and https://example.org"]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_an_edit_is_a_new_version_and_the_old_one_is_gone(desk: Desk, order: tuple[int, ...]) -> None:
    base = message("UADA", "first", "100.000000")
    versions = [
        base,
        base | {"text": "second", "edited": {"user": "UADA", "ts": "200.000000"}},
        base | {"text": "third", "edited": {"user": "UADA", "ts": "300.000000"}},
    ]
    for index in order:
        path = Export(days={f"general/{DAY}": [versions[index]]}).write(desk.folder / f"{index}.zip")
        for imported in (1, 0):
            assert desk.export(Slack(), path).imported == imported
    assert gone(desk) == {
        "slack:C1:100.000000": 200_000_000,
        "slack:C1:100.000000#v200000000": 300_000_000,
    }
    assert {row["created_at"] for row in desk.rows()} == {100_000_000}


def test_what_was_deleted_since_is_gone(desk: Desk) -> None:
    first = Export(
        days={
            f"general/{DAY}": [
                message("UADA", "oh no", "100.000000"),
                message("UBOB", "me too", "101.000000"),
            ]
        }
    )
    desk.export(Slack(), first.write(desk.folder / "1.zip"))
    later = [
        message("UADA", "This message was deleted.", "100.000000", subtype="tombstone"),
        {"type": "message", "subtype": "message_deleted", "deleted_ts": "101.000000", "ts": "150.000000"},
    ]
    report = desk.export(Slack(), Export(days={f"general/{DAY}": later}).write(desk.folder / "2.zip"))
    assert dict(report.left_out) == {"deleted": 2}
    assert gone(desk) == {"slack:C1:100.000000": 100_000_000, "slack:C1:101.000000": 150_000_000}


def test_a_broken_day_is_named_and_the_others_are_read(desk: Desk) -> None:
    whole = json.dumps([message("UADA", "lost")])
    days = {
        f"general/{DAY}": whole[:-10],
        "general/2016-01-16.json": [message("UADA", "kept")],
        "general/2016-01-17.json": '{"a": 1}',
        "general/2016-01-18.json": "[" * 100_000,
    }
    with pytest.raises(DamagedInput, match="not JSON, or ends too early; 2 more sources") as raised:
        desk.export(Slack(), Export(days=days).write(desk.folder / "x.zip"))
    assert raised.value.report.rejected == 3
    assert desk.values("body") == ["kept"]


def test_what_is_no_export_is_refused(desk: Desk) -> None:
    with pytest.raises(BadInput, match="none of the files of a Slack export"):
        desk.export(Slack(), desk.folder)


def test_it_keeps_the_protocol(desk: Desk) -> None:
    path = Export(
        days={f"D1/{DAY}": [message("UADA", "hello to you, Bob"), message("UBOB", "hi", "2.000000")]}
    )
    scratch = desk.folder / "scratch"
    scratch.mkdir()
    assert check_importer(Slack(), [path.write(desk.folder / "sample.zip")], scratch) == []
