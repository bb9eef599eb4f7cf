"""Commands on papers: make one, and the register of members' requests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from troth.app import home as homes
from troth.cli.output import INSTANT, TEXT, as_json, as_of_option, count, print_json, print_table
from troth.core.written import Json

if TYPE_CHECKING:
    from troth.papers.requests import Request

_KINDS = (
    "consent-record",
    "consent-receipt",
    "art15",
    "art19",
    "ai-act",
    "ab2013",
    "model-card",
    "art30",
    "croissant",
)


@click.command(
    epilog="ABOUT is a member for consent-record, consent-receipt, art15 and art19; a model for ai-act, ab2013 and"
    " model-card; a purpose such as train.generative for art30; a release's folder for croissant."
)
@click.argument("kind", type=click.Choice(_KINDS))
@click.argument("about", type=TEXT, metavar="ABOUT")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write the paper into this folder.",
)
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice(["json", "html", "pdf"]),
    help="What to write; all of them if not named.",
)
@click.option(
    "--release",
    "folders",
    multiple=True,
    metavar="DIR",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of a release, to count what its rows hold.",
)
@click.option(
    "--diff",
    "before",
    metavar="FILE|N",
    help="Compare with an earlier version: its JSON, or its ledger position.",
)
@as_of_option
@as_json
@click.pass_obj
def paper(
    path: str,
    kind: str,
    about: str,
    out: Path | None,
    formats: tuple[str, ...],
    folders: tuple[Path, ...],
    before: str | None,
    as_of: int | None,
    json_: bool,
) -> None:
    """Write a paper for members, regulators or courts, counted from the ledger."""
    from troth.app import papers
    from troth.papers.paper import difference

    home = homes.open_home(path)
    made = papers.make(home, kind, about, as_of, folders).as_json()
    old = papers.earlier(home, before, kind, about, folders) if before is not None else None
    filed = papers.file(made, out, formats or papers.FORMATS, old) if out is not None else None
    changes = [one.as_json() for one in difference(old, made)] if old is not None else None
    if json_:
        print_json(made if changes is None else {**made, "changes": changes})
        return
    if filed is not None:
        for one in filed.files:
            click.echo(str(one))
        return
    show(made)
    if changes is not None:
        click.echo("")
        print_table(
            ("changed field", "before", "now"),
            [(one["label"], one["before"], one["after"]) for one in changes],
        )


def show(paper: dict[str, Json]) -> None:
    """A paper as plain lines."""
    from troth.papers.render import lines

    for line in lines(paper):
        click.echo(line)


@click.group()
def requests() -> None:
    """Members' requests and when each has to be answered."""


_LAW = click.option("--law", type=click.Choice(["gdpr", "ccpa"]), default="gdpr", show_default=True)
_AT = click.option("--at", type=INSTANT, metavar="INSTANT", help="When, ISO 8601; without it: now.")


def _print_one(one: Request, json_: bool, at: str | None) -> None:
    from troth.app.home import instant_or_now

    now = instant_or_now(at)
    if json_:
        print_json(one.as_json(now))
        return
    said = one.as_json(now)
    click.echo(f"{one.id}: {said['status']}, to be answered before {said['due']}")


@requests.command("add")
@click.argument("subject", type=TEXT)
@click.argument(
    "kind",
    type=click.Choice(
        ["access", "erasure", "rectification", "restriction", "portability", "objection", "opt-out", "other"]
    ),
)
@_LAW
@_AT
@as_json
@click.pass_obj
def add(path: str, subject: str, kind: str, law: str, at: str | None, json_: bool) -> None:
    """Enter a request that came in; its clock starts."""
    from troth.app import papers

    _print_one(papers.open_request(homes.open_home(path), subject, kind, law, at), json_, at)


@requests.command("extend")
@click.argument("request", type=TEXT)
@click.option("--reason", required=True, type=TEXT, help="What the member was told.")
@_AT
@as_json
@click.pass_obj
def extend(path: str, request: str, reason: str, at: str | None, json_: bool) -> None:
    """Enter that more time is taken, and why; the member has to be told within the first period."""
    from troth.app import papers

    _print_one(papers.extend_request(homes.open_home(path), request, reason, at), json_, at)


@requests.command("answer")
@click.argument("request", type=TEXT)
@click.argument("outcome", type=click.Choice(["granted", "partly", "refused"]))
@_AT
@as_json
@click.pass_obj
def answer(path: str, request: str, outcome: str, at: str | None, json_: bool) -> None:
    """Enter the answer to a request."""
    from troth.app import papers

    _print_one(papers.answer_request(homes.open_home(path), request, outcome, at), json_, at)


@requests.command("list")
@click.option("--open", "only_open", is_flag=True, help="Only those that wait for an answer.")
@_AT
@as_json
@click.pass_obj
def list_(path: str, only_open: bool, at: str | None, json_: bool) -> None:
    """List requests, those due first. Exit status 1 if one is overdue."""
    from troth.app import papers

    found, now = papers.requests_of(homes.open_home(path), at)
    rows = [one.as_json(now) for one in found if not (only_open and one.answered is not None)]
    if json_:
        print_json(rows)
    else:
        columns = ("request", "subject", "kind", "law", "received", "due", "status")
        print_table(columns, [[row[one] for one in columns] for row in rows])
        click.echo(f"{count(len(rows))} requests")
    if any(row["status"] == "overdue" for row in rows):
        raise SystemExit(1)
