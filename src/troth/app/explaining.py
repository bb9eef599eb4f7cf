"""What a run would do: the question, the records, the parts, the members, and what the engine is asked."""

from __future__ import annotations

from pathlib import Path

import ibis.expr.types as ir
import pyarrow.parquet as pq

from troth.app import folds, resuming
from troth.app.decisions import HomeGate, Progress, at_one_version, bound, files_of, open_gate, records_of
from troth.app.home import Home
from troth.app.resuming import Settings
from troth.core.values import Use, format_instant
from troth.core.written import Json
from troth.gate import spark
from troth.gate.gate import open_records
from troth.gate.kept import Kept
from troth.gate.plan import decided
from troth.gate.small import SPANS, WINDOWS, in_memory


def explain_plan(
    home: Home,
    use: Use,
    *,
    at: int | str | None = None,
    as_of: int | None = None,
    source: str | Path | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> dict[str, Json]:
    """The plan of a run, as JSON; nothing is folded, decided or written.

    The engine's plan is made with empty windows, so it says what is joined with what, not how many rows there will be.

    Raises:
        BadInput: the records cannot be read.
    """
    gate = open_gate(home, use, at, as_of, progress)
    named = at_one_version(home, source)
    records = open_records(records_of(home) if named is None else bound(home, named), home.config.engine)
    asked = gate.gate.ask(records)
    plan = decided(records, asked.small_side(in_memory([], SPANS), in_memory([], WINDOWS), 0))
    files = files_of(home, named)
    config = home.config
    answer: dict[str, Json] = {
        "purpose": use.purpose,
        "recipient": use.recipient,
        "at": format_instant(gate.question.at),
        "position": gate.question.position,
        "engine": config.engine,
        "threads": config.threads,
        "memory": config.memory,
        "files": len(files),
        "bytes": sum(path.stat().st_size for path in files),
        "rows": sum(pq.read_metadata(path).num_rows for path in files),
        "kinds": len(asked.sets),
        "member_entries": gate.gate.people.count(),
        "terms": [f"{document} {version}" for document, version in gate.terms],
        "parts": None,
        "fold": "everybody",
        "statement": _statement(plan),
        "engine_plan": _engine_plan(plan),
    }
    if settings is not None:
        answer["parts"] = len(resuming.parts_of(home, source, settings.part_rows))
        answer["fold"] = _fold(home, gate, settings)
    return answer


def _fold(home: Home, gate: HomeGate, settings: Settings) -> str:
    kept = Kept(settings.folder / "fold")
    if kept.state is None:
        return "everybody"
    ledger = folds.since(home, kept.state, gate.question.position)
    touched = ledger.touched | kept.due(gate.question.at)
    reason = kept.outdated(gate.gate, ledger, kept.asked(gate.gate), len(touched))
    return f"everybody: {reason}" if reason else f"{len(touched)} members"


def _statement(plan: ir.Table) -> str:
    return str(plan.get_backend().compile(plan, pretty=True))


def _engine_plan(plan: ir.Table) -> str:
    backend = plan.get_backend()
    if backend.name == "pyspark":
        return str(spark.frame(plan)._jdf.queryExecution().toString())
    backend._run_pre_execute_hooks(plan)
    rows = backend.con.execute(f"EXPLAIN {backend.compile(plan)}").fetchall()
    return "\n".join(str(row[1]) for row in rows)
