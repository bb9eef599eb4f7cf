"""Disclosures: given with a receipt, countersigned, passed on, taken in, followed."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from securesystemslib.signer import SSlibKey

from troth.app import holdings, lineage, membersets, recipients
from troth.app.home import Home, instant_or_now
from troth.core import statement
from troth.core.disclosure import (
    KIND,
    OPERATOR,
    PREDICATE_TYPE,
    Agreement,
    Disclosure,
    Party,
    Receipt,
    check_link,
    check_receipt,
    check_release,
    check_rest,
    is_processor,
    read_receipt,
    why_refused,
)
from troth.core.entries import Act
from troth.core.errors import BadInput, Place, Refused
from troth.core.findings import Findings
from troth.core.handed import COUNTERSIGNED, DISCLOSED, PASSED_ON, Book, Link
from troth.core.manifest import check_release_id
from troth.core.recall import ACKNOWLEDGEMENT_TYPE, NOTICE_TYPE, check_signed
from troth.core.statement import MAX_STATEMENT_BYTES, digest_of, public_of
from troth.core.values import Use, check_recipient, format_instant
from troth.core.verify import MAX_ENVELOPE_BYTES, Signed, check_manifest, read_envelope, write_envelope
from troth.core.written import Json
from troth.ledger.shelf import replace
from troth.ledger.store import clock
from troth.release.check import examine, read_signed
from troth.release.layout import MANIFEST
from troth.release.sign import load_public, load_signer, seal_statement

_HOME_KEY = "keys/operator.pub"
_KINDS = (PREDICATE_TYPE, NOTICE_TYPE, ACKNOWLEDGEMENT_TYPE)


# giving


def disclose(
    home: Home,
    release: str,
    to: str,
    *,
    name: str | None = None,
    at: int | str | None = None,
) -> Link:
    """Give a release to a recipient: the operator's receipt, signed and recorded. May be repeated by ``name``.

    Args:
        home: the home that built the release.
        release: its folder or its id.
        to: the recipient; its file was added before.
        name: the receipt's id; None: one is drawn. The same name again returns the first receipt.
        at: when; None: now.

    Raises:
        Refused: the release was not decided for this recipient.
        BadInput: no such release or recipient.
    """
    signed = find_release(home, release)
    with lineage.run(
        home, "disclose", signed.manifest.use, lineage.of_release(signed.manifest.release)
    ) as told:
        link = _disclose(home, signed, release, to, name, instant_or_now(at))
        told.made(
            {"namespace": "troth", "name": f"recipients/{to}"},
            release=signed.manifest.release,
            manifest=signed.digest,
            rows=signed.manifest.rows,
            receipt=link.receipt.digest,
        )
    return link


def _disclose(home: Home, signed: Signed, release: str, to: str, name: str | None, now: int) -> Link:
    manifest = signed.manifest
    if name is not None:
        check_release_id(name)
    _check_right(manifest.use, to)
    operator = Party(OPERATOR, (public_of(load_public(home.public_key_path)),))
    holdings.keep(home, release, signed)
    with home.writing() as ledger:
        book = recipients.book_of(ledger)
        recipient = recipients.need(book, to)
        if is_processor(to) and recipient.agreement is None:
            raise Refused(
                f"{to} has no agreement, and a processor may not get anything without one",
                remedy="name its data_processing_agreement in the recipient's file",
            )
        repeated = _named(book, name, to, signed.digest)
        if repeated is not None:
            return repeated
        if all(act.details.get("manifest") != signed.digest for _, act in ledger.acts("release")):
            raise Refused(
                f"the ledger knows no release {manifest.release} with this manifest",
                remedy="disclose releases that were built here: `troth release list`",
            )
        said = Disclosure(
            id=name or _new_name(),
            release=manifest.release,
            manifest=signed.digest,
            use=manifest.use,
            rows=manifest.rows,
            sender=operator,
            recipient=Party(to, recipient.keys),
            agreement=recipient.agreement,
            at=now,
            position=ledger.size,
        )
        envelope = seal_statement(said.write(), load_signer(home.key_path)).decode()
        receipt = read_receipt(envelope.encode(), "the receipt")
        ledger.append([_act(DISCLOSED, receipt, envelope)], expected=ledger.size)
        return Link(receipt, envelope, said.position or 0)


def _check_right(use: Use, to: str) -> None:
    check_recipient(to)
    refused = why_refused(use, to)
    if refused is not None:
        raise Refused(refused, remedy=f"build a release for it: troth release build --recipient {to} …")
    if to == OPERATOR:
        raise BadInput("the operator has it already", remedy="name the recipient that gets it")


def _named(book: Book, name: str | None, to: str, manifest: str) -> Link | None:
    """A disclosure that was made under this name already."""
    for one in book.links.values():
        if one.receipt.said.id == name:
            if (one.receipt.said.recipient.name, one.receipt.said.manifest) == (to, manifest):
                return one
            raise BadInput(f"there is a receipt {name!r} of something else", remedy="name another with --id")
    return None


def _new_name() -> str:
    return f"d-{datetime.fromtimestamp(clock() / 1e6, UTC):%Y%m%d}-{secrets.token_hex(4)}"


def _act(step: str, receipt: Receipt, envelope: str) -> Act:
    said = receipt.said
    return Act(
        "disclosure",
        {
            "step": step,
            "receipt": receipt.digest,
            "release": said.release,
            "manifest": said.manifest,
            "sender": said.sender.name,
            "recipient": said.recipient.name,
            "right": said.right,
            "at": format_instant(said.at),
            "envelope": envelope,
        },
    )


def find_release(home: Home, release: str) -> Signed:
    """The signed manifest of a release of this home, by its folder or id.

    Raises:
        BadInput: there is none, or its signature does not hold.
    """
    findings, keys = Findings(KIND), [load_public(home.public_key_path)]
    kept = membersets.folder(home, release) / membersets.PUBLIC / MANIFEST
    if Path(release).is_dir():
        signed = read_signed(Path(release), keys, findings)
    elif "/" not in release and kept.is_file():
        signed = check_manifest(kept.read_bytes(), keys, findings, str(kept))
    else:
        raise BadInput(
            f"expected a release's folder or the id of one that was built here, got {release!r}",
            remedy="list the releases with `troth release list`; name the folder if it has moved",
        )
    if signed is None or not findings.ok:
        first = next(one for one in findings.findings if one.level == "error")
        raise BadInput(
            first.what, place=Place(str(first.where or release)), remedy="name a release built here"
        )
    return signed


# by others: keys and files, no home


def countersign(
    receipt: Path,
    release: Path,
    key: Path,
    *,
    keys: Sequence[Path] | None = None,
    rests_on: Sequence[Path] = (),
    out: Path | None = None,
) -> Findings:
    """Sign for a release that arrived: recompute files, rows, row tree and set first. May be repeated.

    Args:
        receipt: the receipt as the sender wrote it.
        release: the folder that arrived.
        key: the recipient's private key file.
        keys: the operator's public key files; None: the key in the folder is taken, with a warning.
        rests_on: the receipts that this one rests on, if the sender is not the operator.
        out: where to write it; None: in its place.

    Raises:
        Refused: the release is not what the receipt names, or something in it was altered.
        BadInput: a file cannot be read, or the key is not one that the receipt names.
    """
    from troth.release.check import verify_release

    data = read_file(receipt)
    one = read_receipt(data, str(receipt))
    signer = load_signer(key)
    if public_of(signer.public_key) not in one.said.recipient.keys:
        raise BadInput(
            f"is not a key of {one.said.recipient.name} that the receipt names",
            place=Place(str(key)),
            remedy="take the key that the operator knows of you, or have the receipt made anew",
        )
    trusted = [load_public(path) for path in keys] if keys else None
    findings = verify_release(release, trusted)
    signed = read_signed(release, trusted, Findings(KIND))
    if signed is None or not findings.ok:
        raise Refused(f"nothing is signed: {_first(findings)}", place=Place(str(release)))
    root = trusted or [load_public(release / _HOME_KEY)]
    check_release(one.said, signed, findings, str(receipt))
    check_receipt(data, _by_digest(rests_on), root, findings, receipt.name)
    if not findings.ok:
        raise Refused(f"nothing is signed: {_first(findings)}", place=Place(str(receipt)))
    envelope = read_envelope(data, str(receipt))
    envelope.sign(signer)
    replace(out or receipt, write_envelope(envelope))
    return findings


def pass_on(  # noqa: PLR0913 - the options of one command, all by keyword
    release: Path,
    to: str,
    rests_on: Path,
    key: Path,
    recipient_keys: Sequence[Path],
    *,
    keys: Sequence[Path] | None = None,
    agreement: str | None = None,
    name: str | None = None,
    at: int | str | None = None,
) -> bytes:
    """The receipt of somebody who passes a release on, resting on the receipt by which they got theirs.

    Args:
        release: the folder that is passed on; the operator sealed it for the one who gets it.
        to: who gets it.
        rests_on: the sender's own receipt, countersigned.
        key: the sender's private key file.
        recipient_keys: public key files of the one who gets it.
        keys: the operator's public key files; None: the key in the folder is taken.
        agreement: ``DOCUMENT VERSION`` of the agreement between the two.
        name: the receipt's id; None: one is drawn.
        at: when; None: now.

    Raises:
        Refused: the release was not decided for them, was altered, or the receipt does not carry it.
        BadInput: a file cannot be read, or the key is not the sender's.
    """
    below = read_receipt(read_file(rests_on), str(rests_on))
    trusted = [load_public(path) for path in keys] if keys else None
    examined = examine(release, trusted, rows=False)
    if examined.signed is None or not examined.findings.ok:
        raise Refused(_first(examined.findings), place=Place(str(release)))
    manifest, signer = examined.signed.manifest, load_signer(key)
    _check_right(manifest.use, to)
    document, _, version = (agreement or "").rpartition(" ")
    if not recipient_keys:
        raise BadInput("nobody could countersign", remedy="name the recipient's public key with --to-key")
    said = Disclosure(
        id=check_release_id(name) if name else _new_name(),
        release=manifest.release,
        manifest=examined.signed.digest,
        use=manifest.use,
        rows=manifest.rows,
        sender=Party(below.said.recipient.name, (public_of(signer.public_key),)),
        recipient=Party(to, tuple(public_of(load_public(path)) for path in recipient_keys)),
        agreement=Agreement(document, version) if document else None,
        at=instant_or_now(at),
        rests_on=below.digest,
    )
    data = seal_statement(said.write(), signer)
    findings = Findings(KIND)
    check_rest(read_receipt(data, "the receipt"), below, findings, str(rests_on))
    check_link(below, findings, str(rests_on), is_last=False)
    if not findings.ok:
        raise Refused(_first(findings), place=Place(str(rests_on)))
    return data


# taking in


def take_in(home: Home, path: Path, release: Path | None = None) -> Link:
    """Take in a receipt that came back countersigned, or one by which somebody passed data on. May be repeated.

    Of a release that was passed on and not disclosed from here, ``release`` is the folder: it has to be recalled too.

    Raises:
        Refused: the chain does not hold, or nobody has countersigned.
        BadInput: no receipt.
    """
    data = read_file(path)
    receipt = read_receipt(data, str(path))
    keys = [load_public(home.public_key_path)]
    if receipt.said.sender.name != OPERATOR:
        name = receipt.said.release
        holdings.keep(home, str(release or name), find_release(home, str(release or name)))
    with home.writing() as ledger:
        book = recipients.book_of(ledger)
        findings = Findings(KIND)
        check_receipt(data, book.others(), keys, findings, str(path))
        if not findings.ok:
            raise Refused(_first(findings), place=Place(str(path)), remedy="get the receipt anew")
        known = book.links.get(receipt.digest)
        if known is None and receipt.said.sender.name == OPERATOR:
            raise Refused(
                "the ledger does not hold this disclosure, though the operator's key signed it",
                place=Place(str(path)),
                remedy="the ledger may be an old copy: see `troth fsck`; whoever holds such a receipt can prove it",
            )
        if known is not None and (known.is_countersigned or not receipt.by_recipient):
            return known
        step = PASSED_ON if known is None else COUNTERSIGNED
        entry = ledger.append([_act(step, receipt, data.decode())])[0].position
        return Link(receipt, data.decode(), known.entry if known else entry)


# looking


def listed(home: Home, now: int | None = None) -> list[dict[str, Json]]:
    """All disclosures, chain by chain: each link after the one that it rests on."""
    book, instant = recipients.book(home), clock() if now is None else now
    return [_shown(book, link, depth, instant) for root in book.roots() for depth, link in book.tree(root)]


def _shown(book: Book, link: Link, depth: int, now: int) -> dict[str, Json]:
    said = link.receipt.said
    return {
        "id": said.id,
        "receipt": link.digest,
        "release": said.release,
        "purpose": said.use.purpose,
        "rows": said.rows,
        "sender": said.sender.name,
        "recipient": said.recipient.name,
        "right": said.right,
        "agreement": said.agreement.as_json() if said.agreement else None,
        "at": format_instant(said.at),
        "entry": link.entry,
        "rests_on": said.rests_on,
        "depth": depth,
        "countersigned": link.is_countersigned,
        "recalls": [{"recall": one.id, "rows": one.rows, "status": one.status(now)} for one in link.recalls],
        "cleared": book.is_chain_cleared(link),
    }


def receipt_of(home: Home, name: str) -> bytes:
    """The newest bytes of a receipt, by its id or digest.

    Raises:
        BadInput: there is none.
    """
    for digest, link in recipients.book(home).links.items():
        if name in (digest, link.receipt.said.id):
            return link.envelope.encode()
    raise BadInput(f"there is no receipt {name!r}", remedy="list them with `troth disclosures`")


def entry_of(home: Home, name: str) -> int:
    """Where the entry of a disclosure stands, by the receipt's id or digest. Raises as ``receipt_of``."""
    for digest, link in recipients.book(home).links.items():
        if name in (digest, link.receipt.said.id):
            return link.entry
    raise BadInput(f"there is no receipt {name!r}", remedy="list them with `troth disclosures`")


# checking


def verify(
    path: Path, keys: Sequence[Path] | None, rests_on: Sequence[Path] = (), release: Path | None = None
) -> Findings:
    """Check a receipt offline, and every link that it rests on.

    Args:
        path: the receipt.
        keys: the operator's public key files; None: the key of the home that it lies in, with a warning.
        rests_on: files of further receipts.
        release: the folder of the release or its manifest, to hold the receipt against; None: it is not looked at.
    """
    findings = Findings(KIND)
    trusted = _trusted(path, keys, findings)
    one = check_receipt(read_file(path), _by_digest(rests_on), trusted, findings, path.name)
    if one is not None and release is not None:
        if release.is_dir():
            signed = read_signed(release, trusted or None, findings)
        else:
            signed = check_manifest(read_file(release), trusted, findings, str(release))
        if signed is not None:
            check_release(one.said, signed, findings, path.name)
    return findings


def _trusted(path: Path, keys: Sequence[Path] | None, findings: Findings) -> list[SSlibKey]:
    if keys:
        return [load_public(one) for one in keys]
    near = [one / _HOME_KEY for one in path.absolute().parents if (one / _HOME_KEY).is_file()][:1]
    if near:
        findings.warning(
            "checked with the key of the home that it lies in; name the operator's key, had from elsewhere, with --key",
            _HOME_KEY,
        )
    return [load_public(one) for one in near]


def _by_digest(paths: Sequence[Path]) -> Mapping[str, bytes]:
    found = {}
    for path in paths:
        data = read_file(path)
        found[digest_of(read_envelope(data, str(path)).payload)] = data
    return found


def takes(path: Path) -> bool:
    """Whether a path is a file that looks like a receipt, a notice of recall or an acknowledgement."""
    return _kind(path) in _KINDS


def verify_any(
    path: Path, keys: Sequence[Path] | None, rests_on: Sequence[Path] = (), release: Path | None = None
) -> Findings:
    """Check a file that ``takes`` takes, offline; see ``verify`` of receipts."""
    if _kind(path) == PREDICATE_TYPE:
        return verify(path, keys, [one for one in rests_on if _kind(one) == PREDICATE_TYPE], release)
    findings = Findings("recall")
    check_signed(read_file(path), _trusted(path, keys, findings), findings, path.name)
    return findings


def _kind(path: Path) -> str | None:
    """The kind of statement that a file seems to hold."""
    if not path.is_file() or path.stat().st_size > MAX_STATEMENT_BYTES:
        return None
    return statement.kind_of(path.read_bytes())


def _first(findings: Findings) -> str:
    found = next(one for one in findings.findings if one.level == "error")
    return f"{found.where}: {found.what}" if found.where else found.what


def read_file(path: Path) -> bytes:
    """The bytes of a file of bounded size.

    Raises:
        BadInput: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_ENVELOPE_BYTES + 1)
    except OSError as error:
        raise BadInput(
            f"cannot be read: {error.strerror}", place=Place(str(path)), remedy="check the path"
        ) from None
    if len(data) > MAX_ENVELOPE_BYTES:
        raise BadInput(f"is larger than {MAX_ENVELOPE_BYTES} bytes", place=Place(str(path)))
    return data
