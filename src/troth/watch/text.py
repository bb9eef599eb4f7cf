"""From published text (Markdown, plain text) to sentences that can be compared.

Links, numbering, emphasis and white space do not count. Time is linear in the length of the text, whatever it holds.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

MAX_TEXT: Final = 4_000_000
"""Characters of one document that are read; the rest is left out, and the reading says so."""

MAX_SENTENCES: Final = 50_000
"""The same for sentences."""

MAX_SENTENCE: Final = 1_500
"""A longer sentence is read in pieces of so many characters, so that no rule meets an endless one."""

_ASKS: Final = re.compile(
    r"(?:do|does|did|is|are|was|were|will|would|can|could|may|might|shall|should|has|have)\b", re.IGNORECASE
)
_RARE: Final = 50
_MAX_STEM: Final = 300
_SHORT_BLOCK: Final = 6

# What steers display or joins glyphs and is no text: controls, zero-width signs, bidirectional marks, BOM, tags.
_INVISIBLE: Final = re.compile(
    "[\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ufdd0-\ufdef\U000e0000-\U000e007f]"
)
_LINES: Final = re.compile(r"\r\n|[\n\r\x85\u2028\u2029\x0b\x0c]")
_SPACES: Final = re.compile(r"\s+")
_LINK: Final = re.compile(r"!?\[([^\[\]]*)\]\([^()\s]*(?:\([^()\s]*\)[^()\s]*)?(?:\s+\"[^\"()]*\")?\)")
_REFERENCE: Final = re.compile(r"\[([^\[\]]{1,300})\]\[[^\[\]]{0,100}\]")
_TAG: Final = re.compile(r"</?[a-zA-Z][^<>]*>|<!--[^<>]*-->")
_URL: Final = re.compile(r"<?https?://[^\s<>]{1,500}>?")
_ESCAPE: Final = re.compile(r"\\([\\`*_{}\[\]()#+\-.!|>~])")
_EMPHASIS: Final = re.compile(r"[*_`~]{1,3}(?=\S)|(?<=\S)[*_`~]{1,3}")
_HEADING: Final = re.compile(r"\s{0,3}(#{1,6})\s+(\S.*)")
_UNDERLINE: Final = re.compile(r"\s{0,3}(=+|-+)\s*")
_ITEM: Final = re.compile(r"(\s*)(?:[*+\-•◦▪●○–·]|\(?(?:\d{1,3}|[a-zA-Z]|[ivxIVX]{1,5})[.)])\s+(?=\S)")
_BULLET: Final = re.compile(r"(?:^|(?<=[\s;:.,]))[*•▪●]\s+(?=\S)")
_RULE: Final = re.compile(r"[\s|:+=*_-]*")
_ORDINAL: Final = re.compile(
    r"^(?:(?:section|article|art\.?)\s+)?(?:\(?(?:\d{1,3}|[a-zA-Z]|[ivxIVX]{1,5})[.)]|\d{1,2}(?:\.\d{1,2})+\.?)\s+"
)
_STOP: Final = re.compile(r"([.!?。！？]+[\"'”’)\]»]*)(\s+|(?<=[。！？])|(?<=[a-z)\"”]\.)(?=[A-Z][a-z])|$)")  # noqa: RUF001
_ABBREVIATION: Final = re.compile(
    r"(?:^|[\s(\"'])(?:e\.?g|i\.?e|etc|inc|ltd|llc|corp|co|vs|no|nos|art|arts|sec|par|mr|mrs|ms|dr|st|cf|ca|approx|"
    r"incl|u\.s|u\.k|u\.s\.a|e\.u|a\.i|p\.o|d\.c|resp|bzw|z\.b|usw|abs|nr|p\.ej|[a-zA-Z])\.$",
    re.IGNORECASE,
)
_WORD: Final = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_QUOTES: Final = str.maketrans(
    {
        "‘": "'",
        "’": "'",
        "\u201b": "'",
        "\u02bc": "'",
        "“": '"',
        "”": '"',
        "„": '"',
        "«": '"',
        "»": '"',
        "`": "'",
    }
)


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of a document.

    ``key`` is what is compared (words in lower case); ``stem`` the line that a list item continues ("We use your
    data to:"), ``heading`` the heading above; ``kind`` is ``heading``, ``item``, ``cell`` or ``text``.
    """

    text: str
    key: str
    stem: str = ""
    heading: str = ""
    kind: str = "text"


@dataclass(frozen=True, slots=True)
class Document:
    """The sentences of one version, in order; ``cut`` says that the text was longer than ``MAX_TEXT``."""

    sentences: tuple[Sentence, ...]
    cut: bool = False

    @property
    def title(self) -> str:
        """The first heading, or the first sentence."""
        for one in self.sentences[:40]:
            if one.kind == "heading":
                return one.text
        return self.sentences[0].text if self.sentences else ""


def decode(data: bytes) -> str:
    """Text of bytes of any encoding; what cannot be read becomes U+FFFD, never an error."""
    for mark, name in ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if data.startswith(mark):
            return data.decode(name, "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        if b"\x00" in data[:200]:
            name = "utf-16-le" if data[1:2] == b"\x00" else "utf-16-be"
            return data.decode(name, "replace")
        # A few broken bytes in good UTF-8 are damage; many are another encoding.
        good = data.decode("utf-8", "replace")
        damage = good.count("\ufffd")
        return (
            good
            if damage * _RARE < len(data) and damage * 2 < _beyond_ascii(good)
            else data.decode("cp1252", "replace")
        )


def _beyond_ascii(text: str) -> int:
    return len(text) - len(text.encode("ascii", "ignore"))


def key_of(text: str) -> str:
    """The words of a text in lower case, one space between: what two versions are compared by."""
    return " ".join(_WORD.findall(text.translate(_QUOTES).casefold()))


def read(text: str) -> Document:
    """The sentences of a document."""
    cut = len(text) > MAX_TEXT
    reader = _Reader()
    for line in _LINES.split(text[:MAX_TEXT]):
        reader.line(line)
        if len(reader.sentences) > MAX_SENTENCES:
            break
    reader.end()
    cut = cut or len(reader.sentences) > MAX_SENTENCES
    return Document(tuple(reader.sentences[:MAX_SENTENCES]), cut)


@lru_cache(maxsize=100_000)
def _clean(line: str) -> str:
    """A line without markup and invisible signs."""
    line = _INVISIBLE.sub("", line)
    if not line.isascii():
        line = unicodedata.normalize("NFC", line)
    if "[" in line:
        line = _LINK.sub(r"\1", line)
        line = _LINK.sub(r"\1", line)
        line = _REFERENCE.sub(r"\1", line)
    if "<" in line:
        line = _TAG.sub(" ", line)
    if "://" in line:
        line = _URL.sub(" ", line)
    line = _EMPHASIS.sub("", line)
    if "\\" in line:
        line = _ESCAPE.sub(r"\1", line)
    return _SPACES.sub(" ", line).strip()


@lru_cache(maxsize=60_000)
def _split(block: str) -> tuple[tuple[str, str, str], ...]:
    """The sentences of a block with their keys, and for a piece of an endless sentence what that began with."""
    found: list[tuple[str, str, str]] = []
    for piece, lead in _pieces(block):
        text = _ORDINAL.sub("", piece.strip(), count=1)
        key = key_of(text)
        if key:
            found.append((text, key, lead))
    return tuple(found)


def _pieces(block: str) -> Iterator[tuple[str, str]]:
    start = 0
    for stop in _STOP.finditer(block):
        end = stop.end(1)
        if end - start > MAX_SENTENCE:
            yield from _chunks(block[start:end])
            start = stop.end()
            continue
        if stop.end() < len(block) and not _ends(block, start, stop):
            continue
        yield block[start:end], ""
        start = stop.end()
    if start < len(block):
        yield from _chunks(block[start:])


_ANSWERS: Final = ("no.", "yes.")


def _ends(block: str, start: int, stop: re.Match[str]) -> bool:
    """Whether a stop ends a sentence: what follows begins one, and it is no abbreviation's."""
    following = block[stop.end()]
    if following.isupper() and block[start : stop.start() + 1].strip().lower() in _ANSWERS:
        # "No. We do not …": here it is no number's.
        return True
    if stop[1][0] == "." and (
        following.islower() or _ABBREVIATION.search(block[max(start, stop.start() - 12) : stop.start() + 1])
    ):
        return False
    return not (stop[1][0] == "." and following in ",;")


def _chunks(text: str) -> Iterator[tuple[str, str]]:
    lead, start = "", 0
    while len(text) - start > MAX_SENTENCE:
        at = text.rfind(" ", start + 1, start + MAX_SENTENCE)
        at = at if at > start else start + MAX_SENTENCE
        yield text[start:at], lead
        lead = text[:_MAX_STEM]
        start = at
    if start < len(text):
        yield text[start:], lead


@dataclass(slots=True)
class _Reader:
    """Lines in, sentences out: keeps the paragraph, the heading and the stems of the lists it is in."""

    sentences: list[Sentence] = field(default_factory=list)
    paragraph: list[str] = field(default_factory=list)
    heading: str = ""
    stems: list[tuple[int, str]] = field(default_factory=list)
    item_indent: int = -1
    last_text: str = ""
    question: str = ""

    def line(self, raw: str) -> None:
        """Take one line."""
        if not raw.strip():
            self.end()
            return
        if self.paragraph and _UNDERLINE.fullmatch(raw) and len(raw.strip()) > 1:
            self._heading(_clean(" ".join(self.paragraph)))
            self.paragraph.clear()
            return
        if _RULE.fullmatch(raw):
            self.end()
            return
        found = _HEADING.match(raw)
        if found:
            self.end()
            self._heading(_clean(found[2].rstrip("# ")))
            return
        if raw.lstrip().startswith("|"):
            self.end()
            self._row(raw)
            return
        item = _ITEM.match(raw)
        if item:
            self.end()
            self.item_indent = len(item[1].expandtabs(4))
            self.paragraph = [raw[item.end() :]]
            return
        if not self.paragraph and not raw[:1].isspace():
            self.item_indent = -1
        self.paragraph.append(raw.strip())

    def end(self) -> None:
        """End the paragraph or item."""
        if not self.paragraph:
            return
        block = _clean(" ".join(self.paragraph))
        self.paragraph.clear()
        if not block:
            return
        if self.item_indent >= 0:
            self._item(block)
        else:
            self.stems.clear()
            self._emit(block, "text", "")
        self.last_text = block

    def _item(self, block: str) -> None:
        while self.stems and self.stems[-1][0] >= self.item_indent:
            self.stems.pop()
        if not self.stems and _is_stem(self.last_text):
            self.stems.append((-1, _last_sentence(self.last_text)))
        stem = " ".join(text for _, text in self.stems)[-_MAX_STEM:]
        self._emit(block, "item", stem)
        if _is_stem(block):
            self.stems.append((self.item_indent, _last_sentence(block)))

    def _heading(self, text: str) -> None:
        self.end_of_list()
        if not text:
            return
        self.heading = text[:_MAX_STEM]
        self.last_text = text if text.endswith(":") else ""
        self._emit(text, "heading", "")

    def end_of_list(self) -> None:
        """A heading ends all lists."""
        self.stems.clear()
        self.item_indent = -1

    def _row(self, raw: str) -> None:
        cells = [_clean(cell) for cell in raw.strip().strip("|").split("|")[:200]]
        head = ""
        for cell in cells:
            if cell:
                self._emit(cell, "cell", head)
                head = head or cell[:_MAX_STEM]
        self.last_text = ""

    def _emit(self, block: str, kind: str, stem: str) -> None:
        if "* " in block or "• " in block or "▪ " in block or "● " in block:
            # A list within a line, as tables hold them.
            lead, *items = (piece.strip() for piece in _BULLET.split(block))
            if lead:
                self._emit_plain(lead, kind, stem)
            stem = lead[-_MAX_STEM:] if lead and _is_stem(lead) else stem
            for item in items:
                self._emit_plain(item, kind if kind == "cell" else "item", stem)
        else:
            self._emit_plain(block, kind, stem)

    def _emit_plain(self, block: str, kind: str, stem: str) -> None:
        heading = "" if kind == "heading" else self.heading
        found, self.question = _made(block, kind, stem, heading, self.question)
        self.sentences += found


@lru_cache(maxsize=60_000)
def _made(block: str, kind: str, stem: str, heading: str, question: str) -> tuple[tuple[Sentence, ...], str]:
    """The sentences of a block, and the question that the next one may answer.

    Versions of a document share nearly all blocks: their sentences are made once.
    """
    found: list[Sentence] = []
    for text, key, lead in _split(block):
        context = f"{stem} {lead}".strip() if lead else stem
        if question and key.split(" ", 1)[0] in ("no", "yes"):
            # An answer is read with its question.
            context = question
        question = text[:_MAX_STEM] if is_question(text) else ""
        found.append(Sentence(text, key, context, heading, kind))
    return tuple(found), question


def is_question(text: str) -> bool:
    """Whether it asks for a yes or a no: it says nothing by itself."""
    return text.endswith("?") and bool(_ASKS.match(text))


def _is_stem(block: str) -> bool:
    return block.endswith((":", ";", ",", "—", "–", "-")) or (bool(block) and block[-1] not in ".!?。\"')")


def _last_sentence(block: str) -> str:
    pieces = _split(block)
    return pieces[-1][0][-_MAX_STEM:] if pieces else ""
