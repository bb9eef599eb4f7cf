"""Checking offline whatever Troth hands out: which check a file or folder needs, it says itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from troth.app import certificates, logs, proofs, releases
from troth.core.findings import Findings


def verify(
    path: Path,
    keys: Sequence[Path] | None = None,
    *,
    policy: Path | None = None,
    release: Path | None = None,
    secret: Path | None = None,
) -> Findings:
    """Check a release, proof, certificate, receipt or checkpoint offline.

    Args:
        path: the release's folder, or the file.
        keys: the operator's public key files; None: the key that lies with a release or certificate, with a warning.
        policy: for receipts, checkpoints and the withdrawals of certificates: a trust policy, or the file of a log's
            verifier key.
        release: for a proof: the folder of its release, or the release's signed manifest.
        secret: for a proof: the member's secret file; the proof must be about it.

    Raises:
        BadInput: a file cannot be read, or what a check needs was not named.
    """
    if proofs.takes(path):
        return proofs.verify(path, release, keys, secret)
    if logs.is_log_file(path):
        return logs.verify(path, policy)
    if path.is_file():
        return certificates.verify(path, keys, policy=policy)
    return releases.verify(path, keys)
