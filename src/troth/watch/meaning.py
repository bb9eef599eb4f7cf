"""Small questions about the words of a sentence: whose data, what is forbidden, under what condition."""

from __future__ import annotations

from troth.watch import words as w

READER, SERVICE, AFFILIATE, THIRD = "reader", "service", "affiliate", "third_party"
UNKNOWN = "unknown"

Tokens = tuple[str, ...]


def whose_data(tokens: Tokens, stem: Tokens, has_actor: bool) -> str:
    """Whose data a sentence speaks of: the reader's, the service's, or unknown."""
    together = (*stem, *tokens)
    if any(_is_readers(together, index, word, has_actor) for index, word in enumerate(together)):
        return READER
    return SERVICE if any(word in w.GENERIC_SERVICE_THINGS for word in together) else UNKNOWN


def _is_readers(tokens: Tokens, index: int, word: str, has_actor: bool) -> bool:
    following = tokens[index + 1 : index + 6]
    owned = word in w.OWNED and any(one in w.DATA for one in following)
    if owned or word in w.OWNED or (word in w.DATA and comes_from_people(tokens, index)):
        return owned or word in w.DATA
    if word in w.PEOPLE and word != "we":
        if index and tokens[index - 1] in ("what", "whatever", "anything", "everything"):
            return any(one in w.SUPPLY for one in following)
        if index > 1 and tokens[index - 1] == "of" and tokens[index - 2] in w.FOR_WHOM:
            return False
        near = tokens[max(0, index - 4) : index + 8]
        return any(one in w.SUPPLY for one in following) and any(one in w.DATA for one in near)
    if word == "we":
        return any(one in w.DATA for one in tokens[max(0, index - 2) : index])
    if word in ("information", "data"):
        return _is_of_people(tokens, index, following, has_actor)
    return word in w.MADE_BY_PEOPLE and "our" not in tokens[max(0, index - 2) : index]


def comes_from_people(tokens: Tokens, index: int) -> bool:
    """ "content of our customers", "video from your doorbell": whose data it is stands behind it."""
    if tokens[index + 1 : index + 2] not in (("of",), ("from",), ("about",), ("by",)):
        return False
    behind = tokens[index + 2 : index + 4]
    return behind[:1] == ("your",) or any(one in w.PLURAL_FOLK for one in behind)


def is_off(tokens: Tokens) -> bool:
    """ "training on your content is off (by default)"."""
    return any(
        word in ("off", "disabled")
        and (
            tokens[index - 1] in ("is", "are", "stays", "remains")
            or (tokens[index - 1] in ("switched", "turned") and tokens[max(0, index - 2)] in ("is", "are"))
        )
        for index, word in enumerate(tokens)
        if index
    )


def _is_of_people(tokens: Tokens, index: int, following: Tokens, has_actor: bool) -> bool:
    """Bare "data", "information": people's, unless it is public, licensed, ours, or "the data used to …"."""
    next_word = following[0] if following else ""
    if next_word in w.NO_DATA_OF_PEOPLE or (next_word == "used" and not has_actor):
        return False
    before = tokens[max(0, index - 2) : index]
    return not frozenset(before) & frozenset(("public", "publicly", "licensed")) and before[-1:] != ("our",)


def says_forbidden(tokens: Tokens) -> bool:
    """ "… is (strictly) prohibited", "… is not permitted", "… requires a licence"."""
    for index, word in enumerate(tokens):
        if word in w.FORBIDDEN and (not index or tokens[index - 1] in w.FORBIDS_BEFORE):
            return True
        if word in w.PERMITTED and frozenset(tokens[max(0, index - 3) : index]) & frozenset(("not", "never")):
            return True
        if word in ("requires", "require", "needs") and frozenset(tokens[index : index + 6]) & w.LEAVE:
            return True
        if word in ("we", "you", ";") and index:
            return False
    return False


def denied_later(tokens: Tokens) -> bool:
    """ "(if you opt out of training,) we will not …": what follows denies it."""
    return any(
        word in ("we", "us") and frozenset(tokens[index + 1 : index + 4]) & frozenset(("not", "never"))
        for index, word in enumerate(tokens)
    )


def not_on_yours(tokens: Tokens) -> bool:
    """ "(we train on licensed texts,) never on your files", "(training) never includes your files"."""
    if any(
        word in ("not", "never") and tokens[index + 1 : index + 2] and tokens[index + 1] in w.INCLUDES
        for index, word in enumerate(tokens)
    ):
        return True
    return any(
        word in ("not", "never")
        and tokens[index + 1 : index + 2] in (("on",), ("with",), ("your",), ("from",))
        and "your" in tokens[index + 1 : index + 4]
        for index, word in enumerate(tokens)
    )


def only_if_agreed(tokens: Tokens) -> bool:
    """ "only with your consent will we …": a promise not to without it; "we will …, only if you agree" permits."""
    if tokens[:1] != ("only",) or tokens[1:2] not in (("with",), ("if",), ("after",), ("when",)):
        return False
    return bool(frozenset(tokens[2:10]) & (w.CONSENT | w.AGREES))


def trained_on_readers(tokens: Tokens) -> bool:
    """ "(models that are trained) on what you post": whether the words behind name the reader's data."""
    span = tokens[:14]
    for stop in ("to", ".", ";", ",", "which"):
        span = span[: span.index(stop)] if stop in span else span
    words = frozenset(span)
    return bool(words & (w.OWNED | w.PEOPLE)) and bool(words & (w.DATA | w.SUPPLY))


def reserved(tokens: Tokens, at: int, actor: str | None, whose: str) -> bool:
    """ "text and data mining is reserved", "… is a violation of these terms": it is the reader who is told."""
    words = frozenset(tokens)
    if whose == READER and "your" in words:
        return False
    mining = "tdm" in words and "our" not in tokens[max(0, at - 3) : at]
    return mining or "reserved" in words or (actor is None and bool(words & w.BREACH))


def condition_of(tokens: Tokens) -> str | None:
    """``consent``, ``opt-out`` or ``setting``, where a sentence names one."""
    words = frozenset(tokens)
    if words & w.CONSENT and "without" not in words:
        return "consent"
    if words & frozenset(("optout", "object", "disable")):
        return "opt-out"
    return "setting" if words & frozenset(("setting", "settings", "toggle")) else None


def recipient_of(tokens: Tokens) -> str | None:
    """Towards whom: what follows "with" or "to"."""
    for index, word in enumerate(tokens):
        if word not in ("with", "to", "by"):
            continue
        ahead = frozenset(tokens[index + 1 : index + 10])
        if ahead & frozenset(("affiliates", "affiliate", "subsidiaries", "parent", "group")):
            return AFFILIATE
        if ahead & frozenset(("advertisers", "advertising", "ad")):
            return "third_party:advertising"
        if ahead & frozenset(("law", "government", "authorities", "courts", "regulators")):
            return "third_party:authorities"
        if ahead & w.THIRD_NOUNS or ahead & frozenset(("third", "third-party")):
            return THIRD
    return None


def owns(tokens: Tokens) -> bool:
    """Whether a span behind a verb names the reader's data."""
    for index, word in enumerate(tokens):
        if word in ("we", ";"):
            return False
        if word in w.OWNED and any(one in w.DATA for one in tokens[index + 1 : index + 6]):
            return True
        if (
            word in ("information", "data")
            and tokens[index + 1 : index + 2] in _ABOUT
            and len(tokens) > index + 2
        ):
            return True
    return False


_ABOUT = (("about",), ("you",), ("we",), ("that",), ("from",))


def categories_of(tokens: Tokens) -> tuple[str, ...]:
    """Categories of data that are named."""
    return tuple(sorted({w.CATEGORIES[word] for word in tokens if word in w.CATEGORIES}))
