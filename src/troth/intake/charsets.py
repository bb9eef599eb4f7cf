"""Bytes of unknown or wrongly declared charset as text; encoded words of RFC 2047.

Mail lies about its charset. The order of belief: what is declared, if it fits; UTF-8, if it fits; a guess.
"""

from __future__ import annotations

import binascii
import codecs
import logging
import re
from functools import lru_cache
from typing import Final

from charset_normalizer import from_bytes

_SAMPLE: Final = 16 * 1024
_LAST_RESORT: Final = "cp1252"
_MOSTLY_RIGHT: Final = 50
"""A declared charset is believed with at most one unreadable character in so many."""

# Not what people write in, though Python calls them text encodings: escapes, host names, a trap.
_NO_CHARSETS: Final = frozenset(
    ("idna", "mbcs", "oem", "palmos", "punycode", "raw-unicode-escape", "undefined", "unicode-escape")
)
# What senders mean by names that Python does not know or takes more narrowly than they are used.
_MEANT: Final = {
    "us-ascii": "ascii",
    "ansi_x3.4-1968": "ascii",
    "iso-8859-1": "cp1252",
    "latin1": "cp1252",
    "latin-1": "cp1252",
    "iso-8859-8-i": "iso-8859-8",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "ks_c_5601-1987": "cp949",
    "euc-kr": "cp949",
    "x-sjis": "cp932",
    "shift_jis": "cp932",
    "x-gbk": "gb18030",
    "x-mac-roman": "mac-roman",
    "utf8": "utf-8",
    "utf-8mb4": "utf-8",
}

_ENCODED_WORD: Final = re.compile(r"=\?([^?\s]{1,80})\?([bBqQ])\?([^?]{0,2000})\?=")


def decode(data: bytes, declared: str | None) -> str:
    """Bytes as text; what no charset can read becomes U+FFFD."""
    if data.isascii() and not _is_stateful(declared):
        return data.decode("ascii")
    named = _codec(declared)
    for charset in (named, "utf-8"):
        if charset is not None:
            try:
                return data.decode(charset)
            except UnicodeError:
                pass
    if named not in (None, "ascii"):
        text = data.decode(named, "replace")
        if text.count("\ufffd") * _MOSTLY_RIGHT <= len(text):
            return text
    return data.decode(_guess(data), "replace")


def _is_stateful(declared: str | None) -> bool:
    """Whether bytes that are all ASCII may mean something else in this charset."""
    name = (declared or "").lower()
    return name.startswith(("iso-2022", "utf-7", "utf7", "utf-16", "utf-32", "hz"))


@lru_cache(maxsize=256)
def _codec(declared: str | None) -> str | None:
    """The name of Python's codec for a declared charset, if there is one for text."""
    name = (declared or "").strip().lower()
    try:
        found = codecs.lookup(_MEANT.get(name, name)).name
        b"four".decode(found, "replace")
    except (LookupError, ValueError):  # no codec of that name, or one that is not for text
        return None
    return found if found.replace("_", "-") not in _NO_CHARSETS else None


def _guess(data: bytes) -> str:
    # The library tells what it tries to a logger that may print; and it is slow, so it gets a sample.
    logging.getLogger("charset_normalizer").setLevel(logging.ERROR)
    best = from_bytes(data[:_SAMPLE]).best()
    return best.encoding if best is not None else _LAST_RESORT


def decode_header_bytes(text: str) -> str:
    """A header value as the email package hands it out: bytes beyond ASCII are lone surrogates in it."""
    if text.isascii():
        return text
    try:
        data = text.encode("ascii", "surrogateescape")
    except UnicodeEncodeError:
        return text
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        # Too short for a guess.
        return data.decode(_LAST_RESORT, "replace")


def decode_words(text: str) -> str:
    """Decode the encoded words of RFC 2047; those that are broken stay as they are."""
    if "=?" not in text:
        return text
    pieces: list[str] = []
    held, charset = b"", ""
    end = 0
    for found in _ENCODED_WORD.finditer(text):
        between = text[end : found.start()]
        data = _word_bytes(found[2], found[3])
        name = found[1].partition("*")[0].lower()
        # White space between two encoded words means nothing; a character may be split over two of them.
        if between.strip() or end == 0 or name != charset or data is None:
            pieces.append(_flush(held, charset))
            held = b""
        if between.strip() or end == 0:
            pieces.append(between)
        if data is None:
            pieces.append(found[0])
        else:
            held, charset = held + data, name
        end = found.end()
    return "".join([*pieces, _flush(held, charset), text[end:]])


def _flush(data: bytes, charset: str) -> str:
    return decode(data, charset) if data else ""


def _word_bytes(encoding: str, text: str) -> bytes | None:
    try:
        if encoding in "qQ":
            return binascii.a2b_qp(text.encode("ascii"), header=True)
        # Nothing that can be read of something: broken, not empty.
        return binascii.a2b_base64(text.encode("ascii") + b"===") or (None if text else b"")
    except (binascii.Error, UnicodeEncodeError):
        return None
