"""Commands on published documents: what a change does, whole archives, lives, proposals, contradictions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from troth.app import watching
from troth.cli.output import NEW_FILE, TEXT, as_json, count, print_json, progress

if TYPE_CHECKING:
    from troth.app.watching import Life
    from troth.watch.changes import Change
    from troth.watch.contradictions import Contradiction
    from troth.watch.reading import Reading
    from troth.watch.refine import Opinion, Refiner

_FILE = click.Path(path_type=Path)
_exit_status = click.option("--exit-status", is_flag=True, help="End with 1 if something widened.")
_all = click.option("--all", "all_", is_flag=True, help="Show all findings, not the five worst.")
_html = click.option(
    "--html", type=NEW_FILE, metavar="FILE", help="Write the report as a page, side by side."
)
_seen = click.option("--seen", metavar="INSTANT", help="When the new version was first seen, ISO 8601.")
_service = click.option("--service", type=TEXT, help="Whose document, in an archive of many.")
_terms_type = click.option("--terms-type", type=TEXT, help="Which document, such as 'Privacy Policy'.")
_kind = click.option(
    "--kind", type=TEXT, help="privacy_policy, user_agreement, faq, email, …; else by its name."
)


@click.group()
def watch() -> None:
    """Follow what is published: what a change does to the people bound by it.

    Findings are advice. No verdict changes until a person approves a clause.
    """


@watch.command("diff")
@click.argument("before", type=_FILE)
@click.argument("after", type=_FILE)
@_seen
@_exit_status
@_all
@_html
@click.option("--refine", metavar="URL", help="Ask an OpenAI-compatible model too; its word is shown apart.")
@click.option("--model", default="", help="The model's name, with --refine; its key from TROTH_MODEL_KEY.")
@as_json
@click.pass_context
def diff(
    context: click.Context,
    before: Path,
    after: Path,
    seen: str | None,
    exit_status: bool,
    all_: bool,
    html: Path | None,
    refine: str | None,
    model: str,
    json_: bool,
) -> None:
    """Say what the change from one text or Markdown file to another does."""
    reading = watching.diff(before, after, seen)
    refiner = _refiner(context.obj, refine, model) if refine else None
    opinions = _opinions(reading, refiner)
    if html:
        from troth.cli.watch_page import diff_page

        html.write_text(diff_page(before.name, after.name, reading), encoding="utf-8")
    if json_:
        found = reading.as_json()
        if refiner:
            found["opinions"] = {sentence: one.as_json() for sentence, one in opinions.items()}
        print_json(found)
    else:
        print_reading(reading, all_, opinions)
    if exit_status and reading.widens:
        context.exit(1)


def _refiner(home: str, base_url: str, model: str) -> Refiner:
    from troth.app.watch_home import cache_of
    from troth.watch.refine import from_environment

    if not model:
        raise click.UsageError("--refine needs --model")
    return from_environment(base_url, model, cache_of(Path(home)))


def _opinions(reading: Reading, refiner: Refiner | None) -> dict[str, Opinion]:
    if refiner is None:
        return {}
    sentences = [one.after or one.before or "" for one in reading.first]
    return {sentence: refiner.ask(sentence) for sentence in sentences if sentence}


@watch.command("moments")
@click.argument("archive", type=_FILE)
@click.option(
    "--jobs", type=click.IntRange(min=1), help="Worker processes; without it: one a processor, up to 4."
)
@as_json
def moments(archive: Path, jobs: int | None, json_: bool) -> None:
    """Read every version of an archive (a git history or a bundle): a line of JSON for each, oldest first."""
    del json_
    with progress("reading versions") as report:
        for number, moment in enumerate(watching.moments(archive, jobs), start=1):
            click.echo(json.dumps(moment, ensure_ascii=False))
            report(number, None)


@watch.command("report")
@click.argument("source", type=_FILE, required=False)
@_service
@_terms_type
@_all
@_html
@_exit_status
@as_json
@click.pass_context
def report(
    context: click.Context,
    source: Path | None,
    service: str | None,
    terms_type: str | None,
    all_: bool,
    html: Path | None,
    exit_status: bool,
    json_: bool,
) -> None:
    """Tell the life of a document, from an archive, a folder of dated files, or what this home watches."""
    lives, opposed = _lives(context.obj, source, service, terms_type)
    if html:
        from troth.cli.watch_page import life_page

        html.write_text(life_page(lives, opposed), encoding="utf-8")
    if json_:
        print_json(
            {
                "documents": [one.as_json() for one in lives],
                "contradictions": [one.as_json() for one in opposed],
            }
        )
    else:
        for one in lives:
            _print_life(one, all_)
        _print_contradictions(opposed)
    if exit_status and any(
        moment.reading and moment.reading.widens for one in lives for moment in one.moments[-1:]
    ):
        context.exit(1)


def _lives(
    home: str, source: Path | None, service: str | None, terms_type: str | None
) -> tuple[list[Life], list[Contradiction]]:
    if source is not None:
        return [watching.life(source, service, terms_type)], []
    from troth.app import home as homes
    from troth.app import watch_home

    opened = homes.open_home(home)
    chosen = [
        one
        for one in watch_home.sources(opened)
        if service in (None, one.service) and terms_type in (None, one.terms_type)
    ]
    lives = [watch_home.life_of(opened, one) for one in chosen]
    services = dict.fromkeys(one.service for one in chosen)
    return lives, [found for one in services for found in watch_home.contradictions_of(opened, one)]


@watch.command("add")
@click.argument("service", type=TEXT)
@click.argument("terms_type", type=TEXT)
@click.argument("where", type=TEXT)
@_kind
@as_json
@click.pass_obj
def add(home: str, service: str, terms_type: str, where: str, kind: str | None, json_: bool) -> None:
    """Watch a document: a page's address, a folder of dated files, or an archive."""
    from troth.app import home as homes
    from troth.app import watch_home

    one = watch_home.add(homes.open_home(home), service, terms_type, where, kind)
    if json_:
        print_json(
            {"service": one.service, "terms_type": one.terms_type, "kind": one.kind, "where": one.where}
        )
    else:
        click.echo(f"watching {one.service} / {one.terms_type} ({one.kind.replace('_', ' ')}): {one.where}")


@watch.command("run")
@_exit_status
@as_json
@click.pass_context
def run(context: click.Context, exit_status: bool, json_: bool) -> None:
    """Look at every watched document once; pages are fetched with manners, and kept as they came."""
    from troth.app import home as homes
    from troth.app import watch_home

    done = []
    for one in watch_home.run(homes.open_home(context.obj)):
        done.append(one)
        if not json_:
            why = f": {one.why}" if one.why else ""
            widens = ", widens" if one.widens else ""
            click.echo(f"{one.what}{widens}  {one.source.service} / {one.source.terms_type}{why}")
    if json_:
        print_json([one.as_json() for one in done])
    if any(one.what == "failed" for one in done):
        context.exit(3)
    if exit_status and any(one.widens for one in done):
        context.exit(1)


@watch.command("propose")
@click.argument("document", type=_FILE)
@click.option("--name", type=TEXT, help="The document's name in terms files; else the file's.")
@_kind
@click.option("--version", "version_name", type=TEXT, help="The version's name; else its stated date.")
@_seen
@click.option("--out", type=NEW_FILE, metavar="FILE", help="Write the terms file there.")
def propose(
    document: Path,
    name: str | None,
    kind: str | None,
    version_name: str | None,
    seen: str | None,
    out: Path | None,
) -> None:
    """Propose clauses from a document's sentences, for a person to check: a file for `terms add` and `what-if`."""
    events = watching.proposed_file(document, name, kind, version_name, seen)
    if not events:
        click.echo("no sentence proposes a clause", err=True)
        return
    text = watching.terms_file(events, document.name)
    if out:
        out.write_text(text, encoding="utf-8")
        click.echo(f"written to {out}; check each clause before `troth terms add`")
    else:
        click.echo(text, nl=False)


@watch.command("contradictions")
@click.argument("documents", nargs=-1, required=True, type=TEXT)
@click.option("--exit-status", is_flag=True, help="End with 1 if there is one.")
@as_json
@click.pass_context
def contradictions(
    context: click.Context, documents: tuple[str, ...], exit_status: bool, json_: bool
) -> None:
    """Find what documents of one service say against each other; each as PATH or KIND=PATH."""
    found = watching.contradict(documents)
    if json_:
        print_json({"contradictions": [one.as_json() for one in found]})
    else:
        _print_contradictions(found)
        if not found:
            click.echo("no contradiction found")
    if exit_status and found:
        context.exit(1)


# --- in the terminal


def print_reading(reading: Reading, all_: bool = False, opinions: dict[str, Opinion] | None = None) -> None:
    """The report in the terminal: worst first, at most five, the rest folded."""
    for lint in reading.lints:
        click.echo(f"{click.style(lint.name, bold=True)}: {lint.says}")
        if lint.sentence:
            click.echo(f"  “{_clean(lint.sentence)}”")
    weighty = [one for one in reading.changes if one.kind != "neutral"]
    shown = weighty if all_ else list(reading.first)
    for one in shown:
        _print_change(one, (opinions or {}).get(one.after or one.before or ""))
    neutral = len(reading.changes) - len(weighty)
    if not shown:
        click.echo("nothing widens or narrows")
    if len(weighty) > len(shown) or neutral:
        rest = count(len(weighty) - len(shown))
        click.echo(f"\nfolded: {rest} more, {count(neutral)} that neither widen nor narrow (--all, --json)")


def _print_change(one: Change, opinion: Opinion | None) -> None:
    colour = {"widens": "red", "narrows": "green"}.get(one.kind)
    flags = f" [{', '.join(one.flags)}]" if one.flags else ""
    click.echo(f"\n{click.style(one.kind, fg=colour, bold=True)}{flags}  ({one.rule})")
    if one.before:
        click.echo(f"  before: {_clean(one.before)}")
    if one.after:
        click.echo(f"  after:  {_clean(one.after)}")
    if opinion:
        cached = ", from the cache" if opinion.cached else ""
        click.echo(f"  the model {_clean(opinion.model)} says: {opinion.reading}{cached}")


def _clean(text: str) -> str:
    """No control signs of a document reach the terminal."""
    return "".join(one if one.isprintable() else " " for one in text)


def _print_life(one: Life, all_: bool) -> None:
    click.echo(click.style(one.title, bold=True))
    for moment in one.moments:
        click.echo(f"\n{moment.seen[:10]}  {moment.kind}  {moment.name}")
        if moment.reading is not None:
            print_reading(moment.reading, all_)


def _print_contradictions(found: list[Contradiction]) -> None:
    for one in found:
        lint = one.as_json()["lint"]
        click.echo(f"\n{click.style(str(lint), bold=True, fg='red')}: {one.says}  ({one.rule})")
        for name, sentence in (one.first, one.second):
            if sentence:
                click.echo(f"  {name}: {_clean(sentence)}")
