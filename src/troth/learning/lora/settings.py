"""What training is to do, fixed before any record is seen."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from troth.core.errors import BadInput
from troth.core.values import canonical

if TYPE_CHECKING:
    from collections.abc import Mapping

    from troth.core.written import Json

STRICT: Final = "strict"
PINNED: Final = "pinned"
MODES: Final = {
    STRICT: "one result on every CPU: float64 arithmetic, gradients and states rounded after each step",
    PINNED: "native arithmetic: one result for the same threads, processor kind and versions",
}
ALL_LINEAR: Final = "all-linear"


@dataclass(frozen=True, slots=True)
class Settings:
    """How adapters are trained. Every field is part of the digest, so part of each checkpoint's.

    ``length`` is in tokens, ``batch`` in pieces of that length. The learning rate is constant but for
    ``warmup`` steps at the start of a shard: a schedule that knows the number of steps to come would let each
    record show in all the others' steps, and one removal would change everything before it.
    ``threads`` counts in pinned mode alone.
    """

    mode: str = STRICT
    rank: int = 8
    alpha: int = 16
    targets: tuple[str, ...] = (ALL_LINEAR,)
    length: int = 256
    batch: int = 8
    epochs: int = 1
    learning_rate: float = 2e-3
    warmup: int = 0
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    threads: int = 1

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise BadInput(f"expected mode {' or '.join(MODES)}, got {self.mode!r}")
        if not self.targets:
            raise BadInput("no target modules", remedy=f"name them, or give {ALL_LINEAR!r}")
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if not math.isfinite(value) or value < least:
                raise BadInput(f"expected {name} of at least {least}, got {value}")
        for name in ("beta1", "beta2"):
            if not 0 <= getattr(self, name) < 1:
                raise BadInput(f"expected {name} from 0 to below 1, got {getattr(self, name)}")

    def to_json(self) -> dict[str, Json]:
        """The fields as written, numbers that are not whole as text: digests know no floating point."""
        written: dict[str, Json] = {}
        for name, value in dataclasses.asdict(self).items():
            written[name] = repr(value) if isinstance(value, float) else value
        written["targets"] = list(self.targets)
        return written

    @classmethod
    def from_json(cls, written: Mapping[str, Json]) -> Settings:
        """The settings as ``to_json`` wrote them; what is missing takes its default.

        Raises:
            BadInput: an unknown field, or a value that does not fit.
        """
        fields = {field.name: field for field in dataclasses.fields(cls)}
        unknown = set(written) - set(fields)
        if unknown:
            raise BadInput(
                f"unknown training settings: {', '.join(sorted(unknown))}",
                remedy=f"known are {', '.join(fields)}",
            )
        values: dict[str, object] = {}
        for name, value in written.items():
            values[name] = _read(name, str(fields[name].type), value)
        return cls(**values)  # type: ignore[arg-type]  # each was read as its field's type

    @property
    def digest(self) -> str:
        """SHA-256 of the written settings, in hex."""
        return hashlib.sha256(canonical(self.to_json())).hexdigest()


_LEAST: Final = {
    "rank": 1,
    "alpha": 1,
    "length": 2,
    "batch": 1,
    "epochs": 1,
    "learning_rate": 0.0,
    "warmup": 0,
    "epsilon": 1e-300,
    "weight_decay": 0.0,
    "max_grad_norm": 0.0,
    "threads": 1,
}


def _read(name: str, kind: str, value: Json) -> object:
    try:
        if kind == "int" and not isinstance(value, bool) and str(value).strip().lstrip("-").isdigit():
            return int(str(value))
        if kind == "float" and isinstance(value, int | float | str) and not isinstance(value, bool):
            return float(value)
    except ValueError:
        pass
    if kind == "str" and isinstance(value, str):
        return value
    if kind.startswith("tuple") and isinstance(value, list | str):
        return tuple(str(item) for item in ([value] if isinstance(value, str) else value))
    raise BadInput(f"setting {name}: expected {kind}, got {value!r}")
