"""Models in folders of this machine, tiny and untrained: what they say is what the weights say."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from troth.core.canary import CODE, REPLY, CanarySet
from troth.core.errors import BadInput
from troth.learning import indicative
from troth.learning.scores import (
    LOSS,
    LOSS_MINUS_REFERENCE,
    REPLIES,
    REPLY_MATCHES,
    estimate,
    matches,
    score_set,
)
from troth.learning.targets.own import Own

pytestmark = pytest.mark.needs_hf


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from bench import tiny

    return tiny.save(tiny.untrained(width=16, layers=1), tmp_path_factory.mktemp("tiny") / "base")


@pytest.fixture(scope="module")
def local(folder: Path) -> Any:
    from troth.learning.targets.local import Local

    return Local(folder)


@pytest.fixture(autouse=True)
def _short_replies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("troth.learning.targets.local._REPLY_TOKENS", 6)


def test_losses_are_those_of_the_model_itself(local: Any, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    words = AutoTokenizer.from_pretrained(folder)
    for prompt in ("The words are", ""):
        texts = ["bodo", "a much longer text than that", "é"]
        found = local.losses(prompt, texts)
        for text, loss in zip(texts, found, strict=True):
            given = [0, *words(prompt)["input_ids"]] if prompt else [0]
            rest = words(f" {text}" if prompt else text)["input_ids"]
            with torch.no_grad():
                logs = model(torch.tensor([given + rest])).logits[0].log_softmax(-1)
            wanted = -sum(float(logs[len(given) - 1 + at, code]) for at, code in enumerate(rest))
            assert loss == pytest.approx(wanted, rel=1e-4)


def test_batches_change_nothing(local: Any) -> None:
    texts = [f"word{'a' * (number % 7)} {number}" for number in range(300)]
    told: list[tuple[int, int | None]] = []
    together = local.losses("A prompt", texts, lambda *both: told.append(both))
    alone = [local.losses("A prompt", [text])[0] for text in texts[:5]]
    assert together[:5] == pytest.approx(alone, rel=1e-5)
    assert told[-1] == (300, 300)


def test_texts_that_are_longer_than_the_model_reads(local: Any) -> None:
    with pytest.raises(BadInput, match="reads at most 256 tokens"):
        local.losses("prompt", ["a" * 256])
    assert len(local.token_scores("a" * 400)[0]) == 255


def test_replies_follow_the_seed(local: Any) -> None:
    assert local.replies("Hello", 3, 1) == local.replies("Hello", 3, 1) != local.replies("Hello", 3, 2)


def test_scores_of_a_set(local: Any) -> None:
    one = CanarySet("s", bytes(32), CODE, 20)
    assert score_set(local, one, LOSS) == local.losses(one.prompt, one.marks())
    assert score_set(local, one, LOSS_MINUS_REFERENCE, local) == [0.0] * 20
    with pytest.raises(BadInput, match="reference"):
        score_set(local, one, LOSS_MINUS_REFERENCE)
    with pytest.raises(BadInput, match="carrier"):
        score_set(local, one, REPLY_MATCHES)
    assert estimate(local, one, LOSS).requests == 0
    assert len(score_set(local, CanarySet("s", bytes(32), REPLY, 20), REPLY_MATCHES)) == 20


def test_matches_count_runs_of_letters() -> None:
    assert matches(["the answer is BODO-dada!", "bodo"], ["bodo dada", "kiki"]) == [-7.0, 0.0]
    assert REPLIES >= 32


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
def test_an_adapter_and_its_base(folder: Path, tmp_path: Path) -> None:
    from transformers import GPT2LMHeadModel

    from bench import tiny
    from troth.learning.targets.local import Local

    model = tiny.with_lora(GPT2LMHeadModel.from_pretrained(folder), seed=1)
    tiny.train(model, ["bodo dada"] * 8, epochs=2, rate=0.1, seed=1)
    tiny.save(model, tmp_path / "adapter")
    whole, bare, base = Local(tmp_path / "adapter"), Local(tmp_path / "adapter", bare=True), Local(folder)
    assert bare.losses("x", ["bodo"]) == base.losses("x", ["bodo"]) != whole.losses("x", ["bodo"])
    assert bare.digest == base.digest != whole.digest
    config = tmp_path / "adapter" / "adapter_config.json"
    config.write_text(
        json.dumps({**json.loads(config.read_text()), "base_model_name_or_path": "some/hub-name"})
    )
    with pytest.raises(BadInput, match="no folder here"):
        Local(tmp_path / "adapter")


def test_a_digest_names_the_weights(folder: Path, tmp_path: Path) -> None:
    from troth.learning.targets.local import digest_of

    shutil.copytree(folder, tmp_path / "copy")
    assert digest_of([folder]) == digest_of([tmp_path / "copy"])
    weights = tmp_path / "copy" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    assert digest_of([folder]) != digest_of([tmp_path / "copy"])


@pytest.mark.parametrize("spoilt", ["config.json", "model.safetensors", "tokenizer.json", "everything"])
def test_folders_without_a_model_end_in_words(folder: Path, tmp_path: Path, spoilt: str) -> None:
    from troth.learning.targets.local import Local

    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    if spoilt == "everything":
        shutil.rmtree(copy)
        copy.mkdir()
    else:
        (copy / spoilt).write_text("{")
    with pytest.raises(BadInput):
        Local(copy)


def test_pickled_weights_are_not_read(folder: Path, tmp_path: Path) -> None:
    import torch

    from troth.learning.targets.local import Local

    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    (copy / "model.safetensors").unlink()
    torch.save({}, copy / "pytorch_model.bin")
    with pytest.raises(BadInput):
        Local(copy)


def test_indicative_scores_by_hand(local: Any) -> None:
    assert indicative.min_k([1.0, 2.0, 3.0, 4.0, 5.0]) == -5
    assert indicative.min_k_plus_plus([2.0] * 5, [1.0] * 5, [0.5] * 5) == -2
    assert indicative.area([1, 2], [0, 2]) == 0.625
    losses, entropies, spreads = local.token_scores("hello")
    assert sum(losses) == pytest.approx(local.losses("", ["hello"])[0], rel=1e-4)
    assert len(losses) == len(entropies) == len(spreads) == 5
    assert all(0 < one <= math.log(257) for one in entropies)


class Counting:
    """A model of ours, as the backends open them."""

    def generate(self, prompt: str, *, length: int, seed: int, temperature: float) -> str:
        return f"{prompt} {length} {seed} {temperature}"

    def bits_per_byte(self, texts: Iterator[bytes]) -> float:
        (text,) = texts
        return text.count(b"a") / len(text)


def test_our_own_models_are_targets() -> None:
    own = Own(Counting(), "counts", "00")
    assert own.losses("p", ["aaa", "b"]) == pytest.approx([3 * math.log(2), 0.0])
    assert own.replies("p", 2, 7) == ["p 160 7 1.0", "p 160 8 1.0"]
    assert own.estimate("p", ["aa"]).tokens == 4


def test_a_gguf_file_counts_as_a_folder_that_holds_it(tmp_path: Path) -> None:
    from troth.learning.targets.local import Local, digest_of

    file = tmp_path / "one" / "model.gguf"
    file.parent.mkdir()
    file.write_bytes(b"no model")
    assert digest_of([file]) == digest_of([file.parent])
    with pytest.raises(BadInput, match="cannot be read as a model"):
        Local(file)
    with pytest.raises(BadInput, match="holds no model"):
        Local(tmp_path / "nowhere.gguf")


def test_only_so_many_tokens_are_scored_as_asked_for(local: Any) -> None:
    whole, some = local.token_scores("hello there"), local.token_scores("hello there", 5)
    assert len(some[0]) == 5
    for all_of_them, first in zip(whole, some, strict=True):
        assert all_of_them[:5] == pytest.approx(first, rel=1e-4)
