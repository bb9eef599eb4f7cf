"""What follows from a withdrawal, step by step: which releases hold the member, what is out of use from now on."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from troth.app import membership, models, releases, unlearning
from troth.app.home import Home
from troth.app.serving import ServedHome
from troth.core.errors import TrothError
from troth.core.written import Json
from troth.intake.theirs import count_rows_of
from troth.ledger.store import clock

Step = Callable[[str, dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Holding:
    """A release of this home, and how many rows in it belong to a member."""

    release: str
    purpose: str
    recipient: str
    at: str
    position: int
    rows: int
    total: int


def releases_path(home: Home) -> Path:
    """The folder of the releases that a server built."""
    return home.path / "releases"


def holdings(home: Home, subject: str) -> list[Holding]:
    """The releases of this home and the rows of a member in each, oldest first; without the folder it is not known.

    A row of a message belongs to all of its parties.
    """
    found = []
    for entry, details in releases.listed(home):
        path = releases_path(home) / str(details["release"])
        if not path.is_dir():
            continue
        found.append(
            Holding(
                str(details["release"]),
                str(details["purpose"]),
                str(details["recipient"]),
                str(details["at"]),
                entry,
                count_rows_of(sorted(path.glob("data/*.parquet")), subject),
                int(str(details["rows"])),
            )
        )
    return found


@dataclass(frozen=True, slots=True)
class Learned:
    """A model of this home, and how many rows of the releases that it was made from belong to a member.

    A fact about releases, which never changes: what a model was made again without is somebody's choice.
    """

    model: str
    releases: tuple[str, ...]
    rows: int
    total: int


def learned(home: Home, held: Collection[Holding]) -> list[Learned]:
    """The models that were trained on releases of this home; ``held`` are a member's ``holdings``."""
    rows = {one.release: one for one in held}
    found = []
    for model in models.all_models(home):
        names = tuple(one.release for one in model.facts.releases)
        own = [rows[name] for name in names if name in rows]
        found.append(
            Learned(model.facts.name, names, sum(one.rows for one in own), sum(one.total for one in own))
        )
    return found


def follow(home: ServedHome, subject: str, done: Collection[str], step: Step) -> None:
    """Work through what a withdrawal entails; steps that are done already are not repeated."""
    if "out-of-use" not in done:
        known, _ = home.member(subject)
        acts = [act for _, act in membership.acts_of(home)]
        records = [one.record for one in membership.theirs(home, subject)]
        left = membership.tallies(records, subject, membership.uses(known, acts), clock(), known)
        step("out-of-use", {"records": len(records), "still_allowed": max(left.values(), default=0)})
    if "releases" not in done:
        held = [one for one in holdings(home, subject) if one.rows]
        listed: list[Json] = [
            {"release": one.release, "recipient": one.recipient, "rows": one.rows} for one in held
        ]
        step("releases", {"releases": listed})
    if "models" not in done:
        unlearning.honour_all(home)
        waiting = [one for one in models.listed(home) if one["withdrawals_waiting"]]
        step(
            "models",
            {"models": [{"model": one["model"], "what": str(one["consequence"])} for one in waiting]},
        )
    if "certificate" not in done:
        _make_again(home, step)


def _make_again(home: ServedHome, step: Step) -> None:
    """Make every model again from which something was taken back, and say which certificates came of it."""
    made: list[Json] = []
    for one in models.listed(home):
        if one["status"] == "unlearning":
            name = str(one["model"])
            answer = unlearning.unlearn(home, name)
            certificates = answer["made"]
            made += [{"model": name, "certificate": Path(str(path)).name} for path in certificates]  # type: ignore[union-attr]
    if made:
        step("certificate", {"certificates": made})


def models_made_without(home: Home, subject: str, since: int) -> list[str]:
    """The models that were made again, since the entry at a position, without what a member had taken back.

    What an earlier entry of theirs took out of serving already counts too: it waited until then.
    """
    found = []
    with home.reading() as ledger:
        theirs = {position for position, _ in ledger.history(subject)}
        for entry, act in ledger.acts("unlearning"):
            positions = act.details.get("withdrawals")
            if entry > since and isinstance(positions, list) and not theirs.isdisjoint(positions):
                found.append(str(act.details["model"]))
    return list(dict.fromkeys(found))


def certificate_of(home: Home, model: str, name: str) -> bytes | None:
    """The bytes of a model's certificate; None where there is none of that name."""
    for one in models.listed(home):
        if one["model"] == model:
            for path in one["certificates"]:  # type: ignore[union-attr]
                if Path(str(path)).name == name:
                    return Path(str(path)).read_bytes()
    return None


def built(home: Home, purpose: str, recipient: str, at: str | None) -> dict[str, Json]:
    """Build a release into the home's own folder of releases.

    Raises:
        Refused: nothing is allowed.
    """
    import secrets

    from troth.core.values import Use

    folder = releases_path(home)
    folder.mkdir(mode=0o700, exist_ok=True)
    name = f"r{secrets.token_hex(6)}"
    made = releases.build(home, Use(purpose, recipient), folder / name, at=at, name=name)
    return made.as_json()


def verified(home: Home, release: str) -> dict[str, Json] | None:
    """What a check of a release of this home finds; None where it is not here."""
    if not release.isalnum():
        return None
    path = releases_path(home) / release
    if not path.is_dir():
        return None
    try:
        return releases.verify(path, [home.public_key_path]).as_json()
    except TrothError as error:
        return {
            "ok": False,
            "kind": "release",
            "findings": [{"level": "error", "what": error.message, "where": None}],
        }
