"""A record on its way in, and what may stand in a record's place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, TypeAlias

from troth.core.errors import BadInput, Place
from troth.core.values import MICROSECONDS_PER_DAY, check_category, covers

CONTENT: Final = (
    "category",
    "created_at",
    "deleted_at",
    "author",
    "addressees",
    "topics",
    "conversation",
    "title",
    "body",
)
"""The record columns beside id and salt, as the attributes of a Row."""

MAX_NAME: Final = 998
"""Characters of an id or of a party's name: the longest line of RFC 5322. Longer ones name nobody."""

WORDS: Final = ("author", "addressees", "title", "body")
"""What somebody wrote and to whom: records that differ in these are not the same message."""

_UNKNOWN_ADDRESSEE: Final = ""


@dataclass(frozen=True, slots=True)
class Where:
    """The place of an item: its source and, as known, line, message or row (from 1), byte offset (from 0)."""

    source: str
    line: int | None = None
    message: int | None = None
    row: int | None = None
    byte: int | None = None

    def as_json(self) -> dict[str, str | int]:
        """The parts that are known."""
        named = {
            "source": self.source,
            "line": self.line,
            "message": self.message,
            "row": self.row,
            "byte": self.byte,
        }
        return {name: value for name, value in named.items() if value is not None}

    def __str__(self) -> str:
        parts = [f"{name} {value}" for name, value in self.as_json().items() if name != "source"]
        return ", ".join([self.source, *parts])

    @property
    def place(self) -> Place:
        """This place as errors carry it."""
        if self.line is not None or self.message is self.row is self.byte is None:
            return Place(self.source, self.line)
        return Place(str(self))


@dataclass(frozen=True, slots=True)
class Row:
    """One record as it comes in: the record columns without the salt, instants in microseconds UTC.

    ``compared`` are the columns in which it must agree with a record of the same id to be that record.
    ``other_id`` is the identity that it takes where ``id`` stands for other words already; without one it is
    rejected then. ``notes`` are facts for the report, such as a date that could not be read.
    """

    id: str
    category: str
    where: Where = field(compare=False)
    created_at: int | None = None
    deleted_at: int | None = None
    author: str | None = None
    addressees: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    conversation: str | None = None
    title: str | None = None
    body: str | None = None
    compared: tuple[str, ...] = field(default=CONTENT, compare=False)
    other_id: str | None = field(default=None, compare=False)
    notes: tuple[str, ...] = field(default=(), compare=False)

    def differs_from(self, other: Row) -> tuple[str, ...]:
        """The compared columns in which this row is another record than the one that has its id."""
        return tuple(name for name in self.compared if getattr(self, name) != getattr(other, name))

    @property
    def weight(self) -> int:
        """About how many bytes the row takes."""
        return 500 + len(self.body or "") + 50 * len(self.addressees)


@dataclass(frozen=True, slots=True)
class Rejected:
    """An item that could not be read as a record."""

    where: Where
    reason: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An item that was read and is no record, by a rule with this name."""

    where: Where
    reason: str


@dataclass(frozen=True, slots=True)
class Damaged:
    """A source that cannot be read any further; what stood before was handed out."""

    where: Where
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Noted:
    """A fact for the report that is no item."""

    text: str


@dataclass(frozen=True, slots=True)
class Gone:
    """A message was deleted, or worded anew, at an instant (microseconds UTC): its versions from before are gone.

    ``id`` is the id of its first version; see ``version_id``. It is no item itself: what told of it is.
    """

    id: str
    at: int


@dataclass(frozen=True, slots=True)
class Hint:
    """Two accounts may be one person's, and what speaks for it. It is no item, and nothing follows from it by itself.

    ``sure`` says that the export itself states it; a name in common is not that.
    """

    account: str
    other: str
    why: str
    sure: bool = False


Item: TypeAlias = Row | Rejected | LeftOut | Damaged | Noted | Gone | Hint

VERSION_MARK: Final = "#v"
"""What stands between a message's id and the instant of an edit in the id of an edited version."""


def version_id(first: str, edited_at: int | None) -> str:
    """The id of the version of a message that was worded at an instant (None: never edited)."""
    return first if edited_at is None else f"{first}{VERSION_MARK}{edited_at}"


def clean(text: str) -> str:
    """The text as every store can keep it: NUL and lone surrogates become U+FFFD."""
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def plausible(instant: int | None, now: int) -> int | None:
    """An instant from 1970 to a day after ``now``, or None: a date outside is a fact that nobody knows."""
    if instant is None or not 0 <= instant <= now + MICROSECONDS_PER_DAY:
        return None
    return instant


def named_addressees(category: str, addressees: tuple[str, ...]) -> tuple[str, ...]:
    """The addressees of a piece of mail.

    A private message has one or more addressees (decisions.md, "The nouns"): where none is named, somebody
    whose account isn't known got it, and has a say.
    """
    if not addressees and covers("private_message", category):
        return (_UNKNOWN_ADDRESSEE,)
    return addressees


def record_category(text: str) -> str:
    """A category that a record can have.

    Raises:
        BadInput: not of that shape, or the wildcard ``any``.
    """
    if check_category(text) == "any":
        raise BadInput("a record has a category of its own; any is only for clauses")
    return text
