"""Sealing: allowed rows in, a signed folder out, all or nothing.

Order: data files and leaves → manifest, signed → everything synced → ``commit``, in which the caller records
the release in the ledger by compare-and-swap → one rename (``folder.Building.publish``).

The rename is the commit point. Before it there is nothing but an unfinished folder, which the next build
removes; after it there is a whole release, every byte of which was durable before. A crash between ``commit``
and rename leaves an entry in the ledger for a release that nobody can have received: the ledger may say too
much, never too little. Building again makes a new one.
"""

from __future__ import annotations

import os
import secrets
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
from securesystemslib.signer import CryptoSigner

from troth.core.errors import Conflict
from troth.core.manifest import File, Manifest, build_statement, check_release_id
from troth.core.rows import ROW_SALT_BYTES
from troth.core.values import Use, format_instant
from troth.core.verify import public_pem
from troth.release.columns import regular
from troth.release.folder import Building, NewFile, building, write_file
from troth.release.layout import KEY, LEAVES, MANIFEST, NOTE, NOTE_TEXT
from troth.release.leaves import row_root, sort_leaves
from troth.release.part import DataFiles, Prepared, prepare
from troth.release.sign import seal_statement


@dataclass(frozen=True, slots=True)
class Facts:
    """What a manifest says besides what sealing itself finds out; instants in microseconds UTC."""

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
    """A finished release; ``manifest_digest`` is the SHA-256 of the signed manifest's file, in hex."""

    path: Path
    manifest: Manifest
    manifest_digest: str


@dataclass(frozen=True, slots=True)
class SealedSet:
    """The set of a release's members: its roots in hex, k, and the file of openings in the folder."""

    set_root: str
    set_bits: int
    directory_root: str
    file: File


Draw: TypeAlias = Callable[[int], bytes]
"""Gives that many random bytes."""

MakeSet: TypeAlias = Callable[[Path, str, Sequence[str], bytes], SealedSet]
"""Takes the unfinished folder, the release's id, the names of the data files and the packed leaves of their rows."""


def seal(  # noqa: PLR0913, PLR0917 - what a release is made of
    batches: Iterable[pa.RecordBatch],
    release: str,
    facts: Callable[[], Facts],
    signer: CryptoSigner,
    out: Path,
    commit: Callable[[Manifest, str], None],
    draw: Draw = secrets.token_bytes,
    make_set: MakeSet | None = None,
) -> Sealed:
    """Seal rows into a folder.

    Args:
        batches: the allowed rows, with the record columns; rows without a ``salt`` get one drawn for this release.
        release: the release's id.
        facts: gives what the manifest says besides; asked once all rows were taken, so that it may count them.
        signer: the operator's.
        out: the folder to make; its mode is 0700.
        commit: called with the manifest and its digest (hex) once everything but the rename is done; what it
            raises undoes the release.
        draw: gives that many random bytes.
        make_set: makes the set of the members; None: the release has none, and nobody can prove anything of it.

    Raises:
        BadInput: ``out`` is there already, or a row cannot be read.
        Conflict: there are not as many rows as ``facts`` say were allowed, or another process builds ``out``.
        Unavailable: storage failed; nothing is left.
    """
    check_release_id(release)
    workers = os.cpu_count() or 1
    # One more thread than there are cores, since one may be waiting for the disk.
    with building(out) as folder, ThreadPoolExecutor(workers + 1) as pool:
        with DataFiles(folder.path, pool) as data:
            for one in prepared(batches, release, draw, pool, workers):
                data.add(one)
            data.end()
        said = facts()
        if data.rows != said.verdicts["allowed"]:
            raise Conflict(
                f"{said.verdicts['allowed']} records were allowed, then {data.rows} were there to be sealed",
                remedy="keep the records as they are while a release is built, and repeat",
            )
        made = (
            make_set(folder.path, release, [one.name for one in data.files], data.leaves())
            if make_set
            else None
        )
        members = pool.submit(data.parties.count)
        sorted_leaves = write_leaves(folder.path, data.leaves(), pool)
        content = Content(
            data.files, *sorted_leaves, rows=data.rows, derived=data.derived, members=members.result()
        )
        data.wait()
        return finish(folder, release, said, content, made, signer, commit)


@dataclass(frozen=True, slots=True)
class Content:
    """The rows of a release, which lie in their files; how many row salts were derived, how many members there are."""

    files: Sequence[File]
    leaves: File
    row_root: bytes
    rows: int
    derived: int
    members: int


def finish(
    folder: Building,
    release: str,
    facts: Facts,
    content: Content,
    made: SealedSet | None,
    signer: CryptoSigner,
    commit: Callable[[Manifest, str], None],
) -> Sealed:
    """Write what lies beside the rows, sign, record and publish: the end of ``seal``, whoever made the rows."""
    manifest = _manifest(folder.path, release, facts, content, public_pem(signer.public_key))
    if made is not None:
        manifest = replace(
            manifest,
            files=(*manifest.files, made.file),
            set_root=made.set_root,
            set_bits=made.set_bits,
            directory_root=made.directory_root,
        )
    envelope = seal_statement(build_statement(manifest), signer)
    write_file(folder.path / MANIFEST, envelope)
    folder.sync()
    digest = sha256(envelope).hexdigest()
    commit(manifest, digest)
    folder.publish()
    return Sealed(folder.out, manifest, digest)


def prepared(
    batches: Iterable[pa.RecordBatch],
    release: str,
    draw: Draw,
    pool: Executor,
    workers: int,
) -> Iterator[Prepared]:
    """The rows in their order, a few batches of them in the works at a time."""
    waiting: deque[Future[Prepared]] = deque()
    for batch in regular(batches):
        foreign = "salt" not in batch.schema.names or batch["salt"].null_count
        drawn = draw(ROW_SALT_BYTES * batch.num_rows) if foreign else b""
        waiting.append(pool.submit(prepare, batch, release, drawn))
        if len(waiting) > workers:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def write_leaves(folder: Path, leaves: bytes, pool: Executor) -> tuple[File, bytes]:
    """Sort packed leaves and write their file; the file, and the root of the row tree."""
    leaves = sort_leaves(leaves)
    with NewFile(folder / LEAVES) as file:
        file.write(leaves)
        synced = pool.submit(file.sync)
        root = row_root(leaves, pool)
        synced.result()
    return File(LEAVES, file.sha256, size=file.size), root


def _manifest(folder: Path, release: str, facts: Facts, content: Content, public_key: bytes) -> Manifest:
    """Write all that lies beside the data files and leaves, but the manifest."""
    note = NOTE_TEXT.format(
        release=release,
        purpose=facts.use.purpose,
        recipient=facts.use.recipient,
        at=format_instant(facts.at),
        settings_as_of=facts.settings_as_of,
        rows=content.rows,
    ).encode()
    (folder / KEY).parent.mkdir()
    write_file(folder / KEY, public_key)
    files = [
        *content.files,
        content.leaves,
        File(NOTE, write_file(folder / NOTE, note), size=len(note)),
    ]
    return Manifest(
        release=release,
        use=facts.use,
        at=facts.at,
        settings_as_of=facts.settings_as_of,
        created_at=facts.created_at,
        engine=facts.engine,
        verdicts=facts.verdicts,
        first_reasons=facts.first_reasons,
        all_reasons=facts.all_reasons,
        any_party_rule_would_allow=facts.any_party_rule_would_allow,
        rows=content.rows,
        members=content.members,
        row_root=content.row_root.hex(),
        row_salts="derived" if content.derived == content.rows else "mixed" if content.derived else "drawn",
        terms=facts.terms,
        inputs=facts.inputs,
        files=tuple(files),
    )
