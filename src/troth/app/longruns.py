"""Releases and verdicts over many files, part by part, so that a killed run goes on where it stopped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from troth.app import lineage, outside, resuming
from troth.app.decisions import HomeGate, Progress, numbered_in, open_gate, records_in
from troth.app.home import Home, instant_or_now
from troth.app.resuming import Part, Settings, Work
from troth.core.errors import BadInput
from troth.core.manifest import File
from troth.core.rows import FIELDS
from troth.core.values import Use
from troth.core.written import Json
from troth.gate import spark
from troth.gate.gate import SPARK, Source, Tally
from troth.release import pieces

if TYPE_CHECKING:
    from troth.release.spread import Content


@dataclass(frozen=True, slots=True)
class Named:
    """What of a question was named; None: it is chosen when the run begins, and kept."""

    at: int | str | None = None
    as_of: int | None = None
    release: str | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """A long run that was begun, or goes on: its gate, its work, and the release's id (of verdicts: none)."""

    gate: HomeGate
    work: Work
    release: str


@contextmanager
def opened(
    home: Home,
    use: Use,
    source: str | Path | None,
    settings: Settings,
    named: Named,
    progress: Progress | None = None,
    name: str | None = None,
) -> Iterator[Opened]:
    """Begin a run in a work folder, or go on with the one that was begun there; in a ``with``.

    Args:
        home: the home.
        use: purpose and recipient.
        source: Parquet files of records; None: the home's own.
        settings: the work folder.
        named: what of the question was named.
        progress: told how many members were folded.
        name: of a release: the id to give it, where none is named and none was given before.

    Raises:
        Unavailable: another process works in the folder.
        BadInput: the records are no files of this machine.
    """
    with resuming.locked(settings.folder):
        what = "verdicts" if name is None else "release"
        question = resuming.question_of(home, what, use, source, settings)
        at = None if named.at is None else instant_or_now(named.at)
        asked: dict[str, Json] = {
            "at": at,
            "position": named.as_of,
            "release": named.release,
            "pinned": named.as_of is not None,
        }
        plan = resuming.begun(settings, question, asked)
        if plan is None or _is_overtaken(home, plan):
            plan = {
                **question,
                "at": instant_or_now(at),
                "position": home.position if named.as_of is None else named.as_of,
                "release": named.release or name or "",
                "pinned": named.as_of is not None,
            }
        work = Work(settings, plan, resuming.parts_of(home, source, settings.part_rows))
        work.begin()
        position = int(str(plan["position"]))
        gate = open_gate(home, use, int(str(plan["at"])), position, progress, work.fold)
        yield Opened(gate, work, str(plan["release"]))


def named_files(source: Source | None) -> str | Path | None:
    """The source of a long run.

    Raises:
        BadInput: it is a table that is not called by its files, so that no other process could go on with it.
    """
    if source is None or isinstance(source, str | Path):
        return source
    raise BadInput(
        "a long run needs records in files", remedy="name Parquet files, or work without a work folder"
    )


def _is_overtaken(home: Home, plan: dict[str, Json]) -> bool:
    """Whether an entry came that the run would have to honour: what was decided before is worth nothing then."""
    from troth.app.releases import has_moved

    if plan["pinned"] or plan["what"] != "release":
        return False
    with home.reading() as ledger:
        return has_moved(ledger, int(str(plan["position"])))


def write_verdicts(
    home: Home,
    use: Use,
    out: Path,
    settings: Settings,
    *,
    named: Named,
    source: str | Path | None = None,
    progress: Progress | None = None,
) -> int:
    """Write every verdict to a Parquet file, part by part; see ``outside.write_verdicts``. Returns how many."""
    with opened(home, use, source, settings, named, progress) as run:
        paths = {part.number: run.work.done / f"verdicts-{part.number:05}.parquet" for part in run.work.parts}

        def work(part: Part) -> None:
            table = run.gate.decide_alike(records_in(home, source, part.files), source)
            outside.write_part(table, paths[part.number])

        with lineage.deciding(run.gate, "decide", source) as told:
            run.work.run(lambda part: paths[part.number].exists(), work)
            rows = outside.join_parts([paths[part.number] for part in run.work.parts], out)
            told.made(lineage.dataset(out))
        run.work.end()
        return rows


def make_pieces(home: Home, run: Opened, source: str | Path | None, tally: Tally) -> list[pieces.Piece]:
    """The pieces of a release, those made before included; ``tally`` counts all of their records."""
    from troth.app import releases

    paths = {part.number: run.work.done / f"piece-{part.number:05}" for part in run.work.parts}

    def on_duckdb(part: Part) -> None:
        counted = Tally()
        records = numbered_in(home, source, [*FIELDS, "salt", "deleted_at"], part.files)
        rows = releases.in_two_passes(records, run.gate.decide_alike(records, source), counted)
        pieces.write_piece(paths[part.number], rows, run.release, counted.rows)

    def on_spark(part: Part) -> None:
        from troth.release import spread

        table = releases.passing(run.gate.decide_alike(records_in(home, source, part.files), source))
        making = pieces.begin_piece(paths[part.number])
        found = spread.write_rows(spark.frame(table), run.release, making)
        pieces.end_piece(making, paths[part.number], found.files, (found.rows, found.derived), found.counts)

    work = on_spark if home.config.engine == SPARK else on_duckdb
    run.work.run(lambda part: pieces.read_piece(paths[part.number]) is not None, work)
    found = [one for part in run.work.parts if (one := pieces.read_piece(paths[part.number]))]
    for piece in found:
        for row, number in piece.counts:
            tally.add(row, number)
    return found


def spread_content(found: list[pieces.Piece], folder: Path) -> Content:
    """The pieces put into a release's folder, as Spark's building has them. Their records were counted before."""
    from troth.release.spread import Content

    files: list[File] = pieces.take_files(found, folder)
    return Content(files, sum(one.rows for one in found), sum(one.derived for one in found), [])
