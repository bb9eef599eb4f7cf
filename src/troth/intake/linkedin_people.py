"""Who is who in a LinkedIn export: profile addresses for the names in it.

Exports before 2023 name recipients without their addresses. A name becomes an account only where it is
certain: in one conversation somebody of that name wrote, and nobody else of that name did; or it is the name
of the export's owner, who takes part in all of it. Any other name stays a name, which nobody is known by.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

from troth.core.errors import BadInput
from troth.intake.archives import Archive, Member
from troth.intake.plain import PlainRow, Style, csv_rows
from troth.intake.rows import MAX_NAME, Hint, clean
from troth.intake.sources import Meter, Unreadable

HIDDEN: Final = ""
"""Somebody whose account isn't known (the house's form of an addressee who could not be read)."""

_HIDDEN_NAMES: Final = ("linkedin member", "")
_LIMIT: Final = 16 * 1024 * 1024
_SCHEME: Final = re.compile(r"(?:https?://)?(?:[a-z]{2,3}\.)?linkedin\.com/", re.IGNORECASE)
# Joined by commas, in some exports by spaces; a comma may stand in an address itself.
_BETWEEN: Final = re.compile(r"[,;\s]+(?=https?://|[a-z]{2,3}\.linkedin\.com|$)", re.IGNORECASE)
_WORD: Final = re.compile(r"\s+")

_COLUMNS: Final = {
    "messages.csv": ("CONVERSATION ID", "FROM", "DATE", "CONTENT"),
    "shares.csv": ("DATE", "SHARECOMMENTARY"),
    "comments.csv": ("DATE", "MESSAGE"),
    "profile.csv": ("FIRST NAME", "LAST NAME"),
    "profilesummary.csv": ("PROFILE SUMMARY",),
    "invitations.csv": ("FROM", "TO", "SENT AT", "MESSAGE"),
    "recommendationsgiven.csv": ("FIRST NAME", "LAST NAME", "TEXT", "CREATION DATE"),
    "recommendationsreceived.csv": ("FIRST NAME", "LAST NAME", "TEXT", "CREATION DATE"),
}
_WHO: Final = frozenset(
    (
        "FIRST NAME",
        "LAST NAME",
        "CONVERSATION ID",
        "FROM",
        "SENDER PROFILE URL",
        "TO",
        "RECIPIENT PROFILE URLS",
        "URL",
        "EMAIL ADDRESS",
        "CONFIRMED",
    )
)
_OF_MESSAGES: Final = _COLUMNS["messages.csv"]


def missing_columns(key: str, values: Mapping[str, object]) -> tuple[str, ...]:
    """The columns that a file lacks, of those without which nothing of it can be read."""
    there = {name.strip().upper() for name in values}
    return tuple(name for name in _COLUMNS.get(key, _OF_MESSAGES) if name not in there)


def fields_of(values: Mapping[str, object]) -> dict[str, str]:
    """A row by its column names in capitals."""
    return {_upper(name): value if isinstance(value, str) else "" for name, value in values.items()}


_upper = lru_cache(maxsize=1024)(str.upper)


@lru_cache(maxsize=65_536)
def profile_address(text: str) -> str | None:
    """The one spelling of a profile's address, or None where there is none.

    Host and path in small letters, percent escapes undone, without scheme variants, query and closing slash.
    """
    text = clean(text).strip()
    found = _SCHEME.match(text)
    if not text or len(text) > MAX_NAME:
        return None
    if found is None:
        return _visible(text).lower() or None
    path = re.split(r"[?#]", text[found.end() :], maxsplit=1)[0].strip("/")
    path = unicodedata.normalize("NFC", unquote(path, errors="replace")).lower()
    return f"https://www.linkedin.com/{_visible(path)}" if path else None


@lru_cache(maxsize=65_536)
def name_key(text: str) -> str:
    """A display name as one writes it down to compare: one form, small letters, single spaces."""
    return unicodedata.normalize("NFC", _WORD.sub(" ", _visible(text)).strip()).lower()


def _visible(text: str) -> str:
    if text.isprintable():
        return text
    return "".join("\ufffd" if unicodedata.category(sign) == "Cc" else sign for sign in text)


@dataclass(slots=True)
class People:
    """Names and accounts of one export. ``owner`` is the member whose export it is, as far as known."""

    owner: str | None = None
    owner_name: str = ""
    names: set[str] = field(default_factory=set)
    talks: dict[str, dict[str, set[str]]] = field(default_factory=lambda: defaultdict(dict))
    hints: list[Hint] = field(default_factory=list)

    def account(self, talk: str, name: str) -> str | None:
        """The account behind a name in a conversation, else the name itself; None for who is hidden."""
        key = name_key(name)
        if key in _HIDDEN_NAMES or len(key) > MAX_NAME:
            return None
        there = self.talks.get(talk, {}).get(key, set())
        if len(there) == 1:
            return next(iter(there))
        if key == self.owner_name and self.owner is not None and not there:
            return self.owner
        return key

    def addressees(self, talk: str, to: str, addresses: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The addressees of a message, each once, in order, and notes about doubts.

        In doubt there is a party more, never one less: each party can say no.
        """
        names = self.split(to)
        if not addresses.strip():
            named = [self.account(talk, name) or HIDDEN for name in names]
            return tuple(dict.fromkeys(named)), ()
        found = [profile_address(one) for one in _BETWEEN.split(addresses)]
        given = [one for one in found if one is not None]
        known = tuple(dict.fromkeys(given))
        # Counted before doubles are dropped: an export may list somebody twice, in both columns.
        if len(names) <= len(given):
            return known, ()
        resolved = [self.account(talk, name) for name in names]
        hidden = any(one is None for one in resolved)
        further = [one for one in resolved if one is not None and one.startswith("https:")]
        parties = tuple(dict.fromkeys([*known, *further]))
        # Who of the rest goes with which of the addresses is not said, so somebody stays unknown.
        doubt = not hidden and len(names) > len(parties)
        return (*parties, *([HIDDEN] if hidden or doubt else [])), (
            ("more recipients named than profiles given",) if doubt else ()
        )

    def split(self, to: str) -> list[str]:
        """The names of a list; a name may hold a comma itself ("Ada King, Ph.D.")."""
        pieces = [piece.strip() for piece in to.split(", ")] if to.strip() else []
        names: list[str] = []
        at = 0
        while at < len(pieces):
            longest = next(
                (
                    end
                    for end in range(len(pieces), at + 1, -1)
                    if name_key(", ".join(pieces[at:end])) in self.names
                ),
                at + 1,
            )
            name = ", ".join(pieces[at:longest])
            at = longest
            if names and _is_suffix(name) and name_key(name) not in self.names:
                names[-1] += f", {name}"
            else:
                names.append(name)
        return names


def _is_suffix(piece: str) -> bool:
    """Whether a piece between commas is a degree or the like and no name: one word of capitals or with dots."""
    if " " in piece or not piece:
        return not piece
    capitals = sum(sign.isupper() for sign in piece)
    return (
        "." in piece or capitals > 1 or piece.lower() in ("jr", "sr", "esq", "md", "phd", "ii", "iii", "iv")
    )


def read_people(archive: Archive) -> People:
    """A first pass over an export. What cannot be read is passed over here: the second pass reports it."""
    people = People()
    wrote: dict[str, Counter[str]] = defaultdict(Counter)
    present: list[set[str]] = []
    for row in _rows(archive, "profile.csv"):
        name = name_key(f"{row.get('FIRST NAME', '')} {row.get('LAST NAME', '')}")
        people.owner_name = people.owner_name or name
    for row in _rows(archive, "connections.csv", "First Name"):
        people.names.add(name_key(f"{row.get('FIRST NAME', '')} {row.get('LAST NAME', '')}"))
    for row in _rows(archive, "messages.csv"):
        talk, name = row.get("CONVERSATION ID", "").strip(), name_key(row.get("FROM", ""))
        people.names.add(name)
        sender = profile_address(row.get("SENDER PROFILE URL", ""))
        if sender is not None:
            wrote[name][sender] += 1
            people.talks[talk].setdefault(name, set()).add(sender)
        given = row.get("RECIPIENT PROFILE URLS", "")
        to = [one for one in map(profile_address, _BETWEEN.split(given)) if one] if given.strip() else []
        if len(to) == 1:
            people.talks[talk].setdefault(name_key(row.get("TO", "")), set()).add(to[0])
        if sender is not None and to and len(present) < _ENOUGH:
            present.append({sender, *to})
    people.names.discard("")
    people.names.add(people.owner_name)
    people.owner = _owner(people, wrote, present)
    people.hints = list(dict.fromkeys(_hints(archive, people, wrote)))
    return people


def _hints(archive: Archive, people: People, wrote: Mapping[str, Counter[str]]) -> Iterator[Hint]:
    """What in an export speaks for accounts being one person's."""
    for row in _rows(archive, "emailaddresses.csv"):
        address = row.get("EMAIL ADDRESS", "").strip().lower()
        if "@" in address and people.owner is not None:
            sure = row.get("CONFIRMED", "").strip().lower() == "yes"
            yield Hint(people.owner, address, "the export lists this address of its owner", sure)
    for row in _rows(archive, "connections.csv", "First Name"):
        account, address = profile_address(row.get("URL", "")), row.get("EMAIL ADDRESS", "").strip().lower()
        name = name_key(f"{row.get('FIRST NAME', '')} {row.get('LAST NAME', '')}")
        if account is not None and "@" in address:
            yield Hint(account, address, "a connection's profile shows this address", sure=True)
        elif name and "@" in address:
            yield Hint(name, address, "a connection of this name shows this address")
        if account is not None and name:
            yield Hint(name, account, "a connection has this name; others may have it too")
    for name, accounts in wrote.items():
        if name not in _HIDDEN_NAMES:
            yield from (Hint(name, one, "wrote under this name; others may have it too") for one in accounts)


_ENOUGH: Final = 10_000
"""Messages that are looked through for the one who takes part in all of them."""


def _owner(people: People, wrote: Mapping[str, Counter[str]], present: Iterable[set[str]]) -> str | None:
    """The owner's account: the one that writes under the name of the profile, or the one that is always there."""
    theirs = wrote.get(people.owner_name, Counter()) if people.owner_name else Counter()
    if len(theirs) == 1:
        return next(iter(theirs))
    sets = list(present)
    always = set.intersection(*sets) if sets else set()
    candidates = always & set(theirs) if theirs else always
    if len(candidates) == 1:
        return next(iter(candidates))
    return people.owner_name or None


def _rows(archive: Archive, key: str, begins: str = "") -> Iterable[dict[str, str]]:
    silent = Meter((), lambda _done, _total: None, total=0)
    for member in archive.members:
        if member.key == key:
            yield from _rows_of(archive, member, begins, silent)


def _rows_of(archive: Archive, member: Member, begins: str, meter: Meter) -> Iterable[dict[str, str]]:
    try:
        with archive.open(member, meter) as source:
            wanted: dict[str, str] | None = None
            for found in csv_rows(source, Style(limit=_LIMIT), begins):
                if not isinstance(found, PlainRow):
                    continue
                if wanted is None:
                    wanted = {name.upper(): name for name in found.values if name.upper() in _WHO}
                values = found.values
                yield {upper: str(values[name]) for upper, name in wanted.items()}
    except (Unreadable, BadInput):
        return
