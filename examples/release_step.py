"""The step that the examples for schedulers share: build tonight's release, check it, say where it is."""

from __future__ import annotations

from pathlib import Path

import troth


def build_release(
    home: str, out: str, purpose: str, recipient: str, at: str, records: str | None = None
) -> str:
    """Build a sealed release of what a use may have at an instant; the digest of its manifest.

    A repeated run for the same instant finds the release that is there, and checks it instead.
    """
    if not Path(out).exists():
        troth.open(home).release(troth.Use(purpose, recipient), out, at=at, records=records)
    findings = troth.verify(out)
    if not findings.ok:
        raise RuntimeError(f"the release in {out} does not check: {findings.findings[0].what}")
    return str(out)
