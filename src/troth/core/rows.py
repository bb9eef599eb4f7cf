r"""The canonical bytes of a released row, its salt and its leaf in the row tree (ledger.md, "Rows").

Grammar, in bytes; every terminal stands for its ASCII form::

    row    = "troth/row/v1" NUL id category created_at author addressees topics conversation title body
    id, category, author, conversation, title, body, created_at
           = text
    addressees, topics
           = list
    text   = "-"                      null
           | length ":" bytes         a value; length is the number of bytes that follow
    list   = "-"                      null
           | "[" count ":" text ...   count texts follow, in order
    length, count = decimal digits, without leading zeros

Text is UTF-8. ``created_at`` is the decimal text of microseconds UTC, with "-" in front if before 1970.

Distinct rows have distinct bytes: read from the left, the first byte of each field says whether a null
("-"), a value (a digit) or a list ("[") follows; a length or count ends at its ":" and says how far the
value reaches, so nothing inside a value is ever read as grammar; the nine fields come in one order and
nothing follows them. So the row can be read back from its bytes, and two rows that share bytes are equal.

A plain SQL expression gives the same. DuckDB, with ``text(x)`` for ``coalesce(strlen(x) || ':' || x, '-')``::

    'troth/row/v1' || chr(0) || text(id) || text(category) || text(created_at::VARCHAR) || text(author)
    || coalesce('[' || len(addressees) || ':'
                || array_to_string(list_transform(addressees, lambda x: text(x)), ''), '-')
    || ...

In Spark these are ``octet_length``, ``array_size``, ``array_join`` and ``transform``.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Final

from troth.core.errors import BadInput
from troth.core.merkle import leaf_hash

LABEL: Final = b"troth/row/v1\0"

FIELDS: Final = (
    "id", "category", "created_at", "author", "addressees", "topics", "conversation", "title", "body",
)  # fmt: skip
"""The fields of a row, in the order of its canonical bytes."""

LISTS: Final = ("addressees", "topics")
"""The fields that are lists."""

RECORD_SALT_BYTES: Final = 32
ROW_SALT_BYTES: Final = 16
_MAX_DIGITS: Final = 16  # and the colon


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a release; ``created_at`` in microseconds UTC."""

    id: str
    category: str
    created_at: int | None = None
    author: str | None = None
    addressees: tuple[str | None, ...] | None = ()
    topics: tuple[str | None, ...] | None = ()
    conversation: str | None = None
    title: str | None = None
    body: str | None = None


def canonical_row(row: Row) -> bytes:
    """The canonical bytes of a row.

    Raises:
        BadInput: a text that has no UTF-8 form (a lone surrogate).
    """
    created = None if row.created_at is None else str(row.created_at)
    try:
        return b"".join(
            (
                LABEL,
                _text(row.id),
                _text(row.category),
                _text(created),
                _text(row.author),
                _list(row.addressees),
                _list(row.topics),
                _text(row.conversation),
                _text(row.title),
                _text(row.body),
            )
        )
    except UnicodeEncodeError:
        raise BadInput("a text of this row cannot be written as UTF-8", remedy="mend the text") from None


def _text(value: str | None) -> bytes:
    if value is None:
        return b"-"
    data = value.encode()
    return b"%d:%b" % (len(data), data)


def _list(values: tuple[str | None, ...] | None) -> bytes:
    if values is None:
        return b"-"
    return b"[%d:%b" % (len(values), b"".join(map(_text, values)))


def row_salt(record_salt: bytes, release: str) -> bytes:
    """The salt of a record's row in a release, 16 bytes: HMAC-SHA-256(record salt, release id), cut.

    It depends on nothing but the record and the release, so roots are equal on every engine, and
    whoever erases the record salt can never again link a row to its leaf.
    """
    return hmac.digest(record_salt, release.encode(), "sha256")[:ROW_SALT_BYTES]


def row_leaf(salt: bytes, row: bytes) -> bytes:
    """The leaf of a row in the row tree, 32 bytes, from its row salt (16 bytes) and canonical bytes."""
    return leaf_hash(salt + row)


def parse_row(data: bytes) -> Row:
    """Read canonical bytes back.

    Raises:
        BadInput: they are not the canonical bytes of a row.
    """
    reader = _Reader(data)
    try:
        row = reader.row()
    except (ValueError, IndexError):
        raise BadInput("is no canonical row") from None
    # One form only: leading zeros, say, are refused by writing it again.
    if canonical_row(row) != data:
        raise BadInput("is no canonical row")
    return row


class _Reader:
    """Reads the grammar from left to right; raises ValueError or IndexError where it ends."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = len(LABEL)

    def row(self) -> Row:
        head = (self._need_text(), self._need_text())
        created = self._text()
        author, addressees, topics = self._text(), self._list(), self._list()
        rest = (self._text(), self._text(), self._text())
        return Row(*head, None if created is None else int(created), author, addressees, topics, *rest)

    def _need_text(self) -> str:
        text = self._text()
        if text is None:
            raise ValueError
        return text

    def _text(self) -> str | None:
        if self._is_null():
            return None
        length = self._number()
        start, self._at = self._at, self._at + length
        if self._at > len(self._data):
            raise ValueError
        return self._data[start : self._at].decode()

    def _list(self) -> tuple[str | None, ...] | None:
        if self._is_null():
            return None
        if self._data[self._at] != ord("["):
            raise ValueError
        self._at += 1
        count = self._number()
        if count > len(self._data):
            raise ValueError
        return tuple(self._text() for _ in range(count))

    def _is_null(self) -> bool:
        found = self._data[self._at] == ord("-")
        self._at += found
        return found

    def _number(self) -> int:
        """The digits up to a colon."""
        end = self._data.index(b":", self._at, self._at + _MAX_DIGITS)
        digits = self._data[self._at : end]
        if not digits.isdigit():
            raise ValueError
        self._at = end + 1
        return int(digits)
