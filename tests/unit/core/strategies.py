"""Hypothesis strategies for everything that a ledger records."""

from __future__ import annotations

from hypothesis import strategies as st

from troth.core.events import (
    REGIMES,
    STATUSES,
    Accept,
    Attributes,
    Choose,
    Consent,
    Default,
    Erase,
    Event,
    Notice,
    Objection,
    Regime,
    Rules,
    Setting,
    Withdraw,
)
from troth.core.terms import (
    FORBIDDING_KINDS,
    PERMITTING_KINDS,
    Audience,
    Clause,
    Condition,
    Membership,
    Terms,
)

FIRST = -62_135_596_800_000_000
"""0001-01-01T00:00:00Z."""
LAST = 253_402_300_799_999_999
"""9999-12-31T23:59:59.999999Z."""

instants = st.integers(FIRST, LAST)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
flags = st.booleans()

_word = st.from_regex(r"[A-Za-z0-9_-]{1,6}", fullmatch=True)
_path = st.lists(_word, min_size=1, max_size=3).map(".".join)
purposes = _path
categories = _path | st.tuples(_path, _path).map(":".join) | st.just("any")
recipients = st.sampled_from(["any", "operator", "affiliate", "third_party", "processor"]) | st.tuples(
    st.sampled_from(["affiliate", "third_party", "processor"]), _path
).map(":".join)
places = st.sampled_from(["US", "US-CA", "DE", "DE-BY", "GB", "HK", "MO", "TW", "NO", "CN-BJ", "XK", "QM"])
listed_places = places | st.sampled_from(["EU", "EEA"])
days = st.dates().map(lambda day: (day.year, day.month, day.day))


def listed(values: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[str, ...]]:
    """A list of values, perhaps empty."""
    return st.lists(values, max_size=3).map(tuple)


def perhaps(values: st.SearchStrategy[tuple[str, ...]]) -> st.SearchStrategy[tuple[str, ...] | None]:
    """A list, or none."""
    return st.none() | values


def memberships(values: st.SearchStrategy[str]) -> st.SearchStrategy[Membership | None]:
    """One side, both, or no restriction at all."""
    sides = st.builds(Membership, perhaps(listed(values)), perhaps(listed(values)))
    return st.none() | sides.filter(lambda one: one.inside is not None or one.outside is not None)


audiences = st.builds(Audience, memberships(listed_places), memberships(names))

permits = st.builds(
    Clause,
    id=names,
    effect=st.just("permit"),
    purposes=listed(purposes),
    categories=listed(categories),
    recipients=listed(recipients),
    condition=st.none() | st.builds(Condition, st.none() | names),
    reaches_back=flags,
    quote=st.none() | any_text,
)
promises = st.builds(
    Clause,
    id=names,
    effect=st.sampled_from(["forbid", "limit"]),
    purposes=listed(purposes),
    categories=listed(categories),
    recipients=listed(recipients),
    quote=st.none() | any_text,
)


def _terms(kinds: tuple[str, ...], clauses: st.SearchStrategy[Clause]) -> st.SearchStrategy[Terms]:
    return st.builds(
        Terms,
        document=names,
        kind=st.sampled_from(kinds),
        version=names,
        published_at=instants,
        effective_at=instants,
        clauses=st.lists(clauses, max_size=3, unique_by=lambda one: one.id).map(tuple),
        audience=audiences,
        notice_days=st.integers(0, 400),
    )


terms = _terms(PERMITTING_KINDS, permits | promises) | _terms(FORBIDDING_KINDS, promises)

_defaults = st.lists(st.builds(Default, audiences, flags), max_size=3).map(tuple)
settings = st.builds(Setting, names, _defaults, introduced_at=instants) | st.builds(
    Setting, names, _defaults, since=instants
)

_ATTRIBUTES: dict[str, st.SearchStrategy[object]] = {
    "jurisdiction": st.none() | places,
    "tier": st.none() | names,
    "born": st.none() | days,
    "status": st.none() | st.sampled_from(STATUSES),
}
_named = st.fixed_dictionaries({}, optional=_ATTRIBUTES).map(
    lambda some: tuple((name, some[name]) for name in _ATTRIBUTES if name in some)
)
attributes = st.builds(Attributes, names, instants, _named)

notices = st.builds(Notice, names, names, names | audiences, instants, st.none() | names, flags)
accepts = st.builds(
    Accept, names, names, names, instants, st.sampled_from(["click", "signed", "continued_use"])
)
chooses = st.builds(
    Choose,
    names,
    names,
    flags,
    instants,
    st.sampled_from(["member", "guardian", "operator", "signal"]),
    flags,
)
consents = st.builds(
    Consent,
    names,
    names,
    listed(purposes),
    listed(categories),
    listed(recipients),
    instants,
    flags,
    st.none() | instants,
)
withdrawals = (
    st.builds(Withdraw, names, instants)
    | st.builds(Withdraw, names, instants, setting=names)
    | st.builds(Withdraw, names, instants, consent=names)
)
objections = st.builds(Objection, names, instants)
erasures = st.builds(Erase, names, instants)
regimes = st.builds(
    Regime,
    listed(listed_places),
    st.sampled_from(REGIMES),
    st.none() | instants,
    perhaps(listed(purposes)),
    perhaps(listed(categories)),
    perhaps(listed(recipients)),
)
rules = st.builds(
    Rules,
    perhaps(listed(categories)),
    perhaps(listed(categories)),
    st.none() | st.integers(0, 120),
    st.none() | st.sampled_from(["gap", "adult"]),
    st.none() | flags,
)

KINDS: dict[str, st.SearchStrategy[Event]] = {
    "terms": terms,
    "setting": settings,
    "attributes": attributes,
    "notice": notices,
    "accept": accepts,
    "choose": chooses,
    "consent": consents,
    "withdraw": withdrawals,
    "objection": objections,
    "erase": erasures,
    "regime": regimes,
    "rules": rules,
}
"""A strategy per kind of event: the closed set."""

events: st.SearchStrategy[Event] = st.one_of(*KINDS.values())
