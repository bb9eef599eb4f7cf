"""Papers of a home: facts gathered as of a ledger position, filled into forms, written as JSON, HTML and PDF."""

from __future__ import annotations

import json
import os
import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from troth.app import holdings, recalls
from troth.app.directories import limits_of
from troth.app.home import Home, instant_or_now
from troth.core.entries import Act
from troth.core.errors import BadInput, Place, TrothError
from troth.core.events import Erase
from troth.core.identity import accounts_of, joins_of
from troth.core.manifest import Manifest
from troth.core.merkle import leaf_hash, root
from troth.core.values import Use, format_instant, parse_instant
from troth.core.verify import MAX_ENVELOPE_BYTES
from troth.core.written import Json
from troth.ledger.store import Ledger
from troth.papers import consent, requests
from troth.papers.croissant import croissant
from troth.papers.facts import Facts, Rows, Trained, rows_of
from troth.papers.model_forms import ab2013, ai_act, model_card
from troth.papers.paper import FORMAT, Paper, Stand, paper_bytes
from troth.papers.people_forms import Copy, Crowd, Presence, art15, art19, art30
from troth.papers.relational import crowd, engine, load_attributes
from troth.papers.requests import Request, register
from troth.release.check import examine
from troth.release.holdings import ids_of_parties
from troth.release.sign import load_public

OF_MODELS: Final = {"ai-act": ai_act, "ab2013": ab2013, "model-card": model_card}
OF_MEMBERS: Final = ("consent-record", "consent-receipt", "art15", "art19")
KINDS: Final = (*OF_MEMBERS, *OF_MODELS, "art30", "croissant")
FORMATS: Final = ("json", "html", "pdf")


# facts


def stand_of(home: Home, ledger: Ledger, as_of: int | None) -> Stand:
    """The state of the ledger before a position (None: the head), with the root of the log's tree over it.

    Raises:
        BadInput: the ledger does not reach that position, or holds nothing before it.
    """
    head = ledger.size
    position = head if as_of is None else as_of
    if not 0 < position <= head:
        raise BadInput(
            f"the ledger holds {head} entries; no paper can be counted from the first {position}",
            remedy=f"ask for a position from 1 to {head}",
        )
    last = next(ledger.public(position - 1, position))
    return Stand(position, parse_instant(last.time), tree_root(home, ledger, position), home.config.origin)


def tree_root(home: Home, ledger: Ledger, position: int) -> bytes:
    """The root over the first entries: of the published tiles where they reach so far, else made anew."""
    if home.config.origin is not None:
        from troth.app.logs import open_log

        log = open_log(home)
        published = log.published()
        if published is not None and published.checkpoint.size >= position:
            return log.tiles().root(position)
    return root(leaf_hash(entry.text()) for entry in ledger.public(0, position))


def facts_of(
    home: Home, as_of: int | None = None, subjects: Sequence[str] = (), folders: Sequence[Path] = ()
) -> Facts:
    """What papers are counted from; of members only those asked for, under all of their accounts."""
    with home.reading() as ledger:
        stand = stand_of(home, ledger, as_of)
    known, _ = home.known(stand.position, subjects)
    with home.reading() as ledger:
        found = Facts(stand, known, ledger.all_acts(stand.position), ledger.erased(stand.position))
    found.folders = dict(_folder(home, one) for one in folders)

    def recorded(position: int) -> int:
        with home.reading() as ledger:
            return parse_instant(next(ledger.public(position, position + 1)).time)

    found.recorded = recorded
    return found


def _folder(home: Home, path: Path) -> tuple[str, tuple[Manifest, Rows]]:
    """A release's folder, verified with the home's own key: the digest of its manifest, and what it holds.

    Raises:
        BadInput: it is not as it was sealed here.
    """
    examined = examine(path, [load_public(home.public_key_path)], rows=False)
    signed = examined.signed
    if signed is None or not examined.findings.ok:
        first = next(one for one in examined.findings.findings if one.level == "error")
        raise BadInput(
            f"{first.where or path}: {first.what}",
            place=Place(str(path)),
            remedy="name the folder of a release as it was sealed in this home",
        )
    return signed.digest, (signed.manifest, rows_of(path, signed.manifest))


def crowd_of(home: Home, facts: Facts) -> Crowd:
    """How many members there are at the time of the last entry, by place and tier."""
    now, stop = facts.stand.time, facts.stand.position
    entries: list[int] = []
    gone: list[str] = []

    def passing(ledger: Ledger) -> object:
        for position, subject, body in ledger.bodies(stop):
            if b'"since":' in body:
                entries.append(position)
            elif b'"erase":' in body:
                event = json.loads(body)["event"]
                if "erase" in event and parse_instant(event["erase"]["at"]) <= now:
                    gone.append(subject)
            yield position, subject, body

    with home.reading() as ledger, engine(home.config.threads, home.config.memory) as connection:
        load_attributes(connection, passing(ledger))  # type: ignore[arg-type]
        places: Counter[str] = Counter()
        for value, members in crowd(connection, now, gone, "jurisdiction"):
            places[value.split("-")[0]] += members
        tiers = crowd(connection, now, gone, "tier")
    return Crowd(sum(places.values()), tuple(sorted(places.items())), tuple(tiers), tuple(entries))


def copy_of(home: Home, facts: Facts, subject: str, folders: Sequence[Path]) -> Copy:
    """What a member's copy holds besides the ledger's entries: own records, presence in releases, requests."""
    with home.reading() as ledger:
        acts = ledger.member_acts(facts.stand.position)
    accounts = accounts_of(subject, joins_of(acts))
    mine = tuple(one for one in register(acts).values() if one.subject in accounts)
    by_digest = {_digest(home, path): path for path in folders}
    presence = tuple(
        _presence(home, facts, one.manifest_digest, one.release, accounts, by_digest)
        for one in facts.releases
    )
    erased = tuple(position for position, kind in facts.erased if kind == "member")
    own_erased = erased if any(isinstance(event, Erase) for _, event in facts.known.member(subject)) else ()
    return Copy(
        _own_records(home, accounts), presence, mine, own_erased, _their_recalls(home, facts, accounts)
    )


def _their_recalls(home: Home, facts: Facts, accounts: Sequence[str]) -> frozenset[str] | None:
    """The recalls whose notices name rows of a member; None: what left, or a notice, is not kept here."""
    theirs: dict[str, set[str]] = {}
    found = set()
    for one in facts.recalls:
        if one.release not in theirs:
            rows = holdings.path_of(home, one.release)
            if rows is None:
                return None
            theirs[one.release] = ids_of_parties(rows, list(accounts), limits_of(home))
        if not recalls.path_of(home, one.recall).is_file():
            return None
        if not theirs[one.release].isdisjoint(recalls.ids_of(home, one.recall)):
            found.add(one.recall)
    return frozenset(found)


def _digest(home: Home, path: Path) -> str:
    return _folder(home, path)[0]


def _presence(
    home: Home, facts: Facts, digest: str, release: str, accounts: Sequence[str], folders: dict[str, Path]
) -> Presence:
    """Rows of a member in a release: counted in its folder if that was given, else by a proof of the kept set."""
    if digest in folders:
        manifest = facts.folders[digest][0]
        files = [str(folders[digest] / one.name) for one in manifest.files if one.rows is not None]
        with engine() as connection:
            row = connection.execute(
                "SELECT COUNT(*) FROM read_parquet($files, hive_partitioning = false)"
                " WHERE author IN (SELECT unnest($who::VARCHAR[])) OR list_has_any(addressees, $who::VARCHAR[])",
                {"files": files, "who": list(accounts)},
            ).fetchone()
        return Presence(release, int(row[0]) if row else 0)
    from troth.app import proofs

    rows = 0
    for account in accounts:
        try:
            proof = proofs.prove(home, release, account).proof
        except TrothError:
            return Presence(
                release,
                None,
                "there is no set in which this account could be looked up; name the folder with --release",
            )
        rows += proof.details.rows if proof.details is not None else 0
    return Presence(release, rows)


def _own_records(home: Home, accounts: Sequence[str]) -> tuple[tuple[str, int, int], ...] | None:
    files = [str(one) for one in sorted(home.records_path.glob("*.parquet"))]
    if not files:
        return None
    with engine(home.config.threads, home.config.memory) as connection:
        rows = connection.execute(
            "SELECT category, COUNT(*) FILTER (author IN (SELECT unnest($who::VARCHAR[]))) AS written,"
            " COUNT(*) FILTER (list_has_any(addressees, $who::VARCHAR[])) AS received"
            " FROM read_parquet($files, hive_partitioning = false, union_by_name = true)"
            " GROUP BY category HAVING written + received > 0 ORDER BY category",
            {"files": files, "who": list(accounts)},
        ).fetchall()
    return tuple((str(name), int(written), int(received)) for name, written, received in rows)


# papers


def make(home: Home, kind: str, about: str, as_of: int | None = None, folders: Sequence[Path] = ()) -> Paper:
    """A paper as of a ledger position (None: the head).

    Args:
        home: the home.
        kind: one of KINDS.
        about: the member, model, purpose or release that it is about.
        as_of: the ledger position.
        folders: folders of releases, from which rows are counted.

    Raises:
        BadInput: there is nothing of that name, or a folder is not as it was sealed.
    """
    if kind in OF_MEMBERS:
        return _of_member(home, kind, about, as_of, folders)
    if kind == "croissant":
        return _croissant(home, about, as_of, folders)
    facts = facts_of(home, as_of, (), folders)
    if kind == "art30":
        Use(about, "operator")
        return art30(facts, about, crowd_of(home, facts))
    return OF_MODELS[kind](facts, _model(home, facts, about))


def _of_member(home: Home, kind: str, subject: str, as_of: int | None, folders: Sequence[Path]) -> Paper:
    facts = facts_of(home, as_of, (subject,), folders)
    if not facts.known.member(subject):
        raise BadInput(
            f"the ledger knows no member {subject!r} at position {facts.stand.position}",
            remedy="name the account as records and entries do; see `troth subjects show`",
        )
    if kind.startswith("consent-"):
        return consent.consent_paper(facts, subject, receipt=kind == "consent-receipt")
    copy = copy_of(home, facts, subject, folders)
    if kind == "art15":
        return art15(facts, subject, copy)
    erasures = [position for position, event in facts.known.member(subject) if isinstance(event, Erase)]
    return art19(facts, subject, copy, erasures)


def _model(home: Home, facts: Facts, name: str) -> Trained:
    found = next((one for one in facts.models if one.model == name), None)
    if found is None:
        there = ", ".join(one.model for one in facts.models) or "none"
        raise BadInput(
            f"no training of a model {name!r} is recorded before position {facts.stand.position}",
            remedy=f"models that are: {there}; register one trained elsewhere with `troth models register`",
        )
    from troth.app import models

    try:
        written = models.model_of(home, name).facts
    except TrothError:
        return found
    return replace(found, backend=written.backend, created_at=written.created_at)


def _croissant(home: Home, about: str, as_of: int | None, folders: Sequence[Path]) -> Paper:
    path = Path(about)
    named = [*folders, *([path] if path.is_dir() else [])]
    facts = facts_of(home, as_of, (), named)
    digest = _digest(home, path) if path.is_dir() else None
    wanted = [
        one
        for one in facts.releases
        if one.manifest is not None
        and (one.manifest_digest == digest or (digest is None and one.release == about))
    ]
    if not wanted or wanted[-1].manifest is None:
        raise BadInput(
            f"expected the folder of a release sealed here before position {facts.stand.position}, got {about!r}",
            remedy="list releases with `troth release list`; name the folder",
        )
    return croissant(facts, wanted[-1], wanted[-1].manifest)


# files


@dataclass(frozen=True, slots=True)
class Filed:
    """A paper that was written: its JSON and its files."""

    paper: dict[str, Json]
    files: tuple[Path, ...]


def file(
    paper: dict[str, Json], out: Path, formats: Sequence[str] = FORMATS, before: dict[str, Json] | None = None
) -> Filed:
    """Write a paper into a folder, readable by its owner alone: ``KIND.json`` and so on, each whole or not at all.

    Args:
        paper: the JSON of the paper.
        out: the folder; made if it is not there.
        formats: some of FORMATS; the machine-readable document of a standard is written beside the JSON.
        before: an earlier version, whose differences HTML and PDF show.
    """
    from troth.papers.render import html, pdf

    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = str(paper["paper"])
    made: dict[str, bytes] = {}
    for one in formats:
        match one:
            case "json":
                made[f"{name}.json"] = paper_bytes(paper)
            case "html":
                made[f"{name}.html"] = html(paper, before).encode()
            case _:
                made[f"{name}.pdf"] = pdf(paper, before)
    document = paper.get("document")
    if isinstance(document, dict) and "json" in formats:
        markdown = document.get("markdown")
        if isinstance(markdown, str):
            made[f"{name}.md"] = markdown.encode()
        else:
            text = json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True)
            made[f"{name}.jsonld"] = text.encode() + b"\n"
    for file_name, data in made.items():
        write_private(out / file_name, data)
    return Filed(paper, tuple(out / one for one in made))


def write_private(path: Path, data: bytes) -> None:
    """A file (0600) in place of whatever was there, whole or not at all."""
    making = path.with_name(f".{path.name}.{secrets.token_hex(4)}.making")
    descriptor = os.open(making, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file_:
            file_.write(data)
            file_.flush()
            os.fsync(file_.fileno())
        making.replace(path)
    except BaseException:
        making.unlink(missing_ok=True)
        raise


def earlier(
    home: Home, said: str, kind: str, about: str, folders: Sequence[Path], make_: Callable[..., Paper] = make
) -> dict[str, Json]:
    """The version to compare with: a file, or (a number) the same paper counted at an earlier position.

    Raises:
        BadInput: no such file, or it holds another paper.
    """
    if said.isascii() and said.isdecimal():
        return make_(home, kind, about, int(said), folders).as_json()
    path = Path(said)
    try:
        found = json.loads(_bytes(path))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise BadInput(
            "holds no paper of Troth", place=Place(said), remedy="name the JSON of an earlier version"
        )
    if (found.get("paper"), found.get("about")) != (kind, about):
        raise BadInput(
            f"is the paper {found.get('paper')} about {found.get('about')!r}, not {kind} about {about!r}",
            place=Place(said),
            remedy="compare a paper with an earlier version of itself",
        )
    return found


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file_:
            return file_.read(MAX_ENVELOPE_BYTES)
    except OSError as error:
        raise BadInput(
            f"cannot be read: {error.strerror}", place=Place(str(path)), remedy="check the path"
        ) from None


# requests of members


def requests_of(home: Home, at: int | str | None = None) -> tuple[list[Request], int]:
    """All requests, those due first, and the instant at which they are looked at."""
    with home.reading() as ledger:
        found = register(ledger.member_acts())
    return sorted(
        found.values(), key=lambda one: (one.answered is not None, one.due, one.id)
    ), instant_or_now(at)


def open_request(home: Home, subject: str, kind: str, law: str, at: int | str | None = None) -> Request:
    """Enter a member's request; the clock runs from ``at`` (None: now)."""
    now = instant_or_now(at)
    name = f"q-{format_instant(now)[:10].replace('-', '')}-{secrets.token_hex(3)}"
    return _entered(home, requests.made(name, subject, kind, law, now), name)


def extend_request(home: Home, name: str, reason: str, at: int | str | None = None) -> Request:
    """Enter that more time is taken and the member was told why. Raises BadInput as ``requests.extend``."""
    return _entered(home, requests.extend(_request(home, name), reason, instant_or_now(at)), name)


def answer_request(home: Home, name: str, outcome: str, at: int | str | None = None) -> Request:
    """Enter the answer. Raises BadInput as ``requests.answer``."""
    return _entered(home, requests.answer(_request(home, name), outcome, instant_or_now(at)), name)


def _request(home: Home, name: str) -> Request:
    with home.reading() as ledger:
        found = register(ledger.member_acts()).get(name)
    if found is None:
        raise BadInput(f"there is no request {name!r}", remedy="see `troth requests list`")
    return found


def _entered(home: Home, act: Act, name: str) -> Request:
    home.append([act])
    return _request(home, name)
