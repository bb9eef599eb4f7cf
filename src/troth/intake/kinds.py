"""What an importer is: the one protocol between an export's format and the record store.

Public: a package of a third party adds a kind with a class of this form and an entry point in the group
``troth.importers``; ``troth import KIND`` finds it. ``check_importer`` holds it to the protocol.

    [project.entry-points."troth.importers"]
    diary = "diary_importer:Diary"
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

from troth.core.errors import BadInput
from troth.intake.rows import Damaged, Gone, Hint, Item, LeftOut, Noted, Rejected, Row, Where, version_id
from troth.intake.sources import Progress, silent

__all__ = [
    "Damaged",
    "Gone",
    "Hint",
    "Importer",
    "Item",
    "Job",
    "LeftOut",
    "Noted",
    "Rejected",
    "Row",
    "Where",
    "version_id",
]

GROUP: Final = "troth.importers"
"""The entry point group of importers."""

_BUILT_IN: Final = {
    "linkedin": "troth.intake.linkedin:LinkedIn",
    "matrix": "troth.intake.matrix:Matrix",
    "slack": "troth.intake.slack:Slack",
}


@dataclass(frozen=True, slots=True)
class Job:
    """One import as an importer sees it.

    ``paths`` are what the user named, in that order; ``now`` is the import's clock in microseconds UTC (an
    importer has no clock of its own); ``progress`` is told bytes done and bytes in all.
    """

    paths: Sequence[Path]
    now: int
    progress: Progress = silent


@runtime_checkable
class Importer(Protocol):
    """Reads one kind of export.

    What it promises, and ``check_importer`` tests:

    - Every thing in the source that could be a record is handed out once: as a ``Row``, as ``Rejected`` with a
      reason, or as ``LeftOut`` with the name of the rule. Nothing is passed over in silence.
    - Reasons and places never quote the content.
    - Reading the same source again gives the same rows with the same ids.
    - What was edited is a record of its own (``version_id``), and ``Gone`` says that what stood before is gone.
    - A source that is damaged ends with ``Damaged``; what stood before is handed out. A path that is no such
      export at all raises ``troth.BadInput``.
    - Memory stays bounded, whatever the size of the source.
    - Parties are accounts, by one name each. Who is behind two accounts is never guessed; ``Hint`` says what
      speaks for it, and people decide.
    """

    kind: str
    """The word after ``troth import``: small letters, digits, hyphens."""

    summary: str
    """One line of help."""

    def items(self, job: Job) -> Iterator[Item]:
        """The items of all paths, in order."""
        ...


def importers() -> dict[str, Callable[[], Importer]]:
    """Every kind there is, and how to get its importer; a third party cannot replace one of our own.

    Nothing is imported until one is asked for.
    """
    found: dict[str, Callable[[], Importer]] = {}
    for point in entry_points(group=GROUP):
        found.setdefault(point.name, _loader(point))
    for kind, target in _BUILT_IN.items():
        found[kind] = _loader(EntryPoint(kind, target, GROUP))
    return dict(sorted(found.items()))


def importer_of(kind: str) -> Importer:
    """The importer of a kind.

    Raises:
        BadInput: there is none, or it cannot be loaded.
    """
    loaders = importers()
    if kind not in loaders:
        raise BadInput(
            f"there is no importer {kind!r}",
            remedy=f"there are {', '.join(loaders)}; install the package that brings another",
        )
    return loaders[kind]()


def _loader(point: EntryPoint) -> Callable[[], Importer]:
    def load() -> Importer:
        try:
            made: object = getattr(import_module(point.module), point.attr)()
        except Exception as error:  # noqa: BLE001 - the code of a third party may fail in any way
            raise BadInput(
                f"the importer {point.name!r} cannot be loaded from {point.value}: {type(error).__name__}: {error}",
                remedy="mend or uninstall the package that brings it",
            ) from None
        if not isinstance(made, Importer):
            raise BadInput(
                f"the importer {point.name!r} lacks kind, summary or items",
                remedy="see troth.intake.kinds.Importer for what it must have",
            )
        return made

    return load
