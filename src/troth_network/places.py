"""Where members are: published proportions, rounded, and the places that the first year left out."""

from __future__ import annotations

from typing import Final

COUNTRIES: Final = {
    "US": 187, "IN": 82, "BR": 49, "GB": 24, "FR": 21, "CN": 16, "IT": 16, "CA": 14, "MX": 14, "ES": 13,
    "AU": 8, "ID": 8, "DE": 7, "NL": 7, "CO": 6, "CH": 3, "HK": 2,
}  # fmt: skip
"""Millions of members, rounded. Source: what the largest professional network published of itself up to 2022
(the first ten), figures about it of 2018 (AU to CO); CH and HK are this story's own round guesses."""

STATES: Final = {
    "US-CA": 12, "US-TX": 9, "US-FL": 6, "US-NY": 6, "US-IL": 4, "US-PA": 4, "US-WA": 2, "US": 57,
}  # fmt: skip
"""Per cent of the people of the US, rounded (census of 2020); plain ``US`` is a member who names no state,
or one of the others."""

LEFT_OUT: Final = frozenset({"FR", "IT", "ES", "DE", "NL", "GB", "CH", "CA", "HK", "CN"})
"""Countries of ours in which the switch was off, or absent, until the extension; ``CN`` also after it."""

PLACES: Final = {
    place: weight
    for country, millions in COUNTRIES.items()
    for place, weight in (
        {state: millions * share for state, share in STATES.items()}
        if country == "US"
        else {country: millions * 100}
    ).items()
}
"""Weight of each place."""


def country(place: str) -> str:
    """``US`` of ``US-CA``."""
    return place.partition("-")[0]
