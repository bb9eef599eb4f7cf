"""Charts as SVG markup that stands in a page: no styles of their own, so that the page's policy and colours hold."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from markupsafe import Markup

from troth.app.flow import draw

VERDICT_COLORS: Final = {"allowed": "#2f8f6b", "denied": "#b4552d", "gap": "#8a7bb8"}
_SHOWN: Final = 14
_INK: Final = "#7b8794"
_WIDTH: Final = 520
_LABELS: Final[Any] = {"labelLimit": 0, "labelExpr": "split(datum.label, '|')"}
_ROOM: Final[Any] = {"left": 48, "right": 24, "top": 5, "bottom": 5}
"""Browsers draw letters wider than the library reckons."""
_STYLE: Final = re.compile(r' style="([^"]*)"')


def warm() -> None:
    """Draw something small: the first drawing of a process takes seconds, and nobody should wait for it."""
    bars("-", {"-": 1})


def bars(title: str, counts: Mapping[str, int], *, color: str = "#3a7ca5") -> Markup:
    """A bar chart, largest first as given; the rest beyond fourteen in one bar."""
    rows = list(counts.items())
    if len(rows) > _SHOWN:
        rest = rows[_SHOWN - 1 :]
        rows = [*rows[: _SHOWN - 1], (f"{len(rest)} others", sum(count for _, count in rest))]
    return _bars(title, tuple(rows), color)


@lru_cache(maxsize=256)
def _bars(title: str, rows: tuple[tuple[str, int], ...], color: str) -> Markup:
    import altair as alt

    values = [{"label": _wrapped(label), "n": count} for label, count in rows]
    deepest = max((str(one["label"]).count("|") for one in values), default=0)
    base = alt.Chart(alt.InlineData(values=values)).encode(
        y=alt.Y("label:N", sort=None, title=None, axis=_LABELS),
        x=alt.X("n:Q", title=None, axis=alt.Axis(format=",d", tickCount=4, tickMinStep=1)),
    )
    chart = base.mark_bar(color=color, cornerRadiusEnd=2) + base.mark_text(
        align="left", dx=5, color=_INK, fontSize=12
    ).encode(text=alt.Text("n:Q", format=",d"))
    return _drawn(chart.properties(width=_WIDTH, height=alt.Step(28 + 15 * deepest)), title)


def _wrapped(label: str) -> str:
    """A long label in lines of some forty signs, parted by bars."""
    return "|".join(textwrap.wrap(label.replace("|", "/"), 40)) or " "


def verdicts(title: str, groups: Mapping[str, Mapping[str, int]]) -> Markup:
    """Bars of verdicts side by side, one row a group."""
    rows = tuple(
        (group, verdict, counts.get(verdict, 0))
        for group, counts in list(groups.items())[:_SHOWN]
        for verdict in VERDICT_COLORS
    )
    return _verdicts(title, rows)


@lru_cache(maxsize=256)
def _verdicts(title: str, rows: tuple[tuple[str, str, int], ...]) -> Markup:
    import altair as alt

    values = [{"label": label, "verdict": verdict, "n": count} for label, verdict, count in rows]
    chart = (
        alt.Chart(alt.InlineData(values=values))
        .mark_bar()
        .encode(
            y=alt.Y("label:N", sort=None, title=None, axis=_LABELS),
            x=alt.X("n:Q", title=None, stack=True, axis=alt.Axis(format=",d", tickCount=4, tickMinStep=1)),
            color=alt.Color(
                "verdict:N",
                title=None,
                scale=alt.Scale(domain=list(VERDICT_COLORS), range=list(VERDICT_COLORS.values())),
                legend=alt.Legend(orient="top", labelColor=_INK, labelFontSize=12),
            ),
            order=alt.Order("verdict:N"),
        )
        .properties(width=_WIDTH, height=alt.Step(28))
    )
    return _drawn(chart, title)


def lines(title: str, points: Sequence[tuple[str, str, int]]) -> Markup:
    """Counts over time: (ISO day, series, count)."""
    return _lines(title, tuple(points))


@lru_cache(maxsize=256)
def _lines(title: str, points: tuple[tuple[str, str, int], ...]) -> Markup:
    import altair as alt

    values = [{"at": at, "series": series, "n": count} for at, series, count in points]
    chart = (
        alt.Chart(alt.InlineData(values=values))
        .mark_line(point=True, interpolate="step-after")
        .encode(
            x=alt.X("at:T", title=None, axis=alt.Axis(format="%b %Y", tickCount=6)),
            y=alt.Y("n:Q", title=None, axis=alt.Axis(format=",d", tickCount=4, tickMinStep=1)),
            color=alt.Color(
                "series:N", title=None, legend=alt.Legend(orient="top", labelColor=_INK, labelFontSize=12)
            ),
        )
        .properties(width=_WIDTH, height=180)
    )
    return _drawn(chart, title)


def flow(disclosures: Sequence[dict[str, Any]]) -> Markup:
    """Who gave what to whom, as ``troth disclosures --flow`` draws it."""
    markup = draw(disclosures, "Who received what")
    return _framed(markup.replace("<svg ", '<svg class="chart" ', 1), "Who received what")


def _drawn(chart: object, title: str) -> Markup:
    import vl_convert

    configured = chart.properties(background="transparent", padding=_ROOM).configure_view(stroke=None)  # type: ignore[attr-defined]
    configured = configured.configure_axis(
        labelColor=_INK, labelFontSize=12, gridColor="#8884", domainColor="#8888", tickColor="#8888"
    )
    markup = str(vl_convert.vegalite_to_svg(configured.to_json()))
    # The page's policy forbids styles in markup; what they say can be said by attributes.
    markup = _STYLE.sub(_as_attributes, markup)
    label = Markup.escape(title)
    markup = markup.replace('class="marks" ', "", 1)
    head = f'<svg role="img" aria-label="{label}" class="chart" '
    return _framed(markup.replace("<svg ", head, 1), title)


def _framed(svg: str, title: str) -> Markup:
    """A drawing that scrolls by itself where a screen is too narrow for its letters, also by keyboard."""
    # Markup of our own making: labels in it were escaped where they were drawn.
    label = Markup.escape(title)
    return Markup(f'<div class="chart" tabindex="0" role="group" aria-label="{label}">{svg}</div>')  # noqa: S704


def _as_attributes(found: re.Match[str]) -> str:
    pairs = (pair.partition(":") for pair in found[1].split(";") if ":" in pair)
    allowed = ("fill", "stroke", "opacity", "stroke-width", "font-size", "font-family", "text-anchor")
    return "".join(
        f' {name.strip()}="{value.strip()}"' for name, _, value in pairs if name.strip() in allowed
    )
