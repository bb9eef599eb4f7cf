"""What papers are counted from: the ledger before a position, release folders, and what a model is.

Everything here is a function of ledger and sealed folders, never of the day a paper is made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Final

from troth.core.entries import Act
from troth.core.manifest import Manifest
from troth.core.standing import Known
from troth.core.values import Use, covers, parse_instant
from troth.core.written import Json
from troth.papers.paper import Stand
from troth.papers.relational import engine

PARTIES: Final = {
    "affiliate": "a company of the same group",
    "third_party": "a third party",
    "processor": "a processor: it works for the operator and has no use of its own",
}
_NAMES: Final = {"inmail": "InMail"}
PURPOSES: Final = {
    "train": "training of models",
    "train.generative": "training of generative models",
    "train.other": "training of other models",
    "improve": "improving the service",
    "safety": "keeping the service safe",
    "deliver": "delivering messages",
    "any": "any purpose",
}


def party(recipient: str) -> str:
    """A recipient in words."""
    kind, _, name = recipient.partition(":")
    if kind == "operator":
        return "the operator itself"
    return f"{name} ({PARTIES[kind]})" if name else PARTIES.get(kind, recipient)


def purpose(name: str) -> str:
    """A purpose in words."""
    return PURPOSES.get(name, name)


def category(name: str) -> str:
    """A category of records in words: ``private_message.inmail`` is "private message (InMail)"."""
    kind, _, more = name.partition(".")
    words = kind.replace("_", " ")
    return f"{words} ({_NAMES.get(more, more.replace('_', ' '))})" if more else words


@dataclass(frozen=True, slots=True)
class Rows:
    """What the rows of a release's folder say: counts by category, days, sizes."""

    categories: tuple[tuple[str, int], ...]
    first: int | None
    last: int | None
    bytes: int
    authors: int


@dataclass(frozen=True, slots=True)
class Released:
    """A release as its ledger entry says; ``rows_of`` and ``manifest`` where its folder was given."""

    entry: int
    release: str
    manifest_digest: str
    use: Use
    at: str
    rows: int
    members: int
    manifest: Manifest | None = None
    content: Rows | None = None


@dataclass(frozen=True, slots=True)
class Trained:
    """A model as the ledger knows it: its training entry, its releases, and unlearning entries."""

    model: str
    entry: int
    releases: tuple[str, ...]
    elsewhere: bool
    unlearned: tuple[tuple[int, int], ...]
    """Position of each unlearning entry, and how many withdrawals it honoured."""
    backend: str | None = None
    created_at: int | None = None
    configuration: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Handed:
    """A disclosure of a release as the ledger records it: to whom, when, and whether they countersigned."""

    receipt: str
    release: str
    recipient: str
    at: int
    entries: tuple[int, ...]
    countersigned: bool


@dataclass(frozen=True, slots=True)
class Called:
    """A recall of records from a recipient: when it was sent, by when to be done, what was answered."""

    recall: str
    release: str
    recipient: str
    at: str
    due: str
    answer: str
    entries: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Stated:
    """A disclosure from before Troth, as it was imported: all records of some categories written in some time."""

    entry: int
    recipient: str
    purpose: str
    categories: tuple[str, ...]
    since: int | None
    when: int
    evidence: str
    confidence: str


@dataclass
class Facts:
    """The ledger before a position, for forms.

    Args:
        stand: which position, and its checkpoint.
        known: what concerns everybody, and the members that were asked for.
        acts: what the operator did, with positions.
        erased: entries whose bodies are gone: position and public type.
        folders: release folders that were given, verified: manifest and rows by the digest of the manifest.
        recorded: gives the instant at which an entry was recorded.
    """

    stand: Stand
    known: Known
    acts: list[tuple[int, Act]]
    erased: list[tuple[int, str]]
    folders: dict[str, tuple[Manifest, Rows]] = field(default_factory=dict)
    recorded: Callable[[int], int] = lambda _position: 0

    @cached_property
    def releases(self) -> list[Released]:
        """All releases, in ledger order."""
        found = []
        for position, act in self.acts:
            if act.type != "release" or "manifest" not in act.details:
                continue
            said = act.details
            manifest, content = self.folders.get(str(said["manifest"]), (None, None))
            found.append(
                Released(
                    position,
                    str(said["release"]),
                    str(said["manifest"]),
                    Use(str(said["purpose"]), str(said["recipient"])),
                    str(said["at"]),
                    number(said.get("rows")),
                    number(said.get("members")),
                    manifest,
                    content,
                )
            )
        return found

    @cached_property
    def disclosures(self) -> list[Handed]:
        """What was handed to whom, in ledger order; the steps of one receipt together."""
        found: dict[str, Handed] = {}
        for position, act in self.acts_of("disclosure"):
            said = act.details
            receipt = str(said.get("receipt") or position)
            if "recipient" not in said or "release" not in said:
                continue
            signed = str(said.get("step")) == "countersigned"
            old = found.get(receipt)
            at = parse_instant(str(said["at"])) if old is None else old.at
            entries = (*(old.entries if old else ()), position)
            countersigned = signed or (old is not None and old.countersigned)
            found[receipt] = Handed(
                receipt, str(said["release"]), str(said["recipient"]), at, entries, countersigned
            )
        return list(found.values())

    @cached_property
    def stated(self) -> list[Stated]:
        """Disclosures from before Troth that were imported into the ledger, in ledger order."""
        found = []
        for position, act in self.acts_of("disclosure"):
            said = act.details
            if said.get("step") != "past" or said.get("kind") != "disclosure":
                continue
            listed, since = said.get("what"), said.get("since")
            found.append(
                Stated(
                    position,
                    str(said["who"]),
                    str(said["purpose"]),
                    tuple(str(one) for one in listed) if isinstance(listed, list) else ("any",),
                    None if since is None else parse_instant(str(since)),
                    parse_instant(str(said["when"])),
                    str(said["evidence"]),
                    str(said["confidence"]),
                )
            )
        return found

    @cached_property
    def recalls(self) -> list[Called]:
        """What was called back from whom, in ledger order; the steps of one recall together."""
        to = {one.receipt: one.recipient for one in self.disclosures}
        found: dict[str, Called] = {}
        for position, act in self.acts_of("recall"):
            said = act.details
            name = str(said.get("recall"))
            if "release" in said and name not in found:
                recipient = to.get(str(said.get("receipt")), "")
                found[name] = Called(
                    name, str(said["release"]), recipient, str(said.get("at")), str(said.get("due_at")),
                    "no answer recorded", (position,),
                )  # fmt: skip
            elif name in found:
                old = found[name]
                answer = old.answer
                if "not_deleted" in said:
                    kept = number(said["not_deleted"])
                    answer = "all deleted" if not kept else f"deleted but for {kept:,} records"
                found[name] = replace(old, answer=answer, entries=(*old.entries, position))
        return list(found.values())

    @cached_property
    def by_release(self) -> dict[str, Released]:
        """Releases by id."""
        return {one.release: one for one in self.releases}

    @cached_property
    def models(self) -> list[Trained]:
        """All models that entries speak of, in the order of their training."""
        found: dict[str, Trained] = {}
        for position, act in self.acts:
            if act.type not in ("training", "unlearning") or "model" not in act.details:
                continue
            name = str(act.details["model"])
            if act.type == "training":
                listed = act.details.get("releases")
                named = tuple(str(one["release"]) for one in _dicts(listed))
                found[name] = Trained(name, position, named, bool(act.details.get("elsewhere")), ())
            elif name in found:
                old = found[name]
                withdrawals = act.details.get("withdrawals")
                honoured = len(withdrawals) if isinstance(withdrawals, list) else 0
                found[name] = Trained(
                    name, old.entry, old.releases, old.elsewhere, (*old.unlearned, (position, honoured))
                )
        return list(found.values())

    def releases_of(self, model: Trained) -> list[Released]:
        """The releases that a model was trained from, as far as the ledger knows them."""
        return [self.by_release[one] for one in model.releases if one in self.by_release]

    def acts_of(self, kind: str) -> list[tuple[int, Act]]:
        """The acts of one public type."""
        return [(position, act) for position, act in self.acts if act.type == kind]

    def erased_of(self, *kinds: str) -> tuple[int, ...]:
        """The erased entries of some public types."""
        return tuple(position for position, kind in self.erased if kind in kinds)

    def clauses_on(self, purposes: str) -> list[tuple[int, str, str, str]]:
        """Clauses on a purpose: (position, document and version, effect, the sentence), in ledger order."""
        found = []
        for document in self.known.documents.values():
            for placed in document:
                for clause in placed.terms.clauses:
                    if any(covers(one, purposes) or covers(purposes, one) for one in clause.purposes):
                        version = f"{placed.terms.document} {placed.terms.version}"
                        found.append((placed.position, version, clause.effect, clause.quote or clause.id))
        return sorted(found)


def number(value: Json) -> int:
    """A count in an act; 0 where there is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _dicts(value: Json) -> list[dict[str, Json]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def rows_of(folder: Path, manifest: Manifest) -> Rows:
    """Count the rows of a release's folder, by one query each.

    ``bytes`` are the UTF-8 bytes of titles and bodies.
    """
    files = [str(folder / file.name) for file in manifest.files if file.rows is not None]
    with engine() as connection:
        categories = connection.execute(
            "SELECT category, COUNT(*) FROM read_parquet($1, hive_partitioning = false)"
            " GROUP BY category ORDER BY category",
            [files],
        ).fetchall()
        first, last, size, authors = connection.execute(
            "SELECT MIN(epoch_us(created_at)), MAX(epoch_us(created_at)),"
            " SUM(strlen(COALESCE(title, '')) + strlen(COALESCE(body, ''))), COUNT(DISTINCT author)"
            " FROM read_parquet($1, hive_partitioning = false)",
            [files],
        ).fetchone() or (None, None, 0, 0)
    counted = tuple((str(name), int(count)) for name, count in categories)
    return Rows(counted, first, last, int(size or 0), authors)


def total(contents: Iterable[Rows]) -> Rows:
    """Several releases' rows together; authors may be in several, so theirs is the largest, a lower bound."""
    found = list(contents)
    categories: Counter[str] = Counter()
    for one in found:
        categories.update(dict(one.categories))
    firsts = [one.first for one in found if one.first is not None]
    lasts = [one.last for one in found if one.last is not None]
    return Rows(
        tuple(sorted(categories.items())),
        min(firsts, default=None),
        max(lasts, default=None),
        sum(one.bytes for one in found),
        max((one.authors for one in found), default=0),
    )


def contents(releases: Sequence[Released]) -> list[Rows] | None:
    """The rows of releases; None unless the folder of each was given."""
    found = [one.content for one in releases if one.content is not None]
    return found if found and len(found) == len(releases) else None
