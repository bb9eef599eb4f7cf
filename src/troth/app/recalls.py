"""Recalls: opened by what members take back, told, reminded, acknowledged with a signature, escalated.

What has to be recalled follows from the ledger and the releases that left, so that finding it may be repeated at any
time: after a crash it is found again, and what was opened is not opened twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from dataclasses import replace as replaced
from pathlib import Path

import pyarrow as pa

from troth.app import holdings, holds, recipients
from troth.app.decisions import open_gate, records_of
from troth.app.directories import limits_of
from troth.app.disclosures import find_release, read_file
from troth.app.home import Home, instant_or_now
from troth.core import statement
from troth.core.entries import Act
from troth.core.errors import BadInput, Place, Refused
from troth.core.events import Attributes, Choose, Erase, Event, Objection, Withdraw, subject_of
from troth.core.handed import (
    ACKNOWLEDGED,
    DELETE,
    ESCALATED,
    OPENED,
    QUARANTINE,
    REMINDED,
    Book,
    Link,
    Recalled,
    due_at,
)
from troth.core.identity import accounts_of
from troth.core.manifest import Manifest
from troth.core.recall import Acknowledgement, Notice, parse_notice, read_acknowledgement, read_notice
from troth.core.values import MICROSECONDS_PER_DAY, format_instant
from troth.core.verify import read_envelope
from troth.core.written import Json
from troth.ledger.shelf import replace
from troth.ledger.store import clock
from troth.release import holdings as kept
from troth.release.sign import load_public, load_signer, seal_statement

REMIND_BEFORE = 7 * MICROSECONDS_PER_DAY


def folder(home: Home) -> Path:
    """Where the notices are kept: they name records, so they stand apart from the ledger, which only grows."""
    return home.path / "recalls"


# what was taken back


@dataclass(frozen=True, slots=True)
class Taken:
    """An entry that may take something back; ``whole``: all rows of the member, ``training``: in training uses."""

    subject: str
    position: int
    at: int
    whole: bool
    training: bool


def taken_back(entries: Iterable[tuple[int, Event]], now: int) -> list[Taken]:
    """The entries that may take something back by now."""
    found = []
    for position, event in entries:
        subject = subject_of(event)
        at = getattr(event, "at", getattr(event, "since", now))
        if subject is None or at > now:
            continue
        total = isinstance(event, Erase) or (
            isinstance(event, Withdraw) and event.setting is None and event.consent is None
        )
        if isinstance(event, Withdraw | Erase | Objection | Attributes) or (
            isinstance(event, Choose) and not event.on
        ):
            found.append(Taken(subject, position, at, total, isinstance(event, Objection)))
    return found


def _table(taken: Sequence[Taken], manifest: Manifest) -> pa.Table:
    """Who may have taken something back since a release was decided, and who all of it."""
    whole: dict[str, bool] = {}
    for one in taken:
        if one.position >= manifest.settings_as_of or one.at > manifest.at:
            every = one.whole or (one.training and manifest.use.trains)
            whole[one.subject] = whole.get(one.subject, False) or every
    return pa.table({"subject": pa.array(whole, pa.string()), "whole": pa.array(whole.values(), pa.bool_())})


def _deleted(home: Home, now: int) -> pa.Table:
    """The ids of the home's records that are deleted by now."""
    if not any(home.records_path.glob("*.parquet")):
        return pa.table({"id": pa.array([], pa.string())})
    records = records_of(home)
    if "deleted_at" not in records.columns:
        return pa.table({"id": pa.array([], pa.string())})
    return records.filter(records.deleted_at <= now).select("id").to_pyarrow()


def to_recall(home: Home, book: Book, now: int) -> dict[str, set[str]]:
    """The record ids that must come back, by release, of all releases that left."""
    with home.reading() as ledger:
        entries = ((one.position, one.what) for one in ledger.entries())
        taken = taken_back(
            ((at, what) for at, what in entries if what is not None and not isinstance(what, Act)), now
        )
    joins = home.joins()
    if joins:
        # A no of one account of somebody holds for all of theirs.
        taken = [replaced(one, subject=each) for one in taken for each in accounts_of(one.subject, joins)]
    deleted, limits = _deleted(home, now), limits_of(home)
    everybody = pa.table({"subject": pa.array({one.subject for one in taken}, pa.string())})
    there = holdings.folder(home) / kept.INDEX
    concerned = kept.touched(holdings.folder(home), everybody, limits) if there.exists() else {}
    found: dict[str, set[str]] = {}
    for release in {link.receipt.said.release for link in book.links.values()}:
        rows = holdings.path_of(home, release)
        if rows is None:
            continue
        ids = set(kept.with_ids(rows, deleted, limits)) if deleted.num_rows else set()
        if holdings.number_of(rows) in concerned:
            manifest = find_release(home, release).manifest
            ids |= _no_longer(home, manifest, kept.rows_of(rows, _table(taken, manifest), limits), now)
        if ids:
            found[release] = ids
    return found


def _no_longer(home: Home, manifest: Manifest, rows: pa.Table, now: int) -> set[str]:
    """The rows that were taken back wholly, and those that the use may not have any more."""
    whole = rows["whole"].to_pylist()
    ids = {one for one, every in zip(rows["id"].to_pylist(), whole, strict=True) if every}
    left = rows.filter(pa.array([not one for one in whole], pa.bool_())).drop_columns(["whole", "parties"])
    if left.num_rows:
        table = open_gate(home, manifest.use, now).decide(left)
        answers = table.select("id", "verdict").to_pyarrow().to_pylist()
        ids |= {one["id"] for one in answers if one["verdict"] != "allowed"}
    return ids


# opening


def anything_left(home: Home) -> bool:
    """Whether anything was ever disclosed, so that there may be something to recall."""
    return holdings.folder(home).is_dir()


def sync(home: Home, at: int | str | None = None) -> list[Recalled]:
    """Open every recall that is due to be opened; what was opened stays. May be repeated. Returns the new ones."""
    if not anything_left(home):
        return []
    now = instant_or_now(at)
    book = recipients.book(home)
    wanted = to_recall(home, book, now)
    held = holds.Holds(home)
    folder(home).mkdir(mode=0o700, exist_ok=True)
    opened = []
    for link in list(book.links.values()):
        release = link.receipt.said.release
        fresh = wanted.get(release, set()) - _recalled(home, link)
        kept_ids = held.held_ids(release, fresh)
        for ids, instruction in ((fresh - kept_ids, DELETE), (fresh & kept_ids, QUARANTINE)):
            if ids:
                opened.append(_open(home, book, link, (ids, instruction, now)))
        opened += _freed(home, book, link, held, now)
    return opened


def _recalled(home: Home, link: Link) -> set[str]:
    return {one for recall in link.recalls for one in ids_of(home, recall.id)}


def _freed(home: Home, book: Book, link: Link, held: holds.Holds, now: int) -> Iterator[Recalled]:
    """What was quarantined and is held no longer: now it has to be deleted."""
    for recall in list(link.recalls):
        if recall.instruction == QUARANTINE and not recall.replaced:
            ids = set(ids_of(home, recall.id))
            if not held.held_ids(link.receipt.said.release, ids):
                yield _open(home, book, link, (ids, DELETE, now), replaces=recall.id)


def _open(
    home: Home, book: Book, link: Link, what: tuple[set[str], str, int], replaces: str | None = None
) -> Recalled:
    ids, instruction, now = sorted(what[0]), what[1], what[2]
    said = link.receipt.said
    recipient = book.recipients.get(said.recipient.name)
    named = hashlib.sha256("\0".join([link.digest, instruction, *ids]).encode()).hexdigest()[:16]
    notice = Notice(
        id=f"k-{named}",
        receipt=link.digest,
        release=said.release,
        manifest=said.manifest,
        recipient=said.recipient.name,
        instruction=instruction,
        at=now,
        due_at=due_at(now, recipient.deadline_days if recipient else 30),
        ids=tuple(ids),
    )
    payload = notice.write()
    # The notice is there before the entry that names it: a crash between leaves a file that is written anew.
    replace(path_of(home, notice.id), seal_statement(payload, load_signer(home.key_path)), 0o600)
    details: dict[str, Json] = {
        "step": OPENED,
        "recall": notice.id,
        "receipt": link.digest,
        "release": said.release,
        "rows": len(ids),
        "notice": statement.digest_of(payload),
        "instruction": instruction,
        "at": format_instant(now),
        "due_at": format_instant(notice.due_at),
        "replaces": replaces,
    }
    entry = home.append([Act("recall", details)])[0].position
    book.add(entry, Act("recall", details))
    return book.recalls[notice.id]


def path_of(home: Home, recall: str) -> Path:
    """The file of a recall's notice."""
    return folder(home) / f"{recall}.dsse.json"


def ids_of(home: Home, recall: str) -> tuple[str, ...]:
    """The record ids of a recall."""
    path = path_of(home, recall)
    return parse_notice(read_envelope(read_file(path), str(path)).payload, str(path)).ids


# following


def listed(home: Home, at: int | str | None = None, *, everything: bool = False) -> list[dict[str, Json]]:
    """What is due, over all links of all chains, the most urgent first; with ``everything`` also what is cleared."""
    book, now = recipients.book(home), instant_or_now(at)
    found = [
        _shown(book, link, depth, recall, now)
        for root in book.roots()
        for depth, link in book.tree(root)
        for recall in link.recalls
    ]
    if not everything:
        found = [one for one in found if one["status"] not in ("cleared", "replaced")]
    return sorted(found, key=lambda one: (str(one["due_at"]), str(one["recall"])))


def _shown(book: Book, link: Link, depth: int, recall: Recalled, now: int) -> dict[str, Json]:
    said, answer = link.receipt.said, recall.answer
    recipient = book.recipients.get(said.recipient.name)
    return {
        "recall": recall.id,
        "release": said.release,
        "recipient": said.recipient.name,
        "from": said.sender.name,
        "depth": depth,
        "receipt": link.digest,
        "rows": recall.rows,
        "instruction": recall.instruction,
        "status": recall.status(now),
        "opened_at": format_instant(recall.opened_at),
        "due_at": format_instant(recall.due_at),
        "reminders": [format_instant(one) for one in recall.reminders],
        "escalated_at": None if recall.escalated_at is None else format_instant(recall.escalated_at),
        "acknowledged_at": None if answer is None else format_instant(answer.at),
        "not_deleted": [] if answer is None else [{"record": one, "why": why} for one, why in answer.kept],
        "contact": recipient.contact if recipient else None,
        "escalation": recipient.escalation if recipient else None,
        "chain_cleared": book.is_chain_cleared(link),
    }


def remind(home: Home, at: int | str | None = None) -> list[dict[str, Json]]:
    """Note a reminder for what is due within a week, and an escalation for what is overdue; once a day each.

    Returns:
        Whom to write to: recall, contact, what for. Sending is the operator's.
    """
    now, book = instant_or_now(at), recipients.book(home)
    acts, told = [], list[dict[str, Json]]()
    for recall in book.recalls.values():
        status = recall.status(now)
        if status not in ("open", "overdue", "not all deleted"):
            continue
        if recall.due_at - now > REMIND_BEFORE:
            continue
        if any(now - one < MICROSECONDS_PER_DAY for one in recall.reminders):
            continue
        link = book.links[recall.receipt]
        recipient = book.recipients.get(link.receipt.said.recipient.name)
        step: dict[str, Json] = {"step": REMINDED, "recall": recall.id, "at": format_instant(now)}
        acts.append(Act("recall", step))
        escalates = status != "open" and recall.escalated_at is None
        if escalates:
            acts.append(Act("recall", {**step, "step": ESCALATED}))
        told.append(
            {
                "recall": recall.id,
                "recipient": link.receipt.said.recipient.name,
                "status": status,
                "contact": recipient.contact if recipient else None,
                "escalate_to": recipient.escalation if recipient and escalates else None,
                "notice": str(path_of(home, recall.id)),
            }
        )
    if acts:
        home.append(acts)
    return told


# by the recipient: keys and files, no home


def acknowledge(
    notice: Path,
    key: Path,
    operator: Sequence[Path],
    kept_rows: Sequence[tuple[str, str]] = (),
    at: int | None = None,
) -> bytes:
    """The recipient's signed answer to a notice: all its rows are deleted but those that could not be, and why.

    Raises:
        BadInput: the notice is not the operator's, or a row is named that it does not name.
    """
    data = read_file(notice)
    said = read_notice(data, [load_public(one) for one in operator], str(notice))
    strange = next((record for record, _ in kept_rows if record not in said.ids), None)
    if strange is not None:
        raise BadInput(f"the notice names no record {strange!r}", place=Place(str(notice)))
    digest = statement.digest_of(read_envelope(data, str(notice)).payload)
    answer = Acknowledgement(
        said.id, digest, said.recipient, clock() if at is None else at, tuple(sorted(dict(kept_rows).items()))
    )
    return seal_statement(answer.write(), load_signer(key))


def take_in(home: Home, path: Path) -> Recalled:
    """Take in an acknowledgement; only a valid signature of the recipient clears anything. May be repeated.

    Raises:
        Refused: it answers another notice, or one that was replaced.
        BadInput: it cannot be read, or the signature does not hold.
    """
    data = read_file(path)
    from troth.core.recall import parse_acknowledgement

    claimed = parse_acknowledgement(read_envelope(data, str(path)).payload, str(path))
    with home.writing() as ledger:
        book = recipients.book_of(ledger)
        recall = book.recalls.get(claimed.recall)
        if recall is None:
            raise BadInput(f"there is no recall {claimed.recall!r}", place=Place(str(path)))
        keys = book.links[recall.receipt].receipt.said.recipient.keys
        answer = read_acknowledgement(data, keys, str(path))
        if answer.notice != recall.notice:
            raise Refused("answers another notice than the one that was sent", place=Place(str(path)))
        if recall.answer is not None and (recall.answer == answer or recall.answer.at > answer.at):
            return recall
        details: dict[str, Json] = {
            "step": ACKNOWLEDGED,
            "recall": recall.id,
            "at": format_instant(clock()),
            "not_deleted": len(answer.kept),
            "envelope": data.decode(),
        }
        entry = ledger.append([Act("recall", details)])[0].position
        book.add(entry, Act("recall", details))
        return recall


def successor(home: Home, release: Path, out: Path, name: str | None = None) -> dict[str, Json]:
    """Build the release that takes the place of one that was recalled from: its records, less what may not be used.

    Raises:
        Refused: nothing is left.
        BadInput: no such release.
    """
    from troth.app import releases
    from troth.gate import duck

    manifest = find_release(home, str(release)).manifest
    rows = holdings.keep(home, str(release), find_release(home, str(release)))
    wanted = duck.read_parquet([rows]).select("id").distinct()
    source = records_of(home).semi_join(wanted, "id")
    built = releases.build(home, manifest.use, out, source=source, name=name)
    return {**built.as_json(), "successor_of": manifest.release}
