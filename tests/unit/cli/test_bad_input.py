"""Whatever comes in: a clear error with the place, nothing written, and nothing taken for what it is not."""

from __future__ import annotations

import gzip
import json
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support import require
from tests.unit.cli.bad_terms import BAD, EVENTS, GOOD, Bad
from tests.unit.cli.running import check_error, done, ran_apart, refused, snapshot, troth
from tests.unit.cli.world import DELIVER, RECORDS, TERMS, TRAIN

REMEDIES = ("remedy: ", "expected ", "got ")


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("form", [(), ("--json",), ("--dry-run",)])
def test_wrong_terms_are_refused_at_their_line(here: Path, name: str, form: tuple[str, ...]) -> None:
    bad = BAD[name]
    (here / "bad.yaml").write_text(bad.text)
    before = snapshot(here)
    refused("terms", "add", "bad.yaml", *form, place=f"bad.yaml:{bad.line}", says=bad.says)
    # Good files beside it are not written either.
    refused("terms", "add", "next.yaml", "bad.yaml", *form, place=f"bad.yaml:{bad.line}", says=bad.says)
    assert snapshot(here) == before


@pytest.mark.parametrize("name", EVENTS)
def test_events_that_refer_to_nothing_are_refused_at_their_line(here: Path, name: str) -> None:
    bad: Bad = EVENTS[name]
    (here / "bad.yaml").write_text(bad.text)
    before = snapshot(here)
    for form in ((), ("--dry-run",), ("--request", "r1")):
        refused("record", "bad.yaml", *form, place=f"bad.yaml:{bad.line}", says=bad.says)
    assert snapshot(here) == before


@pytest.mark.parametrize("name", [*BAD, *EVENTS])
def test_the_same_in_a_case_is_refused_at_its_line(tmp_path: Path, name: str) -> None:
    bad = BAD[name] if name in BAD else EVENTS[name]
    if name in {"no event", "a list of words"} or "---" in bad.text:
        return
    lines = bad.text.splitlines()
    is_list = any(line.startswith("- ") for line in lines)
    indented = [("  " if is_list else "    ") + line for line in lines]
    if not is_list:
        first = next(index for index, line in enumerate(lines) if line and not line.startswith("#"))
        indented[first] = "  - " + lines[first]
    (tmp_path / "case.yaml").write_text("case: x\nevents:\n" + "\n".join(indented) + "\n")
    refused("test", tmp_path / "case.yaml", place=f"{tmp_path}/case.yaml:{bad.line + 2}", says=bad.says)


def test_a_version_that_the_ledger_has_is_refused(here: Path) -> None:
    (here / "one.yaml").write_text(GOOD)
    (here / "two.yaml").write_text(f"\n{GOOD}")
    before = snapshot(here)
    refused("terms", "add", "terms.yaml", place="terms.yaml:1", says="a published version never changes")
    refused("terms", "add", "one.yaml", "two.yaml", place="two.yaml:3", says="is there already")
    refused("what-if", "one.yaml", "two.yaml", *TRAIN, place="two.yaml:3", says="is there already")
    assert snapshot(here) == before


def test_norway_on_and_off_are_words(here: Path) -> None:
    (here / "no.yaml").write_text(
        GOOD + "---\nsetting: s\nintroduced_at: 2020-01-01\ndefaults: [{value: on}]\n"
    )
    done("terms", "add", "no.yaml")
    shown = done("terms", "show", "rules-of-the-house", "1", "--json").json
    assert shown["audience"] == {"jurisdictions": {"in": ["NO"]}} or "NO" in str(shown["audience"])
    assert "False" not in str(shown["audience"])


YAML: dict[str, tuple[bytes, int | None, str]] = {
    "a key twice": (b"terms: x\nkind: faq\nterms: y\n", 3, "the key 'terms' stands twice"),
    "a key twice inside": (b"rules:\n  {minimum_age: 1,\n   minimum_age: 2}\n", 3, "stands twice"),
    "not UTF-8": (b"terms: x\nkind: \xff\n", 2, "save it as UTF-8"),
    "UTF-16": ("terms: x\n".encode("utf-16"), 1, "save it as UTF-8"),
    "a character of control": (b"terms: x\nkind: \x07\n", 2, "a character that YAML does not allow"),
    "a NUL": (b"\nterms: \0\n", 2, "a character that YAML does not allow"),
    "half a surrogate pair": (b'terms: x\nversion: "\\ud800"\n', 2, "half a surrogate pair"),
    "half a surrogate pair as key": (b'"\\udc00": x\n', 1, "half a surrogate pair"),
    "a tab": (b"terms: x\n\tkind: faq\n", 2, "is not YAML 1.2"),
    "an alias of nothing": (b"terms: *x\n", 1, "undefined alias"),
    "an alias of itself": (b"terms: &x [*x]\n", 1, "nested too deeply"),
    "a list as key": (b"terms: x\n? [a]\n: b\n", 2, "expected a name as key"),
    "an open quote": (b"terms: 'x\n", None, "is not YAML 1.2"),
    "nothing": (b"", None, "holds no event"),
    "comments alone": (b"# nothing\n", None, "holds no event"),
    "a huge number": (b"rules:\n  minimum_age: " + b"9" * 5000 + b"\n", 2, "is too long for a number"),
    "a huge number in hexadecimal": (b"subject: 0x" + b"f" * 20_000 + b"\n", 1, "is too long for a number"),
    "deep nesting": (b"[" * 100_000, None, "nested too deeply"),
    "deep nesting of lists": (b"- " * 100_000, None, "nested too deeply"),
    "deep nesting of keys": (
        "\n".join(" " * depth + "a:" for depth in range(2000)).encode(),
        None,
        "nested too deeply",
    ),
    "a tower of aliases": (
        b"a: &a [x, x, x, x, x, x, x, x, x]\n"
        + b"".join(
            b"%c: &%c [%s]\n" % (name, name, b", ".join([b"*%c" % (name - 1)] * 9)) for name in range(98, 107)
        ),
        None,
        "too many values",
    ),
    "a long list": (b"- a\n" * 1_000_000, 100_000, "holds too many values (more than 100,000 by here)"),
}


@pytest.mark.parametrize("name", YAML)
def test_files_that_are_no_yaml_of_ours_are_refused(here: Path, name: str) -> None:
    data, line, says = YAML[name]
    (here / "bad.yaml").write_bytes(data)
    before = snapshot(here)
    started = time.monotonic()
    place = "bad.yaml" if line is None else f"bad.yaml:{line}"
    ran = refused("terms", "add", "bad.yaml", says=says)
    assert f"troth: {place}" in ran.err
    # Hostile or not, it is over soon.
    assert time.monotonic() - started < 30
    assert len(ran.err) < 1000
    assert snapshot(here) == before


def test_a_file_of_terms_has_a_largest_size(here: Path) -> None:
    with (here / "large.yaml").open("wb") as file:
        file.truncate(2**31)
    refused("terms", "add", "large.yaml", place="large.yaml", says="split the file")


# Records and members


def test_a_truncated_gzip_file_is_reported_and_what_stood_before_is_kept(here: Path) -> None:
    rows = "".join(f'{{"id": "z{n}", "category": "post", "author": "ann"}}\n' for n in range(20_000))
    whole = gzip.compress(rows.encode())
    (here / "more.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    ran = troth("import", "table", "more.jsonl.gz", "--json")
    assert ran.status == 2
    assert "troth: more.jsonl.gz:" in ran.err
    assert "the gzip file ends too early" in ran.err
    assert "remedy: get the file anew" in ran.err
    assert 0 < ran.json["imported"] < 20_000
    (here / "more.jsonl.gz").write_bytes(whole)
    again = done("import", "table", "more.jsonl.gz", "--json").json
    assert (again["read"], again["duplicates"]) == (20_000, ran.json["imported"])
    assert again["rejected"] == 0


@pytest.mark.parametrize("keep", [0, 3, 0.5, -1])
def test_a_truncated_parquet_file_is_refused_by_every_reader(here: Path, keep: float) -> None:
    (part,) = (here / "home" / "records").glob("*.parquet")
    data = part.read_bytes()
    cut = here / "cut.parquet"
    cut.write_bytes(data[: int(len(data) * keep) if keep == 0.5 else int(keep)])
    before = snapshot(here / "home" / "records")
    for arguments in (
        ("import", "table", "cut.parquet"),
        ("subjects", "import", "cut.parquet"),
        ("check", "cut.parquet", *TRAIN),
        ("decide", *TRAIN, "--records", "cut.parquet"),
        ("release", "build", *DELIVER, "--records", "cut.parquet", "--out", "r1"),
    ):
        refused(*arguments, says="cut.parquet")
    assert not (here / "r1").exists()
    assert snapshot(here / "home" / "records") == before


def test_rows_that_cannot_be_read_are_counted_and_named(here: Path) -> None:
    (here / "more.csv").write_bytes(
        b"id,category,created_at\na,post,2024-01-01\nb,post,never\nc,po st,2024-01-01\nd,post\ne,post,\xff\n"
        b'f,post,2024-01-01\n"g,post\n'
    )
    found = done("import", "table", "more.csv", "--json").json
    assert (found["read"], found["imported"], found["rejected"]) == (7, 2, 5)
    rejects = [json.loads(line) for line in Path(found["rejects_file"]).read_text().splitlines()]
    assert [one["line"] for one in rejects] == [3, 4, 5, 6, 8]
    assert all(one["reason"] for one in rejects)


def test_a_table_of_members_is_taken_whole_or_not_at_all(here: Path) -> None:
    (here / "bad.csv").write_text(
        "subject,since,jurisdiction\neve,2020-01-01,US\nfay,2020-02-30,US\ngil,2020-01-01,Norway\n"
    )
    before = snapshot(here / "home")
    ran = refused("subjects", "import", "bad.csv", place="bad.csv", says="2 lines cannot be read")
    assert "bad.csv:3: " in ran.err
    assert "bad.csv:4: " in ran.err
    (here / "bad.csv").write_text("subject,since,jurisdicton\neve,2020-01-01,US\n")
    refused("subjects", "import", "bad.csv", place="bad.csv:1", says="did you mean 'jurisdiction'?")
    assert snapshot(here / "home") == before


LIMITED = """
import atexit, pathlib, resource, sys
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
peak = pathlib.Path(sys.argv.pop(1))
atexit.register(lambda: peak.write_text(pathlib.Path("/proc/self/status").read_text()))
from troth.cli.main import main
sys.exit(main())
"""


def run_measured(arguments: list[str]) -> tuple[int, str, str, int]:
    """Exit status, output, errors, and the peak memory in kibibytes of this very program.

    It tells its peak itself. What wait4 tells of a child holds what it was a copy of before it became this program.
    """
    with tempfile.NamedTemporaryFile("r") as status:
        ran = subprocess.run(
            [sys.executable, "-c", LIMITED, status.name, *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        peak = next(line.split()[1] for line in status if line.startswith("VmHWM:"))
        return ran.returncode, ran.stdout, ran.stderr, int(peak)


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ("import", "table"),
        pytest.param(("subjects", "import"), marks=pytest.mark.long),
        pytest.param(("import", "mbox"), marks=pytest.mark.long),
    ],
    ids=" ".join,
)
def test_a_line_of_two_gigabytes_needs_little_memory(here: Path, arguments: tuple[str, ...]) -> None:
    name = "large.mbox" if arguments[-1] == "mbox" else "large.jsonl"
    begin = b"From x Thu Jan  1 00:00:00 2024\n\n" if arguments[-1] == "mbox" else b'{"id": "x", "body": "'
    end = b'"}\n{"id": "after", "category": "post"}\n' if name.endswith("jsonl") else b"\n"
    with (here / name).open("wb") as file:
        file.write(begin)
        # A hole: zeros that take no room.
        file.seek(2**31)
        file.write(end)
    status, out, err, peak = run_measured([*arguments, name, "--json"])
    assert "Traceback" not in err
    assert peak < 1_000_000, "kibibytes"
    if arguments == ("subjects", "import"):
        assert status == 2
        assert f"{name}:1: the line is longer than" in err
    else:
        assert status == 0, err
        answer = json.loads(out)
        assert answer["rejected"] == 1
        assert answer["imported"] == (1 if arguments == ("import", "table") else 0)


# The home


def test_a_ledger_of_a_newer_version_is_left_alone(here: Path) -> None:
    with sqlite3.connect(here / "home" / "ledger.sqlite3") as connection:
        connection.execute("PRAGMA user_version = 2")
    connection.close()
    before = snapshot(here)
    for arguments in (("terms", "list"), ("terms", "add", "next.yaml"), ("decide", *TRAIN)):
        refused(*arguments, place="home/ledger.sqlite3", says="use a newer Troth; nothing was changed")
    assert snapshot(here) == before


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("format: 2\n", "home/troth.yaml:1", "use a newer Troth"),
        ("", "home/troth.yaml", "format: 1"),
        ("# nothing\n", "home/troth.yaml", "format: 1"),
        ("format: 1\n---\nformat: 1\n", "home/troth.yaml", "expected one document"),
        ("free_space_floor_mib: 1\n", "home/troth.yaml:1", "'format' is missing"),
        ("format: 1\nthread: 2\n", "home/troth.yaml:2", "did you mean 'threads'?"),
        ("format: 1\nthreads: many\n", "home/troth.yaml:2", "expected a whole number"),
        ("format: one\n", "home/troth.yaml:1", "expected a whole number"),
        ("{", "home/troth.yaml:1", "is not YAML 1.2"),
    ],
)
def test_a_configuration_that_cannot_be_read_stops_every_command(
    here: Path, text: str, place: str, says: str
) -> None:
    (here / "home" / "troth.yaml").write_text(text)
    before = snapshot(here)
    for arguments in (("terms", "list"), ("import", "table", "records.jsonl"), ("object", "ann")):
        refused(*arguments, place=place, says=says)
    assert snapshot(here) == before


@pytest.mark.parametrize(
    "data",
    [b"garbage" * 10_000, b"", b"SQLite format 3\0" + b"\xff" * 5000, None],
    ids=["garbage", "empty", "a broken head", "somebody else's"],
)
def test_a_ledger_that_is_none_is_said_to_be_none(here: Path, data: bytes | None) -> None:
    ledger = here / "home" / "ledger.sqlite3"
    ledger.unlink()
    for path in ledger.parent.glob("ledger.sqlite3-*"):
        path.unlink()
    if data is None:
        with sqlite3.connect(ledger) as connection:
            connection.execute("CREATE TABLE other (x)")
        connection.close()
    else:
        ledger.write_bytes(data)
    before = ledger.read_bytes()
    for arguments in (("terms", "list"), ("terms", "add", "next.yaml"), ("ledger", "check")):
        refused(*arguments, status=3, place="home/ledger.sqlite3", says="restore the ledger from a backup")
    assert ledger.read_bytes() == before


def test_a_home_without_its_ledger_is_no_home(here: Path) -> None:
    (here / "home" / "ledger.sqlite3").unlink()
    refused("terms", "list", place="home/ledger.sqlite3", says="no ledger here")


def test_a_home_without_its_key_builds_nothing(here: Path) -> None:
    (here / "home" / "keys" / "operator.key").unlink()
    ran = troth("release", "build", *DELIVER, "--out", "r1")
    assert ran.status in (2, 3)
    check_error(ran, says="operator.key")
    assert not (here / "r1").exists()


# A full disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Three mebibytes of disk."""
    where = tmp_path / "disk"
    where.mkdir()
    mounted = shutil.which("mount") and (
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(where)], check=False, capture_output=True
        ).returncode
        == 0
    )
    require(mounted, "the right to mount a small file system")
    try:
        yield where
    finally:
        subprocess.run(["umount", str(where)], check=True)


def fill(folder: Path) -> Path:
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue
    return ballast


def test_on_a_full_disk_nothing_is_half_written(here: Path, small_disk: Path) -> None:
    home = small_disk / "home"
    refused("init", home, status=3, says="MiB are free")
    assert list(small_disk.iterdir()) == []
    shutil.copytree(here / "home", home)
    (home / "troth.yaml").write_text("format: 1\nfree_space_floor_mib: 0\n")
    words = " ".join(str(number * 7919 % 104729) for number in range(3000))
    (here / "more.jsonl").write_text(
        "".join(json.dumps({"id": f"z{n}", "category": "post", "body": words[n:]}) + "\n" for n in range(50))
    )
    ballast = fill(small_disk)
    before = {name: one[2] for name, one in snapshot(small_disk).items()}
    for arguments in (
        ("import", "table", "more.jsonl"),
        ("terms", "add", "next.yaml"),
        ("object", "ann"),
        ("release", "build", *DELIVER, "--out", small_disk / "r1"),
        ("decide", *TRAIN, "--out", small_disk / "verdicts.parquet"),
        ("init", small_disk / "other"),
    ):
        ran = troth(*arguments, home=home)
        assert ran.status == 3, (arguments, ran.err)
        check_error(ran)
        assert {name: one[2] for name, one in snapshot(small_disk).items()} == before, arguments
    ballast.unlink()
    done("ledger", "check", home=home)
    assert done("import", "table", "more.jsonl", "--json", home=home).json["imported"] == 50
    done("terms", "add", "next.yaml", home=home)
    done("release", "build", *DELIVER, "--out", small_disk / "r1", home=home)
    done("verify", small_disk / "r1")


def test_the_whole_program_says_so_too(here: Path) -> None:
    (here / "bad.yaml").write_text(TERMS + "---\nnothing: 1\n")
    ran = ran_apart("terms", "add", "bad.yaml", home=here / "home")
    assert ran.status == 2
    check_error(ran, place=f"bad.yaml:{TERMS.count(chr(10)) + 2}", says="expected one of the events")
    assert len(RECORDS) == done("decide", *TRAIN, "--json").json["records"]


def test_a_damaged_table_is_named(here: Path) -> None:
    rows = {"id": [f"r{n}" for n in range(1000)], "category": ["post"] * 1000, "author": ["ann"] * 1000}
    pq.write_table(pa.table(rows | {"created_at": [1_700_000_000_000_000] * 1000}), here / "whole.parquet")
    data = bytearray((here / "whole.parquet").read_bytes())
    data[len(data) // 3] ^= 255
    (here / "bad.parquet").write_bytes(data)
    refused("decide", *TRAIN, "--records", "bad.parquet", "--summary", place="bad.parquet", says="is damaged")
    (here / "cut.parquet").write_bytes(data[: len(data) // 2])
    refused("decide", *TRAIN, "--records", "cut.parquet", "--summary", place="cut.parquet", says="no Parquet")
