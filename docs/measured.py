"""The page of measured rates, and what they come to on paper: made from the files in ``bench/results``.

Of each kind of result the newest file counts. What was not measured yet is left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

RESULTS: Final = Path(__file__).resolve().parent.parent / "bench" / "results"
MEMBERS: Final = 1_000_000_000
MESSAGES: Final = 100_000_000_000
ALLOWED: Final = 0.2
"""The share of messages that is allowed, on paper."""

# Bytes, on paper: names of 16 bytes, two parties a message.
NARROW: Final = 100
LEAF_AND_PARTIES: Final = 32 + 2 * 16 + 6
MEMBERSHIP: Final = 32 + 16 + 2
SEALED_MEMBER: Final = 180
SPAN: Final = 40
SPANS_A_MEMBER: Final = 2
LEAF: Final = 32
VERDICT: Final = 60
PARTIES: Final = 2


def newest(kind: str) -> tuple[str, Any] | None:
    """The newest result of a kind: its file's name and what it says; None: there is none."""
    found = sorted(path for path in RESULTS.glob(f"????-??-??-{kind}.json"))
    return (found[-1].name, json.loads(found[-1].read_text(encoding="utf-8"))) if found else None


def page(mark: str) -> str:
    """The page; ``mark`` says that it is made."""
    lines = [
        "# Scale, measured",
        "",
        mark,
        "",
        "What was measured, and what it comes to on paper for one billion members and 100 billion messages. How it was",
        "measured, and what does not carry over, says [scale](../scale.md). CPU seconds are those of the process;",
        "where other work shared the machine, wall time is an upper bound.",
        *_grow(),
        *_incremental(),
        *_engines(),
        *_paper(),
        *_cohorts(),
    ]
    return "\n".join(lines) + "\n"


def _source(name: str, result: dict[str, Any]) -> str:
    machine = result["machine"]
    return (
        f"`bench/results/{name}`: {machine['cores']} cores ({machine['processor']}), {machine['memory_gib']} GiB, load"
        f" {machine['load_before']} when it began."
    )


def _grow() -> Iterator[str]:
    result = newest("scale-grow")
    if result is None:
        return
    name, said = result
    found = said["found"]
    yield from ["", "## Many records, many members, on one machine", "", _source(name, said), ""]
    yield from ["| what | wall | CPU | |", "|---|---|---|---|"]
    rate = found["members"] / found["folded_cpu"]
    yield (
        f"| fold {found['members']:,} members | {found['folded']:.0f} s | {found['folded_cpu']:.0f} s |"
        f" {rate:,.0f} members/s of CPU; {found['cohorts']:,} cohorts |"
    )
    for run in found["runs"]:
        rate = run["records"] / run["cpu"]
        yield (
            f"| decide {run['records']:,} two-party records, with all reasons | {run['seconds']:.0f} s |"
            f" {run['cpu']:.0f} s | {rate:,.0f} records/s of CPU |"
        )
    first, last = found["runs"][0], found["runs"][-1]
    yield ""
    yield (
        f"{found['records_ratio']:.0f} times the records took {found['ratio']:.1f} times the time"
        f" ({last['cpu'] / first['cpu']:.1f} times the CPU); with the fold, which both need once,"
        f" {found['ratio_whole']:.1f} times. Peak memory of the process: {found['peak_gib']:.1f} GiB."
    )


def _incremental() -> Iterator[str]:
    result = newest("scale-incremental")
    if result is None:
        return
    name, said = result
    found = said["found"]
    full = found["full_decision"]
    yield from ["", "## After few changed settings", "", _source(name, said), ""]
    yield (
        f"A home of {found['members']:,} members, {found['records']:,} two-party records, a table of verdicts in"
        f" {found['target'].capitalize()}. A full decision (ledger read, members folded, everything decided and"
        f" counted) took {full['seconds']:.1f} s ({full['cpu']:.1f} s of CPU)."
    )
    yield from [
        "",
        "| step | rows | decision | of the full one | with writing | CPU |",
        "|---|---|---|---|---|---|",
    ]
    for step in found["steps"]:
        what = "the whole table" if step["share"] is None else f"{step['share']:.1%} of the members changed"
        share = "" if step["share"] is None else f"{step['decision_to_full']:.1%}"
        decision = "" if step["share"] is None else f"{step['decision']:.2f} s"
        yield (
            f"| {what} | {step['rows']:,} | {decision} | {share} | {step['seconds']:.1f} s | {step['cpu']:.1f} s |"
        )


def _engines() -> Iterator[str]:
    result = newest("scale-spark")
    if result is None:
        return
    name, said = result
    found = said["found"]
    yield from ["", "## Spark beside DuckDB", "", _source(name, said), ""]
    yield f"Spark `local[2]`, {found['spark']['members']:,} members, everything decided with all reasons and counted."
    yield from ["", "| records | Spark | of the smallest | DuckDB |", "|---|---|---|---|"]
    pairs = zip(found["spark"]["runs"], found["spark_growth"], found["duckdb"]["runs"], strict=True)
    for run, growth, other in pairs:
        ratio = f"{growth['time_ratio']:.1f} x the time for {growth['records_ratio']:.1f} x the records"
        yield f"| {run['records']:,} | {run['seconds']:.0f} s | {ratio} | {other['seconds']:.1f} s |"


def _paper() -> Iterator[str]:
    gate = newest("gate")
    grow = newest("scale-grow")
    if gate is None:
        return
    write = gate[1]["write"]
    records = gate[1]["records"]
    cores = gate[1]["machine"]["cores"]
    decide = records / gate[1]["decide"]["decided"] / cores
    fold = gate[1]["members"] / gate[1]["decide"]["members_folded"]
    if grow is not None:
        found = grow[1]["found"]
        decide = found["runs"][-1]["records"] / found["runs"][-1]["cpu"]
        fold = found["members"] / found["folded_cpu"]
    seal = records / write["sealed"] / cores
    yield from ["", "## On paper: one billion members, 100 billion messages", ""]
    yield (
        "On paper, at the rates of one core above and of sealing in"
        f" `bench/results/{gate[0]}`, if they carried over and nothing else stood in the way:"
    )
    yield from ["", "| work | a core | core-hours |", "|---|---|---|"]
    for what, number, rate, unit in (
        ("fold one billion members", MEMBERS, fold, "members/s"),
        ("decide 100 billion messages", MESSAGES, decide, "records/s"),
        ("decide, write and seal them", MESSAGES, seal, "records/s"),
    ):
        yield f"| {what} | {rate:,.0f} {unit} | {number / rate / 3600:,.0f} |"
    rows = MESSAGES * ALLOWED
    yield from [
        "",
        f"Volumes, if {ALLOWED:.0%} of the messages are allowed:",
        "",
        "| what | volume |",
        "|---|---|",
    ]
    for what, volume in (
        (f"narrow columns shuffled into each of the two joins ({NARROW} B a message)", MESSAGES * NARROW),
        (f"leaves and parties, sorted by leaf ({LEAF_AND_PARTIES} B a row)", rows * LEAF_AND_PARTIES),
        (f"memberships, shuffled by member ({MEMBERSHIP} B, {PARTIES} a row)", rows * PARTIES * MEMBERSHIP),
        (f"members, sorted by tag ({SEALED_MEMBER} B)", MEMBERS * SEALED_MEMBER),
        (f"spans ({SPANS_A_MEMBER} a member, {SPAN} B)", MEMBERS * SPANS_A_MEMBER * SPAN),
        (f"`leaves.bin` ({LEAF} B a row)", rows * LEAF),
        ("tiles of the row tree above its leaves (a 255th)", rows * LEAF / 255),
        (f"a table of verdicts ({VERDICT} B a message, before compression)", MESSAGES * VERDICT),
    ):
        yield f"| {what} | {_size(volume)} |"


def _cohorts() -> Iterator[str]:
    result = newest("cohorts")
    if result is None:
        return
    name, rows = result
    yield from ["", "## How many cohorts there are", "", f"Simulated, seeded: `bench/results/{name}`.", ""]
    yield from ["| varied | values | cohorts |", "|---|---|---|"]
    for varied in dict.fromkeys(row["varied"] for row in rows):
        some = [row for row in rows if row["varied"] == varied]
        values = " / ".join(f"{row[varied]:,}" for row in some)
        cohorts = " / ".join(f"{row['cohorts']:,}" for row in some)
        yield f"| {_NAMES[varied]} | {values} | {cohorts} |"


_NAMES: Final = {
    "members": "members",
    "countries": "countries",
    "versions": "versions of the terms",
    "flips": "flips per 1,000 members",
    "joined_days": "dates of joining",
}


def _size(volume: float) -> str:
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if volume >= size:
            return f"{volume / size:,.1f} {unit}"
    return f"{volume:,.0f} B"
