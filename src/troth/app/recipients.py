"""Recipients and their agreements: read from files, kept in the ledger."""

from __future__ import annotations

import hashlib
from pathlib import Path

from troth.app.home import Home
from troth.core import statement
from troth.core.disclosure import OPERATOR, Agreement
from troth.core.entries import Act
from troth.core.errors import BadInput, Place
from troth.core.handed import RECIPIENT, Book, Recipient
from troth.core.shape import Shape
from troth.core.values import check_recipient
from troth.core.verify import parse_public_key
from troth.core.written import Json
from troth.intake.yaml_files import read_yaml
from troth.ledger.store import Ledger
from troth.release.sign import load_public

AGREEMENT_KIND = "data_processing_agreement"
_TYPES = ("key", "disclosure", "recall")


def book_of(ledger: Ledger) -> Book:
    """What a ledger says of recipients, disclosures and recalls."""
    return Book(sorted((one for kind in _TYPES for one in ledger.acts(kind)), key=lambda one: one[0]))


def book(home: Home) -> Book:
    """What the home's ledger says of recipients, disclosures and recalls."""
    with home.reading() as ledger:
        return book_of(ledger)


def add(home: Home, path: Path) -> list[Recipient]:
    """Take in recipients from a YAML file, one document each; a later one of the same name takes its place.

    Raises:
        BadInput: a file cannot be read, or the agreement is not known; names file and line.
    """
    with home.reading() as ledger:
        known = ledger.known(None, [])
        before = book_of(ledger).recipients
    versions = {
        (placed.terms.document, placed.terms.version): placed.terms.kind
        for document in known.documents.values()
        for placed in document
    }
    found = [_read(shape, path.parent, versions) for shape in read_yaml(path)]
    if not found:
        raise BadInput(
            "holds no recipient", place=Place(str(path)), remedy="write `recipient: third_party:…`"
        )
    fresh = [one for one in found if before.get(one.name) != one]
    if fresh:
        acts = [Act("key", {"use": RECIPIENT, **one.as_json()}) for one in fresh]
        home.append(acts)
    return found


def _read(shape: Shape, folder: Path, versions: dict[tuple[str, str], str]) -> Recipient:
    name = shape.need("recipient")
    if name.checked(check_recipient) in ("any", OPERATOR) or ":" not in name.as_text():
        name.refuse("expected affiliate:NAME, third_party:NAME or processor:NAME")
    keys = [_key(one, folder) for one in shape.need("keys").items()]
    if not keys:
        shape.need("keys").refuse(
            "expected one public key or more", remedy="name a PEM file of an Ed25519 key"
        )
    agreement, escalation, days = shape.get("agreement"), shape.get("escalation"), shape.get("deadline_days")
    found = Recipient(
        name=name.as_text(),
        keys=tuple(dict.fromkeys(keys)),
        agreement=_agreement(agreement, folder, versions) if agreement else None,
        contact=shape.need("contact").as_text(),
        deadline_days=days.as_count() if days else 30,
        escalation=escalation.as_text() if escalation else None,
    )
    shape.close()
    return found


def _key(shape: Shape, folder: Path) -> str:
    text = shape.as_text()
    try:
        key = parse_public_key(text.encode(), "keys") if "-----BEGIN" in text else load_public(folder / text)
    except BadInput as error:
        shape.refuse(
            f"{text.splitlines()[0]} {error.message}", remedy="name a PEM file, or write the PEM itself"
        )
    return statement.public_of(key)


def _agreement(shape: Shape, folder: Path, versions: dict[tuple[str, str], str]) -> Agreement:
    document, version, file = (
        shape.need("document").as_text(),
        shape.need("version").as_text(),
        shape.get("file"),
    )
    shape.close()
    digest = None
    if file:
        try:
            digest = hashlib.sha256((folder / file.as_text()).read_bytes()).hexdigest()
        except OSError as error:
            file.refuse(f"{file.as_text()} cannot be read: {error.strerror}", remedy="check the path")
    kind = versions.get((document, version))
    if kind is None and digest is None:
        shape.refuse(
            f"the ledger knows no version {version!r} of {document!r}",
            remedy="add it with `troth terms add`, or name the agreement's text with `file: …`",
        )
    if kind not in (None, AGREEMENT_KIND):
        shape.refuse(f"{document} {version} is of kind {kind}, not {AGREEMENT_KIND}")
    return Agreement(document, version, digest)


def need(found: Book, name: str) -> Recipient:
    """A recipient by name.

    Raises:
        BadInput: there is none.
    """
    one = found.recipients.get(name)
    if one is None:
        raise BadInput(
            f"there is no recipient {name!r}",
            remedy="add its file with `troth recipient add`; list them with `troth recipient list`",
        )
    return one


def listed(home: Home) -> list[dict[str, Json]]:
    """All recipients, by name."""
    found = book(home)
    return [found.recipients[name].as_json() for name in sorted(found.recipients)]
