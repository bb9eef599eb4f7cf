"""The ``counts`` backend: see the package."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from troth.core.errors import BadInput
from troth.core.written import Json
from troth.learning.backend import Model, Records, Work, hardware, packages
from troth.learning.counts import table as tables
from troth.learning.counts.grams import WIDTH, Numbers, grams
from troth.learning.counts.model import CountsModel

_OPTIONS: Final = ("order",)
_ORDER: Final = 8
_SHORTEST: Final = 2
_SPILL: Final = ".spill"
_REPORT_BYTES: Final = 1 << 22


class Counts:
    """A back-off n-gram model over bytes, with the ability to subtract."""

    name = "counts"
    continues = False

    def configure(self, options: Mapping[str, Json]) -> dict[str, Json]:
        """``order``: how many bytes a gram has, 2 to 8 (default 8).

        Raises:
            BadInput: an unknown option, or a value out of range.
        """
        for name in options:
            if name not in _OPTIONS:
                raise BadInput(
                    f"the counts backend has no option {name!r}", remedy=f"it has {', '.join(_OPTIONS)}"
                )
        order = options.get("order", _ORDER)
        if isinstance(order, bool) or not isinstance(order, int) or not _SHORTEST <= order <= WIDTH:
            raise BadInput(f"expected an order of {_SHORTEST} to {WIDTH} bytes, got {order!r}")
        return {
            "order": order,
            "alphabet": "bytes of UTF-8, fixed; one mark for the beginning of a text, one for its end",
            "smoothing": "Witten-Bell, interpolated, computed when asked",
        }

    def environment(self, configuration: Mapping[str, Json]) -> dict[str, Json]:
        """Integers are the same everywhere: nothing of the machine matters."""
        del configuration
        return {
            "numeric_mode": "exact integers",
            "hardware": hardware(),
            "packages": packages("numpy", "duckdb", "pyarrow"),
        }

    def train(self, work: Work) -> None:
        """Count the grams of a slice. A sum has no order, so that of the plan is not asked for."""
        order = _order(work.configuration)
        spill = work.out / _SPILL
        tables.write(tables.counted(order, grams(_texts(work), order), spill), work.out)
        shutil.rmtree(spill, ignore_errors=True)

    def digest(self, checkpoint: Path) -> str:
        """See ``troth.learning.counts.table``."""
        return tables.read(checkpoint).digest()

    def difference(self, records: Records, configuration: Mapping[str, Json], out: Path) -> None:
        """The table of some records alone."""
        order = _order(configuration)
        found: list[Numbers] = list(grams((records.text(at) for at in range(len(records))), order))
        tables.write(tables.counted_small(order, found), out)

    def subtract(self, checkpoint: Path, differences: Sequence[Path], out: Path) -> None:
        """A table less others.

        Raises:
            Conflict: more would be taken than is there.
        """
        taken = [tables.read(one) for one in differences]
        tables.write(tables.less(tables.read(checkpoint), taken), out)

    def open(
        self,
        checkpoints: Mapping[int, Sequence[Path]],
        configuration: Mapping[str, Json],
        device: str = "cpu",
    ) -> Model:
        """Open all tables as one sum."""
        del device
        return self.open_less(checkpoints, (), configuration)

    def open_less(
        self,
        checkpoints: Mapping[int, Sequence[Path]],
        differences: Sequence[Path],
        configuration: Mapping[str, Json],
    ) -> Model:
        """Open all tables as one sum, less differences."""
        whole = [tables.read(one) for shard in sorted(checkpoints) for one in checkpoints[shard]]
        return CountsModel(whole, [tables.read(one) for one in differences], _order(configuration))


def _order(configuration: Mapping[str, Json]) -> int:
    order = configuration["order"]
    assert isinstance(order, int)  # noqa: S101 - configure saw to it
    return order


def _texts(work: Work) -> Iterator[bytes]:
    done, said = 0, 0
    work.check()
    for at in range(len(work.records)):
        text = work.records.text(at)
        yield text
        done += len(text)
        if done - said >= _REPORT_BYTES:
            said = done
            work.report(done, None)
            work.check()
