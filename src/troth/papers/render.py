"""Papers for people: the JSON of a paper as HTML (Jinja) and PDF (Typst). Equal papers give equal bytes.

Typst comes with its own fonts (``pip install 'troth[papers]'``) and needs nothing of the system; texts of a paper reach
it as data, never as markup.
"""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Iterator
from typing import Final

from troth.core.errors import Unavailable
from troth.core.written import Json
from troth.papers.paper import difference

_TEMPLATES: Final = importlib.resources.files("troth.papers").joinpath("templates")
_SHOWN_RANGES: Final = 6


def html(paper: dict[str, Json], before: dict[str, Json] | None = None) -> str:
    """A paper as one HTML page that loads nothing; with an earlier version, what changed since."""
    from jinja2 import Environment

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    source = _TEMPLATES.joinpath("paper.html.j2").read_text("utf-8")
    return environment.from_string(source).render(_readable(paper, before))


def pdf(paper: dict[str, Json], before: dict[str, Json] | None = None) -> bytes:
    """A paper as PDF.

    Raises:
        Unavailable: the renderer is not installed.
    """
    try:
        import typst
    except ImportError:
        raise Unavailable(
            "PDF needs the papers extra", remedy="pip install 'troth[papers]', or ask for --format html"
        ) from None
    source = _TEMPLATES.joinpath("paper.typ").read_bytes()
    data = json.dumps(_readable(paper, before), ensure_ascii=False)
    made: bytes = typst.compile(source, sys_inputs={"paper": data}, ignore_system_fonts=True)
    return made


def _readable(paper: dict[str, Json], before: dict[str, Json] | None) -> dict[str, Json]:
    """The paper with numbers and positions as people read them, as both templates take it."""
    changes: list[Json] = []
    if before is not None:
        changes = [
            {"label": one.label, "before": _said(one.before), "after": _said(one.after)}
            for one in difference(before, paper)
        ]
    sections: list[Json] = []
    for section in _dicts(paper["sections"]):
        fields: list[Json] = [_field(one) for one in _dicts(section["fields"])]
        sections.append({"title": section["title"], "text": section.get("text"), "fields": fields})
    ledger = paper["ledger"]
    stand = ledger if isinstance(ledger, dict) else {}
    checkpoint = stand.get("checkpoint")
    blanks = paper["blanks"]
    erased = _dicts_or_texts(paper["rests_on_erased"])
    labels = {
        one["key"]: one["label"] for section in _dicts(paper["sections"]) for one in _dicts(section["fields"])
    }
    return {
        **{key: paper[key] for key in ("title", "about", "reader", "rule", "words")},
        "position": _said(stand.get("position")),
        "time": stand.get("time"),
        "checkpoint": checkpoint,
        "sections": sections,
        "blanks": blanks,
        "erased": [labels.get(one, one) for one in erased],
        "changes": changes,
        "compared": before is not None,
        "before": _said(_position(before)) if before is not None else None,
    }


def _position(paper: dict[str, Json]) -> Json:
    ledger = paper["ledger"]
    return ledger.get("position") if isinstance(ledger, dict) else None


def _field(one: dict[str, Json]) -> dict[str, Json]:
    table = one.get("table")
    rows: list[Json] = []
    headings: Json = []
    numeric: list[Json] = []
    if isinstance(table, dict):
        headings = table["headings"]
        raw = table["rows"] if isinstance(table["rows"], list) else []
        rows = [[_said(cell) for cell in row] if isinstance(row, list) else [] for row in raw]
        width = len(headings) if isinstance(headings, list) else 0
        numeric = [
            bool(raw) and all(isinstance(row, list) and isinstance(row[at], int) for row in raw)
            for at in range(width)
        ]
    value = one.get("value")
    return {
        "label": one["label"],
        "kind": "table"
        if table is not None
        else "blank"
        if "blank" in one
        else "list"
        if isinstance(value, list)
        else "text",
        "text": _said(value) if not isinstance(value, list) else None,
        "items": [_said(item) for item in value] if isinstance(value, list) else [],
        "headings": headings,
        "numeric": numeric,
        "rows": rows,
        "blank": one.get("blank"),
        "query": one.get("query"),
        "entries": _ranges(one.get("entries")),
        "erased": _ranges(one.get("rests_on_erased")),
        "note": one.get("note"),
    }


def _ranges(found: Json) -> str | None:
    if not isinstance(found, dict):
        return None
    ranges = found.get("ranges")
    if not isinstance(ranges, list):
        return f"{_said(found['count'])} entries (listed by the query)"
    said = []
    for one in ranges[:_SHOWN_RANGES]:
        first, last = one if isinstance(one, list) else (one, one)
        said.append(_said(first) if first == last else f"{_said(first)}–{_said(last)}")
    more = len(ranges) - _SHOWN_RANGES
    return ", ".join(said) + (
        f" and {more:,} more ranges; {_said(found['count'])} in all" if more > 0 else ""
    )


def _said(value: Json) -> str:
    match value:
        case None:
            return "—"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case list():
            return ", ".join(_said(one) for one in value)
        case {"blank": reason}:
            return f"left blank: {reason}"
        case {"rows": list() as rows}:
            return "; ".join(
                " · ".join(_said(cell) for cell in row) if isinstance(row, list) else "" for row in rows
            )
        case dict():
            return json.dumps(value, ensure_ascii=False, sort_keys=True)
        case _:
            return str(value)


def _dicts(value: Json) -> list[dict[str, Json]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _dicts_or_texts(value: Json) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []


def lines(paper: dict[str, Json]) -> Iterator[str]:
    """A paper as lines of plain text."""
    shown = _readable(paper, None)
    yield str(shown["title"])
    yield f"{shown['about']}; {shown['rule']}"
    yield f"counted from the first {shown['position']} entries of the ledger, the last recorded at {shown['time']}"
    for section in _dicts(shown["sections"]):
        yield f"\n{section['title']}"
        for one in _dicts(section["fields"]):
            yield from _lines(one)


def _lines(one: dict[str, Json]) -> Iterator[str]:
    yield f"  {one['label']}"
    match one["kind"]:
        case "blank":
            yield f"    left blank: {one['blank']}"
        case "table":
            rows = one["rows"] if isinstance(one["rows"], list) else []
            yield from (f"    {_said(row)}" for row in rows) if rows else ["    none"]
        case "list":
            yield from (f"    {item}" for item in _dicts_or_texts(one["items"]) or ["none"])
        case _:
            yield f"    {one['text']}"
    if one["entries"]:
        yield f"    [entries {one['entries']}]"
    if one["erased"]:
        yield f"    [rests on erased entries {one['erased']}]"
