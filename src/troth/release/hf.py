"""Hugging Face and PyTorch: rows for training loops, and a callback that trains on nothing else (extra ``hf``)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import datasets
import pyarrow as pa
import torch.utils.data
from datasets.table import InMemoryTable
from transformers import TrainerCallback

from troth.core.errors import Refused

if TYPE_CHECKING:
    from transformers import TrainerControl, TrainerState, TrainingArguments

    from troth.release.load import Loaded

_DEEPEST: Final = 4


def to_dataset(release: Loaded) -> datasets.Dataset:
    """A data set with the rows of a release, marked as coming from it.

    The mark stands among the checksums of the data set's info, which ``map``, ``filter``, ``select`` and
    ``train_test_split`` keep. Mixing with other data sets loses it, and so does ``to_iterable_dataset``.
    """
    table = release.to_table()
    at = table.schema.get_field_index("row_salt")
    # Data sets know no binary of fixed size.
    table = table.set_column(at, "row_salt", table["row_salt"].cast(pa.binary()))
    info = datasets.DatasetInfo(
        description=f"troth release {release.manifest.release}", download_checksums=_mark(release)
    )
    return datasets.Dataset(InMemoryTable(table), info=info)


def _mark(release: Loaded) -> dict[str, Any]:
    return {f"urn:troth:release:{release.manifest.release}": {"checksum": release.manifest_digest}}


class SealedRows(torch.utils.data.IterableDataset[dict[str, Any]]):  # type: ignore[misc]  # types of extras are not read
    """The rows of a checked release, each a dict; several workers share them out.

    ``created_at`` is integer microseconds UTC; what is not known is None, so give a data loader a ``collate_fn``.
    """

    def __init__(self, release: Loaded) -> None:
        super().__init__()
        self.release = release

    def __len__(self) -> int:
        return len(self.release)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        worker = torch.utils.data.get_worker_info()
        number, workers = (worker.id, worker.num_workers) if worker is not None else (0, 1)
        for index, batch in enumerate(self.release):
            if index % workers == number:
                at = batch.schema.get_field_index("created_at")
                yield from batch.set_column(
                    at, "created_at", batch["created_at"].cast(pa.int64())
                ).to_pylist()


class SealedDataCallback(TrainerCallback):  # type: ignore[misc]  # the same
    """Refuses to train unless the training data comes from the given checked releases.

    The files must still be as they were sealed when training begins. Release id and manifest digest are kept
    in the trainer's log, and so in its checkpoints.

    This guards against mistakes, not against a trainer who forges marks.
    """

    def __init__(self, *releases: Loaded) -> None:
        self.releases = releases

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        """Check the data set and its release; called by the trainer.

        Raises:
            Refused: the data set is not from one of the releases, or that release was altered meanwhile.
        """
        del args, control
        release = self.release_of(getattr(kwargs.get("train_dataloader"), "dataset", None))
        if release is None:
            raise Refused(
                "the training data does not come from a sealed release",
                remedy="train on troth.load(…).to_dataset() or .to_torch(), or on what is mapped from it",
            )
        release.check_unchanged()
        state.log_history.append(
            {
                "step": state.global_step,
                "troth_release": release.manifest.release,
                "troth_manifest": release.manifest_digest,
            }
        )

    def release_of(self, dataset: Any) -> Loaded | None:  # noqa: ANN401 - whatever a trainer was given
        """The release that a data set comes from; None if it is none of the given ones."""
        for _ in range(_DEEPEST):
            for release in self.releases:
                if (
                    isinstance(dataset, SealedRows)
                    and dataset.release.manifest_digest == release.manifest_digest
                ):
                    return release
                if getattr(getattr(dataset, "info", None), "download_checksums", None) == _mark(release):
                    return release
            # Subsets and shards hold the data set that they were cut from.
            dataset = getattr(dataset, "dataset", None)
        return None
