"""Write the reference pages anew from the code: ``python -m docs.generate``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import click

from docs import measured
from troth.cli.main import cli
from troth.core.catalogue import ALLOWED, ANOTHER_PARTY, SENTENCES
from troth.core.reasons import DENIALS, Reason

_ROOT: Final = Path(__file__).resolve().parent.parent
_WIDTH: Final = 90
_MADE: Final = "<!-- Made by `python -m docs.generate` from the code; not edited by hand. -->"


def cli_page() -> str:
    """Every command with its own help."""
    lines = [
        "# Commands",
        "",
        _MADE,
        "",
        "What `troth COMMAND --help` says, for every command. Nouns come before verbs; whatever prints also takes",
        "`--json` (the keys stay, new ones may be added). Tables are drawn on a terminal and are lines with tabs in a",
        "pipe. Instants are ISO 8601; without a zone they are UTC, without a time midnight UTC.",
        "",
        "| exit status | meaning |",
        "|---|---|",
        "| 0 | fine |",
        "| 1 | the answer is no: a check failed, a case differs, a use is refused |",
        "| 2 | the question is wrong: bad input, with its place, what was expected and a remedy |",
        "| 3 | the system could not: storage, lock, a damaged ledger |",
    ]
    for name, context in _commands(click.Context(cli, info_name="troth", **cli.context_settings)):
        context.terminal_width = context.max_content_width = _WIDTH
        lines += ["", f"## {name}", "", "```text", *context.get_help().rstrip().splitlines(), "```"]
    return "\n".join(lines) + "\n"


def _commands(context: click.Context) -> Iterator[tuple[str, click.Context]]:
    yield context.command_path, context
    command = context.command
    if not isinstance(command, click.Group):
        return
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        if found is not None:
            yield from _commands(click.Context(found, parent=context, info_name=name))


def reasons_page() -> str:
    """Every reason with its sentences, in the order in which the first reason is chosen."""
    lines = [
        "# Reasons",
        "",
        _MADE,
        "",
        "Why a record stays out. A *denial* is a no; a *gap* is a missing fact, and never trains either. A verdict",
        "keeps all its reasons; the *first* is the one that stands highest in this table, denials before gaps. T is",
        "the instant that is asked about.",
        "",
        f"A record that may be used: “{ALLOWED.member}” For lawyers: “{ALLOWED.lawyer}”",
        "",
        f"Members read about themselves only. Of everybody else's reasons they read: “{ANOTHER_PARTY}”",
        "",
        "| reason | kind | to the member | to lawyers |",
        "|---|---|---|---|",
    ]
    for reason in Reason:
        said = SENTENCES[reason]
        kind = "denial" if DENIALS >> reason & 1 else "gap"
        lines.append(f"| `{reason.text}` | {kind} | {said.member} | {said.lawyer} |")
    return "\n".join(lines) + "\n"


def texts_catalogue() -> str:
    """Every text that the pages show, as a template for translators (gettext)."""
    import io
    from datetime import UTC, datetime

    from babel.messages.catalog import Catalog
    from babel.messages.extract import extract_from_dir
    from babel.messages.pofile import write_po

    made = Catalog(
        project="Troth",
        creation_date=datetime(2026, 1, 1, tzinfo=UTC),  # a date that moves would make every day a change
        header_comment="# The texts of Troth's pages. Made by `python -m docs.generate`; not edited by hand.",
        charset="utf-8",
    )
    folder = _ROOT / "src" / "troth" / "server"
    methods = [("**.py", "python"), ("templates/**.html.j2", "jinja2")]
    keywords = {"_": None, "N_": None, "gettext": None, "ngettext": (1, 2), "HttpError": (2,)}
    found = extract_from_dir(folder, methods, keywords=keywords)
    for name, _line, message, _comments, _context in found:
        made.add(message, locations=[(f"src/troth/server/{name}", 0)])
    for reason in (ALLOWED, *SENTENCES.values()):
        made.add(reason.member, locations=[("src/troth/core/catalogue.py", 0)])
    written = io.BytesIO()
    write_po(written, made, width=100, include_lineno=False, sort_output=True)
    return written.getvalue().decode()


PAGES: Final[dict[str, Callable[[], str]]] = {
    "docs/reference/cli.md": cli_page,
    "docs/reference/reasons.md": reasons_page,
    "docs/reference/scale.md": lambda: measured.page(_MADE),
    "src/troth/server/locales/troth.pot": texts_catalogue,
}


def main() -> None:
    """Write all pages."""
    for path, make in PAGES.items():
        (_ROOT / path).write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main()
