"""Commands on signals of browsers and web sites."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from troth.app import home as homes
from troth.app import signals as app
from troth.cli.output import TEXT, as_json, at_option, print_json, print_table
from troth.core.errors import BadInput, Place
from troth.core.written import write_event
from troth.intake import signals as reading

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def signal() -> None:
    """Global Privacy Control, AIPREF's Content-Usage and TDMRep: read, applied, listed."""


@signal.command("gpc")
@click.argument("subject", type=TEXT)
@click.option("--header", required=True, help="The value of Sec-GPC as it came; only 1 is a signal.")
@click.option("--setting", "settings", multiple=True, help="A switch that it speaks of; without: every one.")
@click.option("--source", required=True, type=TEXT, help="Where it came from, for the record.")
@at_option
@as_json
@click.pass_obj
def gpc(
    path: str, subject: str, header: str, settings: Sequence[str], source: str, at: str | None, json_: bool
) -> None:
    """Apply Global Privacy Control to a member's switches."""
    home = homes.open_home(path)
    if not reading.read_gpc(header):
        if json_:
            print_json({"subject": subject, "signal": False})
        else:
            click.echo("no signal: Sec-GPC asks for privacy only by the value 1; nothing was recorded")
        return
    applied = app.apply_gpc(home, subject, settings, source, at)
    if json_:
        print_json({**applied.as_json(), "signal": True})
        return
    for name in applied.set_off:
        click.echo(f"{name}: off for {subject}, by the signal")
    for name in applied.already:
        click.echo(f"{name}: was off by a signal already")
    for name in applied.conflicts:
        click.echo(f"{name}: {subject} chose on, which the signal does not override; listed as a conflict")


@signal.command("list")
@click.argument("subject", required=False, type=TEXT)
@as_json
@click.pass_obj
def list_(path: str, subject: str | None, json_: bool) -> None:
    """List every application of a signal."""
    found = app.applications(homes.open_home(path), subject)
    if json_:
        print_json([{"position": position, **details} for position, details in found])
        return
    print_table(
        ("position", "subject", "at", "source", "settings"),
        [
            (position, one["subject"], one["at"], one["source"], ", ".join(map(str, one["settings"] or ())))  # type: ignore[arg-type]
            for position, one in found
        ],
    )


@signal.command("conflicts")
@as_json
@click.pass_obj
def conflicts(path: str, json_: bool) -> None:
    """List members whose browser says no and whose own choice says yes."""
    found = app.conflicts(homes.open_home(path))
    if json_:
        print_json(found)
        return
    print_table(
        ("subject", "setting", "signalled at", "chose on at"),
        [(one["subject"], one["setting"], one["signalled_at"], one["chose_on_at"]) for one in found],
    )


@signal.command("site")
@click.argument("address", type=TEXT)
@click.option(
    "--header", "headers", multiple=True, help="A Content-Usage field of the answer; may be repeated."
)
@click.option("--robots", type=_FILE, help="The site's robots.txt.")
@click.option("--tdm", type=_FILE, help="The site's /.well-known/tdmrep.json.")
@click.option("--gpc", "support", type=_FILE, help="The site's /.well-known/gpc.json.")
@click.option("--agent", default="*", show_default=True, help="Whoever gets it, as robots.txt names agents.")
@click.option("--category", "categories", multiple=True, help="What records from there are, for --record.")
@click.option("--record", is_flag=True, help="Record what is refused as a document that forbids.")
@at_option
@as_json
@click.pass_obj
def site(
    path: str,
    address: str,
    headers: Sequence[str],
    robots: Path | None,
    tdm: Path | None,
    support: Path | None,
    agent: str,
    categories: Sequence[str],
    record: bool,
    at: str | None,
    json_: bool,
) -> None:
    """What a site asks for ADDRESS: read from files that you fetched; nothing is fetched here."""
    found = reading.combined(
        reading.read_content_usage(", ".join(headers)) if headers else None,
        reading.read_robots(_text(robots), address, agent) if robots else None,
        _reserved(tdm, address),
    )
    abides = reading.read_gpc_support(_text(support)) if support else None
    answer: dict[str, object] = {
        "address": address,
        "preferences": {} if found is None else dict(found.said),
        "unknown_labels": [] if found is None else list(found.unknown),
        "refused_purposes": [] if found is None else list(found.refused),
        "says_it_honours_gpc": None if abides is None else abides.abides,
    }
    if record:
        if found is None or not categories:
            raise BadInput(
                "there is no preference to record" if found is None else "of which records is not said",
                remedy="name the records from there with --category, such as post",
            )
        terms = app.terms_of(found, address, categories, at)
        answer["terms"] = write_event(terms)
        answer["receipt"] = homes.open_home(path).append([terms])[0].as_json()
    if json_:
        print_json(answer)
        return
    _show(answer)


def _show(answer: dict[str, object]) -> None:
    preferences = answer["preferences"]
    if not preferences:
        click.echo("no preference is stated: that is neither a yes nor a no")
    elif isinstance(preferences, dict):
        for label, may in preferences.items():
            click.echo(f"{label}: {'may be used' if may else 'must not be used'}")
    unknown = answer["unknown_labels"]
    if unknown and isinstance(unknown, list):
        click.echo(f"not known here: {', '.join(unknown)}")
    if answer["says_it_honours_gpc"] is not None:
        click.echo(
            f"the site says that it {'honours' if answer['says_it_honours_gpc'] else 'does not honour'} GPC"
        )
    receipt = answer.get("receipt")
    if isinstance(receipt, dict):
        click.echo(f"recorded as a document that forbids, at ledger position {receipt['position']}")


def _reserved(tdm: Path | None, address: str) -> reading.Preferences | None:
    reserved = reading.read_tdm(_text(tdm), address) if tdm else None
    if reserved is None:
        return None
    return reading.Preferences({"tdm": not reserved}, (), f"tdm-reservation: {int(reserved)}")


def _text(path: Path | None) -> str:
    if path is None:
        return ""
    if path.stat().st_size > reading.MAX_BYTES:
        raise BadInput(f"is larger than {reading.MAX_BYTES:,} bytes", place=Place(str(path)))
    return path.read_bytes().decode("utf-8", "replace")
