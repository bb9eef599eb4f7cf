"""Telling members of a version: notices to members and audiences, and delivery results."""

from __future__ import annotations

import csv
import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from troth.app.changes import audience_of, find_version
from troth.app.home import Home, instant_or_now
from troth.core.errors import BadInput
from troth.core.events import Notice
from troth.core.written import Json
from troth.intake.subjects import read_delivery_results


@dataclass(frozen=True, slots=True)
class Told:
    """What was recorded, or prepared."""

    sentence: str
    counts: dict[str, int]

    def as_json(self) -> dict[str, Json]:
        """Plain JSON values."""
        return dict(self.counts)


def tell(
    home: Home,
    document: str,
    version: str,
    subjects: Sequence[str] | None,
    channel: str,
    at: int | str | None,
) -> Told:
    """Record a delivered notice to members, or (None) to the version's audience as a whole.

    Raises:
        BadInput: there is no such version, or nobody is named.
    """
    known, _ = home.known(subjects=())
    terms = find_version(known, document, version).terms
    now = instant_or_now(at)
    to = list(subjects) if subjects is not None else [terms.audience]
    if not to:
        raise BadInput("there is nobody to tell", remedy="name members, or nobody for the whole audience")
    receipts = home.append([Notice(document, version, one, now, channel) for one in to])
    whom = f"{len(to)} members" if subjects is not None else "its audience"
    return Told(
        f"recorded at {receipts[-1].position}: {document} {version} was sent to {whom}",
        {"recorded": len(receipts), "position": receipts[-1].position},
    )


def prepare(home: Home, document: str, version: str, at: int | str | None, path: Path) -> Told:
    """Write who has to be told to a CSV file for a mailer; nobody counts as told until results come in."""
    known, _ = home.known(joined=False)
    terms = find_version(known, document, version).terms
    subjects = audience_of(known, terms, instant_or_now(at))
    _write_private(path, [("subject", "at", "delivered"), *((subject, "", "") for subject in subjects)])
    return Told(
        f"{len(subjects)} members have to be told: {path}. Nobody counts as told yet;"
        " record what the mailer reports with --results",
        {"to_tell": len(subjects), "recorded": 0},
    )


def record_results(home: Home, document: str, version: str, channel: str, path: Path) -> Told:
    """Record what became of sending a version, one notice per member, all rows or none."""
    known, _ = home.known(subjects=())
    find_version(known, document, version)
    notices = [
        Notice(document, version, row.subject, row.at, channel, row.delivered)
        for row in read_delivery_results(path)
    ]
    home.append(notices)
    reached = sum(notice.delivered for notice in notices)
    return Told(
        f"recorded {len(notices)} results: {reached} reached, {len(notices) - reached} not",
        {"recorded": len(notices), "reached": reached, "not_reached": len(notices) - reached},
    )


def write_to_tell(members: Mapping[str, Sequence[str]], path: Path) -> None:
    """Write who would have to be told of which version to a CSV file, readable by its owner alone."""
    rows = [(version, subject) for version, subjects in members.items() for subject in subjects]
    _write_private(path, [("version", "subject"), *rows])


def _write_private(path: Path, rows: Iterable[Sequence[str]]) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.making")
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(rows)
        temporary.rename(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
