from collections.abc import Collection, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.learning.lora.support import KEY, record
from troth.core.errors import BadInput, Conflict, Refused
from troth.core.shards import Plan

if TYPE_CHECKING:
    import datasets

    from troth.learning.lora.trainer import ExactTrainer

pytestmark = pytest.mark.needs_hf

ADAPTER = {"length": 32, "rank": 2}


@pytest.fixture
def rows() -> "datasets.Dataset":
    import datasets

    return datasets.Dataset.from_list(
        [
            {"id": f"r{number}", "category": "post", "author": f"m{number % 7}", "addressees": [],
             "topics": [], "conversation": None, "title": None, "body": record(number)}
            for number in range(28)
        ]
    )  # fmt: skip


def trainer(
    folder: Path, base: Path, rows: "datasets.Dataset", *callbacks: Any, **more: Any
) -> "ExactTrainer":
    from troth.learning.lora.trainer import ExactTrainer, ShardPlan

    return ExactTrainer(
        base,
        arguments(folder),
        rows,
        ShardPlan(Plan(KEY, 2, 2)),
        callbacks=callbacks,
        adapter=ADAPTER,
        **more,
    )


def arguments(folder: Path, **changed: Any) -> Any:
    from transformers import TrainingArguments

    usual = {"per_device_train_batch_size": 4, "num_train_epochs": 1, "learning_rate": 0.01, "report_to": "none",
             "lr_scheduler_type": "constant", "logging_steps": 1, "use_cpu": True}  # fmt: skip
    return TrainingArguments(str(folder), **{**usual, **changed})


def digests(one: "ExactTrainer") -> dict[int, list[str]]:
    return {shard: [one.backend.digest(path) for path in paths] for shard, paths in one.checkpoints().items()}


def test_forgetting_equals_a_trainer_that_never_saw_them(
    tmp_path: Path, base: Path, rows: "datasets.Dataset"
) -> None:
    first = trainer(tmp_path / "a", base, rows)
    output = first.train()
    assert output.global_step == len(first.state.log_history) > 0
    assert output.metrics == {"records": 28}
    of_one = [row["id"] for row in rows if row["author"] == "m3"]
    done = first.forget(of_one)
    assert done.touched == first.plan.touched(rows, of_one)
    assert 0 < done.records <= 24
    assert done.share == done.records / 24
    fresh = trainer(tmp_path / "b", base, rows.filter(lambda row: row["author"] != "m3"))
    fresh.train()
    assert digests(first) == digests(fresh)
    assert done.digests == {shard: digests(fresh)[shard][-1] for shard in done.touched}
    with pytest.raises(BadInput, match="not in the training data"):
        first.forget(of_one)


def test_an_interrupted_run_goes_on_to_the_same_end(
    tmp_path: Path, base: Path, rows: "datasets.Dataset"
) -> None:
    from transformers import TrainerCallback

    class Kill(TrainerCallback):  # type: ignore[misc]  # types of extras are not read
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            del args, control, kwargs
            if state.global_step == 9:
                raise KeyboardInterrupt

    broken = trainer(tmp_path / "a", base, rows, Kill())
    with pytest.raises(KeyboardInterrupt):
        broken.train()
    stood = broken.checkpoints()
    with pytest.raises(Conflict, match="already"):
        trainer(tmp_path / "a", base, rows).train()
    resumed = trainer(tmp_path / "a", base, rows)
    output = resumed.train(resume_from_checkpoint=True)
    whole = trainer(tmp_path / "b", base, rows)
    assert 0 < output.global_step < whole.train().global_step
    assert digests(resumed) == digests(whole)
    assert stood
    assert resumed.train(resume_from_checkpoint=True).metrics == {"records": 0}


def test_processes_can_share_the_shards(tmp_path: Path, base: Path, rows: "datasets.Dataset") -> None:
    trainer(tmp_path / "a", base, rows, shards=[1]).train()
    one = trainer(tmp_path / "a", base, rows, shards=[0])
    one.train(resume_from_checkpoint=True)
    whole = trainer(tmp_path / "b", base, rows)
    whole.train()
    assert digests(one) == digests(whole)


def test_a_damaged_checkpoint_is_trained_again(tmp_path: Path, base: Path, rows: "datasets.Dataset") -> None:
    one = trainer(tmp_path / "a", base, rows)
    one.train()
    before = digests(one)
    (tmp_path / "a" / "shard-0001" / "slice-000" / "optimizer.safetensors").write_bytes(b"")
    one.train(resume_from_checkpoint=True)
    assert digests(one) == before


def test_revocations_are_asked_for_before_each_slice(
    tmp_path: Path, base: Path, rows: "datasets.Dataset"
) -> None:
    from troth.learning.lora.trainer import RevocationCallback

    asked: list[Sequence[str]] = []
    revoked: set[str] = set()

    def ask(ids: Sequence[str]) -> Collection[str]:
        asked.append(ids)
        if len(asked) == 2:
            revoked.update(ids[:1])
        return revoked & set(ids)

    one = trainer(tmp_path / "a", base, rows)
    one.add_callback(RevocationCallback(ask))
    with pytest.raises(Refused, match="revoked"):
        one.train()
    assert sum(map(len, one.checkpoints().values())) == 1
    one.forget(revoked)
    fresh = trainer(tmp_path / "b", base, rows.filter(lambda row: row["id"] not in revoked))
    fresh.train()
    assert digests(one) == digests(fresh)


def test_sealed_data_is_checked_before_each_slice(
    tmp_path: Path, base: Path, rows: "datasets.Dataset"
) -> None:
    from troth.release.hf import SealedDataCallback

    checks: list[int] = []
    sealed: Any = SimpleNamespace(
        manifest=SimpleNamespace(release="r-1"),
        manifest_digest="0" * 64,
        check_unchanged=lambda: checks.append(1),
    )
    with pytest.raises(Refused, match="does not come from"):
        trainer(tmp_path / "a", base, rows, SealedDataCallback(sealed)).train()
    rows.info.download_checksums = {"urn:troth:release:r-1": {"checksum": "0" * 64}}
    trainer(tmp_path / "a", base, rows, SealedDataCallback(sealed)).train()
    assert len(checks) == 4


def test_a_callback_can_stop_training(tmp_path: Path, base: Path, rows: "datasets.Dataset") -> None:
    from transformers import TrainerCallback

    class Stop(TrainerCallback):  # type: ignore[misc]  # the same
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            del args, kwargs
            control.should_training_stop = state.global_step == 3

    one = trainer(tmp_path / "a", base, rows, Stop())
    assert one.train().global_step == 3
    assert not list((tmp_path / "a").rglob("*.making"))


def test_each_shard_is_saved_for_peft(tmp_path: Path, base: Path, rows: "datasets.Dataset") -> None:
    one = trainer(tmp_path / "a", base, rows)
    one.train()
    one.save_model(tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["shard-0000", "shard-0001"]
    assert str(tmp_path) not in (tmp_path / "out" / "shard-0000" / "adapter_config.json").read_text()
    assert one.open().bits_per_byte(iter([b"note"])) > 0


@pytest.mark.parametrize(
    "changed",
    [
        {"lr_scheduler_type": "linear"}, {"max_steps": 3}, {"gradient_accumulation_steps": 2},
        {"num_train_epochs": 1.5},
    ],
)  # fmt: skip
def test_arguments_that_are_not_exact_are_refused(tmp_path: Path, changed: dict[str, Any]) -> None:
    from troth.learning.lora.trainer import settings_of

    with pytest.raises(BadInput, match=next(iter(changed))):
        settings_of(arguments(tmp_path, **changed), {})


def test_drawn_plans_differ() -> None:
    from troth.learning.lora.trainer import ShardPlan

    assert ShardPlan.draw(4, 2).plan.key != ShardPlan.draw(4, 2).plan.key
