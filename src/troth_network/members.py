"""Who the members are: where, since when, how old, Premium or not, and with whom they mostly talk."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from troth_network import days
from troth_network.chance import Dice
from troth_network.days import DAY, TODAY
from troth_network.places import PLACES, country

COMMUNITY: Final = 12
"""About how many members talk mostly among themselves."""

_LAST_BORN: Final = 1997
"""The year in which the youngest adults were born: of age when the first could join."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Member:
    """One member. ``places`` and ``tiers`` are dated (microseconds UTC), the first when they joined.

    A place of None is not known from then on; ``born`` is a date, a bare year or None (not known).
    """

    id: str
    community: int
    joined: int
    places: tuple[tuple[int, str | None], ...]
    tiers: tuple[tuple[int, str], ...]
    born: str | None
    closed_at: int | None
    erased_at: int | None

    def place(self, at: int) -> str | None:
        """Where they are at an instant; None where that is not known."""
        return _dated(self.places, at)

    def tier(self, at: int) -> str | None:
        """``basic`` or ``premium`` at an instant; None before they joined."""
        return _dated(self.tiers, at)

    def active(self, at: int) -> bool:
        """Whether they use their account at an instant."""
        ends = (end for end in (self.closed_at, self.erased_at) if end is not None)
        return self.joined <= at < min(ends, default=at + 1)

    @property
    def premium_spells(self) -> list[tuple[int, int]]:
        """From when to when they paid; half-open, the last perhaps until today."""
        ends = [since for since, _ in self.tiers[1:]] + [TODAY]
        return [(at, end) for (at, tier), end in zip(self.tiers, ends, strict=True) if tier == "premium"]

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
    fate = dice.weighted({"stays": 962, "closed": 30, "erased": 8})
    left = dice.instant(max(joined + 200 * DAY, days.POLICY_CHANGED), TODAY)
    return Member(
        id=name,
        community=community,
        joined=joined,
        places=_places(place, joined, dice),
        tiers=_tiers(place, joined, dice),
        born=_born(joined, young, dice),
        closed_at=left if fate == "closed" and left < TODAY else None,
        erased_at=left if fate == "erased" and left < TODAY else None,
    )


def _join(dice: Dice, young: bool) -> int:
    if young:
        return dice.instant(days.instant("2023-01-01"), days.instant("2025-06-01"))
    if dice.chance(0.92):
        # Most were there before anything of this story happened.
        early = dice.chance(0.85)
        return dice.instant(days.FIRST_JOINED, days.FIRST_RECORD if early else days.SETTING_INTRODUCED)
    return dice.instant(days.SETTING_INTRODUCED, TODAY - 60 * DAY)


def _places(place: str, joined: int, dice: Dice) -> tuple[tuple[int, str | None], ...]:
    """Some are not known to be anywhere, some move, some clear their profile."""
    first = None if dice.chance(0.008) else place
    if not dice.chance(0.03):
        return ((joined, first),)
    moved = dice.instant(joined + DAY, TODAY)
    return ((joined, first), (moved, None if dice.chance(0.25) else dice.weighted(PLACES)))


def _tiers(place: str, joined: int, dice: Dice) -> tuple[tuple[int, str], ...]:
    """Half of those who buy Premium cancel it. The share of buyers is a guess, higher where recruiting is."""
    if not dice.chance(0.22 if country(place) == "US" else 0.1):
        return ((joined, "basic"),)
    bought = dice.instant(max(joined + DAY, days.PREMIUM_SOLD), TODAY - 90 * DAY)
    tiers = [(joined, "basic"), (bought, "premium")]
    if dice.chance(0.5):
        tiers.append((dice.instant(bought + 30 * DAY, TODAY), "basic"))
    return tuple(tiers)


def _born(joined: int, young: bool, dice: Dice) -> str | None:
    if young:
        return days.iso(joined - dice.between(16 * 365, 17 * 365) * DAY)[:10]
    if dice.chance(0.03):
        return None
    year = dice.between(1955, _LAST_BORN + 1)
    return str(year) if dice.chance(0.3) else f"{year}-{dice.between(1, 13):02}-{dice.between(1, 29):02}"
