"""Who the members are: where, since when, how old, Premium or not, and with whom they mostly talk."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from troth_network.days import (
    DAY,
    FIRST_JOINED,
    HOUR,
    POLICY_CHANGED,
    SECOND,
    SETTING_INTRODUCED,
    TODAY,
    instant,
    iso,
)
from troth_network.chance import Dice
from troth_network.places import PLACES, country

COMMUNITY: Final = 12
"""About how many members talk mostly among themselves."""

_LAST_BORN: Final = 1997
"""The year in which the youngest adults were born: of age when the first could join."""
_PREMIUM_SOLD: Final = instant("2022-06-07")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Member:
    """One member. ``places`` and ``tiers`` are dated (microseconds UTC), ascending, the first when they joined.

    A place of None is not known from then on; ``born`` is a date, a bare year or None (not known).
    """

    id: str
    community: int
    joined: int
    places: tuple[tuple[int, str | None], ...]
    tiers: tuple[tuple[int, str], ...]
    born: str | None
    closed_at: int | None = None
    erased_at: int | None = None

    def place(self, at: int) -> str | None:
        """Where they are at an instant."""
        return _dated(self.places, at)

    def tier(self, at: int) -> str | None:
        """``basic`` or ``premium`` at an instant; None before they joined."""
        return _dated(self.tiers, at)

    def active(self, at: int) -> bool:
        """Whether they use their account at an instant."""
        ends = [end for end in (self.closed_at, self.erased_at) if end is not None]
        return self.joined <= at < min(ends, default=at + 1)

    @property
    def premium_spells(self) -> list[tuple[int, int]]:
        """From when to when they paid; half-open, the last perhaps until today."""
        ends = [since for since, _ in self.tiers[1:]] + [TODAY]
        return [
            (since, end) for (since, tier), end in zip(self.tiers, ends, strict=True) if tier == "premium"
        ]

    @property
    def is_adult(self) -> bool:
        """Whether they are known to have been of age whenever they wrote."""
        return self.born is not None and not self.is_young

    @property
    def is_young(self) -> bool:
        """Whether they are known to have joined as minors."""
        return self.born is not None and int(self.born[:4]) > _LAST_BORN


def _dated(values: Sequence[tuple[int, T]], at: int) -> T | None:
    index = bisect_right([since for since, _ in values], at)
    return values[index - 1][1] if index else None


def make_members(count: int, seed: int) -> list[Member]:
    """The members of a seed, ``m00001`` and so on."""
    width = max(5, len(str(count)))
    communities = max(count // COMMUNITY, 1)
    return [
        _make_member(f"m{number:0{width}}", communities, Dice(seed, "member", number))
        for number in range(1, count + 1)
    ]


def _make_member(name: str, communities: int, dice: Dice) -> Member:
    place = dice.weighted(PLACES)
    community = dice.below(communities)
    young = dice.chance(0.02)
    joined = _join(dice, young)
    closed = dice.between(max(joined + 200 * DAY, POLICY_CHANGED), TODAY) if dice.chance(0.03) else None
    erased = dice.between(max(joined + 200 * DAY, POLICY_CHANGED), TODAY) if dice.chance(0.008) else None
    return Member(
        id=name,
        community=community,
        joined=joined,
        places=_places(place, joined, dice),
        tiers=_tiers(place, joined, dice),
        born=_born(joined, young, dice),
        closed_at=closed if closed is not None and closed < TODAY else None,
        erased_at=erased if erased is not None and erased < TODAY else None,
    )


def _join(dice: Dice, young: bool) -> int:
    if young:
        start, stop = instant("2023-01-01"), instant("2025-06-01")
    elif dice.chance(0.9):
        start, stop = FIRST_JOINED, SETTING_INTRODUCED
    else:
        start, stop = SETTING_INTRODUCED, TODAY - 60 * DAY
    return dice.between(start // SECOND, stop // SECOND) * SECOND


def _places(place: str, joined: int, dice: Dice) -> tuple[tuple[int, str | None], ...]:
    first: str | None = None if dice.chance(0.008) else place
    if not dice.chance(0.03):
        return ((joined, first),)
    moved = dice.between(joined // HOUR + 1, TODAY // HOUR) * HOUR
    return ((joined, first), (moved, None if dice.chance(0.25) else dice.weighted(PLACES)))


def _tiers(place: str, joined: int, dice: Dice) -> tuple[tuple[int, str], ...]:
    # Nobody publishes this share in a form to lean on: a guess, higher where recruiting is.
    if not dice.chance(0.22 if country(place) == "US" else 0.1):
        return ((joined, "basic"),)
    bought = dice.between(max(joined + DAY, _PREMIUM_SOLD) // SECOND, (TODAY - 90 * DAY) // SECOND) * SECOND
    tiers = [(joined, "basic"), (max(bought, joined + DAY), "premium")]
    if dice.chance(0.5):
        tiers.append((dice.between(tiers[1][0] // SECOND + 30 * 86_400, TODAY // SECOND) * SECOND, "basic"))
    return tuple(tiers)


def _born(joined: int, young: bool, dice: Dice) -> str | None:
    if young:
        return iso(joined - dice.between(16 * 365, 17 * 365) * DAY)[:10]
    if dice.chance(0.03):
        return None
    year = dice.between(1955, _LAST_BORN + 1)
    return str(year) if dice.chance(0.3) else f"{year}-{dice.between(1, 13):02}-{dice.between(1, 29):02}"
