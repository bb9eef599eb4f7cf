"""Where a sentence speaks of training: training, tuning or building of models on something.

Finds places, not directions: who trains, and whether it is denied, is read in ``practices``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from troth.watch import words as w
from troth.watch.meaning import comes_from_people

_STOPS: Final = frozenset(
    "using with through by via when that which who where how if while because so about until"
    " unless except whether but".split()
)
_PREPOSITIONS: Final = frozenset("from on upon in into for against at".split())
_OUR: Final = frozenset("our its their own such new certain".split())
_ANNOUNCE: Final = frozenset(
    "updated updating update announcing announcement changes clarify clarified explain explains"
    " notice".split()
)
_QUALITIES: Final = frozenset(
    "accuracy quality performance relevance safety capabilities functioning reliability understanding responses".split()
)
_ANALYSE: Final = frozenset(
    "analyze analyzes analyse analyses analyzing analysing analysis analyzed analysed".split()
)
_FAR, _NEAR, _CLOSE, _OBJECT = 18, 7, 5, 14


@dataclass(frozen=True, slots=True)
class Hit:
    """A place of training: index of its word, the rule, how strongly it says so."""

    at: int
    rule: str
    strength: int
    purposes: tuple[str, ...] = ("train",)
    own_of_reader: bool = False
    passive: bool = False
    announced: bool = False


def training_hits(tokens: tuple[str, ...], stem: tuple[str, ...] = ()) -> list[Hit]:
    """All places of a sentence that speak of training, left to right; ``stem`` gives context only."""
    all_tokens = frozenset(tokens)
    if not all_tokens & _MAY_SPEAK:
        return []
    has_ai = bool(all_tokens & w.AI_CORE or frozenset(stem) & w.AI_CORE)
    theirs = of_people(tokens) or of_people(stem)
    announced = bool(all_tokens & _ANNOUNCE and all_tokens & _PAPERS)
    found: list[Hit] = []
    for index, word in enumerate(tokens):
        hit = None
        if word in w.TRAIN:
            hit = _trains(tokens, index, has_ai, theirs)
        elif (
            has_ai and (word in w.BUILD or word in w.BUILD_NOUN) and (theirs or not _was_done(tokens, index))
        ):
            hit = _builds(tokens, index, theirs)
        elif has_ai and word in _LEARN:
            hit = _learns(tokens, index)
        elif word in ("ml", "ai") and (index == 0 or tokens[index - 1] in ("for", "and", "or", "of")):
            hit = _purpose(tokens, index)
        if hit is None and word in w.AI and theirs:
            hit = _given_to_makers(tokens, index)
        if hit is None and has_ai and word in _ANALYSE:
            hit = _analyses(tokens, index)
        if hit is not None:
            rule, strength = hit
            found.append(
                Hit(
                    index,
                    rule,
                    strength,
                    _purposes(tokens),
                    _for_reader(tokens, index),
                    word == "trained" and "which" not in tokens[max(0, index - 6) : index],
                    announced,
                )
            )
    return found


_LEARN: Final = frozenset("learn learns learning learned".split()) | _ANALYSE
_MAY_SPEAK: Final = w.TRAIN | w.BUILD | w.BUILD_NOUN | _LEARN | w.AI
_PAPERS: Final = frozenset("policy notice terms statement agreement section page changes".split())


def of_people(tokens: tuple[str, ...]) -> bool:
    """Whether data of people is named: "your posts", "what you write"."""
    for index, word in enumerate(tokens):
        if word in w.OWNED and any(one in w.DATA for one in tokens[index + 1 : index + 6]):
            return True
        if word in w.DATA and comes_from_people(tokens, index):
            return True
        if word in ("you", "users", "members", "customers") and any(
            one in w.SUPPLY for one in tokens[index + 1 : index + 3]
        ):
            return True
    return bool(frozenset(tokens) & w.MADE_BY_PEOPLE)


def _given_to_makers(tokens: tuple[str, ...], index: int) -> tuple[str, int] | None:
    """ "we license your posts to AI companies", "to developers of AI": what is it for, if not for training?"""
    maker = tokens[index + 1 : index + 2] and tokens[index + 1] in w.MAKERS
    of_maker = index > 1 and tokens[index - 1] == "of" and tokens[index - 2] in w.MAKERS
    if not (maker or of_maker):
        return None
    before = frozenset(tokens[max(0, index - 24) : index])
    return ("data-for-makers-of-models", 84) if before & w.GIVES else None


def _purposes(tokens: tuple[str, ...]) -> tuple[str, ...]:
    words = frozenset(tokens)
    generative = bool(
        words & frozenset(("generative", "llm", "llms", "content-generating", "genai", "generate", "chatbot"))
    )
    return ("train.generative",) if generative else ("train",)


def _for_reader(tokens: tuple[str, ...], index: int) -> bool:
    """ "to train your own custom model": for the reader."""
    span = tokens[index + 1 : index + 6]
    if "own" in span and "their" in span:
        return True
    return (
        bool(span)
        and span[0] in ("your", "customer's")
        and any(one in w.MODEL or one in w.AI for one in span[1:])
    )


def _trains(tokens: tuple[str, ...], index: int, has_ai: bool, of_people: bool) -> tuple[str, int] | None:
    """ "train our models": what follows says what is trained; else what stands before; else what the rest allows."""
    word = tokens[index]
    following = tokens[index + 1 : index + 3]
    if word in w.TRAIN_NOUN and following[:1] == ("in",) and frozenset(following) & w.AI_CORE:
        # "training in machine learning": people learn.
        return None
    people, found = _object_of(tokens, index, has_ai)
    if people or found:
        return found
    near = tokens[max(0, index - (2 if word in w.TRAIN_NOUN else 5)) : index]
    if any(one in w.AI_CORE for one in near) and (following or ("",))[0] not in w.HUMAN:
        if word == "trained" and not _on_data(tokens, index):
            done = "already" in near and of_people
            return ("training-done-already", 90) if done else _was_trained(tokens, index, has_ai, of_people)
        return "train-models", 96
    found = _it(tokens, index) or _on_it(tokens, index, of_people)
    if found is None and (word in w.TRAIN_NOUN or word == "train"):
        return _bare(tokens, index, has_ai, of_people)
    if found is None and word == "trained":
        return _was_trained(tokens, index, has_ai, of_people)
    return found


def _object_of(tokens: tuple[str, ...], index: int, has_ai: bool) -> tuple[bool, tuple[str, int] | None]:
    """Whether people are trained, and otherwise the models or technology that are."""
    word, technology = tokens[index], False
    for step, one in enumerate(tokens[index + 1 : index + 1 + _FAR]):
        if one in w.AI_CORE:
            named = frozenset(tokens[index + 1 + step : index + 5 + step]) & w.AI
            return False, ("train-models", 100 if named else 94)
        by = "by" in tokens[index + 1 : index + 1 + step]
        if one in w.HUMAN and step < _NEAR and not by and _human(tokens, index, step, technology, has_ai):
            return True, None
        if one in (".", ";", ":") or (one in ("we", "you") and step > 1):
            break
        if (one in w.TECHNOLOGY and step < _NEAR) or (
            word in ("train", "finetune") and one in w.FEATURE and step < _CLOSE
        ):
            technology = True
    if not technology:
        return False, None
    return False, ("train-models", 96) if has_ai else ("train-technology", 88)


def _it(tokens: tuple[str, ...], index: int) -> tuple[str, int] | None:
    """ "(your chats with the assistant are used) to train it", "to train and improve it"."""
    if tokens[index] not in ("train", "training", "finetune", "retrain"):
        return None
    after = tokens[index + 1 : index + 2]
    if after in (("and",), ("or",)):
        after = tokens[index + 3 : index + 4]
    if "versions" in tokens[index + 1 : index + 4]:
        after = tokens[index + 4 : index + 5] or after
    if after not in (("it",), ("them",)) or not frozenset(tokens[:index]) & (w.AI_CORE | w.BOTS):
        return None
    return "train-models", 94


def _on_it(tokens: tuple[str, ...], index: int, of_people: bool) -> tuple[str, int] | None:
    """ "we do not train on your files", "we never train on it": services train models, not people, on these."""
    if tokens[index] not in ("train", "trains", "training") or tokens[index + 1 : index + 2] != ("on",):
        return None
    span = tokens[index + 2 : index + 8]
    owned = span[:1] and span[0] in w.OWNED and any(one in w.DATA for one in span[1:])
    pronoun = of_people and span[:1] in (("it",), ("them",), ("this",), ("that",))
    return ("train-on-data", 94) if owned or pronoun else None


def _was_trained(
    tokens: tuple[str, ...], index: int, has_ai: bool, of_people: bool
) -> tuple[str, int] | None:
    """ "is trained on what you post", "the set on which our generator is trained"."""
    known = has_ai or bool(frozenset(tokens) & w.BOTS)
    if known and _on_data(tokens, index):
        return "train-models", 92
    which = "which" in tokens[max(0, index - 6) : index]
    if of_people and which and frozenset(tokens[max(0, index - 4) : index]) & (w.AI_CORE | w.BOTS):
        return "train-models", 90
    return None


def _human(tokens: tuple[str, ...], index: int, step: int, technology: bool, has_ai: bool) -> bool:
    """Whether people are trained: "our staff", "support agents"; not "AI agents", nor "models are trained"."""
    at = index + 1 + step
    if tokens[at] in ("agents", "agent") and not has_ai:
        return True
    near = frozenset(tokens[max(0, index - 8) : index])
    if tokens[index] == "trained" and near & (w.AI_CORE | w.BOTS):
        return False
    if tokens[at] in w.TECHNOLOGY:
        return tokens[at - 1] in ("support", "service", "care", "human", "customer", "sales", "call")
    return not technology


_PROMPTS: Final = frozenset("inputs prompts prompt".split())
"""What is given to models only: "your inputs are excluded from training" speaks of theirs."""


def _bare(tokens: tuple[str, ...], index: int, has_ai: bool, of_people: bool) -> tuple[str, int] | None:
    """ "for training", "training purposes", "as training data" where the sentence speaks of AI."""
    before = tokens[index - 1] if index else ""
    after = tokens[index + 1] if index + 1 < len(tokens) else ""
    if after in ("data", "dataset", "datasets", "corpus", "set", "sets"):
        if has_ai and before in ("as", "for", "of", "our", "into", "its"):
            return "training-data", 92
        lately = frozenset(tokens[max(0, index - 4) : index])
        joins = before != "your" and bool(lately & frozenset(("as", "part", "in", "into", "to")))
        return ("training-data", 90) if of_people and joins else None
    has_ai = (
        has_ai
        or tokens[index].startswith(("finetun", "pretrain"))
        or (of_people and bool(frozenset(tokens) & _PROMPTS))
    )
    if tokens[index] == "training" and "already" in tokens[index : index + 6] and "your" in tokens:
        return "training-done-already", 90
    if not has_ai:
        return None
    if (
        after in ("on", "with")
        and tokens[index + 2 : index + 3]
        and tokens[index + 2]
        in (
            "it",
            "them",
            "your",
            "this",
            "that",
            "these",
            "such",
            "their",
            "the",
            "our",
            "data",
            "user",
            "customer",
            "content",
        )
    ):
        return "train-models", 94
    if before in (
        "for",
        "from",
        "of",
        "and",
        "or",
        "to",
        "in",
        "in-house",
        "this",
        "such",
        "future",
        "further",
        ",",
        "our",
        "that",
        "the",
        "during",
    ):
        return "train-models", 90
    return None


def _on_data(tokens: tuple[str, ...], index: int) -> bool:
    span = tokens[index + 1 : index + 10]
    return (
        bool(span)
        and span[0] in ("on", "with", "using", "by", "from", "in")
        and any(one in w.DATA for one in span)
        and any(one in w.OWNED or one in ("we", "you") for one in span)
    )


def _was_done(tokens: tuple[str, ...], index: int) -> bool:
    """ "we have developed AI": what was done once."""
    return index > 0 and tokens[index - 1] in ("has", "have", "had")


def _builds(tokens: tuple[str, ...], index: int, of_people: bool) -> tuple[str, int] | None:
    """ "develop and improve our machine learning models": building with a model as its object."""
    word = tokens[index]
    noun = word in w.BUILD_NOUN
    if noun:
        after = tokens[index + 1] if index + 1 < len(tokens) else ""
        near = tokens[max(0, index - 3) : index]
        known = any(one in w.AI for one in near) or (
            near[-1:] in (("model",), ("models",)) and not frozenset(near) & w.NO_MODEL and of_people
        )
        if known and after != "of" and word in _DEVELOPMENT:
            return _object_before(tokens, index)
        if after != "of":
            return None
    start = index + (2 if noun else 1)
    for step, one in enumerate(tokens[start : start + _OBJECT]):
        if one in _STOPS or one in _PREPOSITIONS or one in (".", ";", ":", "(", "–", "to"):
            return None
        if one in ("we", "you", "us"):
            return None
        if one == "of" and step and tokens[start + step - 1] not in _QUALITIES:
            return None
        if one in w.AI:
            return _head(tokens, start + step)
        found = _model(tokens, index, start + step, of_people) if one in w.MODEL else None
        if found:
            return found
    return None


_DEVELOPMENT: Final = frozenset("development improvement testing evaluation tuning".split())


def _model(tokens: tuple[str, ...], index: int, at: int, of_people: bool) -> tuple[str, int] | None:
    """ "improve our models", "refine the models that …" where data of people, or AI, is spoken of."""
    verb, before = tokens[index], frozenset(tokens[index + 1 : at])
    if verb in ("create", "creating", "design") or before & w.NO_MODEL:
        return None
    speaks = bool(frozenset(tokens) & w.AI)
    if "our" in before and before & w.TASKS and frozenset(tokens) & w.DATA:
        return "improve-models", 83
    if verb in w.TRIES and not of_people:
        # Who tests a model trains none.
        return None
    if tokens[at] not in ("model", "models"):
        # "recommendation algorithms" are tuned by hand as well; what recognises faces or speech is trained.
        return ("improve-models", 82) if of_people and (before & w.SENSES or speaks) else None
    last = tokens[at - 1]
    if last in ("our", "underlying", "its") or (last == "the" and (speaks or of_people)):
        return "improve-models", 84
    return ("improve-models", 83) if of_people and (before & w.TASKS or last == verb) else None


def _object_before(tokens: tuple[str, ...], index: int) -> tuple[str, int] | None:
    """ "AI development", "model development"."""
    if index and tokens[index - 1] in w.TECHNOLOGY | w.AI_CORE:
        return "build-models", 84
    return None


def _head(tokens: tuple[str, ...], at: int) -> tuple[str, int] | None:
    """What an AI word belongs to: models (built on data) or features (that use them)."""
    for one in tokens[at + 1 : at + 6]:
        if one in w.MODEL or one in ("dataset", "datasets"):
            return "build-models", 92
        if one in w.TECHNOLOGY - frozenset(
            ("tools", "tool", "assistant", "assistants", "chatbot", "chatbots", "agents", "agent")
        ):
            return "build-models", 88
        if one in w.AI or one in (
            "and",
            "or",
            "/",
            ",",
            "generative",
            "other",
            "based",
            "training",
            "ml",
            "(",
            ")",
        ):
            continue
        if one in w.FEATURE or one in w.TECHNOLOGY:
            return None
        break
    words = frozenset(tokens)
    return ("build-models", 86) if words & w.DATA or words & w.OWNED else None


def _learns(tokens: tuple[str, ...], index: int) -> tuple[str, int] | None:
    """ "our models learn from your posts", "(AI features use your posts and) do not learn from them"."""
    if tokens[index] in _ANALYSE:
        return _analyses(tokens, index)
    after = tokens[index + 1 : index + 9]
    if after[:1] != ("from",) or not any(one in w.AI_CORE for one in tokens[max(0, index - 16) : index]):
        return None
    words = frozenset(after)
    near = any(one in w.AI_CORE for one in tokens[max(0, index - 6) : index])
    yours = bool(words & w.DATA and words & (w.OWNED | w.PEOPLE)) or bool(words & w.MADE_BY_PEOPLE)
    it = after[1:2] in (("it",), ("them",)) and of_people(tokens)
    return ("models-learn-from", 82) if (near and yours) or it else None


def _analyses(tokens: tuple[str, ...], index: int) -> tuple[str, int] | None:
    """ "our systems may analyse your content using techniques such as machine learning to improve our services"."""
    span = tokens[index + 1 : index + 45]
    owned = any(one in ("your", "user", "members") for one in span[:5])
    if not owned or "ml" not in span:
        return None
    rest = span[span.index("ml") :]
    improves = any(one in ("improve", "develop", "improving", "developing") for one in rest)
    return ("analyse-to-improve", 80) if improves else None


def _purpose(tokens: tuple[str, ...], index: int) -> tuple[str, int] | None:
    """ "for machine learning purposes"."""
    rest = tokens[index + 1 : index + 5]
    before = tokens[max(0, index - 3) : index]
    if "for" not in before:
        return None
    if any(one in ("purposes", "research", "dataset") for one in rest):
        return "train-models", 84
    if (
        before[-1:] == ("for",)
        and frozenset(tokens) & w.DATA
        and (not rest or rest[0] in (".", ",", "and", "or", "(", ";", "at"))
    ):
        return "train-models", 82
    return None
