"""Watching published documents: differences, whole archives, the life of a document, proposals, contradictions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Final

from troth.core.errors import BadInput, Place
from troth.core.events import Setting
from troth.core.terms import Terms
from troth.core.values import day_of, parse_instant, start_of_day
from troth.core.written import write_event
from troth.intake.html_text import html_to_text
from troth.ledger.store import clock
from troth.watch import archive as archives
from troth.watch.contradictions import Contradiction, Named, contradictions
from troth.watch.kinds import KINDS, kind_of, slug
from troth.watch.proposals import propose
from troth.watch.reading import Reading, Version, read_change, version
from troth.watch.text import decode, read

MAX_FILE: Final = 64 * 2**20
_HTML_STARTS: Final = ("<!doctype html", "<html", "<?xml")
_DATED: Final = re.compile(r"(\d{4})[-_.]?(\d{2})[-_.]?(\d{2})")
_TEXTS: Final = (".md", ".txt", ".html", ".htm", ".markdown")


def document_of(data: bytes) -> Version:
    """A document of bytes: Markdown, plain text or HTML, in any encoding."""
    text = decode(data)
    start = text[:200].lstrip("\ufeff \t\r\n").lower()
    if start.startswith(_HTML_STARTS):
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


# --- the life of a document


@dataclass(frozen=True, slots=True)
class Moment:
    """One version in the life of a document: when it was first seen (ISO 8601), as what, and what it changed.

    ``reading`` is None where there is nothing to compare: the first version, a technical re-extraction, an end.
    """

    name: str
    seen: str
    kind: str
    reading: Reading | None
    version: Version | None

    def as_json(self) -> dict[str, object]:
        """Plain JSON values."""
        found = self.reading.as_json() if self.reading else {"changes": [], "lints": []}
        return {"version": self.name, "date": self.seen, "kind": self.kind, **found}


@dataclass(frozen=True, slots=True)
class Life:
    """A document's versions, oldest first."""

    service: str
    terms_type: str
    moments: tuple[Moment, ...]

    @property
    def title(self) -> str:
        """What people call it: the service, where one is known, and the document."""
        return " / ".join(filter(None, (self.service, self.terms_type)))

    @property
    def latest(self) -> Version | None:
        """What it says now."""
        return next((one.version for one in reversed(self.moments) if one.version is not None), None)

    def as_json(self) -> dict[str, object]:
        """Plain JSON values."""
        return {
            "service": self.service,
            "terms_type": self.terms_type,
            "moments": [one.as_json() for one in self.moments],
        }


def life(path: Path, service: str | None = None, terms_type: str | None = None) -> Life:
    """The life of one document, from an archive or a folder of dated files.

    Raises:
        BadInput: it is neither, or does not say which document is meant.
    """
    if path.is_dir() and not (path / ".git").exists() and not (path / "HEAD").exists():
        return _life_of_folder(path, service or path.parent.name, terms_type or path.name)
    with archives.opened(path) as history, history.blobs() as blobs:
        chosen = [
            one
            for one in history.moments()
            if (service is None or one.service == service)
            and (terms_type is None or one.terms_type == terms_type)
        ]
        names = sorted({(one.service, one.terms_type) for one in chosen})
        if len(names) != 1:
            known = ", ".join(f"{first} / {second}" for first, second in names[:8])
            raise BadInput(
                "names no document" if not names else f"holds {len(names)} such documents",
                place=Place(str(path)),
                remedy=f"say which with --service and --terms-type: {known}"
                if names
                else "check --service and --terms-type",
            )
        moments = []
        for one in chosen:
            after = document_of(blobs.read(one.after)) if one.after else None
            reading = None
            if one.kind == "change" and one.before and after:
                reading = read_change(document_of(blobs.read(one.before)), after, _day(one.date))
            moments.append(Moment(one.commit[:12], one.date, one.kind, reading, after))
        return Life(*names[0], tuple(moments))


def _life_of_folder(path: Path, service: str, terms_type: str) -> Life:
    files = sorted((seen, one) for one, seen in _dated(path))
    if not files:
        raise BadInput(
            "holds no dated files", place=Place(str(path)), remedy="call them such as 2024-09-18.md"
        )
    moments: list[Moment] = []
    before: Version | None = None
    for seen, one in files:
        after = read_file(one)
        reading = read_change(before, after, date.fromisoformat(seen)) if before else None
        moments.append(Moment(one.name, seen, "change" if before else "first", reading, after))
        before = after
    return Life(service, terms_type, tuple(moments))


def _dated(path: Path) -> Iterator[tuple[Path, str]]:
    for one in path.iterdir():
        found = _DATED.search(one.name)
        if found and one.suffix.lower() in _TEXTS and one.is_file():
            text = "-".join(found.groups())
            try:
                yield one, date.fromisoformat(text).isoformat()
            except ValueError:
                raise BadInput(
                    f"{text} is no day of the calendar", place=Place(str(one)), remedy="rename the file"
                ) from None


def _day(text: str) -> date:
    return datetime.fromisoformat(text).astimezone(UTC).date()


# --- archives


def moments(path: Path, jobs: int | None = None) -> Iterator[dict[str, object]]:
    """The versions of an archive, oldest first, each as the JSON of ``troth watch diff`` with where it stands.

    Memory stays flat: documents are read one by one, and each worker keeps the readings of the last few hundred.

    Args:
        path: a git history in the layout of Open Terms Archive, or a bundle of one.
        jobs: worker processes; None: as many as there are processors, up to 4, and none for a small archive.

    Raises:
        BadInput: there is no git history.
    """
    from troth.app.watch_jobs import in_order

    with archives.opened(path) as history:
        yield from in_order(history, jobs)


class Readings:
    """Reads moments of an archive; keeps what it has read of the last few hundred versions."""

    def __init__(self, blobs: archives.Blobs, kept: int = 250) -> None:
        self._version = lru_cache(maxsize=kept)(lambda name: document_of(blobs.read(name)))

    def read(self, moment: archives.Moment) -> dict[str, object]:
        """The JSON of one moment."""
        found: dict[str, object] = {"changes": [], "lints": []}
        if moment.kind == "change" and moment.before and moment.after:
            before, after = self._version(moment.before), self._version(moment.after)
            found = read_change(before, after, _day(moment.date)).as_json()
        return {
            "service": moment.service,
            "terms_type": moment.terms_type,
            "commit": moment.commit,
            "date": moment.date,
            "kind": moment.kind,
            **found,
        }


# --- contradictions and proposals


def check_kind(kind: str) -> str:
    """A kind of document.

    Raises:
        BadInput: there is none called so.
    """
    if kind not in KINDS:
        raise BadInput(f"there is no kind {kind!r}", remedy="one of " + ", ".join(KINDS))
    return kind


def named_files(files: Iterable[str]) -> list[Named]:
    """Documents of files, each given as ``PATH`` or ``KIND=PATH``; without a kind the name says it."""
    found = []
    for one in files:
        kind, _, rest = one.rpartition("=")
        path = Path(rest)
        found.append(
            Named(path.stem, check_kind(kind) if kind else kind_of(path.stem), read_file(path).document)
        )
    return found


def contradict(files: Sequence[str]) -> list[Contradiction]:
    """Contradictions between documents of one service at one time; see ``named_files``."""
    return contradictions(named_files(files))


def proposed_file(
    path: Path, name: str | None, kind: str | None, version_name: str | None, seen: str | None
) -> list[Terms | Setting]:
    """Proposed events of one document file; see ``proposed``."""
    title = name or path.stem
    return proposed(read_file(path), title, check_kind(kind) if kind else kind_of(title), version_name, seen)


def proposed(
    one: Version, name: str, kind: str, version_name: str | None = None, seen: str | None = None
) -> list[Terms | Setting]:
    """The clauses that a document's sentences propose, ready for ``troth terms add`` once a person approves.

    Without ``seen`` it counts as published on the day that it states, or now.
    """
    stated = one.stated.counts_from
    effective = start_of_day((stated.year, stated.month, stated.day)) if stated else None
    published = parse_instant(seen) if seen else effective if effective is not None else clock()
    counts = published if effective is None else effective
    label = version_name or (stated.isoformat() if stated else f"seen-{date(*day_of(published)).isoformat()}")
    return propose(one.document, slug(name), kind, label, published, counts, one.stated.notice_days or 0)


def terms_file(events: Sequence[Terms | Setting], source: str) -> str:
    """Proposed events as the text of a terms file."""
    import io

    from ruamel.yaml import YAML

    yaml = YAML(typ="safe")
    yaml.default_flow_style = False
    yaml.width = 100
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    out = io.StringIO()
    out.write(
        f"# Proposed from {_one_line(source)}. Read by rules, approved by nobody yet: check each clause.\n"
    )
    yaml.dump([write_event(event) for event in events], out)
    return out.getvalue()


def _one_line(text: str) -> str:
    return re.sub(r"[\x00-\x1f\x7f\u2028\u2029]+", " ", text)[:200]
