from collections import Counter

import pytest

from troth_network import Network
from troth_network.days import DAY, TODAY
from troth_network.members import make_members
from troth_network.places import COUNTRIES, LEFT_OUT, PLACES, STATES, country


def test_members_are_where_the_published_proportions_put_them() -> None:
    members = make_members(20_000, seed=3)
    known = [place for member in members if (place := member.places[0][1]) is not None]
    counted = Counter(country(place) for place in known)
    for name, millions in COUNTRIES.items():
        share = millions / sum(COUNTRIES.values())
        tolerance = 4 * (share * (1 - share) / len(known)) ** 0.5
        assert counted[name] / len(known) == pytest.approx(share, abs=tolerance), name
    assert set(known) == set(PLACES)


def test_the_places_are_about_as_many_as_the_story_needs() -> None:
    assert len(COUNTRIES) >= 16
    assert sum(STATES.values()) == 100
    assert set(COUNTRIES) > LEFT_OUT


def test_attributes_are_dated_in_order(network: Network) -> None:
    for member in network.members:
        for dated in (member.places, member.tiers):
            instants = [since for since, _ in dated]
            assert instants == sorted(set(instants))
            assert instants[0] == member.joined
        assert member.joined < TODAY
        assert member.place(member.joined - 1) is None
        assert member.tier(member.joined - 1) is None


def test_premium_is_bought_and_cancelled(network: Network) -> None:
    spells = [spell for member in network.members for spell in member.premium_spells]
    assert all(start < end <= TODAY for start, end in spells)
    paid = sum(bool(member.premium_spells) for member in network.members) / len(network.members)
    cancelled = sum(end < TODAY for _, end in spells) / len(spells)
    assert 0.1 < paid < 0.25
    assert 0.35 < cancelled < 0.65


def test_a_few_are_minors_of_unknown_age_gone_or_nowhere(network: Network) -> None:
    members = network.members
    assert 10 <= sum(member.is_young for member in members) <= 100
    assert 20 <= sum(member.born is None for member in members) <= 120
    assert 5 <= sum(any(place is None for _, place in member.places) for member in members) <= 80
    closed = [member for member in members if member.closed_at is not None]
    assert closed
    assert any(member.erased_at is not None for member in members)
    for member in closed:
        assert member.active((member.closed_at or 0) - DAY)
        assert not member.active(member.closed_at or 0)
