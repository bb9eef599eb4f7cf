"""In a pipe plain lines, on a terminal tables and progress; a reader may leave; a dry run writes nothing."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
from pathlib import Path

import pytest

from tests.unit.cli.running import PROGRAM, done, ran_apart, snapshot, troth
from tests.unit.cli.world import DELIVER, TRAIN

ESCAPE = "\x1b"


def on_terminal(*arguments: object, errors_too: bool = True) -> tuple[int, str, str]:
    """Run a command with a terminal as standard error, and as standard output or not: status, terminal, pipe."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [*PROGRAM, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=slave if errors_too else subprocess.PIPE,
        stderr=slave,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "120"},
    )
    os.close(slave)
    seen = b""
    while select.select([master], [], [], 60)[0]:
        try:
            data = os.read(master, 65536)
        except OSError:
            # The other end was closed.
            break
        if not data:
            break
        seen += data
    os.close(master)
    piped = process.stdout.read() if process.stdout else b""
    if process.stdout:
        process.stdout.close()
    return process.wait(60), seen.decode(), piped.decode()


@pytest.mark.parametrize(
    "arguments",
    [
        ("decide", *TRAIN),
        ("explain", "mail", *TRAIN),
        ("check", "refused.csv", *TRAIN),
        ("terms", "list"),
        ("terms", "show", "privacy-policy", "2024-09-18"),
        ("terms", "diff", "privacy-policy", "2022-01-01", "2024-09-18"),
        ("what-if", "next.yaml", *TRAIN),
        ("notice", "list"),
        ("subjects", "show", "bob"),
        ("ledger", "show"),
        ("release", "list"),
        ("release", "show", "release"),
        ("release", "diff", "release", "release"),
        ("verify", "release"),
        ("import", "table", "records.jsonl"),
        ("release", "build", *DELIVER, "--out", "r1"),
        ("--help",),
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
@pytest.mark.usefixtures("here")
def test_in_a_pipe_there_are_plain_lines_and_no_progress(arguments: tuple[str, ...]) -> None:
    ran = troth(*arguments)
    assert ran.out.strip()
    assert ran.err == ""
    assert ESCAPE not in ran.out
    assert not re.search("[━─│┃█]", ran.out)


@pytest.mark.usefixtures("here")
def test_tables_in_a_pipe_can_be_cut_into_columns() -> None:
    lines = done("terms", "list").out.splitlines()
    assert {line.count("\t") for line in lines} == {6}
    assert lines[1].split("\t")[1] == "privacy-policy"


@pytest.mark.usefixtures("here")
def test_on_a_terminal_there_are_progress_and_style_but_the_pipe_beside_it_stays_clean() -> None:
    status, seen, _ = on_terminal("explain", "mail", *TRAIN)
    assert status == 0
    assert f"{ESCAPE}[1m" in seen
    status, seen, piped = on_terminal("decide", *TRAIN, "--json", errors_too=False)
    assert status == 0
    assert ESCAPE in seen
    assert "folding members" in seen
    assert ESCAPE not in piped
    assert piped == done("decide", *TRAIN, "--json").out or '"records": 8' in piped


@pytest.mark.usefixtures("here")
def test_an_error_on_a_terminal_is_the_same_error() -> None:
    status, seen, _ = on_terminal("terms", "add", "nothing.yaml")
    assert status == 2
    assert seen.startswith("troth: nothing.yaml: cannot be read")


def test_a_reader_that_leaves_sees_no_traceback_and_no_answer_that_was_not_given(here: Path) -> None:
    (here / "many.csv").write_text(
        "subject,since,jurisdiction\n" + "".join(f"s{n},2020-01-01,US\n" for n in range(3000))
    )
    done("subjects", "import", "many.csv")
    process = subprocess.Popen(
        [*PROGRAM, "ledger", "show", "--limit", "5000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline().startswith(b"position\t")
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(60) == 3


@pytest.mark.usefixtures("here")
def test_words_of_all_languages_get_through_whatever_the_locale() -> None:
    done("object", "żółć-名前", "--at", "2025-01-01")
    for locale in ("C", "POSIX", "C.UTF-8"):
        ran = ran_apart(
            "subjects", "show", "żółć-名前", "--json", home="home", environment={"LC_ALL": locale}
        )
        assert (ran.status, ran.err) == (0, "")
        assert ran.json[0]["object"]["subject"] == "żółć-名前"


@pytest.mark.parametrize(
    "arguments",
    [
        ("terms", "add", "next.yaml"),
        ("record", "events.yaml"),
        ("subjects", "import", "more.csv"),
        ("import", "table", "more.jsonl"),
        ("import", "mbox", "some.mbox"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_dry_run_writes_nothing(here: Path, arguments: tuple[str, ...], form: tuple[str, ...]) -> None:
    (here / "more.csv").write_text("subject,since\neve,2020-01-01\n")
    (here / "more.jsonl").write_text('{"id": "z", "category": "post"}\n{"id": "bad"}\n')
    (here / "some.mbox").write_text(
        "From x Fri May  3 10:00:00 2024\nFrom: a@example.org\n\nNoon?\n\nFrom y\n\n"
    )
    before = snapshot(here)
    ran = done(*arguments, "--dry-run", *form)
    assert snapshot(here) == before
    if form:
        assert isinstance(ran.json, dict)
    else:
        assert "nothing was written" in ran.out or "would be imported" in ran.out
    # It was a rehearsal of something.
    done(*arguments)
    assert snapshot(here) != before


@pytest.mark.parametrize(
    "arguments",
    [
        ("decide", *TRAIN),
        ("explain", "mail", *TRAIN),
        ("check", "refused.csv", *TRAIN),
        ("what-if", "next.yaml", *TRAIN),
        ("terms", "list"),
        ("notice", "show", "privacy-policy", "2024-09-18"),
        ("subjects", "show", "bob"),
        ("ledger", "check"),
        ("release", "list"),
        ("verify", "release"),
        ("test", "same.yaml"),
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_questions_change_nothing(here: Path, arguments: tuple[str, ...]) -> None:
    before = snapshot(here)
    troth(*arguments)
    assert snapshot(here) == before
