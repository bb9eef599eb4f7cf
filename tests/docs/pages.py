"""The pages of the documentation as something that can be run.

Conventions in README.md and docs/how-to, all of them HTML comments right above a fenced block, so that readers
do not see them:

    <!-- file: NAME -->      the block is the content of this file; it is written before the page goes on
    <!-- exit: N -->         the last command of the console block ends with status N (without it: 0)
    <!-- needs: hf -->       the block needs an extra; it is left out where the extra is not installed
    <!-- raises: NAME -->    the python block ends with this error of `troth`

In a `console` block a line that begins with `$ troth` is run, in the page's own folder and in the order of the
page (a backslash at the end joins the next line). The lines below it are its output: spaces and tabs are alike,
`…` stands for anything within a line, and a line that is `…` alone for any number of lines. Other commands
(`$ make`, `$ pip`) are shown, not run. The python blocks of a page share their names.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import troth
from tests.support import ROOT
from troth.cli.main import main

PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
GUIDES = (ROOT / "README.md", *sorted((ROOT / "docs" / "how-to").glob("*.md")))

_FENCE = re.compile(r"^```(\w*)\s*$")
_MARK = re.compile(r"^<!-- (file|exit|needs|raises): (.+?) -->$")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, its lines, the number of its first line, the marks above it."""

    language: str
    lines: tuple[str, ...]
    line: int
    marks: dict[str, str]

    @property
    def text(self) -> str:
        return "".join(f"{line}\n" for line in self.lines)


@dataclass(slots=True)
class Command:
    """A command of a console block, the number of its line, and the output that the page shows."""

    text: str
    line: int
    output: list[str] = field(default_factory=list)


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page."""
    marks: dict[str, str] = {}
    inside: tuple[str, int, dict[str, str]] | None = None
    lines: list[str] = []
    for number, line in enumerate(page.read_text("utf-8").splitlines(), start=1):
        fence = _FENCE.match(line)
        if inside is not None and fence:
            yield Block(inside[0], tuple(lines), inside[1], inside[2])
            inside, lines, marks = None, [], {}
        elif inside is not None:
            lines.append(line)
        elif fence:
            inside = (fence[1], number + 1, marks)
        elif mark := _MARK.match(line):
            marks = {**marks, mark[1]: mark[2]}
        elif line.strip():
            assert not marks, f"{page.name}:{number}: {marks} stands above no block"
    assert inside is None, f"{page.name}: a block is not closed"
    assert not marks, f"{page.name}: {marks} stands above no block"


def commands(block: Block) -> list[Command]:
    """The commands of a console block with the output shown below each."""
    found: list[Command] = []
    continues = False
    for number, line in enumerate(block.lines, start=block.line):
        if continues:
            found[-1].text += " " + line.strip().removesuffix("\\").strip()
            continues = line.endswith("\\")
        elif line.startswith("$ "):
            found.append(Command(line[2:].removesuffix("\\").strip(), number))
            continues = line.endswith("\\")
        else:
            assert found, f"line {number}: output before any command"
            found[-1].output.append(line)
    return found


def call(command: str) -> tuple[int, str]:
    """Run a `troth …` command in this process. Returns its exit status and all that it printed."""
    printed = io.StringIO()
    before = sys.argv
    sys.argv = shlex.split(command)
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            main()
    except SystemExit as end:
        status = end.code
    else:
        status = 0
    finally:
        sys.argv = before
    assert isinstance(status, int), f"{command}: the exit status is {status!r}"
    return status, printed.getvalue()


def difference(shown: list[str], printed: str) -> str | None:
    """What of the shown output was not printed; None if all of it was, in order and with nothing in between."""
    patterns = [_pattern(line) for line in shown]
    if _matches(patterns, _squeezed(printed)):
        return None
    return (
        "the page shows\n  " + "\n  ".join(shown) + "\nbut it printed\n  " + "\n  ".join(_squeezed(printed))
    )


def _matches(patterns: list[str | None], lines: list[str]) -> bool:
    """Whether patterns match lines one by one; a pattern None matches any number of lines."""
    reached = {0}
    for pattern in patterns:
        if pattern is None:
            reached = set(range(min(reached, default=len(lines) + 1), len(lines) + 1))
        else:
            reached = {at + 1 for at in reached if at < len(lines) and re.fullmatch(pattern, lines[at])}
    return len(lines) in reached


def _pattern(line: str) -> str | None:
    words = " ".join(line.split())
    return None if words == "…" else ".*".join(re.escape(piece) for piece in words.split("…"))


def _squeezed(text: str) -> list[str]:
    return [squeezed for line in text.splitlines() if (squeezed := " ".join(line.split()))]


def excerpt_matches(shown: list[str], printed: str) -> str | None:
    """As `difference`, for an excerpt: lines may be left out before, after, and where `…` says so."""
    return difference(["…", *shown, "…"], printed)


def run_page(page: Path, folder: Path, extras: frozenset[str]) -> None:
    """Run a page in a folder that is the working directory; fails with the place of what does not hold."""
    names: dict[str, object] = {"__name__": "__docs__"}
    for block in blocks(page):
        place = f"{page.name}:{block.line}"
        if block.marks.get("needs", "base") not in {"base", *extras}:
            continue
        if "file" in block.marks:
            target = folder / block.marks["file"]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.text, encoding="utf-8")
        elif block.language == "console":
            _run_console(page, block)
        elif block.language == "python":
            _run_python(block, names, place)


def _run_console(page: Path, block: Block) -> None:
    found = commands(block)
    for command in found:
        if not command.text.startswith("troth "):
            continue
        expected = int(block.marks.get("exit", "0")) if command is found[-1] else 0
        status, printed = call(command.text)
        where = f"{page.name}:{command.line}: $ {command.text}"
        assert status == expected, f"{where}\nended with {status}, the page says {expected}:\n{printed}"
        shown = [line for line in command.output if line.strip()]
        if shown:
            wrong = difference(shown, printed)
            assert wrong is None, f"{where}\n{wrong}"


def _run_python(block: Block, names: dict[str, object], place: str) -> None:
    # Compiled with the page's line numbers, so that a traceback points into the page.
    code = compile("\n" * (block.line - 1) + block.text, place, "exec")
    raised = None
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            exec(code, names)  # noqa: S102 - the pages are ours
    except troth.TrothError as error:
        raised = error
    expected = block.marks.get("raises")
    if expected is None:
        assert raised is None, f"{place}: {raised!r}"
    else:
        assert isinstance(raised, getattr(troth, expected)), f"{place}: raised {raised!r}, not {expected}"
