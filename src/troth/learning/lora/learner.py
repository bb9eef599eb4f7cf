"""One adapter on a frozen base: begins from a seed or a checkpoint, learns batches, is kept."""

from __future__ import annotations

import hashlib
import json
import math
import warnings
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from safetensors.numpy import load_file, save

from troth.core.errors import BadInput, Corrupt, Place, Unavailable
from troth.core.values import canonical
from troth.learning.lora.arithmetic import Optimizer, PinnedAdam, Rounding, StrictAdam, numeric
from troth.learning.lora.base import Base, load_model, load_tokenizer
from troth.learning.lora.pieces import batches, pieces_of
from troth.learning.lora.settings import ALL_LINEAR, STRICT, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from troth.core.written import Json
    from troth.learning.lora.pieces import Piece

ADAPTER: Final = "adapter_model.safetensors"
OPTIMIZER: Final = "optimizer.safetensors"
STATE: Final = "checkpoint.json"
FORMAT: Final = "troth/lora/v1"

_IGNORED: Final = -100
_MOST_STATE: Final = 1 << 20
_FIRST: Final = ".lora_A."


class Learner:
    """A base model with one adapter in training.

    The base's weights are frozen and never written to. One learner trains any number of shards, one after the
    other: ``begin`` or ``resume`` sets every trained number.
    """

    def __init__(self, base: Base, settings: Settings, device: str = "cpu") -> None:
        self.base, self.settings, self.device = base, settings, device
        self.tokenizer = load_tokenizer(base)
        self.model: Any = with_adapter(load_model(base, settings, device), settings)
        self.parameters: dict[str, torch.nn.Parameter] = {
            stored_name(name): parameter
            for name, parameter in self.model.named_parameters()
            if parameter.requires_grad
        }
        self.rounding = Rounding()
        self.previous: str | None = None
        self.optimizer = self._new_optimizer()

    @property
    def steps(self) -> int:
        """Steps so far, from the beginning of the shard."""
        return self.optimizer.steps

    def begin(self, seed: bytes) -> None:
        """A new adapter that changes nothing yet: A uniform as PEFT draws it, but from PCG64, and B zero."""
        draw = np.random.Generator(
            np.random.PCG64(int.from_bytes(hashlib.sha256(b"init" + seed).digest(), "big"))
        )
        for name in sorted(self.parameters):
            parameter = self.parameters[name]
            values = np.zeros(tuple(parameter.shape), np.float32)
            if _FIRST in name:
                bound = 1 / math.sqrt(parameter.shape[1])
                drawn = np.asarray(draw.random(values.shape))
                values = ((drawn * 2 - 1) * bound).astype(np.float32)
            _set(parameter, values)
        self.optimizer = self._new_optimizer()
        self.previous = None

    def resume(self, checkpoint: Path) -> None:
        """Adapter, optimizer state and step as a checkpoint kept them.

        Raises:
            Corrupt: the files are not what the checkpoint says, or it is of another base or other settings.
        """
        state = read_state(checkpoint)
        for what, mine in (("base", self.base.digest), ("settings", self.settings.digest)):
            if state.get(what) != mine:
                raise Corrupt(f"the checkpoint was trained with another {what}", place=Place(str(checkpoint)))
        adapter, moments = read_tensors(checkpoint, ADAPTER), read_tensors(checkpoint, OPTIMIZER)
        if set(adapter) != set(self.parameters):
            raise Corrupt(
                "the adapter has other tensors than the base asks for", place=Place(str(checkpoint))
            )
        for name, parameter in self.parameters.items():
            _set(parameter, adapter[name])
        self.optimizer = self._new_optimizer()
        steps = state.get("steps")
        self.optimizer.load(moments, steps if isinstance(steps, int) else 0)
        self.previous = digest_of(checkpoint)

    def pieces(self, text: bytes) -> list[Piece]:
        """The pieces of one record."""
        return pieces_of(text, self.tokenizer, self.settings.length)

    def learn(self, texts: Iterable[bytes], after_step: Callable[[float], None] | None = None) -> None:
        """One pass over texts in the given order.

        ``after_step`` is told the loss of each step, in nats per token, and may raise to stop.

        Raises:
            Unavailable: the numbers grew beyond all bounds; a lower learning rate helps.
        """
        stream = (piece for text in texts for piece in self.pieces(text))
        with numeric(self.settings):
            for batch in batches(stream, self.settings.batch):
                loss = loss_of(self.model, batch, self.tokenizer.eos_token_id)
                loss.backward()
                value = float(loss.detach())
                if not math.isfinite(value):
                    raise Unavailable(
                        f"training diverged at step {self.steps + 1}", remedy="lower the learning rate"
                    )
                self.optimizer.step()
                if after_step is not None:
                    after_step(value)

    def keep(self, out: Path, about: Mapping[str, Json]) -> None:
        """Write a checkpoint into an empty folder; ``about`` says of what (shard, slice, records, …).

        The adapter can be loaded by ``peft.PeftModel.from_pretrained`` too.
        """
        tensors = {name: as_stored(parameter) for name, parameter in self.parameters.items()}
        files = {ADAPTER: save(tensors), OPTIMIZER: save(self.optimizer.state())}
        state: dict[str, Json] = {
            **about,
            "format": FORMAT,
            "base": self.base.digest,
            "settings": self.settings.digest,
            "steps": self.steps,
            "previous": self.previous,
            "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
        }
        files[STATE] = canonical(state)
        files["adapter_config.json"] = _adapter_config(self.model, self.base)
        for name, data in files.items():
            (out / name).write_bytes(data)

    def _new_optimizer(self) -> Optimizer:
        if self.settings.mode == STRICT:
            return StrictAdam(self.parameters, self.settings, self.rounding)
        return PinnedAdam(self.parameters, self.settings)


def with_adapter(model: Any, settings: Settings) -> Any:  # noqa: ANN401 - types of extras are not read
    """The model with an adapter on the target modules, by PEFT.

    Raises:
        BadInput: the model has no such modules.
    """
    targets = ALL_LINEAR if settings.targets == (ALL_LINEAR,) else list(settings.targets)
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=0.0,
        target_modules=targets,
        fan_in_fan_out=model.config.model_type == "gpt2",
    )
    try:
        with warnings.catch_warnings():
            # PEFT 0.21 still asks transformers by a name that it is about to drop.
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
            wrapped = get_peft_model(model, config, autocast_adapter_dtype=False)
    except ValueError as error:
        raise BadInput(f"no adapter fits: {error}", remedy="name target modules that the base has") from None
    if settings.mode == STRICT:
        wrapped = wrapped.double()
    # No dropout anywhere: chance that depends on the order of calls would tie records together.
    return wrapped.eval()


def loss_of(model: Any, batch: list[Piece], filler: int) -> torch.Tensor:  # noqa: ANN401 - types of extras are not read
    """Mean cross-entropy of a batch in nats per target; shorter pieces are filled up, which nothing looks at."""
    width = max(len(piece) for piece in batch)
    inputs = torch.tensor([piece[:-1] + [filler] * (width - len(piece)) for piece in batch])
    targets = torch.tensor([piece[1:] + [_IGNORED] * (width - len(piece)) for piece in batch])
    device = next(model.parameters()).device
    logits = model(input_ids=inputs.to(device)).logits
    return torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), targets.to(device).flatten(), ignore_index=_IGNORED
    )


def stored_name(name: str) -> str:
    """The name that PEFT gives a tensor in a file."""
    return name.replace(".default.", ".")


def as_stored(parameter: torch.Tensor) -> np.ndarray[Any, Any]:
    """A parameter as float32; exact in strict mode, whose values are of float32 already."""
    return np.ascontiguousarray(parameter.detach().cpu().numpy().astype(np.float32))


def read_state(checkpoint: Path) -> dict[str, Json]:
    """What a checkpoint says of itself.

    Raises:
        Corrupt: it is no checkpoint.
    """
    place = Place(str(checkpoint / STATE))
    try:
        with (checkpoint / STATE).open("rb") as stream:
            state = json.loads(stream.read(_MOST_STATE))
    except (OSError, ValueError):
        raise Corrupt("no checkpoint of an adapter", place=place) from None
    if (
        not isinstance(state, dict)
        or state.get("format") != FORMAT
        or not isinstance(state.get("files"), dict)
    ):
        raise Corrupt(f"expected a checkpoint of format {FORMAT}", place=place)
    return state


def read_tensors(checkpoint: Path, name: str) -> dict[str, np.ndarray[Any, Any]]:
    """The tensors of a file of a checkpoint.

    Raises:
        Corrupt: the file is not what the checkpoint says.
    """
    _check_file(checkpoint, name, read_state(checkpoint))
    return dict(load_file(checkpoint / name))


def digest_of(checkpoint: Path) -> str:
    """SHA-256 (hex) over what a checkpoint says of itself; the files are checked against it.

    It names the digest of the checkpoint before it, so the digests of a shard form a chain.

    Raises:
        Corrupt: a file is not what the checkpoint says.
    """
    state = read_state(checkpoint)
    for name in (ADAPTER, OPTIMIZER):
        _check_file(checkpoint, name, state)
    return hashlib.sha256(canonical(state)).hexdigest()


def _check_file(checkpoint: Path, name: str, state: Mapping[str, Json]) -> None:
    place = Place(str(checkpoint / name))
    files = state["files"]
    try:
        found = hashlib.sha256((checkpoint / name).read_bytes()).hexdigest()
    except OSError:
        raise Corrupt("a file of the checkpoint is missing", place=place) from None
    if not isinstance(files, dict) or files.get(name) != found:
        raise Corrupt("the file is not the one that was written here", place=place)


def _set(parameter: torch.nn.Parameter, values: np.ndarray[Any, Any]) -> None:
    if values.shape != tuple(parameter.shape):
        raise Corrupt(f"expected a tensor of shape {tuple(parameter.shape)}, found {values.shape}")
    with torch.no_grad():
        parameter.copy_(torch.from_numpy(np.array(values)))
    parameter.grad = None


def _adapter_config(model: Any, base: Base) -> bytes:  # noqa: ANN401 - types of extras are not read
    """PEFT's own description, with the base by name, not by its path on this machine."""
    written = model.peft_config["default"].to_dict()
    written["base_model_name_or_path"] = base.name
    written["inference_mode"] = True
    plain = {name: sorted(value) if isinstance(value, set) else value for name, value in written.items()}
    return json.dumps(plain, indent=1, sort_keys=True, default=str).encode()
