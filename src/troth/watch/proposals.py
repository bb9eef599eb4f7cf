"""Clauses read from a document, in the terms files' form, for a person to approve. Nothing here is in force."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from troth.core.events import Default, Setting
from troth.core.terms import (
    EVERYBODY,
    FORBIDDING_KINDS,
    Audience,
    Clause,
    Condition,
    Membership,
    Terms,
)
from troth.watch import words as w
from troth.watch.kinds import slug
from troth.watch.meaning import AFFILIATE, READER, THIRD
from troth.watch.places import places_in
from troth.watch.practices import Practice, practices
from troth.watch.text import Document, Sentence, key_of
from troth.watch.tokens import tokenise

SETTING: Final = "ai-training"
_PURPOSES: Final = {"share": "share", "sell": "sell"}
_RECIPIENTS: Final = {AFFILIATE: "affiliate", THIRD: "third_party"}
_CATEGORIES: Final = {"personal": "any", "data": "any", "content": "any"}
_OURS: Final = {"message": "private_message"}
"""What records are called that the documents call otherwise."""
_OUTSIDE: Final = ("outside", "except", "except in", "excluding", "other than", "apart from", "not in")
_MAX_QUOTE: Final = 1_000


def propose(
    document: Document,
    name: str,
    kind: str,
    version: str,
    published_at: int,
    effective_at: int,
    notice_days: int = 0,
) -> list[Terms | Setting]:
    """The events of a terms file: one version with its clauses, and the switch that it speaks of.

    A document of a kind that may not permit (an FAQ, an e-mail, a statement) gives ``forbid`` and ``limit`` only.
    Empty where nothing was read. Instants in microseconds UTC.
    """
    clauses: dict[Audience, dict[tuple[object, ...], Clause]] = {}
    for sentence in document.sentences:
        for audience, clause in _clauses(sentence, kind):
            clauses.setdefault(audience, {}).setdefault(_name(clause), clause)
    if not clauses:
        return []
    found: list[Terms | Setting] = []
    for audience, some in sorted(clauses.items(), key=lambda one: one[0] != EVERYBODY):
        # A document has one version for each member: what holds in some places is proposed as one of its own.
        found.append(
            Terms(
                document=slug(f"{name} {_spelled(audience)}"),
                kind=kind,
                version=version,
                published_at=published_at,
                effective_at=effective_at,
                clauses=tuple(_numbered(some.values())),
                audience=audience,
                notice_days=notice_days,
            )
        )
    if any(one.condition and one.condition.setting for some in clauses.values() for one in some.values()):
        # On unless it is switched off: that is what an opt-out says.
        found.append(Setting(SETTING, (Default(EVERYBODY, True),), introduced_at=effective_at))
    return found


def _audience(sentence: Sentence, practice: Practice) -> Audience:
    """For whom a sentence on training holds: "members in the EU", "users outside the UK"; without a place, all."""
    places = places_in(sentence.text) if practice.action == "train" else frozenset()
    if not places:
        return EVERYBODY
    named = tuple(sorted(places))
    outside = any(f" {words} " in f" {key_of(sentence.text)} " for words in _OUTSIDE)
    return Audience(Membership(None, named) if outside else Membership(named))


def _spelled(audience: Audience) -> str:
    if audience.jurisdictions is None:
        return ""
    inside, outside = audience.jurisdictions.inside, audience.jurisdictions.outside
    return f"in {' '.join(inside)}" if inside else f"outside {' '.join(outside or ())}"


def _name(clause: Clause) -> tuple[object, ...]:
    return clause.effect, clause.purposes, clause.categories, clause.recipients, clause.condition


def _numbered(clauses: object) -> Iterator[Clause]:
    assert hasattr(clauses, "__iter__")  # noqa: S101
    for number, one in enumerate(clauses, start=1):
        yield Clause(
            f"{one.effect}-{one.purposes[0].replace('.', '-')}-{number}",
            one.effect,
            one.purposes,
            one.categories,
            one.recipients,
            one.condition,
            one.reaches_back,
            one.quote,
        )


def _clauses(sentence: Sentence, kind: str) -> Iterator[tuple[Audience, Clause]]:
    quote = f"{sentence.stem} {sentence.text}" if sentence.stem.endswith((":", "?")) else sentence.text
    quote = quote[:_MAX_QUOTE]
    limit = _limit(sentence, quote)
    if limit:
        yield EVERYBODY, limit
    for practice in practices(sentence):
        clause = _clause(practice, quote)
        if clause and not (clause.effect == "permit" and kind in FORBIDDING_KINDS):
            yield _audience(sentence, practice), clause


def _clause(practice: Practice, quote: str) -> Clause | None:
    if practice.actor == READER:
        return None
    purposes = practice.purposes if practice.action == "train" else (_PURPOSES.get(practice.action, ""),)
    forbids = not practice.affirmed
    # "We never sell your data": to nobody.
    known = practice.action == "train" or practice.recipient or (forbids and practice.action == "sell")
    if purposes == ("",) or not known:
        return None
    condition = None
    if not forbids and practice.condition:
        condition = Condition() if practice.condition == "consent" else Condition(SETTING)
    return Clause(
        "",
        "forbid" if forbids else "permit",
        # Who promises not to train at all promises it of every kind of training, and not to share, for any purpose.
        (("train",) if practice.action == "train" else ("any",)) if forbids else purposes,
        _categories(practice),
        (_recipient(practice, forbids=forbids),),
        condition,
        practice.reaches_back,
        quote,
    )


def _recipient(practice: Practice, *, forbids: bool) -> str:
    if practice.action in _PURPOSES:
        return _RECIPIENTS.get((practice.recipient or THIRD).partition(":")[0], "third_party")
    # What the service says it does not do, it does not have others do either.
    return _RECIPIENTS.get(practice.actor, "any" if forbids else "operator")


def _categories(practice: Practice) -> tuple[str, ...]:
    named = {
        one for one in practice.categories if one not in _CATEGORIES and one not in ("device", "children")
    }
    return _called(named)


def _called(named: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({_OURS.get(one, one) for one in named})) or ("any",)


def _limit(sentence: Sentence, quote: str) -> Clause | None:
    """ "we use your messages only to deliver them": every other purpose is left out."""
    tokens = tokenise(sentence.text)
    if "only" not in tokens or not frozenset(tokens) & frozenset(("use", "used", "process", "processed")):
        return None
    at = tokens.index("only")
    owned = any(one in w.OWNED for one in tokens)
    we = "we" in tokens[: at + 3] or "used" in tokens or "processed" in tokens
    denied = frozenset(tokens[max(0, at - 4) : at]) & w.NOT
    if not owned or not we or denied or "you" in tokens[:at]:
        return None
    purposes = {w.PURPOSES[one] for one in tokens[at:] if one in w.PURPOSES}
    if not purposes or "if" in tokens[at:] or "train" in tokens[at:]:
        return None
    named = {w.CATEGORIES[one] for one in tokens if one in w.CATEGORIES} - set(_CATEGORIES)
    return Clause("", "limit", tuple(sorted(purposes)), _called(named), ("any",), quote=quote)
