"""Hugging Face and PyTorch: rows for training loops, and a callback that trains on nothing else (extra ``hf``)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch.utils.data
from transformers import TrainerCallback

from troth.core.errors import Refused

if TYPE_CHECKING:
    from transformers import TrainerControl, TrainerState, TrainingArguments

    from troth.release.load import Loaded


class SealedRows(torch.utils.data.IterableDataset[dict[str, Any]]):
    """The rows of a checked release, each a dict; several workers share them out."""

    def __init__(self, release: Loaded) -> None:
        super().__init__()
        self.release = release

    def __iter__(self) -> Iterator[dict[str, Any]]:
        worker = torch.utils.data.get_worker_info()
        number, workers = (worker.id, worker.num_workers) if worker is not None else (0, 1)
        for index, batch in enumerate(self.release):
            if index % workers == number:
                yield from batch.to_pylist()


class SealedDataCallback(TrainerCallback):
    """Refuses to train unless the training data comes from the given checked release.

    The release must still be as it was sealed when training begins; its id is kept in the trainer's log.
    """

    def __init__(self, release: Loaded) -> None:
        self.release = release

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Check the data set and the release; called by the trainer.

        Raises:
            Refused: the data set is not from this release, or the release was altered meanwhile.
        """
        del args, control
        loader = kwargs.get("train_dataloader")
        dataset = getattr(loader, "dataset", None)
        if not self._is_ours(dataset):
            raise Refused(
                "the training data does not come from the sealed release",
                remedy="train on troth.load(…).to_dataset() or .to_torch(), or what is mapped from it",
            )
        from troth.release.load import load

        load(self.release.path)
        state.log_history.append({"step": 0, "troth_release": self.release.manifest.release})

    def _is_ours(self, dataset: Any) -> bool:  # noqa: ANN401 - whatever a trainer was given
        if isinstance(dataset, SealedRows):
            return dataset.release.manifest == self.release.manifest
        description = getattr(getattr(dataset, "info", None), "description", "")
        return bool(description == f"troth release {self.release.manifest.release}")
