"""Sealing: allowed rows in, a signed folder out, all or nothing.

The order is: data files and leaves (synced) → manifest, signed → ``commit``, in which the caller records
the release in the ledger by compare-and-swap → one rename. The rename is what makes the folder a release:
before it there is only a hidden folder beside it, which the next build removes. A crash between commit and
rename leaves an entry in the ledger for a release that nobody can have received; building again makes a
new one.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

import pyarrow as pa
from securesystemslib.signer import Signer

from troth.core.errors import BadInput, Place
from troth.core.manifest import File, Manifest, build_statement
from troth.core.merkle import packed_root
from troth.core.rows import ROW_SALT_BYTES
from troth.core.values import Use, format_instant
from troth.release.columns import Parties, regular
from troth.release.leaves import sort_leaves
from troth.release.part import HashingFile, Part, Written
from troth.release.sign import seal_statement

MANIFEST: Final = "manifest.dsse.json"
LEAVES: Final = "leaves.bin"
KEY: Final = "keys/operator.pub"
NOTE: Final = "README.txt"
PART_ROWS: Final = 2_000_000

_NOTE_TEXT: Final = """\
This folder is a sealed release of training data, made by Troth.

Use:        {purpose} by {recipient}
Asked for:  {at}, with the ledger's first {settings_as_of} entries
Rows:       {rows}

data/                  the rows, as Parquet
leaves.bin             one hash per row, sorted; the tree over them has the root that the manifest names
manifest.dsse.json     what was asked, counted and sealed, signed by the operator
keys/operator.pub      the operator's public key; make sure from elsewhere that it is theirs

Check it, offline:     troth verify .
Load it in Python:     troth.load("."), which refuses a folder in which anything was altered

Only this use is allowed. A member of whom rows are here may withdraw; the operator will tell.
"""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a manifest says besides what sealing itself finds out; instants in microseconds UTC."""

    release: str
    use: Use
    at: int
    settings_as_of: int
    created_at: int
    engine: dict[str, str]
    verdicts: dict[str, int]
    first_reasons: dict[str, int]
    all_reasons: dict[str, int]
    any_party_rule_would_allow: int
    terms: tuple[tuple[str, str], ...]
    inputs: tuple[File, ...]


@dataclass(frozen=True, slots=True)
class Sealed:
    """A finished release."""

    path: Path
    manifest: Manifest
    manifest_digest: str


def seal(
    batches: Iterable[pa.RecordBatch],
    facts: Facts,
    signer: Signer,
    public_key: str,
    out: Path,
    commit: Callable[[Manifest, str], None],
    draw: Callable[[int], bytes] = secrets.token_bytes,
) -> Sealed:
    """Seal rows into a folder.

    Args:
        batches: the allowed rows, with the record columns; rows without a ``salt`` get one drawn for this release.
        facts: what the manifest says besides.
        signer: the operator's.
        public_key: PEM text of the operator's public key.
        out: the folder to make.
        commit: called with the manifest and its digest (hex) once everything but the rename is done; what it
            raises undoes the release.
        draw: gives that many random bytes.

    Raises:
        BadInput: ``out`` is there already, or a row cannot be read.
        OSError: storage failed; nothing is left.
    """
    if out.exists():
        raise BadInput("is there already", place=Place(str(out)), remedy="name a new folder with --out")
    parent = out.absolute().parent
    parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(out)
    making = parent / f".{out.name}.{secrets.token_hex(4)}.sealing"
    making.mkdir(mode=0o755)
    try:
        manifest = _fill(making, batches, facts, draw)
        envelope = seal_statement(build_statement(manifest), signer)
        digest = sha256(envelope).hexdigest()
        _write(making / KEY, public_key.encode())
        _write(making / MANIFEST, envelope)
        for folder in (making / "data", making / "keys", making):
            _sync(folder)
        commit(manifest, digest)
        # The commit point: from here on the folder is a release.
        making.rename(out)
    except BaseException:
        shutil.rmtree(making, ignore_errors=True)
        raise
    _sync(parent)
    return Sealed(out, manifest, digest)


def remove_leftovers(out: Path) -> None:
    """Remove what killed builds of the same folder left behind."""
    for leftover in out.absolute().parent.glob(f".{out.name}.*.sealing"):
        shutil.rmtree(leftover, ignore_errors=True)


def _fill(
    folder: Path, batches: Iterable[pa.RecordBatch], facts: Facts, draw: Callable[[int], bytes]
) -> Manifest:
    parties = Parties()
    parts: list[tuple[str, Written]] = []
    (folder / "data").mkdir()
    for name, written in _write_parts(folder, batches, facts.release, draw):
        parties.add_names(written.parties)
        parts.append((name, written))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        root, leaves = _write_leaves(folder / LEAVES, [written for _, written in parts], pool)
    rows = sum(written.rows for _, written in parts)
    derived = sum(written.derived for _, written in parts)
    note = _NOTE_TEXT.format(
        purpose=facts.use.purpose,
        recipient=facts.use.recipient,
        at=format_instant(facts.at),
        settings_as_of=facts.settings_as_of,
        rows=rows,
    ).encode()
    _write(folder / NOTE, note)
    files = [File(name, written.sha256, written.rows) for name, written in parts]
    files += [File(LEAVES, leaves), File(NOTE, sha256(note).hexdigest())]
    return Manifest(
        release=facts.release,
        use=facts.use,
        at=facts.at,
        settings_as_of=facts.settings_as_of,
        created_at=facts.created_at,
        engine=facts.engine,
        verdicts=facts.verdicts,
        first_reasons=facts.first_reasons,
        all_reasons=facts.all_reasons,
        any_party_rule_would_allow=facts.any_party_rule_would_allow,
        rows=rows,
        members=len(parties.names()),
        row_root=root,
        row_salts="derived" if derived == rows else "drawn" if derived == 0 else "mixed",
        terms=facts.terms,
        inputs=facts.inputs,
        files=tuple(files),
    )


def _write_parts(
    folder: Path, batches: Iterable[pa.RecordBatch], release: str, draw: Callable[[int], bytes]
) -> Iterator[tuple[str, Written]]:
    part: Part | None = None
    name, rows, number = "", 0, 0
    for batch in regular(batches):
        if part is None:
            name = f"data/part-{number:05}.parquet"
            part, rows, number = Part(folder / name, release), 0, number + 1
        foreign = "salt" not in batch.schema.names or batch["salt"].null_count
        part.add(batch, draw(ROW_SALT_BYTES * batch.num_rows) if foreign else b"")
        rows += batch.num_rows
        if rows >= PART_ROWS:
            yield name, part.close()
            part = None
    if part is not None:
        yield name, part.close()


def _write_leaves(path: Path, parts: list[Written], pool: ThreadPoolExecutor) -> tuple[str, str]:
    """Write the sorted leaves; the root and the file's digest, in hex."""
    joined = b"".join(sort_leaves(b"".join(part.leaves for part in parts), pool))
    file = HashingFile(path)
    file.write(joined)
    file.sync()
    file.close()
    return packed_root(joined).hex(), file.sha256


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    for path in [*folder.glob("*.parquet"), folder]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
