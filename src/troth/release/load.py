"""Loading a release for training: only what is sealed and unaltered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from troth.core.errors import BadInput, Place, Refused
from troth.core.findings import Findings
from troth.core.manifest import Manifest
from troth.release.check import examine
from troth.release.columns import DATA
from troth.release.inside import Inside, Stamp, stamp_of
from troth.release.rowcheck import batches
from troth.release.sign import load_public

if TYPE_CHECKING:
    import datasets
    import torch.utils.data

VERIFY: Final = ("full", "digest")
_SAID = 5


class NotAsSealed(Refused):
    """Data that is not a sealed release, or was altered; ``findings`` say everything."""

    def __init__(self, folder: Path, findings: Findings) -> None:
        wrong = [f"{one.where or folder}: {one.what}" for one in findings.findings if one.level == "error"]
        more = f"; and {len(wrong) - _SAID} more" if len(wrong) > _SAID else ""
        super().__init__(
            "this data is not loaded: " + "; ".join(wrong[:_SAID]) + more,
            place=Place(str(folder)),
            remedy="get the release anew from its operator; see `troth verify`",
        )
        self.findings = findings


def load(path: Path | str, keys: Sequence[Path] | None = None, verify: str = "full") -> Loaded:
    """Open a release for training, after checking all of it.

    Args:
        path: the release's folder.
        keys: public key files of the operator; None: the key in the folder is taken.
        verify: ``full`` recomputes the hash of every row and the root; ``digest`` holds the files against the
            signed digests only, which is several times faster and finds every altered byte just as well.

    Raises:
        NotAsSealed: (a ``Refused``) the folder is not a sealed release, or something in it was altered.
        BadInput: a key file cannot be read.
    """
    if verify not in VERIFY:
        raise BadInput(f"expected one of {', '.join(VERIFY)} for verify, got {verify!r}")
    folder = Path(path).absolute()
    trusted = [load_public(Path(key)) for key in keys] if keys is not None else None
    examined = examine(folder, trusted, rows=verify == "full")
    if examined.signed is None or not examined.findings.ok:
        raise NotAsSealed(folder, examined.findings)
    return Loaded(folder, examined.signed.manifest, examined.signed.digest, examined.intact)


@dataclass(frozen=True)
class Loaded:
    """A checked release: iterate over its Arrow batches, or turn it into what a trainer takes.

    A file that was written or exchanged after the check is refused when it is read.

    Attributes:
        path: the folder.
        manifest: what was asked, counted and sealed.
        manifest_digest: SHA-256 (hex) of the signed manifest's file, as the ledger has it.
        stamps: what the files looked like when they were checked.
    """

    path: Path
    manifest: Manifest
    manifest_digest: str
    stamps: dict[str, Stamp]

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """The rows as Arrow batches: the columns of the data files, ``created_at`` as timestamp[us, UTC]."""
        for file in self.manifest.files:
            if file.rows is not None:
                try:
                    yield from batches(Inside(self.path), file, trusted=True, stamp=self.stamps[file.name])
                except BadInput as error:
                    place = Place(str(self.path / file.name))
                    raise Refused(error.message, place=place, remedy="load the release again") from None

    def check_unchanged(self) -> None:
        """See that no file was written to or exchanged since the release was checked.

        Raises:
            Refused: one was.
        """
        for name in self.stamps:
            self._check_stamp(name)

    def _check_stamp(self, name: str) -> None:
        place = Place(str(self.path / name))
        try:
            with Inside(self.path).open(name) as file:
                same = stamp_of(file) == self.stamps[name]
        except BadInput as error:
            raise Refused(error.message, place=place, remedy="load the release again") from None
        if not same:
            raise Refused("was written to after it was checked", place=place, remedy="load the release again")

    def __len__(self) -> int:
        return self.manifest.rows

    def to_table(self) -> pa.Table:
        """All rows as one Arrow table."""
        return pa.Table.from_batches(iter(self), schema=DATA)

    def to_dataset(self) -> datasets.Dataset:
        """A Hugging Face data set (extra ``hf``), in memory; its info names the release, also after ``map``."""
        from troth.release.hf import to_dataset

        return to_dataset(self)

    def to_torch(self) -> torch.utils.data.IterableDataset[dict[str, Any]]:
        """An iterable data set of rows as dicts (extra ``hf``); instants as integer microseconds UTC."""
        from troth.release.hf import SealedRows

        return SealedRows(self)
