"""Mail addresses as people and programs really write them, as the names of parties.

A party is named by the address in lower case; one that has a display name only, by that name in lower case
with single spaces. When in doubt there is a party more, never one less: each party can say no.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

from troth.intake.charsets import decode_words
from troth.intake.rows import MAX_NAME, clean

UNKNOWN: Final = ""
"""Somebody whose account isn't known (the house's form of an addressee who could not be read)."""

# The local part, @, the domain; behind a whole address, the routing domain that Lotus Notes adds
# (`a@b.org@CORP`).
_LOCAL: Final = r"(?:\"[^\"\\]+\"|[^\s<>()\[\],;:\"@]+)"
_DOMAIN: Final = r"[^\s<>()\[\],;:\"'@]+"
_ADDRESS: Final = re.compile(rf"({_LOCAL}@{_DOMAIN}|{_LOCAL}@\[[^\s\[\]]+\])(?:@[^\s<>()@.,;:\"']+)?")
_DOTTED: Final = re.compile(rf"{_LOCAL}@[^\s<>()\[\],;:\"'@.]+\.{_DOMAIN}")
_ROUTED_NAME: Final = re.compile(r"(@[^@\s]{1,100})\s?@\s?[^@\s.]{1,100}$")
_BRACKETS: Final = re.compile(r"<([^<>]*)>")
_COMMENT: Final = re.compile(r"\([^()]*\)")
_GROUP: Final = re.compile(r"[^@<>\"]*:")
_SCHEME: Final = re.compile(r"(?:mailto|smtp):", re.IGNORECASE)
_SPECIAL: Final = re.compile(r"[\"\\(),;<>]")
_QUOTES: Final = " \t\"'`"


@lru_cache(maxsize=16_384)
def parse_list(text: str) -> tuple[str, ...]:
    """The parties of an address list such as a ``To`` header, each once, in order.

    An entry that names nobody (``<>``, ``undisclosed-recipients:;``) is one whose account isn't known.
    """
    if not text.strip():
        return ()
    found = [party for entry in split_list(text) for party in parse_entry(entry) or (UNKNOWN,)]
    return tuple(dict.fromkeys(found)) or (UNKNOWN,)


@lru_cache(maxsize=65_536)
def parse_entry(text: str) -> tuple[str, ...]:
    """The party of one entry ``Name <a@b>``; several where a comma between addresses is missing."""
    if len(text) > 2 * MAX_NAME:
        return (UNKNOWN,)
    text = text.strip()
    bracketed = [inner.strip() for inner in _BRACKETS.findall(text) if inner.strip()]
    if bracketed:
        return tuple(party for inner in bracketed for party in _addresses(inner) or _display(inner))
    if "@" not in text and "=?" in text:
        # Some programs encode name and address in one word.
        decoded = decode_words(text)
        if decoded != text and "=?" not in decoded:
            return parse_list(decoded)
    bare = _BRACKETS.sub(" ", text)
    plain = _COMMENT.sub(" ", bare)
    # A name keeps its comments, which may tell two people apart; a comment alone names nobody.
    return _addresses(plain) or (_display(bare) if _display(plain) else ())


def _addresses(text: str) -> tuple[str, ...]:
    """The addresses in a text, if it holds one."""
    text = _without_prefix(text)
    whole = _ADDRESS.fullmatch(text.strip(_QUOTES)) or _ADDRESS.fullmatch(text)
    if whole is not None:
        return _named(_routed(whole))
    several = [one.lstrip(_QUOTES) for one in _DOTTED.findall(text)]
    return tuple(party for one in several for party in _named(one))


def _display(text: str) -> tuple[str, ...]:
    """A display name as a party's name."""
    name = decode_words(_without_prefix(text)).strip(_QUOTES)
    return _named(_ROUTED_NAME.sub(r"\1", name))


def _without_prefix(text: str) -> str:
    """The text without a scheme, or the name of a group that it begins."""
    text = _SCHEME.sub("", text)
    group = _GROUP.match(text)
    return text[group.end() if group is not None else 0 :].strip(" \t;,")


def _routed(found: re.Match[str]) -> str:
    """The address, without the routing domain where what stands before it is whole by itself."""
    address = found[1]
    return address if "." in address.rpartition("@")[2] else found[0]


def _named(text: str) -> tuple[str, ...]:
    visible = "".join(" " if unicodedata.category(sign) == "Cc" else sign for sign in clean(text))
    name = unicodedata.normalize("NFC", " ".join(visible.split())).lower()
    if not name:
        return ()
    return (name,) if len(name) <= MAX_NAME else (UNKNOWN,)


def split_list(text: str) -> list[str]:
    """The entries of an address list: split at commas and semicolons outside quotes, comments, brackets."""
    entries = _split(text, quotes=True)
    # A quote that is never closed would swallow every party behind it.
    return entries if entries is not None else _split(text, quotes=False) or []


def _split(text: str, *, quotes: bool) -> list[str] | None:
    entries: list[str] = []
    start = depth = 0
    quoted = bracketed = False
    skip = -1
    for found in _SPECIAL.finditer(text):
        sign, at = found[0], found.start()
        if at == skip:
            continue
        if sign == "\\":
            skip = at + 1 if quotes else -1
        elif quoted:
            quoted = sign != '"'
        elif sign == '"':
            quoted = quotes
        elif sign in "()":
            depth = max(0, depth + (1 if sign == "(" else -1)) if quotes else 0
        elif sign in "<>":
            bracketed = sign == "<" and quotes
        elif depth == 0 and not bracketed:
            entries.append(text[start:at])
            start = at + 1
    if quoted or depth or bracketed:
        return None
    entries.append(text[start:])
    # The empty end after `;` or a trailing comma is nobody; `group:;` keeps its name and is somebody.
    return [entry for entry in entries if entry.strip()]
