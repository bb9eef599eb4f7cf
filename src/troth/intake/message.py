"""One message of RFC 5322 as a record, whatever its sender's program did to it."""

from __future__ import annotations

import csv
import hashlib
import json
import quopri
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from email import message_from_bytes
from email.message import Message
from email.policy import Compat32
from email.utils import parsedate_tz
from functools import lru_cache
from typing import Final

from troth.core.values import to_microseconds
from troth.intake.addresses import UNKNOWN, parse_list
from troth.intake.charsets import decode, decode_header_bytes, decode_words
from troth.intake.html_text import html_to_text
from troth.intake.rows import MAX_NAME, WORDS, LeftOut, Row, Where, clean, named_addressees, plausible

_MAX_DATE: Final = 200
_MAX_WORK: Final = 50_000_000
"""Lines times boundaries of a message: what splitting it into parts may cost."""

_COMMON_DATE: Final = re.compile(
    r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), )?(\d\d?) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) (\d{4})"
    r" (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)(?: \([A-Za-z]{1,10}\))?"
)
_MONTHS: Final = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
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


# Gmail's own labels as Takeout writes them, in the language of the account.
_LABELS: Final = {
    "spam": "spam junk спам 垃圾邮件 迷惑メール 스팸함 skräppost søppelpost roskaposti",
    "trash": "trash bin papierkorb corbeille papelera cestino lixeira lixo prullenbak kosz papperskorgen"
    " papperskorg papirkurv roskakori корзина çöp çöp_kutusu 已删除邮件 ゴミ箱 휴지통",
    "draft": "draft drafts entwurf entwürfe brouillon brouillons borrador borradores bozza bozze rascunho"
    " rascunhos concept concepten utkast kladder luonnokset wersje_robocze черновики taslaklar 草稿 下書き"
    " 임시보관함",
}
_LABELS_BY_REASON: Final = {
    reason: frozenset(name.replace("_", " ") for name in names.split()) for reason, names in _LABELS.items()
}


def read_message(data: bytes, where: Where, category: str, now: int) -> Row | LeftOut:
    """Read one message with LF line ends. What Gmail has labelled as draft, spam or trash is left out.

    Raises:
        Unfit: it is empty, or built so that it cannot be taken apart.
    """
    if not data.strip():
        raise Unfit("the message is empty")
    try:
        reading = _plain(data) or _any(data)
        reason = reading.left_out()
        return reading.row(where, category, now) if reason is None else LeftOut(where, reason)
    except Unfit:
        raise
    except RecursionError:
        raise Unfit("the message is nested too deeply") from None
    except Exception as error:  # noqa: BLE001 - the email package raises all sorts; one message must not end an import
        raise Unfit(f"the message cannot be read as mail ({type(error).__name__})") from None


# Most mail is a head of well-formed lines and one plain text: read without the email package, which takes
# ten times as long. A property test holds the two readings together.
_NAME: Final = re.compile(r"[!-9;-~]+")
_READ: Final = frozenset(
    (
        "from to cc bcc date subject message-id references in-reply-to content-type content-transfer-encoding"
        " content-disposition x-gmail-labels x-gm-thrid"
    ).split()
)
_CODED: Final = ("quoted-printable", "base64", "x-uuencode", "uuencode", "uue", "x-uue")


def _any(data: bytes) -> _Reading:
    """A message of any form, by the email package."""
    if data.count(b"\n") * data.lower().count(b"boundary=") > _MAX_WORK:
        raise Unfit("the message has too many parts")
    message = message_from_bytes(data, policy=_AsWritten())
    headers: dict[str, list[str]] = {}
    for name, value in message.items():
        text = decode_header_bytes(_FOLD.sub(" ", str(value)))
        headers.setdefault(name.lower(), []).append(text)
    return _Reading(headers, lambda: _body(message))


def _plain(data: bytes) -> _Reading | None:
    """A message of the common form, or None for any other."""
    head, blank, body = data.partition(b"\n\n")
    if not blank or b"\r" in data:
        return None
    raw = _fields(head.decode("ascii", "surrogateescape"))
    if raw is None:
        return None
    headers = {
        name: [decode_header_bytes(_FOLD.sub(" ", one) if "\n" in one else one) for one in values]
        for name, values in raw.items()
    }
    kind, charset = _kind_of(raw["content-type"][0]) if "content-type" in raw else ("text/plain", None)
    coding = raw.get("content-transfer-encoding", [""])[0].lower()
    if kind not in ("text/plain", "text/html") or "content-disposition" in raw:
        return None
    if coding in _CODED:
        if coding != "quoted-printable":
            return None
        body = quopri.decodestring(body)
    return _Reading(headers, lambda: _joined([_words(body, kind, charset)]))


def _fields(head: str) -> dict[str, list[str]] | None:
    """The header fields that are read, as they stand without what surrounds them; None if a line is none."""
    found: dict[str, list[str]] = {}
    values: list[str] | None = None
    first = True
    for line in head.split("\n"):
        if line.startswith((" ", "\t")):
            if first:
                return None
            if values is not None:
                values[-1] += "\n" + line
            continue
        name, colon, value = line.partition(":")
        known = _known(name) if colon else None
        if known is None:
            return None
        values = found.setdefault(known, []) if known else None
        if values is not None:
            values.append(value)
        first = False
    return {name: [value.lstrip(" \t\n") for value in values] for name, values in found.items()}


@lru_cache(maxsize=4096)
def _known(name: str) -> str | None:
    """The name of a header that is read, empty for another one, None for what is no name."""
    if _NAME.fullmatch(name) is None:
        return None
    return name.lower() if name.lower() in _READ else ""


@lru_cache(maxsize=4096)
def _kind_of(content_type: str) -> tuple[str, str | None]:
    """The media type and charset that a ``Content-Type`` header declares."""
    message = Message(policy=_AsWritten())
    message["Content-Type"] = content_type
    return message.get_content_type(), message.get_content_charset()


class _Reading:
    def __init__(self, headers: dict[str, list[str]], body: Callable[[], str | None]) -> None:
        self.headers = headers
        self.body = body

    def row(self, where: Where, category: str, now: int) -> Row:
        authors = [party for party in self.parties("from") if party != UNKNOWN]
        # Further authors are parties, and `addressee` is the only other role.
        named = (*self.parties("to", "cc", "bcc"), *authors[1:])
        addressees = named_addressees(category, tuple(dict.fromkeys(named)))
        author = authors[0] if authors else None
        title, body = self.title(), self.body()
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
            conversation=self.thread() or self.root() or own or digest,
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

    def left_out(self) -> str | None:
        """The rule by which Gmail's labels leave a message out, if one does."""
        text = self.first("x-gmail-labels")
        if text is None:
            return None
        try:
            [labels] = csv.reader([_CONTROLS.sub(" ", decode_words(text))], skipinitialspace=True)
        except (csv.Error, ValueError):
            return None
        words = {label.strip().lower() for label in labels}
        return next(
            (reason for reason, names in _LABELS_BY_REASON.items() if not words.isdisjoint(names)), None
        )

    def thread(self) -> str | None:
        """Gmail's own number of the conversation."""
        text = self.first("x-gm-thrid")
        return f"gmail:{text}" if text is not None and text.isascii() and text.isdigit() else None

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
    common = _COMMON_DATE.fullmatch(text)
    try:
        if common is not None:
            day, month, year, hour, minute, second, sign, hours, minutes = common.groups()
            offset = timedelta(hours=int(hours), minutes=int(minutes))
            zone = UTC if not offset else timezone(-offset if sign == "-" else offset)
            moment = datetime(
                int(year),
                _MONTHS.index(month) + 1,
                int(day),
                int(hour),
                int(minute),
                int(second),
                tzinfo=zone,
            )
            return to_microseconds(moment)
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
    return _joined(texts) if texts else None


def _joined(texts: list[str]) -> str:
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
    return _decoded(data, kind, part.get_content_charset())


def _words(data: bytes, kind: str, declared: str | None) -> str:
    text = _decoded(data, kind, declared)
    return html_to_text(text) if kind == "text/html" else text


def _decoded(data: bytes, kind: str, declared: str | None) -> str:
    if declared is None and kind == "text/html":
        found = _META_CHARSET.search(data[:_HEAD_BYTES])
        declared = found[1].decode("ascii") if found else None
    return decode(data, declared)
