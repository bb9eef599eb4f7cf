"""Training by shards and slices on the conventions of ``transformers.Trainer``.

plan = ShardPlan.draw(shards=16, slices=8)
args = TrainingArguments("adapters", learning_rate=2e-3, lr_scheduler_type="constant", …)
trainer = ExactTrainer("base", args, release.to_dataset(), plan, callbacks=[SealedDataCallback(release)])
trainer.train()
trainer.forget(["r-17", "r-23"])      # as if they had never been there, bit for bit
"""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_callback import CallbackHandler, DefaultFlowCallback
from transformers.trainer_utils import TrainOutput

from troth.core.errors import BadInput, Conflict, Corrupt, Place, Refused
from troth.core.shards import KEY_BYTES, NOTHING_FROZEN, Frozen, Item, Plan, shard_of, slice_of
from troth.learning.backend import Work
from troth.learning.lora.backend import Lora, about
from troth.learning.lora.learner import digest_of, read_state
from troth.learning.lora.settings import STRICT, Settings

if TYPE_CHECKING:
    import datasets

    from troth.core.written import Json
    from troth.learning.lora.serving import LoraModel

Part = tuple[int, int]
"""A shard and a slice of it."""

_CONSTANT: Final = ("constant", "constant_with_warmup")


@dataclass(frozen=True, slots=True)
class ShardPlan:
    """Where each row of a data set is learned, whatever other rows there are."""

    plan: Plan
    frozen: Frozen = NOTHING_FROZEN

    @classmethod
    def draw(
        cls, shards: int, slices: int, *, classes: int = 1, frozen: Frozen = NOTHING_FROZEN
    ) -> ShardPlan:
        """A plan with a new random key. Keep it: it is part of what makes training repeatable."""
        return cls(Plan(secrets.token_bytes(KEY_BYTES), shards, slices, classes), frozen)

    def place(self, row: Mapping[str, Any]) -> Part:
        """The shard and slice of a row with the columns of a release."""
        item = Item(
            id=str(row["id"]),
            category=str(row.get("category") or ""),
            author=row.get("author"),
            addressees=tuple(row.get("addressees") or ()),
            conversation=row.get("conversation"),
        )
        return shard_of(self.plan, item, self.frozen), slice_of(self.plan, item, self.frozen)

    def split(self, rows: datasets.Dataset) -> dict[Part, list[int]]:
        """The numbers of the rows of each part that has any."""
        found: dict[Part, list[int]] = {}
        named = rows.select_columns([name for name in _PLACING if name in rows.column_names])
        for number, row in enumerate(named):
            found.setdefault(self.place(row), []).append(number)
        return found

    def touched(self, rows: datasets.Dataset, ids: Collection[str]) -> dict[int, int]:
        """By shard that holds any of the records: the first slice that has to be trained again."""
        gone, first = set(ids), dict[int, int]()
        for (shard, slice_), numbers in self.split(rows).items():
            if any(rows[number]["id"] in gone for number in numbers):
                first[shard] = min(slice_, first.get(shard, slice_))
        return dict(sorted(first.items()))


_PLACING: Final = ("id", "category", "author", "addressees", "conversation")


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What a removal took: first redone slice by shard, records trained again, and their share of all."""

    touched: dict[int, int]
    records: int
    share: float
    digests: dict[int, str]


class RevocationCallback(TrainerCallback):  # type: ignore[misc]  # types of extras are not read
    """Asks, before each slice, whether any of its records was revoked meanwhile, and then refuses.

    ``revoked`` is given the ids of the slice's records and gives those that may not be used any more, such as from
    a gate that decides them anew.
    """

    def __init__(self, revoked: Callable[[Sequence[str]], Collection[str]]) -> None:
        self.revoked = revoked

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,  # noqa: ANN401 - as the trainer hands them
    ) -> None:
        """Ask for the slice that is about to be trained; called by the trainer.

        Raises:
            Refused: a record was revoked.
        """
        del args, state, control
        gone = self.revoked(list(kwargs["train_dataloader"].dataset["id"]))
        if gone:
            raise Refused(
                f"{len(gone)} records of the next slice were revoked since the data was loaded",
                remedy="take them out with forget(ids), which trains on",
            )


class ExactTrainer:
    """Trains an adapter for each shard, slice by slice, so that records can be taken out exactly.

    Checkpoints stand in ``args.output_dir`` at each slice's end. What stands there and fits the data is not trained
    again, so an interrupted run goes on where it was. Each slice counts as a training of its own towards callbacks:
    ``on_train_begin`` comes before it, with a ``train_dataloader`` whose ``dataset`` holds the slice's rows.

    Args:
        model: the folder or GGUF file of the base.
        args: the usual arguments; what cannot be repeated exactly is refused, see ``settings_of``.
        train_dataset: rows with the columns of a release.
        plan: where each row goes.
        callbacks: the usual ones.
        adapter: further ``Settings``, such as ``rank``, ``targets``, ``length``, ``mode``.
        shards: train these only, so that processes (one for each GPU, say) can share the work.
    """

    def __init__(
        self,
        model: str | Path,
        args: TrainingArguments,
        train_dataset: datasets.Dataset,
        plan: ShardPlan,
        *,
        callbacks: Sequence[TrainerCallback] = (),
        adapter: Mapping[str, Any] | None = None,
        shards: Collection[int] | None = None,
    ) -> None:  # fmt: skip
        self.args, self.train_dataset, self.plan = args, train_dataset, plan
        self.settings = settings_of(args, adapter or {})
        self.backend = Lora()
        self.configuration = self.backend.configure({**self.settings.to_json(), "base": str(model)})
        self.shards = range(plan.plan.shards) if shards is None else sorted(shards)
        self.folder = Path(args.output_dir)
        self.state, self.control = TrainerState(), TrainerControl()
        # How many steps there will be is not asked: nothing may depend on it.
        self.state.max_steps = sys.maxsize
        self.state.compute_steps(args, sys.maxsize)
        self._callbacks = CallbackHandler([DefaultFlowCallback(), *callbacks], None, None, None, None)
        self._loss = 0.0

    def add_callback(self, callback: TrainerCallback) -> None:
        """One more callback."""
        self._callbacks.add_callback(callback)

    def train(self, resume_from_checkpoint: bool | None = None) -> TrainOutput:
        """Train what is missing.

        Raises:
            Conflict: there are checkpoints already, and nothing was said of resuming.
            Refused: a callback refused the data.
        """
        if not resume_from_checkpoint and self.checkpoints():
            raise Conflict(
                "there are checkpoints already",
                place=Place(str(self.folder)),
                remedy="train(resume_from_checkpoint=True), or another output_dir",
            )
        parts, trained = self.plan.split(self.train_dataset), 0
        for shard in self.shards:
            before: Path | None = None
            for slice_ in range(self.plan.plan.slices):
                rows = self.train_dataset.select(parts.get((shard, slice_), []))
                work = self._work(shard, slice_, _Rows(rows), before)
                if not self._stands(work):
                    if not self._train(work, rows):
                        return self._output(trained)
                    trained += len(rows)
                before = self._path(shard, slice_)
        return self._output(trained)

    def forget(self, ids: Collection[str]) -> Forgotten:
        """Take records out: what saw them is destroyed at once, then trained again without them.

        Raises:
            BadInput: a record is not in the data.
        """
        gone = set(ids)
        missing = gone - set(self.train_dataset["id"])
        if missing:
            raise BadInput(f"{len(missing)} of the records are not in the training data")
        touched = self.plan.touched(self.train_dataset, gone)
        for shard, first in touched.items():
            self._drop(shard, first)
        keep = [number for number, one in enumerate(self.train_dataset["id"]) if one not in gone]
        self.train_dataset = self.train_dataset.select(keep)
        sizes = {part: len(numbers) for part, numbers in self.plan.split(self.train_dataset).items()}
        redone = sum(size for (shard, at), size in sizes.items() if at >= touched.get(shard, at + 1))
        self.train(resume_from_checkpoint=True)
        last = self.plan.plan.slices - 1
        return Forgotten(
            touched,
            redone,
            redone / max(1, sum(sizes.values())),
            {shard: digest_of(self._path(shard, last)) for shard in touched if shard in self.shards},
        )

    def checkpoints(self) -> dict[int, list[Path]]:
        """By shard its checkpoints so far, in order; after a removal, those that never saw what was removed."""
        found: dict[int, list[Path]] = {}
        for shard in range(self.plan.plan.shards):
            for slice_ in range(self.plan.plan.slices):
                if not self._path(shard, slice_).is_dir():
                    break
                found.setdefault(shard, []).append(self._path(shard, slice_))
        return found

    def open(self) -> LoraModel:
        """The model as it stands."""
        return self.backend.open(self.checkpoints(), self.configuration)

    def save_model(self, output_dir: str | Path | None = None) -> None:
        """Write each shard's last adapter to a folder of its own, for ``peft.PeftModel.from_pretrained``."""
        out = Path(output_dir or self.folder / "model")
        for shard, paths in self.checkpoints().items():
            to = out / f"shard-{shard:04}"
            to.mkdir(parents=True, exist_ok=True)
            for name in ("adapter_model.safetensors", "adapter_config.json"):
                shutil.copyfile(paths[-1] / name, to / name)

    def _work(self, shard: int, slice_: int, rows: _Rows, before: Path | None) -> Work:
        return Work(
            plan=self.plan.plan,
            shard=shard,
            slice=slice_,
            records=rows,
            configuration=self.configuration,
            before=before,
            out=self._path(shard, slice_).with_suffix(".making"),
            report=lambda _done, _total: None,
            check=lambda: None,
        )

    def _stands(self, work: Work) -> bool:
        """Whether the checkpoint of a slice is there, whole, and of just these rows, base and settings."""
        path = work.out.with_suffix("")
        try:
            state = read_state(path)
            expected: dict[str, Json] = {
                **about(work),
                "base": self.configuration["base"],
                "settings": self.settings.digest,
                "previous": None if work.before is None else digest_of(work.before),
            }
            digest_of(path)
        except Corrupt:
            return False
        return all(state.get(name) == value for name, value in expected.items())

    def _train(self, work: Work, rows: datasets.Dataset) -> bool:
        self._drop(work.shard, work.slice)
        self._callbacks.train_dataloader = _Loader(rows)
        self.control.should_training_stop = False
        self._event("on_train_begin")
        work.out.mkdir(parents=True)
        self.backend.after_step = self._after_step
        try:
            self.backend.train(work)
        except _Stopped:
            shutil.rmtree(work.out)
            return False
        finally:
            self.backend.after_step = None
        _keep(work.out)
        self._event("on_save")
        self._event("on_train_end")
        return not self.control.should_training_stop

    def _after_step(self, loss: float) -> None:
        self.state.global_step += 1
        self._loss = loss
        self._event("on_step_end")
        if self.control.should_log:
            self.control.should_log = False
            logs = {"loss": loss, "step": self.state.global_step}
            self.state.log_history.append(logs)
            self.control = self._callbacks.on_log(self.args, self.state, self.control, logs)
        if self.control.should_training_stop:
            raise _Stopped

    def _event(self, name: str) -> None:
        self.control = getattr(self._callbacks, name)(self.args, self.state, self.control)

    def _output(self, trained: int) -> TrainOutput:
        return TrainOutput(self.state.global_step, self._loss, {"records": trained})

    def _drop(self, shard: int, first: int) -> None:
        for slice_ in reversed(range(first, self.plan.plan.slices)):
            for path in (self._path(shard, slice_), self._path(shard, slice_).with_suffix(".making")):
                if path.exists():
                    shutil.rmtree(path)

    def _path(self, shard: int, slice_: int) -> Path:
        return self.folder / f"shard-{shard:04}" / f"slice-{slice_:03}"


def settings_of(args: TrainingArguments, adapter: Mapping[str, Any]) -> Settings:
    """The settings that training arguments mean.

    Raises:
        BadInput: an argument that cannot be had exactly: a schedule that depends on the number of steps to come,
            mixed precision, a limit on steps, accumulation of gradients.
    """
    unfit = {
        "lr_scheduler_type": str(getattr(args.lr_scheduler_type, "value", args.lr_scheduler_type))
        not in _CONSTANT,
        "max_steps": args.max_steps > 0,
        "gradient_accumulation_steps": args.gradient_accumulation_steps != 1,
        "fp16": args.fp16,
        "bf16": args.bf16,
        "num_train_epochs": args.num_train_epochs != int(args.num_train_epochs) or args.num_train_epochs < 1,
    }
    if any(unfit.values()):
        raise BadInput(
            f"cannot be taken back exactly with these arguments: {', '.join(one for one in unfit if unfit[one])}",
            remedy='lr_scheduler_type="constant", whole epochs, float32, no max_steps, no accumulation',
        )
    return Settings(
        **{
            "mode": STRICT,
            "batch": args.per_device_train_batch_size,
            "epochs": int(args.num_train_epochs),
            "learning_rate": args.learning_rate,
            "warmup": int(args.warmup_steps),
            "beta1": args.adam_beta1,
            "beta2": args.adam_beta2,
            "epsilon": args.adam_epsilon,
            "weight_decay": args.weight_decay,
            "max_grad_norm": args.max_grad_norm,
            **adapter,
        }
    )


class _Stopped(Exception):
    pass


class _Loader:
    """Stands for the data loader towards callbacks, which ask it for the data set."""

    def __init__(self, dataset: datasets.Dataset) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.dataset)


class _Rows:
    """The rows of a slice as a backend takes them."""

    def __init__(self, rows: datasets.Dataset) -> None:
        self.ids: list[str] = list(rows["id"]) if len(rows) else []
        self._titles = (
            list(rows["title"]) if len(rows) and "title" in rows.column_names else [None] * len(rows)
        )
        self._bodies = list(rows["body"]) if len(rows) else []

    def __len__(self) -> int:
        return len(self.ids)

    def text(self, at: int) -> bytes:
        """Title, a line break and body; without a title the body alone."""
        title, body = self._titles[at], self._bodies[at] or ""
        return (f"{title}\n{body}" if title else body).encode("utf-8", "replace")


def _keep(making: Path) -> None:
    """Make the files durable and give the folder its name: the checkpoint is there whole, or not at all."""
    for path in [*making.iterdir(), making]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    making.rename(making.with_suffix(""))
    descriptor = os.open(making.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
