"""Places: ISO 3166 codes, and the dated membership of the EU and the EEA.

Sources: ISO 3166-1; the accession treaties (in force dates); the Withdrawal Agreement of the
United Kingdom (left on 2020-02-01 as decisions.md counts it); the EEA Agreement (in force
1994-01-01, for Liechtenstein 1995-05-01). As decisions.md has it, the EEA holds the EU of the day and these
three. Membership counts from midnight UTC of its date.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TypeAlias

from troth.core.errors import BadInput
from troth.core.values import parse_instant

REGIONS = ("EU", "EEA")

_COUNTRIES = frozenset(
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV "
    "BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES "
    "ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE "
    "IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY "
    "MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU "
    "NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM "
    "SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE "
    "VG VI VN VU WF WS YE YT ZA ZM ZW".split()
)
_USER_ASSIGNED = re.compile(r"AA|Q[M-Z]|X[A-Z]|ZZ")
_CODE = re.compile(r"([A-Z]{2})(?:-([A-Z0-9]{1,3}))?")

# 3166-2 spellings of places that stand alone in 3166-1 and in the decision.
_SPELLINGS = {"CN-HK": "HK", "CN-MO": "MO", "CN-TW": "TW"}
_MISTAKES = {"UK": "GB", "EL": "GR"}

_EU_ACCESSIONS = {
    "1958-01-01": "BE DE FR IT LU NL",
    "1973-01-01": "DK GB IE",
    "1981-01-01": "GR",
    "1986-01-01": "ES PT",
    "1995-01-01": "AT FI SE",
    "2004-05-01": "CY CZ EE HU LT LV MT PL SI SK",
    "2007-01-01": "BG RO",
    "2013-07-01": "HR",
}
_EU_EXITS = {"GB": "2020-02-01"}
_EEA_START = "1994-01-01"
_EEA_OTHERS = {"IS": "1994-01-01", "NO": "1994-01-01", "LI": "1995-05-01"}

Span: TypeAlias = tuple[int, int | None]
"""Half-open interval of instants [start, stop); stop None is without end."""


def check_place(text: str) -> str:
    """A country or subdivision, spellings folded (``CN-HK`` is ``HK``).

    Raises:
        BadInput: not a code of ISO 3166-1 alpha-2 or 3166-2.
    """
    place = _SPELLINGS.get(text, text)
    found = _CODE.fullmatch(place)
    if found is None or not (found[1] in _COUNTRIES or _USER_ASSIGNED.fullmatch(found[1])):
        hint = _MISTAKES.get(text) or _upper_hint(text)
        raise BadInput(
            f"expected a place of ISO 3166 such as US, US-CA or GB, got {text!r}",
            remedy=f"did you mean {hint}?" if hint else None,
        )
    return place


def _upper_hint(text: str) -> str | None:
    upper = text.upper()
    return upper if upper != text and upper.split("-")[0] in _COUNTRIES else None


def check_listed_place(text: str) -> str:
    """A place as audiences and regimes list it: also ``EU`` and ``EEA``.

    Raises:
        BadInput: none of these.
    """
    return text if text in REGIONS else check_place(text)


@cache
def memberships(region: str) -> dict[str, Span]:
    """The countries that are or were in ``EU`` or ``EEA``, each with the span of its membership."""
    eu = {
        country: (parse_instant(day), parse_instant(_EU_EXITS[country]) if country in _EU_EXITS else None)
        for day, countries in _EU_ACCESSIONS.items()
        for country in countries.split()
    }
    if region == "EU":
        return eu
    start = parse_instant(_EEA_START)
    members: dict[str, Span] = {country: (max(span[0], start), span[1]) for country, span in eu.items()}
    return members | {country: (parse_instant(day), None) for country, day in _EEA_OTHERS.items()}


def specificity(listed: str, place: str, instant: int) -> int:
    """How closely a listed place holds this one at an instant: 3 itself, 2 its country, 1 its region, 0 not."""
    if listed == place:
        return 3
    country = place.partition("-")[0]
    if listed == country:
        return 2
    if listed in REGIONS:
        span = memberships(listed).get(country)
        if span is not None and span[0] <= instant and (span[1] is None or instant < span[1]):
            return 1
    return 0
