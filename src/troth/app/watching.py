"""Watching published documents: differences, whole archives, live pages, proposals."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Final

from troth.core.errors import BadInput, Place
from troth.core.values import day_of, parse_instant
from troth.watch import archive as archives
from troth.watch.reading import Reading, Version, read_change, version
from troth.watch.text import decode, read

MAX_FILE: Final = 64 * 2**20
_HTML_STARTS: Final = ("<!doctype html", "<html", "<?xml")


def document_of(data: bytes) -> Version:
    """A document of bytes: Markdown, plain text or HTML, in any encoding."""
    text = decode(data)
    start = text[:200].lstrip("\ufeff \t\r\n").lower()
    if start.startswith(_HTML_STARTS):
        from troth.intake.html_text import html_to_text

        text = html_to_text(text)
    return version(read(text))


def read_file(path: Path) -> Version:
    """A document of a file.

    Raises:
        BadInput: it cannot be read, or is larger than 64 MiB.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        raise BadInput(
            f"cannot be read: {error.strerror or error}", place=Place(str(path)), remedy="check the path"
        ) from None
    if len(data) > MAX_FILE:
        raise BadInput(
            f"is larger than {MAX_FILE // 2**20} MiB", place=Place(str(path)), remedy="name a text file"
        )
    return document_of(data)


def diff(before: Path, after: Path, seen: str | None = None) -> Reading:
    """What the change from one file to another does.

    Args:
        before: the version before; an empty file for a document that was added.
        after: the version after.
        seen: when the new version was first seen, ISO 8601; without it the lints on time are left out.

    Raises:
        BadInput: a file cannot be read, or ``seen`` is no instant.
    """
    day = date(*day_of(parse_instant(seen))) if seen else None
    return read_change(read_file(before), read_file(after), day)


def moments(path: Path) -> Iterator[dict[str, object]]:
    """The versions of an archive, oldest first, each as the JSON of ``troth watch diff`` with where it stands.

    Memory stays flat: documents are read one by one, and the readings of the last few hundred are kept.

    Raises:
        BadInput: there is no git history.
    """
    with archives.opened(path) as history, history.blobs() as blobs:

        @lru_cache(maxsize=400)
        def reading(blob: str) -> Version:
            return document_of(blobs.read(blob))

        for moment in history.moments():
            yield {
                "service": moment.service,
                "terms_type": moment.terms_type,
                "commit": moment.commit,
                "date": moment.date,
                "kind": moment.kind,
                **_read_moment(moment, reading),
            }


def _read_moment(moment: archives.Moment, reading: object) -> dict[str, object]:
    if moment.kind != "change" or moment.before is None or moment.after is None:
        return {"changes": [], "lints": []}
    assert callable(reading)  # noqa: S101
    found = read_change(reading(moment.before), reading(moment.after), _day(moment.date))
    return found.as_json()


def _day(text: str) -> date:
    return datetime.fromisoformat(text).astimezone(UTC).date()
