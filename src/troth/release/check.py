"""Checking a release offline: everything is said as findings, nothing is raised about what is found.

Files are read inside the folder only: names come from the signed manifest, and links are not followed.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
from securesystemslib.signer import SSlibKey

from troth.core.errors import BadInput
from troth.core.findings import Findings
from troth.core.manifest import MAX_ENVELOPE_BYTES, File, Manifest, parse_statement, read_envelope, signed_by
from troth.core.merkle import HASH_BYTES, packed_root
from troth.release.columns import BATCH_ROWS, DATA
from troth.release.leaves import leaves_of, sort_leaves
from troth.release.seal import KEY, LEAVES, MANIFEST
from troth.release.sign import parse_public

KIND: Final = "release"
_SHOWN: Final = 20
_BLOCK: Final = 1 << 20
_READ_ERRORS: Final = (pa.ArrowException, OSError, ValueError, KeyError)


def verify_release(path: Path, keys: Sequence[SSlibKey] | None = None) -> Findings:
    """Check a release folder against its signed manifest.

    Args:
        path: the folder.
        keys: trusted public keys; None: the key in the folder is taken, with a warning.
    """
    findings = Findings(KIND)
    manifest = read_manifest(path, keys, findings)
    if manifest is None:
        return findings
    altered = _check_files(path, manifest, findings)
    _check_rows(path, manifest, altered, findings)
    if findings.ok:
        findings.info(
            f"{manifest.rows:,} rows of {manifest.members:,} members, sealed for {manifest.use.purpose}"
            f" by {manifest.use.recipient}, with the ledger's first {manifest.settings_as_of:,} entries"
        )
    return findings


def read_manifest(path: Path, keys: Sequence[SSlibKey] | None, findings: Findings) -> Manifest | None:
    """The signed manifest of a folder; None, with an error among the findings, if there is none that holds."""
    if not path.is_dir():
        findings.error("there is no such folder", str(path))
        return None
    try:
        data = _read(path, MANIFEST, MAX_ENVELOPE_BYTES)
        envelope = read_envelope(data, MANIFEST)
        trusted = list(keys) if keys is not None else [parse_public(_read(path, KEY, _BLOCK), KEY)]
        manifest = parse_statement(envelope.payload, MANIFEST)
    except FileNotFoundError as error:
        missing = Path(error.filename or MANIFEST).relative_to(path).as_posix()
        findings.error("is missing: this folder is not a sealed release", missing)
        return None
    except BadInput as error:
        findings.error(error.message, str(error.place) if error.place else MANIFEST)
        return None
    except OSError as error:
        findings.error(f"cannot be read: {error.strerror or error}", MANIFEST)
        return None
    signers = signed_by(envelope, trusted)
    if not signers:
        findings.error(
            "no trusted key has signed the manifest: it was altered, or is somebody else's", MANIFEST
        )
        return None
    if keys is None:
        findings.warning(
            f"the signature was checked with the key in the folder ({signers[0][:16]}…); make sure from elsewhere"
            " that it is the operator's, or name the key with --key",
            KEY,
        )
    else:
        findings.info(f"signed by {signers[0][:16]}…", MANIFEST)
    return manifest


def _check_files(path: Path, manifest: Manifest, findings: Findings) -> set[str]:
    """Digest of each file, missing and extra files; the names of those that differ."""
    altered = set()
    for file in manifest.files:
        try:
            digest = _digest(path, file.name)
        except (OSError, BadInput) as error:
            findings.error("is missing, or is no plain file", file.name)
            del error
            altered.add(file.name)
            continue
        if digest != file.sha256:
            findings.error("was altered: its digest is not the one that was signed", file.name)
            altered.add(file.name)
    expected = {MANIFEST, KEY, *(file.name for file in manifest.files)}
    for name in sorted(_names(path) - expected):
        findings.error("is not part of the release", name)
    return altered


def _check_rows(path: Path, manifest: Manifest, altered: set[str], findings: Findings) -> None:
    """Recompute each row's leaf, and the root; name the rows that differ where a file was altered."""
    parts = [file for file in manifest.files if file.rows is not None]
    if sum(file.rows or 0 for file in parts) != manifest.rows:
        findings.error("the rows of the files do not add up to the rows of the manifest", MANIFEST)
    if not any(file.name in altered for file in parts):
        _check_root(path, manifest, parts, findings)
    elif LEAVES not in altered:
        _name_altered_rows(path, manifest, parts, findings)


def _check_root(path: Path, manifest: Manifest, parts: list[File], findings: Findings) -> None:
    leaves = []
    try:
        for file in parts:
            leaves += [leaves_of(batch) for batch in _batches(path, file.name)]
    except _READ_ERRORS as error:
        findings.error(f"cannot be read as rows: {type(error).__name__}")
        return
    joined = b"".join(sort_leaves(b"".join(leaves)))
    if packed_root(joined).hex() != manifest.row_root:
        findings.error("the rows do not have the root that was signed", MANIFEST)


def _name_altered_rows(path: Path, manifest: Manifest, parts: list[File], findings: Findings) -> None:
    """Which rows of altered files are not among the committed leaves, and how many committed ones are gone."""
    try:
        committed = Counter(_split(_read(path, LEAVES, manifest.rows * HASH_BYTES)))
    except OSError:
        return
    strangers = 0
    unread = False
    for file in parts:
        number = 0
        try:
            for batch in _batches(path, file.name):
                names = batch["id"].to_pylist()
                for name, leaf in zip(names, _split(leaves_of(batch)), strict=True):
                    number += 1
                    if committed[leaf] > 0:
                        committed[leaf] -= 1
                        continue
                    strangers += 1
                    if strangers <= _SHOWN:
                        findings.error(f"row {number} ({name}) is not as it was sealed", file.name)
        except _READ_ERRORS:
            unread = True
            findings.error(
                "cannot be read as rows any more, so which of its rows were altered is not known", file.name
            )
    if strangers > _SHOWN:
        findings.error(f"{strangers - _SHOWN} more rows are not as they were sealed")
    gone = committed.total()
    if gone and not unread:
        findings.error(f"{gone} sealed rows are missing or were altered")


def _split(leaves: bytes) -> Iterator[bytes]:
    return (leaves[at : at + HASH_BYTES] for at in range(0, len(leaves), HASH_BYTES))


def _batches(path: Path, name: str) -> Iterator[pa.RecordBatch]:
    with _open(path, name) as file, pq.ParquetFile(file) as parquet:
        if not parquet.schema_arrow.equals(DATA):
            raise ValueError("columns")
        for batch in parquet.iter_batches(BATCH_ROWS):
            yield batch.cast(DATA)


def _names(path: Path) -> set[str]:
    """All files and links below a folder, without following links."""
    found = set()
    for top, folders, files in os.walk(path):
        here = Path(top)
        links = [name for name in folders if (here / name).is_symlink()]
        found |= {(here / name).relative_to(path).as_posix() for name in (*files, *links)}
    return found


def _open(path: Path, name: str) -> pa.NativeFile:
    """A plain file below a folder, opened without following a link at any step.

    Raises:
        BadInput: the name leads outside, or not to a plain file.
        OSError: it cannot be opened.
    """
    pieces = Path(name).parts
    if not pieces or Path(name).is_absolute() or ".." in pieces:
        raise BadInput(f"{name!r} is no name of a file in a release")
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for piece in pieces[:-1]:
            inner = os.open(piece, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = inner
        descriptor = os.open(pieces[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except OSError as error:
        error.filename = str(path / name)
        raise
    finally:
        os.close(folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise BadInput(f"{name!r} is no plain file")
    return pa.PythonFile(os.fdopen(descriptor, "rb"), "r")


def _read(path: Path, name: str, limit: int) -> bytes:
    with _open(path, name) as file:
        data: bytes = file.read(limit + 1)
    if len(data) > limit:
        raise BadInput(f"{name} is larger than it can be")
    return data


def _digest(path: Path, name: str) -> str:
    digest = hashlib.sha256()
    with _open(path, name) as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
