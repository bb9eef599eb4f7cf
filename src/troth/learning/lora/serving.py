"""Using adapters: routed (one shard's) or averaged, always rebuilt from the base in a fixed order.

Nothing is merged in place and taken out again: in floating point ``W + D − D`` is often not ``W``, and what is
left over would be a trace of what was removed.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from troth.core.errors import BadInput, Corrupt
from troth.learning.lora.base import Base, load_model, load_tokenizer
from troth.learning.lora.learner import ADAPTER, digest_of, loss_of, read_state, read_tensors, with_adapter
from troth.learning.lora.pieces import batches, pieces_of
from troth.learning.lora.settings import PINNED, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

AVERAGED: Final = "averaged"
ROUTED: Final = "routed"
SERVINGS: Final = {
    AVERAGED: "one model: the base and the mean of all shards' changes to it",
    ROUTED: "each question to the shard of its community, perhaps with a share of all others' mean beside it",
}

_MOST_TOKENS: Final = 4096

Adapter = dict[str, np.ndarray[Any, Any]]


@dataclass(frozen=True, slots=True)
class Mix:
    """How much adapters count in use, fixed before training like all else.

    ``strength``: the mean, averaged. Routed: ``own`` for the shard's own adapter, ``shared`` for the mean beside it.
    """

    strength: float = 1.0
    own: float = 1.0
    shared: float = 0.0


class LoraModel:
    """A base with the adapters of some shards.

    ``route`` chooses one shard's adapter or, with None, the mean of all. In the mean each shard of the plan
    counts ``1 / shards``, times the mix's ``strength``: a shard that serves nothing counts as no change, so its
    absence moves no other's share.
    """

    def __init__(
        self, base: Base, settings: Settings, adapters: Mapping[int, Path], shards: int, *,
        device: str = "cpu", mix: Mix | None = None,
    ) -> None:  # fmt: skip
        if any(not 0 <= shard < shards for shard in adapters):
            raise BadInput(f"an adapter is of a shard beyond the plan's {shards}")
        self.base, self.settings, self.shards = base, settings, shards
        self.mix = mix or Mix()
        self.tokenizer = load_tokenizer(base)
        # In use there is no training state to keep equal over machines, so native arithmetic serves.
        native = Settings.from_json({**settings.to_json(), "mode": PINNED})
        self.model: Any = with_adapter(load_model(base, native, device), native)
        self._adapters = {shard: _read(adapters[shard], base) for shard in sorted(adapters)}
        self._digests = {shard: digest_of(adapters[shard]) for shard in sorted(adapters)}
        self._layers = {
            name: module for name, module in self.model.named_modules() if hasattr(module, "lora_A")
        }
        self._pristine = {
            name: module.base_layer.weight.detach().clone() for name, module in self._layers.items()
        }
        self._checksum = self._base_checksum()
        self.route(None)

    def route(self, shard: int | None) -> LoraModel:
        """Serve one shard's adapter, or with None the mean of all; gives itself."""
        self._restore()
        if shard is not None:
            self._fill(self._adapters.get(shard))
            self._average(self.mix.shared)
        else:
            self._fill(None)
            self._average(self.mix.strength)
        self.routed = shard
        return self

    def digest(self) -> str:
        """SHA-256 (hex) of what is served: base, adapters by shard, and how they are put together."""
        said: dict[str, Any] = {
            "base": self.base.digest,
            "adapters": {str(shard): digest for shard, digest in self._digests.items()},
            "shards": self.shards,
            "strength": repr(self.mix.strength),
            "own": repr(self.mix.own),
            "shared": repr(self.mix.shared),
            "settings": self.settings.digest,
        }
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

    def weights_digest(self) -> str:
        """SHA-256 (hex) of the numbers that compute now; another process that opens the same has the same."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.model.state_dict().items()):
            digest.update(f"{name}\0{tuple(tensor.shape)}\0".encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def check(self) -> None:
        """See that what computes is the base with these adapters and nothing else.

        Raises:
            Corrupt: weights of the base were written to, such as by merging an adapter in place.
        """
        now = self.weights_digest()
        self.route(self.routed)
        if self._base_checksum() != self._checksum or self.weights_digest() != now:
            raise Corrupt(
                "the served weights are not the base with its adapters", remedy="open the model again"
            )

    def generate(self, prompt: str, *, length: int, seed: int, temperature: float) -> str:
        """Text that goes on from a prompt, up to ``length`` tokens; the same for the same seed and machine.

        Temperature 0 takes the likeliest token each time.
        """
        if not 0 < length <= _MOST_TOKENS or temperature < 0 or not math.isfinite(temperature):
            raise BadInput(f"expected 1 to {_MOST_TOKENS} tokens and a temperature from 0")
        end = self.tokenizer.eos_token_id
        tokens = [end, *self.tokenizer(prompt, add_special_tokens=False)["input_ids"]]
        given = len(tokens)
        draw = np.random.Generator(np.random.PCG64(seed))
        window = self._window()
        with torch.no_grad():
            for _ in range(length):
                logits = self.model(input_ids=torch.tensor([tokens[-window:]])).logits[0, -1]
                chosen = _choose(logits.double().numpy(), temperature, draw)
                if chosen == end:
                    break
                tokens.append(chosen)
        return str(self.tokenizer.decode(tokens[given:], skip_special_tokens=True))

    def bits_per_byte(self, texts: Iterator[bytes]) -> float:
        """Cross-entropy on texts, in bits for each byte of UTF-8, the ends of texts counted among the costs.

        Raises:
            BadInput: no text.
        """
        nats, size = 0.0, 0
        for more, length in self.costs(texts):
            nats, size = nats + more, size + length
        if not size:
            raise BadInput("no text to measure on")
        return nats / size / math.log(2)

    def costs(self, texts: Iterator[bytes]) -> Iterator[tuple[float, int]]:
        """The cost of each text in nats, with its size in bytes."""
        for text in texts:
            nats = 0.0
            pieces = pieces_of(text, self.tokenizer, min(self.settings.length, self._window()))
            with torch.no_grad():
                for batch in batches(iter(pieces), 1):
                    loss = loss_of(self.model, batch, self.tokenizer.eos_token_id)
                    nats += float(loss) * (len(batch[0]) - 1)
            yield nats, len(text)

    def _window(self) -> int:
        return int(getattr(self.model.config, "max_position_embeddings", self.settings.length))

    def _restore(self) -> None:
        with torch.no_grad():
            for name, module in self._layers.items():
                module.base_layer.weight.copy_(self._pristine[name])

    def _fill(self, adapter: Adapter | None) -> None:
        with torch.no_grad():
            for name, module in self._layers.items():
                for part, key in ((module.lora_A, "lora_A"), (module.lora_B, "lora_B")):
                    weight = part["default"].weight
                    if adapter is None:
                        weight.zero_()
                    else:
                        weight.copy_(torch.from_numpy(adapter[f"{name}.{key}.weight"]))
                module.lora_B["default"].weight.mul_(self.mix.own)

    def _average(self, strength: float) -> None:
        """Base plus mean change, summed in float64 in the order of shards, rounded once."""
        if not self._adapters or not strength:
            return
        share = strength / self.shards * self.settings.alpha / self.settings.rank
        with torch.no_grad():
            for name, module in self._layers.items():
                change: np.ndarray[Any, Any] | float = 0.0
                for adapter in self._adapters.values():
                    first = adapter[f"{name}.lora_A.weight"].astype(np.float64)
                    second = adapter[f"{name}.lora_B.weight"].astype(np.float64)
                    change = change + second @ first
                added = torch.from_numpy(np.asarray(change) * share).to(self._pristine[name].device)
                # Conv1D of GPT-2 keeps its weights the other way round.
                added = added.T if getattr(module, "fan_in_fan_out", False) else added
                whole = self._pristine[name].double() + added
                module.base_layer.weight.copy_(whole.to(self._pristine[name].dtype))

    def _base_checksum(self) -> str:
        digest = hashlib.sha256()
        for name in sorted(self._pristine):
            digest.update(self._pristine[name].cpu().numpy().tobytes())
        return digest.hexdigest()


def _read(checkpoint: Path, base: Base) -> Adapter:
    if read_state(checkpoint).get("base") != base.digest:
        raise Corrupt("the adapter was trained on another base")
    return read_tensors(checkpoint, ADAPTER)


def _choose(logits: np.ndarray[Any, Any], temperature: float, draw: np.random.Generator) -> int:
    if temperature == 0:
        return int(np.argmax(logits))
    scaled = logits / temperature
    weights = np.exp(scaled - scaled.max())
    total = np.cumsum(weights)
    return int(np.searchsorted(total, draw.random() * total[-1], side="right"))
