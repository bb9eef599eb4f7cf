"""How much of a release is likely machine-written, and records marked as such where an operator asks for it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from troth.app import topics
from troth.app.canaries import read_texts
from troth.app.home import Home
from troth.core.errors import BadInput, Place
from troth.intake.marks import Marks
from troth.intake.topics import AI_WRITTEN
from troth.learning.ai_written import SCORE, Between, Detector, Labelled, bar, calibrate, curvature
from troth.release.load import load

if TYPE_CHECKING:
    from troth.learning.targets.local import Local

Progress = Callable[[int, int | None], None]

WORDS: Final = 100
"""Words that a text has to have, unless told otherwise: of shorter ones the score says too little."""
TOKENS: Final = 256
"""Tokens that are read of each text, at most, so that texts of all lengths score on one scale."""
POSTS: Final = 1000
"""Posts that are read of a release, at most, unless told otherwise."""
SAYS: Final = (
    "An estimate over many texts. Of a single text nothing follows, and of a single member nothing either. The "
    "interval counts chance alone: it holds for machine text like that which was given, and for human text like "
    "that which was given. Other models, edited text, other languages and other kinds of posts move the estimate, "
    "and no interval covers that."
)


@dataclass(frozen=True, slots=True)
class Reading:
    """What is read, and how.

    Attributes:
        model: a folder with a causal language model, or a GGUF file.
        human: a file of texts that people wrote (JSON lines with ``body``, or a text a line).
        machine: a file of texts that models wrote.
        words: of a text, at least.
        category: of posts; subcategories count too.
    """

    model: Path
    human: Path
    machine: Path
    words: int = WORDS
    category: str = "post"


@dataclass(frozen=True, slots=True)
class Month:
    """One month of a release: how many texts were read of it, and the estimate."""

    month: str
    texts: int
    share: Between


@dataclass(frozen=True, slots=True)
class Share:
    """The estimate of a release: over all, by month, and how good the detector is.

    Attributes:
        release: its id.
        long: texts of the release that are long enough.
        read: those of them that were scored.
        share: of machine-written texts among the long ones; None where there are none.
        months: by the month of writing (UTC), in order; ``unknown`` where that is not known.
        detector: threshold, sensitivity, specificity, area under the ROC curve.
        known: texts of known origin that were used, and those that were too short.
        model: digest of the model that scored.
    """

    release: str
    long: int
    read: int
    share: Between | None
    months: list[Month]
    detector: Detector
    known: dict[str, int]
    model: str

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "release": self.release,
            "long_texts": self.long,
            "read": self.read,
            "share": self.share.as_json() if self.share else None,
            "months": [
                {"month": one.month, "read": one.texts, "share": one.share.as_json()} for one in self.months
            ],
            "detector": self.detector.as_json(),
            "texts_of_known_origin": self.known,
            "score": SCORE,
            "model_sha256": self.model,
            "says": SAYS,
        }


def share_of(release: Path, reading: Reading, most: int = POSTS, progress: Progress | None = None) -> Share:
    """Estimate how much of the long texts of a release is machine-written.

    Args:
        release: the folder of a sealed release.
        reading: model, texts of known origin, what counts as a long post.
        most: texts that are scored at most; which ones is fixed by the release's digest, so that nobody chooses.
        progress: told (done, total).

    Raises:
        Refused: the release was altered, or the score does not tell the given texts apart.
        BadInput: there is no such model, or too few texts of known origin.
    """
    loaded = load(release)
    long = [
        (hashlib.sha256(f"{loaded.manifest_digest} {name}".encode()).digest(), month, text)
        for batch in loaded
        for name, month, text in _long_rows(batch.to_pylist(), reading)
    ]
    chosen = sorted(long)[:most]
    human, machine, known = _known(reading)
    model = _open(reading.model)
    try:
        score = _Scorer(model, len(human) + len(machine) + len(chosen), progress)
        detector = calibrate(*_halves(human, machine, score))
        by_month: dict[str, list[float]] = {}
        for _, month, text in chosen:
            by_month.setdefault(month, []).append(score(text))
    finally:
        model.close()
    everything = [one for scores in by_month.values() for one in scores]
    return Share(
        release=loaded.manifest.release,
        long=len(long),
        read=len(chosen),
        share=detector.share(everything) if everything else None,
        months=[
            Month(month, len(by_month[month]), detector.share(by_month[month])) for month in sorted(by_month)
        ],
        detector=detector,
        known=known,
        model=model.digest,
    )


@dataclass(frozen=True, slots=True)
class Marked:
    """What was marked: records looked at, records marked, the score that they exceed, the rate that it keeps."""

    looked_at: int
    records: int
    above: float
    rate: float

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "looked_at": self.looked_at,
            "marked": self.records,
            "topic": f"topic:{AI_WRITTEN}",
            "above": round(self.above, 4),
            "false_positive_rate": self.rate,
            "score": SCORE,
            "says": SAYS,
        }


def mark(home: Home, reading: Reading, rate: float, progress: Progress | None = None) -> Marked:
    """Mark the home's long records that score above almost all human texts as ``topic:ai_written``.

    Of texts like the human ones at most a share of ``rate`` is marked wrongly, on average over which texts were
    given. How many of the marked ones are machine-written is not known. Records that come later are not looked at.

    Raises:
        BadInput: no such model, or too few human texts for such a rate.
        Refused: the score does not tell the given texts apart.
    """
    human, machine, _ = _known(reading)
    bar([0.0] * len(human), rate)  # too few are refused before the work
    long = [(name, text) for name, _, text in _long_rows(topics.rows(home), reading)]
    model = _open(reading.model)
    try:
        score = _Scorer(model, len(human) + len(machine) + len(long), progress)
        halves = _halves(human, machine, score)
        calibrate(*halves)
        above = bar([*halves[0].human, *halves[1].human], rate)
        found = [name for name, text in long if score(text) > above]
    finally:
        model.close()
    _keep(home, found)
    return Marked(len(long), len(found), above, rate)


def unmark(home: Home) -> None:
    """Drop the marks; other topics stay."""
    _keep(home, [])


def _keep(home: Home, names: Iterable[str]) -> None:
    marks = Marks(home.records_path)
    found = {
        name: [one for one in there if one != AI_WRITTEN] for name, there in marks.found_topics().items()
    }
    for name in names:
        found.setdefault(name, []).append(AI_WRITTEN)
    marks.set_topics(found)


def _long_rows(rows: Iterable[dict[str, Any]], reading: Reading) -> Iterator[tuple[str, str, str]]:
    """Id, month and words of those rows that are long enough."""
    for row in rows:
        category, text = str(row["category"]), row.get("body") or ""
        if category != reading.category and not category.startswith(f"{reading.category}."):
            continue
        if len(text.split()) >= reading.words:
            yield row["id"], _month(row.get("created_at")), text


def _month(written: Any) -> str:  # noqa: ANN401 - a datetime, as Arrow gives it, or microseconds
    return written.strftime("%Y-%m") if hasattr(written, "strftime") else "unknown"


def _known(reading: Reading) -> tuple[list[str], list[str], dict[str, int]]:
    """The texts of known origin, each once, in an order that nobody chose; and how many there are."""
    given = [read_texts(path) for path in (reading.human, reading.machine)]
    kinds = [
        sorted({text for text in texts if len(text.split()) >= reading.words}, key=_rank) for texts in given
    ]
    both = set(kinds[0]) & set(kinds[1])
    if both:
        raise BadInput(
            f"{len(both)} texts stand in both files",
            place=Place(str(reading.machine)),
            remedy="give human texts in one, machine texts in the other",
        )
    known = {
        "human": len(kinds[0]),
        "machine": len(kinds[1]),
        "too_short_or_twice": sum(map(len, given)) - sum(map(len, kinds)),
    }
    return kinds[0], kinds[1], known


def _rank(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _halves(human: list[str], machine: list[str], score: Callable[[str], float]) -> tuple[Labelled, Labelled]:
    parts = [
        Labelled([score(text) for text in human[at::2]], [score(text) for text in machine[at::2]])
        for at in range(2)
    ]
    return parts[0], parts[1]


class _Scorer:
    """Scores texts, and tells how far it is."""

    def __init__(self, model: Local, total: int, progress: Progress | None) -> None:
        self._model, self._total, self._progress = model, total, progress
        self._done = 0

    def __call__(self, text: str) -> float:
        found = curvature(*self._model.token_scores(text, TOKENS))
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, self._total)
        return found


def _open(path: Path) -> Local:
    from troth.learning.targets.local import Local

    return Local(path)
