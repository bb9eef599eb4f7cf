"""Sentences as tokens, with the phrases that mean one thing folded into one word."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from troth.watch.languages import as_english

_FOLDS: Final = (
    (r"\ba\. ?i\.", " ai "),
    (r"\bartificial[- ]intelligence(?: \(ai\))?", "ai"),
    (r"\bmachine[- ]learning(?: \(ml\))?", "ml"),
    (r"\b(?:deep[- ]learning|computer vision|natural language processing)", "ml"),
    (r"\b(?:gen(?:erative)?[- ]?)?ai[- ](?:powered|driven|based|enabled|enhanced|assisted)", "aipowered"),
    (r"\bgen(?:erative)?[- ]?ai\b", " genai "),
    (r"\bai[/ ]ml\b", "ai"),
    (r"\bml[- ](?:powered|driven|based|enabled|enhanced|assisted)", "aipowered"),
    (r"\b(?:large |small )?language models?(?: \(llms?\))?", "llm"),
    (r"\bfoundation(?:al)? models?", "llm"),
    (r"\bgenerative (?:\w+ )?models?", "llm"),
    (r"\bneural net(?:work)?s?", "llm"),
    (r"\bfine[- ]?tun", "finetun"),
    (r"\bpre[- ]train", "pretrain"),
    (r"\bre[- ]train", "retrain"),
    (r"\bopt(?:ing|ed|s)?[- ]out", "optout"),
    (r"\bopt(?:ing|ed|s)?[- ]in\b", "optin"),
    (r"\btext and data[- ]mining|\btext[- ]and[- ]data[- ]mining|\btdm\b", "tdm"),
    (r"\bdata ?sets?\b", "dataset"),
    (
        r"\bincluding,? (?:but )?(?:not limited to|without limitation),?|\b(?:but )?(?:is |are )?not limited to,?",
        "including",
    ),
    (r"\bwithout limit(?:ation|ing)(?: the foregoing| the generality of the foregoing)?,?", " "),
    (r"\bwhether or not\b", "whether"),
    (r"\bnot (?:only|just|merely|necessarily|solely)\b", " "),
    (r"\bno (?:matter|later than|fewer than|less than|more than)\b", " "),
    (r"\bdo not hesitate\b", " "),
    (r"\bor otherwise\b", " "),
    (r"\baddress book", "addressbook"),
    (r"\bcan ?not\b", "cannot"),
    (r"\bcan't\b", "cannot"),
    (r"\bwon't\b", "will not"),
    (r"n't\b", " not"),
    (r"\bwe'(?:re|ve|ll|d)\b", "we"),
    (r"\byou'(?:re|ve|ll|d)\b", "you"),
    (r"\bthey'(?:re|ve|ll|d)\b", "they"),
)
_FOLD: Final = tuple((re.compile(pattern), new) for pattern, new in _FOLDS)
_QUOTES: Final = str.maketrans(
    {"‘": "'", "’": "'", "“": '"', "”": '"', "\u2011": "-", "\u2010": "-", "–": " – ", "—": " – "}
)
_TOKEN: Final = re.compile(r"[^\W_]+(?:['-][^\W_]+)*'?|[,;:()/–.!?]")


@lru_cache(maxsize=20_000)
def tokenise(text: str) -> tuple[str, ...]:
    """The tokens of a sentence: words in lower case and marks."""
    low = as_english(text.translate(_QUOTES)).casefold()
    for pattern, new in _FOLD:
        low = pattern.sub(new, low)
    return tuple(_TOKEN.findall(low))


_NAME: Final = re.compile(
    r"\b([A-Z][\w.&-]*(?: [A-Z][\w.&-]*){0,2}) (?:may|will|can|shall|does|uses|has|reserves|trains|is|do|use"
    r"|and its|and/or its|or its|also|processes|shares|collects)\b"
)


@lru_cache(maxsize=20_000)
def names(text: str) -> frozenset[str]:
    """Last words of capitalised names that a sentence makes the subject of a verb, in lower case."""
    return frozenset(found[1].split(" ")[-1].casefold() for found in _NAME.finditer(text))
