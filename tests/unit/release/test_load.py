"""Loading: only what was checked, and only as long as it stays that."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from tests.unit.release.conftest import SIGNER, Sealing, records
from troth.core.errors import BadInput, Refused
from troth.core.verify import public_pem
from troth.release import columns
from troth.release.columns import DATA
from troth.release.load import NotAsSealed, load

PART = "data/part-00000.parquet"


@pytest.fixture
def release(sealing: Sealing) -> Path:
    """A sealed release of twelve rows."""
    return sealing(records(12)).path


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """The operator's public key, had from elsewhere."""
    path = tmp_path / "operator.pub"
    path.write_bytes(public_pem(SIGNER.public_key))
    return path


def test_batches_have_the_columns_of_a_release(release: Path) -> None:
    loaded = load(release)
    assert len(loaded) == 12
    batches = list(loaded)
    assert all(batch.schema.equals(DATA) for batch in batches)
    assert sum(batch.num_rows for batch in batches) == 12
    assert list(load(str(release), verify="digest")) == batches
    assert loaded.to_table().schema.equals(DATA)


def test_a_loaded_release_says_what_it_is(release: Path, sealing: Sealing, tmp_path: Path) -> None:
    sealed = sealing(records(3), tmp_path / "other")
    loaded = load(sealed.path)
    assert loaded.manifest == sealed.manifest
    assert loaded.manifest_digest == sealed.manifest_digest
    assert loaded.manifest_digest != load(release).manifest_digest


def test_a_release_of_nothing_is_an_empty_table(sealing: Sealing) -> None:
    table = load(sealing(records(0)).path).to_table()
    assert table.num_rows == 0
    assert table.schema.equals(DATA)


def test_a_trusted_key_has_to_be_the_one_that_signed(release: Path, key: Path, tmp_path: Path) -> None:
    assert len(load(release, keys=[key])) == 12
    other = tmp_path / "other.pub"
    other.write_bytes(
        public_pem(type(SIGNER).generate_ed25519().public_key)  # nobody's
    )
    with pytest.raises(Refused, match="no trusted key has signed"):
        load(release, keys=[other])
    with pytest.raises(BadInput, match="cannot be read"):
        load(release, keys=[tmp_path / "none.pub"])


def test_refusing_says_everything(release: Path) -> None:
    (release / PART).unlink()
    for number in range(7):
        (release / f"x{number}").write_bytes(b"")
    with pytest.raises(NotAsSealed, match=r"part-00000.parquet: is missing.*; and \d more") as caught:
        load(release)
    errors = [one for one in caught.value.findings.findings if one.level == "error"]
    assert len([one for one in errors if one.what == "is not part of the release"]) == 7


def test_another_way_to_verify_is_refused(release: Path) -> None:
    with pytest.raises(BadInput, match="expected one of full, digest"):
        load(release, verify="none")


@pytest.mark.parametrize("how", ["full", "digest"])
def test_every_altered_byte_of_the_rows_is_refused_either_way(how: str, release: Path) -> None:
    whole = (release / PART).read_bytes()
    for place in (0, len(whole) // 3, len(whole) - 1):
        (release / PART).write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(NotAsSealed):
            load(release, verify=how)


def overwrite(path: Path) -> None:
    path.write_bytes(path.read_bytes())


def exchange(path: Path) -> None:
    other = path.with_suffix(".new")
    other.write_bytes(path.read_bytes())
    other.replace(path)


def link(path: Path) -> None:
    path.rename(path.with_suffix(".real"))
    path.symlink_to(path.with_suffix(".real"))


def pretend(path: Path) -> None:
    """Put the time of the last change back, as somebody would who does not want to be noticed."""
    status = path.stat()
    overwrite(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("act", [overwrite, exchange, link, pretend, Path.unlink])
def test_what_changes_after_the_check_is_refused_when_it_is_read(
    act: Callable[[Path], None], release: Path
) -> None:
    loaded = load(release)
    loaded.check_unchanged()
    act(release / PART)
    with pytest.raises(Refused):
        list(loaded)
    with pytest.raises(Refused):
        loaded.check_unchanged()


def test_what_changes_while_it_is_read_is_refused(release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("troth.release.rowcheck.BATCH_ROWS", 3)
    monkeypatch.setattr(columns, "BATCH_ROWS", 3)
    loaded = load(release)
    batches = iter(loaded)
    next(batches)
    overwrite(release / PART)
    with pytest.raises(Refused, match="after it was checked"):
        list(batches)


def test_the_rows_that_are_handed_out_are_those_of_the_stream(release: Path) -> None:
    assert [row["id"] for batch in load(release) for row in batch.to_pylist()] == [f"m{n}" for n in range(12)]


def test_heavy_libraries_are_not_loaded_by_loading(release: Path) -> None:
    program = (
        "import sys; from troth.release.load import load; list(load(sys.argv[1]));"
        "print([name for name in ('torch', 'datasets', 'transformers', 'duckdb', 'ibis') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(release)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_table_is_the_same_as_its_batches(release: Path) -> None:
    loaded = load(release)
    assert loaded.to_table().equals(pa.Table.from_batches(list(loaded)))


@pytest.mark.needs_hf
class TestTrainers:
    def test_a_data_set_keeps_its_mark_through_what_trainers_do(self, release: Path) -> None:
        from troth.release.hf import SealedDataCallback

        loaded = load(release)
        dataset = loaded.to_dataset()
        assert dataset["id"] == [f"m{number}" for number in range(12)]
        assert SealedDataCallback(loaded).release_of(dataset) is loaded
        for derived in (
            dataset.map(lambda row: {"length": len(row["body"])}),
            dataset.filter(lambda row: row["category"] == "post"),
            dataset.select(range(4)),
            dataset.shuffle(seed=1),
            dataset.remove_columns(["row_salt"]),
            dataset.train_test_split(test_size=0.25, seed=1)["train"],
        ):
            assert SealedDataCallback(loaded).release_of(derived) is loaded

    def test_mixing_loses_the_mark(self, release: Path) -> None:
        import datasets

        from troth.release.hf import SealedDataCallback

        loaded = load(release)
        dataset = loaded.to_dataset()
        other = datasets.Dataset.from_list(dataset.select(range(2)).to_list(), features=dataset.features)
        for mixed in (
            datasets.concatenate_datasets([dataset, other]),
            datasets.concatenate_datasets([other, dataset]),
            datasets.interleave_datasets([dataset, other]),
            dataset.to_iterable_dataset(),
            other,
        ):
            assert SealedDataCallback(loaded).release_of(mixed) is None

    def test_a_trainer_trains_on_the_release_and_on_nothing_else(self, release: Path, tmp_path: Path) -> None:
        import datasets
        import torch
        from transformers import Trainer, TrainingArguments

        from troth.release.hf import SealedDataCallback

        class Lengths(torch.nn.Module):  # type: ignore[misc]  # types of extras are not read
            def __init__(self) -> None:
                super().__init__()
                self.weight = torch.nn.Parameter(torch.zeros(1))

            def forward(self, length: torch.Tensor) -> dict[str, torch.Tensor]:
                return {"loss": ((self.weight - length.float()) ** 2).mean()}

        loaded = load(release)
        arguments = TrainingArguments(
            output_dir=str(tmp_path / "out"), max_steps=2, report_to=[], use_cpu=True, save_strategy="no",
            disable_tqdm=True, remove_unused_columns=True,
        )  # fmt: skip
        ours = loaded.to_dataset().map(lambda row: {"length": len(row["body"])})

        def trainer(dataset: object) -> Trainer:
            return Trainer(
                Lengths(), arguments, train_dataset=dataset, callbacks=[SealedDataCallback(loaded)]
            )

        running = trainer(ours)
        running.train()
        logged = [one for one in running.state.log_history if "troth_release" in one]
        assert logged == [
            {"step": 0, "troth_release": loaded.manifest.release, "troth_manifest": loaded.manifest_digest}
        ]
        with pytest.raises(Refused, match="does not come from"):
            trainer(datasets.Dataset.from_list([{"length": 3}] * 4)).train()
        overwrite(release / PART)
        with pytest.raises(Refused, match="after it was checked"):
            trainer(ours).train()

    def test_workers_share_the_rows_out(self, release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        import torch.utils.data

        monkeypatch.setattr("troth.release.rowcheck.BATCH_ROWS", 3)
        rows = list(torch.utils.data.DataLoader(load(release).to_torch(), batch_size=None, num_workers=2))
        assert sorted(row["id"] for row in rows) == sorted(f"m{number}" for number in range(12))
        assert {row["created_at"] for row in rows} == {
            None if number % 7 == 3 else 1_700_000_000_000_000 + number for number in range(12)
        }
