"""Proofs of violations: looked for in a home on a member's behalf, checked anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from securesystemslib.signer import SSlibKey

from troth.app import logs, proofs
from troth.app.disclosures import find_release, read_file
from troth.app.home import Home
from troth.core.entries import Act
from troth.core.errors import BadInput, Corrupt, Place, Refused
from troth.core.events import subject_of
from troth.core.findings import Findings
from troth.core.logfile import parse_trust
from troth.core.openings import Opened
from troth.core.policy import MAX_POLICY_BYTES, Policy
from troth.core.unlogged import MAX_UNLOGGED_BYTES, check_unlogged, is_unlogged
from troth.core.verify import Signed, check_manifest
from troth.core.violation import (
    DENIED,
    KIND,
    MAX_LISTED,
    MAX_VIOLATION_BYTES,
    Violation,
    check_violation,
    find,
    is_violation,
)
from troth.ledger.store import Ledger
from troth.release.check import read_signed
from troth.release.sign import load_public


@dataclass(frozen=True, slots=True)
class Shown:
    """A proof of a violation, its bytes, and what it says."""

    violation: Violation
    data: bytes
    findings: Findings


def show(home: Home, release: str, subject: str) -> Shown:
    """Prove that a release does not keep what its manifest claims, as far as a member is concerned.

    Args:
        home: the home.
        release: the release's folder: the member's rows are opened from it.
        subject: the member.

    Raises:
        Refused: the release keeps its word towards this member, or does not hold them.
        BadInput: no such release or member, or its log is too large to be listed.
    """
    signed = find_release(home, release)
    made = proofs.prove(home, release, subject, rows=True)
    if made.proof.details is None:
        raise Refused(
            f"release {signed.manifest.release} holds nothing of this member: nobody is wronged by it"
        )
    with home.reading() as ledger:
        world = [
            (one.position, one.what)
            for one in ledger.entries(0, signed.manifest.settings_as_of)
            if one.what is not None and not isinstance(one.what, Act) and subject_of(one.what) is None
        ]
        found = find(made.proof, signed.manifest, ledger.history(subject), world)
        if found is None:
            raise Refused(
                f"release {signed.manifest.release} keeps its word towards this member",
                remedy="a choice that came later, or was taken back, is no violation; it opens a recall instead",
            )
        violation = _assemble(home, ledger, made.data, found, [at for at, _ in world])
    data, findings = violation.write(), Findings(KIND)
    check_violation(data, signed, logs.policy_of(home), findings, "the proof")
    if not findings.ok:
        first = next(one for one in findings.findings if one.level == "error")
        raise Corrupt(
            f"the proof that was made does not hold: {first.what}", place=Place(str(home.ledger_path))
        )
    return Shown(violation, data, findings)


def _assemble(
    home: Home, ledger: Ledger, presence: bytes, found: tuple[str, list[int]], world: list[int]
) -> Violation:
    kind, positions = found
    if kind != DENIED:
        entries = [_open(ledger, at, logs.receipt(home, at).write()) for at in positions]
        return Violation(kind, presence, tuple(entries))
    published = logs.open_log(home).published()
    if published is None:
        raise BadInput("the log is not published yet", remedy="publish it with `troth log publish`")
    size = published.checkpoint.size
    if size > MAX_LISTED:
        raise BadInput(
            f"the log holds {size:,} entries; a proof of this kind lists at most {MAX_LISTED:,}",
            remedy="show it to somebody who has a mirror of the log",
        )
    return Violation(
        kind,
        presence,
        tuple(_open(ledger, at) for at in positions),
        tuple(_open(ledger, at) for at in world),
        tuple(entry.text().decode() for entry in ledger.public(0, size)),
        published.note.write().decode(),
    )


def _open(ledger: Ledger, position: int, proof: bytes | None = None) -> Opened:
    opening = ledger.opening(position)
    if opening is None:
        raise BadInput(
            f"the entry at {position} was erased and can't be opened any more",
            remedy="whoever kept its salt and body can still prove it",
        )
    return Opened(position, *opening, proof)


# checking


def takes(path: Path) -> bool:
    """Whether a path is a file that says of itself to be a proof of a violation."""
    if not path.is_file() or path.stat().st_size > MAX_VIOLATION_BYTES:
        return False
    return is_violation(path.read_bytes())


def verify(
    path: Path, release: Path | None, policy: Path | None, keys: Sequence[Path] | None = None
) -> Findings:
    """Check a proof of a violation offline: ok means that the release did break its word.

    Args:
        path: the proof.
        release: the folder of the release, or its manifest's file.
        policy: a trust policy, or the verifier key of the log.
        keys: the operator's public key files; None: the key in the folder is taken, with a warning.

    Raises:
        BadInput: a file cannot be read, or is not named.
    """
    if release is None or policy is None:
        raise BadInput(
            "is a proof of a violation; to check it takes the release's signed manifest and the log's key",
            place=Place(str(path)),
            remedy="name them with --release-manifest and --policy",
        )
    findings = Findings(KIND)
    trusted = [load_public(key) for key in keys] if keys else None
    signed = signed_of(release, trusted, findings)
    if signed is not None and findings.ok:
        check_violation(path.read_bytes(), signed, read_trust(policy), findings, path.name)
    return findings


def signed_of(release: Path, trusted: Sequence[SSlibKey] | None, findings: Findings) -> Signed | None:
    """The signed manifest of a folder, or of a manifest's file. Raises BadInput: it takes a key."""
    if release.is_dir():
        return read_signed(release, trusted, findings)
    if not trusted:
        raise BadInput(
            "is a manifest alone", place=Place(str(release)), remedy="name the operator's key with --key"
        )
    return check_manifest(read_file(release), trusted, findings, str(release))


def read_trust(policy: Path) -> Policy:
    """Whom to trust as to a log. Raises BadInput: no policy, and no key of a log."""
    return parse_trust(read_file(policy)[:MAX_POLICY_BYTES], str(policy))


def takes_unlogged(path: Path) -> bool:
    """Whether a path is a file that says of itself to prove that a disclosure is not in the log."""
    if not path.is_file() or path.stat().st_size > MAX_UNLOGGED_BYTES:
        return False
    return is_unlogged(path.read_bytes())


def verify_unlogged(path: Path, policy: Path | None, keys: Sequence[Path] | None = None) -> Findings:
    """Check offline a proof that a disclosure is not in the log: ok means that it is not.

    Raises:
        BadInput: a file cannot be read, or is not named.
    """
    if policy is None or not keys:
        raise BadInput(
            "is a proof about a receipt and a log; to check it takes the operator's key and the log's",
            place=Place(str(path)),
            remedy="name them with --key and --policy",
        )
    findings = Findings(KIND)
    trusted = [load_public(key) for key in keys]
    check_unlogged(path.read_bytes(), trusted, read_trust(policy), findings, path.name)
    return findings
