"""The manifest of a release: an in-toto Statement v1 in a signed DSSE envelope.

Formats: in-toto Attestation Framework, Statement v1; DSSE v1. The predicate is ours: what was asked, which
state of the ledger was honoured, what was counted, and the roots that bind the rows.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import Error as SigningError
from securesystemslib.signer import Key

from troth.core.errors import BadInput
from troth.core.shape import Shape
from troth.core.values import Use, canonical, format_instant
from troth.core.written import Json

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
PREDICATE_TYPE: Final = "urn:troth:release:v1"

MAX_ENVELOPE_BYTES: Final = 16 * 1024 * 1024
_HEX_DIGITS: Final = 64
_ROW_SALTS: Final = ("derived", "drawn", "mixed")


@dataclass(frozen=True, slots=True)
class File:
    """A file of a release: its name in the folder, its SHA-256 in hex, its rows (None: not of rows)."""

    name: str
    sha256: str
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a release claims. Instants in microseconds UTC; roots in hex; see ``build_statement``."""

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
    rows: int
    members: int
    row_root: str
    row_salts: str
    terms: tuple[tuple[str, str], ...]
    inputs: tuple[File, ...]
    files: tuple[File, ...]
    set_root: str | None = None
    set_bits: int | None = None
    directory_root: str | None = None


def build_statement(manifest: Manifest) -> bytes:
    """The canonical bytes of the statement: what is signed."""
    return canonical(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": one.name, "digest": {"sha256": one.sha256}} for one in manifest.files],
            "predicateType": PREDICATE_TYPE,
            "predicate": _predicate(manifest),
        }
    )


def _predicate(manifest: Manifest) -> dict[str, Json]:
    return {
        "release": manifest.release,
        "use": {"purpose": manifest.use.purpose, "recipient": manifest.use.recipient},
        "at": format_instant(manifest.at),
        "settings_as_of": manifest.settings_as_of,
        "created_at": format_instant(manifest.created_at),
        "engine": dict(manifest.engine),
        "counts": {
            "verdicts": dict(manifest.verdicts),
            "first_reasons": dict(manifest.first_reasons),
            "all_reasons": dict(manifest.all_reasons),
            "any_party_rule_would_allow": manifest.any_party_rule_would_allow,
        },
        "rows": manifest.rows,
        "members": manifest.members,
        "row_root": manifest.row_root,
        "row_salts": manifest.row_salts,
        "set_root": manifest.set_root,
        "set_bits": manifest.set_bits,
        "directory_root": manifest.directory_root,
        "terms": [{"terms": document, "version": version} for document, version in manifest.terms],
        "inputs": [{"name": one.name, "sha256": one.sha256, "rows": one.rows} for one in manifest.inputs],
        "file_rows": {one.name: one.rows for one in manifest.files if one.rows is not None},
    }


def parse_statement(payload: bytes, source: str) -> Manifest:
    """Read the bytes of a statement.

    Raises:
        BadInput: not a statement of ours, or not in its canonical form.
    """
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{source} holds no JSON: {type(error).__name__}") from None
    shape = Shape(value, source)
    if shape.need("_type").value != STATEMENT_TYPE or shape.need("predicateType").value != PREDICATE_TYPE:
        raise BadInput(f"{source} is no manifest of a release")
    manifest = _read_predicate(shape.need("predicate"), shape.need("subject"))
    if build_statement(manifest) != payload:
        raise BadInput(f"{source} holds more, or other, than a manifest of this version")
    return manifest


def _read_predicate(shape: Shape, subjects: Shape) -> Manifest:
    counts, rows = shape.need("counts"), shape.need("file_rows")
    optional = {key: shape.get(key) for key in ("set_root", "set_bits", "directory_root")}
    set_root, set_bits, directory = optional["set_root"], optional["set_bits"], optional["directory_root"]
    return Manifest(
        release=shape.need("release").as_text(),
        use=Use(shape.need("use").need("purpose").as_text(), shape.need("use").need("recipient").as_text()),
        at=shape.need("at").as_instant(),
        settings_as_of=shape.need("settings_as_of").as_count(),
        created_at=shape.need("created_at").as_instant(),
        engine=_texts(shape.need("engine")),
        verdicts=_counts(counts.need("verdicts")),
        first_reasons=_counts(counts.need("first_reasons")),
        all_reasons=_counts(counts.need("all_reasons")),
        any_party_rule_would_allow=counts.need("any_party_rule_would_allow").as_count(),
        rows=shape.need("rows").as_count(),
        members=shape.need("members").as_count(),
        row_root=_digest(shape.need("row_root")),
        row_salts=shape.need("row_salts").as_one_of(_ROW_SALTS),
        terms=tuple(
            (one.need("terms").as_text(), one.need("version").as_text())
            for one in shape.need("terms").items()
        ),
        inputs=tuple(
            File(one.need("name").as_text(), _digest(one.need("sha256")), _rows(one))
            for one in shape.need("inputs").items()
        ),
        files=tuple(
            File(
                one.need("name").as_text(),
                _digest(one.need("digest").need("sha256")),
                _file_rows(rows, one.need("name").as_text()),
            )
            for one in subjects.items()
        ),
        set_root=_digest(set_root) if set_root else None,
        set_bits=set_bits.as_count() if set_bits else None,
        directory_root=_digest(directory) if directory else None,
    )


def _counts(shape: Shape) -> dict[str, int]:
    return {key: shape.need(key).as_count() for key in shape.keys()}  # noqa: SIM118 - a Shape is no dict


def _texts(shape: Shape) -> dict[str, str]:
    return {key: shape.need(key).as_text() for key in shape.keys()}  # noqa: SIM118 - a Shape is no dict


def _rows(shape: Shape) -> int | None:
    rows = shape.get("rows")
    return rows.as_count() if rows else None


def _file_rows(rows: Shape, name: str) -> int | None:
    found = rows.get(name)
    return found.as_count() if found else None


def _digest(shape: Shape) -> str:
    text = shape.as_text()
    if len(text) != _HEX_DIGITS or not set(text) <= set("0123456789abcdef"):
        shape.refuse("expected 64 hexadecimal digits")
    return text


def read_envelope(data: bytes, source: str) -> Envelope:
    """Read the bytes of a DSSE envelope.

    Raises:
        BadInput: not an envelope, or of another payload type.
    """
    try:
        found: Any = json.loads(data)
        envelope = Envelope.from_dict(found)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, SigningError) as error:
        raise BadInput(f"{source} is no DSSE envelope: {type(error).__name__}") from None
    if envelope.payload_type != PAYLOAD_TYPE:
        raise BadInput(f"{source} holds a payload of another type")
    return envelope


def signed_by(envelope: Envelope, keys: Sequence[Key]) -> list[str]:
    """The ids of those keys whose signature on the envelope holds."""
    found = []
    for key in keys:
        signature = envelope.signatures.get(key.keyid)
        if signature is None:
            continue
        try:
            key.verify_signature(signature, envelope.pae())
        except SigningError:
            continue
        found.append(key.keyid)
    return found
