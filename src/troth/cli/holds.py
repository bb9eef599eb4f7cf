"""Commands on what must not be lost, and on what was done before: hold, past, violation."""

from __future__ import annotations

import os
from pathlib import Path

import click

from troth.app import home as homes
from troth.cli.output import INSTANT, NEW_FILE, TEXT, as_json, count, print_json, print_table
from troth.cli.proofs import say
from troth.core.errors import BadInput, Place
from troth.core.values import parse_instant

FILE = click.Path(path_type=Path)


@click.group()
def hold() -> None:
    """Legal hold: nothing of the matter is destroyed; it leaves use at once and is sealed."""


@hold.command("open")
@click.argument("matter", type=TEXT)
@click.option("--escrow", required=True, type=FILE, metavar="FILE", help="The escrow's public key.")
@click.option("--subject", "subjects", multiple=True, type=TEXT, help="A member.")
@click.option("--release", "releases", multiple=True, type=TEXT, metavar="ID")
@click.option("--model", "models", multiple=True, type=TEXT, metavar="NAME")
@click.option("--from", "start", type=INSTANT, metavar="INSTANT", help="The period's begin.")
@click.option("--to", "end", type=INSTANT, metavar="INSTANT", help="The period's end.")
@as_json
@click.pass_obj
def open_(
    path: str,
    matter: str,
    escrow: Path,
    subjects: tuple[str, ...],
    releases: tuple[str, ...],
    models: tuple[str, ...],
    start: str | None,
    end: str | None,
    json_: bool,
) -> None:
    """Open a hold by matter: members, releases, models."""
    from troth.app import holds

    made = holds.open_matter(
        homes.open_home(path),
        matter,
        escrow,
        subjects=subjects,
        releases=releases,
        models=models,
        start=None if start is None else parse_instant(start),
        end=None if end is None else parse_instant(end),
    )
    if json_:
        print_json(made.as_json())
    else:
        click.echo(f"{made.name} is held, recorded at {count(made.entry)}")


@hold.command("close")
@click.argument("matter", type=TEXT)
@as_json
@click.pass_obj
def close(path: str, matter: str, json_: bool) -> None:
    """Close a hold; what waited for its end is destroyed, and recalls that were quarantined become due."""
    from troth.app import holds, recalls

    home = homes.open_home(path)
    closed, gone = holds.close_matter(home, matter)
    opened = recalls.sync(home)
    if json_:
        print_json({**closed.as_json(), "destroyed": gone, "recalls_opened": len(opened)})
    else:
        click.echo(
            f"{matter} is closed; {count(gone)} sealed things were destroyed, {len(opened)} recalls opened"
        )


@hold.command("list")
@as_json
@click.pass_obj
def list_(path: str, json_: bool) -> None:
    """List the matters."""
    from troth.app import holds

    home = homes.open_home(path)
    found = [one.as_json() for one in holds.all_matters(home)]
    sealed = sum(1 for _ in holds.sealed_things(home))
    if json_:
        print_json({"matters": found, "sealed": sealed})
        return
    print_table(
        ("matter", "opened", "closed", "members", "releases", "models"),
        [
            (
                one["matter"],
                one["opened_at"],
                one["closed_at"] or "open",
                one["subjects"],
                ", ".join(map(str, one["releases"] if isinstance(one["releases"], list) else ())),
                ", ".join(map(str, one["models"] if isinstance(one["models"], list) else ())),
            )
            for one in found
        ],
    )
    click.echo(f"{count(sealed)} things are sealed")


@hold.command("key")
@click.argument("private", type=NEW_FILE)
@as_json
def key(private: Path, json_: bool) -> None:
    """Make the escrow's key pair. Keep the private key away from this home: with whoever may open what is held."""
    from troth.app import holds

    public = holds.new_escrow(private)
    if json_:
        print_json({"private": str(private), "public": str(public)})
    else:
        click.echo(f"wrote {private} (keep it elsewhere) and {public}")


@hold.command("unseal")
@click.argument("sealed", type=FILE)
@click.option("--key", "private", required=True, type=FILE, metavar="FILE", help="The escrow's private key.")
@click.option("--out", required=True, type=NEW_FILE, metavar="FILE")
def unseal(sealed: Path, private: Path, out: Path) -> None:
    """Run by whoever holds the escrow's private key: open a sealed file."""
    from troth.app import holds
    from troth.ledger.shelf import replace

    if not sealed.is_file():
        raise BadInput("there is no such file", place=Place(str(sealed)))
    replace(out, holds.unseal(sealed, private), 0o600)
    click.echo(f"wrote {out}")


@click.group()
def past() -> None:
    """Disclosures and training runs from before Troth, judged by the terms of their day."""


@past.command("import")
@click.argument("file", type=FILE)
@click.option(
    "--members",
    type=NEW_FILE,
    metavar="FILE",
    help="Also write whom to notify, as CSV readable by you alone.",
)
@as_json
@click.pass_obj
def import_(path: str, file: Path, members: Path | None, json_: bool) -> None:
    """Judge each row of a CSV, JSON lines or YAML file. Exit status 1 if something was not allowed."""
    from troth.app.past import import_past

    if members is not None and os.path.lexists(members):
        raise BadInput("is there already", place=Place(str(members)), remedy="name a new file")
    found = import_past(homes.open_home(path), file, members)
    if json_:
        print_json([one.as_json() for one in found])
    else:
        for one in found:
            counts, happened = one.records, one.as_json()
            click.echo(
                f"{happened['when']} {happened['kind']} by {happened['who']} ({happened['confidence']}):"
                f" {count(counts['allowed'])} allowed, {count(counts['denied'])} denied, {count(counts['gap'])} gaps;"
                f" {count(len(one.members))} members affected"
            )
            click.echo(f"  {happened['remedy']}")
    if any(one.records["denied"] or one.records["gap"] for one in found):
        raise SystemExit(1)


@click.command()
@click.option("--subject", type=TEXT, help="By the operator: the member.")
@click.option(
    "--release", type=TEXT, metavar="DIR", help="The release's folder; of files alone: its signed manifest."
)
@click.option(
    "--proof", type=FILE, metavar="FILE", help="By a member: the proof of presence, made with --rows."
)
@click.option("--receipt", type=FILE, metavar="FILE", help="By a recipient: the countersigned receipt.")
@click.option(
    "--openings",
    multiple=True,
    type=FILE,
    metavar="FILE",
    help="Opened entries: your history, the public terms.",
)
@click.option("--log", type=FILE, metavar="DIR", help="A copy of the public log.")
@click.option("--policy", type=FILE, metavar="FILE", help="Whom to trust as to the log: a policy or its key.")
@click.option("--key", "keys", multiple=True, type=FILE, metavar="FILE", help="The operator's public key.")
@click.option("--out", type=NEW_FILE, metavar="FILE", help="Where to write the proof, readable by you alone.")
@as_json
@click.pass_obj
def violation(
    path: str,
    subject: str | None,
    release: str | None,
    proof: Path | None,
    receipt: Path | None,
    openings: tuple[Path, ...],
    log: Path | None,
    policy: Path | None,
    keys: tuple[Path, ...],
    out: Path | None,
    json_: bool,
) -> None:
    """Prove that a release broke its word towards a member, or that a disclosure is not in the log.

    The operator names --subject and --release. A member needs no home: --proof, --openings, --log, --release with the
    manifest, --policy and --key. A recipient names --receipt, --log, --policy and --key. Exit status 1 if nothing was
    violated.
    """
    from troth.app import claims, violations
    from troth.ledger.shelf import replace

    if out is not None and os.path.lexists(out):
        raise BadInput("is there already", place=Place(str(out)), remedy="name a new file")
    if receipt is not None and log is not None and policy is not None and keys:
        data, findings = claims.show_unlogged(receipt, openings, log, policy, keys)
        kind, how = "unlogged", "--policy FILE --key FILE"
    elif proof is not None and log is not None and policy is not None and keys and release is not None:
        made = claims.show(proof, openings, log, Path(release), policy, keys)
        data, findings, kind = made.data, made.findings, made.violation.kind
        how = "--release-manifest DIR --policy FILE"
    elif subject is not None and release is not None and proof is None and receipt is None:
        made = violations.show(homes.open_home(path), release, subject)
        data, findings, kind = made.data, made.findings, made.violation.kind
        how = "--release-manifest DIR --policy FILE"
    else:
        raise click.UsageError(
            "name --subject and --release; or --proof, --openings, --log, --release, --policy and --key;"
            " or --receipt, --log, --policy and --key"
        )
    if out is not None:
        replace(out, data, 0o600)
    if json_:
        print_json({**findings.as_json(), "violation": kind, "out": str(out) if out else None})
        return
    say(findings)
    if out is not None:
        click.echo(f"wrote {out} ({count(len(data))} bytes); check it anywhere with:")
        click.echo(f"  troth verify {out} {how}")
        if kind != "unlogged":
            click.echo("it holds the member's secret, history and rows: show it to whom you trust with them")
