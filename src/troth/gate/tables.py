"""Tables that keep their own history, pinned: what a release was built from can be had again.

``delta:PATH`` is a Delta table's newest version at the time of asking, ``delta:PATH@12`` that version.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from troth.core.errors import BadInput, Place, Unavailable
from troth.core.manifest import File

if TYPE_CHECKING:
    import pyarrow.dataset as ds

DELTA: Final = "delta:"


def is_table(source: object) -> bool:
    """Whether a source names a table that keeps its history."""
    return isinstance(source, str) and source.startswith(DELTA)


@dataclass(frozen=True, slots=True)
class Pinned:
    """A table at one version: its full name, its rows, and what the manifest says of it.

    The digest is that of the version's entry in the table's own log, which names every file of the version.
    """

    name: str
    rows: ds.Dataset
    input: File


def pin(source: str) -> Pinned:
    """Open a table at the version that its name says, or at its newest one.

    Raises:
        BadInput: there is no such table or version, or it has features that cannot be read.
        Unavailable: the library is not installed.
    """
    try:
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError
    except ImportError:
        raise Unavailable(
            "Delta tables cannot be read", remedy="install the extra: pip install 'troth[tables]'"
        ) from None
    path, _, asked = source.removeprefix(DELTA).partition("@")
    if asked and not asked.isdigit():
        raise BadInput(
            f"{asked!r} is no version of a table", place=Place(source), remedy="write delta:PATH@12"
        )
    try:
        table = DeltaTable(path, version=int(asked) if asked else None)
        version = table.version()
        rows = table.to_pyarrow_dataset()
    except (DeltaError, OSError, ValueError) as error:
        said = str(error).splitlines()[0]
        raise BadInput(f"is no Delta table that can be read: {said}", place=Place(source)) from None
    entry = Path(path) / "_delta_log" / f"{version:020}.json"
    try:
        digest = hashlib.sha256(entry.read_bytes()).hexdigest()
    except OSError:
        raise BadInput(
            f"the log of the table does not hold version {version} any more",
            place=Place(source),
            remedy="name a newer version",
        ) from None
    return Pinned(f"{DELTA}{path}@{version}", rows, File(f"{DELTA}{Path(path).name}@{version}", digest))
