"""LinkedIn exports: every item counted, parties and instants as the export says them, hostile files refused."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.exports.linkedin import CAMPAIGN, ERAS, NINE, THIRTEEN, TWELVE, Export, Message, address, table
from tests.unit.intake.conftest import Desk
from troth.core.errors import BadInput
from troth.core.values import format_instant, parse_instant
from troth.intake import archives
from troth.intake.conformance import check_importer
from troth.intake.importing import DamagedInput
from troth.intake.linkedin import LinkedIn
from troth.intake.linkedin_people import People, profile_address
from troth.intake.moments import read_moment

ADA, BOB, CEM = "Ada Example", "Bob Sample", "Cem Probe"


def talk() -> list[Message]:
    return [
        Message(ADA, (BOB,), "Shall we meet?"),
        Message(BOB, (ADA,), "Yes.", date="2024-05-01 10:00:01 UTC"),
        Message(CEM, (ADA, BOB), "All three?", talk="2-two", date="2024-05-02 00:00:00 UTC"),
        Message(
            CEM,
            (ADA,),
            "Would you join us?",
            talk="2-three",
            subject="A role",
            date="2024-05-03 08:00:00 UTC",
        ),
    ]


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("name", ["export.zip", "folder"])
def test_every_era_gives_the_same_words(desk: Desk, era: str, name: str) -> None:
    path = Export(talk(), columns=list(ERAS[era])).write(desk.folder / name)
    report = desk.export(LinkedIn(), path)
    assert (report.read, report.imported, dict(report.left_out)) == (5, 4, {"no-words": 1})
    by_body = {row["body"]: row for row in desk.rows()}
    first = by_body["Shall we meet?"]
    assert first["author"] == address(ADA)
    assert first["addressees"] == [address(BOB)]
    assert format_instant(int(str(first["created_at"]))) == "2024-05-01T09:30:00Z"
    assert first["category"] == "private_message"
    assert by_body["Yes."]["addressees"] == [address(ADA)]
    assert by_body["Would you join us?"]["category"] == "private_message.inmail"
    assert by_body["Would you join us?"]["title"] == "A role"
    group = by_body["All three?"]
    # Before 2023 nobody but the owner can be known by a name that never wrote in this conversation.
    assert group["addressees"] == [address(ADA), BOB.lower() if era == "2021" else address(BOB)]


def test_a_second_import_and_a_later_era_change_nothing(desk: Desk) -> None:
    old = Export(talk(), columns=list(NINE)).write(desk.folder / "old.zip")
    new = Export(talk(), columns=list(THIRTEEN), quote_all=True, newline="\r\n").write(
        desk.folder / "new.zip"
    )
    desk.export(LinkedIn(), old)
    before = desk.rows()
    for path in (old, new):
        report = desk.export(LinkedIn(), path)
        assert (report.imported, report.duplicates, report.rejected) == (0, 4, 0)
    assert desk.rows() == before


def test_what_is_left_out_is_counted_by_its_reason(desk: Desk) -> None:
    messages = [
        Message(ADA, (BOB,), "unfinished", draft="Yes"),
        Message(ADA, (BOB,), "unfinished too", draft="true"),
        Message(ADA, (BOB,), "unfinished talk", conversation_draft="Yes"),
        Message(BOB, (ADA,), "Win!!!", folder="SPAM"),
        Message("Some Brand", (ADA,), CAMPAIGN, hidden=("Some Brand",)),
        Message(
            "LinkedIn Member", (ADA,), "Are you open to a chat?", subject="Role", hidden=("LinkedIn Member",)
        ),
        # A recruiter's own InMail is laid out like a campaign, but has a sender.
        Message(CEM, (ADA,), CAMPAIGN.replace("%FIRSTNAME%", "Ada"), subject="Role"),
    ]
    report = desk.export(LinkedIn(), Export(messages, columns=list(THIRTEEN)).write(desk.folder / "x.zip"))
    assert dict(report.left_out) == {"draft": 3, "spam": 1, "sponsored": 1, "no-words": 1}
    assert report.read == len(messages) + 1
    assert {row["body"]: row["author"] for row in desk.rows()} == {
        "Are you open to a chat?": None,
        "Hello Ada": address(CEM),
    }
    assert report.notes["author not named"] == 1


def test_names_with_commas_and_hidden_people(desk: Desk) -> None:
    doctor, hidden = "Ruth Test, Ph.D.", "LinkedIn Member"
    messages = [
        Message(ADA, (doctor, BOB), "one", talk="2-a"),
        Message(ADA, (BOB, hidden), "two", talk="2-b", hidden=(hidden,)),
        Message(ADA, (BOB, CEM), "three", talk="2-c", hidden=(CEM,)),
        Message(CEM, (ADA,), "four", talk="2-d"),
        Message(ADA, (BOB, CEM), "five", talk="2-d", hidden=(CEM,)),
    ]
    report = desk.export(LinkedIn(), Export(messages).write(desk.folder / "x.zip"))
    found = {row["body"]: row["addressees"] for row in desk.rows()}
    assert found["one"] == [address(doctor), address(BOB)]
    assert found["two"] == [address(BOB), ""]
    assert found["three"] == [address(BOB), ""]
    assert found["five"] == [address(BOB), address(CEM)]
    assert report.notes["more recipients named than profiles given"] == 1


def test_addresses_joined_by_spaces(desk: Desk) -> None:
    cells = Message(ADA, (BOB, CEM)).cells()
    cells["RECIPIENT PROFILE URLS"] = f"{address(BOB)} {address(CEM)}"
    export = Export(files={"messages.csv": table(TWELVE, [cells])})
    desk.export(LinkedIn(), export.write(desk.folder / "x.zip"))
    assert desk.values("addressees") == [[address(BOB), address(CEM)]]


def test_somebody_listed_twice_is_one_party(desk: Desk) -> None:
    report = desk.export(LinkedIn(), Export([Message(ADA, (BOB, CEM, BOB))]).write(desk.folder / "x.zip"))
    assert desk.values("addressees") == [[address(BOB), address(CEM)]]
    assert not report.notes


def test_the_other_files(desk: Desk) -> None:
    files: dict[str, str | bytes] = {
        "Shares.csv": "Date,ShareLink,ShareCommentary,SharedUrl,MediaUrl,Visibility\n"
        "2024-02-09 01:21:47,https://www.linkedin.com/feed/update/urn:li:share:7,Hiring again.,,,MEMBER_NETWORK\n"
        "2024-02-10 01:21:47,https://www.linkedin.com/feed/update/urn:li:share:8,,,,MEMBER_NETWORK\n",
        "Comments.csv": "Date,Link,Message\n"
        "2024-02-11 01:00:00,https://www.linkedin.com/feed/update/urn:li:share:7?c=1,Well said.\n",
        "Invitations.csv": "From,To,Sent At,Message,Direction,inviterProfileUrl,inviteeProfileUrl\n"
        f'{ADA},{BOB},"3/12/23, 4:05 PM",We met on Tuesday.,OUTGOING,{address(ADA)},{address(BOB)}\n',
        "Profile Summary.csv": "Profile Summary\nI make engines.\n",
        "Recommendations_Given.csv": "First Name,Last Name,Company,Job Title,Text,Creation Date,Status\n"
        "Bob,Sample,,,Very good.,22 Mar 2019,VISIBLE\n",
        "Connections.csv": 'Notes:\n"A text, with commas"\n\nFirst Name,Last Name,URL\nBob,Sample,x\n,,',
        "Articles/Articles/2020-03-02_engines.html": "<html><body><h1>Engines</h1><p>They turn.</p></body></html>",
        "guide_messages.csv": "CONVERSATION ID,FROM,DATE,CONTENT\n",
        "LearningCoachMessages.csv": "No conversations found",
        "Receipts_v2.csv": "a,b\n1,2\n",
    }
    report = desk.export(LinkedIn(), Export([Message(ADA, (BOB,))], files=files).write(desk.folder / "x.zip"))
    found = {str(row["category"]): row for row in desk.rows()}
    assert set(found) == {
        "private_message",
        "post",
        "comment",
        "private_message.invitation",
        "profile",
        "recommendation",
        "article",
    }
    assert {row["author"] for row in found.values()} == {address(ADA)}
    assert found["comment"]["conversation"] == found["post"]["conversation"]
    assert found["private_message.invitation"]["created_at"] == parse_instant("2023-03-12T16:05:00Z")
    assert found["private_message.invitation"]["addressees"] == [address(BOB)]
    assert found["recommendation"]["addressees"] == ["bob sample"]
    assert found["article"]["created_at"] == parse_instant("2020-03-02")
    assert found["profile"]["created_at"] is None
    assert dict(report.left_out) == {"no-words": 2}
    assert report.notes["of its files hold nobody's writing"] == 2
    assert report.rejected == 0


def test_bad_rows_are_rejected_with_their_line_and_nothing_else_is_lost(desk: Desk) -> None:
    bad = [
        Message(ADA, (BOB,), "one", date="2024-02-31 09:00:00 UTC"),
        Message(ADA, (BOB,), "two", date=""),
        Message(ADA, (BOB,), "three", date="yesterday"),
        Message(ADA, (BOB,), "four", date="2024-05-01 25:00:00 UTC"),
    ]
    text = Export([*bad, Message(ADA, (BOB,), "good")]).message_file()
    data = (
        text.encode() + b"2-x,,too,few\n" + text.splitlines()[-1].replace("good", "gut\xfc").encode("latin-1")
    )
    path = Export(files={"messages.csv": b"\xef\xbb\xbf" + data}).write(desk.folder / "x.zip")
    report = desk.export(LinkedIn(), path)
    assert desk.values("body") == ["good"]
    assert [(one["line"], one["reason"]) for one in desk.rejects(report)] == [
        (2, "the date is no day and time of the calendar"),
        (3, "the date is missing"),
        (4, "the date is no day and time of the calendar"),
        (5, "the date is no day and time of the calendar"),
        (7, "the row has 4 cells, the header 12"),
        (8, "the row is not UTF-8"),
    ]
    assert (report.read, report.rejected) == (8, 6)


def test_a_date_in_the_future_is_one_that_nobody_knows(desk: Desk) -> None:
    messages = [
        Message(ADA, (BOB,), "soon", date="2099-01-01 00:00:00 UTC"),
        Message(ADA, (BOB,), "old", date="1969-07-20 20:17:00 UTC"),
    ]
    report = desk.export(LinkedIn(), Export(messages).write(desk.folder / "x.zip"))
    assert {row["body"]: row["created_at"] for row in desk.rows()} == {
        "soon": None,
        "old": parse_instant("1969-07-20T20:17:00Z"),
    }
    assert report.notes["date in the future"] == 1


def test_formulas_and_control_characters_are_words_like_any_other(desk: Desk) -> None:
    words = ['=HYPERLINK("http://x","y")', "+1", "@SUM(A1)", "a\x1b[31mred\x07", "nul\0here"]
    messages = [Message("=cmd|' /C calc'!A0", (BOB,), one) for one in words]
    desk.export(LinkedIn(), Export(messages).write(desk.folder / "x.zip"))
    assert set(desk.values("body")) == {one.replace("\0", "\ufffd") for one in words}


# hostile archives


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def test_names_that_lead_out_links_and_bombs_are_rejected(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "FREE_BYTES", 100_000)
    good = Export([Message(ADA, (BOB,))], owner=None).message_file().encode()
    path = desk.folder / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("messages.csv", good)
        archive.writestr("../../messages.csv", good)
        archive.writestr("/etc/Profile.csv", good)
        archive.writestr("C:\\Shares.csv", good)
        archive.writestr("Comments.csv", b"Date,Link,Message\n" + b"0" * 3_000_000)
        link = zipfile.ZipInfo("Invitations.csv")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    report = desk.export(LinkedIn(), path)
    assert (report.read, report.imported, report.rejected) == (6, 1, 5)
    reasons = sorted(str(one["reason"])[:30] for one in desk.rejects(report))
    assert reasons == [
        "is a link",
        *["its name leads out of the archi"[:30]] * 3,
        "unpacks to 3,000,018 bytes fro",
    ]


def test_a_table_of_contents_that_would_fill_the_memory(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_CONTENTS", 60)
    path = Export(talk()).write(desk.folder / "x.zip")
    with pytest.raises(BadInput, match="table of contents"):
        desk.export(LinkedIn(), path)


def test_a_truncated_archive_is_refused_and_a_damaged_file_keeps_the_rest(desk: Desk) -> None:
    path = Export(
        talk(), files={"Comments.csv": "Date,Link,Message\n2024-02-11 01:00:00,x,Well said.\n"}
    ).write(desk.folder / "x.zip")
    whole = path.read_bytes()
    path.write_bytes(whole[:-200])
    with pytest.raises(BadInput, match="ends too early"):
        desk.export(LinkedIn(), path)
    spoilt = bytearray(whole)
    at = whole.index(b"messages.csv") + len("messages.csv") + 40
    spoilt[at : at + 8] = b"\xff" * 8
    path.write_bytes(spoilt)
    with pytest.raises(DamagedInput, match=r"messages\.csv") as raised:
        desk.export(LinkedIn(), path)
    assert "Well said." in desk.values("body")
    assert raised.value.report.rejected == 1


def test_an_encrypted_file_and_an_unknown_packing(desk: Desk) -> None:
    path = Export(talk()).write(desk.folder / "x.zip")
    data = bytearray(path.read_bytes())
    for at in (data.index(b"PK\x01\x02") + 8, data.index(b"PK\x03\x04") + 6):
        struct.pack_into("<H", data, at, struct.unpack_from("<H", data, at)[0] | 1)
    path.write_bytes(data)
    report = desk.export(LinkedIn(), path)
    assert [one["reason"] for one in desk.rejects(report)] == ["is encrypted"]
    data = bytearray(Export(talk()).write(path).read_bytes())
    for at in (data.index(b"PK\x01\x02") + 10, data.index(b"PK\x03\x04") + 8):
        struct.pack_into("<H", data, at, 99)
    path.write_bytes(data)
    with pytest.raises(DamagedInput, match="packed in a way"):
        desk.export(LinkedIn(), path)


def test_what_is_no_export_is_refused(desk: Desk) -> None:
    for path, words in (
        (desk.folder / "missing.zip", "cannot be read"),
        (desk.write("x.zip", b"no zip"), "no zip archive"),
        (zipped(desk.folder / "y.zip", {"a.txt": b"x"}), "none of the files"),
    ):
        with pytest.raises(BadInput, match=words):
            desk.export(LinkedIn(), path)


def test_a_file_without_its_columns_is_not_taken_for_read(desk: Desk) -> None:
    path = Export(files={"messages.csv": "Absender,Text\nAda,Hallo\n"}).write(desk.folder / "x.zip")
    with pytest.raises(DamagedInput, match="lacks the column CONVERSATION ID"):
        desk.export(LinkedIn(), path)


def test_utf_16_is_refused_with_a_remedy(desk: Desk) -> None:
    path = Export(files={"messages.csv": Export(talk()).message_file().encode("utf-16")}).write(
        desk.folder / "x.zip"
    )
    with pytest.raises(DamagedInput, match="save it as UTF-8"):
        desk.export(LinkedIn(), path)


def test_links_in_a_folder_are_not_followed(desk: Desk) -> None:
    folder = Export(talk()).write(desk.folder / "folder")
    secret = desk.write("secret.csv", "Date,Link,Message\n2024-02-11 01:00:00,x,Secret.\n")
    (folder / "Comments.csv").symlink_to(secret)
    report = desk.export(LinkedIn(), folder)
    assert report.left_out["no-regular-file"] == 1
    assert "Secret." not in desk.values("body")


def test_it_keeps_the_protocol(desk: Desk) -> None:
    path = Export(talk()).write(desk.folder / "sample.zip")
    scratch = desk.folder / "scratch"
    scratch.mkdir()
    assert check_importer(LinkedIn(), [path], scratch) == []


# small parts


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2024-05-01 09:30:00 UTC", "2024-05-01T09:30:00Z"),
        ("2024/05/01 09:30:00 UTC", "2024-05-01T09:30:00Z"),
        ("5/1/24, 12:05 AM", "2024-05-01T00:05:00Z"),
        ("5/1/24, 12:05 PM", "2024-05-01T12:05:00Z"),
        ("12/31/2024, 1:05\u202fPM", "2024-12-31T13:05:00Z"),
        ("01 May 2024", "2024-05-01T00:00:00Z"),
    ],
)
def test_moments(text: str, instant: str) -> None:
    assert read_moment(text) == parse_instant(instant)


@pytest.mark.parametrize(
    "text", ["", "31/12/24, 1:05 PM", "5/1/24, 13:05 PM", "31 Feb 2024", "2024-13-01", "now", "1 Foo 2024"]
)
def test_what_is_no_moment(text: str) -> None:
    assert read_moment(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "https://www.linkedin.com/in/ada-example",
        "http://linkedin.com/in/Ada-Example/",
        "www.linkedin.com/in/ada-example?trk=x",
        "https://de.linkedin.com/in/ada%2Dexample#top",
    ],
)
def test_one_spelling_of_an_address(text: str) -> None:
    assert profile_address(text) == "https://www.linkedin.com/in/ada-example"


@given(st.text(max_size=80), st.text(max_size=80))
def test_no_recipient_is_lost(to: str, addresses: str) -> None:
    people = People()
    parties, _ = people.addressees("t", to, addresses)
    assert len(set(parties)) == len(parties)
    if to.strip():
        assert parties
