"""The manifest of a release: an in-toto Statement v1 in a signed DSSE envelope.

Formats: in-toto Attestation Framework, Statement v1; DSSE v1. The predicate is ours: what was asked, which
state of the ledger was honoured, what was counted, and the roots that bind the rows.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Final

from troth.core.errors import BadInput
from troth.core.reasons import BY_TEXT, VERDICTS
from troth.core.sets import MAX_BITS
from troth.core.shape import Shape
from troth.core.values import Use, canonical, format_instant
from troth.core.written import Json

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
PREDICATE_TYPE: Final = "urn:troth:release:v1"

ROW_SALTS: Final = ("derived", "drawn", "mixed")
"""Where the row salts come from: from record salts, from nothing but chance, or some from each."""

_HEX: Final = re.compile("[0-9a-f]{64}")
_RELEASE: Final = re.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_FILE: Final = re.compile("(?:[A-Za-z0-9][A-Za-z0-9._-]*/)?[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class File:
    """A file: its name, its SHA-256 in hex, its rows (None: not of rows, or not counted) and bytes."""

    name: str
    sha256: str
    rows: int | None = None
    size: int | None = None


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


def check_release_id(text: str) -> str:
    """The id of a release: up to 100 letters, digits, dots, dashes and underscores.

    Raises:
        BadInput: not of that shape.
    """
    if not _RELEASE.fullmatch(text):
        raise BadInput(
            f"expected an id of letters, digits, dots, dashes and underscores, got {text!r}",
            remedy="name the release like r-2025-01-21",
        )
    return text


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
        "files": [{"name": one.name, "bytes": one.size, "rows": one.rows} for one in manifest.files],
    }


def parse_statement(payload: bytes, source: str) -> Manifest:
    """Read the bytes of a statement.

    Raises:
        BadInput: not a statement of ours, one that contradicts itself, or not in its canonical form.
    """
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{source} holds no JSON: {type(error).__name__}") from None
    shape = Shape(value, source)
    for key, expected in (("_type", STATEMENT_TYPE), ("predicateType", PREDICATE_TYPE)):
        shape.need(key).as_one_of((expected,))
    manifest = _read_predicate(shape.need("predicate"), shape.need("subject"))
    _check_counts(manifest, shape.need("predicate"))
    if build_statement(manifest) != payload:
        raise BadInput(f"{source} holds more, or other, than a manifest of this version")
    return manifest


def _read_predicate(shape: Shape, subjects: Shape) -> Manifest:
    counts, use = shape.need("counts"), shape.need("use")
    set_root, set_bits, directory = (shape.get(key) for key in ("set_root", "set_bits", "directory_root"))
    return Manifest(
        release=shape.need("release").checked(check_release_id),
        use=Use(use.need("purpose").as_text(), use.need("recipient").as_text()),
        at=shape.need("at").as_instant(),
        settings_as_of=shape.need("settings_as_of").as_count(),
        created_at=shape.need("created_at").as_instant(),
        engine={key: value.as_text() for key, value in _pairs(shape.need("engine"))},
        verdicts=_counts(counts.need("verdicts"), VERDICTS),
        first_reasons=_counts(counts.need("first_reasons"), tuple(BY_TEXT)),
        all_reasons=_counts(counts.need("all_reasons"), tuple(BY_TEXT)),
        any_party_rule_would_allow=counts.need("any_party_rule_would_allow").as_count(),
        rows=shape.need("rows").as_count(),
        members=shape.need("members").as_count(),
        row_root=_digest(shape.need("row_root")),
        row_salts=shape.need("row_salts").as_one_of(ROW_SALTS),
        terms=tuple(
            (one.need("terms").as_text(), one.need("version").as_text())
            for one in shape.need("terms").items()
        ),
        inputs=tuple(_input(one) for one in shape.need("inputs").items()),
        files=_files(shape.need("files"), subjects),
        set_root=_digest(set_root) if set_root else None,
        set_bits=set_bits.as_count() if set_bits else None,
        directory_root=_digest(directory) if directory else None,
    )


def _pairs(shape: Shape) -> list[tuple[str, Shape]]:
    return [(key, shape.need(key)) for key in shape.keys()]  # noqa: SIM118 - a Shape is no dict


def _counts(shape: Shape, known: tuple[str, ...]) -> dict[str, int]:
    for key, value in _pairs(shape):
        if key not in known:
            value.refuse(f"expected one of {', '.join(known)}")
    return {key: value.as_count() for key, value in _pairs(shape)}


def _input(shape: Shape) -> File:
    rows = shape.get("rows")
    name = shape.need("name").as_text()
    return File(name, _digest(shape.need("sha256")), rows.as_count() if rows else None)


def _files(listed: Shape, subjects: Shape) -> tuple[File, ...]:
    digests = {one.need("name").as_text(): one.need("digest").need("sha256") for one in subjects.items()}
    files = []
    for one in listed.items():
        name, rows = one.need("name"), one.get("rows")
        if not _FILE.fullmatch(name.as_text()):
            name.refuse("is no name of a file in a release")
        digest = digests.pop(name.as_text(), None)
        if digest is None:
            name.refuse("is not among the subjects, or is listed twice")
        size = one.need("bytes").as_count()
        files.append(File(name.as_text(), _digest(digest), rows.as_count() if rows else None, size))
    if digests:
        listed.refuse(f"{next(iter(digests))!r} is a subject, but is not listed here")
    return tuple(files)


def _check_counts(manifest: Manifest, shape: Shape) -> None:
    """See that the numbers do not contradict each other."""
    verdicts, first, every = manifest.verdicts, manifest.first_reasons, manifest.all_reasons
    if sum(file.rows or 0 for file in manifest.files) != manifest.rows:
        shape.refuse("the rows of the files do not add up to the rows of the release")
    if verdicts.keys() != set(VERDICTS) or verdicts["allowed"] != manifest.rows:
        shape.refuse("the rows of the release are not the records that were allowed")
    if sum(first.values()) != verdicts["denied"] + verdicts["gap"]:
        shape.refuse("the first reasons do not add up to the records that stayed out")
    stated = {manifest.set_root is None, manifest.set_bits is None, manifest.directory_root is None}
    if len(stated) != 1 or (manifest.set_bits or 0) > MAX_BITS:
        shape.refuse(f"a set has a root, up to {MAX_BITS} bits and the root of a directory, or none of them")
    if any(count > every.get(reason, 0) for reason, count in first.items()):
        shape.refuse("a reason is first in more records than it is in at all")


def _digest(shape: Shape) -> str:
    text = shape.as_text()
    if not _HEX.fullmatch(text):
        shape.refuse("expected 64 hexadecimal digits")
    return text
