"""One message of RFC 5322 as a record, whatever its sender's program did to it."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import datetime, timedelta, timezone
from email import message_from_bytes
from email.message import Message
from email.policy import Compat32
from email.utils import parsedate_tz
from typing import Final

from troth.core.values import to_microseconds
from troth.intake.addresses import UNKNOWN, parse_list
from troth.intake.charsets import decode, decode_header_bytes, decode_words
from troth.intake.html_text import html_to_text
from troth.intake.rows import MAX_NAME, WORDS, Row, Where, clean, named_addressees, plausible

_MAX_DATE: Final = 200
_MAX_WORK: Final = 50_000_000
"""Lines times boundaries of a message: what splitting it into parts may cost."""

_FOLD: Final = re.compile(r"\r?\n[ \t]*")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]+")
_MESSAGE_ID: Final = re.compile(r"<([^<>\s]{1,998})>")
# Text that programs wrote for programs.
_NO_WORDS: Final = frozenset(
    (
        "text/calendar text/css text/csv text/directory text/rfc822-headers text/rtf text/vcard"
        " text/x-amp-html text/x-vcard text/xml"
    ).split()
)
_ENRICHED: Final = ("text/enriched", "text/richtext")  # RFC 1896
_MARKUP: Final = re.compile(r"<<|<[^<>]{0,100}>")
_META_CHARSET: Final = re.compile(rb"charset\s*=\s*[\"']?([A-Za-z0-9_:.-]{1,40})", re.IGNORECASE)
_HEAD_BYTES: Final = 2048


class Unfit(Exception):
    """The bytes are no message that can be read; the text says why."""


class _AsWritten(Compat32):
    """Header values as they stand: the package's own reading of broken ones raises or guesses."""

    def header_fetch_parse(self, name: str, value: str) -> str:  # noqa: ARG002 - the package's signature
        return value


def read_message(data: bytes, where: Where, category: str, now: int) -> Row:
    """Read one message with LF line ends.

    Raises:
        Unfit: it is empty, or built so that it cannot be taken apart.
    """
    if not data.strip():
        raise Unfit("the message is empty")
    if data.count(b"\n") * data.lower().count(b"boundary=") > _MAX_WORK:
        raise Unfit("the message has too many parts")
    try:
        message = message_from_bytes(data, policy=_AsWritten())
        return _Reading(message).row(where, category, now)
    except RecursionError:
        raise Unfit("the message is nested too deeply") from None
    except Exception as error:  # noqa: BLE001 - the email package raises all sorts; one message must not end an import
        raise Unfit(f"the message cannot be read as mail ({type(error).__name__})") from None


class _Reading:
    def __init__(self, message: Message) -> None:
        self.message = message
        self.headers: dict[str, list[str]] = {}
        for name, value in message.items():
            text = decode_header_bytes(_FOLD.sub(" ", str(value)))
            self.headers.setdefault(name.lower(), []).append(text)

    def row(self, where: Where, category: str, now: int) -> Row:
        authors = [party for party in self.parties("from") if party != UNKNOWN]
        # Further authors are parties, and `addressee` is the only other role.
        named = (*self.parties("to", "cc", "bcc"), *authors[1:])
        addressees = named_addressees(category, tuple(dict.fromkeys(named)))
        author = authors[0] if authors else None
        title, body = self.title(), _body(self.message)
        content = [author, list(addressees), self.first("date"), title, body]
        digest = "mail-sha256:" + hashlib.sha256(json.dumps(content).encode()).hexdigest()
        own = self.own_id()
        created_at, notes = self.created_at(now)
        return Row(
            id=digest if own is None else own,
            # A copy filed elsewhere, or with its date or category read another way, is the same message.
            compared=WORDS,
            other_id=None if own is None else digest,
            category=category,
            where=where,
            created_at=created_at,
            author=author,
            addressees=addressees,
            conversation=self.root() or own or digest,
            title=title,
            body=body,
            notes=(*notes, *([] if author else ["author not named"])),
        )

    def first(self, name: str) -> str | None:
        """The first header of this name that is not empty."""
        values = (clean(value).strip() for value in self.headers.get(name, ()))
        return next((value for value in values if value), None)

    def parties(self, *names: str) -> tuple[str, ...]:
        values = [value for name in names for value in self.headers.get(name, ())]
        return tuple(dict.fromkeys(party for value in values for party in parse_list(value)))

    def title(self) -> str | None:
        subject = self.first("subject")
        return None if subject is None else clean(_CONTROLS.sub(" ", decode_words(subject)).strip())

    def own_id(self) -> str | None:
        text = self.first("message-id")
        if text is None:
            return None
        found = _MESSAGE_ID.search(text)
        inner = found[1] if found else " ".join(_CONTROLS.sub(" ", text).strip("<> ").split())
        return f"mail:{inner}" if 0 < len(inner) <= MAX_NAME else None

    def root(self) -> str | None:
        """The message that began the conversation, as far as this one says."""
        for name in ("references", "in-reply-to"):
            for value in self.headers.get(name, ()):
                found = _MESSAGE_ID.search(clean(value))
                if found:
                    return f"mail:{found[1]}"
        return None

    def created_at(self, now: int) -> tuple[int | None, tuple[str, ...]]:
        text = self.first("date")
        if text is None:
            return None, ("date missing",)
        instant = _instant(text)
        if instant is None:
            return None, ("date not readable",)
        sensible = plausible(instant, now)
        return sensible, () if sensible is not None else ("date before 1970 or in the future",)


def _instant(text: str) -> int | None:
    try:
        found = parsedate_tz(text[:_MAX_DATE])
        if found is None:
            return None
        zone = timezone(timedelta(seconds=found[9] or 0))
        return to_microseconds(datetime(*found[:6], tzinfo=zone))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


# bodies


def _body(message: Message) -> str | None:
    """The text that people wrote, quotations included, attachments not; None where there is none."""
    texts = _texts(message)
    if not texts:
        return None
    return clean("\n".join(texts).replace("\r\n", "\n").replace("\r", "\n")).rstrip()


def _texts(part: Message) -> list[str]:
    if part.get_content_disposition() == "attachment":
        return []
    kind = part.get_content_type()
    payload = part.get_payload()
    if isinstance(payload, list):
        return _texts_of_parts(kind, [one for one in payload if isinstance(one, Message)])
    if not kind.startswith(("text/", "multipart/")) or kind in _NO_WORDS:
        return []
    text = _text(part, kind)
    if kind == "text/html":
        return [html_to_text(text)]
    return [_MARKUP.sub(_unmarked, text) if kind in _ENRICHED else text]


def _unmarked(found: re.Match[str]) -> str:
    return "<" if found[0] == "<<" else ""


def _texts_of_parts(kind: str, parts: list[Message]) -> list[str]:
    if kind.startswith("message/"):  # attached, such as a forwarded message: others' words to others
        return []
    if kind != "multipart/alternative":
        return [text for part in parts if not _is_file(part) for text in _texts(part)]
    candidates = [(part.get_content_type() != "text/plain", _texts(part)) for part in parts]
    written = [found for found in candidates if any(text.strip() for text in found[1])]
    # Plain text is what people wrote, HTML what their program made of it.
    return min(written, key=lambda found: found[0])[1] if written else []


def _is_file(part: Message) -> bool:
    """Whether a part came from a file, even if a reader shows it with the message."""
    return part.get_param("filename", header="content-disposition") is not None


def _text(part: Message, kind: str) -> str:
    data = part.get_payload(decode=True)
    if not isinstance(data, bytes):
        return ""
    declared = part.get_content_charset()
    if declared is None and kind == "text/html":
        found = _META_CHARSET.search(data[:_HEAD_BYTES])
        declared = found[1].decode("ascii") if found else None
    return decode(data, declared)
