"""Exposure of a home to a claim, and the bundle that others verify offline."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb

from troth.app import papers
from troth.app.home import Home
from troth.core.entries import Entry, commit, parse_entry
from troth.core.errors import BadInput, Place
from troth.core.findings import Findings
from troth.core.identity import joins_of
from troth.core.merkle import leaf_hash, root
from troth.core.note import decode64, encode64
from troth.core.policy import cosignatures
from troth.core.shape import Shape
from troth.core.values import FIRST_INSTANT, any_covers, canonical, parse_instant
from troth.core.verify import MAX_ENVELOPE_BYTES, read_envelope, signed_by
from troth.core.written import Json
from troth.intake.yaml_files import read_yaml
from troth.papers.claims import Claim, read_claim
from troth.papers.exposure import Basis, Past, count, exposure, notice_list
from troth.papers.facts import Facts, Stated, category
from troth.papers.paper import Paper
from troth.papers.relational import engine, load_attributes, load_people
from troth.release.sign import load_public, load_signer, seal_statement

BUNDLE: Final = "bundle.dsse.json"
PREDICATE: Final = "urn:troth:paper-bundle:v1"
KIND: Final = "bundle"
OPENED: Final = (
    "release",
    "disclosure",
    "recall",
    "training",
    "unlearning",
    "terms",
    "setting",
    "regime",
    "rules",
)
"""Public types whose entries a bundle opens: nothing in them is of one member."""
MAX_ENTRIES: Final = 2_000_000
"""Entries of the log that a bundle lists; of a longer log it says that it does not."""
_SHARES: Final = ("evidence", "confidence")


@dataclass(frozen=True, slots=True)
class Counted:
    """An exposure: the paper, the claim as it was read, and the class-notice list if one was written."""

    paper: Paper
    claim: Path
    notice: Path | None = None
    notified: int = 0


def read_claim_file(path: Path) -> Claim:
    """Read a claim's YAML file.

    Raises:
        BadInput: with file and line.
    """
    documents = read_yaml(path)
    if len(documents) != 1:
        raise BadInput(f"expected one claim, got {len(documents)}", place=Place(str(path)))
    return read_claim(documents[0])


def expose(
    home: Home,
    path: Path,
    *,
    as_of: int | None = None,
    disclosed: Sequence[Path] = (),
    folders: Sequence[Path] = (),
    records: str | None = None,
    notice: Path | None = None,
) -> Counted:
    """Count whom and what a claim would concern.

    Args:
        home: the home.
        path: the claim's file.
        as_of: the ledger position; None: the head.
        disclosed: files (Parquet, CSV, JSON lines) of disclosures from before the ledger: ``record``, ``recipient``,
            ``purpose``, ``at`` (ISO 8601 or microseconds), ``evidence``, ``confidence``.
        folders: folders of releases that were disclosed.
        records: a pattern of Parquet files with the records; None: the home's own.
        notice: a private CSV file to write with whom a class notice would go to.

    Raises:
        BadInput: a file cannot be read.
    """
    claim = read_claim_file(path)
    facts = papers.facts_of(home, as_of, (), folders)
    with home.reading() as ledger:
        began = parse_instant(next(ledger.public(0, 1)).time)
        joins = joins_of(ledger.member_acts(facts.stand.position))
        with engine(home.config.threads, home.config.memory) as connection:
            load_attributes(
                connection,
                ledger.bodies(facts.stand.position),
                ("tier", "jurisdiction") if claim.jurisdictions else ("tier",),
            )
            load_people(connection, [(one.account, one.subject) for one in joins.values()])
            _load_records(home, connection, records)
            past = (
                *(_load_stated(connection, one) for one in facts.stated),
                *(_load_past(connection, one) for one in disclosed),
            )
            missing = _load_handed(connection, facts, claim, folders)
            count(connection, claim)
            basis = Basis(began, past, missing, _witnesses(home, facts))
            paper = exposure(connection, facts, claim, basis)
            written = _write_notice(connection, claim, notice) if notice is not None else 0
    return Counted(paper, path, notice, written)


def _witnesses(home: Home, facts: Facts) -> int:
    """How many witnesses cosigned the published checkpoint, if it covers the paper's position."""
    if home.config.origin is None:
        return 0
    from troth.app import logs

    published = logs.open_log(home).published()
    if published is None or published.checkpoint.size < facts.stand.position:
        return 0
    return len(cosignatures(published.note, logs.policy_of(home)))


# what is counted


def _instants(connection: duckdb.DuckDBPyConnection, source: str, files: list[str], column: str) -> str:
    """SQL of a column as microseconds, be it a timestamp, text in ISO 8601, or a number already."""
    rows = connection.execute(f"DESCRIBE SELECT {column} FROM {source}", [files]).fetchall()  # noqa: S608 - own names
    kind = str(rows[0][1])
    if kind in ("BIGINT", "INTEGER", "HUGEINT", "UBIGINT"):
        return f"{column}::BIGINT"
    return f"epoch_us({column}::TIMESTAMPTZ)"


def _load_records(home: Home, connection: duckdb.DuckDBPyConnection, records: str | None) -> None:
    """Make ``records`` of the home's files or a pattern's: id, category, created_at, author, addressees."""
    import glob

    named = sorted(glob.glob(records)) if records is not None else []  # noqa: PTH207 - also of whole paths
    files = named or [str(one) for one in sorted(home.records_path.glob("*.parquet"))]
    if not files or (records is not None and not named):
        raise BadInput(
            "there are no records to count",
            place=Place(records or str(home.records_path)),
            remedy="import them with `troth import`, or name Parquet files with --records",
        )
    source = "read_parquet(?, hive_partitioning = false, union_by_name = true)"
    try:
        created = _instants(connection, source, files, "created_at")
        connection.execute(
            f"CREATE VIEW every_record AS SELECT * FROM read_parquet({_texts(files)}, hive_partitioning = false,"  # noqa: S608
            " union_by_name = true)"
        )
        connection.execute(
            f"CREATE VIEW records AS SELECT id, category, {created} AS created_at, author,"  # noqa: S608 - own names
            " COALESCE(addressees, []::VARCHAR[]) AS addressees FROM every_record"
        )
    except duckdb.Error as error:
        raise _unreadable(records or str(home.records_path), error) from None


def _texts(values: Sequence[str]) -> str:
    return "[" + ", ".join("'" + one.replace("'", "''") + "'" for one in values) + "]"


def _unreadable(path: str, error: Exception) -> BadInput:
    first = str(error).strip().split("\n")[0]
    return BadInput(
        f"cannot be counted: {first}",
        place=Place(path),
        remedy="expected columns record, recipient, purpose, at, evidence, confidence"
        " (disclosures), or id, category, created_at, author, addressees (records)",
    )


_READERS: Final = {
    ".parquet": "read_parquet(?)",
    ".csv": "read_csv(?, header = true, all_varchar = true)",
    ".jsonl": "read_json(?, format = 'newline_delimited')",
}


def _load_past(connection: duckdb.DuckDBPyConnection, path: Path) -> Past:
    """Add a file of disclosures to ``disclosed``."""
    _make_disclosed(connection)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise BadInput(
            "expected a file of Parquet, CSV or JSON lines", place=Place(str(path)), remedy="name it .parquet, .csv or .jsonl"
        )  # fmt: skip
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        at = _instants(connection, reader, [str(path)], '"at"')
        rows = connection.execute(
            f"INSERT INTO disclosed SELECT record, recipient, purpose, {at} FROM {reader}",  # noqa: S608 - own names
            [[str(path)]],
        ).fetchone()
        shares = [
            tuple(
                str(one)
                for (one,) in connection.execute(
                    f"SELECT DISTINCT {column} FROM {reader} WHERE {column} IS NOT NULL ORDER BY 1",  # noqa: S608
                    [[str(path)]],
                ).fetchall()
            )
            for column in _SHARES
        ]
    except OSError as error:
        raise BadInput(
            f"cannot be read: {error.strerror}", place=Place(str(path)), remedy="check the path"
        ) from None
    except duckdb.Error as error:
        raise _unreadable(str(path), error) from None
    return Past(path.name, digest, int(rows[0]) if rows else 0, shares[0], shares[1])


def _load_stated(connection: duckdb.DuckDBPyConnection, one: Stated) -> Past:
    """Add what an imported row of the past stands for: every record of its categories written in its time.

    A record of unknown time counts too: nobody can say that it was not among them.
    """
    _make_disclosed(connection)
    there = [str(name) for (name,) in connection.execute("SELECT DISTINCT category FROM records").fetchall()]
    rows = connection.execute(
        "INSERT INTO disclosed SELECT id, $to, $purpose, $at::BIGINT FROM records"
        " WHERE category IN (SELECT unnest($categories::VARCHAR[]))"
        " AND (created_at IS NULL OR (created_at <= $at::BIGINT AND created_at >= $since::BIGINT))",
        {
            "to": one.recipient,
            "purpose": one.purpose,
            "at": one.when,
            "since": one.since if one.since is not None else FIRST_INSTANT,
            "categories": [name for name in there if any_covers(one.categories, name)],
        },
    ).fetchone()
    said = f"entry {one.entry} of the ledger: every record of {', '.join(map(category, one.categories))} written by then"
    return Past(
        said, "in the ledger", int(rows[0]) if rows else 0, (one.evidence,), (one.confidence,), one.entry
    )


def _make_disclosed(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "CREATE TABLE IF NOT EXISTS disclosed (record VARCHAR, recipient VARCHAR, purpose VARCHAR, given_at BIGINT)"
    )


def _load_handed(
    connection: duckdb.DuckDBPyConnection, facts: Facts, claim: Claim, folders: Sequence[Path]
) -> tuple[tuple[str, str], ...]:
    """Add the rows of releases that the ledger says were disclosed; what is missing: (release, why)."""
    _make_disclosed(connection)
    there = {facts.folders[digest][0].release: (path, facts.folders[digest][0]) for digest, path in zip(facts.folders, folders, strict=False)}  # fmt: skip
    missing: dict[str, str] = {}
    for one in facts.disclosures:
        wanted = any_covers(claim.recipients, one.recipient) and one.at < claim.before
        if not wanted or one.release not in facts.by_release:
            continue
        if one.release not in there:
            missing[one.release] = (
                "its folder was not named with --release, so whose rows were disclosed was not counted"
            )
            continue
        path, manifest = there[one.release]
        files = [str(path / file.name) for file in manifest.files if file.rows is not None]
        purpose = facts.by_release[one.release].use.purpose
        connection.execute(
            "INSERT INTO disclosed SELECT id, $to, $purpose, $at::BIGINT FROM read_parquet($files, hive_partitioning = false)",
            {"to": one.recipient, "purpose": purpose, "at": one.at, "files": files},
        )
    return tuple(sorted(missing.items()))


def _write_notice(connection: duckdb.DuckDBPyConnection, claim: Claim, path: Path) -> int:
    """Write whom a class notice would go to, readable by its owner alone; how many they are."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("member", "first_disclosed_at", "records", "readings"))
    written = 0
    for row in notice_list(connection, claim):
        writer.writerow(row)
        written += 1
    papers.write_private(path, text.getvalue().encode())
    return written


# the bundle


def bundle(
    home: Home, counted: Counted, out: Path, formats: Sequence[str] = papers.FORMATS
) -> tuple[Path, ...]:
    """Write a paper with all that others need to verify it offline into a new folder, whole or not at all.

    In it: the paper; the claim; every public entry of the log up to the paper's position (``entries.jsonl``); what each
    entry of OPENED says, with the salt that opens its commitment (``opened.jsonl``); the published checkpoint; and
    ``bundle.dsse.json``, which the operator signs and which names the digest of each file.

    Raises:
        BadInput: the folder is there already.
    """
    if out.exists():
        raise BadInput("is there already", place=Place(str(out)), remedy="name a new folder with --out")
    making = out.with_name(f".{out.name}.{secrets.token_hex(4)}.making")
    try:
        papers.file(counted.paper.as_json(), making, formats)
        papers.write_private(making / "claim.yaml", counted.claim.read_bytes())
        stand = counted.paper.stand
        listed = stand.position <= MAX_ENTRIES
        with home.reading() as ledger:
            if listed:
                lines = "".join(json.dumps([one.type, one.time, encode64(one.commitment)]) + "\n" for one in ledger.public(0, stand.position))  # fmt: skip
                papers.write_private(making / "entries.jsonl", lines.encode())
            kinds = [
                (position, one.type)
                for position, one in enumerate(ledger.public(0, stand.position))
                if one.type in OPENED
            ]
            opened = "".join(_opened(position, kind, ledger.opening(position)) for position, kind in kinds)
        papers.write_private(making / "opened.jsonl", opened.encode())
        _put_log(home, making, stand.position)
        papers.write_private(making / "operator.pub", home.public_key_path.read_bytes())
        names = sorted(one.name for one in making.iterdir())
        statement = canonical(
            {
                "_type": "https://in-toto.io/Statement/v1",
                "subject": [{"name": one, "digest": {"sha256": _digest(making / one)}} for one in names],
                "predicateType": PREDICATE,
                "predicate": {
                    "paper": counted.paper.kind,
                    "about": counted.paper.about,
                    "ledger": stand.as_json(),
                    "log_listed": listed,
                },
            }
        )
        papers.write_private(making / BUNDLE, seal_statement(statement, load_signer(home.key_path)))
        making.rename(out)
    except BaseException:
        shutil.rmtree(making, ignore_errors=True)
        raise
    return tuple(sorted(out.iterdir()))


def _opened(position: int, kind: str, opening: tuple[bytes, bytes] | None) -> str:
    said: dict[str, Json] = {"position": position, "type": kind, "salt": None, "body": None}
    if opening is not None:
        salt, body = opening
        said |= {"salt": base64.b64encode(salt).decode(), "body": base64.b64encode(body).decode()}
    return json.dumps(said) + "\n"


def _put_log(home: Home, making: Path, position: int) -> None:
    """The published checkpoint, if it is of just this position, and the log's verifier key."""
    if home.config.origin is None:
        return
    from troth.app import logs

    log = logs.open_log(home)
    papers.write_private(making / "log.vkey", "".join(f"{key}\n" for key in log.keys[:1]).encode())
    published = log.published()
    if published is not None and published.checkpoint.size == position:
        papers.write_private(making / "checkpoint", published.note.write())


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# verifying


def takes(path: Path) -> bool:
    """Whether a path seems to be a bundle."""
    return path.is_dir() and (path / BUNDLE).is_file()


def verify(path: Path, keys: Sequence[Path], trust: Path | None = None) -> Findings:
    """Check a bundle offline: signature, files, the log's entries against the checkpoint, what was opened, the figures of zero.

    Args:
        path: the folder.
        keys: the operator's public keys, had from elsewhere; none: the one in the bundle, with a warning.
        trust: a trust policy or verifier key for the checkpoint; None: the key in the bundle, with a warning.
    """
    findings = Findings(KIND)
    try:
        _verify(path, keys, trust, findings)
    except (BadInput, OSError, ValueError, KeyError, TypeError) as error:
        findings.error(f"cannot be read: {error}", path.name)
    return findings


def _verify(path: Path, keys: Sequence[Path], trust: Path | None, findings: Findings) -> None:
    envelope = read_envelope(_read(path / BUNDLE), BUNDLE)
    trusted = [load_public(one) for one in (keys or [path / "operator.pub"])]
    if not keys:
        findings.warning(
            "the signature was checked with the key in the bundle; name the operator's with --key",
            "operator.pub",
        )
    if not signed_by(envelope, trusted):
        findings.error("no trusted key has signed this bundle", BUNDLE)
        return
    statement = json.loads(envelope.payload)
    if statement.get("predicateType") != PREDICATE:
        findings.error("is signed, but no bundle of a paper", BUNDLE)
        return
    named = {one["name"]: one["digest"]["sha256"] for one in statement["subject"]}
    for name, digest in named.items():
        if "/" in name or name.startswith(".") or not (path / name).is_file() or (path / name).is_symlink():
            findings.error("is missing, or no plain file", name)
        elif _digest(path / name) != digest:
            findings.error("was altered: its digest is not the one that was signed", name)
    for extra in sorted({one.name for one in path.iterdir()} - set(named) - {BUNDLE}):
        findings.warning("is not part of the bundle", extra)
    if not findings.ok:
        return
    paper = json.loads(_read(path / f"{statement['predicate']['paper']}.json"))
    if paper["ledger"] != statement["predicate"]["ledger"]:
        findings.error("is of another ledger position than was signed", "the paper")
    findings.info(f"signed by the operator: {paper['title']}", BUNDLE)
    _verify_log(path, paper, trust, findings, listed=bool(statement["predicate"]["log_listed"]))


def _verify_log(
    path: Path, paper: dict[str, Any], trust: Path | None, findings: Findings, *, listed: bool
) -> None:
    ledger = Shape(paper["ledger"], "the paper")
    checkpoint = ledger.need("checkpoint")
    size, wanted = checkpoint.need("size").as_count(), decode64(checkpoint.need("root").as_text())
    if not listed:
        findings.warning(
            "the log's entries are too many to be listed in the bundle: completeness was not checked"
        )
        return
    entries = list(_entries(_read(path / "entries.jsonl", 512 * 1024 * 1024)))
    if len(entries) != size or root(leaf_hash(one) for one in entries) != wanted:
        findings.error("are not the entries of the paper's checkpoint", "entries.jsonl")
        return
    findings.info(f"{size:,} entries make the root of the checkpoint", "entries.jsonl")
    _verify_checkpoint(path, size, wanted, trust, findings)
    _verify_opened(path, [parse_entry(one) for one in entries], paper, findings)


def _entries(data: bytes) -> Iterator[bytes]:
    for line in data.splitlines():
        kind, time, commitment = json.loads(line)
        yield f"troth/entry/v1\n{kind}\n{time}\n{commitment}\n".encode()


def _verify_checkpoint(path: Path, size: int, wanted: bytes, trust: Path | None, findings: Findings) -> None:
    from troth.app import logs
    from troth.core.checkpoint import parse_checkpoint
    from troth.core.note import parse_note

    if not (path / "checkpoint").is_file():
        findings.warning(
            "the log had published no checkpoint of just this position: whether it is public is not shown"
        )
        return
    if trust is None:
        findings.warning(
            "the checkpoint was checked with the log's key in the bundle; name one with --policy", "log.vkey"
        )
    for one in logs.verify(path / "checkpoint", trust or path / "log.vkey").findings:
        findings.findings.append(one)
    found = parse_checkpoint(parse_note(_read(path / "checkpoint")).text)
    if (found.size, found.root) != (size, wanted):
        findings.error("is not that of the paper", "checkpoint")


def _verify_opened(path: Path, entries: list[Entry], paper: dict[str, Any], findings: Findings) -> None:
    acts: list[tuple[int, dict[str, Json]]] = []
    seen = set()
    for line in _read(path / "opened.jsonl", 512 * 1024 * 1024).splitlines():
        said = json.loads(line)
        position = said["position"]
        seen.add(position)
        if said["body"] is None:
            findings.warning("its body was erased", f"entry {position}")
            continue
        salt, body = base64.b64decode(said["salt"]), base64.b64decode(said["body"])
        if commit(salt, body) != entries[position].commitment or entries[position].type != said["type"]:
            findings.error("was opened to something else than was committed to", f"entry {position}")
        elif said["type"] == "release":
            acts.append((position, json.loads(body)["act"]))
    left_out = [at for at, one in enumerate(entries) if one.type in OPENED and at not in seen]
    for position in left_out:
        findings.error(
            "was not opened, though the paper claims to have counted all of its type", f"entry {position}"
        )
    if findings.ok:
        findings.info(
            f"{len(seen):,} entries open to what they commit to; none of their types is left out",
            "opened.jsonl",
        )
        _verify_zero(path, acts, paper, findings)


def _verify_zero(
    path: Path, acts: list[tuple[int, dict[str, Json]]], paper: dict[str, Any], findings: Findings
) -> None:
    """Count the releases for the claim's recipients and purposes anew."""
    if paper["paper"] != "exposure":
        return
    claim = read_claim_file(path / "claim.yaml")
    counted = [
        position
        for position, act in acts
        if "manifest" in act
        and any_covers(claim.recipients, str(act["recipient"]))
        and any_covers(claim.purposes, str(act["purpose"]))
    ]
    stated = [
        row[-1]
        for section in paper["sections"]
        for one in section["fields"]
        if one["key"] == "zero.releases"
        for row in one["table"]["rows"]
    ]
    if counted != stated:
        findings.error(f"names the release entries {stated}, the log holds {counted}", "zero.releases")
    else:
        findings.info(
            f"{len(counted)} releases for such recipients and purposes stand in the log, as the paper says",
            "zero.releases",
        )


def _read(path: Path, limit: int = MAX_ENVELOPE_BYTES) -> bytes:
    with path.open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise BadInput(f"is larger than {limit} bytes", place=Place(os.fspath(path)))
    return data
