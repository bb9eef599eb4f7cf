"""Real mail through the intake: every item is accounted for, and a second import changes nothing."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import duckdb
import pytest

from troth.core.values import parse_instant
from troth.intake.importing import Intake
from troth.intake.mail import import_mail
from troth.intake.records import RecordStore
from troth.intake.report import ImportReport
from troth.intake.tables import import_table

pytestmark = pytest.mark.needs_data

NOW = parse_instant("2026-06-01")
MAPPING = """\
columns: {id: %s, created_at: date, author: from, addressees: [%s], title: subject, body: body}
constants: {category: private_message}
identity: [from, to, cc, date, subject, body]
addresses: true
"""


@pytest.fixture
def intake(tmp_path: Path) -> Intake:
    return Intake(RecordStore(tmp_path / "records"), tmp_path / "rejects", NOW)


def ask(intake: Intake, query: str) -> tuple[int, ...]:
    paths = [str(path) for path in intake.store.paths()]
    stored = duckdb.read_parquet(paths)
    [row] = stored.aggregate(query).fetchall()
    return tuple(row)


def rejected_lines(report: ImportReport) -> list[int]:
    if report.rejects_file is None:
        return []
    return sorted(json.loads(line)["line"] for line in report.rejects_file.read_text().splitlines())


def contents(intake: Intake) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in intake.store.paths()}


def test_a_mailbox_archive_as_json_lines(intake: Intake, tmp_path: Path, shared_data: Path) -> None:
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text((MAPPING % ("unused", "to, cc, bcc")).replace("id: unused, ", ""))
    path = shared_data / "messages" / "enron.jsonl.gz"
    report = import_table(intake, [path], mapping=mapping)

    with gzip.open(path, "rt", encoding="utf-8") as file:
        items = [json.loads(line) for line in file]
    unique = {
        json.dumps([item[key] for key in ("from", "to", "cc", "date", "subject", "body")]) for item in items
    }
    named = [item for item in items if item["from"].strip(" <>")]
    assert report.as_json() == {
        "read": 9_651,
        "imported": len(unique),
        "duplicates": 9_651 - len(unique),
        "rejected": 0,
        "left_out": {},
        "rejects_file": None,
    }
    # Two dates of the 17th and 18th century.
    assert report.notes == {"date before 1970 or in the future": 2}
    stored, dated, authored, unaddressed = ask(
        intake, "count(*), count(created_at), count(author), count(*) FILTER (len(addressees) = 0)"
    )
    assert (stored, dated, unaddressed) == (len(unique), len(unique) - 2, 0)
    assert authored <= len(named)
    # No brackets, quotes or routing domains are left in what names a party.
    assert ask(intake, r"""count(*) FILTER (regexp_matches(author, '[<>"]|^''|@.*@enron$'))""") == (0,)

    before = contents(intake)
    again = import_table(intake, [path], mapping=mapping)
    assert (again.read, again.imported, again.duplicates) == (9_651, 0, 9_651)
    assert contents(intake) == before


def test_a_mailing_list_as_mboxrd(intake: Intake, shared_data: Path) -> None:
    path = shared_data / "messages" / "linux-mips-part.mboxrd.gz"
    report = import_mail(intake, [path])
    with gzip.open(path, "rb") as file:
        separators = sum(line.startswith(b"From mboxrd@z ") for line in file)
    assert separators == report.read == 4_000
    assert (report.rejected, report.left_out.total()) == (0, 0)
    assert report.imported == intake.store.count() == 3_995
    assert ask(intake, "count(author), count(*) FILTER (len(addressees) = 0)") == (3_995, 0)
    assert ask(intake, "count(*) - count(created_at)") == (report.notes.total(),)
    assert ask(intake, "count(*) FILTER (contains(body, chr(0)) OR id NOT LIKE 'mail:%')") == (0,)

    before = contents(intake)
    again = import_mail(intake, [path])
    assert (again.read, again.imported, again.duplicates) == (4_000, 0, 4_000)
    assert contents(intake) == before


@pytest.mark.long
def test_the_two_forms_of_one_list_agree(intake: Intake, tmp_path: Path, shared_data: Path) -> None:
    """The raw messages and somebody else's reading of them: the same senders and instants."""
    messages = shared_data / "messages"
    import_mail(intake, [messages / "linux-mips-part.mboxrd.gz"])
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text(MAPPING % ("message_id", "to, cc"))
    other = Intake(RecordStore(tmp_path / "other"), tmp_path / "rejects", NOW)
    import_table(other, [messages / "linux-mips.jsonl.gz"], mapping=mapping)
    [(both, authors, instants, titles)] = duckdb.execute(
        """
        SELECT count(*), count(*) FILTER (a.author = b.author),
            count(*) FILTER (a.created_at IS NOT DISTINCT FROM b.created_at),
            count(*) FILTER (a.title IS NOT DISTINCT FROM b.title)
        FROM read_parquet($1) a JOIN read_parquet($2) b ON a.id = 'mail:' || b.id
        """,
        [[str(path) for path in store.paths()] for store in (intake.store, other.store)],
    ).fetchall()
    assert both > 3_900
    assert authors / both > 0.99
    assert instants / both > 0.99
    assert titles / both > 0.99


@pytest.mark.long
def test_a_whole_list_as_json_lines(intake: Intake, tmp_path: Path, shared_data: Path) -> None:
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text(MAPPING % ("message_id", "to, cc"))
    path = shared_data / "messages" / "linux-mips.jsonl.gz"
    report = import_table(intake, [path], mapping=mapping)
    assert report.read == 54_779
    assert report.imported == intake.store.count()
    # Two dates that nobody can read, eight copies that differ in their date alone.
    assert report.rejected == len(rejected_lines(report)) == 10
    assert len(intake.store.paths()) > 1
    again = import_table(intake, [path], mapping=mapping)
    assert (again.imported, again.duplicates, again.rejected) == (0, 54_779 - 10, 10)
    assert rejected_lines(again) == rejected_lines(report)
