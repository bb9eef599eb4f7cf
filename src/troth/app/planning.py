"""Planning a campaign, and trying whether its marks survive cleaning."""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from troth.app.canaries import Canaries, checked, drawn, history_of, read_texts
from troth.app.home import Home
from troth.core.errors import BadInput, Place
from troth.learning import cleaning, power

_MEMBERS: Final = (1, 5, 30)
TINY: Final = (
    "The calibration is that of a byte-level model with 0.4 million parameters, measured once; "
    "other models see less or more."
)


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, and what it rests on."""

    plan: power.Plan
    rests_on: str

    @property
    def in_words(self) -> str:
        """What to do, in a sentence or two."""
        enough = self.plan.enough
        if not enough:
            return f"None of these reaches a power of {self.plan.wanted:.2f}. {self.rests_on}"
        one = enough[0]
        who = "one member" if one.members == 1 else f"{one.members} members"
        return (
            f"The fewest marks that reach a power of {self.plan.wanted:.2f} at {self.plan.level:g}: {who} with "
            f"{one.messages} messages each (at least {one.at_least:.2f} with 95% confidence). {self.rests_on}"
        )

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "wanted": self.plan.wanted,
            "level": self.plan.level,
            "candidates": self.plan.candidates,
            "options": [one.as_json() for one in self.plan.options],
            "enough": [one.as_json() for one in self.plan.enough],
            "rests_on": self.rests_on,
        }


def plan(
    calibration: Path | None, wanted: float, level: float, members: Sequence[int], candidates: int
) -> Planned:
    """Which members and messages reach a power.

    Args:
        calibration: an audit's JSON that holds calibration sets; None: figures of a tiny model that come along.
        wanted: the power.
        level: the level of the test.
        members: sizes of a class; empty: some.
        candidates: K + 1.

    Raises:
        BadInput: no calibration in the file, or the level is out of reach.
    """
    if calibration is None:
        curve = _read_curve(
            importlib.resources.files("troth.learning").joinpath("tiny-curve.json").read_text()
        )
        rests_on = TINY
    else:
        try:
            curve = _read_curve(calibration.read_text("utf-8"))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise BadInput(
                "holds no calibration",
                place=Place(str(calibration)),
                remedy="name the JSON of an audit whose campaign has calibration sets",
            ) from None
        rests_on = f"The calibration is that of {calibration.name}."
    return Planned(power.plan(curve, wanted, level, list(members) or list(_MEMBERS), candidates), rests_on)


def _read_curve(text: str) -> dict[int, list[float]]:
    found = {int(key): [float(p) for p in values] for key, values in json.loads(text)["calibration"].items()}
    if not found:
        raise ValueError("empty")
    return found


def clean_check(
    home: Home,
    canaries: Canaries,
    set_id: str | None,
    messages: Path,
    steps: Sequence[str] = (),
    after: Path | None = None,
) -> list[cleaning.Survived]:
    """What cleaning leaves of placed marks: the usual steps, or (``after``) a pipeline that somebody ran."""
    held = canaries.one(set_id)
    mark = held.set.mark(drawn(checked(history_of(home, canaries.campaign)), held.set))
    before = read_texts(messages)
    if after is not None:
        return [cleaning.compare(before, read_texts(after), mark)]
    return cleaning.check(before, mark, steps)
