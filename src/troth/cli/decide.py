"""Commands that ask the gate: decide, explain, check, test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from troth.app import casework, decisions, explaining, longruns, outside
from troth.app import home as homes
from troth.cli.long import long_options, print_plan, settings_of
from troth.cli.output import (
    TARGET,
    TEXT,
    as_json,
    as_of_option,
    at_option,
    count,
    engine_options,
    is_terminal,
    print_json,
    print_table,
    progress,
    records_option,
    use_of,
    use_options,
)
from troth.core.catalogue import ALLOWED, SENTENCES
from troth.core.reasons import BY_TEXT
from troth.core.values import format_instant


@click.command()
@use_options
@at_option
@as_of_option
@records_option
@engine_options
@click.option("--summary", "summary_only", is_flag=True, help="Counts by verdict and reason (the default).")
@click.option("--record", "record_id", type=TEXT, metavar="ID", help="The verdict on one record.")
@click.option(
    "--out",
    type=TARGET,
    metavar="FILE",
    help="Write every verdict to this Parquet file, or to a table (delta:…, iceberg:…, postgresql://…, s3://….parquet).",
)
@long_options
@as_json
@click.pass_obj
def decide(
    path: str,
    purpose: str,
    recipient: str,
    at: str | None,
    as_of: int | None,
    records: str | None,
    summary_only: bool,
    record_id: str | None,
    out: Path | str | None,
    engine: str | None,
    threads: int | None,
    memory: str | None,
    work: Path | None,
    part_rows: int,
    explain_plan: bool,
    json_: bool,
) -> None:
    """Which records one use may have, and why not the others."""
    if sum((summary_only, record_id is not None, out is not None)) > 1:
        raise click.UsageError("choose one of --summary, --record and --out")
    if work is not None and not isinstance(out, Path):
        raise click.UsageError("--work goes with --out and a file")
    home, use = homes.limited(homes.open_home(path), engine, threads, memory), use_of(purpose, recipient)
    if record_id is not None:
        found = decisions.explain(home, record_id, use, at, as_of, records).as_json()
        print_json({key: found[key] for key in ("record", "verdict", "reason", "party")})
        return
    settings = settings_of(work, part_rows)
    if explain_plan:
        print_plan(
            explaining.explain_plan(home, use, at=at, as_of=as_of, source=records, settings=settings), json_
        )
        return
    if settings is not None and isinstance(out, Path):
        named = longruns.Named(at, as_of)
        written = longruns.write_verdicts(home, use, out, settings, named=named, source=records)
        _say_written({"records": written, "path": str(out)}, json_)
        return
    with progress("folding members") as report:
        gate = decisions.open_gate(home, use, at, as_of, report)
        answer: dict[str, Any]
        if out is not None:
            answer = outside.give_verdicts(gate, records, out)
        else:
            answer = decisions.timed_summary(gate, records)
    if json_:
        print_json(answer)
    elif out is not None:
        _say_written(answer, json_)
    else:
        question = gate.question
        click.echo(
            f"{purpose} by {recipient}, on {format_instant(question.at)},"
            f" as of ledger position {count(question.position)}\n"
        )
        print_summary(answer)


def _say_written(answer: dict[str, Any], json_: bool) -> None:
    if json_:
        print_json(answer)
    else:
        click.echo(f"wrote {count(answer['records'])} verdicts to {answer['path']}")


def print_summary(answer: dict[str, Any]) -> None:
    """Counts by verdict and reason, for people."""
    total = answer["records"]
    print_table(
        ("verdict", "records", "share"),
        [(verdict, count(n), _share(n, total)) for verdict, n in answer["verdicts"].items()],
    )
    click.echo("")
    print_table(
        ("first reason", "records", "share", "what it means"),
        [
            (reason, count(n), _share(n, total), SENTENCES[BY_TEXT[reason]].lawyer)
            for reason, n in answer["first_reasons"].items()
        ],
    )
    click.echo(
        f"\n{count(answer['any_party_rule_would_allow'])} of the records that stay out would be allowed if one party's"
        " yes were enough; here every party is asked"
    )


def _share(part: int, total: int) -> str:
    return f"{100 * part / total:.1f}%" if total else "–"


@click.command()
@click.argument("record", type=TEXT)
@use_options
@at_option
@as_of_option
@records_option
@as_json
@click.pass_obj
def explain(
    path: str,
    record: str,
    purpose: str,
    recipient: str,
    at: str | None,
    as_of: int | None,
    records: str | None,
    json_: bool,
) -> None:
    """Why one record may or may not be used: every party, every reason, the clauses and their sentences."""
    found = decisions.explain(homes.open_home(path), record, use_of(purpose, recipient), at, as_of, records)
    if json_:
        print_json(found.as_json())
    else:
        print_explanation(found)


def print_explanation(found: decisions.Explanation) -> None:
    """An explanation, for people."""
    decision, record, question = found.decision, found.record, found.question
    created = "an unknown day" if record.created_at is None else format_instant(record.created_at)
    click.echo(f"{record.id}: {record.category}, written {created}")
    click.echo(
        f"for {question.use.purpose} by {question.use.recipient}, asked on {format_instant(question.at)}:"
        f" {click.style(decision.verdict, bold=is_terminal())}"
    )
    if not decision.parties and decision.reason is not None:
        click.echo(f"  {decision.reason.text}: {SENTENCES[decision.reason].lawyer}")
    for party in decision.parties:
        click.echo(f"\n{party.subject or '(unknown account)'} ({party.role}): {party.verdict}")
        if not party.reasons:
            click.echo(f"  {ALLOWED.lawyer}")
        for reason in party.reasons:
            click.echo(f"  {reason.text}: {SENTENCES[reason].lawyer}")
        for cited in party.clauses:
            clause = cited.clause
            click.echo(f"  - {cited.terms.document} {cited.terms.version}, {clause.id} ({clause.effect}):")
            click.echo(f"    “{clause.quote or 'no sentence was recorded'}”")


@click.command()
@click.argument("dataset", type=click.Path(path_type=Path))
@use_options
@click.option(
    "--id-column", type=TEXT, default="id", show_default=True, help="The column that holds the record's id."
)
@at_option
@as_of_option
@records_option
@engine_options
@click.option(
    "--limit",
    type=click.IntRange(min=0, max=10**9),
    default=20,
    show_default=True,
    help="Refused rows to list.",
)
@as_json
@click.pass_obj
def check(
    path: str,
    dataset: Path,
    purpose: str,
    recipient: str,
    id_column: str,
    at: str | None,
    as_of: int | None,
    records: str | None,
    limit: int,
    engine: str | None,
    threads: int | None,
    memory: str | None,
    json_: bool,
) -> None:
    """May the rows of a data set be used? Exit status 1 if one may not.

    DATASET: Parquet, JSON lines, CSV, or a folder saved by Hugging Face datasets. Its rows are looked up among
    the records by id; a row whose record is not known may not be used.
    """
    home = homes.limited(homes.open_home(path), engine, threads, memory)
    ids = outside.read_ids(dataset, id_column)
    with progress("folding members") as report:
        gate = decisions.open_gate(home, use_of(purpose, recipient), at, as_of, report)
        found = decisions.check(gate, ids, records, limit)
    if json_:
        print_json(found.as_json())
    else:
        for row, name, verdict, reason in found.refused:
            click.echo(f"row {count(row)}\t{name}\t{verdict}\t{reason}")
        click.echo(
            f"{count(found.rows)} rows: {count(found.verdicts['allowed'])} allowed,"
            f" {count(found.verdicts['denied'])} denied, {count(found.verdicts['gap'])} gap"
            f" ({count(found.unknown)} of records that this home does not know)"
        )
    if not found.ok:
        raise SystemExit(1)


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@as_json
def test(files: tuple[Path, ...], json_: bool) -> None:
    """Run case files. Exit status 1 where a verdict differs."""
    result = casework.run_files(files)
    if json_:
        print_json(result.as_json())
    else:
        for difference in result.differ:
            click.echo(f"{difference.place}: {difference.case}: record {difference.record}")
            for key, wanted in difference.expected.items():
                if difference.got[key] != wanted:
                    click.echo(f"  {key}: expected {_plain(wanted)}, got {_plain(difference.got[key])}")
        click.echo(
            f"{count(result.cases)} cases, {count(result.expectations)} expectations,"
            f" {count(len(result.differ))} differ"
        )
    if result.differ:
        raise SystemExit(1)


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{key}: {_plain(one)}" for key, one in value.items()) or "nobody judged"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value)
