from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.unit.learning.lora.support import KEY, Shards, records
from troth.core.errors import BadInput, Corrupt, Unavailable
from troth.core.shards import Plan

if TYPE_CHECKING:
    from troth.learning.lora.serving import LoraModel

pytestmark = pytest.mark.needs_hf

PLAN = Plan(KEY, shards=2, slices=2)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, base: Path) -> Shards:
    world = Shards(tmp_path_factory.mktemp("served"), base, "strict", PLAN)
    for shard in range(PLAN.shards):
        world.train("run", shard, records(range(40)))
    return world


@pytest.fixture(scope="module")
def model(world: Shards) -> "LoraModel":
    return opened(world, (0, 1))


def opened(world: Shards, shards: tuple[int, ...]) -> "LoraModel":
    return world.backend.open(
        {one: [world.path("run", one, at) for at in (0, 1)] for one in shards}, world.configuration
    )


def cost(model: "LoraModel") -> float:
    return model.bits_per_byte(iter([b"note 7: word7 word3", b"note 8: word8"]))


def test_adapters_learned_something(model: "LoraModel", world: Shards) -> None:
    base = cost(opened(world, ()))
    assert cost(model.route(None)) < base
    assert cost(model.route(0)) < base


def test_routing_there_and_back_leaves_no_trace(model: "LoraModel") -> None:
    averaged = model.route(None).weights_digest()
    routed = model.route(1).weights_digest()
    assert averaged not in {routed, model.route(0).weights_digest()}
    assert model.route(None).weights_digest() == averaged
    model.check()


def test_one_adapter_averaged_alone_is_half_of_it_routed(world: Shards) -> None:
    """A shard that serves nothing counts as no change, so that its leaving moves no other's share."""
    import torch

    alone = opened(world, (1,))
    layer = next(iter(alone._layers.values()))
    name = next(iter(alone._layers))
    whole = layer.base_layer.weight.detach() - alone._pristine[name]
    alone.route(1)
    changed = layer.lora_B["default"].weight @ layer.lora_A["default"].weight * layer.scaling["default"]
    assert torch.allclose(whole, changed / 2, atol=1e-7)
    assert alone.route(0).weights_digest() == opened(world, ()).route(0).weights_digest()


def test_a_shard_s_own_adapter_with_a_share_of_the_mean(world: Shards) -> None:
    import torch

    served = {one: [world.path("run", one, at) for at in (0, 1)] for one in (0, 1)}
    plain = world.backend.open(served, world.configuration)
    mixed = world.backend.open(served, {**world.configuration, "own": "0.5", "shared": "0.25"})
    assert mixed.digest() != plain.digest()
    name, layer = next(iter(plain._layers.items()))
    base = plain._pristine[name]
    mean = layer.base_layer.weight.detach() - base
    plain.route(1)
    own = layer.lora_B["default"].weight @ layer.lora_A["default"].weight * layer.scaling["default"]
    layer = mixed.route(1)._layers[name]
    changed = layer.lora_B["default"].weight @ layer.lora_A["default"].weight * layer.scaling["default"]
    found = layer.base_layer.weight.detach() - base + changed
    assert torch.allclose(found, mean * 0.25 + own * 0.5, atol=1e-6)
    mixed.check()
    assert mixed.route(None).weights_digest() == plain.route(None).weights_digest()


@pytest.mark.filterwarnings(
    "ignore:`is_gradient_checkpointing`:FutureWarning"
)  # PEFT 0.21 on transformers 5.23
def test_peft_itself_loads_an_adapter(world: Shards, base: Path) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model = opened(world, (0,)).route(0)
    plain = AutoModelForCausalLM.from_pretrained(base, local_files_only=True)
    theirs = PeftModel.from_pretrained(plain, world.path("run", 0, 1)).eval()
    tokens = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        assert torch.allclose(
            theirs(input_ids=tokens).logits, model.model(input_ids=tokens).logits, atol=1e-5
        )


def test_a_merge_in_place_shows(model: "LoraModel") -> None:
    """Cheat: the removed shard's adapter was merged into the base before, and stays there."""
    import torch

    model.route(0)
    layer = next(iter(model._layers.values()))
    with torch.no_grad():
        layer.base_layer.weight += layer.lora_B["default"].weight @ layer.lora_A["default"].weight
    with pytest.raises(Corrupt, match="not the base"):
        model.check()
    model.check()


def test_an_old_adapter_that_is_still_served_shows(model: "LoraModel", world: Shards) -> None:
    world.train("new", 0, records(range(1, 40)))
    now = world.backend.open(
        {0: [world.path("new", 0, 1)], 1: [world.path("run", 1, 1)]}, world.configuration
    )
    assert now.digest() != model.digest()
    assert now.weights_digest() != model.route(None).weights_digest()


def test_an_altered_adapter_is_not_served(world: Shards) -> None:
    world.train("altered", 0, records(range(3)))
    path = world.path("altered", 0, 1) / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    with pytest.raises(Corrupt):
        world.backend.open({0: [world.path("altered", 0, 1)]}, world.configuration)


def test_the_same_seed_writes_the_same(model: "LoraModel") -> None:
    model.route(None)
    first = model.generate("note 7: ", length=12, seed=1, temperature=1.0)
    assert first == model.generate("note 7: ", length=12, seed=1, temperature=1.0)
    assert first != model.generate("note 7: ", length=12, seed=2, temperature=1.0)
    assert model.generate("note", length=5, seed=1, temperature=0) == model.generate(
        "note", length=5, seed=9, temperature=0
    )
    with pytest.raises(BadInput):
        model.generate("note", length=0, seed=1, temperature=1.0)
    with pytest.raises(BadInput):
        model.bits_per_byte(iter([]))


def test_a_base_is_found_again_by_its_digest(
    world: Shards, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from troth.learning.lora.backend import Lora

    digest = world.configuration["base"]
    assert isinstance(digest, str)
    monkeypatch.setattr("troth.learning.lora.backend._KNOWN", {})
    with pytest.raises(Unavailable, match="not here"):
        Lora().configure({"base": digest})
    monkeypatch.setenv("TROTH_BASES", f"/nowhere:{base.parent}")
    found = Lora().configure({**world.configuration})
    assert found == world.configuration
    monkeypatch.setattr("troth.learning.lora.backend._KNOWN", {})
    assert Lora([base]).configure({**world.configuration}) == world.configuration


def test_another_process_finds_the_base_by_a_neighbour_s_note(
    world: Shards, monkeypatch: pytest.MonkeyPatch
) -> None:
    from troth.learning.lora.backend import Lora

    monkeypatch.setattr("troth.learning.lora.backend._KNOWN", {})
    other = Lora()
    served = {0: [world.path("run", 0, at) for at in (0, 1)]}
    assert other.open(served, world.configuration).base.digest == world.configuration["base"]
    monkeypatch.setattr("troth.learning.lora.backend._KNOWN", {})
    world.backend = Lora()
    assert world.train("run", 0, records(range(40))) == world.digests("run", 0)


@pytest.mark.parametrize("options", [{}, {"base": 3}, {"strength": "much"}, {"shards": 3}])
def test_a_configuration_that_cannot_be_is_refused(base: Path, options: dict[str, int | str]) -> None:
    from troth.learning.lora.backend import Lora

    given = {"base": str(base), **options} if options else {}
    with pytest.raises(BadInput):
        Lora().configure(given)


def test_an_environment_names_mode_processor_and_packages(world: Shards) -> None:
    said = world.backend.environment(world.configuration)
    assert str(said["numeric_mode"]).startswith("strict")
    assert isinstance(said["packages"], dict)
    assert {"torch", "transformers", "peft"} <= set(said["packages"])
