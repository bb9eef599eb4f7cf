"""Small worlds for adapters: a base of some thousand numbers, short records, and training of one shard."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from troth.core.shards import Item, Plan, in_order, seed, shard_of, slice_of
from troth.learning.backend import Work
from troth.learning.lora.backend import Lora

KEY = bytes(range(32))
SMALL: dict[str, Any] = {"length": 32, "batch": 4, "rank": 2, "learning_rate": "0.01"}


class Rows:
    """Records of a slice, by id and text."""

    def __init__(self, texts: dict[str, str]) -> None:
        self.ids = list(texts)
        self._texts = texts

    def __len__(self) -> int:
        return len(self.ids)

    def text(self, at: int) -> bytes:
        return self._texts[self.ids[at]].encode()


def record(number: int) -> str:
    return f"note {number}: " + " ".join(f"word{number * step % 11}" for step in range(1, 2 + number % 5))


def records(numbers: Iterable[int]) -> dict[str, str]:
    return {f"r{number}": record(number) for number in numbers}


class Shards:
    """Trains shards of records with a backend, into a folder."""

    def __init__(self, folder: Path, base: Path, mode: str, plan: Plan, **options: Any) -> None:
        self.folder, self.plan = folder, plan
        self.backend = Lora()
        self.configuration = self.backend.configure({**SMALL, "base": str(base), "mode": mode, **options})

    def place(self, name: str) -> tuple[int, int]:
        item = Item(name, "post", author=name)
        return shard_of(self.plan, item), slice_of(self.plan, item)

    def path(self, run: str, shard: int, slice_: int) -> Path:
        return self.folder / run / f"{shard}-{slice_}"

    def train(self, run: str, shard: int, texts: dict[str, str], first: int = 0) -> list[str]:
        """Train the slices of a shard from ``first`` on; gives the digests of all its checkpoints."""
        for slice_ in range(first, self.plan.slices):
            here = {name: text for name, text in texts.items() if self.place(name) == (shard, slice_)}
            out = self.path(run, shard, slice_)
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir(parents=True)
            before = self.path(run, shard, slice_ - 1) if slice_ else None
            self.backend.train(
                Work(
                    self.plan, shard, slice_, Rows(here), self.configuration, before, out,
                    lambda _done, _total: None, lambda: None,
                )
            )  # fmt: skip
        return self.digests(run, shard)

    def digests(self, run: str, shard: int) -> list[str]:
        return [self.backend.digest(self.path(run, shard, at)) for at in range(self.plan.slices)]

    def redo(self, run: str, texts: dict[str, str], gone: Collection[str]) -> dict[int, list[str]]:
        """Take records out of what was trained: by shard that held any, the digests after redoing."""
        first: dict[int, int] = {}
        for name in gone:
            shard, slice_ = self.place(name)
            first[shard] = min(slice_, first.get(shard, slice_))
        left = {name: text for name, text in texts.items() if name not in gone}
        return {shard: self.train(run, shard, left, at) for shard, at in sorted(first.items())}


def order_of(plan: Plan, shard: int, slice_: int, ids: list[str]) -> list[str]:
    return [ids[at] for at in in_order(seed(plan, shard, slice_), ids)]
