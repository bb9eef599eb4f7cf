"""What grows with what: many members, many records, few changed settings, two engines.

``python -m bench.scale grow|incremental|spark [--folder DIR] …`` prints JSON and writes it to bench/results.

- ``grow``: two-party records × members on DuckDB under ``--memory``, for each number of records.
- ``incremental``: a whole table of verdicts, then syncs after some settings changed.
- ``spark``: Spark ``local[2]`` for each number of records, and DuckDB beside it.

Members of ``grow`` and ``spark`` are drawn as they are folded, no ledger is read; ``incremental`` works on a home.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import ibis

from bench import scale_data
from bench.gate_run import AT, USE
from bench.measure import in_process, machine, peak_gib
from bench.world import TERMS, Stage, prepare
from troth.core.events import Attributes, Choose, Consent, Event
from troth.core.standing import Known
from troth.core.values import MICROSECONDS_PER_DAY, Day
from troth.gate.people import History
from troth_network import bulk

RESULTS: Final = Path(__file__).with_name("results")
_BATCH: Final = 50_000


class DrawnPeople:
    """The members of the benchmark, drawn as they are asked for; positions as if a ledger held them in this order."""

    def __init__(self, members: int, seed: int = 1) -> None:
        self.members = members
        self.seed = seed

    def count(self) -> int:
        """See ``troth.gate.people.People``."""
        return self.members

    def items(self) -> Iterator[tuple[str, History]]:
        """See ``troth.gate.people.People``."""
        joined = bulk.members_table(self.members, self.seed)
        chosen = self._choices()
        place = 100
        following = next(chosen, None)
        for batch in joined.to_batches(_BATCH):
            columns = [batch.column(number).to_pylist() for number in range(batch.num_columns)]
            for subject, since, *values in zip(*columns, strict=True):
                history: History = [(place, Attributes(subject, since, _named(*values)))]
                place += 1
                while following is not None and following.subject == subject:
                    history.append((self.members + place, following))
                    following = next(chosen, None)
                yield subject, history

    def _choices(self) -> Iterator[Choose]:
        table = bulk.choices_table(self.members, self.seed)
        for batch in table.to_batches(_BATCH):
            for row in batch.to_pylist():
                yield Choose(
                    row["subject"],
                    row["setting"],
                    row["value"] == "on",
                    row["at"],
                    row["by"],
                    row["covers_past"],
                )

    def some(self, subjects: Iterable[str]) -> Iterator[tuple[str, History]]:
        """See ``troth.gate.people.People``: here nobody is asked for by name."""
        raise NotImplementedError

    def consents(self, start: int = 0) -> Iterator[Consent]:
        """See ``troth.gate.people.People``: there are none."""
        del start
        return iter(())


def _named(place: str, tier: str, born: str | None, status: str) -> tuple[tuple[str, str | Day | None], ...]:
    day = None if born is None else (int(born), 12, 31)
    return (("jurisdiction", place), ("tier", tier), ("born", day), ("status", status))


def world() -> Known:
    """The benchmark's terms, switch and law."""
    from troth.app.home import read_events_file

    events: list[Event] = read_events_file(TERMS)
    return Known(enumerate(events))


def one(asked: dict[str, Any]) -> dict[str, Any]:
    """Fold the members and decide records on one engine, with all reasons; counted, not written."""
    from troth.gate import duck, spark
    from troth.gate.gate import Gate, open_records, summarise
    from troth.gate.plan import decided

    files = scale_data.files(Path(asked["folder"]), max(asked["sizes"]), asked["table_members"])
    with tempfile.TemporaryDirectory(dir=asked["folder"]) as private:
        engine = asked["engine"]
        gate = Gate(
            world(), USE, AT, engine=engine, people=DrawnPeople(asked["members"]), folder=Path(private)
        )

        def records_of(size: int) -> Any:  # noqa: ANN401 - Ibis has no types
            some = files[: -(-size // scale_data.ROWS)]
            read = spark.read_parquet if engine == "spark" else duck.read_parquet
            return _fewer(open_records(read(some, 2, asked["memory"])), asked)

        found: dict[str, Any] = {"engine": engine, "members": asked["members"], "runs": []}
        started, cpu = time.monotonic(), _cpu()
        small = gate.small_side(records_of(max(asked["sizes"])))
        found |= {"folded": time.monotonic() - started, "folded_cpu": _cpu() - cpu, "cohorts": small.cohorts}
        found["peak_gib_after_folding"] = peak_gib()
        for size in asked["sizes"]:
            records = records_of(size)
            started, cpu = time.monotonic(), _cpu()
            summary = summarise(decided(records, small))
            seconds, spent = time.monotonic() - started, _cpu() - cpu
            found["runs"].append(
                {"records": summary.records, "seconds": seconds, "cpu": spent, "verdicts": summary.verdicts}
            )
        found["peak_gib"] = peak_gib()
    return found


def _fewer(records: Any, asked: dict[str, Any]) -> Any:  # noqa: ANN401 - Ibis has no types
    """The records of a table of more members, told among fewer: by the last digits of their numbers."""
    if asked["members"] == asked["table_members"]:
        return records
    digits = len(str(asked["members"] - 1))
    kept = "m" + "0" * (10 - digits)

    def name(one: Any) -> Any:  # noqa: ANN401 - the same
        return ibis.literal(kept).concat(one.right(digits))

    return records.mutate(author=name(records.author), addressees=ibis.array([name(records.addressees[0])]))


def _cpu() -> float:
    """CPU seconds of this process and of its children that have ended."""
    return sum(
        used.ru_utime + used.ru_stime
        for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def grow(asked: argparse.Namespace) -> dict[str, Any]:
    """DuckDB, each size in the same process after one fold."""
    common = {"folder": str(asked.folder), "members": asked.members, "memory": asked.memory}
    common["table_members"] = asked.table_members or asked.members
    found = in_process("bench.scale", run="one", engine="duckdb", sizes=asked.sizes, **common)
    first, last = found["runs"][0], found["runs"][-1]
    found["ratio"] = last["seconds"] / first["seconds"]
    found["ratio_whole"] = (found["folded"] + last["seconds"]) / (found["folded"] + first["seconds"])
    found["records_ratio"] = last["records"] / first["records"]
    return found


def spark(asked: argparse.Namespace) -> dict[str, Any]:
    """Spark local[2], then DuckDB with the same tables."""
    common = {"folder": str(asked.folder), "members": asked.members, "memory": asked.memory}
    common["table_members"] = asked.table_members or asked.members
    found = {
        engine: in_process("bench.scale", run="one", engine=engine, sizes=asked.sizes, **common)
        for engine in ("spark", "duckdb")
    }
    runs = found["spark"]["runs"]
    found["spark_growth"] = [  # type: ignore[assignment]
        {
            "records_ratio": run["records"] / runs[0]["records"],
            "time_ratio": run["seconds"] / runs[0]["seconds"],
        }
        for run in runs
    ]
    return found


def incremental(asked: argparse.Namespace) -> dict[str, Any]:
    """A whole table of verdicts, then the same after some settings changed."""
    import troth
    from troth.app import decisions, verdicts

    stage = Stage(asked.folder, asked.members, asked.sizes[0])
    prepare(stage)
    home_path = asked.folder / "home-incremental"
    shutil.rmtree(home_path, ignore_errors=True)
    shutil.copytree(stage.home, home_path)
    home = troth.open(home_path)
    target = asked.to or f"delta:{asked.folder / 'verdicts-incremental'}"
    shutil.rmtree(asked.folder / "verdicts-incremental", ignore_errors=True)
    found: dict[str, Any] = {
        "members": asked.members,
        "records": stage.records,
        "target": target.partition(":")[0],
    }
    started, cpu = time.monotonic(), _cpu()
    decisions.open_gate(home, USE, AT).summary(str(stage.table))
    found["full_decision"] = {"seconds": time.monotonic() - started, "cpu": _cpu() - cpu}
    found["steps"] = []
    drawn = bulk._Rolls(7, bulk.np.arange(asked.members, dtype=bulk.np.int64)).below("flip", asked.members)
    for step, share in enumerate([None, *asked.shares]):
        at = AT + step * MICROSECONDS_PER_DAY  # each sync a day after the one before
        if share is not None:
            count = round(asked.members * share)
            chosen = sorted(set(drawn[step * count : (step + 1) * count].tolist()))
            home.record(
                [
                    {
                        "choose": {
                            "subject": f"m{number:010}",
                            "setting": asked.setting,
                            "value": "off",
                            "at": "2025-11-29",
                        }
                    }
                    for number in chosen
                ]
            )
        started, cpu = time.monotonic(), _cpu()
        done = verdicts.sync(home, USE, target, at=at, source=str(stage.table))
        seconds, spent = time.monotonic() - started, _cpu() - cpu
        found["steps"].append(
            {"share": share, "seconds": seconds, "cpu": spent, "rows": done.rows, "whole": done.whole,
             "subjects": done.subjects, "parts": done.seconds}
        )  # fmt: skip
        # What of a sync is the decision: all but writing to the table.
        decided = sum(done.seconds[name] for name in ("open", "fold", "find", "decide"))
        found["steps"][-1]["decision"] = decided
        if share is not None:
            found["steps"][-1]["decision_to_full"] = decided / found["full_decision"]["seconds"]
            found["steps"][-1]["sync_to_whole_sync"] = seconds / found["steps"][0]["seconds"]
    shutil.rmtree(home_path, ignore_errors=True)
    return found


def _numbers(kind: Any) -> Any:  # noqa: ANN401 - int or float
    return lambda text: [kind(one) for one in text.split(",")]


def main() -> None:
    """Run what is asked for."""
    import sys

    if len(sys.argv) > 1 and sys.argv[1].startswith("{"):
        print(json.dumps(one(json.loads(sys.argv[1]))))  # noqa: T201 - the parent reads this line
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("grow", "incremental", "spark"))
    parser.add_argument("--folder", type=Path, default=Path(".bench"))
    parser.add_argument("--members", type=int, default=10_000_000)
    parser.add_argument(
        "--sizes", type=lambda text: [int(one) for one in text.split(",")], default=[10_000_000, 100_000_000]
    )
    parser.add_argument("--table-members", type=int, help="Of a table that is there: told among --members.")
    parser.add_argument("--memory", default="4GB")
    parser.add_argument("--shares", type=_numbers(float), default=[0.001])
    parser.add_argument("--setting", default=bulk.history.SETTING)
    parser.add_argument("--to")
    asked = parser.parse_args()
    asked.folder = asked.folder.absolute()
    found = {"machine": machine(), "command": " ".join(sys.argv[1:]), "found": globals()[asked.what](asked)}
    day = datetime.now(UTC).date().isoformat()
    text = json.dumps(found, indent=1) + "\n"
    (RESULTS / f"{day}-scale-{asked.what}.json").write_text(text, encoding="utf-8")
    print(text)  # noqa: T201 - its output


if __name__ == "__main__":
    main()
