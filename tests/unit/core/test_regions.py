"""Places, and who was in the EU and the EEA when, to the microsecond."""

from __future__ import annotations

import pytest

from troth.core.errors import BadInput
from troth.core.regions import check_listed_place, check_place, memberships, specificity
from troth.core.terms import Audience, Membership
from troth.core.values import parse_instant

EU = {
    "1958-01-01": ["BE", "DE", "FR", "IT", "LU", "NL"],
    "1973-01-01": ["DK", "IE", "GB"],
    "1981-01-01": ["GR"],
    "1986-01-01": ["ES", "PT"],
    "1995-01-01": ["AT", "FI", "SE"],
    "2004-05-01": ["CY", "CZ", "EE", "HU", "LT", "LV", "MT", "PL", "SI", "SK"],
    "2007-01-01": ["BG", "RO"],
    "2013-07-01": ["HR"],
}
EU_OF_TODAY = 27


def held(region: str, place: str, instant: int) -> bool:
    return specificity(region, place, instant) == 1


@pytest.mark.parametrize(("day", "place"), [(day, place) for day, places in EU.items() for place in places])
def test_each_accession_counts_from_midnight_of_its_day(day: str, place: str) -> None:
    joined = parse_instant(day)
    assert not held("EU", place, joined - 1)
    assert held("EU", place, joined)
    assert held("EU", f"{place}-X1", joined)
    # The EEA is older than some of them and younger than others.
    eea = max(joined, parse_instant("1994-01-01"))
    assert not held("EEA", place, eea - 1)
    assert held("EEA", place, eea)


@pytest.mark.parametrize(("place", "day"), [("IS", "1994-01-01"), ("NO", "1994-01-01"), ("LI", "1995-05-01")])
def test_the_eea_holds_three_more_from_their_day_on(place: str, day: str) -> None:
    joined = parse_instant(day)
    assert not held("EEA", place, joined - 1)
    assert held("EEA", place, joined)
    assert not held("EU", place, parse_instant("2025-01-01"))


def test_gb_left_both_at_midnight_of_2020_02_01() -> None:
    left = parse_instant("2020-02-01")
    for region in ("EU", "EEA"):
        for place in ("GB", "GB-SCT"):
            assert held(region, place, left - 1)
            assert not held(region, place, left)


def test_the_members_of_today() -> None:
    now = parse_instant("2025-06-01")
    members = {place for place in memberships("EU") if held("EU", place, now)}
    assert members == {place for places in EU.values() for place in places} - {"GB"}
    assert len(members) == EU_OF_TODAY
    assert {place for place in memberships("EEA") if held("EEA", place, now)} == members | {"IS", "LI", "NO"}


@pytest.mark.parametrize("place", ["CH", "TR", "UA", "RS", "US", "XK", "GI", "GG", "JE", "IM", "FO", "GL"])
def test_others_never_were(place: str) -> None:
    for year in range(1950, 2030, 5):
        assert not held("EEA", place, parse_instant(f"{year}-06-01"))
        assert not held("EU", place, parse_instant(f"{year}-06-01"))


@pytest.mark.parametrize(
    ("listed", "place", "close"),
    [
        ("US-CA", "US-CA", 3),
        ("US", "US", 3),
        ("US", "US-CA", 2),
        ("US-CA", "US", 0),
        ("US-CA", "US-NY", 0),
        ("EU", "DE", 1),
        ("EU", "DE-BY", 1),
        ("EEA", "NO", 1),
        ("EU", "NO", 0),
        ("CN", "CN-BJ", 2),
        ("CN", "HK", 0),
        ("CN", "MO", 0),
        ("CN", "TW", 0),
        ("HK", "HK", 3),
        ("GB", "GB-SCT", 2),
        ("U", "US", 0),
    ],
)
def test_how_closely_a_listed_place_holds_another(listed: str, place: str, close: int) -> None:
    assert specificity(listed, place, parse_instant("2024-01-01")) == close


def test_spellings_and_codes() -> None:
    assert [check_place(one) for one in ("CN-HK", "CN-MO", "CN-TW")] == ["HK", "MO", "TW"]
    for code in ("US", "US-CA", "GB-SCT", "FR-75", "US-NY1", "XK", "QM", "ZZ", "AA"):
        assert check_place(code) == check_listed_place(code) == code
    assert [check_listed_place(one) for one in ("EU", "EEA")] == ["EU", "EEA"]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("UK", "GB"),
        ("EL", "GR"),
        ("us", "US"),
        ("us-ca", "US-CA"),
        ("EU", None),
        ("EEA", None),
        ("", None),
        ("U", None),
        ("USA", None),
        ("US-", None),
        ("US-CALI", None),
        ("US_CA", None),
        ("AB", None),
        ("Norway", None),
        ("US\n", None),
    ],
)
def test_what_is_no_place_is_refused_with_a_hint_where_there_is_one(text: str, hint: str | None) -> None:
    with pytest.raises(BadInput, match=r"expected a place of ISO 3166") as caught:
        check_place(text)
    assert caught.value.remedy == (f"did you mean {hint}?" if hint else None)


def test_an_unknown_attribute_is_in_no_audience_that_names_it() -> None:
    for side in (Membership(inside=("US",)), Membership(outside=("US",)), Membership(("US",), ("DE",))):
        assert not Audience(jurisdictions=side).holds(None, "basic", 0)
        assert not Audience(tiers=side).holds("US", None, 0)
    assert Audience().holds(None, None, 0)
    assert Audience(tiers=Membership(inside=("basic",))).holds(None, "basic", 0)


def test_both_sides_of_an_audience_must_hold() -> None:
    audience = Audience(
        jurisdictions=Membership(inside=("EU",), outside=("DE",)), tiers=Membership(outside=("premium",))
    )
    now = parse_instant("2024-01-01")
    assert audience.holds("FR", "basic", now)
    assert not audience.holds("DE", "basic", now)
    assert not audience.holds("DE-BY", "basic", now)
    assert not audience.holds("US", "basic", now)
    assert not audience.holds("FR", "premium", now)
    assert not Audience(jurisdictions=Membership(inside=())).holds("FR", "basic", now)
