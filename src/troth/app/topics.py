"""Topics found in the home's records: asked for once, then kept up with every import."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
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
_SAID = "topics-said.json"


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


def find(
    home: Home, names: Sequence[str], progress: Progress | None = None, model: Path | None = None
) -> Found:
    """Look for topics in all records, and from now on in what is imported.

    Args:
        home: whose records.
        names: topics of the lexicon, or ``personal_data``.
        progress: told (bytes done, bytes in all).
        model: a model's folder or ``.gguf`` file that is asked too. What it says of a record is kept, so that
            it reads each record once.

    Raises:
        BadInput: a topic is not known, or what finds it is not installed, or there is no such model.
    """
    chosen = check_topics(names)
    look = _finder(chosen)
    marks = Marks(home.records_path)
    found = {}
    looked_at = 0
    with _asking(marks.folder, chosen, model) as ask:
        for row in rows(home, progress):
            looked_at += 1
            text = "\n".join(one for one in (row.get("title"), row.get("body")) if one)
            topics = tuple(dict.fromkeys((*look(text), *ask(row["id"], text))))
            if topics:
                found[row["id"]] = topics
    counted = _count(found.values())
    # What a model marked is no work of the lexicon's, and stays.
    for name, there in marks.found_topics().items():
        if AI_WRITTEN in there:
            found[name] = (*found.get(name, ()), AI_WRITTEN)
    marks.set_topics(found)
    _remember(marks.folder, chosen, model)
    return Found(looked_at, counted)


def forget(home: Home) -> None:
    """Look for no topics any more, and drop what was found; what records brought with them stays."""
    marks = Marks(home.records_path)
    marks.set_topics({})
    for name in (_WANTED, _SAID):
        (marks.folder / name).unlink(missing_ok=True)


def keep_up(home: Home, progress: Progress | None = None) -> Found | None:
    """Look for the topics that are asked for, after an import; None where none are."""
    names = wanted(home)
    return find(home, names, progress, _model_of(home)) if names else None


def _model_of(home: Home) -> Path | None:
    model = json.loads((Marks(home.records_path).folder / _WANTED).read_text()).get("model")
    return Path(model) if model else None


@contextmanager
def _asking(
    folder: Path, names: Sequence[str], model: Path | None
) -> Iterator[Callable[[str, str], tuple[str, ...]]]:
    """What a model says of a record, by its id and text; asked once, also if the run ends early."""
    if model is None:
        yield lambda _id, _text: ()
        return
    from troth.learning.targets.local import Local
    from troth.learning.zero_shot import ZeroShot, described

    target = Local(model)
    told = described(names)
    asked = f"{target.digest} {' '.join(told)}"
    said: dict[str, list[str]] = {}
    kept = folder / _SAID
    if kept.is_file():
        before = json.loads(kept.read_text())
        said = before["said"] if before["asked"] == asked else {}
    zero_shot = ZeroShot(target, told)

    def ask(record: str, text: str) -> tuple[str, ...]:
        # Before a record is looked at again it may have got another text.
        key = f"{record} {hashlib.sha256(text.encode()).hexdigest()}"
        if key not in said:
            said[key] = [*zero_shot.topics(text)]
        return tuple(said[key])

    try:
        yield ask
    finally:
        target.close()
        _write(folder, _SAID, {"asked": asked, "said": said})


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


def _remember(folder: Path, names: Sequence[str], model: Path | None) -> None:
    named = {"model": str(model.resolve())} if model else {}
    _write(folder, _WANTED, {"topics": [*names], "lexicon": VERSION, **named})


def _write(folder: Path, name: str, content: dict[str, Any]) -> None:
    with storage_errors(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = folder / f".{name}.tmp"
        temporary.write_text(json.dumps(content))
        temporary.chmod(0o600)
        temporary.rename(folder / name)
        sync_folder(folder)
