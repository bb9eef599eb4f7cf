"""Proofs of presence and absence: made in a home, checked anywhere."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from troth.app import directories, membersets
from troth.app.home import Home
from troth.core.errors import BadInput, Corrupt, Place
from troth.core.findings import Findings
from troth.core.manifest import Manifest
from troth.core.merkle import HASH_BYTES
from troth.core.presence import (
    MAX_PROOF_BYTES,
    MAX_SECRET_BYTES,
    OpenedRow,
    Proof,
    check_proof,
    is_proof,
    parse_secret,
)
from troth.core.rows import FIELDS, LISTS, Row, canonical_row, row_leaf
from troth.core.sets import Credential, bucket_of, parse_set_bucket
from troth.core.tiles import Tiles
from troth.core.verify import MAX_ENVELOPE_BYTES, Signed, check_manifest
from troth.release.check import read_signed
from troth.release.layout import LEAVES, MANIFEST
from troth.release.records import bucket_records
from troth.release.sign import load_public
from troth.release.trees import open_bucket, row_reader

KIND = "proof"


@dataclass(frozen=True, slots=True)
class Proved:
    """A proof that was made, its bytes, and what it says."""

    proof: Proof
    data: bytes
    findings: Findings


def prove(
    home: Home, release: str, subject: str | None, secret: Path | None = None, *, rows: bool = False
) -> Proved:
    """Prove that a member's messages are in a release, or that none is; the proof is checked before it is given.

    Args:
        home: the home that built the release.
        release: its folder or its id.
        subject: the member; may be None if a secret file is given.
        secret: the member's secret file; None: what the home keeps.
        rows: also open all of the member's rows; needs the release's folder and the subject.

    Raises:
        BadInput: no such release or member, or the release has no set.
        Corrupt: what the home keeps does not fit what was signed.
    """
    signed, out = _find(home, release)
    manifest = signed.manifest
    if manifest.set_root is None or manifest.directory_root is None:
        raise BadInput(
            f"release {manifest.release} was sealed without a set of its members",
            remedy="releases built without --no-set have one",
        )
    credential = _credential(home, subject, secret)
    kept = (
        membersets.folder(home, manifest.release) if out is None else membersets.restore(home, out, manifest)
    )
    proof = _assemble(home, signed, credential, kept)
    if rows and proof.details is not None:
        opened = _open_rows(manifest, out, kept, subject)
        proof = Proof(
            proof.release, proof.manifest, credential, proof.directory, proof.opened, proof.details, proof.others,
            opened,
        )  # fmt: skip
    data = proof.write()
    findings = Findings(KIND)
    check_proof(data, signed, findings, "the proof")
    if not findings.ok:
        first = next(one for one in findings.findings if one.level == "error")
        raise Corrupt(
            f"the proof that was made does not hold: {first.where}: {first.what}",
            place=Place(str(kept)),
            remedy="check the release with `troth verify`; what the home keeps of it is not what was signed",
        )
    return Proved(proof, data, findings)


def _find(home: Home, release: str) -> tuple[Signed, Path | None]:
    """The signed manifest of a release, and the release's folder if that was named."""
    findings = Findings(KIND)
    keys = [load_public(home.public_key_path)]
    folder: Path | None = Path(release)
    if folder is not None and folder.is_dir():
        signed = read_signed(folder, keys, findings)
    else:
        folder = None
        source = membersets.folder(home, release) / membersets.PUBLIC / MANIFEST
        if "/" in release or not source.is_file():
            raise BadInput(
                f"expected a release's folder or the id of one that was built here, got {release!r}",
                remedy="list the releases with `troth release list`; name the folder if it has moved",
            )
        signed = check_manifest(source.read_bytes(), keys, findings, str(source))
    if signed is None or not findings.ok:
        first = next(one for one in findings.findings if one.level == "error")
        place = Place(str(first.where or release))
        raise BadInput(first.what, place=place, remedy="name a release that was built in this home")
    return signed, folder


def _credential(home: Home, subject: str | None, secret: Path | None) -> Credential:
    if secret is not None:
        return parse_secret(_read(secret, MAX_SECRET_BYTES), str(secret))
    if subject is None:
        raise BadInput("whose proof is not said", remedy="name --subject, or a --secret file, or both")
    return directories.need_account(home, subject).credential


def _assemble(home: Home, signed: Signed, credential: Credential, kept: Path) -> Proof:
    """Open the two buckets, and the details if the member is there."""
    manifest = signed.manifest
    directory = directories.find(home, bytes.fromhex(manifest.directory_root or ""))
    if directory is None:
        raise Corrupt(
            "the ledger does not know the directory that the release names",
            place=Place(str(home.ledger_path)),
            remedy="check the ledger with `troth ledger check`",
        )
    lost = "restore it from a backup: a directory of the past cannot be made anew"
    bound = open_bucket(
        directories.folder(home, directory.root),
        bucket_of(credential.label, directory.bits),
        directory.bits,
        lost,
    )
    if credential.label not in bound.bucket:
        raise BadInput(
            "this account was not in the directory yet when the release was made: nothing can be proved of it",
            remedy="accounts are made when a member becomes known; ask about a later release",
        )
    bits = manifest.set_bits or 0
    index = bucket_of(credential.tag(manifest.release), bits)
    opened = open_bucket(
        kept / membersets.PUBLIC, index, bits, f"delete {kept} and name the release's folder: it is made anew"
    )
    proof = Proof(manifest.release, signed.digest, credential, bound, opened)
    tag = credential.tag(manifest.release)
    if tag not in parse_set_bucket(opened.bucket, index, bits).tags:
        return proof
    records = bucket_records(kept / membersets.RECORDS, index, bits)
    own = next((one for one in records if one.tag == tag), None)
    details = own.opened(credential.secret, manifest.settings_as_of) if own else None
    if details is None:
        raise Corrupt(
            "the member's record is not the one that was sealed",
            place=Place(str(kept / membersets.RECORDS)),
            remedy=f"delete {kept} and name the release's folder: it is made anew",
        )
    others = tuple(one.detail for one in records if one.tag != tag)
    return Proof(manifest.release, signed.digest, credential, bound, opened, details, others)


# rows


def _open_rows(
    manifest: Manifest, out: Path | None, kept: Path, subject: str | None
) -> tuple[OpenedRow, ...]:
    """All rows of a member with their places in the row tree."""
    if out is None or subject is None:
        raise BadInput(
            "to open the member's rows it takes the release's folder and the name of the member",
            remedy="name the folder with --release and the member with --subject",
        )
    tiles = Tiles(row_reader(kept / membersets.PUBLIC, out / LEAVES, f"check {out} with `troth verify`"))
    found = []
    with (out / LEAVES).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as leaves:
        rows = sorted((row_leaf(salt, row), row, salt) for row, salt in _rows_of(manifest, out, subject))
        last, again = b"", 0
        for leaf, row, salt in rows:
            # Equal leaves stand side by side; each row takes one of them.
            again = again + 1 if leaf == last else 0
            last = leaf
            index = _place(leaves, leaf) + again
            found.append(OpenedRow(row, salt, index, tuple(tiles.inclusion(index, manifest.rows))))
    return tuple(found)


def _place(leaves: mmap.mmap, leaf: bytes) -> int:
    """The first place at which sorted leaves hold one, or would."""
    low, high = 0, len(leaves) // HASH_BYTES
    while low < high:
        middle = (low + high) // 2
        if leaves[middle * HASH_BYTES : (middle + 1) * HASH_BYTES] < leaf:
            low = middle + 1
        else:
            high = middle
    return low


def _rows_of(manifest: Manifest, out: Path, subject: str) -> Iterator[tuple[bytes, bytes]]:
    """Canonical bytes and row salt of each row that belongs to a member."""
    for file in manifest.files:
        if file.rows is None:
            continue
        with pq.ParquetFile(out / file.name) as parquet:
            for batch in parquet.iter_batches():
                own = batch.filter(_belongs(batch, subject))
                at = own.schema.get_field_index("created_at")
                for row in own.set_column(at, "created_at", own["created_at"].cast(pa.int64())).to_pylist():
                    yield _canonical(row), row["row_salt"]


def _belongs(batch: pa.RecordBatch, subject: str) -> pa.Array:
    """Which rows are by a member or to it."""
    mask = pc.fill_null(pc.equal(batch["author"], subject), False).to_numpy(zero_copy_only=False)
    addressees = batch["addressees"]
    named = pc.fill_null(pc.equal(addressees.flatten(), subject), False).to_numpy(zero_copy_only=False)
    mask = mask.copy()
    mask[pc.list_parent_indices(addressees).to_numpy()[named]] = True
    return pa.array(mask)


def _canonical(row: dict[str, Any]) -> bytes:
    listed = {name: None if row[name] is None else tuple(row[name]) for name in LISTS}
    return canonical_row(Row(**{name: row[name] for name in FIELDS} | listed))


# checking


def takes(path: Path) -> bool:
    """Whether a path is a file that says of itself to be a proof."""
    if not path.is_file():
        return False
    return is_proof(_read(path, MAX_PROOF_BYTES))


def verify(
    path: Path, release: Path | None, keys: Sequence[Path] | None = None, secret: Path | None = None
) -> Findings:
    """Check a proof offline.

    Args:
        path: the proof.
        release: the folder of the release, or its manifest's file.
        keys: the operator's public key files; None: the key in the folder is taken, with a warning.
        secret: the member's secret file; the proof must be about it.

    Raises:
        BadInput: a file cannot be read, or the manifest is not named.
    """
    if release is None:
        raise BadInput(
            "is a proof about a release, whose signed manifest is needed to check it",
            place=Place(str(path)),
            remedy="name the release's folder or manifest with --release-manifest",
        )
    findings = Findings(KIND)
    mine = parse_secret(_read(secret, MAX_SECRET_BYTES), str(secret)) if secret is not None else None
    trusted = [load_public(key) for key in keys] if keys else None
    if release.is_dir():
        signed = read_signed(release, trusted, findings)
    elif trusted is None:
        raise BadInput(
            "is a manifest alone; to check its signature takes the operator's public key",
            place=Place(str(release)),
            remedy="name it with --key; get it from the operator's site or from somebody you trust",
        )
    else:
        signed = check_manifest(_read(release, MAX_ENVELOPE_BYTES), trusted, findings, str(release))
    if signed is not None and findings.ok:
        check_proof(_read(path, MAX_PROOF_BYTES), signed, findings, str(path), mine)
    return findings


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise BadInput(
            f"cannot be read: {error.strerror}", place=Place(str(path)), remedy="check the path"
        ) from None
    if len(data) > limit:
        raise BadInput(f"is larger than {limit} bytes", place=Place(str(path)))
    return data
