import contextlib
import math
from typing import Any

import numpy as np
import pytest

from troth.core.errors import BadInput

pytestmark = pytest.mark.needs_hf


def drawn(count: int = 4000) -> np.ndarray[Any, Any]:
    draw = np.random.Generator(np.random.PCG64(5))
    return draw.standard_normal(count) * np.exp(draw.standard_normal(count) * 3)


def test_rounding_keeps_eleven_bits_and_swallows_noise() -> None:
    from troth.learning.lora.arithmetic import Rounding

    exact, rounding = drawn(), Rounding()
    greatest = np.abs(exact).max()

    def rounded_by(rounding: Rounding, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return rounding({"large": values[::2], "small": values[1::2] * 1e-4})["large"]

    rounded = rounded_by(rounding, exact)
    large = np.abs(exact) > greatest * 2.0**-12
    assert np.all(np.abs(rounded - exact[::2])[large[::2]] <= np.abs(exact[::2])[large[::2]] * 2.0**-11)
    assert rounding.margin > 1e-15
    noise = greatest * 1e-16 * np.sign(drawn()[::-1])
    assert np.array_equal(rounded_by(Rounding(), exact + noise), rounded)


def test_the_margin_is_the_distance_at_which_rounding_turns() -> None:
    from troth.learning.lora.arithmetic import Rounding

    exact, rounding = drawn(), Rounding()
    rounded = rounding({"all": exact})["all"]
    for share, alike in ((0.5, True), (1.01, False)):
        by = np.abs(exact).max() * rounding.margin * share
        moved = [Rounding()({"all": exact + sign * by})["all"] for sign in (1, -1)]
        assert all(np.array_equal(one, rounded) for one in moved) == alike


@pytest.mark.parametrize("values", [[0.0, 0.0], [], [math.inf, 1.0]])
def test_rounding_leaves_what_has_no_grid(values: list[float]) -> None:
    from troth.learning.lora.arithmetic import Rounding

    assert np.array_equal(Rounding()({"w": np.array(values)})["w"], np.array(values))


def test_a_model_that_asks_for_single_precision_gets_double() -> None:
    import torch

    from troth.learning.lora.arithmetic import Widened

    value = torch.ones(3, dtype=torch.float64)
    with Widened():
        assert (value / 3).to(torch.float32).dtype == torch.float64
        assert (value / 3).float().dtype == torch.float64
        assert torch.softmax(value, 0, dtype=torch.float32).dtype == torch.float64
        assert torch.arange(3, dtype=torch.float).dtype == torch.float64
        assert value.to(dtype=torch.float32).dtype == torch.float64


def test_narrow_arithmetic_in_strict_mode_is_refused() -> None:
    import torch

    from troth.learning.lora.arithmetic import Widened

    value = torch.ones(3, dtype=torch.float64)
    with Widened(), pytest.raises(BadInput, match="strict mode"):
        value.bfloat16()
    assert value.double().dtype == torch.float64


@pytest.mark.parametrize("mode", ["strict", "pinned"])
def test_adam_is_adam(mode: str) -> None:
    """Both optimizers go where torch's own double-precision AdamW goes, as near as their rounding allows."""
    import torch

    from troth.learning.lora.arithmetic import PinnedAdam, Rounding, StrictAdam
    from troth.learning.lora.settings import Settings

    settings = Settings(mode=mode, learning_rate=0.01, weight_decay=0.1, max_grad_norm=1.0, warmup=3)
    kind = torch.float64 if mode == "strict" else torch.float32
    mine = torch.nn.Parameter(torch.linspace(-1, 1, 12).to(kind))
    theirs = torch.nn.Parameter(torch.linspace(-1, 1, 12, dtype=torch.float64))
    ours = (
        StrictAdam({"w": mine}, settings, Rounding())
        if mode == "strict"
        else PinnedAdam({"w": mine}, settings)
    )
    reference = torch.optim.AdamW([theirs], lr=0.01, weight_decay=0.1)
    for step in range(1, 30):
        for parameter in (mine, theirs):
            parameter.grad = None
            ((parameter - 0.3) ** 2 * torch.arange(1, 13)).sum().backward()
        torch.nn.utils.clip_grad_norm_([theirs], 1.0)
        for group in reference.param_groups:
            group["lr"] = 0.01 * min(1, step / 3)
        reference.step()
        ours.step()
    assert ours.steps == 29
    assert torch.allclose(mine.double(), theirs, atol=2e-4)


def test_settings_of_torch_are_put_back() -> None:
    import torch

    from troth.learning.lora.arithmetic import numeric
    from troth.learning.lora.settings import Settings

    before = (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled())
    with contextlib.suppress(RuntimeError), numeric(Settings(mode="pinned", threads=2)):
        assert torch.are_deterministic_algorithms_enabled()
        raise RuntimeError
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == before
