"""Commands on notices: send, list, show."""

from __future__ import annotations

from pathlib import Path

import click

from troth.app import changes, telling
from troth.app import home as homes
from troth.cli.output import NEW_FILE, TEXT, as_json, at_option, count, print_json, print_table
from troth.core.terms import Audience
from troth.core.values import format_instant
from troth.core.written import write_event


@click.group()
def notice() -> None:
    """Who was told of which version, when, by which channel."""


@notice.command("send")
@click.argument("document", type=TEXT)
@click.argument("version", type=TEXT)
@click.option(
    "--to", "subjects", multiple=True, type=TEXT, metavar="SUBJECT", help="A member; may be repeated."
)
@click.option("--audience", is_flag=True, help="Everybody in the version's audience.")
@click.option("--channel", type=TEXT, default="email", show_default=True)
@at_option
@click.option(
    "--pending",
    type=NEW_FILE,
    metavar="FILE",
    help="Count nobody as told yet: write who has to be told to FILE for the mailer; results come in later.",
)
@click.option(
    "--results",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Record delivery results: CSV or JSON lines with subject, at, delivered.",
)
@as_json
@click.pass_obj
def send(
    path: str,
    document: str,
    version: str,
    subjects: tuple[str, ...],
    audience: bool,
    channel: str,
    at: str | None,
    pending: Path | None,
    results: Path | None,
    json_: bool,
) -> None:
    """Record that a version was sent to members, or to its audience, or what became of sending it."""
    if sum((bool(subjects), audience, results is not None)) != 1:
        raise click.UsageError("name members with --to, or --audience, or --results FILE")
    if pending is not None and not audience:
        raise click.UsageError("--pending goes with --audience")
    home = homes.open_home(path)
    if results is not None:
        done = telling.record_results(home, document, version, channel, results)
    elif pending is not None:
        done = telling.prepare(home, document, version, at, pending)
    else:
        done = telling.tell(home, document, version, subjects or None, channel, at)
    if json_:
        print_json(done.as_json())
    else:
        click.echo(done.sentence)


@notice.command("list")
@as_json
@click.pass_obj
def list_(path: str, json_: bool) -> None:
    """List all notices."""
    found = changes.notices(homes.open_home(path))
    if json_:
        print_json([{"position": position, **write_event(one)} for position, one in found])
        return
    print_table(
        ("position", "document", "version", "to", "channel", "at", "delivered"),
        [
            (
                position,
                one.document,
                one.version,
                "an audience" if isinstance(one.to, Audience) else one.to,
                one.channel or "",
                format_instant(one.at),
                "yes" if one.delivered else "no",
            )
            for position, one in found
        ],
    )


@notice.command("show")
@click.argument("document", type=TEXT)
@click.argument("version", type=TEXT)
@at_option
@click.option("--missed", "missed_only", is_flag=True, help="List the members who were not reached.")
@as_json
@click.pass_obj
def show(path: str, document: str, version: str, at: str | None, missed_only: bool, json_: bool) -> None:
    """Who of a version's audience was told of it, and who was not reached."""
    found = changes.reach(homes.open_home(path), document, version, at)
    if json_:
        print_json(
            {
                "terms": document,
                "version": version,
                "at": format_instant(found.at),
                "told": len(found.told),
                "not_told": found.not_told,
            }
        )
    elif missed_only:
        for subject in found.not_told:
            click.echo(subject)
    else:
        click.echo(
            f"{document} {version}, on {format_instant(found.at)}: {count(len(found.told))} members told,"
            f" {count(len(found.not_told))} not"
        )
        if found.not_told:
            click.echo("list those with --missed")
