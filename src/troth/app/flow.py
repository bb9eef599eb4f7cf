"""Who received what, drawn: as lines of text and as SVG. Input are disclosures as ``disclosures.listed`` gives them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from xml.sax.saxutils import escape

_WIDE, _HIGH, _STEP, _ROW = 300, 46, 380, 74
_COLOURS = {"cleared": "#2f7d4f", "recalled": "#b3541e", "given": "#3b5b8c"}
_FONT = "font-family='system-ui, sans-serif'"


def tree(found: Sequence[dict[str, Any]]) -> list[str]:
    """Lines of text: each receipt below the one that it rests on."""
    lines = ["operator"] if found else []
    for at, one in enumerate(found):
        last = not any(later["depth"] == one["depth"] for later in _siblings(found, at))
        lines.append(f"{'   ' * one['depth']}{'└─' if last else '├─'} {_said(one)}")
    return lines


def _siblings(found: Sequence[dict[str, Any]], at: int) -> Iterable[dict[str, Any]]:
    for later in found[at + 1 :]:
        if later["depth"] < found[at]["depth"]:
            return
        yield later


def _said(one: dict[str, Any]) -> str:
    signed = "countersigned" if one["countersigned"] else "NOT countersigned"
    return (
        f"{one['recipient']}: {one['release']}, {one['rows']:,} rows, {one['right']}, {signed}{_state(one)}"
    )


def _state(one: dict[str, Any]) -> str:
    states = sorted({each["status"] for each in one["recalls"]} - {"replaced"})
    return f"; recalled: {', '.join(states)}" if states else ""


def draw(found: Sequence[dict[str, Any]], title: str = "Who received what") -> str:
    """An SVG drawing: the operator on the left, each recipient to the right of whom it got its data from."""
    deepest = max((one["depth"] for one in found), default=0)
    width, height = 40 + _STEP * (deepest + 1) + _WIDE, 60 + _ROW * max(1, len(found))
    places: dict[str, tuple[int, int]] = {}
    parts = [_box(20, 50, "operator", "decides, seals, gives", _COLOURS["given"])]
    for row, one in enumerate(found):
        x, y = 20 + _STEP * (one["depth"] + 1), 50 + _ROW * row
        places[one["receipt"]] = (x, y)
        fx, fy = places.get(one["rests_on"] or "", (20, 50))
        colour = _COLOURS["given" if not one["recalls"] else "cleared" if one["cleared"] else "recalled"]
        dashed = "" if one["countersigned"] else " stroke-dasharray='6 4'"
        start, end = fx + _WIDE, x
        parts.append(
            f"<path d='M{start},{fy + _HIGH // 2} C{start + 40},{fy + _HIGH // 2} {end - 40},{y + _HIGH // 2}"
            f" {end},{y + _HIGH // 2}' fill='none' stroke='{colour}' stroke-width='2'{dashed}/>"
        )
        small = (
            f"{one['rows']:,} rows · {one['release']}{'' if one['countersigned'] else ' · not signed for'}"
        )
        parts.append(_box(x, y, one["recipient"], small, colour))
    text = "; ".join(_said(one) for one in found)
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' viewBox='0 0 {width} {height}'"
        f" role='img'><title>{escape(title)}</title><desc>{escape(text)}</desc>"
        f"<text x='20' y='28' {_FONT} fill='currentColor' font-size='16' font-weight='600'>{escape(title)}</text>"
        f"{''.join(parts)}</svg>\n"
    )


def _box(x: int, y: int, name: str, small: str, colour: str) -> str:
    return (
        f"<rect x='{x}' y='{y}' width='{_WIDE}' height='{_HIGH}' rx='6' fill='#fff' stroke='{colour}'"
        f" stroke-width='2'/><text x='{x + 10}' y='{y + 19}' {_FONT} font-size='13'>{escape(name)}</text>"
        f"<text x='{x + 10}' y='{y + 36}' {_FONT} font-size='11' fill='#555'>{escape(small)}</text>"
    )
