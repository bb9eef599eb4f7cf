"""Withdrawals and models: what one would touch, taking it out of what is served, and making models again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from troth.app.home import Home, instant_or_now
from troth.app.models import all_models, backend_or_none, model_of, shown, unheard, work
from troth.core.entries import Act
from troth.core.errors import BadInput, Place
from troth.core.events import Event, Withdraw, subject_of
from troth.core.values import parse_instant
from troth.core.verify import read_envelope
from troth.core.written import Json
from troth.learning.honour import affected, corpus_of, honour, touched
from troth.learning.jobs import TRAINING, Marks, Report, plan_of
from troth.learning.registry import Job, ModelFolder
from troth.learning.serving import backend_of
from troth.ledger.store import clock


@dataclass(frozen=True, slots=True)
class Touched:
    """What a withdrawal touches in a model; ``seconds`` is an estimate, None where nothing is known."""

    model: str
    records: int
    parts: int
    of_parts: int
    consequence: str
    seconds: float | None

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "model": self.model,
            "records": self.records,
            "parts": self.parts,
            "of_parts": self.of_parts,
            "consequence": self.consequence,
            "seconds": self.seconds,
        }


def preview(home: Home, events: Sequence[Event]) -> dict[str, Any]:
    """What events would touch, if they were recorded now: releases, and models with an estimate of the time.

    Raises:
        BadInput: an event refers to nothing.
    """
    found: list[Touched] = []
    releases: dict[str, bool] = {}
    now = clock()
    with home.reading() as ledger:
        ledger.check_references(events)
        for model in all_models(home):
            rows = affected(model, ledger, events, now)
            touched_here = _touched(model, rows)
            if rows:
                found.append(touched_here)
            theirs = set(corpus_of(model, model.state()).releases_of(rows))
            for number, source in enumerate(model.facts.releases):
                releases[source.release] = releases.get(source.release, False) or number in theirs
        known = [
            str(stored.what.details["release"])
            for stored in ledger.entries()
            if isinstance(stored.what, Act) and stored.what.type == "release"
        ]
    return {
        "models": [one.as_json() for one in found],
        "releases": [
            {"release": one, "holds_theirs": releases.get(one)} for one in dict.fromkeys([*known, *releases])
        ],
        "seconds": sum(one.seconds or 0 for one in found),
    }


def _touched(model: ModelFolder, rows: Sequence[int]) -> Touched:
    facts, state = model.facts, model.state()
    if facts.is_elsewhere:
        what = "trained elsewhere: take it out of use or train it anew"
        return Touched(facts.name, len(rows), 0, 0, what, None)
    backend, corpus = backend_of(facts.backend), corpus_of(model, state)
    plan = facts.the_plan()
    parts = touched(set(corpus.parts_of(rows)), plan.slices, continues=backend.continues)
    share = corpus.size_of([row for one in parts for row in corpus.in_part(one).tolist()])
    spent = _seconds_of_training(model)
    seconds = None if spent is None or not facts.size else round(spent * share / facts.size, 1)
    what = "served without them at once; the parts that held them are made again"
    return Touched(facts.name, len(rows), len(parts), plan.shards * plan.slices, what, seconds)


def _seconds_of_training(model: ModelFolder) -> float | None:
    """How long training took, by its signed statement."""
    try:
        envelope = read_envelope((model.path / TRAINING).read_bytes(), TRAINING)
        times = json.loads(envelope.payload)["predicate"]["runDetails"]["metadata"]
        return (parse_instant(times["finishedOn"]) - parse_instant(times["startedOn"])) / 1e6
    except (OSError, BadInput, KeyError, ValueError):
        return None


def withdraw(
    home: Home, subject: str, *, setting: str | None = None, at: int | str | None = None
) -> dict[str, Any]:
    """Record a withdrawal, and take it out of what every model serves before this returns.

    Args:
        home: the home.
        subject: the member.
        setting: the switch to take back; None: everything.
        at: when; None: now.

    Returns:
        ``receipt``; ``models``: what it took out of which.
    """
    return record_and_honour(home, [Withdraw(subject, instant_or_now(at), setting=setting)])


def record_and_honour(home: Home, events: Sequence[Event]) -> dict[str, Any]:
    """Record members' choices, and take what they take back out of what every model serves."""
    received = clock()
    receipts = home.append(events)
    return {"receipts": [one.as_json() for one in receipts], "models": honour_all(home, received)}


def honour_all(home: Home, received: int | None = None) -> list[dict[str, Any]]:
    """Take what was taken back out of what every model serves; what it took out of which."""
    found = []
    for model in all_models(home):
        with home.reading() as ledger:
            withdrawn = honour(model, backend_or_none(model), ledger, clock, received)
        if withdrawn is not None:
            found.append(
                {
                    "model": model.facts.name,
                    "records": len(withdrawn.rows),
                    "clean_after_ms": (withdrawn.clean - withdrawn.received) // 1000,
                    "elsewhere": model.facts.is_elsewhere,
                }
            )
    return found


# unlearning


def plan(home: Home, name: str) -> dict[str, Json]:
    """What ``unlearn`` would do."""
    model = model_of(home, name)
    with home.reading() as ledger:
        honour(model, backend_or_none(model), ledger, clock)
    state = model.state()
    answer = shown(home, name)
    parts: list[Json] = []
    if not model.facts.is_elsewhere:
        backend = backend_of(model.facts.backend)
        parts = [f"{one}-{other}" for one, other in plan_of(state, corpus_of(model, state), backend)]
    keys = ("model", "status", "step", "withdrawals_waiting", "records_waiting", "consequence")
    return {**{key: answer[key] for key in keys}, "parts": parts}


def unlearn(home: Home, name: str, report: Report = unheard, canaries: Path | None = None) -> dict[str, Json]:
    """Make a model again without what was taken back, to the end; also finishes what was cut off.

    Args:
        home: the home.
        name: of the model.
        report: told what is done.
        canaries: a campaign's file of keys, where whoever holds it is at hand: the marks of those who left are
            tested again on the model that comes out, and the certificate says whether they look like chance.

    Raises:
        BadInput: it was trained elsewhere, or the file holds no campaign.
        Conflict: another process works on it.
        Refused: the campaign proves nothing.
    """
    model = model_of(home, name)
    if model.facts.is_elsewhere:
        raise BadInput(
            "was trained elsewhere in one piece; nothing can be taken out of it here",
            place=Place(name),
            remedy="take it out of use, or train it anew from a new release and register that",
        )
    made = work(home, model, report, _marks(home, name, canaries))
    return {**shown(home, name), "made": [str(model.path / one) for one in made]}


def _marks(home: Home, name: str, file: Path | None) -> Marks | None:
    """What tests the marks of a job's members on the model that is served since."""
    if file is None:
        return None
    from troth.app import audit, canaries, targets

    held = canaries.read(file)
    canaries.checked(canaries.history_of(home, held.campaign))  # before anything is done again

    def test(job: Job) -> dict[str, Any] | None:
        gone = _subjects(home, job)
        if not any(one.subject in gone for one in held.sets):
            return None
        target = targets.find(home, name, targets.Way())
        try:
            return audit.uniformity(home, held, target, sorted(gone)).as_json()
        finally:
            target.close()

    return test


def _subjects(home: Home, job: Job) -> set[str]:
    """Whose withdrawals a job honours."""
    with home.reading() as ledger:
        events = [
            stored.what
            for one in job.withdrawals
            for at in one.positions
            for stored in ledger.entries(at, at + 1)
        ]
    found = {subject_of(one) for one in events if one is not None and not isinstance(one, Act)}
    return {one for one in found if one is not None}
