"""Loading a release for training: only what is sealed and unaltered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from troth.core.errors import Place, Refused
from troth.core.findings import Findings
from troth.core.manifest import Manifest
from troth.release.check import KIND, _batches, read_manifest, verify_release
from troth.release.sign import load_public

if TYPE_CHECKING:
    import datasets
    import torch.utils.data


def load(path: Path | str, keys: Sequence[Path] | None = None) -> Loaded:
    """Open a release for training, after checking all of it.

    Args:
        path: the release's folder.
        keys: public key files of the operator; None: the key in the folder is taken.

    Raises:
        Refused: the folder is not a sealed release, or something in it was altered; says what.
        BadInput: a key file cannot be read.
    """
    folder = Path(path)
    trusted = [load_public(key) for key in keys] if keys is not None else None
    findings = verify_release(folder, trusted)
    manifest = read_manifest(folder, trusted, Findings(KIND)) if findings.ok else None
    if manifest is None:
        wrong = [f"{one.where or folder}: {one.what}" for one in findings.findings if one.level == "error"]
        raise Refused(
            "this data is not loaded: " + "; ".join(wrong[:5]),
            place=Place(str(folder)),
            remedy="get the release anew from its operator; see `troth verify`",
        )
    return Loaded(folder, manifest)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A checked release: iterate over its Arrow batches, or turn it into what a trainer takes."""

    path: Path
    manifest: Manifest

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for file in self.manifest.files:
            if file.rows is not None:
                yield from _batches(self.path, file.name)

    def __len__(self) -> int:
        return self.manifest.rows

    def to_table(self) -> pa.Table:
        """All rows as one Arrow table."""
        from troth.release.columns import DATA

        return pa.Table.from_batches(iter(self), schema=DATA)

    def to_dataset(self) -> datasets.Dataset:
        """A Hugging Face data set (extra ``hf``); its fingerprint and info name the release."""
        import datasets

        info = datasets.DatasetInfo(description=f"troth release {self.manifest.release}")
        return datasets.Dataset(self.to_table(), info=info)

    def to_torch(self) -> torch.utils.data.IterableDataset[dict[str, Any]]:
        """An iterable data set of rows as dicts (extra ``hf``)."""
        from troth.release.hf import SealedRows

        return SealedRows(self)
