"""Where a sentence speaks of training: training, tuning or building of models on something.

Finds places, not directions: who trains, and whether it is denied, is read in ``practices``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from troth.watch import words as w

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
    if not (all_tokens & (w.TRAIN | w.BUILD | w.BUILD_NOUN | _LEARN) or "ml" in all_tokens):
        return []
    has_ai = bool(all_tokens & w.AI_CORE or frozenset(stem) & w.AI_CORE)
    announced = bool(all_tokens & _ANNOUNCE)
    found: list[Hit] = []
    for index, word in enumerate(tokens):
        hit = None
        if word in w.TRAIN:
            hit = _trains(tokens, index, has_ai)
        elif has_ai and (word in w.BUILD or word in w.BUILD_NOUN):
            hit = _builds(tokens, index)
        elif has_ai and word in _LEARN:
            hit = _learns(tokens, index)
        elif word in ("ml", "ai") and (index == 0 or tokens[index - 1] in ("for", "and", "or", "of")):
            hit = _purpose(tokens, index)
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
                    word == "trained",
                    announced,
                )
            )
    return found


_LEARN: Final = frozenset("learn learns learning learned".split()) | _ANALYSE


def _purposes(tokens: tuple[str, ...]) -> tuple[str, ...]:
    words = frozenset(tokens)
    generative = bool(
        words & frozenset(("generative", "llm", "llms", "content-generating", "genai", "generate", "chatbot"))
    )
    return ("train.generative",) if generative else ("train",)


def _for_reader(tokens: tuple[str, ...], index: int) -> bool:
    """ "to train your own custom model": for the reader."""
    span = tokens[index + 1 : index + 6]
    return (
        bool(span)
        and span[0] in ("your", "customer's")
        and any(one in w.MODEL or one in w.AI for one in span[1:])
    )


def _trains(tokens: tuple[str, ...], index: int, has_ai: bool) -> tuple[str, int] | None:
    word = tokens[index]
    technology = False
    for step, one in enumerate(tokens[index + 1 : index + 1 + _FAR]):
        if one in w.AI_CORE:
            return "train-models", 100 if frozenset(
                tokens[index + 1 + step : index + 5 + step]
            ) & w.AI else 94
        if one in w.HUMAN and step < _NEAR and _human(tokens, index, step, technology):
            return None
        if one in (".", ";", ":") or (one in ("we", "you") and step > 1):
            break
        if (one in w.TECHNOLOGY and step < _NEAR) or (
            word in ("train", "finetune") and one in w.FEATURE and step < _CLOSE
        ):
            technology = True
    if technology:
        return ("train-models", 96) if has_ai else ("train-technology", 88)
    near = tokens[max(0, index - (2 if word in w.TRAIN_NOUN else 4)) : index]
    if any(one in w.AI_CORE for one in near) and (tokens[index + 1 : index + 2] or ("",))[0] not in w.HUMAN:
        if word == "trained" and not _on_data(tokens, index):
            return None
        return "train-models", 96
    if word in w.TRAIN_NOUN or word == "train":
        return _bare(tokens, index, has_ai)
    if has_ai and word == "trained" and _on_data(tokens, index):
        return "train-models", 92
    return None


def _human(tokens: tuple[str, ...], index: int, step: int, technology: bool) -> bool:
    """Whether people are trained: "our staff", "support agents"; not "AI agents", nor "models are trained"."""
    at = index + 1 + step
    if tokens[index] == "trained" and any(one in w.AI_CORE for one in tokens[max(0, index - 4) : index]):
        return False
    if tokens[at] in w.TECHNOLOGY:
        return tokens[at - 1] in ("support", "service", "care", "human", "customer", "sales", "call")
    return not technology


def _bare(tokens: tuple[str, ...], index: int, has_ai: bool) -> tuple[str, int] | None:
    """ "for training", "training purposes", "as training data" where the sentence speaks of AI."""
    before = tokens[index - 1] if index else ""
    after = tokens[index + 1] if index + 1 < len(tokens) else ""
    if after in ("data", "dataset", "datasets", "corpus", "set", "sets"):
        return (
            ("training-data", 92) if has_ai and before in ("as", "for", "of", "our", "into", "its") else None
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


def _builds(tokens: tuple[str, ...], index: int) -> tuple[str, int] | None:
    """ "develop and improve our machine learning models": building with a model as its object."""
    word = tokens[index]
    noun = word in w.BUILD_NOUN
    if noun:
        after = tokens[index + 1] if index + 1 < len(tokens) else ""
        near = tokens[max(0, index - 3) : index]
        if (
            any(one in w.AI for one in near)
            and after != "of"
            and word in ("development", "improvement", "testing", "evaluation", "tuning")
        ):
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
        if one in ("model", "models"):
            return _model(tokens, index, tokens[start + step - 1])
    return None


def _model(tokens: tuple[str, ...], index: int, before: str) -> tuple[str, int] | None:
    """ "improve our models", "improve the model" (where AI is spoken of)."""
    if tokens[index] in ("create", "creating", "design"):
        return None
    the = before == "the" and bool(frozenset(tokens) & w.AI)
    return ("improve-models", 84) if the or before in ("our", "underlying", "its") else None


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
    """ "our models learn from your posts"."""
    if tokens[index] in _ANALYSE:
        return _analyses(tokens, index)
    after = tokens[index + 1 : index + 9]
    near = tokens[max(0, index - 6) : index]
    if (
        after[:1] == ("from",)
        and any(one in w.AI_CORE for one in near)
        and any(one in w.DATA for one in after)
    ):
        return "models-learn-from", 82
    return None


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
    if any(one in ("purposes", "research") for one in rest):
        return "train-models", 84
    if (
        before[-1:] == ("for",)
        and frozenset(tokens) & w.DATA
        and (not rest or rest[0] in (".", ",", "and", "or", "(", ";"))
    ):
        return "train-models", 82
    return None
