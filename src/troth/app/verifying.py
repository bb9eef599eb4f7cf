"""Checking offline whatever Troth hands out: which check a file or folder needs, it says itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from troth.app import certificates, disclosures, exposure, logs, proofs, releases, violations
from troth.core.findings import Findings


def verify(
    path: Path,
    keys: Sequence[Path] | None = None,
    *,
    policy: Path | None = None,
    release: Path | None = None,
    secret: Path | None = None,
    rests_on: Sequence[Path] = (),
) -> Findings:
    """Check a release, proof, certificate, receipt, recall or checkpoint offline.

    Args:
        path: the release's folder, or the file.
        keys: the operator's public key files; None: the key that lies with a release or certificate, with a warning.
        policy: for receipts, checkpoints and the withdrawals of certificates: a trust policy, or the file of a log's
            verifier key.
        release: for a proof: the folder of its release, or the release's signed manifest.
        secret: for a proof: the member's secret file; the proof must be about it.
        rests_on: for a receipt of a disclosure: the receipts that it rests on.

    Raises:
        BadInput: a file cannot be read, or what a check needs was not named.
    """
    if exposure.takes(path):
        return exposure.verify(path, keys or (), policy)
    if violations.takes(path):
        return violations.verify(path, release, policy, keys)
    if violations.takes_unlogged(path):
        return violations.verify_unlogged(path, policy, keys)
    if disclosures.takes(path):
        return disclosures.verify_any(path, keys, list(rests_on), release)
    if proofs.takes(path):
        return proofs.verify(path, release, keys, secret)
    if logs.is_log_file(path):
        return logs.verify(path, policy)
    if path.is_file():
        return certificates.verify(path, keys, policy=policy)
    return releases.verify(path, keys)
