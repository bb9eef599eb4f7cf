"""Matrix events: who was in the room when, what edits and redactions do, what is not a message."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

from tests.exports.matrix import ROOM, Talk
from tests.unit.intake.conftest import Desk
from troth.core.errors import BadInput
from troth.intake.conformance import check_importer
from troth.intake.importing import DamagedInput
from troth.intake.matrix import Matrix

ANN, BOB, CEM = "@ann:example.org", "@bob:example.org", "@cem:example.org"


def by_body(desk: Desk) -> dict[Any, dict[str, Any]]:
    return {row["body"]: row for row in desk.rows()}


def gone(desk: Desk) -> dict[str, int]:
    path = desk.store.marks.deleted
    return dict(duckdb.execute("FROM read_parquet($1)", [str(path)]).fetchall()) if path.is_file() else {}


def test_parties_are_who_was_in_the_room_when_it_was_written(desk: Desk) -> None:
    talk = Talk()
    talk.create(ANN, BOB)
    first = talk.say(ANN, "just us two")
    talk.member(CEM, "join")
    talk.say(BOB, "now three")
    talk.member(ANN, "leave")
    talk.say(CEM, "she left")
    talk.member(BOB, "ban")
    talk.say(CEM, "to myself")
    report = desk.export(Matrix(), talk.write(desk.folder / "room.json"))
    assert (report.read, report.imported, dict(report.left_out)) == (10, 4, {"system": 6})
    found = {body: (row["category"], row["author"], row["addressees"]) for body, row in by_body(desk).items()}
    assert found == {
        "just us two": ("private_message", ANN, [BOB]),
        "now three": ("private_message.group", BOB, [ANN, CEM]),
        "she left": ("private_message", CEM, [BOB]),
        "to myself": ("private_message", CEM, [CEM]),
    }
    row = by_body(desk)["just us two"]
    assert (row["id"], row["conversation"]) == (f"matrix:{first}", f"matrix:{ROOM}")
    assert row["created_at"] == 1_700_000_003_000_000


def test_a_room_not_told_from_its_beginning_has_an_unknown_party(desk: Desk) -> None:
    talk = Talk()
    talk.say(ANN, "hello")
    talk.say(BOB, "yes")
    report = desk.export(Matrix(), talk.write(desk.folder / "room.json"))
    assert by_body(desk)["yes"]["addressees"] == [ANN, ""]
    assert report.notes.total() == 1


def test_what_all_may_read_is_a_post(desk: Desk) -> None:
    talk = Talk()
    talk.create(ANN, BOB)
    talk.add("m.room.join_rules", ANN, {"join_rule": "public"}, state_key="")
    talk.say(ANN, "to the world")
    desk.export(Matrix(), talk.write(desk.folder / "room.json"))
    row = by_body(desk)["to the world"]
    assert (row["category"], row["addressees"]) == ("post", [])


def test_edits_and_redactions(desk: Desk) -> None:
    talk = Talk()
    talk.create(ANN, BOB)
    said = talk.say(ANN, "first")
    talk.edit(ANN, said, "second")
    talk.edit(BOB, said, "what another put into her mouth")
    third = talk.edit(ANN, said, "third")
    other = talk.say(BOB, "regretted")
    talk.redact(BOB, other)
    alone = talk.say(BOB, "edited and regretted")
    edit = talk.edit(BOB, alone, "more")
    talk.redact(BOB, edit)
    path = talk.write(desk.folder / "room.json")
    report = desk.export(Matrix(), path)
    assert report.left_out["foreign-edit"] == 1
    assert report.left_out["redaction"] == 2
    rows = by_body(desk)
    assert set(rows) == {"first", "second", "third", "regretted", "edited and regretted", "more"}
    live = {row["body"] for row in rows.values() if row["id"] not in gone(desk)}
    assert live == {"third"}
    assert {rows[one]["created_at"] for one in ("first", "second", "third")} == {rows["first"]["created_at"]}
    assert third not in gone(desk)
    again = desk.export(Matrix(), path)
    assert (again.imported, again.duplicates, again.rejected) == (0, report.imported, 0)


def test_an_edit_of_what_is_not_there_has_no_date(desk: Desk) -> None:
    talk = Talk()
    talk.create(ANN, BOB)
    talk.edit(ANN, "$elsewhere", "words")
    desk.export(Matrix(), talk.write(desk.folder / "room.json"))
    assert by_body(desk)["words"]["created_at"] is None


def test_what_is_no_member_speaking(desk: Desk) -> None:
    talk = Talk()
    talk.create(ANN, BOB)
    talk.say(ANN, "beep", msgtype="m.notice")
    talk.add("m.room.encrypted", ANN, {"ciphertext": "x"})
    talk.add("m.reaction", ANN, {})
    talk.say(ANN, "photo.png", msgtype="m.image", url="mxc://x")
    talk.say(ANN, "our garden", msgtype="m.image", url="mxc://x", filename="photo.png")
    talk.add("m.room.message", ANN, {}, unsigned={"redacted_because": {"origin_server_ts": 5}})
    talk.say(
        ANN,
        "> <@bob:example.org> his words\n> more\n\nmy answer",
        **{"m.relates_to": {"m.in_reply_to": {"event_id": "$x"}}},
    )
    talk.events += [17, {"type": "m.room.message"}]  # type: ignore[list-item]
    talk.say(ANN, "when?")
    talk.events[-1]["origin_server_ts"] = "now"
    report = desk.export(Matrix(), talk.write(desk.folder / "room.json"))
    assert set(desk.values("body")) == {"our garden", "my answer"}
    assert dict(report.left_out) == {
        "system": 3,
        "bot": 1,
        "encrypted": 1,
        "no-message": 1,
        "no-words": 1,
        "deleted": 1,
    }
    assert report.rejected == 3


def test_folders_and_broken_files(desk: Desk) -> None:
    folder = desk.folder / "rooms"
    folder.mkdir()
    talk = Talk()
    talk.create(ANN, BOB)
    talk.say(ANN, "kept")
    talk.write(folder / "one.json")
    (folder / "two.json").write_text('{"messages": [')
    (folder / "three.json").write_text("[]")
    with pytest.raises(DamagedInput, match=r"not JSON|as Element exports"):
        desk.export(Matrix(), folder)
    assert desk.values("body") == ["kept"]
    empty = desk.folder / "empty"
    empty.mkdir()
    with pytest.raises(BadInput, match="holds no JSON file"):
        desk.export(Matrix(), empty)


def test_it_keeps_the_protocol(desk: Desk) -> None:
    talk = Talk()
    talk.create(ANN, BOB)
    said = talk.say(ANN, "a sentence of some length")
    talk.edit(ANN, said, "another of some length, too")
    scratch = desk.folder / "scratch"
    scratch.mkdir()
    # Elsewhere than the sample, whose folder would be looked at.
    sample = desk.folder / "sample"
    sample.mkdir()
    assert check_importer(Matrix(), [talk.write(sample / "room.json")], scratch) in (
        [],
        ["bytes that mean nothing"],
    )
