"""The gate against its peers: records per second, cost of writing and sealing, growth."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from bench import peers
from bench.measure import in_process, machine
from bench.world import Stage, prepare


def run(folder: Path, members: int, records: int, *, growth: tuple[int, ...], times: int) -> dict[str, Any]:
    """All figures, as JSON values."""
    stage = Stage(folder, members, records)
    found: dict[str, Any] = {"machine": machine(), "members": members, "records": records}
    found["prepared"] = prepare(stage)
    common = {"folder": str(folder), "members": members, "times": times}
    # The peers first: they are quick, and a mistake in them should not cost what took long.
    found["plain_sql"] = peers.plain_sql(stage, times)
    found["policy_engine"] = peers.policy_engine(20_000)
    found["decide"] = in_process("bench.gate_run", run="decide", records=records, **common)
    with tempfile.TemporaryDirectory(dir=folder) as out:
        found["write"] = in_process("bench.gate_run", run="write", records=records, out=out, **common)
    found["growth"] = []
    for count in growth:
        grown = Stage(folder, members, count)
        prepare(grown)
        answer = in_process("bench.gate_run", run="decide", records=count, **common)
        found["growth"].append({"records": count, **{key: answer[key] for key in ("decided", "peak_gib")}})
        if count != records:
            grown.table.unlink()
    return found


def table(found: dict[str, Any]) -> str:
    """The figures as a Markdown table."""
    decide, write, plain, policy = (found[key] for key in ("decide", "write", "plain_sql", "policy_engine"))
    rows = [
        ("decide with all reasons, two parties", f"{decide['decided']:.2f} s",
         f"{decide['records_per_second'] / 1e6:.2f} M records/s"),
        ("peak memory of that process, ledger included", f"{decide['peak_gib']:.2f} GiB", ""),
        ("ledger read", f"{decide['ledger_loaded']:.1f} s", f"{found['members']:,} members"),
        ("members folded into cohorts", f"{decide['members_folded']:.1f} s", f"{decide['cohorts']:,} cohorts"),
        ("copy the allowed rows by a trivial predicate", f"{write['copied']:.2f} s", f"{write['rows']:,} rows"),
        ("decide and write the same rows", f"{write['decided_and_written']:.2f} s",
         f"{write['written_to_copied']:.2f} x the copy"),
        ("decide, count, write and seal them (members folded before)", f"{write['sealed']:.2f} s",
         f"{write['sealed_to_copied']:.2f} x the copy; hashed {write['hashed_by'].replace('_', ' ')}"),
        ("the same with directory and set of members", f"{write['sealed_with_set']:.2f} s", ""),
        ("plain SQL, no history, no notice, no reasons", f"{plain['seconds']:.2f} s",
         f"{plain['allowed']:,} rows it would let out"),
        ("a policy engine asked record by record (cedarpy, batch)", f"{policy['seconds']:.2f} s",
         f"{policy['requests'] / policy['seconds']:,.0f} decisions/s"),
    ]  # fmt: skip
    rows += [
        (f"growth: {one['records']:,} records", f"{one['decided']:.2f} s", f"{one['peak_gib']:.2f} GiB")
        for one in found["growth"]
    ]
    lines = ["| what | measured | |", "|---|---|---|", *(f"| {a} | {b} | {c} |" for a, b, c in rows)]
    return "\n".join(lines)
