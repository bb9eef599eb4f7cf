"""The report as a page: side by side, with the timeline of a document's life. No script, nothing from elsewhere."""

from __future__ import annotations

import importlib.resources
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from jinja2 import Environment
from markupsafe import Markup, escape

if TYPE_CHECKING:
    from troth.app.watching import Life
    from troth.watch.contradictions import Contradiction
    from troth.watch.reading import Reading

_LONGEST = 4_000
_WORDS = 400
_GONE = Markup("<del>{}</del>")
_NEW = Markup("<ins>{}</ins>")


def diff_page(before: str, after: str, reading: Reading) -> str:
    """The page of one change."""
    return _render(title=f"{before} → {after}", lives=[], readings=[(after, reading)], opposed=[])


def life_page(lives: list[Life], opposed: list[Contradiction]) -> str:
    """The page of documents' lives."""
    title = ", ".join(one.title for one in lives) or "nothing is watched"
    return _render(title=title, lives=lives, readings=[], opposed=opposed)


def _render(**values: object) -> str:
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.globals["marked"] = marked
    template = importlib.resources.files("troth.cli").joinpath("templates/watch.html.j2").read_text("utf-8")
    return environment.from_string(template).render(**values)


def marked(before: str | None, after: str | None) -> tuple[Markup, Markup]:
    """Both sentences with what differs marked."""
    old, new = ((text or "")[:_LONGEST] for text in (before, after))
    left, right = old.split(), new.split()
    if not old or not new or max(len(left), len(right)) > _WORDS:
        return escape(old), escape(new)
    parts: tuple[list[Markup], list[Markup]] = ([], [])
    for what, i1, i2, j1, j2 in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        for part, words, mark in ((parts[0], left[i1:i2], _GONE), (parts[1], right[j1:j2], _NEW)):
            text = " ".join(words)
            if words:
                part.append(escape(text) if what == "equal" else mark.format(text))
    return Markup(" ").join(parts[0]), Markup(" ").join(parts[1])
