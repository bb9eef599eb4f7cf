"""What one sentence says that somebody does with somebody's data: actor, action, mode, condition.

Rules and word lists only: the same sentence always reads the same, offline, in linear time, and each practice names
the rule that read it. ``clauses`` knows who acts; ``training`` finds where training is spoken of.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from troth.watch import words as w
from troth.watch.clauses import Clauses
from troth.watch.meaning import (
    AFFILIATE,
    READER,
    SERVICE,
    THIRD,
    categories_of,
    condition_of,
    denied_later,
    is_off,
    not_on_yours,
    only_if_agreed,
    owns,
    recipient_of,
    reserved,
    says_forbidden,
    trained_on_readers,
    whose_data,
)
from troth.watch.text import Sentence, is_question
from troth.watch.tokens import names, tokenise
from troth.watch.training import Hit, of_people, training_hits

_SHORT, _OUTRIGHT, _NAMED = 6, 90, 98


@dataclass(frozen=True, slots=True)
class Practice:
    """Who does what with whose data, of which category, for what, towards whom; and the rule that read it.

    ``mode`` is ``may``, ``will``, ``will-not`` or ``may-not``; ``condition`` ``consent``, ``opt-out``, ``setting`` or
    None. ``implied``: the sentence takes the practice for granted (an opt-out, an announcement).
    """

    actor: str
    action: str
    mode: str
    whose: str
    categories: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ()
    recipient: str | None = None
    condition: str | None = None
    reaches_back: bool = False
    implied: bool = False
    rule: str = ""
    strength: int = 0

    @property
    def affirmed(self) -> bool:
        """Whether the actor does it, or may."""
        return self.mode in ("may", "will")

    @property
    def binds_reader(self) -> bool:
        """Whether it is the reader who is told what to do."""
        return self.actor == READER

    def as_json(self) -> dict[str, object]:
        """Plain JSON values."""
        return {
            "actor": self.actor,
            "action": self.action,
            "mode": self.mode,
            "whose": self.whose,
            "categories": list(self.categories),
            "purposes": list(self.purposes),
            "recipient": self.recipient,
            "condition": self.condition,
            "reaches_back": self.reaches_back,
        }


def practices(sentence: Sentence) -> tuple[Practice, ...]:
    """The practices that a sentence speaks of, in its order."""
    heading = sentence.heading if sentence.kind in ("item", "cell") else ""
    return _read(sentence.text, sentence.stem, heading, sentence.kind)


@lru_cache(maxsize=100_000)
def _read(text: str, stem: str, heading: str, kind: str) -> tuple[Practice, ...]:
    if is_question(text):
        return ()
    tokens = tokenise(text)
    if stem.endswith("?") and is_question(stem) and tokens[:1] in (("no",), ("yes",)):
        return _answer(tokens[0] == "yes", stem, kind)
    above = tokenise(stem) if stem else ()
    hits = {hit.at: hit for hit in training_hits(tokens, above)}
    if not hits and not any(word in w.ACTIONS for word in tokens):
        return ()
    walk = Clauses(tokens, names(text))
    if stem or heading:
        walk.begin(above, names(stem), tokenise(heading))
    found: list[Practice] = []
    for index, word in enumerate(tokens):
        walk.step(index, word)
        if index in hits:
            practice = _training(walk, hits[index], kind)
        elif word in w.ACTIONS:
            practice = _other(walk, index, word, kind)
        else:
            continue
        if practice is not None:
            found.append(practice)
    if any(one.action == "train" for one in found):
        # "we do not use your files to train": one promise, not two.
        found = [one for one in found if one.action != "use"]
    return tuple(found)


def _answer(yes: bool, question: str, kind: str) -> tuple[Practice, ...]:
    """ "Do you train AI on my posts? No.": the question as a statement, affirmed or denied."""
    words = tokenise(question.rstrip("? "))
    if frozenset(words) & frozenset(("my", "i", "me")):
        words = tuple(_ASIDE.get(word, word) for word in words)
    found = _read(" ".join(words), "", "", kind)
    if yes:
        return found
    turned = (
        replace(one, mode="will-not", rule=f"{one.rule}-denied-in-answer") for one in found if one.affirmed
    )
    return tuple(turned)


_ASIDE = {"you": "we", "your": "our", "my": "your", "i": "you", "me": "you", "mine": "yours"}


# --- training


@dataclass(frozen=True, slots=True)
class _Direction:
    """Who trains, whether it is denied, and whether it is only implied; ``actor`` None: nobody in particular."""

    actor: str | None
    negated: bool
    implied: bool = False


def _training(walk: Clauses, hit: Hit, kind: str) -> Practice | None:
    whose = whose_data(walk.tokens, walk.stem, walk.actor is not None)
    way = _settled(walk, hit, whose, _first_reading(walk, hit, whose), kind)
    actor, negated = way.actor, way.negated
    if actor is None:
        return None
    served = actor != READER and not negated
    if served and hit.passive and not way.implied and not trained_on_readers(walk.tokens[hit.at + 1 :]):
        # "models are trained on large amounts of text": nobody's data in particular.
        return None
    if served and whose != READER and frozenset(walk.tokens[max(0, hit.at - 8) : hit.at]) & w.OFFER:
        # "we offer computing power to train models": what is sold, not what is done.
        return None
    if served and hit.own_of_reader and actor != THIRD:
        # A model made for the reader alone.
        return None
    if actor == READER:
        rule, mode = "rule-for-the-reader", "may-not" if negated else "may"
    elif negated:
        rule, mode = "promise-not-to-train", "will-not"
    else:
        rule = "training-implied-by-opt-out" if way.implied else hit.rule
        mode = "will" if walk.modal == "will" else "may"
    return Practice(
        actor=actor,
        action="train",
        mode=mode,
        whose=whose,
        categories=categories_of(walk.tokens),
        purposes=hit.purposes,
        recipient=THIRD if actor == THIRD else None,
        condition=condition_of(walk.tokens) or ("opt-out" if way.implied else None),
        reaches_back=not negated and bool(frozenset(walk.tokens) & w.BACK),
        implied=way.implied or hit.announced,
        rule=rule,
        strength=_strength(walk, hit, whose, way, kind),
    )


def _first_reading(walk: Clauses, hit: Hit, whose: str) -> _Direction:
    """What the clause says, and what stands behind the place."""
    actor, rest = walk.acting, walk.tokens[hit.at :]
    told = reserved(walk.tokens, hit.at, actor, whose)
    if walk.opt and actor in (READER, None) and not told:
        return _Direction(SERVICE, denied_later(rest), implied=True)
    if actor != READER and is_off(rest):
        return _Direction(actor, True)
    if not walk.negated and (not_on_yours(rest) or (actor != READER and only_if_agreed(walk.tokens))):
        return _Direction(actor, True)
    if told:
        return _Direction(READER, True)
    if says_forbidden(rest):
        return _Direction(actor if actor == SERVICE and whose == READER else READER, True)
    return _Direction(actor, walk.negated)


def _settled(walk: Clauses, hit: Hit, whose: str, way: _Direction, kind: str) -> _Direction:
    """Who it is in the end: nobody named, others who are told, those who scrape."""
    words = frozenset(walk.tokens)
    actor, negated = way.actor, way.negated
    if actor is None:
        actor = _by_default(walk, hit, whose, negated, kind)
    elif (actor == THIRD and (negated and whose != READER)) or (
        actor == THIRD and words & w.SCRAPE and not words & frozenset(("we", "us"))
    ):
        actor = READER
    if actor is not None and walk.stopping and negated and whose != READER:
        # "we do not allow anyone to …": a rule, unless it is the reader's data that is kept from others.
        actor = actor if words & frozenset(("your", "yours", "personal")) else READER
    return _Direction(actor, negated, way.implied)


def _by_default(walk: Clauses, hit: Hit, whose: str, negated: bool, kind: str) -> str | None:
    """Who acts where no subject is named; None: nobody in particular, so nothing is said of a practice."""
    words = frozenset(walk.tokens)
    reads = words | walk.context
    ours = "our" in words
    if words & w.SCRAPE and "we" not in reads:
        return READER
    if negated:
        says = "used" in words and not ours and (words & frozenset(("is", "are")) or walk.modal == "will")
        return SERVICE if whose == READER or says or is_off(walk.tokens) else READER
    if whose == READER or "we" in reads or "us" in reads:
        return SERVICE
    if _is_used(walk.tokens) and not words & w.EVERYWHERE:
        return SERVICE
    if words & frozenset(("purposes", "purpose")) and words & frozenset(("processing", "processed")):
        return SERVICE
    practice = kind in ("item", "cell") and bool(walk.context & w.PRACTICE_HEADS)
    if walk.at(0) in w.BARE_VERBS and words & w.SERVICE_THINGS and "your" not in words:
        return None if practice and ours else READER
    purpose = walk.at(0) in w.PURPOSE_STARTS and not hit.passive
    return SERVICE if ours or practice or purpose else None


def _we_have(tokens: tuple[str, ...]) -> bool:
    """ "the information that we collect"."""
    return any(
        word in ("information", "data") and frozenset(tokens[index + 1 : index + 4]) & _HAVE
        for index, word in enumerate(tokens)
    )


_HAVE = frozenset("collect collected receive received submitted provided have".split())


def _is_used(tokens: tuple[str, ...]) -> bool:
    """ "clips are uploaded and used to train models": data is the subject of what is done."""
    at = tokens.index("used") if "used" in tokens else 0
    acts = frozenset(tokens[max(0, at - 6) : at]) & frozenset(("is", "are", "be"))
    return bool(acts) and any(one in w.DATA for one in tokens[:at])


def _strength(walk: Clauses, hit: Hit, whose: str, way: _Direction, kind: str) -> int:
    """How plainly a sentence says it, in steps of ten: what is shown first. Within a step the earlier comes first.

    Training said outright comes before building and improving; the reader's data before public or unnamed data;
    a statement before a heading, a mere fragment, an announcement, or the description of a choice. Within a step,
    one that names what is trained ("machine learning models") comes before one that points back ("these models").
    """
    public = bool(frozenset(walk.tokens) & frozenset(("publicly", "public")))
    steps = 5 if hit.strength >= _OUTRIGHT else 4
    plainly = whose == READER and (of_people(walk.tokens) or of_people(walk.stem) or _we_have(walk.tokens))
    steps += 1 if plainly and not public else -1 if public else 0
    steps -= 3 if way.implied or hit.announced else 0
    steps -= 3 if kind == "heading" else 0
    steps -= 1 if len(walk.tokens) < _SHORT and not walk.stem else 0
    return 10 * steps + (1 if hit.strength >= _NAMED else 0)


# --- other practices


def _other(walk: Clauses, index: int, word: str, kind: str) -> Practice | None:
    """Sharing, selling, collecting, keeping, …: only where an actor and the reader's data are named."""
    if w.ACTIONS[word] == "license":
        return _licence(walk, index)
    before = walk.at(index - 1)
    passive = before in ("be", "is", "are", "been", "being")
    if not (passive or before in w.VERB_BEFORE or before.endswith("ly") or before in walk.names):
        return None
    behind = walk.tokens[max(0, index - 9) : index]
    span = walk.tokens[index + 1 : index + 22]
    owned = (
        any(one in w.OWNED for one in behind) and any(one in w.DATA for one in behind)
        if passive
        else owns(span)
    )
    actor = _actor_of_other(walk, passive, kind)
    action = w.ACTIONS[word]
    if not owned or actor is None:
        return None
    if action == "use" and not (walk.negated and actor != READER):
        # Everybody uses; who says that they do not, promises.
        return None
    around = walk.tokens[max(0, index - 8) : index + 30]
    if actor == READER:
        mode = "may-not" if walk.negated else "may"
    else:
        mode = "will-not" if walk.negated else "may" if walk.modal == "may" else "will"
    return Practice(
        actor=actor,
        action=action,
        mode=mode,
        whose=READER,
        categories=categories_of(around),
        purposes=tuple(sorted({w.PURPOSES[one] for one in around if one in w.PURPOSES})),
        recipient=recipient_of(span) if action in ("share", "sell") else None,
        condition=condition_of(walk.tokens),
        rule=f"{action}-by-{actor.replace('_', '-')}",
        strength=4 if walk.explicit else 0,
    )


def _licence(walk: Clauses, index: int) -> Practice | None:
    """ "you grant us a licence to use the messages that you send"."""
    behind = walk.tokens[index + 1 : index + 45]
    granted = walk.actor == SERVICE and bool(frozenset(walk.tokens[:index]) & w.GRANT)
    if not granted or not any(one in w.DATA for one in behind):
        return None
    if not frozenset(behind) & frozenset(("you", "your", "member", "user")):
        return None
    return Practice(
        actor=SERVICE,
        action="license",
        mode="will-not" if walk.negated else "may",
        whose=READER,
        categories=categories_of(behind),
        purposes=tuple(sorted({w.PURPOSES[one] for one in behind if one in w.PURPOSES})),
        condition=condition_of(walk.tokens),
        rule="licence-granted",
        strength=4,
    )


def _actor_of_other(walk: Clauses, passive: bool, kind: str) -> str | None:
    actor = walk.acting
    if actor is None and (passive or (kind == "item" and "we" in walk.context)):
        actor = SERVICE
    if (walk.opt and actor in (READER, SERVICE)) or (actor in (THIRD, AFFILIATE) and "only" in walk.tokens):
        return None
    return actor
