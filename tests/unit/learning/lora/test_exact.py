"""Taken out exactly: what is redone equals what was never trained on it; and cheats show."""

import json
import random
import shutil
from pathlib import Path

import pytest

from tests.unit.learning.lora.support import KEY, Shards, order_of, records
from troth.core.errors import BadInput, Corrupt
from troth.core.shards import Plan

pytestmark = pytest.mark.needs_hf

PLAN = Plan(KEY, shards=2, slices=3)
STRICT_WEIGHTS = "bd7bef0fcc8bd2d575d7380838adffb622d8ef19a8889a88f19febf994a2270c"
"""The adapter of a run of strict mode, wherever and by whatever processor it is made."""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, base: Path) -> dict[str, Shards]:
    made = {}
    for mode in ("strict", "pinned"):
        made[mode] = Shards(tmp_path_factory.mktemp(mode), base, mode, PLAN)
        for shard in range(PLAN.shards):
            made[mode].train("full", shard, records(range(24)))
    return made


@pytest.mark.parametrize("mode", ["strict", "pinned"])
def test_redoing_equals_never_having_seen_them(trained: dict[str, Shards], mode: str) -> None:
    """Three removals one after the other, the last of several records; each against training from nothing."""
    world, texts, draw = trained[mode], records(range(24)), random.Random(7)
    shutil.copytree(world.folder / "full", world.folder / "redone", dirs_exist_ok=True)
    for count in (1, 1, 4):
        gone = set(draw.sample(sorted(texts), count))
        redone = world.redo("redone", texts, gone)
        texts = {name: text for name, text in texts.items() if name not in gone}
        assert redone
        for shard, digests in redone.items():
            assert world.train("scratch", shard, texts) == digests


def test_what_saw_nothing_of_it_stays(trained: dict[str, Shards]) -> None:
    world = trained["strict"]
    shard, slice_ = world.place("r5")
    shutil.copytree(world.folder / "full", world.folder / "one", dirs_exist_ok=True)
    before = world.digests("one", shard)
    world.redo("one", records(range(24)), {"r5"})
    after = world.digests("one", shard)
    assert after[:slice_] == before[:slice_]
    assert all(new != old for new, old in zip(after[slice_:], before[slice_:], strict=True))


def test_strict_weights_are_the_same_everywhere(trained: dict[str, Shards]) -> None:
    state = json.loads((trained["strict"].path("full", 0, 2) / "checkpoint.json").read_text())
    assert state["files"]["adapter_model.safetensors"] == STRICT_WEIGHTS


def test_a_stale_optimizer_state_shows(trained: dict[str, Shards]) -> None:
    world, texts = trained["strict"], records(range(24))
    shutil.copytree(world.folder / "full", world.folder / "stale", dirs_exist_ok=True)
    middle, first = world.path("stale", 0, 1), world.path("stale", 0, 0)
    shutil.copy(first / "optimizer.safetensors", middle)
    with pytest.raises(Corrupt, match="not the one that was written"):
        world.train("stale", 0, texts, 2)
    # Whoever mends the checkpoint's own account of it gets other weights in the end.
    state = json.loads((middle / "checkpoint.json").read_text())
    other = json.loads((first / "checkpoint.json").read_text())
    state["files"]["optimizer.safetensors"] = other["files"]["optimizer.safetensors"]
    (middle / "checkpoint.json").write_text(json.dumps(state))
    assert world.train("stale", 0, texts, 2)[-1] != world.digests("full", 0)[-1]
    assert _weights(world.path("stale", 0, 2)) != _weights(world.path("full", 0, 2))


def test_another_order_shows(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = Plan(KEY)
    world, texts = Shards(tmp_path, base, "strict", plan, batch=1), records(range(6))
    assert order_of(plan, 0, 0, list(texts)) != list(texts)
    honest = world.train("honest", 0, texts)
    monkeypatch.setattr("troth.core.shards.in_order", lambda _seed, ids: list(range(len(ids))))
    assert world.train("disorder", 0, texts) != honest
    assert _weights(world.path("disorder", 0, 0)) != _weights(world.path("honest", 0, 0))


def test_a_kept_record_shows(trained: dict[str, Shards]) -> None:
    world, texts = trained["strict"], records(range(24))
    shard, slice_ = world.place("r3")
    left = {name: text for name, text in texts.items() if name != "r3"}
    honest = world.train("honest", shard, left)
    assert honest[slice_] != world.digests("full", shard)[slice_]


def test_another_base_shows(trained: dict[str, Shards], tmp_path: Path) -> None:
    from troth.learning.lora.tiny import make_base

    world = trained["strict"]
    other = make_base(tmp_path / "base", width=32, layers=1, length=128, seed=1)
    swapped = Shards(world.folder, other, "strict", PLAN)
    assert swapped.configuration["base"] != world.configuration["base"]
    with pytest.raises(Corrupt, match="another base"):
        swapped.train("full", 0, records(range(24)), 2)


def test_other_settings_do_not_go_on(trained: dict[str, Shards], base: Path) -> None:
    other = Shards(trained["strict"].folder, base, "strict", PLAN, learning_rate="0.02")
    with pytest.raises(Corrupt, match="another settings"):
        other.train("full", 0, records(range(24)), 2)


def test_a_checkpoint_of_another_slice_is_not_gone_on_from(trained: dict[str, Shards]) -> None:
    world = trained["strict"]
    shutil.copytree(world.folder / "full", world.folder / "skip", dirs_exist_ok=True)
    shutil.rmtree(world.path("skip", 0, 1))
    shutil.copytree(world.path("skip", 0, 0), world.path("skip", 0, 1))
    with pytest.raises(Corrupt, match="goes on from the slice before"):
        world.train("skip", 0, records(range(24)), 2)


def test_an_empty_slice_has_a_checkpoint_with_the_same_weights(base: Path, tmp_path: Path) -> None:
    world = Shards(tmp_path, base, "strict", Plan(KEY, 1, 3))
    texts = {name: text for name, text in records(range(12)).items() if world.place(name)[1] != 1}
    world.train("gap", 0, texts)
    assert _weights(world.path("gap", 0, 1)) == _weights(world.path("gap", 0, 0))


def test_gpt2_can_be_a_base_too(tmp_path: Path) -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    from troth.learning.lora.tiny import byte_tokenizer

    tokenizer = byte_tokenizer()
    config = GPT2Config(
        vocab_size=len(tokenizer), n_positions=64, n_embd=32, n_layer=1, n_head=2,
        bos_token_id=tokenizer.eos_token_id, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    GPT2LMHeadModel(config).save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    world = Shards(tmp_path, tmp_path / "base", "strict", Plan(KEY, 1, 2), targets=["c_attn"])
    texts = records(range(10))
    world.train("full", 0, texts)
    redone = world.redo("full", texts, {"r4"})
    assert redone[0] == world.train("scratch", 0, {name: texts[name] for name in texts if name != "r4"})
    model = world.backend.open({0: [world.path("full", 0, 1)]}, world.configuration)
    averaged = model.bits_per_byte(iter([b"note 3: word1"]))
    assert model.route(0).bits_per_byte(iter([b"note 3: word1"])) == pytest.approx(averaged, rel=1e-5)


def test_pieces_make_each_token_a_target_once(base: Path) -> None:
    from troth.learning.lora.base import find_base, load_tokenizer
    from troth.learning.lora.pieces import pieces_of

    tokenizer = load_tokenizer(find_base(base))
    text = "héllo  wörld, " * 9
    pieces = pieces_of(text.encode(), tokenizer, 32)
    targets = [token for piece in pieces for token in piece[1:]]
    assert tokenizer.decode(targets[:-1]) == text
    assert targets[-1] == tokenizer.eos_token_id
    assert max(map(len, pieces)) == 33
    assert pieces_of(b"", tokenizer, 32) == []
    assert len(pieces_of(b"\xff\xfe", tokenizer, 32)) == 1


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda base: (base / "config.json").unlink(), "no model"),
        (lambda base: (base / "config.json").write_text('{"auto_map": {}}'), "code of its own"),
        (lambda base: (base / "config.json").write_text("[1"), "no JSON"),
        (lambda base: (base / "model.safetensors").rename(base / "pytorch_model.bin"), "can run code"),
    ],
)
def test_what_is_no_base_is_refused(base: Path, tmp_path: Path, spoil: object, message: str) -> None:
    from troth.learning.lora.base import find_base

    shutil.copytree(base, tmp_path / "base")
    assert callable(spoil)
    spoil(tmp_path / "base")
    with pytest.raises(BadInput, match=message):
        find_base(tmp_path / "base")


def test_a_damaged_base_is_refused_with_its_name(base: Path, tmp_path: Path) -> None:
    from troth.learning.lora.base import find_base, load_model
    from troth.learning.lora.settings import Settings

    shutil.copytree(base, tmp_path / "base")
    (tmp_path / "base" / "model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}")
    with pytest.raises(BadInput, match="cannot be read"):
        load_model(find_base(tmp_path / "base"), Settings(), "cpu")


def test_diverging_numbers_stop_training(base: Path, tmp_path: Path) -> None:
    from troth.core.errors import Unavailable

    world = Shards(tmp_path, base, "strict", Plan(KEY), learning_rate="1e300", max_grad_norm="0")
    with pytest.raises(Unavailable, match="diverged"):
        world.train("run", 0, records(range(12)))


def _weights(checkpoint: Path) -> bytes:
    return (checkpoint / "adapter_model.safetensors").read_bytes()
