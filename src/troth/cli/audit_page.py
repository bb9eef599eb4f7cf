"""The audit's report as a page that stands alone: no script, nothing loaded from anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from troth.app.audit import Audit, SetResult, once_in
from troth.core.canary import TEST
from troth.learning.power import Power

_SHOWN_SETS = 6
_INK = "#888"


def page(found: Audit) -> str:
    """The report as HTML."""
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("troth.cli", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(once_in=once_in, instant=lambda at: f"{at[:10]} {at[11:16]} UTC")
    tests = [one for one in found.sets if one.held.role == TEST]
    return environment.get_template("audit.html.j2").render(
        found=found,
        asked=found.asked,
        tests=found.tests,
        scores=[(one, Markup(score_chart(one))) for one in tests[:_SHOWN_SETS]],  # noqa: S704 - our own SVG
        ranks=Markup(rank_chart([one.p_value for one in tests])) if len(tests) > 1 else None,  # noqa: S704 - ours
        power=Markup(power_chart(found.power)) if found.power else None,  # noqa: S704 - our own SVG
    )


def score_chart(one: SetResult) -> str:
    """All candidates' scores, and where the placed one stands."""
    import altair as alt

    bars = [
        {"from": one.edges[at], "to": one.edges[at + 1], "candidates": number, "none": 0}
        for at, number in enumerate(one.counts)
    ]
    chart = alt.Chart(alt.InlineData(values=bars)).mark_rect(color="#3a7ca5").encode(
        x=alt.X("from:Q", title="score (left: the model knows it better)", scale=alt.Scale(zero=False)),
        x2="to:Q",
        y=alt.Y("candidates:Q", title="candidates"),
        y2="none:Q",
    ) + alt.Chart(alt.InlineData(values=[{"mark": one.mark}])).mark_rule(
        color="#c2452d", strokeWidth=3
    ).encode(x="mark:Q")
    return _svg(chart, f"scores of all candidates of set {one.held.set.id}; the placed one is the red line")


def rank_chart(p_values: Sequence[float]) -> str:
    """Sorted p-values against what chance alone would give (the line)."""
    import altair as alt

    ordered = sorted(p_values)
    rows = [{"chance": (at + 0.5) / len(ordered), "p": p} for at, p in enumerate(ordered)]
    chart = alt.Chart(alt.InlineData(values=[{"x": 0, "y": 0}, {"x": 1, "y": 1}])).mark_line(
        color=_INK, strokeDash=[4, 4]
    ).encode(x="x:Q", y="y:Q") + alt.Chart(alt.InlineData(values=rows)).mark_point(
        color="#c2452d", filled=True
    ).encode(
        x=alt.X("chance:Q", title="if nothing was learned"), y=alt.Y("p:Q", title="p-value that was found")
    )
    return _svg(chart, "p-values of all sets; far below the line: learned")


def power_chart(power: Sequence[Power]) -> str:
    """What the test sees, by messages; the area reaches down to the bound."""
    import altair as alt

    rows = [
        {
            "messages": one.messages,
            "power": one.seen,
            "at_least": one.at_least,
            "of": "one member" if one.members == 1 else f"{one.members} members",
        }
        for one in power
    ]
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        x=alt.X("messages:Q", title="marked messages of each member", axis=alt.Axis(tickMinStep=1)),
        color=alt.Color("of:N", title=None),
    )
    scale = alt.Scale(domain=[0, 1])
    chart = (
        base.mark_area(opacity=0.15).encode(
            y=alt.Y("at_least:Q", scale=scale), y2=alt.Y2("power:Q"), fill=alt.Fill("of:N", legend=None)
        )
        + base.mark_line(point=True).encode(y=alt.Y("power:Q", title="chance to be seen", scale=scale))
        + base.mark_rule().encode(y=alt.Y("at_least:Q", scale=scale), y2=alt.Y2("power:Q"))
        + base.mark_tick(thickness=2, size=14).encode(y=alt.Y("at_least:Q", scale=scale))
    )
    return _svg(chart, "power by number of messages; the ticks: the lower bound")


def _svg(chart: Any, description: str) -> str:  # noqa: ANN401 - Altair's charts have no common type
    import vl_convert

    chart = chart.properties(width=460, height=200, description=description, background="transparent")
    chart = chart.configure_axis(
        labelColor=_INK, titleColor=_INK, gridColor="#8883", domainColor=_INK, tickColor=_INK
    ).configure_legend(labelColor=_INK)
    return str(vl_convert.vegalite_to_svg(chart.configure_view(stroke=None).to_json()))
