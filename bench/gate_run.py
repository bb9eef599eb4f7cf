"""One measured run of the gate and of sealing; run by ``bench.gate`` in a process of its own."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from bench.measure import cpu_timed, median, peak_gib
from bench.world import Stage
from troth.core.values import Use, parse_instant

USE = Use("train.generative", "affiliate:acme")
AT = parse_instant("2025-11-30")


def decide(stages: list[Stage], times: int) -> dict[str, Any]:
    """Fold the ledger, then decide every record of each table with all reasons, and count.

    The members are folded once, for the largest table: nothing of that depends on how many records there are. The
    tables come in ascending order, so that the peak of memory up to each is its own.
    """
    import troth
    from troth.gate import duck
    from troth.gate.gate import Gate, open_records, summarise
    from troth.gate.plan import decided

    loading, loading_cpu, (known, _) = cpu_timed(troth.open(stages[0].home).known)
    tables = [open_records(duck.read_parquet(str(stage.table), 2, "3GB")) for stage in stages]
    gate = Gate(known, USE, AT)
    folding, folding_cpu, small = cpu_timed(lambda: gate.small_side(tables[-1]))
    sizes = []
    for stage, records in zip(stages, tables, strict=True):
        runs = [cpu_timed(lambda records=records: summarise(decided(records, small))) for _ in range(times)]
        wall = median([one[0] for one in runs])
        sizes.append(
            {
                "records": stage.records,
                "decided": wall,
                "decided_all": [one[0] for one in runs],
                "decided_cpu": median([one[1] for one in runs]),
                "records_per_second": stage.records / wall,
                "peak_gib": peak_gib(),
                "summary": runs[-1][2].as_json(),
            }
        )
    return {
        "ledger_loaded": loading,
        "ledger_loaded_cpu": loading_cpu,
        "members_folded": folding,
        "members_folded_cpu": folding_cpu,
        "cohorts": small.cohorts,
        "spans": small.spans.num_rows,
        "windows": small.windows.num_rows,
        "sizes": sizes,
    }


def write(stage: Stage, out: Path, times: int) -> dict[str, Any]:
    """Copy rows by a trivial predicate; decide and write the same rows; decide, write and seal them.

    They take turns in one process, so that a machine that slows down slows them all: what counts are the ratios of
    each turn. The set of members is made once, in the last turn.
    """
    import troth
    from troth.app import releases
    from troth.gate import duck
    from troth.release.hashing import hasher

    home = troth.open(stage.home)
    source = str(stage.table)
    engine = duck.connect(2, "3GB")
    home.config = replace(home.config, threads=2, memory="3GB")
    gate = home.gate(USE, at=AT)
    everything = gate.decide(source)
    columns = gate.records(source).columns
    marked = out / "marked.parquet"
    _copy(engine, everything.mutate(keep=everything.verdict == "allowed").select(*columns, "keep"), marked)
    kept = duck.read_parquet(str(marked), 2, "3GB")
    trivial = kept.filter(kept.keep).drop("keep")
    took: dict[str, list[tuple[float, float]]] = {
        "copied": [], "decided_and_written": [], "sealed": [], "sealed_with_set": []
    }  # fmt: skip
    rows = 0

    def run(name: str, act: Any) -> Any:  # noqa: ANN401 - whatever it gives
        wall, cpu, answer = cpu_timed(act)
        took[name].append((wall, cpu))
        return answer

    for turn in range(times):
        run("copied", lambda: _copy(engine, trivial, out / "copy.parquet"))
        run("decided_and_written", lambda: _copy(engine, gate.allowed(source), out / "write.parquet"))
        for name in ("sealed", "sealed_with_set") if turn == times - 1 else ("sealed",):
            target = out / f"release-{turn}-{name}"
            with_set = name == "sealed_with_set"
            build = partial(releases.build_from, home, gate, target, source=source, with_set=with_set)
            rows = run(name, build).as_json()["rows"]
            shutil.rmtree(target)
    found: dict[str, Any] = {"rows": rows, "hashed_by": hasher().__qualname__, "peak_gib": peak_gib()}
    for kind, place in (("", 0), ("_cpu", 1)):
        found |= {name + kind: median([one[place] for one in runs]) for name, runs in took.items()}
        for name, short in (("decided_and_written", "written"), ("sealed", "sealed")):
            pairs = zip(took[name], took["copied"], strict=True)
            ratios = [one[place] / other[place] for one, other in pairs]
            found |= {f"{short}_to_copied{kind}": median(ratios), f"{short}_to_copied{kind}_all": ratios}
    return found


def _copy(engine: Any, table: Any, path: Path) -> None:  # noqa: ANN401 - Ibis has no types
    engine._run_pre_execute_hooks(table)
    engine.con.execute(f"COPY ({engine.compile(table)}) TO '{path}' (FORMAT parquet)")


def main() -> None:
    """Run what the arguments ask for; print JSON."""
    asked = json.loads(sys.argv[1])
    stages = [Stage(Path(asked["folder"]), asked["members"], records) for records in asked["records"]]
    if asked["run"] == "decide":
        answer = decide(stages, asked["times"])
    else:
        answer = write(stages[0], Path(asked["out"]), asked["times"])
    print(json.dumps(answer))  # noqa: T201 - the parent reads this line


if __name__ == "__main__":
    main()
