import gzip
from pathlib import Path

import pytest

from tests.unit.intake.conftest import Counted, Desk
from troth.core.errors import BadInput
from troth.intake.importing import DamagedInput
from troth.intake.mail import import_mail

SEPARATOR = "From x@y Thu Jan  1 00:00:00 1970\n"


def mail(number: int, body: str = "hello", **more: str) -> str:
    extra = "".join(f"{name.replace('_', '-')}: {value}\n" for name, value in more.items())
    return (
        f"From: ann@x.org\nTo: bob@x.org\nDate: Mon, 6 May 2024 10:00:00 +0000\n"
        f"Message-ID: <m{number}@x.org>\n{extra}\n{body}\n"
    )


def box(*messages: str) -> str:
    return "".join(f"{SEPARATOR}{message}\n" for message in messages)


def test_a_mailbox_becomes_records(desk: Desk, counts: Counted) -> None:
    report = desk.mail(box(mail(1, Subject="hi"), mail(2)))
    assert counts(report) == (2, 2, 0, 0)
    first = desk.rows()[0]
    salt = first.pop("salt")
    assert isinstance(salt, bytes)
    assert len(salt) == 32
    assert first == {
        "id": "mail:m1@x.org",
        "category": "private_message",
        "created_at": 1714989600000000,
        "deleted_at": None,
        "author": "ann@x.org",
        "addressees": ["bob@x.org"],
        "topics": [],
        "conversation": "mail:m1@x.org",
        "title": "hi",
        "body": "hello",
    }


def test_the_report_as_json(desk: Desk) -> None:
    assert desk.mail(box(mail(1), mail(1))).as_json() == {
        "read": 2,
        "imported": 1,
        "duplicates": 1,
        "rejected": 0,
        "left_out": {},
        "rejects_file": None,
    }


def test_twice_changes_nothing(desk: Desk, counts: Counted) -> None:
    content = box(*(mail(number) for number in range(50)), "Subject: nameless\n\nhello\n")
    assert counts(desk.mail(content)) == (51, 51, 0, 0)
    before = [path.read_bytes() for path in desk.store.paths()]
    assert counts(desk.mail(content)) == (51, 0, 51, 0)
    assert [path.read_bytes() for path in desk.store.paths()] == before


def test_the_same_mail_in_another_box_filed_otherwise_is_a_duplicate(desk: Desk, counts: Counted) -> None:
    desk.mail(box(mail(1, Received="here"), mail(2)))
    report = desk.mail(box(mail(2, X_Folder="there"), mail(3)), category="private_message.inmail")
    assert counts(report) == (2, 1, 1, 0)


def test_one_message_id_on_two_messages_loses_neither(desk: Desk, counts: Counted) -> None:
    content = box(mail(1, "one"), mail(1, "two"), mail(1, "two"), mail(1, "one"))
    assert counts(desk.mail(content)) == (4, 2, 2, 0)
    assert sorted(str(body) for body in desk.values("body")) == ["one", "two"]
    assert counts(desk.mail(content)) == (4, 0, 4, 0)


def test_the_category_is_the_importers_choice(desk: Desk) -> None:
    desk.mail(box(mail(1)), category="post")
    assert desk.values("category") == ["post"]


@pytest.mark.parametrize("category", ["any", "two words", "a:b:c", ""])
def test_a_category_that_no_record_has(desk: Desk, category: str) -> None:
    with pytest.raises(BadInput):
        desk.mail(box(mail(1)), category=category)


def test_notes_count_unknown_facts_of_imported_mail(desk: Desk) -> None:
    report = desk.mail(box("To: bob@x.org\n\nhello\n", mail(1)))
    assert (report.read, report.imported) == (2, 2)
    assert report.notes == {"date missing": 1, "author not named": 1}


def test_too_large_a_message_is_rejected_with_its_place(desk: Desk, counts: Counted) -> None:
    content = box(mail(1), mail(2, "secret " * 200), mail(3))
    report = desk.mail(content, limit=1_000)
    assert counts(report) == (3, 2, 0, 1)
    assert desk.rejects(report) == [
        {
            "source": str(desk.folder / "0-box.mbox"),
            "message": 2,
            "byte": content.index(SEPARATOR, 10),
            "reason": "the message is larger than 1,000 bytes",
        }
    ]
    assert report.reasons == {"the message is larger than 1,000 bytes": 1}


def test_text_before_the_first_message_and_empty_messages_are_rejected(desk: Desk, counts: Counted) -> None:
    report = desk.mail("rubbish\n\n" + box(mail(1)) + SEPARATOR)
    assert counts(report) == (3, 1, 0, 2)
    reasons = [reject["reason"] for reject in desk.rejects(report)]
    assert reasons == ["text before the first message", "the message is empty"]


def test_rejects_never_hold_what_was_written(desk: Desk) -> None:
    report = desk.mail("secret words\n\n" + box(mail(1), mail(2, "secret " * 1000)), limit=1_000)
    assert report.rejects_file is not None
    assert report.rejected == 2
    assert "secret" not in report.rejects_file.read_text()


def test_folder_data_is_left_out(desk: Desk) -> None:
    data = "From: Mail System <x@y>\nSubject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\n\ninternal\n"
    report = desk.mail(box(data, mail(1)))
    assert report.as_json()["left_out"] == {"no-message": 1}
    assert (report.read, report.imported) == (2, 1)


class TestDamage:
    def test_what_stands_before_a_truncation_is_kept(self, desk: Desk) -> None:
        content = box(*(mail(number, f"body {number} " * 50) for number in range(2_000)))
        path = desk.write("box.mbox.gz", content)
        path.write_bytes(path.read_bytes()[:-1000])
        with pytest.raises(
            DamagedInput, match=r"gzip file ends too early; what could be read is kept"
        ) as caught:
            import_mail(desk.intake(), [path])
        report = caught.value.report
        assert report.rejected == 1
        assert report.read == report.imported + 1
        assert 1_000 < report.imported < 2_000
        assert desk.store.count() == report.imported
        [reject] = desk.rejects(report)
        assert reject["message"] == report.imported + 1
        assert caught.value.exit_status == 2
        assert "import it again" in str(caught.value)

    def test_a_damaged_file_does_not_stop_the_others(self, desk: Desk) -> None:
        whole = gzip.compress(box(mail(1)).encode())
        with pytest.raises(DamagedInput) as caught:
            desk.mail(whole[:12], box(mail(2)), b"\xff\xfeF\0r\0", b"%PDF-1.4 no mail")
        report = caught.value.report
        assert (report.read, report.imported, report.rejected) == (4, 1, 3)
        assert desk.values("id") == ["mail:m2@x.org"]
        assert "2 more sources are damaged" in str(caught.value)

    @pytest.mark.parametrize("at", [0.2, 0.5, 0.9])
    def test_flipped_bytes_in_gzip(self, desk: Desk, at: float) -> None:
        data = bytearray(gzip.compress(box(*(mail(number) for number in range(5_000))).encode()))
        data[int(len(data) * at)] ^= 0xFF
        with pytest.raises(DamagedInput) as caught:
            desk.mail(bytes(data), name="box.mbox")
        assert desk.store.count() == caught.value.report.imported

    def test_no_mail(self, desk: Desk) -> None:
        with pytest.raises(DamagedInput, match="is no mail") as caught:
            desk.mail("just some text\nwithout any header\n")
        assert caught.value.report.as_json()["rejected"] == 1

    def test_an_empty_box_is_fine(self, desk: Desk, counts: Counted) -> None:
        assert counts(desk.mail("")) == (0, 0, 0, 0)


class TestFolders:
    def test_eml_files_and_boxes_in_folders(self, desk: Desk) -> None:
        desk.write("in/a.eml", mail(1))
        desk.write("in/deep/b.EML", mail(2))
        desk.write("in/deep/c.mbox.gz", box(mail(3), mail(4)))
        desk.write("in/photo.png", b"\x89PNG")
        report = import_mail(desk.intake(), [desk.folder / "in"])
        assert (report.read, report.imported) == (5, 4)
        assert report.as_json()["left_out"] == {"no-mail-file": 1}

    def test_a_maildir(self, desk: Desk) -> None:
        desk.write("md/new/1.host", mail(1))
        desk.write("md/cur/2.host:2,S", mail(2))
        desk.write("md/tmp/3.host", "half written")
        desk.write("md/.Sent/cur/4.host:2,S", mail(4))
        (desk.folder / "md/.Sent/new").mkdir()
        report = import_mail(desk.intake(), [desk.folder / "md"])
        assert (report.read, report.imported) == (3, 3)

    def test_a_folder_without_mail(self, desk: Desk) -> None:
        desk.write("in/readme.txt", "nothing")
        with pytest.raises(BadInput, match="holds no mail"):
            import_mail(desk.intake(), [desk.folder / "in"])

    def test_a_file_that_is_not_there(self, desk: Desk) -> None:
        with pytest.raises(BadInput, match="cannot be read: No such file"):
            import_mail(desk.intake(), [desk.write("a.mbox", box(mail(1))), desk.folder / "absent.mbox"])
        assert not desk.store.folder.exists()


def test_a_dry_run_counts_the_same_and_writes_nothing(desk: Desk) -> None:
    path = desk.write("box.mbox", "rubbish\n\n" + box(mail(1), mail(1), mail(2)))
    before = sorted(desk.folder.rglob("*"))
    rehearsed = import_mail(desk.intake(dry_run=True), [path])
    assert sorted(desk.folder.rglob("*")) == before
    assert desk.draws == 0
    report = import_mail(desk.intake(), [path])
    assert rehearsed.as_json() == report.as_json() | {"rejects_file": None}
    assert rehearsed.reasons == report.reasons


def test_progress_ends_at_the_total(desk: Desk) -> None:
    seen: list[tuple[int, int | None]] = []
    paths = [desk.write(name, box(*(mail(n) for n in range(20_000)))) for name in ("a.mbox", "b.mbox.gz")]
    total = sum(path.stat().st_size for path in paths)
    import_mail(desk.intake(dry_run=True, progress=lambda done, all_: seen.append((done, all_))), paths)
    assert seen == sorted(seen)
    assert seen[-1] == (total, total)
    assert len(seen) > 3


def test_memory_does_not_grow_with_the_size_of_a_message(desk: Desk, tmp_path: Path) -> None:
    import tracemalloc

    path = tmp_path / "large.mbox.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write((SEPARATOR + "Subject: x\n\n").encode())
        for _ in range(200):
            file.write(b"y" * 1_000_000)
    tracemalloc.start()
    report = import_mail(desk.intake(), [path], limit=1_000_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert report.rejected == 1
    assert peak < 20_000_000
