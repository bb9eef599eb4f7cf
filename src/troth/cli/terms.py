"""Commands on terms: add, list, show, diff, what-if."""

from __future__ import annotations

import importlib.resources
from pathlib import Path

import click

from troth.app import changes, telling
from troth.app import home as homes
from troth.cli.output import (
    TEXT,
    as_json,
    at_option,
    count,
    print_json,
    print_table,
    progress,
    records_option,
    rehearse,
    use_of,
    use_options,
)
from troth.core.terms import Clause, Terms
from troth.core.values import format_instant
from troth.core.written import write_clause, write_event


@click.group()
def terms() -> None:
    """What was promised: documents and their versions, settings, regimes, rules."""


@terms.command("add")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Check everything and write nothing.")
@as_json
@click.pass_obj
def add(path: str, files: tuple[Path, ...], dry_run: bool, json_: bool) -> None:
    """Add versions of documents, settings, regimes and rules from YAML files: all or none."""
    home = homes.open_home(path)
    written = homes.read_events_files(files, changes.TERMS_KINDS)
    if dry_run:
        rehearse(home, written, json_)
        return
    receipts = home.append(written.events, places=written.places)
    if json_:
        print_json([receipt.as_json() for receipt in receipts])
        return
    for event, receipt in zip(written.events, receipts, strict=True):
        name = (
            f"{event.document} {event.version}" if isinstance(event, Terms) else type(event).__name__.lower()
        )
        click.echo(f"recorded {name} at {receipt.position}")


@terms.command("list")
@as_json
@click.pass_obj
def list_(path: str, json_: bool) -> None:
    """List the versions of all documents."""
    known, _ = homes.open_home(path).known(subjects=())
    rows = [
        (
            placed.position,
            one.document,
            one.kind,
            one.version,
            one.published_at,
            one.effective_at,
            one.clauses,
        )
        for versions in known.documents.values()
        for placed in versions
        for one in [placed.terms]
    ]
    rows.sort(key=lambda row: row[0])
    if json_:
        keys = ("position", "terms", "kind", "version", "published_at", "effective_at", "clauses")
        print_json(
            [
                dict(
                    zip(
                        keys,
                        (*row[:4], format_instant(row[4]), format_instant(row[5]), len(row[6])),
                        strict=True,
                    )
                )
                for row in rows
            ]
        )
        return
    print_table(
        ("position", "document", "kind", "version", "published", "effective", "clauses"),
        [(*row[:4], format_instant(row[4]), format_instant(row[5]), len(row[6])) for row in rows],
    )


@terms.command("show")
@click.argument("document", type=TEXT)
@click.argument("version", type=TEXT)
@as_json
@click.pass_obj
def show(path: str, document: str, version: str, json_: bool) -> None:
    """Show one version and its clauses."""
    known, _ = homes.open_home(path).known(subjects=())
    one = changes.find_version(known, document, version).terms
    if json_:
        print_json(write_event(one))
        return
    click.echo(f"{one.document} {one.version} ({one.kind.replace('_', ' ')})")
    click.echo(f"published {format_instant(one.published_at)}, effective {format_instant(one.effective_at)}")
    click.echo(f"notice {one.notice_days} days; audience {write_event(one)['audience'] or 'everybody'}")
    for clause in one.clauses:
        click.echo(f"\n{clause.id}: {_sentence(clause)}")
        if clause.quote:
            click.echo(f"  “{clause.quote}”")


def _sentence(clause: Clause) -> str:
    scope = (
        f"{', '.join(clause.purposes)} of {', '.join(clause.categories)} by {', '.join(clause.recipients)}"
    )
    condition = ""
    if clause.condition:
        setting = clause.condition.setting
        condition = f", if the setting {setting} is on" if setting else ", if a consent covers it"
    verb = "limits use to" if clause.effect == "limit" else f"{clause.effect}s"
    return f"{verb} {scope}{condition}{', also for the past' if clause.reaches_back else ''}"


@terms.command("diff")
@click.argument("document", type=TEXT)
@click.argument("before", type=TEXT)
@click.argument("after", type=TEXT)
@as_json
@click.pass_obj
def diff(path: str, document: str, before: str, after: str, json_: bool) -> None:
    """Compare the clauses of two versions of a document."""
    known, _ = homes.open_home(path).known(subjects=())
    old, new = (
        {clause.id: clause for clause in changes.find_version(known, document, version).terms.clauses}
        for version in (before, after)
    )
    found = {
        "removed": [old[name] for name in old if name not in new],
        "added": [new[name] for name in new if name not in old],
        "changed": [new[name] for name in new if name in old and new[name] != old[name]],
    }
    if json_:
        print_json({kind: [write_clause(clause) for clause in clauses] for kind, clauses in found.items()})
        return
    if not any(found.values()):
        click.echo("the clauses are the same")
    for kind, clauses in found.items():
        for clause in clauses:
            if kind == "changed":
                click.echo(f"changed {clause.id}: {_sentence(old[clause.id])}")
                click.echo(f"     to {clause.id}: {_sentence(clause)}")
            else:
                click.echo(f"{kind} {clause.id}: {_sentence(clause)}")


@terms.command("schema")
@click.argument("which", type=click.Choice(["events", "case", "certificate"]), default="events")
def schema(which: str) -> None:
    """Print the JSON Schema of terms and events files, of case files, or of certificates."""
    files = importlib.resources.files("troth.schemas")
    click.echo(files.joinpath(f"{which}.schema.json").read_text("utf-8"))


@click.command("what-if")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@use_options
@at_option
@records_option
@click.option(
    "--tell",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the members who would have to be told to this private CSV file.",
)
@as_json
@click.pass_obj
def what_if(
    path: str,
    files: tuple[Path, ...],
    purpose: str,
    recipient: str,
    at: str | None,
    records: str | None,
    tell: Path | None,
    json_: bool,
) -> None:
    """What terms files would change for a use, before they are published.

    Without --at the question is asked for the day on which the last of the new versions is in effect.
    """
    home = homes.open_home(path)
    with progress("folding members") as report:
        result = changes.what_if(home, files, use_of(purpose, recipient), at, records, report)
    if tell is not None:
        telling.write_to_tell(result.to_tell, tell)
    if json_:
        print_json(result.as_json())
        return
    click.echo(f"{purpose} by {recipient}, asked for {format_instant(result.at)}\n")
    columns = (
        ("before", result.before),
        ("after, nobody told", result.after),
        ("after, all told", result.after_told),
    )
    print_table(
        ("", *(name for name, _ in columns)),
        [
            (f"{what} {verdict}", *(count(getattr(counts, what)[verdict]) for _, counts in columns))
            for what in ("records", "members")
            for verdict in ("allowed", "denied", "gap")
        ],
    )
    click.echo("")
    for move, number in result.moved.items():
        click.echo(f"{count(number)} records: {move} (if all are told)")
    for version, members in result.to_tell.items():
        click.echo(f"{count(len(members))} members would have to be told of {version}")
