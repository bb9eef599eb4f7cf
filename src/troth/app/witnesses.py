"""A witness's folder: its key (0600), its name, the logs that it knows, and what it has seen of them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from troth.core.checkpoint import parse_checkpoint
from troth.core.errors import BadInput, Conflict, Place
from troth.core.note import (
    COSIGNATURE,
    ED25519,
    VerifierKey,
    check_name,
    parse_note,
    parse_vkey,
    verifier_key,
)
from troth.core.written import Json
from troth.intake.yaml_files import read_yaml
from troth.ledger.shelf import replace
from troth.ledger.witness import Witness
from troth.release.sign import load_private, new_key

CONFIG: Final = "witness.yaml"
LOGS: Final = "logs"
_KEY: Final = "witness.key"
_STATE: Final = "seen.sqlite3"
_PRIVATE: Final = 0o600
_MAX_LOGS_BYTES: Final = 1024 * 1024


def make(folder: Path, name: str, logs: list[str]) -> VerifierKey:
    """Make a witness. Returns its verifier key, for others' policies.

    Args:
        folder: a new or empty folder.
        name: the witness's name, such as ``witness.example/w1``.
        logs: verifier keys of the logs that it is to know; more can be written into its file ``logs`` later.

    Raises:
        BadInput: a name or key is none.
        Conflict: something is there already.
    """
    check_name(name)
    for log in logs:
        _log_key(log)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Conflict(
            "something is there already", place=Place(str(folder)), remedy="choose an empty or new folder"
        )
    folder.mkdir(0o700, parents=True, exist_ok=True)
    new_key(folder / _KEY, folder / "witness.pub")
    replace(folder / LOGS, "".join(f"{log}\n" for log in logs).encode(), _PRIVATE)
    replace(folder / CONFIG, f"format: 1\nname: {name}\n".encode(), _PRIVATE)
    return verifier_key(load_private(folder / _KEY), name, COSIGNATURE)


def open_witness(folder: Path) -> Witness:
    """Open a witness.

    Raises:
        BadInput: there is none here, or a file of it cannot be read.
    """
    if not (folder / CONFIG).is_file():
        raise BadInput(
            "is no witness", place=Place(str(folder)), remedy="make one with `troth witness init DIR`"
        )
    (shape,) = read_yaml(folder / CONFIG)
    shape.need("format").as_count()
    name = shape.need("name").as_text()
    shape.close()
    return Witness(folder / _STATE, name, load_private(folder / _KEY), _logs(folder / LOGS))


@dataclass(frozen=True, slots=True)
class Seen:
    """A log that a witness knows, and the size that it has seen last (None: nothing yet)."""

    origin: str
    size: int | None

    def as_json(self) -> dict[str, Json]:
        """Plain JSON values."""
        return {"origin": self.origin, "size": self.size}


def seen(witness: Witness) -> list[Seen]:
    """What a witness has seen of each log."""
    found = []
    for origin in witness.logs:
        note = witness.seen(origin)
        found.append(Seen(origin, None if note is None else parse_checkpoint(parse_note(note).text).size))
    return found


def _logs(path: Path) -> list[VerifierKey]:
    try:
        with path.open("rb") as file:
            lines = file.read(_MAX_LOGS_BYTES).decode("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise BadInput(
            "cannot be read", place=Place(os.fspath(path)), remedy="write one verifier key a line"
        ) from None
    found = []
    for number, line in enumerate(lines, start=1):
        if line.strip() and not line.startswith("#"):
            try:
                found.append(_log_key(line.strip()))
            except BadInput as error:
                raise BadInput(
                    error.message, place=Place(os.fspath(path), number), remedy=error.remedy
                ) from None
    return found


def _log_key(text: str) -> VerifierKey:
    key = parse_vkey(text)
    if key.kind != ED25519:
        raise BadInput("is the key of a witness, not of a log", remedy="see `troth log show` of that log")
    return key
