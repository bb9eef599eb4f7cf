"""Signals that browsers and web sites send: Global Privacy Control, AIPREF's Content-Usage, TDMRep.

They are read here and nothing follows from them here. What cannot be read is no signal, and is said to be none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from troth.core.errors import BadInput
from troth.core.values import parse_instant

MAX_BYTES: Final = 512 * 1024
"""Of a robots.txt file; RFC 9309, 2.5, asks crawlers for at least 500 KiB."""

_PURPOSES: Final = {
    "train-ai": ("train",),
    "train-genai": ("train.generative",),
    "tdm": ("train", "improve"),
    "automated": ("any",),
    "bots": ("any",),
    "all": ("any",),
    "ai-input": ("improve",),
    "search": ("search",),
}
"""The labels of AIPREF drafts, and the purposes that they speak of; where a draft's word is wider, the wider one."""


# Global Privacy Control


def read_gpc(value: str | None) -> bool:
    """Whether a request asks for privacy: the field ``Sec-GPC`` is there and is ``1``; any other value is no signal.

    Source: Global Privacy Control (W3C), "The Sec-GPC Header Field for HTTP Requests".
    """
    return value is not None and value.strip(" \t") == "1"


@dataclass(frozen=True, slots=True)
class GpcSupport:
    """What a site says in ``/.well-known/gpc.json``: whether it abides by the signal, and when it last said so."""

    abides: bool
    updated_at: int | None


def read_gpc_support(text: str) -> GpcSupport:
    """Read ``/.well-known/gpc.json``.

    Raises:
        BadInput: not JSON, or not of that form.
    """
    value = _json(text, "gpc.json")
    if not isinstance(value, dict) or not isinstance(value.get("gpc"), bool):
        raise BadInput("expected a JSON object with gpc: true or false", remedy='such as {"gpc": true}')
    updated = value.get("lastUpdate")
    return GpcSupport(value["gpc"], parse_instant(updated) if isinstance(updated, str) else None)


# AIPREF


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a preference expression says: by label True (may) or False (may not), and labels not known here.

    ``text`` is the expression as it was written, ``line`` its line in a robots.txt file.
    """

    said: Mapping[str, bool]
    unknown: tuple[str, ...]
    text: str
    line: int | None = None

    @property
    def refused(self) -> tuple[str, ...]:
        """The purposes that must not be pursued, each once."""
        found = (one for label, may in self.said.items() if not may for one in _PURPOSES[label])
        return tuple(dict.fromkeys(found))


def read_content_usage(text: str) -> Preferences | None:
    """Read a preference expression: the field ``Content-Usage``, several lines joined by commas.

    A dictionary of RFC 9651 with the tokens ``y`` and ``n``. Other values, parameters and unknown labels say
    nothing; of a field that is no dictionary all is void (RFC 9651, 4.2), and the answer is None.
    """
    from http_sf import Token, parse
    from http_sf.errors import StructuredFieldError

    try:
        found = parse(text.encode("ascii"), tltype="dictionary")
    except (StructuredFieldError, UnicodeEncodeError):
        return None
    said: dict[str, bool] = {}
    unknown: list[str] = []
    for label, member in found.items() if isinstance(found, dict) else ():
        value = member[0] if isinstance(member, tuple) else member
        if label not in _PURPOSES:
            unknown.append(label)
        elif isinstance(value, Token) and str(value) in ("y", "n"):
            said[label] = str(value) == "y"
    return Preferences(said, tuple(unknown), text.strip())


def combined(*preferences: Preferences | None) -> Preferences | None:
    """Several expressions about one thing: a refusal in any of them holds."""
    there = [one for one in preferences if one is not None]
    if not there:
        return None
    said: dict[str, bool] = {}
    for one in there:
        for label, may in one.said.items():
            said[label] = may and said.get(label, True)
    unknown = tuple(dict.fromkeys(label for one in there for label in one.unknown))
    return Preferences(said, unknown, "; ".join(one.text for one in there))


def read_robots(text: str, address: str, agent: str) -> Preferences | None:
    """The preference that a robots.txt file states for a resource.

    The groups of RFC 9309: those that name the agent, else those for ``*``. In them the rule with the longest
    path that begins the resource's; several of one length are combined. A rule without a path is for all.

    Args:
        text: the file.
        address: the resource's address or path.
        agent: the product token of whoever gets it.
    """
    parts = urlsplit(address)
    path = _normal((parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
    groups = list(_groups(text[:MAX_BYTES]))
    mine = [rules for agents, rules in groups if agent.lower() in agents]
    chosen = mine or [rules for agents, rules in groups if "*" in agents]
    best: dict[int, list[Preferences]] = {}
    for rules in chosen:
        for pattern, found in rules:
            if _matches(pattern, path):
                best.setdefault(len(pattern), []).append(found)
    return combined(*best[max(best)]) if best else None


_Rule = tuple[str, Preferences]


def _groups(text: str) -> Iterator[tuple[set[str], list[_Rule]]]:
    agents: set[str] = set()
    rules: list[_Rule] = []
    naming = False
    for number, raw in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        key, colon, value = raw.partition("#")[0].partition(":")
        key, value = key.strip().lower(), value.strip()
        if not colon:
            continue
        if key == "user-agent":
            if not naming and agents:
                yield agents, rules
                agents, rules = set(), []
            agents.add(value.lower())
            naming = True
            continue
        naming = naming and key == "sitemap"
        if key == "content-usage" and agents:
            pattern, _, rest = value.partition(" ") if value.startswith("/") else ("", "", value)
            found = read_content_usage(rest)
            if found is not None:
                rules.append((_normal(pattern), Preferences(found.said, found.unknown, value, number)))
    if agents:
        yield agents, rules


def _normal(path: str) -> str:
    """A path in one spelling: percent escapes of characters that need none are undone."""
    return quote(unquote(path), safe="/*$?&=:@!'()+,;~-._")


def _matches(pattern: str, path: str) -> bool:
    """RFC 9309, 2.2.3: ``*`` is any run of characters, a closing ``$`` is the end."""
    if not pattern:
        return True
    closed = pattern.endswith("$")
    at = 0
    first, *rest = pattern.removesuffix("$").split("*")
    if not path.startswith(first):
        return False
    at = len(first)
    for index, piece in enumerate(rest):
        if closed and index == len(rest) - 1:
            return path.endswith(piece) and len(path) - len(piece) >= at
        found = path.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return not closed or at == len(path)


# TDMRep


def read_tdm(text: str, address: str) -> bool | None:
    """Whether ``/.well-known/tdmrep.json`` reserves the rights of text and data mining for a resource.

    The first entry whose ``location`` matches counts; None where there is none. Source: TDM Reservation
    Protocol (W3C community group), "TDM file on the origin server".

    Raises:
        BadInput: not JSON, or not of that form.
    """
    value = _json(text, "tdmrep.json")
    if not isinstance(value, list):
        raise BadInput("expected a JSON array of rules in tdmrep.json")
    path = _normal(urlsplit(address).path or "/")
    for rule in value:
        if not isinstance(rule, dict) or not isinstance(rule.get("location"), str):
            raise BadInput("expected objects with location and tdm-reservation in tdmrep.json")
        if _matches(_normal(rule["location"]), path):
            return rule.get("tdm-reservation") == 1
    return None


def read_tdm_header(value: str | None) -> bool | None:
    """The field ``tdm-reservation``: 1 reserves, 0 does not, anything else says nothing."""
    return {"1": True, "0": False}.get((value or "").strip())


def _json(text: str, name: str) -> object:
    try:
        return json.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        raise BadInput(f"{name} is not JSON", remedy="fetch it again") from None


_NAME: Final = re.compile(r"[^A-Za-z0-9._-]+")


def document_name(kind: str, address: str) -> str:
    """What a document made of signals is called: the kind and the site."""
    return f"{kind}-{_NAME.sub('-', urlsplit(address).netloc or address).strip('-').lower()}"
