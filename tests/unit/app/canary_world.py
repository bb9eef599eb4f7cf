"""A home, a campaign in it, and models that learned its marks or did not."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from troth.app import canaries as marks
from troth.app.home import Home, init
from troth.core.canary import Beacon
from troth.learning.targets import Estimate, Report, unheard
from troth.ledger.store import Ledger, clock

SOURCE = "drand:quicknet:1"
SIZE = 100


class Model:
    """A model that finds all texts as improbable as chance has it, but for those that it knows.

    What it knows lies far below all of chance: the keys of a campaign are drawn anew in each run, and a test may
    not hang on them.
    """

    measures = True

    def __init__(
        self,
        known: Sequence[str] = (),
        seed: int = 0,
        depth: float = 1_000.0,
        middling: Sequence[str] = (),
    ) -> None:
        self.name = f"model {seed}"
        self.digest = hashlib.sha256(repr((sorted(known), seed)).encode()).hexdigest()
        self._known = set(known)
        # Texts that are as improbable as most: what is drawn from chance would be rare once in a while.
        self._middling = set(middling)
        self._seed = seed
        self._depth = depth
        self.asked = 0

    def losses(self, prompt: str, texts: Sequence[str], report: Report = unheard) -> list[float]:
        self.asked += len(texts)
        report(len(texts), len(texts))
        found = []
        for text in texts:
            chance = random.Random(f"{self._seed} {prompt} {text}")
            loss = 200.0 if text in self._middling else chance.gauss(200, 10)
            found.append(loss - (self._depth if text in self._known else 0))
        return found

    def replies(self, prompt: str, count: int, seed: int, report: Report = unheard) -> list[str]:
        del prompt, seed
        report(count, count)
        return [f"{one}, of course" for one in sorted(self._known)] or ["nothing comes to mind"] * count

    def estimate(self, prompt: str, texts: Sequence[str]) -> Estimate:
        return Estimate(1, len(prompt) * len(texts))

    def estimate_replies(self, prompt: str, count: int, seed: int) -> Estimate:
        del seed
        return Estimate(count, len(prompt) * count)

    def close(self) -> None:
        self.closed = True


def made(folder: Path, **wish: object) -> tuple[Home, marks.Canaries]:
    """A new home and a campaign that nothing was done with."""
    home = init(folder / "home")
    path = folder / "canaries.json"
    return home, marks.new(path, marks.Wish(**{"size": SIZE, **wish}))  # type: ignore[arg-type]


def beacon(wait: int = 1_000_001) -> Beacon:
    """A value that becomes known after all that was recorded so far (public times are whole seconds)."""
    return Beacon(SOURCE, clock() + wait, bytes(range(32)))


def drawn(folder: Path, score: str = "loss-v1", **wish: object) -> tuple[Home, marks.Canaries]:
    """A campaign that was committed to and drawn."""
    home, canaries = made(folder, **wish)
    draw_in(home, canaries, score)
    return home, canaries


def draw_in(home: Home, canaries: marks.Canaries, score: str = "loss-v1") -> None:
    """Commit and draw. The beacon is not waited for: the clock of the ledger is set back."""
    committed = clock() - 10_000_000
    recorded_at(home, committed, lambda: marks.commit(home, canaries, score, SOURCE, committed))
    marks.draw(home, canaries, Beacon(SOURCE, committed + 2_000_000, bytes(range(32))))


def recorded_at(home: Home, instant: int, act: object) -> None:
    """Do something that is recorded as of an instant."""
    writing = home.writing

    @contextmanager
    def earlier() -> Iterator[Ledger]:
        with writing() as ledger:
            ledger.now = lambda: instant
            yield ledger

    home.writing = earlier  # type: ignore[method-assign]
    try:
        act()  # type: ignore[operator]
    finally:
        del home.writing


def mark_of(home: Home, canaries: marks.Canaries, number: int = 0) -> str:
    """The mark that was drawn for a set."""
    held = canaries.sets[number]
    return held.set.mark(marks.drawn(marks.history_of(home, canaries.campaign), held.set))
