"""Models that are open for use, and never serve what was taken back."""

from __future__ import annotations

import importlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from troth.core.errors import BadInput, Corrupt, Place, Unavailable
from troth.learning.backend import Backend, Model
from troth.learning.honour import honour, subtracts
from troth.learning.registry import ELSEWHERE, STATE, ModelFolder, State
from troth.ledger.store import Ledger

BACKENDS: Final = {
    "counts": "troth.learning.counts.backend:Counts",
    "lora": "troth.learning.lora.backend:Lora",
}
_EXTRA: Final = "hf"


def backend_of(name: str) -> Backend:
    """A backend by its name.

    Raises:
        BadInput: there is none of that name.
        Unavailable: it needs an extra that is not installed.
    """
    if name not in BACKENDS:
        raise BadInput(f"there is no backend {name!r}", remedy=f"choose one of {', '.join(BACKENDS)}")
    module, _, kind = BACKENDS[name].partition(":")
    try:
        found: Backend = getattr(importlib.import_module(module), kind)()
    except ImportError as error:
        raise Unavailable(
            f"the backend {name} is not installed ({error.name} is missing)",
            remedy=f"pip install 'troth[{_EXTRA}]'",
        ) from None
    return found


class Served:
    """A model for use. Before each answer the ledger is asked whether anything was taken back since.

    Use it in a ``with``; one thread at a time.
    """

    def __init__(
        self, model: ModelFolder, ledger: Path, clock: Callable[[], int], device: str = "cpu"
    ) -> None:
        if model.facts.backend == ELSEWHERE:
            raise BadInput(
                "was trained elsewhere and is only registered here",
                place=Place(model.facts.name),
                remedy="ask it where it is served",
            )
        self._folder = model
        self._backend = backend_of(model.facts.backend)
        self._ledger = Ledger.read(ledger)
        self._clock = clock
        self._device = device
        self._seen: tuple[int, int, int] | None = None
        self._model: Model | None = None

    def close(self) -> None:
        """Let go of it."""
        self._ledger.close()
        self._model = None

    def __enter__(self) -> Served:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def current(self) -> Model:
        """The model as it may be used at this moment.

        Raises:
            Unavailable: nothing of it can be served yet.
        """
        while self._model is None or self._stamp() != self._seen:
            honour(self._folder, self._backend, self._ledger, self._clock)
            seen = self._stamp()
            try:
                self._model = self._open(self._folder.state())
            except Corrupt:
                # A worker may have destroyed what was just replaced.
                if self._stamp() == seen:
                    raise
                continue
            self._seen = seen
        return self._model

    def _stamp(self) -> tuple[int, int, int]:
        """What changes when the ledger grows or the state is replaced."""
        state = (self._folder.path / STATE).stat()
        return self._ledger.size, state.st_ino, state.st_mtime_ns

    def _open(self, state: State) -> Model:
        if not state.serving:
            raise Unavailable(
                "no part of the model can be served: it is being trained, or what it held is taken back",
                place=Place(self._folder.facts.name),
                remedy=f"finish the work with `troth unlearn {self._folder.facts.name}`",
            )
        checkpoints = defaultdict(list)
        for one in sorted(state.serving, key=lambda one: one.part):
            checkpoints[one.shard].append(self._folder.path / one.path)
        configuration = self._folder.facts.configuration
        if state.differences and subtracts(self._backend):
            less = [self._folder.path / one.path for one in state.differences]
            return self._backend.open_less(checkpoints, less, configuration)
        return self._backend.open(checkpoints, configuration, self._device)

    def generate(self, prompt: str, *, length: int = 200, seed: int = 0, temperature: float = 0.7) -> str:
        """Text that goes on from a prompt; see ``backend.Model``."""
        return self.current().generate(prompt, length=length, seed=seed, temperature=temperature)

    def bits_per_byte(self, texts: Iterator[bytes]) -> float:
        """Cross-entropy on texts; see ``backend.Model``."""
        return self.current().bits_per_byte(texts)
