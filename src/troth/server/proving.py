"""Proofs on the member's page: of presence or absence in a release, and of an entry in the public log."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from troth.app import consequences, directories, logs, membersets, proofs
from troth.app.serving import ServedHome
from troth.core.errors import BadInput
from troth.release.layout import MANIFEST
from troth.server.errors import not_found

_RELEASE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def page(home: ServedHome, subject: str) -> dict[str, Any]:
    """What the page of proofs shows: releases, which of them have a set, and the operator's key."""
    held = consequences.holdings(home, subject)
    try:
        handed_out = directories.need_account(home, subject).handed_out
        known = True
    except BadInput:
        handed_out, known = None, False
    return {
        "releases": [(one, _manifest_path(home, one.release).is_file()) for one in held],
        "key": _key(home).hex(),
        "handed_out": handed_out,
        "known": known,
    }


def proof(home: ServedHome, release: str, subject: str) -> bytes:
    """The proof about a member and a release of this home."""
    if not _RELEASE.fullmatch(release) or not _manifest_path(home, release).is_file():
        raise not_found()
    return proofs.prove(home, release, subject).data


def manifest(home: ServedHome, release: str) -> bytes:
    """The signed manifest of a release of this home."""
    if not _RELEASE.fullmatch(release) or not _manifest_path(home, release).is_file():
        raise not_found()
    return _manifest_path(home, release).read_bytes()


def secret(home: ServedHome, subject: str) -> bytes:
    """A member's secret file.

    Raises:
        Refused: it was handed out before.
    """
    return directories.hand_out(home, subject)


def published(home: ServedHome) -> int | None:
    """How many entries are in the public log; None where there is no log."""
    if home.config.origin is None:
        return None
    found = logs.open_log(home).published()
    return 0 if found is None else found.checkpoint.size


def receipt(home: ServedHome, position: int) -> bytes:
    """The proof that an entry is in the public log."""
    return logs.receipt(home, position).write()


def _key(home: ServedHome) -> bytes:
    """The operator's public key, 32 bytes."""
    key = load_pem_public_key(home.public_key_path.read_bytes())
    return key.public_bytes_raw() if isinstance(key, Ed25519PublicKey) else b""


def _manifest_path(home: ServedHome, release: str) -> Path:
    return membersets.folder(home, release) / membersets.PUBLIC / MANIFEST
