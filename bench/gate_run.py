"""One measured run of the gate and of sealing; run by ``bench.gate`` in a process of its own."""

from __future__ import annotations

import json
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import Any

from bench.measure import median, peak_gib, timed
from bench.world import Stage
from troth.core.values import Use, parse_instant

USE = Use("train.generative", "affiliate:acme")
AT = parse_instant("2025-11-30")


def decide(stage: Stage, times: int) -> dict[str, Any]:
    """Fold the ledger, decide every record with all reasons, count."""
    import troth
    from troth.gate import duck
    from troth.gate.gate import Gate, open_records, summarise
    from troth.gate.plan import decided

    home = troth.open(stage.home)
    loading, (known, _) = timed(home.known)
    records = open_records(duck.read_parquet(str(stage.table), 2, "3GB"))
    gate = Gate(known, USE, AT)
    folding, small = timed(lambda: gate.small_side(records))
    seconds, summary = timed(lambda: summarise(decided(records, small)), times)
    return {
        "ledger_loaded": loading[0],
        "members_folded": folding[0],
        "decided": median(seconds),
        "decided_all": seconds,
        "records_per_second": stage.records / median(seconds),
        "cohorts": small.cohorts,
        "spans": small.spans.num_rows,
        "windows": small.windows.num_rows,
        "peak_gib": peak_gib(),
        "summary": summary.as_json(),
    }


def write(stage: Stage, out: Path, times: int) -> dict[str, Any]:
    """Copy rows by a trivial predicate; decide and write the same rows; decide, write and seal them.

    The three take turns, so that a machine that slows down slows them all.
    """
    import troth
    from troth.app import releases
    from troth.gate import duck
    from troth.gate.gate import Gate, open_records
    from troth.gate.plan import allowed, decided
    from troth.release.hashing import hasher

    home = troth.open(stage.home)
    known, _ = home.known()
    engine = duck.connect(2, "3GB")
    records = open_records(duck.read_parquet(str(stage.table), 2, "3GB"))
    small = Gate(known, USE, AT).small_side(records)
    everything = decided(records, small)
    marked = out / "marked.parquet"
    _copy(
        engine,
        everything.mutate(keep=everything.verdict == "allowed").select(*records.columns, "keep"),
        marked,
    )
    kept = duck.read_parquet(str(marked), 2, "3GB")
    trivial = kept.filter(kept.keep).drop("keep")
    quick = allowed(records, small)
    copies, writes, seals, sets = [], [], [], []
    rows = 0
    for turn in range(times):
        copies += timed(lambda: _copy(engine, trivial, out / "copy.parquet"))[0]
        writes += timed(lambda: _copy(engine, quick, out / "write.parquet"))[0]
        for taken, with_set in ((seals, False), (sets, True)):
            target = out / f"release-{turn}-{with_set}"
            gate = home.gate(USE, at=AT)
            gate.decide(str(stage.table))
            build = partial(
                releases.build_from, home, gate, target, source=str(stage.table), with_set=with_set
            )
            seconds, release = timed(build)
            taken.extend(seconds)
            rows = release.as_json()["rows"]
            shutil.rmtree(target)
    return {
        "rows": rows,
        "copied": median(copies),
        "decided_and_written": median(writes),
        "sealed": median(seals),
        "sealed_with_set": median(sets),
        "hashed_by": hasher().__qualname__,
        "written_to_copied": median([one / other for one, other in zip(writes, copies, strict=True)]),
        "sealed_to_copied": median([one / other for one, other in zip(seals, copies, strict=True)]),
        "all": {"copied": copies, "decided_and_written": writes, "sealed": seals, "sealed_with_set": sets},
        "peak_gib": peak_gib(),
    }


def _copy(engine: Any, table: Any, path: Path) -> None:  # noqa: ANN401 - Ibis has no types
    engine._run_pre_execute_hooks(table)
    engine.con.execute(f"COPY ({engine.compile(table)}) TO '{path}' (FORMAT parquet)")


def main() -> None:
    """Run what the arguments ask for; print JSON."""
    asked = json.loads(sys.argv[1])
    stage = Stage(Path(asked["folder"]), asked["members"], asked["records"])
    if asked["run"] == "decide":
        answer = decide(stage, asked["times"])
    else:
        answer = write(stage, Path(asked["out"]), asked["times"])
    print(json.dumps(answer))  # noqa: T201 - the parent reads this line


if __name__ == "__main__":
    main()
