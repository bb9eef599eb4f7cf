"""The ``lora`` backend: what a model's keeper calls to train, digest and open adapters."""

from __future__ import annotations

import hashlib
import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from troth.core import shards as core_shards
from troth.core.errors import BadInput, Corrupt, Place, Unavailable
from troth.learning.backend import hardware, packages
from troth.learning.lora.settings import MODES, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from troth.core.written import Json
    from troth.learning.backend import Work
    from troth.learning.lora.base import Base
    from troth.learning.lora.learner import Learner
    from troth.learning.lora.serving import LoraModel

BASES: Final = "TROTH_BASES"
"""The environment variable that lists where bases lie: models, or folders of models."""

_WHERE: Final = "base.path"
_PACKAGES: Final = ("torch", "transformers", "peft", "tokenizers", "safetensors", "numpy")
_SERVING: Final = {"strength": "1.0", "own": "1.0", "shared": "0.0"}
"""How adapters are put together in use, and what is usual."""

_OURS: Final = frozenset({"base", "base_name", *_SERVING})
_HEX_DIGITS: Final = 64


_KNOWN: Final[dict[str, Base]] = {}
"""The bases that this process found already, by digest."""


class Lora:
    """Adapters on a frozen causal language model.

    A configuration names its base by digest; where the base lies differs from machine to machine. It is looked
    for where a checkpoint's neighbours say that it was (a note that is no part of their digest), among ``bases``,
    and in the places that ``TROTH_BASES`` lists. Wherever it is found, its digest is checked.

    ``after_step``, if set, is told the loss of each step and may raise to stop.
    """

    name = "lora"
    continues = True

    def __init__(self, bases: Sequence[Path] = ()) -> None:
        self._places = list(bases)
        self.after_step: Callable[[float], None] | None = None
        self._learner: Learner | None = None

    def configure(self, options: Mapping[str, Json]) -> dict[str, Json]:
        """The whole configuration; the option ``base`` is the path of a folder or GGUF file, the rest ``Settings``.

        Given a configuration with the digest of a base in place of its path, it looks the base up.

        Raises:
            BadInput: no base, an unknown option, or a value that cannot be.
        """
        _see_installed()
        given = options.get("base")
        if not isinstance(given, str):
            raise BadInput(
                "the lora backend needs a base model", remedy="give base=FOLDER, or base=FILE.gguf"
            )
        base = self._base(given) if _is_digest(given) else self._remember(Path(given))
        rest = {name: value for name, value in options.items() if name not in _OURS}
        serving = {name: str(options.get(name, usual)) for name, usual in _SERVING.items()}
        for name, value in serving.items():
            try:
                float(value)
            except ValueError:
                raise BadInput(f"setting {name}: expected a number, got {value!r}") from None
        settings = Settings.from_json(rest)
        return {**settings.to_json(), **serving, "base": base.digest, "base_name": base.name}

    def environment(self, configuration: Mapping[str, Json]) -> dict[str, Json]:
        """What a certificate says of where it was trained."""
        from troth.learning.lora.arithmetic import environment
        from troth.learning.lora.base import choose_device

        settings = _settings(configuration)
        return {
            "numeric_mode": f"{settings.mode}: {MODES[settings.mode]}",
            "hardware": hardware(),
            "arithmetic": dict(environment(settings, choose_device(0))),
            "packages": packages(*_PACKAGES),
        }

    def train(self, work: Work) -> None:
        """Train one slice from the checkpoint before it, and write its checkpoint to ``work.out``."""
        learner = self._learner_for(work)
        if work.before is None:
            learner.begin(core_shards.seed(work.plan, work.shard, 0))
        else:
            _check_before(work, work.before)
            learner.resume(work.before)
        for epoch in range(learner.settings.epochs):
            work.check()
            learner.learn(_texts(work, epoch, learner.settings.epochs), self.after_step)
        learner.keep(
            work.out,
            about(work),
        )
        (work.out / _WHERE).write_text(f"{learner.base.path}\n", encoding="utf-8")

    def digest(self, checkpoint: Path) -> str:
        """SHA-256 (hex) over adapter, optimizer state, step, records and the digest of the checkpoint before.

        Raises:
            Corrupt: a file is not what the checkpoint says.
        """
        from troth.learning.lora.learner import digest_of

        return digest_of(checkpoint)

    def open(
        self,
        checkpoints: Mapping[int, Sequence[Path]],
        configuration: Mapping[str, Json],
        device: str = "cpu",
    ) -> LoraModel:
        """Open the served checkpoints: averaged, unless ``route`` is called."""
        from troth.learning.lora.learner import read_state
        from troth.learning.lora.serving import LoraModel, Mix

        last = {shard: paths[-1] for shard, paths in checkpoints.items() if paths}
        shards = max((_number(read_state(path).get("shards")) for path in last.values()), default=1)
        return LoraModel(
            self._base(str(configuration["base"]), last.values()),
            _settings(configuration),
            last,
            shards,
            device=device,
            mix=Mix(**{name: float(str(configuration.get(name, usual))) for name, usual in _SERVING.items()}),
        )

    def _learner_for(self, work: Work) -> Learner:
        """A learner is kept for the next slice, since loading a base takes longer than many slices."""
        from troth.learning.lora.base import choose_device
        from troth.learning.lora.learner import Learner

        near = [one for one in (work.before, *sorted(work.out.parent.glob("*"))) if one is not None]
        base, settings = self._base(str(work.configuration["base"]), near), _settings(work.configuration)
        device = choose_device(work.shard)
        kept = self._learner
        if kept is None or (kept.base.digest, kept.settings, kept.device) != (base.digest, settings, device):
            kept = self._learner = Learner(base, settings, device)
        return kept

    def _remember(self, place: Path) -> Base:
        from troth.learning.lora.base import find_base

        found = find_base(place)
        _KNOWN[found.digest] = found
        return found

    def _base(self, digest: str, near: Iterable[Path] = ()) -> Base:
        if digest in _KNOWN:
            return _KNOWN[digest]
        for place in [*dict.fromkeys(_noted(near)), *self._places, *_listed()]:
            for candidate in _candidates(place):
                if self._remember(candidate).digest == digest:
                    return _KNOWN[digest]
        raise Unavailable(
            f"the base model with the digest {digest[:16]}… is not here",
            remedy=f"name its folder, or the folder of your bases, in {BASES}",
        )


def _check_before(work: Work, before: Path) -> None:
    from troth.learning.lora.learner import read_state

    state = read_state(before)
    found = (state.get("plan"), state.get("shard"), state.get("slice"))
    if found != (work.plan.digest(), work.shard, work.slice - 1):
        raise Corrupt(
            f"slice {work.slice} of shard {work.shard} goes on from the slice before it, not from "
            f"slice {state.get('slice')} of shard {state.get('shard')}, or that was of another plan",
            place=Place(str(before)),
        )


def about(work: Work) -> dict[str, Json]:
    """What a checkpoint of a slice says of what it is of.

    ``records`` is a digest over ids and texts in the order of the first epoch, keyed by the slice's seed: without
    the plan's key nobody can try out which records these were.
    """
    seen = hashlib.sha256(work.seed())
    for at in work.order():
        for part in (work.records.ids[at].encode(), work.records.text(at)):
            seen.update(hashlib.sha256(part).digest())
    return {
        "plan": work.plan.digest(),
        "shards": work.plan.shards,
        "shard": work.shard,
        "slice": work.slice,
        "records": seen.hexdigest(),
    }


def _texts(work: Work, epoch: int, epochs: int) -> Iterator[bytes]:
    count = len(work.records)
    for done, at in enumerate(work.order(epoch), 1):
        yield work.records.text(at)
        work.report(epoch * count + done, epochs * count)


def _settings(configuration: Mapping[str, Json]) -> Settings:
    return Settings.from_json({name: value for name, value in configuration.items() if name not in _OURS})


def _noted(checkpoints: Iterable[Path]) -> Iterator[Path]:
    for one in checkpoints:
        if (one / _WHERE).is_file():
            yield Path((one / _WHERE).read_text(encoding="utf-8").strip())


def _see_installed() -> None:
    missing = [name for name in ("peft", "torch", "transformers") if find_spec(name) is None]
    if missing:
        raise Unavailable(
            f"the backend lora is not installed ({', '.join(missing)} is missing)",
            remedy="pip install 'troth[hf]'",
        )


def _listed() -> list[Path]:
    return [Path(part) for part in os.environ.get(BASES, "").split(os.pathsep) if part]


def _candidates(place: Path) -> list[Path]:
    if place.suffix == ".gguf" or (place / "config.json").is_file():
        return [place] if place.exists() else []
    if not place.is_dir():
        return []
    inside = sorted(place.iterdir())
    return [one for one in inside if one.suffix == ".gguf" or (one / "config.json").is_file()]


def _is_digest(text: str) -> bool:
    return len(text) == _HEX_DIGITS and all(sign in "0123456789abcdef" for sign in text)


def _number(value: Json) -> int:
    return value if isinstance(value, int) else 1
