"""Checking a release offline: everything is said as findings, nothing is raised about what is found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from securesystemslib.signer import SSlibKey

from troth.core.errors import BadInput
from troth.core.findings import Findings
from troth.core.manifest import Manifest
from troth.core.verify import (
    MAX_ENVELOPE_BYTES,
    MAX_KEY_BYTES,
    Signed,
    check_manifest,
    parse_public_key,
    public_pem,
)
from troth.release.inside import Inside, Stamp
from troth.release.layout import KEY, MANIFEST
from troth.release.rowcheck import SHOWN, check_rows

KIND: Final = "release"


@dataclass(slots=True)
class Examined:
    """What a check found; the manifest, if it could be read; and the stamps of the files that are as sealed."""

    findings: Findings
    signed: Signed | None = None
    intact: dict[str, Stamp] = field(default_factory=dict)


def verify_release(path: Path, keys: Sequence[SSlibKey] | None = None) -> Findings:
    """Check a release folder against its signed manifest: signature, files, digests, every row, roots, the set.

    Args:
        path: the folder.
        keys: trusted public keys; None: the key in the folder is taken, with a warning.
    """
    examined = examine(path, keys)
    manifest = examined.signed.manifest if examined.signed else None
    if manifest is not None and manifest.set_root is not None and examined.findings.ok:
        # The engine comes with it, which loading does without.
        from troth.release.setcheck import check_set

        check_set(Inside(path), manifest, examined.findings)
    return examined.findings


def examine(path: Path, keys: Sequence[SSlibKey] | None = None, *, rows: bool = True) -> Examined:
    """As ``verify_release`` but for the set; without ``rows`` the files are held against their digests only."""
    examined = Examined(Findings(KIND))
    findings = examined.findings
    signed = examined.signed = read_signed(path, keys, findings)
    if signed is None:
        return examined
    inside, manifest = Inside(path), signed.manifest
    examined.intact = _check_files(inside, manifest, findings)
    _check_names(inside, manifest, findings)
    if rows:
        check_rows(inside, manifest, set(examined.intact), findings)
    if findings.ok:
        findings.info(
            f"{manifest.rows:,} rows of {manifest.members:,} members, sealed for {manifest.use.purpose}"
            f" by {manifest.use.recipient}, with the ledger's first {manifest.settings_as_of:,} entries"
        )
    return examined


def read_manifest(path: Path, keys: Sequence[SSlibKey] | None, findings: Findings) -> Manifest | None:
    """The signed manifest of a folder; None, with an error among the findings, if there is none that holds."""
    signed = read_signed(path, keys, findings)
    return signed.manifest if signed is not None and findings.ok else None


def read_signed(path: Path, keys: Sequence[SSlibKey] | None, findings: Findings) -> Signed | None:
    """The manifest of a folder, its signature checked; None if it cannot be read. Errors go to the findings."""
    if not path.is_dir():
        findings.error("there is no such folder", str(path))
        return None
    inside = Inside(path)
    try:
        data = inside.read(MANIFEST, MAX_ENVELOPE_BYTES)
    except BadInput as error:
        findings.error(f"{error.message}: this folder is not a sealed release", MANIFEST)
        return None
    enclosed = _enclosed_key(inside, findings)
    trusted = list(keys) if keys is not None else [enclosed] if enclosed else []
    signed = check_manifest(data, trusted, findings, MANIFEST)
    if signed is None or not signed.signers:
        return signed
    if keys is None:
        findings.warning(
            f"the signature was checked with the key in the folder ({signed.signers[0][:16]}…); make sure from"
            " elsewhere that it is the operator's, or name the key with --key",
            KEY,
        )
    else:
        findings.info(f"signed by {signed.signers[0][:16]}…", MANIFEST)
        if enclosed is not None and enclosed.keyid not in signed.signers:
            findings.error("is not the key that signed the manifest", KEY)
    return signed


def _enclosed_key(inside: Inside, findings: Findings) -> SSlibKey | None:
    try:
        data = inside.read(KEY, MAX_KEY_BYTES)
        key = parse_public_key(data, KEY)
    except BadInput as error:
        findings.error(error.message, KEY)
        return None
    if public_pem(key) != data:
        findings.error("holds more than the key, or the key in another form: it was altered", KEY)
    return key


def _check_files(inside: Inside, manifest: Manifest, findings: Findings) -> dict[str, Stamp]:
    """Hold each file against its digest; the stamps of those that are as they were sealed."""
    intact = {}
    for file in manifest.files:
        try:
            digest, stamp = inside.digest(file.name, file.size)
        except BadInput as error:
            findings.error(error.message, file.name)
            continue
        if digest == file.sha256:
            intact[file.name] = stamp
        else:
            findings.error("was altered: its digest is not the one that was signed", file.name)
    return intact


def _check_names(inside: Inside, manifest: Manifest, findings: Findings) -> None:
    """Say what lies in the folder that does not belong there. (What is missing was said with the digests.)"""
    expected = {MANIFEST, KEY, *(file.name for file in manifest.files)}
    extra = [(name, odd) for name, odd in inside.names() if name not in expected]
    for name, odd in extra[:SHOWN]:
        findings.error(f"is not part of the release{f', and {odd}' if odd else ''}", name)
    if len(extra) > SHOWN:
        findings.error(f"{len(extra) - SHOWN} more files are not part of the release")
