"""What decisions say beside reasons: clauses, roles, birthdays. Also run against mutants of the reference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from troth.core.events import Accept, Attributes, Choose, Consent, Event, Notice, Regime, Setting
from troth.core.terms import Clause, Condition, Terms
from troth.core.values import Record, Use

ALL = ("any",)
USE = Use("train.generative", "operator")


def clause(
    name: str, effect: str = "permit", purposes: tuple[str, ...] = ("train",), **others: Any
) -> Clause:
    return Clause(name, effect, purposes, ("post",), ALL, **others)


def version(document: str, name: str, at: int, *clauses: Clause, kind: str = "privacy_policy") -> Terms:
    return Terms(document, kind, name, at, at, clauses)


ANN = Attributes("ann", 1, (("jurisdiction", "US"), ("born", (1900, 1, 1))))
TERMS_ENOUGH = Regime(("US",), "terms")

# name: events, T; the record is of instant 10 unless said.
WORLDS: dict[str, tuple[list[Event], int, int | None]] = {
    "one permit at both instants, once": (
        [version("p", "1", 0, clause("a"), clause("b", purposes=("ads",)))],
        20,
        10,
    ),
    "permits of both instants, those of t0 first": (
        [version("p", "1", 0, clause("a")), version("p", "2", 15, clause("z")), Notice("p", "2", "ann", 15)],
        20,
        10,
    ),
    "a promise stands before permits": (
        [version("p", "1", 0, clause("a")), version("s", "1", 12, clause("no", "forbid"), kind="statement")],
        20,
        10,
    ),
    "promises of both instants, each once": (
        [
            version("s", "1", 0, clause("no", "forbid"), clause("only", "limit", ("ads",)), kind="statement"),
            version("q", "1", 12, clause("never", "forbid", ALL), kind="faq"),
        ],
        20,
        10,
    ),
    "a promise that a consent lifts is not cited": (
        [
            version("s", "1", 0, clause("no", "forbid"), kind="statement"),
            Consent("c", "ann", ALL, ALL, ALL, 5),
        ],
        20,
        10,
    ),
    "of a change made quietly the permit that is not binding": (
        [version("p", "1", 0), version("p", "2", 5, clause("quiet"), clause("other", purposes=("ads",)))],
        20,
        10,
    ),
    "nothing quiet where something else is the matter": (
        [
            version("p", "1", 0, clause("old", condition=Condition("g"))),
            Setting("g", (), introduced_at=0),
            Choose("ann", "g", on=False, at=2),
            version("q", "2", 5, clause("quiet")),
        ],
        20,
        10,
    ),
    "what came later and does not reach back": (
        [version("p", "2", 15, clause("late")), Notice("p", "2", "ann", 15)],
        20,
        10,
    ),
    "what reaches back": (
        [version("p", "2", 15, clause("late", reaches_back=True)), Accept("p", "2", "ann", 16, "click")],
        20,
        10,
    ),
    "the same id in two documents is two clauses": (
        [version("p", "1", 0, clause("a")), version("q", "1", 0, clause("a"))],
        20,
        10,
    ),
    "nothing while the time is not known": ([version("p", "1", 0, clause("a"))], 20, None),
}

CITED: dict[str, list[tuple[str, str, str]]] = {
    "one permit at both instants, once": [("p", "1", "a")],
    "permits of both instants, those of t0 first": [("p", "1", "a"), ("p", "2", "z")],
    "a promise stands before permits": [("s", "1", "no"), ("p", "1", "a")],
    "promises of both instants, each once": [("s", "1", "no"), ("s", "1", "only"), ("q", "1", "never")],
    "a promise that a consent lifts is not cited": [],
    "of a change made quietly the permit that is not binding": [("p", "2", "quiet")],
    "nothing quiet where something else is the matter": [("p", "1", "old")],
    "what came later and does not reach back": [("p", "2", "late")],
    "what reaches back": [("p", "2", "late")],
    "the same id in two documents is two clauses": [("p", "1", "a"), ("q", "1", "a")],
    "nothing while the time is not known": [],
}
"""(document, version, clause), in the order in which a reader should see them."""


def citations(decide: Callable[..., Any], known: Callable[..., Any]) -> dict[str, list[tuple[str, str, str]]]:
    """What a decision cites of each world."""
    found = {}
    for name, (events, at, t0) in WORLDS.items():
        world = known(enumerate([TERMS_ENOUGH, ANN, *events]))
        (party,) = decide(Record("r", "post", t0, "ann"), USE, at, world).parties
        found[name] = [(one.terms.document, one.terms.version, one.clause.id) for one in party.clauses]
    return found


ROLES = [("ann", "author"), ("bob", "addressee"), ("zed", "addressee")]


def roles(decide: Callable[..., Any], known: Callable[..., Any]) -> list[tuple[str, str]]:
    """The parties of a message whose author is an addressee too, with their roles."""
    record = Record("r", "private_message", 1, "ann", ("bob", "ann", "bob", "zed"))
    world = known(enumerate([Attributes("ann", 0), Attributes("bob", 0)]))
    return [(one.subject, one.role) for one in decide(record, USE, 5, world).parties]


Day = tuple[int, int, int]

AGES: dict[tuple[Day, int], Day] = {
    ((2000, 5, 17), 18): (2018, 5, 17),
    ((2000, 12, 31), 18): (2018, 12, 31),
    ((2000, 2, 29), 18): (2018, 3, 1),
    ((2000, 2, 29), 16): (2016, 2, 29),
    ((2000, 2, 29), 17): (2017, 3, 1),
    ((1884, 2, 29), 16): (1900, 3, 1),
    ((1984, 2, 29), 16): (2000, 2, 29),
    ((2000, 2, 28), 18): (2018, 2, 28),
    ((2000, 1, 29), 18): (2018, 1, 29),
    ((2001, 1, 29), 18): (2019, 1, 29),
    ((2001, 3, 29), 18): (2019, 3, 29),
    ((2001, 2, 2), 18): (2019, 2, 2),
    ((9990, 1, 1), 18): (10008, 1, 1),
}
"""By birthday and years, the day on which somebody comes of age."""


def ages(comes_of_age: Callable[..., Any]) -> dict[tuple[Day, int], Day]:
    """What a module says of these."""
    return {asked: comes_of_age(*asked) for asked in AGES}
