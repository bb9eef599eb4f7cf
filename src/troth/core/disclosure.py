"""Receipts of disclosures: who gave which release to whom, when, under which agreement, resting on which receipt.

A receipt is one in-toto Statement in one DSSE envelope with two signatures: the sender's, and the recipient's once
it has recomputed rows and set. The statement names the keys of both sides, so that a chain of receipts (each rests
on the one by which its sender got what it passes on) is checked with the operator's key alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from securesystemslib.signer import SSlibKey

from troth.core import statement
from troth.core.errors import BadInput
from troth.core.findings import Findings
from troth.core.manifest import Manifest, check_release_id
from troth.core.shape import Shape
from troth.core.values import Use, check_recipient, format_instant
from troth.core.verify import Signed, read_envelope, signed_by
from troth.core.written import Json

PREDICATE_TYPE: Final = "urn:troth:disclosure:v1"
KIND: Final = "receipt"
OPERATOR: Final = "operator"
USE: Final = "use"
CARRY: Final = "carry"
"""A processor's delivery: it carries the data for somebody and has no right of use."""
MAX_LINKS: Final = 32
_MANIFEST: Final = "manifest.dsse.json"


@dataclass(frozen=True, slots=True)
class Agreement:
    """The agreement a disclosure rests on; ``sha256`` (hex) of its text, where that is known."""

    document: str
    version: str
    sha256: str | None = None

    def as_json(self) -> dict[str, Json]:
        """Plain JSON values."""
        return {"document": self.document, "version": self.version, "sha256": self.sha256}


@dataclass(frozen=True, slots=True)
class Party:
    """A side of a disclosure: ``operator`` or a recipient, and the public keys (raw, hex) it signs with."""

    name: str
    keys: tuple[str, ...]

    def as_json(self) -> dict[str, Json]:
        """Plain JSON values."""
        return {"name": self.name, "keys": list(self.keys)}


@dataclass(frozen=True, slots=True)
class Disclosure:
    """What a receipt says.

    ``manifest``: SHA-256 (hex) of the release's signed manifest. ``use``: what the release was decided for.
    ``at``: microseconds UTC. ``position``: where the entry stands in the operator's ledger; None for what others
    pass on. ``rests_on``: the digest of the statement by which the sender got it; None: the sender is the operator.
    """

    id: str
    release: str
    manifest: str
    use: Use
    rows: int
    sender: Party
    recipient: Party
    agreement: Agreement | None
    at: int
    position: int | None = None
    rests_on: str | None = None

    @property
    def right(self) -> str:
        """``use``, or ``carry`` of a processor, which gets no right of use."""
        return CARRY if is_processor(self.recipient.name) else USE

    def write(self) -> bytes:
        """The canonical bytes of the statement."""
        predicate: dict[str, Json] = {
            "id": self.id,
            "release": self.release,
            "use": {"purpose": self.use.purpose, "recipient": self.use.recipient},
            "rows": self.rows,
            "sender": self.sender.as_json(),
            "recipient": self.recipient.as_json(),
            "right": self.right,
            "agreement": self.agreement.as_json() if self.agreement else None,
            "at": format_instant(self.at),
            "position": self.position,
            "rests_on": self.rests_on,
        }
        return statement.build(PREDICATE_TYPE, (_MANIFEST, self.manifest), predicate)


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt that could be read: what it says, its digest, and whose valid signatures it carries."""

    said: Disclosure
    digest: str
    by_sender: bool
    by_recipient: bool


def is_processor(recipient: str) -> bool:
    """Whether a recipient processes for somebody else, without a right of its own."""
    return recipient.startswith("processor:")


def why_refused(use: Use, recipient: str) -> str | None:
    """Why a release that was decided for a use may not go to a recipient; None: it may.

    Only the very recipient that was asked about: what a promise forbids for one is not known of another.
    """
    if is_processor(recipient) or recipient == use.recipient:
        return None
    return f"the release was decided for {use.recipient}, not for {recipient}"


def parse(payload: bytes, source: str) -> Disclosure:
    """Read the bytes of a statement.

    Raises:
        BadInput: not a receipt of this version, or not in its canonical form.
    """
    (name, manifest), shape = statement.read(payload, PREDICATE_TYPE, source)
    use, agreement = shape.need("use"), shape.get("agreement")
    position, rests_on = shape.get("position"), shape.get("rests_on")
    found = Disclosure(
        id=shape.need("id").checked(check_release_id),
        release=shape.need("release").checked(check_release_id),
        manifest=manifest,
        use=Use(use.need("purpose").as_text(), use.need("recipient").as_text()),
        rows=shape.need("rows").as_count(),
        sender=_party(shape.need("sender")),
        recipient=_party(shape.need("recipient")),
        agreement=_agreement(agreement) if agreement else None,
        at=shape.need("at").as_instant(),
        position=position.as_count() if position else None,
        rests_on=statement.as_digest(rests_on) if rests_on else None,
    )
    if name != _MANIFEST or found.write() != payload:
        raise BadInput(f"{source} holds more, or other, than a receipt of this version")
    return found


def _party(shape: Shape) -> Party:
    keys = tuple(statement.as_public_key(one) for one in shape.need("keys").items())
    if not keys or len(set(keys)) != len(keys):
        shape.refuse("expected one key or more, each once")
    return Party(shape.need("name").checked(check_recipient), keys)


def _agreement(shape: Shape) -> Agreement:
    digest = shape.get("sha256")
    return Agreement(
        shape.need("document").as_text(),
        shape.need("version").as_text(),
        statement.as_digest(digest) if digest else None,
    )


def read_receipt(data: bytes, source: str) -> Receipt:
    """Read a receipt and check its signatures against the keys that it names; nothing says yet who these are.

    Raises:
        BadInput: no receipt.
    """
    envelope = read_envelope(data, source)
    said = parse(envelope.payload, source)

    def signs(party: Party) -> bool:
        return bool(signed_by(envelope, [statement.key_of(key) for key in party.keys]))

    named = {statement.key_of(key).keyid for key in (*said.sender.keys, *said.recipient.keys)}
    if set(envelope.signatures) - named:
        raise BadInput(f"{source} holds a signature of somebody whom the receipt does not name")
    return Receipt(said, statement.digest_of(envelope.payload), signs(said.sender), signs(said.recipient))


def check_receipt(
    data: bytes,
    others: Mapping[str, bytes],
    keys: Sequence[SSlibKey],
    findings: Findings,
    source: str,
) -> Receipt | None:
    """Check a receipt and all that it rests on, down to the operator.

    Args:
        data: the bytes of the receipt.
        others: further receipts by their digests.
        keys: the operator's public keys.
        findings: taken further; each broken link is named.
        source: what to call the receipt.
    """
    first = _read(data, findings, source)
    here, where, seen = first, source, set[str]()
    while here is not None:
        if here.digest in seen or len(seen) >= MAX_LINKS:
            findings.error("the chain of receipts does not end", where)
            break
        seen.add(here.digest)
        check_link(here, findings, where, is_last=here is first)
        if here.said.rests_on is None:
            _check_root(here, keys, findings, where)
            break
        where = f"link {here.said.rests_on[:16]}…"
        below = others.get(here.said.rests_on)
        if below is None:
            findings.error("the receipt that this chain rests on is missing", where)
            break
        under = _read(below, findings, where)
        if under is not None:
            check_rest(here, under, findings, where)
        here = under
    if first is not None and findings.ok:
        _say(first, len(seen), findings)
    return first


def _read(data: bytes, findings: Findings, where: str) -> Receipt | None:
    try:
        return read_receipt(data, where)
    except BadInput as error:
        findings.error(error.message, where)
        return None


def check_link(one: Receipt, findings: Findings, where: str, *, is_last: bool) -> None:
    """What one receipt says by itself; all but the ``is_last`` of a chain have to be countersigned."""
    said = one.said
    if set(said.sender.keys) & set(said.recipient.keys):
        findings.error("one key stands for both sides: a single signature would count as two", where)
    if not one.by_sender:
        findings.error(f"{said.sender.name} has not signed it, or it was altered", where)
    if not one.by_recipient:
        what = f"{said.recipient.name} has not countersigned it"
        if is_last:
            findings.warning(f"{what}: it shows what the sender says, not what arrived", where)
        else:
            findings.error(f"{what}, so nothing can rest on it", where)
    refused = why_refused(said.use, said.recipient.name)
    if refused is not None:
        findings.error(refused, where)
    if (said.sender.name == OPERATOR) != (said.rests_on is None):
        findings.error(f"{said.sender.name} passes it on, but the receipt does not say by what right", where)


def _check_root(one: Receipt, keys: Sequence[SSlibKey], findings: Findings, where: str) -> None:
    trusted = {statement.public_of(key) for key in keys}
    if not keys:
        findings.error("there is no key to check it with: name the operator's with --key", where)
    elif not set(one.said.sender.keys) <= trusted:
        findings.error("the key of its sender is not the operator's key that was named", where)
    if one.said.position is None:
        findings.error("the operator's receipt does not name its place in the ledger", where)


def check_rest(one: Receipt, under: Receipt, findings: Findings, where: str) -> None:
    """A receipt rests on another one by which its sender got something, earlier."""
    if under.digest != one.said.rests_on:
        findings.error("is another receipt than the one that is rested on", where)
    if under.said.recipient.name != one.said.sender.name:
        findings.error(
            f"went to {under.said.recipient.name}, but {one.said.sender.name} passes on what rests on it",
            where,
        )
    if not set(one.said.sender.keys) <= set(under.said.recipient.keys):
        findings.error(f"names other keys for {one.said.sender.name} than its own receipt does", where)
    if under.said.at > one.said.at:
        findings.error("is later than the receipt that rests on it", where)
    if under.said.right == CARRY and under.said.manifest != one.said.manifest:
        findings.error("is a processor's delivery: nothing but the same release can be passed on", where)
    if under.said.use.purpose != one.said.use.purpose:
        findings.error("is for another purpose than what rests on it", where)


def _say(one: Receipt, links: int, findings: Findings) -> None:
    said = one.said
    right = "to carry, without a right of use" if said.right == CARRY else f"for {said.use.purpose}"
    findings.info(
        f"{said.sender.name} gave release {said.release} ({said.rows:,} rows) to {said.recipient.name} {right} at"
        f" {format_instant(said.at)}; {links} {'link' if links == 1 else 'links'} down to the operator hold"
    )
    if one.by_recipient:
        findings.info(f"{said.recipient.name} signed for exactly this manifest")


def check_release(said: Disclosure, signed: Signed, findings: Findings, where: str) -> None:
    """Hold a receipt against the signed manifest of the release that is at hand."""
    manifest: Manifest = signed.manifest
    if signed.digest != said.manifest or manifest.release != said.release:
        findings.error(f"is about another release, or another manifest, than {manifest.release}", where)
    elif (manifest.use, manifest.rows) != (said.use, said.rows):
        findings.error("says other things of the release than its manifest", where)
