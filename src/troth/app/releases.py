"""Releases: built from a gate, recorded in the ledger, listed, compared, checked."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc

from troth.app import lineage, longruns, membersets, outside
from troth.app.decisions import (
    HomeGate,
    Progress,
    at_one_version,
    files_of,
    is_on_spark,
    numbered,
    open_gate,
    stamps_of,
)
from troth.app.home import Home
from troth.app.resuming import Settings
from troth.core.entries import Act
from troth.core.errors import BadInput, Conflict, Place, Refused
from troth.core.findings import Findings
from troth.core.manifest import File, Manifest
from troth.core.rows import FIELDS
from troth.core.values import Use, format_instant
from troth.core.written import Json
from troth.gate import duck
from troth.gate.gate import TALLIED, Source, Summary, Tally
from troth.gate.tables import Pinned
from troth.ledger.store import Ledger, clock
from troth.release.check import KIND, read_manifest, verify_release
from troth.release.columns import BATCH_ROWS
from troth.release.pieces import seal_pieces
from troth.release.seal import Facts, Sealed, seal
from troth.release.sign import load_public, load_signer

_TRIES = 5
_ANSWERS = 1 << 17  # rows of a batch of answers without bodies


@dataclass(frozen=True, slots=True)
class Built:
    """A release that was built, and the position of its entry in the ledger."""

    sealed: Sealed
    entry: int

    def as_json(self) -> dict[str, Json]:
        """The JSON of ``troth release build``."""
        manifest = self.sealed.manifest
        return {
            "release": manifest.release,
            "path": str(self.sealed.path),
            "rows": manifest.rows,
            "members": manifest.members,
            "position": manifest.settings_as_of,
            "at": format_instant(manifest.at),
            "row_root": manifest.row_root,
            "set_root": manifest.set_root,
            "manifest_digest": self.sealed.manifest_digest,
            "entry": self.entry,
            "counts": counts_of(manifest),
        }


def counts_of(manifest: Manifest) -> dict[str, Json]:
    """The counts of a manifest by verdict and reason."""
    return {
        "verdicts": dict(manifest.verdicts),
        "first_reasons": dict(manifest.first_reasons),
        "all_reasons": dict(manifest.all_reasons),
        "any_party_rule_would_allow": manifest.any_party_rule_would_allow,
    }


def build(  # noqa: PLR0913 - the options of one command, all by keyword
    home: Home,
    use: Use,
    out: Path,
    *,
    at: int | str | None = None,
    as_of: int | None = None,
    source: Source | None = None,
    name: str | None = None,
    left_out: Path | None = None,
    progress: Progress | None = None,
    with_set: bool = True,
    work: Settings | None = None,
) -> Built:
    """Build a sealed release of the records that a use may have.

    Args:
        home: the home.
        use: purpose and recipient.
        out: the folder to make.
        at: T; None: now.
        as_of: the ledger position n to honour; None: the head, and building restarts if it moves meanwhile.
        source: the records; None: the home's own.
        name: the release's id; None: one is drawn.
        left_out: a private Parquet file to write with the records that stay out, and why.
        progress: told how many members were folded, and of how many.
        with_set: also commit to the set of members, so that each can prove to be in it or not.
        work: build part by part in a work folder, and go on with what a killed build left there; of Parquet
            files or the home's own records.

    Raises:
        Refused: nothing is allowed.
        Conflict: settings changed at every try.
        BadInput: the records cannot be read, or ``out`` is there already.
    """
    common: dict[str, Any] = {
        "source": source,
        "left_out": left_out,
        "pinned": as_of is not None,
        "with_set": with_set,
    }
    for _ in range(_TRIES):
        try:
            if work is None:
                gate = open_gate(home, use, at, as_of, progress)
                return build_from(home, gate, out, name=name, **common)
            named = longruns.Named(at, as_of, name)
            files = longruns.named_files(source)
            with longruns.opened(home, use, files, work, named, progress, new_name()) as run:
                built = build_from(home, run.gate, out, name=run.release, run=run, **common)
                run.work.end()
                return built
        except Conflict:
            continue
    raise Conflict(
        f"settings or records changed while the release was built, {_TRIES} times",
        remedy="build for a fixed position with --as-of N, later entries are then not claimed to be honoured;"
        " and let the records rest meanwhile",
    )


def build_from(  # noqa: PLR0913 - the options of one command, all by keyword
    home: Home,
    gate: HomeGate,
    out: Path,
    *,
    source: Source | None = None,
    name: str | None = None,
    left_out: Path | None = None,
    pinned: bool = True,
    with_set: bool = True,
    run: longruns.Opened | None = None,
) -> Built:
    """Build a release from a gate that is open already, or from a run that is; see ``build``.

    Raises:
        Conflict: not ``pinned``, and an entry that could change a verdict came after the gate was opened.
    """
    if out.exists():
        raise BadInput("is there already", place=Place(str(out)), remedy="name a new folder with --out")
    if left_out is not None and out.absolute() in left_out.absolute().parents:
        raise BadInput(
            "would lie in the release, which others get",
            place=Place(str(left_out)),
            remedy="name another place",
        )
    release = name or new_name()
    source = at_one_version(home, source)
    with lineage.deciding(gate, "release", source) as told:
        built = _build(
            home, gate, out, (release, source, left_out), pinned=pinned, with_set=with_set, run=run
        )
        manifest = built.sealed.manifest
        told.counted(manifest.verdicts, manifest.first_reasons)
        told.made(
            lineage.of_release(manifest.release),
            release=manifest.release,
            manifest=built.sealed.manifest_digest,
            rows=manifest.rows,
            members=manifest.members,
            rowRoot=manifest.row_root,
            setRoot=manifest.set_root,
        )
    return built


def _build(
    home: Home,
    gate: HomeGate,
    out: Path,
    asked: tuple[str, Source | None, Path | None],
    *,
    pinned: bool,
    with_set: bool,
    run: longruns.Opened | None,
) -> Built:
    release, source, left_out = asked
    recorded: list[int] = []
    before = stamps_of(home, source)

    def commit(manifest: Manifest, digest: str) -> None:
        if stamps_of(home, source) != before:
            raise Conflict("the records changed while the release was built", remedy="repeat")
        if isinstance(source, Pinned):
            source.check()
        if left_out is not None:
            outside.write_left_out(gate.decide(source), left_out)
        recorded.append(_record(home, manifest, digest, pinned))

    with (
        ThreadPoolExecutor(1) as digester,
        membersets.making(home, gate, release, with_set=with_set) as making,
    ):
        inputs = digester.submit(_inputs, home, source)
        tally = Tally()
        made = None
        if run is not None:
            made = longruns.make_pieces(home, run, longruns.named_files(source), tally)
        if is_on_spark(home, source):
            from troth.app import clusters

            rows = None if made is None else partial(longruns.spread_content, made)
            sealed = clusters.seal(
                home,
                gate,
                clusters.Asked(passing(gate.decide(source)), release, out, tally, rows),
                lambda: _facts(gate, _something(tally.summary()), inputs, "pyspark"),
                making,
                commit,
            )
        elif made is not None:
            sealed = seal_pieces(
                made,
                release,
                lambda: _facts(gate, _something(tally.summary()), inputs),
                load_signer(home.key_path),
                out,
                commit,
                make_set=making.make if making else None,
            )
        else:
            sealed = seal(
                _allowed(home, gate, source, tally),
                release,
                lambda: _facts(gate, _something(tally.summary()), inputs),
                load_signer(home.key_path),
                out,
                commit,
                make_set=making.make if making else None,
            )
        if making:
            making.publish(out)
    return Built(sealed, recorded[0])


def _something(summary: Summary) -> Summary:
    """Refuse to seal nothing."""
    if not summary.verdicts["allowed"]:
        raise Refused(
            f"nothing of {summary.records:,} records is allowed for this use; no release was made",
            remedy="see why with `troth decide --summary`",
        )
    return summary


def new_name() -> str:
    """An id for a release that was given none."""
    return f"r-{datetime.fromtimestamp(clock() / 1e6, UTC):%Y%m%d}-{secrets.token_hex(4)}"


def _facts(gate: HomeGate, summary: Summary, inputs: Future[Sequence[File]], engine: str = "duckdb") -> Facts:
    question = gate.question
    return Facts(
        use=question.use,
        at=question.at,
        settings_as_of=question.position,
        created_at=clock(),
        engine={"name": engine.removeprefix("py"), "version": version(engine), "troth": version("troth")},
        verdicts=summary.verdicts,
        first_reasons=summary.first_reasons,
        all_reasons=summary.all_reasons,
        any_party_rule_would_allow=summary.any_party_rule_would_allow,
        terms=gate.terms,
        inputs=tuple(inputs.result()),
    )


def _inputs(home: Home, source: Source | None) -> Sequence[File]:
    return source.inputs() if isinstance(source, Pinned) else [_file(path) for path in files_of(home, source)]


def _file(path: Path) -> File:
    with path.open("rb") as file:
        return File(path.name, hashlib.file_digest(file, "sha256").hexdigest())


def _allowed(home: Home, gate: HomeGate, source: Source | None, tally: Tally) -> Iterator[pa.RecordBatch]:
    """The allowed rows with the columns that a release holds; every record is counted."""
    records = numbered(home, source, [*FIELDS, "salt", "deleted_at"])
    if records is None:
        return _in_one_pass(gate, source, tally)
    return in_two_passes(records, gate.decide_alike(records, source), tally)


def in_two_passes(records: ir.Table, decided: ir.Table, tally: Tally) -> Iterator[pa.RecordBatch]:
    """Decide by the narrow columns, then fetch bodies of the allowed rows alone.

    Carrying the bodies of all records through the joins would cost more than reading the files twice. If a
    file changes between the passes, the build is given up (see ``stamps_of``).
    """
    places = []
    for batch in duck.batches(decided.select(*TALLIED, duck.PLACE), _ANSWERS):
        tally.add_batch(batch)
        places.append(pc.filter(batch[duck.PLACE], pc.equal(batch["code"], 0)))
    allowed = ibis.memtable(pa.table([pa.chunked_array(places, pa.int64())], names=[duck.PLACE]))
    rows = records.semi_join(allowed, duck.PLACE)
    yield from duck.batches(rows.select(**_columns(rows)), BATCH_ROWS)


def _in_one_pass(gate: HomeGate, source: Source | None, tally: Tally) -> Iterator[pa.RecordBatch]:
    """Of any other table, which might give other rows when asked again: of what stays out only codes leave it."""
    table = passing(gate.decide(source))
    columns = [name for name in table.columns if name not in TALLIED]
    for batch in duck.batches(table, BATCH_ROWS):
        tally.add_batch(batch)
        yield batch.filter(pc.equal(batch["code"], 0)).select(columns)


def passing(decided: ir.Table) -> ir.Table:
    """What is counted of every record, and what a release holds of the allowed ones."""
    allowed = decided.code == 0
    return decided.select(
        *TALLIED,
        **{
            name: ibis.ifelse(allowed, column, ibis.null(column.type()))
            for name, column in _columns(decided).items()
        },
    )


def _columns(table: ir.Table) -> dict[str, ir.Value]:
    kinds = {"created_at": "int64", "addressees": "array<string>", "topics": "array<string>"}
    columns = {
        name: table[name] if name in table.columns else ibis.null(kinds.get(name, "string"))
        for name in FIELDS
    }
    return columns | ({"salt": table["salt"]} if "salt" in table.columns else {})


def _record(home: Home, manifest: Manifest, digest: str, pinned: bool) -> int:
    """Append the release's entry, if nothing that could change a verdict was appended since."""
    act = Act(
        "release",
        {
            "release": manifest.release,
            "manifest": digest,
            "purpose": manifest.use.purpose,
            "recipient": manifest.use.recipient,
            "at": format_instant(manifest.at),
            "settings_as_of": manifest.settings_as_of,
            "rows": manifest.rows,
            "members": manifest.members,
            "row_root": manifest.row_root,
            "set_root": manifest.set_root,
            "directory_root": manifest.directory_root,
        },
    )
    with home.writing() as ledger:
        head = ledger.size
        if not pinned and has_moved(ledger, manifest.settings_as_of):
            raise Conflict("settings changed while the release was built")
        return ledger.append([act], expected=head)[0].position


def has_moved(ledger: Ledger, position: int) -> bool:
    """Whether an entry from a position on could change a verdict."""
    # An act that concerns a member joins accounts, or undoes that.
    return any(not isinstance(one.what, Act) or one.what.type == "member" for one in ledger.entries(position))


def verify(path: Path, keys: Sequence[Path] | None = None) -> Findings:
    """Check a release folder or a certificate offline, with public key files or (None) the key that lies with it."""
    if path.is_file():
        from troth.app import certificates

        return certificates.verify(path, keys)
    trusted = [load_public(key) for key in keys] if keys else None
    return verify_release(path, trusted)


def listed(home: Home) -> list[tuple[int, dict[str, Json]]]:
    """The releases that the ledger knows: entry position and details."""
    with home.reading() as ledger:
        return [(position, act.details) for position, act in ledger.acts("release")]


def manifest_of(path: Path) -> Manifest:
    """The signed manifest of a release folder, its rows unchecked.

    Raises:
        BadInput: there is none, or its signature does not hold.
    """
    findings = Findings(KIND)
    manifest = read_manifest(path, None, findings)
    if manifest is None:
        first = findings.findings[0]
        place = path if first.where in (None, str(path)) else path / str(first.where)
        raise BadInput(first.what, place=Place(str(place)), remedy="name the folder of a sealed release")
    return manifest


@dataclass(frozen=True, slots=True)
class Compared:
    """How two releases differ."""

    before: Manifest
    after: Manifest
    added: int
    removed: int
    kept: int

    def as_json(self) -> dict[str, Json]:
        """Plain JSON values."""
        one, other = self.before, self.after
        return {
            "releases": [one.release, other.release],
            "purpose": [one.use.purpose, other.use.purpose],
            "recipient": [one.use.recipient, other.use.recipient],
            "at": [format_instant(one.at), format_instant(other.at)],
            "position": [one.settings_as_of, other.settings_as_of],
            "rows": [one.rows, other.rows],
            "members": [one.members, other.members],
            "verdicts": [dict(one.verdicts), dict(other.verdicts)],
            "first_reasons": [dict(one.first_reasons), dict(other.first_reasons)],
            "records_added": self.added,
            "records_removed": self.removed,
            "records_kept": self.kept,
        }


def compare(before: Path, after: Path) -> Compared:
    """Compare two release folders: what was asked, and which records came and went.

    Raises:
        BadInput: one is not a sealed release.
    """
    old, new = manifest_of(before), manifest_of(after)
    left, right = (
        duck.read_parquet([path / file.name for file in manifest.files if file.rows is not None])
        .select("id")
        .distinct()
        for path, manifest in ((before, old), (after, new))
    )
    kept = int(left.semi_join(right, "id").count().to_pyarrow().as_py())
    sizes = [int(table.count().to_pyarrow().as_py()) for table in (left, right)]
    return Compared(old, new, added=sizes[1] - kept, removed=sizes[0] - kept, kept=kept)
