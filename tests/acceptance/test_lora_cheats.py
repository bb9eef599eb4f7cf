"""What an operator of adapters might try at an unlearning, each done for real and signed; replay or chain catches all.

The same for the backend ``counts``: tests/unit/learning/test_cheats.py.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import troth
from tests.unit.learning.world import World, make_world, model_in
from troth.app import certificates, models, unlearning
from troth.core.errors import Corrupt
from troth.core.findings import Findings
from troth.learning.corpus import Corpus

pytestmark = pytest.mark.needs_hf

OPTIONS: dict[str, Any] = {"length": 32, "batch": 2, "rank": 2, "learning_rate": "0.01"}


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two bases of one shape with other weights."""
    import torch

    from troth.learning.lora.tiny import make_base

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("bases")
    return [make_base(folder / str(n), width=32, layers=1, length=128, seed=n) for n in (0, 1)]


@pytest.fixture(scope="module")
def trained(bases: list[Path], tmp_path_factory: pytest.TempPathFactory) -> World:
    world = make_world(tmp_path_factory.mktemp("world"), count=40)
    for name in ("m", "other"):
        options = {**OPTIONS, "base": str(bases[0])}
        models.train(world.home, world.releases, name, backend="lora", shards=1, slices=3, options=options)
    return world


@pytest.fixture
def world(trained: World, tmp_path: Path) -> World:
    shutil.copytree(trained.home.path, tmp_path / "home")
    return World(troth.open(tmp_path / "home"), trained.releases, trained.records)


def leaver(world: World) -> str:
    """A member whose records begin after the first slice, so that what is redone goes on from a checkpoint."""
    model = model_in(world)
    corpus = Corpus(model.path / "corpus", model.files_of(model.state()), model.facts.the_plan())
    firsts = {
        one: min(corpus.parts_of(corpus.rows_of(one))) for one in ("ann", "bob", "cyd", "dee", "eve", "fay")
    }
    return max(firsts, key=lambda one: firsts[one])


def left(world: World, name: str = "m") -> Path:
    """A member leaves, the model is made again; the certificate."""
    unlearning.withdraw(world.home, leaver(world))
    return Path(str(unlearning.unlearn(world.home, name)["made"][-1]))  # type: ignore[index]


def said(findings: Findings) -> str:
    return " | ".join(one.what for one in findings.findings if one.level == "error")


def replayed(world: World, path: Path) -> str:
    """What an honest replay finds, by the releases alone; the certificate itself holds."""
    assert certificates.verify(path, [world.home.public_key_path]).ok
    found = certificates.replay(path, world.releases, keys=[world.home.public_key_path])
    assert found.ok == (not said(found))
    return said(found)


def test_honest_work_holds(world: World) -> None:
    path = left(world)
    assert replayed(world, path) == ""
    assert certificates.chain(world.home, "m").ok


def test_a_kept_record(world: World) -> None:
    real, kept = Corpus.in_part, []

    def cheating(corpus: Corpus, part: Any, without: Any = ()) -> Any:
        gone = sorted(without)
        kept.extend(gone[:1])
        return real(corpus, part, gone[1:])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Corpus, "in_part", cheating)
        path = left(world)
    assert kept
    found = certificates.replay(path, world.releases, keys=[world.home.public_key_path])
    assert "what is retained is not" in said(found) or "not shown to be absent" in said(found)


def test_stale_optimizer_state(world: World) -> None:
    from troth.learning.lora.arithmetic import StrictAdam

    real = StrictAdam.load

    def stale(optimizer: StrictAdam, state: Any, steps: int) -> None:
        real(optimizer, {name: value * 0 for name, value in state.items()}, steps)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StrictAdam, "load", stale)
        path = left(world)
    assert "trained again it is" in replayed(world, path)


def test_wrong_order(world: World) -> None:
    def as_it_came(_seed: bytes, ids: Sequence[str]) -> list[int]:
        return list(range(len(list(ids))))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("troth.core.shards.in_order", as_it_came)
        path = left(world)
    assert "trained again it is" in replayed(world, path)


def redone_on(world: World, change: Callable[[Any], Any]) -> Path:
    """Made again on a base that is not what its digest says."""
    from troth.learning.lora.base import load_model

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("troth.learning.lora.learner.load_model", lambda *args: change(load_model(*args)))
        return left(world)


def test_swapped_base(world: World, bases: list[Path]) -> None:
    import safetensors.torch

    other = safetensors.torch.load_file(bases[1] / "model.safetensors")

    def swapped(model: Any) -> Any:
        model.load_state_dict(other, strict=False)
        return model

    path = redone_on(world, swapped)
    assert "trained again it is" in replayed(world, path)


def test_merged_adapter_kept(world: World) -> None:
    """What the member taught the model before is merged into the base, on which the new adapter is trained."""
    import torch

    from troth.learning.lora.learner import ADAPTER, read_tensors

    model = model_in(world)
    old = read_tensors(model.path / model.state().serving[-1].path, ADAPTER)

    def merged(base: Any) -> Any:
        for name, parameter in base.named_parameters():
            stem = f"base_model.model.{name.removesuffix('.weight')}"
            if f"{stem}.lora_A.weight" in old:
                change = old[f"{stem}.lora_B.weight"] @ old[f"{stem}.lora_A.weight"]
                with torch.no_grad():
                    parameter.add_(torch.from_numpy(change * 8))
        return base

    path = redone_on(world, merged)
    assert "trained again it is" in replayed(world, path)


def test_merged_adapter_served(world: World) -> None:
    left(world)
    with models.open_model(world.home, "m") as opened:
        served: Any = opened.current()
        import torch

        with torch.no_grad():
            next(iter(served._layers.values())).base_layer.weight += 0.01
        with pytest.raises(Corrupt, match="not the base"):
            served.check()


def test_old_adapter_still_served(world: World, tmp_path: Path) -> None:
    model = model_in(world)
    last = model.state().serving[-1]
    shutil.copytree(model.path / last.path, tmp_path / "old")
    path = left(world)
    now = model.path / model.state().serving[-1].path
    shutil.rmtree(now)
    shutil.copytree(tmp_path / "old", now)
    assert "files were exchanged" in said(certificates.replay(path, home=world.home))
    with model.changing() as state:
        at = len(state.serving) - 1
        state.serving[at] = type(last)(*last.part, state.serving[at].path, last.digest)
    assert "another model" in said(certificates.replay(path, home=world.home))
    assert "another model" in said(certificates.chain(world.home, "m"))


def test_certificate_of_another_model(world: World) -> None:
    path = left(world)
    other = Path(str(unlearning.unlearn(world.home, "other")["made"][-1]))  # type: ignore[index]
    shutil.copy(other, path)
    assert "another model" in said(certificates.chain(world.home, "m"))
