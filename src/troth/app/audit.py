"""The audit of a model: were these marks learned? What was asked, what was found, what cannot be concluded."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from troth.app.canaries import Canaries, Held, checked, drawn, history_of, promised, read_texts, write_private
from troth.app.home import Home
from troth.app.sealing import UNSEALED, sealed
from troth.core.canary import CALIBRATION, TEST, History, check_set
from troth.core.entries import Act
from troth.core.errors import BadInput, Place, Refused
from troth.core.significance import Wager, fisher, holm, rank_p
from troth.core.values import format_instant
from troth.core.written import Json
from troth.learning import power as powers
from troth.learning.scores import SCORES, TEXT_ONLY, estimate, score_set
from troth.learning.targets import Estimate, Report, Target, unheard

LEVEL: Final = 0.05
_BINS: Final = 40
_BILLION: Final = 1e9

ALWAYS: Final = (
    "By which way the marked text reached the model. A mark shows the text, not who passed it on.",
    "Anything about messages without marks: whether one was used cannot be known from a model with a known error rate.",
    "Anything about copies elsewhere, other models, or other versions of this one.",
)


@dataclass(frozen=True, slots=True)
class SetResult:
    """One set's test: its p-value, and the shape of its scores for the plot."""

    held: Held
    p_value: float
    messages: int
    edges: list[float]
    counts: list[int]
    mark: float


@dataclass(slots=True)
class Audit:
    """All of an audit."""

    asked: dict[str, Any]
    tests: list[dict[str, Any]] = field(default_factory=list)
    sets: list[SetResult] = field(default_factory=list)
    power: list[powers.Power] = field(default_factory=list)
    calibration: powers.Curve = field(default_factory=dict)
    e_value: float = 1.0
    any_time_p: float = 1.0
    found: bool = False
    conclusion: str = ""
    cannot: list[str] = field(default_factory=list)
    inputs: dict[str, str] = field(default_factory=dict)
    entry: int | None = None
    indicative: dict[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        """The JSON of ``troth audit``."""
        return {
            "tests": self.tests,
            "conclusion": self.conclusion,
            "cannot_be_concluded": self.cannot,
            "found": self.found,
            "asked": self.asked,
            "e_value": self.e_value,
            "p_value_at_any_time": self.any_time_p,
            "power": [one.as_json() for one in self.power],
            "calibration": {str(messages): list(found) for messages, found in self.calibration.items()},
            "inputs": self.inputs,
            "entry": self.entry,
            "indicative": self.indicative,
        }


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask: the model, a reference where the score needs one, the level, since when the model is there.

    ``receipt`` is one of the commitment, fetched before the draw, checked with ``policy`` (None: the home's).
    ``trained_by`` is when training ended, as far as it is known (µs UTC): sets that were opened, or shown to an
    endpoint, before that prove nothing about it.
    """

    target: Target
    reference: Target | None = None
    level: float = LEVEL
    trained_by: int | None = None
    remote: bool = False
    receipt: Path | None = None
    policy: Path | None = None


def cost(home: Home, canaries: Canaries, target: Target) -> Estimate:
    """What an audit will ask of a target, before it starts."""
    history = checked(history_of(home, canaries.campaign))
    assert history.commitment is not None  # noqa: S101 - checked
    found = [estimate(target, held.set, history.commitment.score) for held in canaries.sets]
    return Estimate(sum(one.requests for one in found), sum(one.tokens for one in found))


def audit(home: Home, canaries: Canaries, question: Question, report: Report = unheard) -> Audit:
    """Test a model with the sets of a campaign, and record that in the ledger.

    Every set that was committed to counts: one that is missing in the file counts as p = 1, so leaving sets out
    can only weaken a finding, and no negative is drawn from what is incomplete.

    Raises:
        Refused: the campaign proves nothing (see ``troth.core.canary.read_history``).
        Unavailable: the target cannot be reached; answers so far are kept.
    """
    history = checked(history_of(home, canaries.campaign))
    _check_age(history, question)
    for held in canaries.sets:
        check_set(promised(history, held.set.id), held.set)
    found = Audit(_asked(canaries, history, question))
    if question.receipt is not None:
        found.asked["sealed"] = sealed(home, history, question.receipt, question.policy).as_json()
    if question.remote:
        # Before the first question: whoever runs the endpoint knows the candidates from then on, also if we fail.
        home.append([Act("canary", {**_about(canaries, question), "action": "show"})])
    results = []
    for number, held in enumerate(canaries.sets):

        def told(done: int, total: int | None, number: int = number) -> None:
            share = done / total if total else 0.0
            report(round(1000 * (number + share)), 1000 * len(canaries.sets))

        results.append(_test(history, held, question, told))
    found.sets = results
    _conclude(found, history, question)
    found.inputs = {
        "canaries": _digest(sorted(one.root.hex() for one in history.commitment.sets)),  # type: ignore[union-attr]
        "model": question.target.digest,
        "reference": question.reference.digest if question.reference else "",
        "result": _digest(found.tests),
    }
    details: dict[str, Json] = {
        **_about(canaries, question),
        "action": "test",
        "score": str(found.asked["score"]),
        "inputs": dict(found.inputs),
    }
    found.entry = home.append([Act("canary", details)])[0].position
    return found


def _about(canaries: Canaries, question: Question) -> dict[str, Json]:
    return {"campaign": canaries.campaign, "model": question.target.digest}


def _check_age(history: History, question: Question) -> None:
    if question.trained_by is None:
        return
    known = [(one.at, f"was opened (entry {one.position})") for one in history.opened.values()]
    known += [(one.at, f"was shown to an endpoint (entry {one.position})") for one in history.shown]
    for at, what in known:
        if at < question.trained_by:
            raise Refused(
                f"campaign {history.campaign} {what} before this model's training ended "
                f"({format_instant(question.trained_by)}): it proves nothing about it",
                remedy="make a new campaign for later models: troth canary new",
            )


def _asked(canaries: Canaries, history: History, question: Question) -> dict[str, Any]:
    commitment, beacon = history.commitment, history.beacon
    assert commitment is not None  # noqa: S101 - checked
    if beacon is None:
        raise Refused(
            "the campaign was not drawn yet", remedy="wait for the beacon, then: troth canary draw FILE"
        )
    return {
        "model": question.target.name,
        "model_digest": question.target.digest,
        "reference": question.reference.name if question.reference else None,
        "campaign": canaries.campaign,
        "holder": commitment.holder,
        "score": commitment.score,
        "score_means": SCORES[commitment.score],
        "text_only": commitment.score in TEXT_ONLY,
        "level": question.level,
        "committed": format_instant(history.committed_at),
        "beacon": {"source": beacon.source, "at": format_instant(beacon.at)},
        "drawn": format_instant(history.drawn_at),
        "sealed": None,
        "placed": [
            {key: one.details.get(key) for key in ("set", "by", "where", "at", "messages")}
            for one in history.placed
        ],
    }


def _test(history: History, held: Held, question: Question, report: Report) -> SetResult:
    commitment, beacon = history.commitment, history.beacon
    assert commitment is not None  # noqa: S101 - checked
    assert beacon is not None  # noqa: S101 - checked
    index = drawn(history, held.set)
    scores = score_set(question.target, held.set, commitment.score, question.reference, report)
    p = rank_p(scores, index, held.set.ties(beacon, question.target.digest))
    edges, counts = _histogram(scores)
    return SetResult(held, p, history.messages(held.set.id), edges, counts, scores[index])


def _histogram(scores: Sequence[float]) -> tuple[list[float], list[int]]:
    import numpy as np

    finite = [one for one in scores if abs(one) < float("inf")]
    counts, edges = np.histogram(finite or [0.0], bins=_BINS)
    return [float(one) for one in edges], [int(one) for one in counts]


# putting it together


def _conclude(found: Audit, history: History, question: Question) -> None:
    tests = [one for one in found.sets if one.held.role == TEST]
    calibration = found.calibration = calibration_of(found.sets)
    level = question.level
    assert history.commitment is not None  # noqa: S101 - checked
    wanted = [one.id for one in history.commitment.sets if one.role == TEST]
    missing = sorted(set(wanted) - {one.held.set.id for one in tests})
    p_values = [one.p_value for one in tests] + [1.0] * len(missing)
    if not p_values:
        raise BadInput("the campaign has calibration sets alone; there is nobody to test")
    wager = Wager()
    for p in p_values:
        wager.add(p)
    found.any_time_p = wager.p_value
    found.e_value = _e(wager.log_capital)
    sizes = [1] if len(p_values) == 1 else [1, len(p_values)]
    found.power = powers.curve(calibration, sizes, level) if calibration else []
    whole = fisher(p_values)
    if len(p_values) > 1:
        found.tests.append(
            _row("class", "Fisher's combination of the sets' ranks", whole, found, len(p_values))
            | {"sets": len(p_values), "rejected": whole <= level}
        )
    # The class is asked first; members one by one only if it answers yes, then by Holm. Together the chance of
    # any false finding stays at most the level: if no member was used, the class test is the only way in.
    adjusted = holm(p_values)
    for one, p_holm in zip(tests, adjusted, strict=False):
        row = _row(one.held.set.id, f"rank of the mark by {found.asked['score']}", one.p_value, found, 1)
        row |= {
            "k": one.held.set.size - 1,
            "messages": one.messages,
            "p_value_holm": p_holm,
            "rejected": whole <= level and p_holm <= level,
        }
        found.tests.append(row)
    found.found = any(row["rejected"] for row in found.tests)
    _say(found, history, missing, calibration, level)


def once_in(p_value: float) -> str:
    """One in how many audits chance gives a p-value as small as this; rounded down, to two digits."""
    times = 1 / p_value
    if times >= _BILLION:
        return "a billion"
    unit = 10.0 ** max(0, math.floor(math.log10(times)) - 1)
    return f"{math.floor(times / unit + 1e-9) * unit:,.0f}"


def _row(name: str, statistic: str, p: float, found: Audit, members: int) -> dict[str, Any]:
    at = [one.as_json() for one in found.power if one.members == members]
    return {"name": name, "statistic": statistic, "p_value": p, "k": None, "power_at": at}


def _say(found: Audit, history: History, missing: list[str], calibration: powers.Curve, level: float) -> None:
    first = found.tests[0]
    tests = [one for one in found.sets if one.held.role == TEST]
    if found.found:
        found.conclusion = (
            "Yes: the model knows the marked text. Had it not been trained on it, chance would give a result as "
            f"strong as this in at most one of {once_in(first['p_value'])} such audits, whatever the model "
            f"(p = {first['p_value']:.2g}). An audit says yes without cause in at most {100 * level:.2g}% of cases."
        )
    elif missing or not calibration:
        why = f"{len(missing)} sets are missing" if missing else "there are no calibration sets"
        found.conclusion = (
            f"No finding (p = {first['p_value']:.2g}), and no negative either: {why}, so nobody knows what this test "
            "would have seen."
        )
    else:
        strongest = max(
            (one for one in found.power if one.members == max(size.members for size in found.power)),
            key=lambda one: one.at_least,
        )
        found.conclusion = f"No finding (p = {first['p_value']:.2g}). {powers.bound_in_words(strongest)}"
        found.cannot.append(
            "That the messages were not used: fewer of them, or used otherwise than the calibration, may go unseen."
        )
    if missing:
        found.cannot.append(f"Anything about {len(missing)} sets that were committed to and not handed in.")
    unplaced = [one.held.set.id for one in tests if not one.messages]
    if unplaced:
        found.cannot.append(
            f"Anything about {len(unplaced)} sets whose mark was never placed, as far as is logged."
        )
    if history.opened:
        day = format_instant(min(one.at for one in history.opened.values()))
        found.cannot.append(f"Anything about models trained after {day}, when sets were opened.")
    if any(one.details.get("by") == "operator" for one in history.placed):
        found.cannot.append(
            "What a negative is worth where the operator placed the marks itself: who inserts can strip."
        )
    if found.asked["sealed"] is None:
        found.cannot.append(UNSEALED)
    found.cannot.extend(ALWAYS)


def calibration_of(results: Sequence[SetResult]) -> dict[int, list[float]]:
    """p-values of the calibration sets by the number of messages they were placed in."""
    found: dict[int, list[float]] = {}
    for one in results:
        if one.held.role == CALIBRATION:
            found.setdefault(one.messages, []).append(one.p_value)
    return {messages: found[messages] for messages in sorted(found)}


def _e(log_capital: float) -> float:
    return math.exp(min(log_capital, 700.0))


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


# messages without marks

_MOST_UNMARKED: Final = 500


def indicative(target: Target, path: Path) -> dict[str, Any]:
    """What there is to say of messages without marks: that it cannot be known, and scores that prove nothing.

    Raises:
        BadInput: the messages cannot be read.
    """
    from troth.learning import indicative as scores
    from troth.learning.targets.local import Local

    texts = [text for text in read_texts(path) if text.strip()][:_MOST_UNMARKED]
    said: dict[str, Any] = {
        "label": "indicative, false-positive rate unknown",
        "says": scores.SAYS,
        "messages": len(texts),
        "scores": {},
    }
    if isinstance(target, Local) and texts:
        tokens = [target.token_scores(text) for text in texts]
        said["scores"] = {
            "Min-K%": sum(scores.min_k(one[0]) for one in tokens) / len(tokens),
            "Min-K%++": sum(scores.min_k_plus_plus(*one) for one in tokens) / len(tokens),
        }
    return said


# uniformity, for those who were forgotten

_LISTED: Final = 200
"""So many p-values stand in a certificate by themselves; of more, the class test alone."""


@dataclass(frozen=True, slots=True)
class Uniformity:
    """Whether the p-values of members who were forgotten look like those of members who never were there.

    Chance alone gives a class test at or below ``level`` that often: 1 in 20 for the usual 5%.
    """

    campaign: str
    score: str
    p_values: list[float]
    class_p: float
    level: float

    @property
    def uniform(self) -> bool:
        """Whether the class test finds nothing at the level."""
        return self.class_p > self.level

    def as_json(self) -> dict[str, Any]:
        """For a certificate, beside bit-equality. In the order of size, so that nobody is told apart."""
        return {
            "campaign": self.campaign,
            "score": self.score,
            "members": len(self.p_values),
            "p_values": [round(one, 6) for one in sorted(self.p_values)]
            if len(self.p_values) <= _LISTED
            else [],
            "class_p_value": float(f"{self.class_p:.6g}"),
            "level": self.level,
            "uniform": self.uniform,
        }


def uniformity(
    home: Home, canaries: Canaries, target: Target, subjects: Sequence[str], level: float = LEVEL
) -> Uniformity:
    """Rerun the tests of forgotten members on a model that was made without them.

    Args:
        home: whose ledger.
        canaries: the campaign that holds their sets.
        target: the new model.
        subjects: the members; empty: all with a test set.
        level: the class test's level.

    Raises:
        BadInput: none of them has a set.
        Refused: the campaign proves nothing.
    """
    history = checked(history_of(home, canaries.campaign))
    wanted = [
        held for held in canaries.sets if held.role == TEST and (not subjects or held.subject in subjects)
    ]
    if not wanted:
        raise BadInput("none of these members has a set of canaries", place=Place(str(canaries.path)))
    question = Question(target, level=level)
    found = [_test(history, held, question, unheard).p_value for held in wanted]
    assert history.commitment is not None  # noqa: S101 - checked
    return Uniformity(canaries.campaign, history.commitment.score, found, fisher(found), level)


# files


def write_report(path: Path, text: str) -> None:
    """Write a report, readable by its owner alone: it tells whose messages were marked."""
    write_private(path, text.encode())
