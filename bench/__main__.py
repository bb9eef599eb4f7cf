"""Run the benchmarks: ``make bench``, or ``python -m bench --help``."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import click

from bench import gate

RESULTS = Path(__file__).with_name("results")


@click.command()
@click.option("--members", default=1_000_000, show_default=True)
@click.option("--records", default=10_000_000, show_default=True)
@click.option(
    "--growth", default="1000000,10000000,30000000", show_default=True, help="Sizes for the growth of cost."
)
@click.option("--times", default=3, show_default=True, help="Runs of each measurement; the median counts.")
@click.option("--folder", type=click.Path(path_type=Path), default=Path(".bench"), show_default=True)
@click.option("--part", "parts", multiple=True, type=click.Choice(gate.PARTS), help="Only these parts.")
@click.option("--name", default="gate", show_default=True, help="Name of the files in bench/results.")
def main(
    members: int, records: int, growth: str, times: int, folder: Path, parts: tuple[str, ...], name: str
) -> None:
    """Measure the gate, print a table, and write it to bench/results."""
    sizes = tuple(int(size) for size in growth.split(",") if size)
    found = gate.run(
        folder.absolute(), members, records, growth=sizes, times=times, parts=parts or gate.PARTS
    )
    day = datetime.now(UTC).date().isoformat()
    text = gate.table(found)
    click.echo(text)
    RESULTS.mkdir(exist_ok=True)
    command = f"python -m bench --members {members} --records {records} --growth {growth} --times {times}"
    command += "".join(f" --part {part}" for part in parts)
    head = f"# Gate, {day}\n\nMade by `{command}` on: {json.dumps(found['machine'])}\n\n"
    (RESULTS / f"{day}-{name}.md").write_text(head + text + "\n", encoding="utf-8")
    (RESULTS / f"{day}-{name}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    click.echo(f"written to bench/results/{day}-{name}.md")


if __name__ == "__main__":
    main()
