"""The certificate that a model was made again without some records: an in-toto Statement v1 in a DSSE envelope.

The subject is the model as it is served since. Members are not named: a withdrawal is named by its entry in the
public log, records by their salted leaves, which mean nothing to those who do not hold the release. Instants are
rounded down to the hour, as the log's are, so that somebody who saw a click cannot find it; durations are exact.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from securesystemslib.signer import SSlibKey

from troth.core import shards
from troth.core.absence import Neighbour, is_absent
from troth.core.checkpoint import parse_checkpoint
from troth.core.entries import parse_entry, public_time
from troth.core.errors import BadInput, Refused
from troth.core.findings import Findings
from troth.core.manifest import STATEMENT_TYPE, check_release_id
from troth.core.marked import check_marks
from troth.core.merkle import leaf_hash, root
from troth.core.policy import NONE, Policy, check_note
from troth.core.proof import parse_proof, verify_inclusion
from troth.core.shape import Shape
from troth.core.shards import Plan
from troth.core.values import canonical, parse_instant
from troth.core.verify import read_envelope, signed_by
from troth.core.written import Json

PREDICATE_TYPE: Final = "urn:troth:unlearning:v1"
KIND: Final = "certificate"
MAX_BYTES: Final = 50_000
"""A certificate is smaller than this; leaves that do not fit lie in a file beside it."""

MAX_STATEMENT_BYTES: Final = MAX_BYTES * 3 // 4 - 500
"""A statement of this size makes a certificate that is small enough: base64, a signature and the envelope."""

LISTED: Final = 128
"""So many leaves stand in the certificate itself."""

SHOWN_ABSENT: Final = 4
"""Of so many of the leaves taken out it is shown that they are absent; see ``sample``."""

METHODS: Final = {
    "counts": "subtracted exactly, and counted again from what is retained, with one result",
    "slices": "the slices from the first one that held a record are trained again",
}

GUARDS: Final = (
    "the plan (shards, slices, seeds, order) depends on no other record",
    "the tokenizer or alphabet, the configuration and the routing were fixed before training and never tuned on it",
    "no version from before the withdrawal can be asked any more, and no comparison of the two is offered",
)

NOT_CLAIMED: Final = (
    "that no copy of the records, or of the model before, exists outside this home",
    "that nobody else quoted these records in words of their own",
    "anything about what a model that this one starts from was trained on before",
    "that storage media hold no trace of overwritten bytes",
    "that the operator did not train another model; whoever replays this checks this one",
)

_HEX: Final = re.compile("[0-9a-f]{64}")
_HOUR: Final = 60 * 60 * 1_000_000


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """An entry of the log, as the public sees it; ``proof``: its receipt (C2SP tlog-proof), if it has one."""

    position: int
    type: str
    time: str
    commitment: str
    proof: str | None = None


@dataclass(frozen=True, slots=True)
class Leaves:
    """Leaves of rows: how many, the root over them sorted, and (where they are few) the leaves themselves, in hex."""

    records: int
    root: str
    listed: tuple[str, ...] | None

    @classmethod
    def of(cls, leaves: Iterable[bytes], *, inside: bool) -> Leaves:
        """The leaves of rows; ``inside``: they stand in the certificate."""
        ordered = sorted(leaves)
        return cls(len(ordered), root(ordered).hex(), tuple(one.hex() for one in ordered) if inside else None)


@dataclass(frozen=True, slots=True)
class Part:
    """A part that was trained again: what is retained of it, and its checkpoint's digest before and after."""

    shard: int
    slice: int
    records: int
    root: str
    starts_from: str | None
    before: str | None
    after: str


@dataclass(frozen=True, slots=True)
class Absent:
    """That a leaf is not in the retained set of a part."""

    leaf: str
    shard: int
    slice: int
    neighbours: tuple[Neighbour, ...]


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a certificate says. Digests in hex; ``received`` ISO 8601, to the hour; durations in milliseconds.

    ``destroyed`` counts the checkpoints from before that were destroyed (their digests stand with the parts),
    ``differences`` are the digests of what served meanwhile and was destroyed too; ``held`` names what was not.
    ``marks``: whether the canaries of those who left look like chance in the model that came out, where they were
    tested again (see ``troth.app.audit.Uniformity``). It stands beside bit-equality, never in its place.
    """

    model: str
    digest: str
    digest_before: str
    backend: str
    continues: bool
    training: str | None
    withdrawals: tuple[Withdrawal, ...]
    removed: Leaves
    earlier: Leaves
    releases: tuple[tuple[str, str], ...]
    plan: Plan
    frozen: str | None
    configuration: Mapping[str, Json]
    method: str
    parts: tuple[Part, ...]
    absent: tuple[Absent, ...]
    environment: Mapping[str, Json]
    code: Mapping[str, Json]
    destroyed: int
    differences: tuple[str, ...]
    text_overwritten: int
    held: tuple[str, ...]
    received: str
    clean_after: int
    replaced_after: int
    cost: Mapping[str, int]
    marks: Mapping[str, Any] | None = None


def model_digest(checkpoints: Mapping[tuple[int, int], str]) -> str:
    """The digest of a model: SHA-256 (hex) of the canonical JSON of its checkpoints' digests by part."""
    named: dict[str, Json] = {f"{shard}-{slice_}": digest for (shard, slice_), digest in checkpoints.items()}
    return hashlib.sha256(canonical(named)).hexdigest()


def to_the_hour(instant: int) -> str:
    """An instant (microseconds UTC) as the public log shows a member's."""
    return public_time("member", instant)


def sample(digest: str, leaves: Sequence[str]) -> list[str]:
    """The leaves (hex) whose absence a certificate shows: nobody chooses them, the model that came out does."""
    keyed = sorted(leaves, key=lambda leaf: hashlib.sha256(bytes.fromhex(digest + leaf)).digest())
    return sorted(keyed[:SHOWN_ABSENT])


def build_statement(one: Certificate) -> bytes:
    """The canonical bytes of the statement: what is signed."""
    predicate: dict[str, Any] = {
        "model": {
            "name": one.model,
            "backend": one.backend,
            "continues": one.continues,
            "training": one.training,
            "before": one.digest_before,
        },
        "withdrawals": [
            {
                "position": each.position,
                "type": each.type,
                "time": each.time,
                "commitment": each.commitment,
                "proof": each.proof,
            }
            for each in one.withdrawals
        ],
        "removed": _leaves(one.removed),
        "earlier": _leaves(one.earlier),
        "releases": [{"release": release, "manifest": manifest} for release, manifest in one.releases],
        "plan": one.plan.as_json(),
        "seeds": "by the rule of the plan, from its key, the shard, the slice and the epoch",
        "frozen": one.frozen,
        "configuration": dict(one.configuration),
        "method": one.method,
        "parts": [
            {
                "shard": part.shard,
                "slice": part.slice,
                "records": part.records,
                "root": part.root,
                "before": part.before,
                "after": part.after,
                **({"starts_from": part.starts_from} if part.starts_from else {}),
            }
            for part in one.parts
        ],
        "absent": [
            {
                "leaf": each.leaf,
                "shard": each.shard,
                "slice": each.slice,
                "neighbours": [
                    {
                        "index": beside.index,
                        "leaf": beside.leaf.hex(),
                        "path": [step.hex() for step in beside.path],
                    }
                    for beside in each.neighbours
                ],
            }
            for each in one.absent
        ],
        "environment": dict(one.environment),
        "code": dict(one.code),
        "destroyed": {"checkpoints_before": one.destroyed, "differences": list(one.differences)},
        "text_overwritten": one.text_overwritten,
        "held": list(one.held),
        "received": one.received,
        "clean_after_ms": one.clean_after,
        "replaced_after_ms": one.replaced_after,
        "cost": dict(one.cost),
        "guards": list(GUARDS),
        "not_claimed": list(NOT_CLAIMED),
        "replay": "troth replay CERTIFICATE --release DIR",
    }
    if one.marks is not None:
        predicate["marks"] = dict(one.marks)
    return canonical(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": one.model, "digest": {"sha256": one.digest}}],
            "predicateType": PREDICATE_TYPE,
            "predicate": predicate,
        }
    )


def _leaves(one: Leaves) -> dict[str, Any]:
    listed = None if one.listed is None else list(one.listed)
    return {"records": one.records, "root": one.root, "leaves": listed}


# reading


def is_certificate(payload: bytes) -> bool:
    """Whether the bytes of a statement say that they are a certificate of unlearning."""
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and value.get("predicateType") == PREDICATE_TYPE


def parse_statement(payload: bytes, source: str) -> Certificate:
    """Read the bytes of a statement.

    Raises:
        BadInput: not a certificate of ours, or not in its canonical form.
    """
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{source} holds no JSON: {type(error).__name__}") from None
    shape = Shape(value, source)
    for key, expected in (("_type", STATEMENT_TYPE), ("predicateType", PREDICATE_TYPE)):
        shape.need(key).as_one_of((expected,))
    subjects = list(shape.need("subject").items())
    if len(subjects) != 1:
        shape.need("subject").refuse("expected one subject")
    found = _read(shape.need("predicate"), subjects[0])
    if build_statement(found) != payload:
        raise BadInput(f"{source} holds more, or other, than a certificate of this version")
    return found


def _read(shape: Shape, subject: Shape) -> Certificate:
    model, frozen, marks = shape.need("model"), shape.get("frozen"), shape.get("marks")
    training = model.get("training")
    return Certificate(
        model=subject.need("name").as_text(),
        digest=_hex(subject.need("digest").need("sha256")),
        digest_before=_hex(model.need("before")),
        backend=model.need("backend").as_text(),
        continues=model.need("continues").as_flag(),
        training=_hex(training) if training else None,
        withdrawals=tuple(_withdrawal(one) for one in shape.need("withdrawals").items()),
        removed=_read_leaves(shape.need("removed")),
        earlier=_read_leaves(shape.need("earlier")),
        releases=tuple(
            (one.need("release").checked(check_release_id), _hex(one.need("manifest")))
            for one in shape.need("releases").items()
        ),
        plan=_plan(shape.need("plan")),
        frozen=_hex(frozen) if frozen else None,
        configuration=_mapping(shape.need("configuration")),
        method=shape.need("method").as_one_of(tuple(METHODS)),
        parts=tuple(_part(one) for one in shape.need("parts").items()),
        absent=tuple(_absent(one) for one in shape.need("absent").items()),
        environment=_mapping(shape.need("environment")),
        code=_mapping(shape.need("code")),
        destroyed=shape.need("destroyed").need("checkpoints_before").as_count(),
        differences=tuple(_hex(one) for one in shape.need("destroyed").need("differences").items()),
        text_overwritten=shape.need("text_overwritten").as_count(),
        held=shape.need("held").texts(),
        received=shape.need("received").as_text(),
        clean_after=shape.need("clean_after_ms").as_count(),
        replaced_after=shape.need("replaced_after_ms").as_count(),
        cost={key: shape.need("cost").need(key).as_count() for key in shape.need("cost").keys()},  # noqa: SIM118
        marks=_mapping(marks) if marks else None,
    )


def _mapping(shape: Shape) -> Mapping[str, Json]:
    if not isinstance(shape.value, dict):
        shape.refuse("expected a mapping")
    return shape.value


def _withdrawal(shape: Shape) -> Withdrawal:
    proof = shape.get("proof")
    return Withdrawal(
        shape.need("position").as_count(),
        shape.need("type").as_text(),
        shape.need("time").as_text(),
        _hex(shape.need("commitment")),
        proof.as_text() if proof else None,
    )


def _read_leaves(shape: Shape) -> Leaves:
    listed = shape.get("leaves")
    leaves = tuple(_hex(one) for one in listed.items()) if listed else None
    return Leaves(shape.need("records").as_count(), _hex(shape.need("root")), leaves)


def _plan(shape: Shape) -> Plan:
    shape.need("rule").as_one_of((shards.RULE,))
    numbers = (shape.need(name).as_count() for name in ("shards", "slices", "classes"))
    return Plan(bytes.fromhex(_hex(shape.need("key"))), *numbers)


def _part(shape: Shape) -> Part:
    before, base = shape.get("before"), shape.get("starts_from")
    return Part(
        shard=shape.need("shard").as_count(),
        slice=shape.need("slice").as_count(),
        records=shape.need("records").as_count(),
        root=_hex(shape.need("root")),
        starts_from=_hex(base) if base else None,
        before=_hex(before) if before else None,
        after=_hex(shape.need("after")),
    )


def _absent(shape: Shape) -> Absent:
    beside = tuple(
        Neighbour(
            one.need("index").as_count(),
            bytes.fromhex(_hex(one.need("leaf"))),
            tuple(bytes.fromhex(_hex(step)) for step in one.need("path").items()),
        )
        for one in shape.need("neighbours").items()
    )
    return Absent(
        _hex(shape.need("leaf")), shape.need("shard").as_count(), shape.need("slice").as_count(), beside
    )


def _hex(shape: Shape) -> str:
    text = shape.as_text()
    if not _HEX.fullmatch(text):
        shape.refuse("expected 64 hexadecimal digits")
    return text


# checking


def check_certificate(
    data: bytes, keys: Sequence[SSlibKey], findings: Findings, source: str, beside: bytes | None = None
) -> Certificate | None:
    """Check a certificate offline: signature, form, and that nothing in it contradicts itself.

    Args:
        data: the bytes of the envelope.
        keys: the keys that are trusted.
        findings: what is found goes here.
        source: what to call the certificate.
        beside: the packed leaves from the file beside it, where it has one.

    Returns:
        The certificate; None if it cannot be read.
    """
    try:
        envelope = read_envelope(data, source)
        found = parse_statement(envelope.payload, source)
    except BadInput as error:
        findings.error(error.message, str(error.place) if error.place else source)
        return None
    signers = signed_by(envelope, keys)
    if not signers:
        findings.error("no trusted key has signed it: it was altered, or is somebody else's", source)
    elif set(envelope.signatures) - set(signers):
        findings.error("holds a signature that no trusted key made", source)
    if len(data) > MAX_BYTES:
        findings.error(f"is larger than {MAX_BYTES:,} bytes", source)
    leaves = _check_leaves(found, findings, beside)
    _check_parts(found, findings)
    _check_absence(found, leaves, findings)
    _check_ends(found, findings)
    return found


def check_withdrawals(one: Certificate, policy: Policy | None, findings: Findings) -> None:
    """Check that the withdrawals of a certificate are in the public log.

    Args:
        one: the certificate.
        policy: whose log to trust; None: it is only checked that a proof is about the entry that is named, and leads
            to its own checkpoint, whoever signed that.
        findings: what is found goes here.
    """
    proved = [each for each in one.withdrawals if each.proof is not None]
    doubts: dict[str, None] = {}
    for each in proved:
        where = f"withdrawal {each.position}"
        try:
            wrong, doubtful = _check_inclusion(each, policy)
        except (BadInput, Refused) as error:
            wrong, doubtful = error.message, []
        if wrong is not None:
            findings.error(wrong, where)
        doubts |= dict.fromkeys(doubtful)
    for doubt in doubts:
        findings.warning(doubt, "withdrawals")
    if len(proved) < len(one.withdrawals):
        findings.warning(
            f"{len(one.withdrawals) - len(proved)} of {len(one.withdrawals)} withdrawals carry no proof that they are"
            " in a public log; ask the operator for their receipts",
            "withdrawals",
        )
    if proved and policy is None:
        findings.warning(
            "nothing says whose log to trust, so it is not known that the withdrawals are in the operator's: name a"
            " policy, or a file with the log's verifier key, with --policy",
            "withdrawals",
        )
    elif proved and findings.ok:
        findings.info(f"{len(proved)} withdrawals are in the log that the policy trusts", "withdrawals")


def _check_inclusion(one: Withdrawal, policy: Policy | None) -> tuple[str | None, list[str]]:
    """What is wrong with the inclusion proof of a withdrawal, and what is doubtful about its checkpoint.

    Raises:
        BadInput: it cannot be read.
        Refused: the policy does not trust its checkpoint.
    """
    proof = parse_proof((one.proof or "").encode(errors="replace"))
    if proof.extra is None or proof.index != one.position:
        return "the inclusion proof is about another entry", []
    entry = parse_entry(proof.extra)
    if (entry.type, entry.time, entry.commitment.hex()) != (one.type, one.time, one.commitment):
        return "the inclusion proof is about another entry", []
    doubts = []
    if policy is None:
        tree = parse_checkpoint(proof.checkpoint.text)
    else:
        tree = check_note(proof.checkpoint, policy).checkpoint
        if policy.quorum == NONE:
            doubts.append("the policy asks for no witness: the log could show others another history")
    if not verify_inclusion(leaf_hash(proof.extra), proof.index, tree.size, proof.hashes, tree.root):
        return "the inclusion proof does not lead to the log's root", []
    return None, doubts


def all_leaves(one: Certificate, beside: bytes | None) -> tuple[list[str], list[str]] | None:
    """The leaves taken out, and those taken out earlier; None where they lie in a file that is not at hand."""
    if one.removed.listed is not None and one.earlier.listed is not None:
        return list(one.removed.listed), list(one.earlier.listed)
    if beside is None:
        return None
    cut = [beside[at : at + 32].hex() for at in range(0, len(beside), 32)]
    return cut[: one.removed.records], cut[one.removed.records :]


def _check_leaves(one: Certificate, findings: Findings, beside: bytes | None) -> list[str] | None:
    found = all_leaves(one, beside)
    if found is None:
        findings.warning("the list of leaves lies in a file beside it that is not here", "removed")
        return None
    for name, leaves, said in (("removed", found[0], one.removed), ("earlier", found[1], one.earlier)):
        if sorted(set(leaves)) != leaves or len(leaves) != said.records:
            findings.error("the leaves are not as many as stated, or not sorted", name)
        elif root(map(bytes.fromhex, leaves)).hex() != said.root:
            findings.error("the root is not that of the leaves", name)
    if not one.removed.records or not one.withdrawals:
        findings.error("nothing was taken out", "removed")
    return found[0]


def _check_parts(one: Certificate, findings: Findings) -> None:
    last: dict[int, Part] = {}
    seen = set()
    for part in one.parts:
        where = f"part {part.shard}-{part.slice}"
        if (part.shard, part.slice) in seen or part.shard >= one.plan.shards or part.slice >= one.plan.slices:
            findings.error("is there twice, or is no part of the plan", where)
        seen.add((part.shard, part.slice))
        if one.continues:
            _check_chain(last.get(part.shard), part, findings, where)
        elif part.starts_from is not None:
            findings.error("starts from another checkpoint, which this backend never does", where)
        last[part.shard] = part
    if not one.parts:
        findings.error("no part was trained again", "parts")
    elif all(part.before == part.after for part in one.parts):
        findings.error("no checkpoint is another than before", "parts")
    if one.continues and any(part.slice != one.plan.slices - 1 for part in last.values()):
        findings.error("a later slice of the shard still rests on what was taken out", "parts")


def _check_chain(before: Part | None, part: Part, findings: Findings, where: str) -> None:
    if before is not None and (part.slice != before.slice + 1 or part.starts_from != before.after):
        findings.error("does not go on from the slice before it", where)
    if part.slice == 0 and part.starts_from is not None:
        findings.error("the first slice starts from a checkpoint", where)
    if part.slice > 0 and part.starts_from is None:
        findings.error("does not say which checkpoint it goes on from", where)


def _check_absence(one: Certificate, leaves: list[str] | None, findings: Findings) -> None:
    parts = {(part.shard, part.slice): part for part in one.parts}
    for each in one.absent:
        part = parts.get((each.shard, each.slice))
        if part is None or not is_absent(
            bytes.fromhex(each.leaf), each.neighbours, part.records, bytes.fromhex(part.root)
        ):
            findings.error("is not shown to be absent from what is retained", f"leaf {each.leaf[:16]}…")
    if leaves is not None and [each.leaf for each in one.absent] != sample(one.digest, leaves):
        findings.error("absence is shown of other leaves than the digest of the model picks", "absent")


def _check_ends(one: Certificate, findings: Findings) -> None:
    replaced = sum(part.before is not None for part in one.parts)
    if one.destroyed + len(one.held) < replaced:
        findings.error(f"{replaced} checkpoints were replaced, {one.destroyed} were destroyed", "destroyed")
    elif one.held:
        findings.warning(f"a legal hold keeps {len(one.held)} artefacts, out of serving", "held")
    if one.digest == one.digest_before:
        findings.error("the model that is served is the one from before", "subject")
    try:
        on_the_hour = parse_instant(one.received) % _HOUR == 0
    except BadInput:
        on_the_hour = False
    if not on_the_hour:
        findings.error("is no instant on the hour", "received")
    if one.clean_after > one.replaced_after:
        findings.error("it was replaced before it was clean", "times")
    if one.marks is not None:
        check_marks(one.marks, findings)
    if findings.ok:
        findings.info(
            f"{one.model}: {one.removed.records:,} records taken out of {len(one.parts)} parts,"
            f" {one.method}; clean after {one.clean_after:,} ms, replaced after {one.replaced_after:,} ms"
        )
