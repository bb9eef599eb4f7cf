"""The gate against its peers: records per second, cost of writing and sealing, growth."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from bench import peers
from bench.measure import in_process, machine
from bench.world import Stage, prepare

PARTS = ("peers", "decide", "write")


def run(
    folder: Path,
    members: int,
    records: int,
    *,
    growth: tuple[int, ...],
    times: int,
    parts: tuple[str, ...] = PARTS,
) -> dict[str, Any]:
    """All figures, or those of some parts, as JSON values."""
    stage = Stage(folder, members, records)
    found: dict[str, Any] = {"machine": machine(), "members": members, "records": records}
    found["prepared"] = prepare(stage)
    sizes = sorted({*growth, records})
    for count in sizes:
        found["prepared"] |= prepare(Stage(folder, members, count))
    common = {"folder": str(folder), "members": members, "times": times}
    # The peers first: they are quick, and a mistake in them should not cost what took long.
    if "peers" in parts:
        found["plain_sql"] = peers.plain_sql(stage, times)
        found["policy_engine"] = peers.policy_engine(20_000)
    if "decide" in parts:
        found["decide"] = in_process("bench.gate_run", run="decide", records=sizes, **common)
    if "write" in parts:
        with tempfile.TemporaryDirectory(dir=folder) as out:
            found["write"] = in_process("bench.gate_run", run="write", records=[records], out=out, **common)
    found["machine"]["load_after"] = round(os.getloadavg()[0], 2)
    return found


def table(found: dict[str, Any]) -> str:
    """The figures as a Markdown table; processor seconds stand beside wall seconds."""
    rows: list[tuple[str, str, str, str]] = []
    if "decide" in found:
        rows += _decide_rows(found["decide"], found["members"])
    if "write" in found:
        rows += _write_rows(found["write"])
    if "plain_sql" in found:
        plain, policy = found["plain_sql"], found["policy_engine"]
        rows += [
            ("plain SQL, no history, no notice, no reasons", f"{plain['seconds']:.2f} s", "",
             f"{plain['allowed']:,} rows it would let out"),
            ("a policy engine asked record by record (cedarpy, batch)", f"{policy['seconds']:.2f} s", "",
             f"{policy['requests'] / policy['seconds']:,.0f} decisions/s"),
        ]  # fmt: skip
    return "\n".join(
        ["| what | wall | processor | |", "|---|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)]
    )


def _decide_rows(decide: dict[str, Any], members: int) -> list[tuple[str, str, str, str]]:
    rows = [
        ("ledger read", f"{decide['ledger_loaded']:.1f} s", f"{decide['ledger_loaded_cpu']:.1f} s",
         f"{members:,} members"),
        ("members folded into cohorts", f"{decide['members_folded']:.1f} s",
         f"{decide['members_folded_cpu']:.1f} s", f"{decide['cohorts']:,} cohorts"),
    ]  # fmt: skip
    return rows + [
        (f"decide {one['records']:,} records with all reasons, two parties", f"{one['decided']:.2f} s",
         f"{one['decided_cpu']:.2f} s",
         f"{one['records_per_second'] / 1e6:.2f} M records/s; peak {one['peak_gib']:.2f} GiB, ledger included")
        for one in decide["sizes"]
    ]  # fmt: skip


def _write_rows(write: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    def ratios(name: str) -> str:
        return f"{write[name]:.2f} x the copy by wall, {write[name + '_cpu']:.2f} x by processor"

    said = {
        "copied": ("copy the allowed rows by a trivial predicate", f"{write['rows']:,} rows"),
        "decided_and_written": ("decide and write the same rows", ratios("written_to_copied")),
        "sealed": (
            "decide, count, write and seal them (members folded before)",
            f"{ratios('sealed_to_copied')}; hashed {write['hashed_by'].split('.')[0].replace('_', ' ')}",
        ),
        "sealed_with_set": ("the same with directory and set of members", ""),
    }
    return [
        (what, f"{write[name]:.2f} s", f"{write[name + '_cpu']:.2f} s", note)
        for name, (what, note) in said.items()
    ]
