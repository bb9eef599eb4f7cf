"""Proofs that a release broke what its manifest claims: made by a member, checked by anybody.

Two kinds. **newer**: the member is in the release, and the log holds an entry of theirs, before the position that the
manifest claims to honour and dated no later than the instant it asks about, that is newer than the ``head`` sealed for
them. That the entry is the same member's is shown by its chain: each body names the position of the member's entry
before it, down to the sealed head. **denied**: the member opens their whole history up to the sealed head, and all
terms, settings, regimes and rules before that position; the reference decides ``denied`` for a row of theirs.

An opt-out alone proves nothing: it may be later, taken back, or of another switch. Then no proof here holds.

For **denied** the file lists all entries of the log as the public sees them, so that nobody can leave out the terms
that allow a use: their root must be the log's.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

from troth.core.decide import Judge, combination
from troth.core.entries import Act, Entry, commit, parse_entry, read_body
from troth.core.errors import BadInput, TrothError
from troth.core.events import Event, MemberEvent, subject_of
from troth.core.findings import Findings
from troth.core.manifest import Manifest
from troth.core.merkle import leaf_hash, root
from troth.core.note import parse_note
from troth.core.openings import Opened, read_base64, read_opened, read_shape
from troth.core.policy import NONE, Policy, check_note
from troth.core.presence import Proof, check_proof
from troth.core.proof import parse_proof as parse_log_proof
from troth.core.proof import verify_inclusion
from troth.core.reasons import Reason, bits, from_bits, verdict_of
from troth.core.rows import Row, parse_row
from troth.core.shape import Shape
from troth.core.standing import Known, Standing
from troth.core.values import Record, canonical, format_instant
from troth.core.verify import Signed
from troth.core.written import Json

TYPE: Final = "troth/violation/v1"
KIND: Final = "violation"
NEWER: Final = "newer"
DENIED: Final = "denied"
WORLD_TYPES: Final = ("terms", "setting", "regime", "rules")
MAX_VIOLATION_BYTES: Final = 256 * 1024 * 1024
MAX_LISTED: Final = 200_000
"""Entries of a log that a file may list; a larger log takes a mirror."""


@dataclass(frozen=True, slots=True, repr=False)
class Violation:
    """A proof as it is written. ``entries`` of the member, newest first if newer; ``world`` and ``log`` if denied."""

    kind: str
    presence: bytes
    entries: tuple[Opened, ...]
    world: tuple[Opened, ...] = ()
    log: tuple[str, ...] = ()
    checkpoint: str | None = None

    def write(self) -> bytes:
        """The bytes of the file."""
        value: dict[str, Json] = {
            "type": TYPE,
            "kind": self.kind,
            "presence": base64.b64encode(self.presence).decode(),
            "entries": [one.as_json() for one in self.entries],
            "world": [one.as_json() for one in self.world],
            "log": list(self.log),
            "checkpoint": self.checkpoint,
        }
        return canonical(value) + b"\n"


def is_violation(data: bytes) -> bool:
    """Whether a file says of itself that it is such a proof."""
    return data[:1] == b"{" and f'"type":"{TYPE}"'.encode() in data


def parse_violation(data: bytes, source: str) -> Violation:
    """Read the bytes of a proof, and nothing but what ``Violation.write`` writes.

    Raises:
        BadInput: not one, or in another form.
    """
    shape = read_shape(data, source, MAX_VIOLATION_BYTES)
    try:
        return _read(shape, data, source)
    except UnicodeError:
        raise BadInput(f"{source} holds half a surrogate pair") from None


def _read(shape: Shape, data: bytes, source: str) -> Violation:
    shape.need("type").as_one_of((TYPE,))
    checkpoint = shape.get("checkpoint")
    found = Violation(
        kind=shape.need("kind").as_one_of((NEWER, DENIED)),
        presence=read_base64(shape.need("presence")),
        entries=tuple(map(read_opened, shape.need("entries").items())),
        world=tuple(map(read_opened, shape.need("world").items())),
        log=shape.need("log").texts(),
        checkpoint=checkpoint.as_text() if checkpoint else None,
    )
    if found.write() != data:
        raise BadInput(f"{source} is not in the form in which such proofs are written: it was altered")
    return found


# checking


def check_violation(
    data: bytes, signed: Signed, policy: Policy, findings: Findings, source: str
) -> Violation | None:
    """Check the bytes of a proof against a signed manifest and a log that is trusted.

    Args:
        data: the bytes of the file.
        signed: the manifest, its signature checked.
        policy: whose log to trust.
        findings: taken further; without an error, the release did what its manifest says it did not.
        source: what to call the file.
    """
    try:
        found = parse_violation(data, source)
    except BadInput as error:
        findings.error(error.message, str(error.place) if error.place else source)
        return None
    inner = Findings(KIND)
    proof = check_proof(found.presence, signed, inner, "presence")
    for one in inner.findings:
        if one.level == "error":
            findings.error(one.what, one.where)
    if proof is None or not findings.ok:
        return found
    if proof.details is None:
        findings.error("proves absence: nobody is wronged by a release that does not hold them", "presence")
        return found
    try:
        check = _check_newer if found.kind == NEWER else _check_denied
        check(found, proof, signed.manifest, policy, findings)
    except TrothError as error:
        findings.error(error.message, source)
    except (ValueError, RecursionError) as error:
        findings.error(f"cannot be read: {type(error).__name__}", source)
    return found


def _check_newer(
    found: Violation, proof: Proof, manifest: Manifest, policy: Policy, findings: Findings
) -> None:
    """A chain of the member's entries, newest first, that ends just above the sealed head."""
    head = proof.details.head if proof.details else None
    if not found.entries:
        raise BadInput("shows no entry")
    if head is None:
        _check_alone(found, proof)
    newest: Event | None = None
    wanted: int | None = found.entries[0].position
    for one in found.entries:
        if one.position != wanted:
            raise BadInput("the entries are no chain: each names the position of the one before it")
        event, wanted = _logged(one, policy, findings)
        newest = newest or event
    if wanted != head:
        raise BadInput(
            "the chain does not lead to the entry that was sealed for the member: nothing shows whose entry it is"
        )
    first = found.entries[0].position
    if first >= manifest.settings_as_of:
        raise BadInput(
            f"the entry stands at {first}: the release claims to honour those before {manifest.settings_as_of} only"
        )
    at = instant_of(newest)
    if at > manifest.at:
        raise BadInput("the entry is dated later than the instant that the release asks about")
    findings.info(
        f"release {manifest.release} claims to honour the ledger's first {manifest.settings_as_of:,} entries, but of"
        f" this member's it honoured those up to {'none' if head is None else f'{head:,}'}: the entry at {first:,}, of"
        f" {format_instant(at)}, was in the log and was passed over"
    )


def instant_of(event: Event | None) -> int:
    """The instant from which an entry of a member holds."""
    return int(getattr(event, "at", getattr(event, "since", 2**62)))


def _check_alone(found: Violation, proof: Proof) -> None:
    """Where no entry was sealed, the rows must say who the member is: the one party that all of them share."""
    if not _is_alone(proof, subject_of(_event(found.entries[0])[0])):
        raise BadInput(
            "no entry was sealed for this member, and the rows do not show that they are who wrote it"
        )


def _is_alone(proof: Proof, subject: str | None) -> bool:
    """Whether one name alone stands in all of the rows, and this is it."""
    shared = [set(parties_of(parse_row(one.row))) for one in proof.rows or ()]
    return bool(shared) and set.intersection(*shared) == {subject}


def parties_of(row: Row) -> list[str]:
    """Author and addressees of a row, each once."""
    return list(dict.fromkeys(one for one in (row.author, *(row.addressees or ())) if one is not None))


def _logged(one: Opened, policy: Policy, findings: Findings) -> tuple[Event, int | None]:
    """What an opened entry says, once its receipt holds; and the position of the same member's entry before it."""
    if one.proof is None:
        raise BadInput(f"the entry at {one.position} comes without its receipt")
    receipt = parse_log_proof(one.proof)
    accepted = check_note(receipt.checkpoint, policy)
    _warn(policy, findings)
    tree = accepted.checkpoint
    if receipt.extra is None or receipt.index != one.position:
        raise BadInput(f"the receipt of the entry at {one.position} is of another entry")
    if not verify_inclusion(leaf_hash(receipt.extra), receipt.index, tree.size, receipt.hashes, tree.root):
        raise BadInput(f"the entry at {one.position} is not in the log")
    entry = parse_entry(receipt.extra)
    if entry.type != "member":
        raise BadInput(f"the entry at {one.position} is no member's")
    _check_commitment(one, entry)
    return _event(one)


def _warn(policy: Policy, findings: Findings) -> None:
    what = "the policy asks for no witness: the log could show others another history"
    if policy.quorum == NONE and all(one.what != what for one in findings.findings):
        findings.warning(what, "log")


def _check_commitment(one: Opened, entry: Entry) -> None:
    if commit(one.salt, one.body) != entry.commitment:
        raise BadInput(f"salt and body do not open the entry at {one.position}")


def _event(one: Opened) -> tuple[Event, int | None]:
    try:
        body = json.loads(one.body)
        event, previous = read_body("member", body, one.position), body.get("previous")
    except (ValueError, RecursionError, AttributeError) as error:
        raise BadInput(
            f"the body of the entry at {one.position} cannot be read: {type(error).__name__}"
        ) from None
    if isinstance(event, Act) or subject_of(event) is None:
        raise BadInput(f"the entry at {one.position} is of no member")
    return event, previous if isinstance(previous, int) else None


def _check_denied(
    found: Violation, proof: Proof, manifest: Manifest, policy: Policy, findings: Findings
) -> None:
    """The member's whole history up to the sealed head, and the whole world before n: the reference says ``denied``."""
    head = proof.details.head if proof.details else None
    if head is None:
        raise BadInput("no entry was sealed for this member: there is no history to decide from")
    if not proof.rows:
        raise BadInput("opens none of the member's rows")
    entries = _check_log(found, policy, findings)
    world = _check_world(found, entries, manifest.settings_as_of)
    history = _check_history(found, entries, head)
    subject = str(subject_of(history[0][1]))
    known = Known([*world])
    for position, event in history:
        known.add(position, event)
    standing = Standing(known, [(at, cast("MemberEvent", event)) for at, event in history], manifest.at)
    denied = [one for one in proof.rows if _denies(parse_row(one.row), subject, standing, manifest)]
    if not denied:
        raise BadInput("from this history the reference denies none of the rows: nothing was violated")
    row = parse_row(denied[0].row)
    reasons = ", ".join(one.text for one in _reasons(row, standing, manifest))
    findings.info(
        f"{len(denied):,} of the member's rows in release {manifest.release} are denied for"
        f" {manifest.use.purpose} by {manifest.use.recipient} as of {format_instant(manifest.at)}, by the entries that"
        f" the release itself claims to honour: {reasons}",
        f"record {row.id}",
    )


def _check_log(found: Violation, policy: Policy, findings: Findings) -> Sequence[Entry]:
    """All entries of the log as the public sees them: their root is the one that was signed."""
    if found.checkpoint is None or not 0 < len(found.log) <= MAX_LISTED:
        raise BadInput(f"lists no log, or one of more than {MAX_LISTED:,} entries")
    accepted = check_note(parse_note(found.checkpoint.encode()), policy)
    _warn(policy, findings)
    texts = [one.encode() for one in found.log]
    tree = accepted.checkpoint
    if len(texts) != tree.size or root([leaf_hash(one) for one in texts]) != tree.root:
        raise BadInput("the entries that it lists are not those of the log")
    return [parse_entry(one) for one in texts]


def _check_world(found: Violation, entries: Sequence[Entry], stop: int) -> list[tuple[int, Event]]:
    """Terms, settings, regimes and rules before a position, all of them."""
    if stop > len(entries):
        raise BadInput("the log that it lists ends before the position that the release claims to honour")
    wanted = [at for at, entry in enumerate(entries[:stop]) if entry.type in WORLD_TYPES]
    if [one.position for one in found.world] != wanted:
        raise BadInput("leaves out terms, settings, regimes or rules: with them the answer may be another")
    world = []
    for one in found.world:
        entry = entries[one.position]
        _check_commitment(one, entry)
        event = read_body(entry.type, json.loads(one.body), one.position)
        if isinstance(event, Act):
            raise BadInput(f"the entry at {one.position} is none of the terms")
        world.append((one.position, event))
    return world


def _check_history(found: Violation, entries: Sequence[Entry], head: int) -> list[tuple[int, Event]]:
    """The member's entries, oldest first, from their first one to the sealed head, none left out."""
    wanted: int | None = head
    history: list[tuple[int, Event]] = []
    for one in reversed(found.entries):
        if wanted is None or one.position != wanted or one.position >= len(entries):
            raise BadInput("the history is no chain down from the entry that was sealed for the member")
        if entries[one.position].type != "member":
            raise BadInput(f"the entry at {one.position} is no member's")
        _check_commitment(one, entries[one.position])
        event, wanted = _event(one)
        history.append((one.position, event))
    if wanted is not None or not history:
        raise BadInput("the history does not go back to the member's first entry")
    if len({subject_of(event) for _, event in history}) != 1:
        raise BadInput("the history speaks of more than one member")
    return history[::-1]


def _denies(row: Row, subject: str, standing: Standing, manifest: Manifest) -> bool:
    """Whether the member's own side alone denies a row, whatever the others of its parties chose."""
    record = _record(row)
    mode, parties = combination(record.categories, standing.known), parties_of(row)
    counts = (
        subject in parties
        if mode == "all_parties"
        else parties == [subject]
        if mode == "any_party"
        else row.author == subject
    )
    return counts and verdict_of(_code(record, standing, manifest)) == "denied"


def _code(record: Record, standing: Standing, manifest: Manifest) -> int:
    return bits(Judge(standing, manifest.use, record.categories, record.created_at).judge()[0])


def _reasons(row: Row, standing: Standing, manifest: Manifest) -> tuple[Reason, ...]:
    return from_bits(_code(_record(row), standing, manifest))


def _record(row: Row) -> Record:
    addressees, topics = (tuple(one or "" for one in each or ()) for each in (row.addressees, row.topics))
    return Record(row.id, row.category, row.created_at, row.author, addressees, topics)


# finding


def find(
    proof: Proof, manifest: Manifest, history: Sequence[tuple[int, Event]], world: Sequence[tuple[int, Event]]
) -> tuple[str, list[int]] | None:
    """What kind of violation a member can prove, and the positions of the entries to open; None: nothing is.

    Args:
        proof: their presence, with the rows opened.
        manifest: the release's.
        history: the member's entries, in order.
        world: terms, settings, regimes, rules and notices to audiences, in order.
    """
    if proof.details is None:
        return None
    head, stop = proof.details.head, manifest.settings_as_of
    above = [(at, event) for at, event in history if at < stop and (head is None or at > head)]
    newer = [at for at, event in above if instant_of(event) <= manifest.at]
    if newer and (head is not None or _is_alone(proof, subject_of(history[0][1]))):
        return NEWER, [at for at, _ in above if at <= newer[0]][::-1]
    below = [(at, event) for at, event in history if head is not None and at <= head]
    if not below:
        return None
    known = Known([(at, event) for at, event in world if at < stop])
    standing = Standing(known, [(at, cast("MemberEvent", event)) for at, event in below], manifest.at)
    subject = str(subject_of(below[0][1]))
    if any(_denies(parse_row(one.row), subject, standing, manifest) for one in proof.rows or ()):
        return DENIED, [at for at, _ in below]
    return None
