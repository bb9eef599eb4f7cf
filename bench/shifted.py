"""Why scores of membership inference are no proof, shown: ``python -m bench.shifted``.

Min-K% and Min-K%++ of the tiny model on pairs of collections: of one kind or of two kinds, used in training or not.
Writes the figure of docs/explanation/evidence.md, and its numbers into bench/results.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import click

from bench import measure
from bench.evidence import RESULTS, base
from troth.learning import indicative
from troth.learning.targets.local import Local
from troth_network.chance import Dice
from troth_network.writing import write

FIGURE = Path(__file__).parent.parent / "docs" / "explanation" / "shifted.svg"
_COUNT = 100


def texts(label: str, category: str) -> list[str]:
    """Generated messages of one category."""
    dice = Dice("shifted", label)
    return [write(category, dice)[2] for _ in range(_COUNT)]


def scores(target: Local, collection: list[str]) -> dict[str, list[float]]:
    """Both scores of each text."""
    tokens = [target.token_scores(text) for text in collection]
    return {
        "Min-K%": [indicative.min_k(one[0]) for one in tokens],
        "Min-K%++": [indicative.min_k_plus_plus(*one) for one in tokens],
    }


def measured(folder: Path) -> list[dict[str, object]]:
    """The area under the curve of each pair and score: 0.5 is what chance gives."""
    from transformers import GPT2LMHeadModel

    from bench import tiny

    here, there = texts("here", "post"), texts("there", "post")
    letters = texts("letters", "private_message.inmail")
    unused = Local(base(folder / "base"))
    model = GPT2LMHeadModel.from_pretrained(base(folder / "base"), local_files_only=True)
    tiny.train(model, here, epochs=2, rate=1e-3, seed=1)
    used = Local(tiny.save(model, folder / "used"))
    rows: list[dict[str, object]] = []
    for pair, target, first, second in (
        ("neither used, same kind", unused, here, there),
        ("neither used, another kind", unused, here, letters),
        ("first used, same kind", used, here, there),
    ):
        one, other = scores(target, first), scores(target, second)
        rows += [
            {"pair": pair, "score": name, "area": round(indicative.area(one[name], other[name]), 3)}
            for name in one
        ]
    return rows


def figure(rows: list[dict[str, object]]) -> str:
    """Bars for each pair, and a line where chance is."""
    import altair as alt
    import vl_convert

    bars = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_bar()
        .encode(
            y=alt.Y("pair:N", sort=None, title=None, axis=alt.Axis(labelLimit=0)),
            yOffset="score:N",
            x=alt.X("area:Q", scale=alt.Scale(domain=[0, 1]), title="area under the curve (0.5: chance)"),
            color=alt.Color("score:N", title=None),
        )
    )
    chance = (
        alt.Chart(alt.InlineData(values=[{"x": 0.5}]))
        .mark_rule(strokeDash=[4, 4], color="#888")
        .encode(x="x:Q")
    )
    chart = (bars + chance).properties(width=380, height=alt.Step(16), background="transparent")
    return str(vl_convert.vegalite_to_svg(chart.configure_view(stroke=None).to_json()))


@click.command()
@click.option("--folder", type=click.Path(path_type=Path), default=Path(".bench/evidence"), show_default=True)
def main(folder: Path) -> None:
    """Measure, print, and write the figure."""
    import torch

    torch.set_num_threads(1)
    folder.mkdir(parents=True, exist_ok=True)
    rows = measured(folder)
    FIGURE.write_text(figure(rows), encoding="utf-8")
    day = datetime.now(UTC).date().isoformat()
    record = {"machine": measure.machine(), "texts": _COUNT, "areas": rows}
    (RESULTS / f"{day}-shifted.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    click.echo(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
