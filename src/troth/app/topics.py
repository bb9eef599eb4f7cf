"""Topics found in the home's records: asked for once, then kept up with every import."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from troth.app.home import Home
from troth.core.errors import Corrupt, Place
from troth.core.written import Json
from troth.intake.marks import Marks
from troth.intake.parts import escaped, storage_errors, sync_folder
from troth.intake.topics import AI_WRITTEN, PERSONAL_DATA, VERSION, check_topics, find_topics

Progress = Callable[[int, int | None], None]

_WANTED = "topics.json"


@dataclass(frozen=True, slots=True)
class Found:
    """What is found in the records: how many were looked at, and how many speak of what."""

    looked_at: int
    records: dict[str, int]

    def as_json(self) -> dict[str, Json]:
        """Plain JSON values."""
        return {"looked_at": self.looked_at, "records": dict(self.records)}


def wanted(home: Home) -> tuple[str, ...]:
    """The topics that this home looks for; none unless asked."""
    path = Marks(home.records_path).folder / _WANTED
    if not path.is_file():
        return ()
    try:
        return check_topics(json.loads(path.read_text())["topics"])
    except (ValueError, KeyError, TypeError):
        raise Corrupt(
            "cannot be read", place=Place(str(path)), remedy="run `troth topics find` again"
        ) from None


def find(home: Home, names: Sequence[str], progress: Progress | None = None) -> Found:
    """Look for topics in all records, and from now on in what is imported.

    Raises:
        BadInput: a topic is not known, or what finds it is not installed.
    """
    chosen = check_topics(names)
    look = _finder(chosen)
    marks = Marks(home.records_path)
    found = {}
    looked_at = 0
    for row in rows(home, progress):
        looked_at += 1
        topics = look("\n".join(one for one in (row.get("title"), row.get("body")) if one))
        if topics:
            found[row["id"]] = topics
    counted = _count(found.values())
    # What a model marked is no work of the lexicon's, and stays.
    for name, there in marks.found_topics().items():
        if AI_WRITTEN in there:
            found[name] = (*found.get(name, ()), AI_WRITTEN)
    marks.set_topics(found)
    _remember(marks.folder, chosen)
    return Found(looked_at, counted)


def forget(home: Home) -> None:
    """Look for no topics any more, and drop what was found; what records brought with them stays."""
    marks = Marks(home.records_path)
    marks.set_topics({})
    (marks.folder / _WANTED).unlink(missing_ok=True)


def keep_up(home: Home, progress: Progress | None = None) -> Found | None:
    """Look for the topics that are asked for, after an import; None where none are."""
    names = wanted(home)
    return find(home, names, progress) if names else None


def _finder(names: Sequence[str]) -> Callable[[str], tuple[str, ...]]:
    if PERSONAL_DATA not in names:
        return lambda text: find_topics(text, names)
    from troth.intake.personal_data import personal_data_finder

    personal = personal_data_finder()
    return lambda text: (*find_topics(text, names), *([PERSONAL_DATA] if personal(text) else []))


def rows(home: Home, progress: Progress | None = None) -> Iterator[dict[str, Any]]:
    """Ids, categories and words of the home's records, one part after the other."""
    paths = sorted(home.records_path.glob("*.parquet"))
    total = sum(path.stat().st_size for path in paths)
    done = 0
    for path in paths:
        file = pq.ParquetFile(path)
        columns = [one for one in ("id", "category", "title", "body") if one in file.schema_arrow.names]
        for batch in file.iter_batches(4096, columns=columns):
            yield from batch.to_pylist()
        done += path.stat().st_size
        if progress is not None:
            progress(done, total)


def counts(home: Home) -> dict[str, int]:
    """How many records speak of what, as found and as they came."""
    parts = sorted(home.records_path.glob("*.parquet"))
    marks = Marks(home.records_path).topics
    if not parts:
        return {}
    with duckdb.connect(":memory:") as connection:
        query = "SELECT id, unnest(topics) AS topic FROM read_parquet($1, union_by_name = true)"
        values: list[object] = [[escaped(part) for part in parts]]
        if marks.is_file():
            query += " UNION SELECT id, unnest(topics) FROM read_parquet($2)"
            values.append([escaped(marks)])
        rows = connection.execute(
            f"SELECT topic, count(DISTINCT id) FROM ({query}) GROUP BY topic ORDER BY topic",  # noqa: S608 - own text
            values,
        ).fetchall()
    return {str(topic): int(number) for topic, number in rows}


def _count(found: object) -> dict[str, int]:
    counted: Counter[str] = Counter()
    for topics in found:  # type: ignore[attr-defined]
        counted.update(topics)
    return dict(sorted(counted.items()))


def _remember(folder: Path, names: Sequence[str]) -> None:
    with storage_errors(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = folder / f".{_WANTED}.tmp"
        temporary.write_text(json.dumps({"topics": [*names], "lexicon": VERSION}))
        os.chmod(temporary, 0o600)  # noqa: PTH101 - the same
        temporary.rename(folder / _WANTED)
        sync_folder(folder)
