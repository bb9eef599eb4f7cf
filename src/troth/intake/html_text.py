"""HTML as readable text: blocks on lines of their own, scripts and styles out."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Final

from selectolax.lexbor import LexborDocumentOptions, LexborHTMLParser

_SILENT: Final = frozenset(("script", "style", "head", "template", "iframe", "object", "svg"))
_BLOCKS: Final = frozenset(
    (
        "address article aside blockquote body center dd details div dl dt fieldset figcaption figure footer"
        " form h1 h2 h3 h4 h5 h6 header hr li main nav ol p pre section table tbody tfoot thead tr ul"
    ).split()
)
_PARAGRAPHS: Final = frozenset("blockquote dl h1 h2 h3 h4 h5 h6 ol p pre table ul".split())
_CELLS: Final = frozenset(("td", "th"))
# Elements that end by themselves do not nest by being repeated, nor do those without content.
_FLAT: Final = frozenset(
    (
        "area base br col dd dt embed hr img input li link meta option p param source tbody td tfoot th thead"
        " tr track wbr"
    ).split()
)
_TAG: Final = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]{0,20})")
_MAX_WORK: Final = 3_000_000
"""Tags times nesting: what a parser may have to do. Real mail stays far below; a hostile page knows no bounds."""

# Marks in the text, which no page holds once it was read: noncharacters of Unicode.
_LINE: Final = "\ufdd0"  # a line ends here
_EDGE: Final = "\ufdd1"  # a block begins or ends here
_PARAGRAPH: Final = "\ufdd2"  # the same, with an empty line
_KEPT: Final = "\ufdd3"  # a space that counts
_BREAKS: Final = f"{_LINE}{_EDGE}{_PARAGRAPH}"
_MARKS: Final = re.compile(f"[{_BREAKS}{_KEPT}]")
_RUN: Final = re.compile(f" ?[{_BREAKS}][ {_BREAKS}]*")
_SPACE: Final = re.compile(r"[ \t\r\n\f\v\xa0]+")
_PREFORMATTED: Final = str.maketrans({"\n": _LINE, " ": _KEPT, "\t": _KEPT})


def html_to_text(page: str) -> str:
    """The text that a reader of the page sees, with line breaks where blocks begin and end."""
    page = _MARKS.sub("\ufffd", page)
    pieces = _tree_pieces(page) if _work(page) <= _MAX_WORK else _flat_pieces(page)
    text = _SPACE.sub(" ", "".join(pieces))
    return _RUN.sub(_newlines, text).replace(_KEPT, " ").strip()


def _newlines(found: re.Match[str]) -> str:
    """At most one empty line; a line that ends where its block ends does so once."""
    marks = found[0].replace(" ", "")
    if _PARAGRAPH in marks:
        return "\n\n"
    return "\n" * min(2, marks.count(_LINE) + (marks[0] == _EDGE))


def _work(page: str) -> int:
    depth = deepest = count = 0
    for found in _TAG.finditer(page):
        count += 1
        if found[2].lower() not in _FLAT:
            depth = max(0, depth + (-1 if found[1] else 1))
            deepest = max(deepest, depth)
    return count * deepest


def _tree_pieces(page: str) -> Iterator[str]:
    tree = LexborHTMLParser(page, options=LexborDocumentOptions.WO_EVENTS)
    node = tree.root
    preformatted = 0
    while node is not None:
        tag = node.tag or ""
        if tag == "-text":
            text = node.text_content or ""
            yield text.translate(_PREFORMATTED) if preformatted else text
        elif tag not in _SILENT:
            preformatted += tag == "pre"
            yield _opening(tag)
            if node.child is not None:
                node = node.child
                continue
            preformatted -= tag == "pre"
            yield _closing(tag)
        following = node.next
        while following is None:
            node = node.parent
            if node is None:
                return
            preformatted -= node.tag == "pre"
            yield _closing(node.tag or "")
            following = node.next
        node = following


def _opening(tag: str) -> str:
    if tag == "br":
        return _LINE
    if tag in _PARAGRAPHS:
        return _PARAGRAPH
    mark = _EDGE if tag in _BLOCKS else ""
    return mark + "- " if tag == "li" else mark


def _closing(tag: str) -> str:
    if tag in _PARAGRAPHS:
        return _PARAGRAPH
    if tag in _CELLS:
        return " "
    return _EDGE if tag in _BLOCKS else ""


def _flat_pieces(page: str) -> Iterator[str]:
    """The text of a page that is nested too deeply to be parsed: tags cut out one by one."""
    silent = ""
    first, *rest = page.split("<")
    yield html.unescape(first)
    for piece in rest:
        found = _TAG.match("<" + piece[:24])
        inside, _, after = piece.partition(">")
        if found is None:
            if not silent and inside[:1] not in ("!", "?", "/"):
                yield "<" + html.unescape(piece)
            continue
        tag = found[2].lower()
        if silent and not (found[1] and tag == silent):
            continue
        silent = tag if tag in _SILENT and not found[1] else ""
        if silent:
            continue
        yield _closing(tag) if found[1] else _opening(tag)
        yield html.unescape(after)
