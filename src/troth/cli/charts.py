"""Bar charts: drawn by the terminal's library for people at a terminal, by Altair as SVG for pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from troth.cli.output import count, is_terminal

_WIDTH = 40
_SHOWN = 12


def print_bars(title: str, bars: Mapping[str, int]) -> None:
    """A bar chart in the terminal; plain lines in a pipe."""
    click.echo(f"\n{title}")
    rows = folded(bars)
    if not is_terminal():
        for label, number in rows:
            click.echo(f"  {label}\t{count(number)}")
        return
    from rich.bar import Bar
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    largest = max((number for _, number in rows), default=1) or 1
    table = Table.grid(padding=(0, 1))
    table.add_column(justify="right", overflow="fold")
    table.add_column(width=_WIDTH)
    table.add_column(justify="right")
    for label, number in rows:
        table.add_row(escape(label), Bar(largest, 0, number, width=_WIDTH, color="cyan"), count(number))
    Console().print(table)


def folded(bars: Mapping[str, int]) -> list[tuple[str, int]]:
    """The bars to show: all, or the largest and the sum of the rest."""
    rows = list(bars.items())
    if len(rows) <= _SHOWN:
        return rows
    rest = rows[_SHOWN - 1 :]
    return [*rows[: _SHOWN - 1], (f"{len(rest)} others", sum(number for _, number in rest))]


def svg_bars(title: str, bars: Mapping[str, int]) -> str:
    """A bar chart as SVG markup, readable on light and dark."""
    import altair as alt
    import vl_convert

    rows = [{"label": label, "records": number} for label, number in folded(bars)]
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        y=alt.Y("label:N", sort=None, title=None, axis=alt.Axis(labelLimit=0)),
        x=alt.X("records:Q", title=None, axis=alt.Axis(format=",d", tickCount=5)),
    )
    chart = base.mark_bar(color="#3a7ca5") + base.mark_text(
        align="left", dx=4, color="#888", fontSize=12
    ).encode(text=alt.Text("records:Q", format=",d"))
    # Browsers draw labels wider than they were measured here, and would cut them off at the left.
    room: Any = {"left": 40, "right": 24, "top": 5, "bottom": 5}
    chart = chart.properties(
        width=430, height=alt.Step(24), description=title, background="transparent", padding=room
    )
    chart = chart.configure_axis(
        labelColor="#888", labelFontSize=13, gridColor="#8883", domainColor="#888", tickColor="#888"
    )
    markup = vl_convert.vegalite_to_svg(chart.configure_view(stroke=None).to_json())
    return str(markup)
