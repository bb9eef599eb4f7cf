"""Proofs that a member's messages are in a release, or that none is: their file, and the check of it.

A proof opens two buckets: that of the account's label in the directory, which binds the account to one secret, and
that of the secret's tag in the release set. Whether the tag stands there is the answer. Both places follow from what
is asked, and the signed manifest names both roots; so two proofs that contradict each other would be two
openings of one bucket under one root, which is a collision of SHA-256.

The file is canonical JSON (RFC 8785) and a newline, in one form of bytes only; its schema is
``schemas/proof.schema.json``. It holds the member's secret: whoever has it can see in which releases the member is.
"""

from __future__ import annotations

import base64
import hmac
import json
from dataclasses import dataclass
from typing import Final

from troth.core.errors import BadInput, Place
from troth.core.findings import Findings
from troth.core.manifest import Manifest, check_release_id
from troth.core.merkle import HASH_BYTES, leaf_hash
from troth.core.proof import MAX_HASHES, verify_inclusion
from troth.core.rows import ROW_SALT_BYTES, Row, parse_row, row_leaf
from troth.core.sets import (
    ACCOUNT_BYTES,
    SECRET_BYTES,
    Credential,
    Details,
    bucket_of,
    details_digest,
    member_root,
    parse_directory_bucket,
    parse_set_bucket,
)
from troth.core.shape import Shape
from troth.core.values import canonical, format_instant
from troth.core.verify import Signed
from troth.core.written import Json

TYPE: Final = "troth/proof/v1"
PRESENCE: Final = "presence"
ABSENCE: Final = "absence"
MAX_PROOF_BYTES: Final = 64 * 1024 * 1024

SECRET_TYPE: Final = "troth/secret/v1"  # noqa: S105 - the name of a format
MAX_SECRET_BYTES: Final = 1024

_SHOWN: Final = 20
_TEXT: Final = 60
_TWO_PARTIES: Final = (
    "a message belongs to everybody it was sent between: if you wrote to one another, your proof also says"
    " something about the others"
)


@dataclass(frozen=True, slots=True)
class Opening:
    """A bucket and the hashes beside its way to the root, from its sibling up."""

    bucket: bytes
    path: tuple[bytes, ...]

    def as_json(self) -> dict[str, Json]:
        """Plain JSON values."""
        return {"bucket": _encode(self.bucket), "path": [_encode(one) for one in self.path]}


@dataclass(frozen=True, slots=True)
class OpenedRow:
    """A row of the member's, opened against the row tree: its canonical bytes, row salt, place and path."""

    row: bytes
    salt: bytes
    index: int
    path: tuple[bytes, ...]

    def as_json(self) -> dict[str, Json]:
        """Plain JSON values."""
        return {
            "row": _encode(self.row),
            "salt": self.salt.hex(),
            "index": self.index,
            "path": [_encode(one) for one in self.path],
        }


@dataclass(frozen=True, slots=True, repr=False)
class Proof:
    """A proof as it is written; nothing in it is verified. ``details`` None: it claims absence.

    ``others`` are the details of the bucket's other members, in the order of their tags; ``rows``, if they are
    opened, are all of the member's rows, by their places in the row tree.
    """

    release: str
    manifest: str
    credential: Credential
    directory: Opening
    opened: Opening
    details: Details | None = None
    others: tuple[bytes, ...] = ()
    rows: tuple[OpenedRow, ...] | None = None

    @property
    def claim(self) -> str:
        """``presence`` or ``absence``."""
        return ABSENCE if self.details is None else PRESENCE

    def as_json(self) -> dict[str, Json]:
        """Plain JSON values: those of the file."""
        value: dict[str, Json] = {
            "type": TYPE,
            "claim": self.claim,
            "release": self.release,
            "manifest": self.manifest,
            "account": self.credential.account.hex(),
            "secret": self.credential.secret.hex(),
            "directory": self.directory.as_json(),
            "set": self.opened.as_json(),
        }
        if self.details is not None:
            value["details"] = {
                "rows": self.details.rows,
                "row_root": self.details.row_root.hex(),
                "head": self.details.head,
                "others": [_encode(one) for one in self.others],
            }
        if self.rows is not None:
            value["rows"] = [one.as_json() for one in self.rows]
        return value

    def write(self) -> bytes:
        """The bytes of the file."""
        return canonical(self.as_json()) + b"\n"


def is_proof(data: bytes) -> bool:
    """Whether a file says of itself that it is such a proof."""
    return data[:1] == b"{" and f'"{TYPE}"'.encode() in data[-64:]


def parse_proof(data: bytes, source: str) -> Proof:
    """Read the bytes of a proof, and nothing but what ``Proof.write`` writes.

    Raises:
        BadInput: not a proof, or in another form.
    """
    shape = _read_json(data, source)
    shape.need("type").as_one_of((TYPE,))
    claim = shape.need("claim").as_one_of((PRESENCE, ABSENCE))
    details: Details | None = None
    others: tuple[bytes, ...] = ()
    if claim == PRESENCE:
        inner = shape.need("details")
        head = inner.get("head")
        row_root = _hex(inner.need("row_root"), HASH_BYTES)
        details = Details(inner.need("rows").as_count(), row_root, head.as_count() if head else None)
        others = _hashes(inner.need("others"), 2**16)
    rows = shape.get("rows")
    proof = Proof(
        release=shape.need("release").checked(check_release_id),
        manifest=_hex(shape.need("manifest"), HASH_BYTES).hex(),
        credential=_credential(shape),
        directory=_opening(shape.need("directory")),
        opened=_opening(shape.need("set")),
        details=details,
        others=others,
        rows=tuple(map(_opened_row, rows.items())) if rows else None,
    )
    if proof.write() != data:
        raise BadInput("is not in the form in which proofs are written: it was altered")
    return proof


def write_secret(credential: Credential) -> bytes:
    """The bytes of the file in which a member keeps account and secret."""
    value = {
        "type": SECRET_TYPE,
        "account": credential.account.hex(),
        "secret": credential.secret.hex(),
    }
    return canonical(value) + b"\n"


def parse_secret(data: bytes, source: str) -> Credential:
    """Read a member's secret file.

    Raises:
        BadInput: not one, or in another form.
    """
    shape = _read_json(data, source)
    shape.need("type").as_one_of((SECRET_TYPE,))
    credential = _credential(shape)
    if write_secret(credential) != data:
        raise BadInput(
            "is not in the form in which secrets are written",
            place=Place(source),
            remedy="take the file as it was handed out",
        )
    return credential


def check_proof(
    data: bytes, signed: Signed, findings: Findings, source: str, mine: Credential | None = None
) -> Proof | None:
    """Check the bytes of a proof against a manifest whose signature was checked.

    Args:
        data: the bytes of the proof file.
        signed: the manifest (see ``core.verify.check_manifest``).
        findings: taken further; their kind becomes the claim.
        source: what to call the proof.
        mine: the account and secret that the proof must be about; None: any.

    Returns:
        The proof, if it could be read.
    """
    try:
        proof = parse_proof(data, source)
    except BadInput as error:
        findings.error(error.message, str(error.place) if error.place else source)
        return None
    findings.kind = proof.claim
    manifest = signed.manifest
    if (proof.release, proof.manifest) != (manifest.release, signed.digest):
        findings.error(
            f"is about another release than {manifest.release}, or about another manifest of it", source
        )
        return proof
    if mine is not None and not _same(mine, proof.credential):
        findings.error("is not about the account and secret of the secret file", source)
    if manifest.set_root is None or manifest.directory_root is None:
        findings.error(
            "the release was sealed without a set of its members: nothing can be proved of it", source
        )
        return proof
    _check_directory(proof, bytes.fromhex(manifest.directory_root), findings)
    _check_set(proof, manifest, bytes.fromhex(manifest.set_root), findings)
    if proof.rows is not None:
        _check_rows(proof, manifest, findings)
    if findings.ok:
        _say(proof, manifest, findings)
    return proof


def _same(one: Credential, other: Credential) -> bool:
    return hmac.compare_digest(one.account + one.secret, other.account + other.secret)


def _check_directory(proof: Proof, root: bytes, findings: Findings) -> None:
    """The account is bound to the secret. The path says how many buckets there are: see decision 10."""
    where, bits, label = "directory", len(proof.directory.path), proof.credential.label
    index = bucket_of(label, bits)
    if not verify_inclusion(leaf_hash(proof.directory.bucket), index, 1 << bits, proof.directory.path, root):
        findings.error("the bucket is not the one that the signed directory has for this account", where)
        return
    try:
        bucket = parse_directory_bucket(proof.directory.bucket, index, bits)
    except BadInput as error:
        findings.error(error.message, where)
        return
    commitment = bucket.commitment(label)
    if commitment is None:
        findings.error("the account is not in the directory that the release was made with", where)
    elif not hmac.compare_digest(commitment, proof.credential.commitment):
        findings.error("the directory binds the account to another secret", where)


def _check_set(proof: Proof, manifest: Manifest, root: bytes, findings: Findings) -> None:
    """The tag stands in its bucket with these details, or it does not."""
    where, bits = "set", manifest.set_bits or 0
    tag = proof.credential.tag(manifest.release)
    index = bucket_of(tag, bits)
    if not verify_inclusion(leaf_hash(proof.opened.bucket), index, 1 << bits, proof.opened.path, root):
        findings.error("the bucket is not the one that the signed set has for this secret", where)
        return
    try:
        bucket = parse_set_bucket(proof.opened.bucket, index, bits)
    except BadInput as error:
        findings.error(error.message, where)
        return
    if proof.details is None:
        if tag in bucket.tags:
            findings.error("the proof claims absence, but the bucket lists the member", where)
        return
    if tag not in bucket.tags:
        findings.error("the proof claims presence, but the bucket does not list the member", where)
        return
    at = bucket.tags.index(tag)
    if len(proof.others) != len(bucket.tags) - 1:
        findings.error("there are not as many other members' details as the bucket lists", "details")
        return
    own = proof.details.commit(tag, proof.credential.secret)
    if details_digest((*proof.others[:at], own, *proof.others[at:])) != bucket.digest:
        findings.error("the details are not those that were sealed", "details")
    _check_details(proof.details, manifest, findings)


def _check_details(details: Details, manifest: Manifest, findings: Findings) -> None:
    """Sealed details may still be impossible ones."""
    if not 1 <= details.rows <= manifest.rows:
        findings.error("the number of rows is not possible in this release", "details")
    if details.head is not None and details.head >= manifest.settings_as_of:
        findings.error(
            f"the release claims to honour the ledger's first {manifest.settings_as_of} entries, but this"
            f" member's up to position {details.head}",
            "details",
        )


def _check_rows(proof: Proof, manifest: Manifest, findings: Findings) -> None:
    """The opened rows are all of the member's, and they are in the row tree."""
    if proof.details is None or proof.rows is None:
        findings.error("a proof of absence opens no rows", "rows")
        return
    root = bytes.fromhex(manifest.row_root)
    leaves = [row_leaf(one.salt, one.row) for one in proof.rows]
    if len(leaves) != proof.details.rows or member_root(leaves) != proof.details.row_root:
        findings.error("the opened rows are not the rows that the set has for this member", "rows")
    places = [one.index for one in proof.rows]
    if places != sorted(set(places)):
        findings.error("the opened rows are not listed once each, in their order", "rows")
    for number, (one, leaf) in enumerate(zip(proof.rows, leaves, strict=True), 1):
        if not verify_inclusion(leaf, one.index, manifest.rows, one.path, root):
            findings.error("is not in the row tree at that place", f"row {number}")
        try:
            parse_row(one.row)
        except BadInput as error:
            findings.error(error.message, f"row {number}")


def _say(proof: Proof, manifest: Manifest, findings: Findings) -> None:
    """What a proof that holds says, in plain words."""
    use = f"{manifest.use.purpose} by {manifest.use.recipient}"
    if proof.details is None:
        findings.info(
            f"no message of this account is in release {manifest.release} ({use}, as of"
            f" {format_instant(manifest.at)}): neither written by it nor sent to it"
        )
    else:
        rows = proof.details.rows
        findings.info(
            f"{rows:,} {'message' if rows == 1 else 'messages'} of this account (written by it or sent to it)"
            f" {'is' if rows == 1 else 'are'} in release {manifest.release} ({use}, as of"
            f" {format_instant(manifest.at)})"
        )
        findings.info(_honoured(proof.details.head, manifest.settings_as_of), "details")
    for number, one in enumerate((proof.rows or ())[:_SHOWN], 1):
        findings.info(_spelled(parse_row(one.row)), f"row {number}")
    if proof.rows is not None and len(proof.rows) > _SHOWN:
        findings.info(f"{len(proof.rows) - _SHOWN:,} more rows, all in the release", "rows")
    findings.info(_TWO_PARTIES)
    findings.info(
        f"the account is {proof.credential.account.hex()}: whose it is, the proof cannot say; the owner has it in"
        " the secret file"
    )


def _honoured(head: int | None, stop: int) -> str:
    if head is None:
        return f"the operator says that its ledger held no entry of this member among the first {stop:,}"
    return (
        f"the operator says that the member's last entry among the ledger's first {stop:,} stands at position"
        f" {head:,}: a later one of the member below {stop:,} would show that it was not honoured"
    )


def _spelled(row: Row) -> str:
    when = "at an unknown time" if row.created_at is None else _instant(row.created_at)
    title = f" “{_plain(row.title)}”" if row.title else ""
    return f"{when}, {_plain(row.category)}{title} ({_plain(row.id)})"


def _plain(text: str) -> str:
    """Text of somebody else's, short and without anything that could play tricks on a terminal."""
    shown = "".join(one if one.isprintable() else "�" for one in text[:_TEXT])
    return shown if len(text) <= _TEXT else f"{shown}…"


def _instant(microseconds: int) -> str:
    try:
        return format_instant(microseconds)
    except OverflowError:
        return "at a time beyond the calendar"


# reading


def _read_json(data: bytes, source: str) -> Shape:
    if len(data) > MAX_PROOF_BYTES:
        raise BadInput("is larger than any proof")
    try:
        return Shape(json.loads(data), source)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"holds no JSON: {type(error).__name__}", place=Place(source)) from None


def _credential(shape: Shape) -> Credential:
    account = _hex(shape.need("account"), ACCOUNT_BYTES)
    # Not by _hex: an error would show a part of the secret.
    try:
        secret = bytes.fromhex(shape.need("secret").as_text())
    except (ValueError, BadInput):
        raise BadInput("the secret is not of the form that secrets have") from None
    if len(secret) != SECRET_BYTES:
        raise BadInput("the secret is not of the form that secrets have")
    return Credential(account, secret)


def _opening(shape: Shape) -> Opening:
    return Opening(_base64(shape.need("bucket")), _hashes(shape.need("path"), MAX_HASHES))


def _opened_row(shape: Shape) -> OpenedRow:
    return OpenedRow(
        row=_base64(shape.need("row")),
        salt=_hex(shape.need("salt"), ROW_SALT_BYTES),
        index=shape.need("index").as_count(),
        path=_hashes(shape.need("path"), MAX_HASHES),
    )


def _hashes(shape: Shape, most: int) -> tuple[bytes, ...]:
    found = tuple(map(_base64, shape.items()))
    if len(found) > most or any(len(one) != HASH_BYTES for one in found):
        shape.refuse(f"expected at most {most} hashes of {HASH_BYTES} bytes")
    return found


def _hex(shape: Shape, length: int) -> bytes:
    try:
        found = bytes.fromhex(shape.as_text())
    except ValueError:
        found = b""
    if len(found) != length:
        shape.refuse(f"expected {2 * length} hexadecimal digits")
    return found


def _base64(shape: Shape) -> bytes:
    try:
        return base64.b64decode(shape.as_text(), validate=True)
    except ValueError:
        shape.refuse("expected base64")


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
