from typing import Any

import pytest

from troth.core.errors import BadInput
from troth.learning.lora.settings import Settings


def test_settings_survive_being_written() -> None:
    settings = Settings(mode="pinned", targets=("q_proj", "v_proj"), learning_rate=1e-3 / 3, threads=2)
    assert Settings.from_json(settings.to_json()) == settings


def test_options_of_a_command_line_are_text() -> None:
    given = Settings.from_json({"rank": "4", "learning_rate": "1e-3", "targets": "c_attn", "mode": "strict"})
    assert given == Settings(rank=4, learning_rate=0.001, targets=("c_attn",))


def test_each_field_counts_in_the_digest() -> None:
    other: dict[str, Any] = {
        "mode": "pinned", "rank": 4, "alpha": 1, "targets": ("x",), "length": 9, "batch": 3, "epochs": 2,
        "learning_rate": 0.5, "warmup": 1, "beta1": 0.5, "beta2": 0.5, "epsilon": 0.5, "weight_decay": 0.5,
        "max_grad_norm": 0.5, "threads": 2,
    }  # fmt: skip
    assert set(other) == set(Settings().to_json())
    digests = {Settings(**{name: value}).digest for name, value in other.items()} | {Settings().digest}
    assert len(digests) == len(other) + 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"mode": "fast"}, {"rank": 0}, {"batch": "two"}, {"beta1": "1"}, {"learning_rate": "nan"},
        {"dropout": "0.1"}, {"epochs": True}, {"targets": []}, {"length": 1},
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        Settings.from_json(wrong)
