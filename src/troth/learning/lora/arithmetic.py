"""Numbers that come out the same: the two numeric modes.

``strict``: the model computes in float64, whatever its authors wrote; gradients are rounded to eleven
significant bits, and the optimizer works element by element in NumPy with operations that IEEE 754 rounds
correctly (add, multiply, divide, square root), its states rounded to float32 after each step. What remains to
differ between threads and processors is the order of sums within the model, about 1e-16 of a gradient; the
rounding swallows it unless a gradient lies that close to a rounding boundary. ``Rounding.margin`` keeps how
close any came, so that a run can say how safe it was.

``pinned``: native arithmetic and torch's AdamW with deterministic algorithms.
"""

from __future__ import annotations

import contextlib
import math
import os
import platform
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

from troth.core.errors import BadInput
from troth.learning.lora.settings import PINNED, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

BITS: Final = 11
"""Significant bits that a gradient keeps in strict mode: those of half precision."""

_FLOOR: Final = 24
"""Below 2**-24 of the greatest gradient of all tensors the grid gets no finer: that small, all is cancellation."""

_NARROW: Final = (torch.float32, torch.float16, torch.bfloat16)

Array = np.ndarray[Any, Any]
Arrays = dict[str, Array]


class Widened(TorchFunctionMode):  # type: ignore[misc]  # types of extras are not read
    """Computes in float64 where a model asks for float32 by name, as norms, rotations and softmax do.

    Raises:
        BadInput: the model computes in narrow floats all the same (by a kernel that this cannot see into).
    """

    def __init__(self, *, check: bool = True) -> None:
        super().__init__()
        self.check = check

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,  # noqa: ANN401 - torch's
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        """Run one torch operation, float32 replaced by float64 among its arguments."""
        del types
        if func is torch.Tensor.float:
            func = torch.Tensor.double
        args = tuple(torch.float64 if value is torch.float32 else value for value in args)
        named = {
            name: torch.float64 if value is torch.float32 else value for name, value in (kwargs or {}).items()
        }
        result = func(*args, **named)
        if self.check and isinstance(result, torch.Tensor) and result.dtype in _NARROW:
            raise BadInput(
                f"strict mode: {getattr(func, '__name__', func)} computes in {result.dtype}",
                remedy="train this model in pinned mode",
            )
        return result


class Rounding:
    """Rounds gradients so that differences in the order of sums vanish.

    ``margin`` is the least distance, over all gradients so far, between a gradient and the boundary at which
    it would have been rounded otherwise, as a share of the greatest gradient of its step. Sums in another order
    differ by about 1e-16 of it; the ratio says how safe the run was. It is no part of any digest.
    """

    def __init__(self) -> None:
        self.margin = math.inf

    def __call__(self, gradients: Arrays) -> Arrays:
        """The gradients of a step (float64) on their grid."""
        greatest = max((float(np.max(np.abs(one), initial=0.0)) for one in gradients.values()), default=0.0)
        if greatest == 0.0 or not math.isfinite(greatest):
            return gradients
        # One floor for all tensors: where cancellation leaves a tensor little, its errors are those of the sums
        # that it comes from, which are as large as anywhere.
        floor = math.frexp(greatest)[1] - _FLOOR
        return {name: self._rounded(one, floor, greatest) for name, one in gradients.items()}

    def _rounded(self, gradient: Array, floor: int, greatest: float) -> Array:
        _, exponent = np.frexp(gradient)
        grid = np.maximum(exponent - BITS, floor)
        # ldexp by whole powers of two is exact, and so is what follows.
        scaled = np.ldexp(gradient, -grid)
        rounded = np.rint(scaled)
        # Exact zeros (of an adapter that changes nothing yet) come out as zeros everywhere.
        near = np.where(gradient == 0, math.inf, np.ldexp(0.5 - np.abs(scaled - rounded), grid))
        self.margin = min(self.margin, float(near.min(initial=math.inf)) / greatest)
        on_grid: Array = np.ldexp(rounded, grid)
        return on_grid


class Optimizer(Protocol):
    """AdamW (Loshchilov and Hutter 2019) over named parameters, with a state that can be kept and put back."""

    steps: int

    def step(self) -> None:
        """One step from the gradients, which it clears."""

    def state(self) -> Arrays:
        """First and second moments by name, float32."""

    def load(self, state: Mapping[str, np.ndarray[Any, Any]], steps: int) -> None:
        """Put a kept state back."""


class StrictAdam:
    """AdamW in NumPy: correctly rounded operations alone, so the same bits on every processor."""

    def __init__(
        self, parameters: dict[str, torch.nn.Parameter], settings: Settings, rounding: Rounding
    ) -> None:
        self.parameters, self.settings, self.rounding = parameters, settings, rounding
        self.steps = 0
        self._powers = (1.0, 1.0)
        self._first = {name: np.zeros(value.shape) for name, value in parameters.items()}
        self._second = {name: np.zeros(value.shape) for name, value in parameters.items()}

    def step(self) -> None:
        """One step from the gradients, which it clears."""
        use = self.settings
        gradients = {}
        for name, parameter in self.parameters.items():
            if parameter.grad is None:
                raise BadInput(
                    f"strict mode: no gradient reaches {name}", remedy="choose other target modules"
                )
            gradients[name] = parameter.grad.detach().cpu().numpy()
            parameter.grad = None
        gradients = self.rounding(gradients)
        scale = _clipping(gradients, use.max_grad_norm)
        self.steps += 1
        # Products, not powers: a library's pow may differ between processors in its last bit.
        self._powers = (self._powers[0] * use.beta1, self._powers[1] * use.beta2)
        rate = rate_at(use, self.steps)
        for name, parameter in self.parameters.items():
            gradient = gradients[name] * scale
            first = _narrow(self._first[name] * use.beta1 + gradient * (1 - use.beta1))
            second = _narrow(self._second[name] * use.beta2 + gradient * gradient * (1 - use.beta2))
            self._first[name], self._second[name] = first, second
            direction = (first / (1 - self._powers[0])) / (
                np.sqrt(second / (1 - self._powers[1])) + use.epsilon
            )
            value = parameter.detach().cpu().numpy()
            value = _narrow(value - rate * (direction + use.weight_decay * value))
            with torch.no_grad():
                parameter.copy_(torch.from_numpy(value))

    def state(self) -> Arrays:
        """First and second moments by name, float32."""
        kept = {f"first.{name}": value.astype(np.float32) for name, value in self._first.items()}
        return kept | {f"second.{name}": value.astype(np.float32) for name, value in self._second.items()}

    def load(self, state: Mapping[str, np.ndarray[Any, Any]], steps: int) -> None:
        """Put a kept state back."""
        for name in self.parameters:
            self._first[name] = state[f"first.{name}"].astype(np.float64)
            self._second[name] = state[f"second.{name}"].astype(np.float64)
        self.steps = steps
        self._powers = (1.0, 1.0)
        for _ in range(steps):
            self._powers = (
                self._powers[0] * self.settings.beta1,
                self._powers[1] * self.settings.beta2,
            )


class PinnedAdam:
    """torch's AdamW, one tensor after the other."""

    def __init__(self, parameters: dict[str, torch.nn.Parameter], settings: Settings) -> None:
        self.parameters, self.settings = parameters, settings
        self.steps = 0
        self._optimizer = torch.optim.AdamW(
            list(parameters.values()),
            lr=settings.learning_rate,
            betas=(settings.beta1, settings.beta2),
            eps=settings.epsilon,
            weight_decay=settings.weight_decay,
            foreach=False,
            fused=False,
        )

    def step(self) -> None:
        """One step from the gradients, which it clears."""
        if self.settings.max_grad_norm:
            torch.nn.utils.clip_grad_norm_(
                list(self.parameters.values()), self.settings.max_grad_norm, foreach=False
            )
        self.steps += 1
        for group in self._optimizer.param_groups:
            group["lr"] = rate_at(self.settings, self.steps)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)

    def state(self) -> Arrays:
        """First and second moments by name, float32."""
        kept: Arrays = {}
        for name, parameter in self.parameters.items():
            held = self._optimizer.state.get(parameter, {})
            for ours, theirs in _MOMENTS.items():
                moment = held.get(theirs, torch.zeros_like(parameter))
                kept[f"{ours}.{name}"] = moment.detach().cpu().numpy().copy()
        return kept

    def load(self, state: Mapping[str, np.ndarray[Any, Any]], steps: int) -> None:
        """Put a kept state back."""
        self.steps = steps
        self._optimizer.state.clear()
        if not steps:
            return
        for name, parameter in self.parameters.items():
            moments = {
                theirs: torch.from_numpy(np.array(state[f"{ours}.{name}"])).to(parameter.device)
                for ours, theirs in _MOMENTS.items()
            }
            self._optimizer.state[parameter] = {"step": torch.tensor(float(steps)), **moments}


_MOMENTS: Final = {"first": "exp_avg", "second": "exp_avg_sq"}


def rate_at(settings: Settings, step: int) -> float:
    """The learning rate of a step (from 1): it rises over the warm-up, then stays."""
    if step >= settings.warmup:
        return settings.learning_rate
    return settings.learning_rate * step / settings.warmup


def _narrow(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Rounded to float32, kept as float64; what is too large becomes infinite, which the next loss shows."""
    with np.errstate(over="ignore", invalid="ignore"):
        return values.astype(np.float32).astype(np.float64)


def _clipping(gradients: Arrays, most: float) -> float:
    """What to multiply gradients by so that their common norm is at most ``most`` (0: leave them)."""
    if not most:
        return 1.0
    # fsum is exact, so the order of the sum does not matter.
    norm = math.sqrt(math.fsum(math.fsum((value * value).ravel().tolist()) for value in gradients.values()))
    return most / norm if norm > most else 1.0


@contextlib.contextmanager
def numeric(settings: Settings) -> Iterator[None]:
    """Compute as the mode says; torch's own settings are put back afterwards."""
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    # Read by cuBLAS when it starts; without it deterministic algorithms are refused on a GPU.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    try:
        if settings.mode == PINNED:
            torch.set_num_threads(settings.threads)
            yield
        else:
            with Widened():
                yield
    finally:
        torch.use_deterministic_algorithms(deterministic)
        torch.set_num_threads(threads)


def environment(settings: Settings, device: str) -> dict[str, str]:
    """What a result depends on: in pinned mode all of it, in strict mode nothing that was measured so far."""
    import peft
    import transformers

    return {
        "mode": settings.mode,
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else "cpu",
        "machine": platform.machine(),
        "isa": torch.backends.cpu.get_cpu_capability(),
        "threads": str(settings.threads if settings.mode == PINNED else torch.get_num_threads()),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "peft": peft.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
