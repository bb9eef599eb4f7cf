"""What is private stays so: modes of files, and no body in what commands say or write for others."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.cli.running import Ran, done, troth
from tests.unit.cli.world import DELIVER, OUTSIDER, SECRET, TRAIN


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.fixture
def easy_going() -> Iterator[None]:
    """A umask that hides nothing by itself."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("easy_going")
def test_a_home_is_its_owners_alone_whatever_the_umask(here: Path) -> None:
    done("init", "new")
    new = here / "new"
    assert mode(new) == 0o700
    assert {mode(path) for path in new.rglob("*") if path.is_dir()} == {0o700}
    assert mode(new / "keys" / "operator.key") == 0o600
    assert mode(new / "ledger.sqlite3") == 0o600


@pytest.mark.usefixtures("easy_going")
def test_what_names_people_is_its_owners_alone_whatever_the_umask(here: Path) -> None:
    (here / "more.jsonl").write_text('{"id": "z", "category": "post"}\nno JSON\n')
    rejects = done("import", "table", "more.jsonl", "--json").json["rejects_file"]
    done("decide", *TRAIN, "--out", "verdicts.parquet")
    done("release", "build", *DELIVER, "--out", "r1", "--left-out", "left-out.parquet")
    done("notice", "send", "privacy-policy", "2022-01-01", "--audience", "--pending", "todo.csv")
    for path in (Path(rejects), here / "verdicts.parquet", here / "left-out.parquet", here / "todo.csv"):
        assert mode(path) == 0o600, path
    for path in (here / "home" / "records").iterdir():
        assert mode(path) == 0o600, path
    assert mode(here / "home" / "records") == 0o700


def said(ran: Ran) -> str:
    return ran.out + ran.err


def test_no_answer_about_records_holds_their_bodies(here: Path) -> None:
    for arguments in (
        ("decide", *TRAIN),
        ("decide", *TRAIN, "--record", "mail"),
        ("decide", *TRAIN, "--out", "verdicts.parquet"),
        ("explain", "mail", *OUTSIDER),
        ("check", "records.jsonl", *TRAIN),
        ("import", "table", "records.jsonl"),
        ("release", "build", *OUTSIDER, "--out", "r1"),
        ("release", "build", *DELIVER, "--out", "r1", "--left-out", "left-out.parquet"),
        ("ledger", "show"),
    ):
        for form in ((), ("--json",)):
            assert SECRET not in said(troth(*arguments, *form))
    for name in ("verdicts.parquet", "left-out.parquet"):
        assert SECRET.encode() not in (here / name).read_bytes()
    assert SECRET.encode() not in (here / "home" / "ledger.sqlite3").read_bytes()


BROKEN: dict[str, str] = {
    "broken.jsonl": f'{{"id": "a", "category": "post", "body": "{SECRET}"\n',
    "types.jsonl": f'{{"id": "a", "category": "post", "created_at": "{SECRET}", "body": 1}}\n'
    f'{{"id": ["{SECRET}"], "category": "{SECRET} x", "author": {{"{SECRET}": "{SECRET}"}}}}\n'
    f'{{"id": "b", "category": "post", "topics": ["{SECRET} x"], "body": "{SECRET}"}}\n',
    "mixed.jsonl": f'{{"id": "a", "body": 1}}\n{{"id": "b", "body": "{SECRET}"}}\n',
    "cells.csv": f"id,category,body\na,post,{SECRET},{SECRET}\nb,post\n",
    "quotes.csv": f'id,category,body\na,post,"{SECRET}" {SECRET}\nb,post,"{SECRET}\n',
    "long.csv": f"id,category,created_at,body\na,post,{SECRET},x\nb,{SECRET} y,2020-01-01,x\n",
    "broken.mbox": f"{SECRET}\n\nFrom {SECRET}\nSubject\xff: {SECRET}\nDate: {SECRET}\n\n{SECRET}\n",
    "array.json": f'[{{"id": "a", "body": "{SECRET}"}}]\n',
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize(
    "arguments",
    [("import", "table"), ("import", "mbox"), ("check",)],
    ids=" ".join,
)
def test_what_cannot_be_read_is_not_quoted(here: Path, name: str, arguments: tuple[str, ...]) -> None:
    (here / name).write_text(BROKEN[name], encoding="latin-1")
    for form in ((), ("--json",)):
        ran = troth(*arguments, name, *(TRAIN if arguments == ("check",) else ()), *form)
        assert ran.status in {0, 1, 2}
        assert SECRET not in said(ran)
        if form and ran.out:
            json.loads(ran.out)
    for path in (here / "home" / "rejects").iterdir():
        assert SECRET not in path.read_text()


def test_a_record_that_contradicts_a_stored_one_is_not_quoted(here: Path) -> None:
    (here / "other.jsonl").write_text(
        f'{{"id": "mail", "category": "private_message.inmail", "body": "other {SECRET}"}}\n'
    )
    ran = troth("import", "table", "other.jsonl", "--json")
    assert ran.json["rejected"] == 1
    assert SECRET not in said(ran)
    assert SECRET not in Path(ran.json["rejects_file"]).read_text()


def test_damaged_records_are_not_quoted(here: Path) -> None:
    (part,) = (here / "home" / "records").glob("*.parquet")
    data = part.read_bytes()
    for start in range(0, len(data), max(1, len(data) // 12)):
        part.write_bytes(
            data[:start] + bytes(byte ^ 0x55 for byte in data[start : start + 40]) + data[start + 40 :]
        )
        for arguments in (
            ("decide", *TRAIN),
            ("explain", "mail", *TRAIN),
            ("import", "table", "records.jsonl"),
        ):
            ran = troth(*arguments)
            assert ran.status in {0, 2, 3}
            assert SECRET not in said(ran)


def test_an_altered_release_is_reported_without_its_bodies(here: Path) -> None:
    part = here / "release" / "data" / "part-00000.parquet"
    data = bytearray(part.read_bytes())
    data[100] ^= 1
    part.write_bytes(bytes(data))
    for form in ((), ("--json",)):
        ran = troth("verify", "release", *form)
        assert ran.status == 1
        assert SECRET not in said(ran)


def test_no_secret_key_is_ever_printed(here: Path) -> None:
    key = (here / "home" / "keys" / "operator.key").read_text()
    secret = key.splitlines()[1]
    for arguments in (
        ("ledger", "show", "--json"),
        ("release", "show", "release", "--json"),
        ("verify", "release"),
    ):
        assert secret not in said(done(*arguments))
    for path in (here / "release").rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes()
    (here / "home" / "keys" / "operator.key").write_text(key.replace("PRIVATE", "PIRATE"))
    ran = troth("release", "build", *DELIVER, "--out", "r1")
    assert ran.status in {2, 3}
    assert secret not in said(ran)
