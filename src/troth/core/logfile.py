"""Verification of what a log hands out, checkpoints and proof files: a pure function of bytes and a policy."""

from __future__ import annotations

from typing import Final

from troth.core.checkpoint import parse_checkpoint
from troth.core.entries import parse_entry
from troth.core.errors import BadInput, Refused
from troth.core.findings import Findings
from troth.core.merkle import leaf_hash
from troth.core.note import ED25519, Note, parse_note, parse_vkey
from troth.core.policy import NONE, Accepted, Party, Policy, check_note, parse_policy
from troth.core.proof import HEADER, ProofFile, parse_proof, verify_inclusion
from troth.core.values import format_instant

CHECKPOINT: Final = "checkpoint"
PROOF: Final = "tlog-proof"
_MICROSECONDS: Final = 1_000_000


def recognise(data: bytes) -> str | None:
    """What bytes seem to be: ``tlog-proof``, ``checkpoint`` or (None) neither."""
    if data.startswith(f"{HEADER}\n".encode()):
        return PROOF
    try:
        parse_checkpoint(parse_note(data).text)
    except BadInput:
        return None
    return CHECKPOINT


def parse_trust(data: bytes, source: str) -> Policy:
    """Whom to trust: a policy file, or the verifier key of one log alone, which asks for no witness.

    Raises:
        BadInput: neither.
    """
    try:
        key = parse_vkey(data.decode("utf-8").removesuffix("\n"))
    except (BadInput, UnicodeDecodeError):
        return parse_policy(data, source)
    if key.kind != ED25519:
        raise BadInput("is the key of a witness, not of a log")
    return Policy((Party(key),), {}, {}, NONE)


def check_log_file(data: bytes, policy: Policy, source: str) -> Findings:
    """Check a checkpoint or a proof file against a policy; raises nothing about what it finds.

    A proof file holds if its entry stands where it says in a tree that the log has signed and the quorum has
    cosigned. The entry is the file's own ``extra``.
    """
    findings = Findings(recognise(data) or CHECKPOINT)
    try:
        if findings.kind == PROOF:
            proof = parse_proof(data)
            _check_proof(proof, _check_note(proof.checkpoint, policy, findings, source), findings, source)
        else:
            _check_note(parse_note(data), policy, findings, source)
    except (BadInput, Refused) as error:
        findings.error(error.message, source)
    return findings


def _check_note(note: Note, policy: Policy, findings: Findings, source: str) -> Accepted:
    accepted = check_note(note, policy)
    tree = accepted.checkpoint
    findings.info(f"{tree.origin} holds {tree.size} entries, root {tree.root.hex()}", source)
    for name, time in sorted(accepted.cosigned.items()):
        findings.info(f"cosigned by {name} at {format_instant(time * _MICROSECONDS)}", source)
    if policy.quorum == NONE:
        findings.warning("the policy asks for no witness: the log could show others another history", source)
    if accepted.unknown:
        findings.warning(f"holds {accepted.unknown} signatures of keys that the policy does not know", source)
    return accepted


def _check_proof(proof: ProofFile, accepted: Accepted, findings: Findings, source: str) -> None:
    tree = accepted.checkpoint
    if proof.extra is None:
        findings.error("does not carry the entry that it is about", source)
        return
    entry = parse_entry(proof.extra)
    if verify_inclusion(leaf_hash(proof.extra), proof.index, tree.size, proof.hashes, tree.root):
        what = f"{entry.type}, {entry.time}, commitment {entry.commitment.hex()}"
        findings.info(f"entry {proof.index} is in this log: {what}", source)
    else:
        findings.error(f"the proof does not lead from the entry at {proof.index} to the log's root", source)
