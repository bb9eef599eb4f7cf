"""What a home watches: sources, snapshots, versions. Beside the ledger, in ``watch``; nothing here decides anything.

``watch/sources.json`` lists the documents; ``watch/DOCUMENT/snapshots`` holds raw pages as they came, and
``watch/DOCUMENT/versions`` the text read from them, both called after the instant of fetching.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from troth.app.home import Home
from troth.app.watching import Life, check_kind, document_of, life, read_file
from troth.core.errors import BadInput, Conflict, Place, TrothError
from troth.core.values import format_instant
from troth.intake.html_text import html_to_text
from troth.ledger.store import clock
from troth.watch.contradictions import Contradiction, Named, contradictions
from troth.watch.kinds import kind_of, slug
from troth.watch.pages import Fetcher, readable
from troth.watch.text import decode

_SOURCES: Final = "sources.json"


@dataclass(frozen=True, slots=True)
class Source:
    """A watched document: whose, what, of which kind, and where (an address, or a path to a folder or archive)."""

    service: str
    terms_type: str
    kind: str
    where: str

    @property
    def name(self) -> str:
        """The name of its folder."""
        return f"{slug(self.service)}-{slug(self.terms_type)}"

    @property
    def is_page(self) -> bool:
        """Whether it is fetched."""
        return self.where.startswith(("http://", "https://"))


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run did with one source: ``new``, ``same``, ``read`` (a folder or archive) or ``failed`` and why."""

    source: Source
    what: str
    why: str | None = None
    widens: bool = False

    def as_json(self) -> dict[str, object]:
        """Plain JSON values."""
        return {
            "service": self.source.service,
            "terms_type": self.source.terms_type,
            "what": self.what,
            "why": self.why,
            "widens": self.widens,
        }


def sources(home: Home) -> list[Source]:
    """What is watched.

    Raises:
        BadInput: the list was spoiled.
    """
    path = _folder(home) / _SOURCES
    if not path.exists():
        return []
    try:
        return [Source(**one) for one in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError) as error:
        raise BadInput(
            f"cannot be read: {error}",
            place=Place(str(path)),
            remedy="restore it, or delete it and add the sources again",
        ) from None


def add(home: Home, service: str, terms_type: str, where: str, kind: str | None = None) -> Source:
    """Watch a document.

    Raises:
        BadInput: neither an address nor a path that is there, or no such kind.
        Conflict: it is watched already.
    """
    one = Source(service, terms_type, check_kind(kind) if kind else kind_of(terms_type), where)
    if not one.is_page:
        path = Path(where).absolute()
        if not path.exists():
            raise BadInput(
                "is neither an http address nor a path",
                place=Place(where),
                remedy="name a page, a folder or an archive",
            )
        one = Source(one.service, one.terms_type, one.kind, str(path))
    known = sources(home)
    if any(other.name == one.name for other in known):
        raise Conflict(f"{service} / {terms_type} is watched already", remedy="name it otherwise")
    _write(
        _folder(home) / _SOURCES,
        json.dumps([asdict(source) for source in (*known, one)], ensure_ascii=False, indent=1).encode(),
    )
    return one


def run(home: Home, fetcher: Fetcher | None = None, now: Callable[[], int] = clock) -> Iterator[Ran]:
    """Look at every source once. A source that fails does not stop the others."""
    fetcher = fetcher or Fetcher()
    for source in sources(home):
        try:
            yield _look(home, source, fetcher, now())
        except TrothError as error:
            yield Ran(source, "failed", str(error))


def _look(home: Home, source: Source, fetcher: Fetcher, at: int) -> Ran:
    if not source.is_page:
        return Ran(source, "read", widens=_widens(life_of(home, source)))
    page = fetcher.fetch(source.where)
    folder = _folder(home) / source.name
    digest = hashlib.sha256(page.data).hexdigest()
    newest = _newest(folder / "snapshots")
    if newest is not None and hashlib.sha256(newest.read_bytes()).hexdigest() == digest:
        return Ran(source, "same")
    stamp = format_instant(at).replace(":", "-")
    html = "html" in page.content_type or b"<html" in page.data[:2_000].lower()
    snapshot = folder / "snapshots" / f"{stamp}{'.html' if html else '.txt'}"
    # The raw page first: whatever becomes of the reading, what was published is kept.
    _write(snapshot, page.data)
    text = readable(snapshot.read_bytes(), _plain) if html else decode(snapshot.read_bytes())
    last = _newest(folder / "versions")
    if last is not None and document_of(text.encode()).document == read_file(last).document:
        return Ran(source, "same", "the page changed, its text did not")
    _write(folder / "versions" / f"{stamp}.md", text.encode("utf-8", "replace"))
    return Ran(source, "new", widens=_widens(life_of(home, source)))


def _plain(data: bytes) -> str:
    return html_to_text(decode(data))


def _widens(one: Life) -> bool:
    reading = one.moments[-1].reading if one.moments else None
    return reading is not None and reading.widens


def life_of(home: Home, source: Source) -> Life:
    """The life of a watched document.

    Raises:
        BadInput: nothing was read of it yet.
    """
    if not source.is_page:
        return life(Path(source.where), source.service, source.terms_type)
    folder = _folder(home) / source.name / "versions"
    if not folder.is_dir():
        raise BadInput(
            f"nothing was read of {source.service} / {source.terms_type} yet", remedy="run `troth watch run`"
        )
    return life(folder, source.service, source.terms_type)


def contradictions_of(home: Home, service: str) -> list[Contradiction]:
    """Contradictions between the newest versions of all watched documents of a service."""
    named = []
    for source in sources(home):
        if source.service != service:
            continue
        try:
            latest = life_of(home, source).latest
        except BadInput:
            continue
        if latest is not None:
            named.append(Named(source.terms_type, source.kind, latest.document))
    return contradictions(named)


def cache_of(home_path: Path) -> Path:
    """Where a model's answers are kept."""
    return home_path / "watch" / "opinions"


def _folder(home: Home) -> Path:
    return home.path / "watch"


def _newest(folder: Path) -> Path | None:
    return (
        max((one for one in folder.glob("[0-9]*") if one.is_file()), default=None)
        if folder.is_dir()
        else None
    )


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all, and durable."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.writing")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
