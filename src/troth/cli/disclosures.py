"""Commands on what left: recipient, disclose, countersign, disclosures, recalls, recall."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from troth.app import home as homes
from troth.cli.output import INSTANT, NEW_FILE, TEXT, as_json, at_option, count, print_json, print_table
from troth.cli.proofs import say
from troth.core.errors import BadInput

FILE = click.Path(path_type=Path)
_KEYS = click.option(
    "--operator-key",
    "keys",
    multiple=True,
    type=FILE,
    metavar="FILE",
    help="The operator's public key, had from elsewhere; without it the key in the folder is taken.",
)


# recipients


@click.group()
def recipient() -> None:
    """Who may get something: their keys, agreement, contact and deadlines."""


@recipient.command("add")
@click.argument("files", nargs=-1, required=True, type=FILE, metavar="FILE…")
@as_json
@click.pass_obj
def add(path: str, files: tuple[Path, ...], json_: bool) -> None:
    """Take in recipients from YAML files; a later file of the same name takes the place of the earlier."""
    from troth.app import recipients

    home = homes.open_home(path)
    found = [one for file in files for one in recipients.add(home, file)]
    if json_:
        print_json([one.as_json() for one in found])
    else:
        click.echo(f"{count(len(found))} recipients: {', '.join(one.name for one in found)}")


@recipient.command("list")
@as_json
@click.pass_obj
def list_(path: str, json_: bool) -> None:
    """List the recipients."""
    from troth.app import recipients

    found = recipients.listed(homes.open_home(path))
    if json_:
        print_json(found)
        return
    print_table(
        ("recipient", "agreement", "keys", "deadline (days)", "contact"),
        [
            (one["recipient"], _agreement(one), len(_list(one["keys"])), one["deadline_days"], one["contact"])
            for one in found
        ],
    )


@recipient.command("show")
@click.argument("name", type=TEXT)
@as_json
@click.pass_obj
def show(path: str, name: str, json_: bool) -> None:
    """Show one recipient."""
    from troth.app import recipients

    found = recipients.need(recipients.book(homes.open_home(path)), name).as_json()
    if json_:
        print_json(found)
        return
    for key, value in found.items():
        click.echo(
            f"{key.replace('_', ' ')}: {value if not isinstance(value, dict | list) else json.dumps(value)}"
        )


def _agreement(one: dict[str, Any]) -> str:
    found = one["agreement"]
    return f"{found['document']} {found['version']}" if found else "none"


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


@recipient.command("key")
@click.argument("private", type=NEW_FILE)
@as_json
def key(private: Path, json_: bool) -> None:
    """Run by a recipient: make the key pair it signs with. Only the public file leaves its hands. Needs no home."""
    from troth.release.sign import new_key

    public = private.with_suffix(".pub")
    new_key(private, public)
    if json_:
        print_json({"private": str(private), "public": str(public)})
    else:
        click.echo(f"wrote {private} (keep it to yourself) and {public}")


# disclosures


@click.command()
@click.argument("release", required=False, type=TEXT)
@click.option("--to", type=TEXT, metavar="RECIPIENT", help="Who gets it.")
@click.option(
    "--rests-on", type=FILE, metavar="RECEIPT", help="Run by a recipient: its own countersigned receipt."
)
@click.option("--key", type=FILE, metavar="FILE", help="Run by a recipient: its private key.")
@click.option(
    "--to-key", multiple=True, type=FILE, metavar="FILE", help="Run by a recipient: public key of --to."
)
@click.option(
    "--agreement", type=TEXT, metavar="'DOCUMENT VERSION'", help="Run by a recipient: what it rests on."
)
@_KEYS
@click.option(
    "--id", "name", type=TEXT, metavar="ID", help="The receipt's id; the same id again gives it again."
)
@click.option(
    "--returned", multiple=True, type=FILE, metavar="RECEIPT", help="Take in a receipt that came back."
)
@at_option
@click.option("--out", type=NEW_FILE, metavar="FILE", help="Where to write the receipt.")
@as_json
@click.pass_obj
def disclose(
    path: str,
    release: str | None,
    to: str | None,
    rests_on: Path | None,
    key: Path | None,
    to_key: tuple[Path, ...],
    agreement: str | None,
    keys: tuple[Path, ...],
    name: str | None,
    returned: tuple[Path, ...],
    at: str | None,
    out: Path | None,
    json_: bool,
) -> None:
    """Give a release to a recipient, with a receipt for it to countersign.

    With --rests-on and --key it is a recipient that passes a release on: no home is needed. With --returned a receipt
    that was countersigned, or by which data was passed on, is taken in; of the latter, RELEASE is the folder.
    """
    from troth.app import disclosures

    if returned:
        home = homes.open_home(path)
        links = [disclosures.take_in(home, one, Path(release) if release else None) for one in returned]
        if json_:
            print_json([{"receipt": one.digest, "countersigned": one.is_countersigned} for one in links])
        for one in () if json_ else links:
            click.echo(f"{one.receipt.said.id}: {'countersigned' if one.is_countersigned else 'taken in'}")
        return
    if release is None or to is None:
        raise click.UsageError("name a RELEASE and --to RECIPIENT, or a receipt with --returned")
    if (rests_on is None) != (key is None):
        raise click.UsageError("who passes something on names both --rests-on and --key")
    if rests_on is not None and key is not None:
        data = disclosures.pass_on(
            Path(release), to, rests_on, key, to_key, keys=keys or None, agreement=agreement, name=name, at=at
        )
    else:
        data = disclosures.disclose(homes.open_home(path), release, to, name=name, at=at).envelope.encode()
    _give(data, out, json_)


def _give(data: bytes, out: Path | None, json_: bool) -> None:
    from troth.core.disclosure import read_receipt
    from troth.ledger.shelf import replace

    one = read_receipt(data, "the receipt")
    if out is not None:
        replace(out, data)
    if json_:
        print_json(
            {
                "id": one.said.id,
                "receipt": one.digest,
                "release": one.said.release,
                "recipient": one.said.recipient.name,
                "right": one.said.right,
                "position": one.said.position,
                "out": None if out is None else str(out),
                "envelope": json.loads(data),
            }
        )
    elif out is None:
        click.echo(data, nl=False)
    else:
        click.echo(
            f"{one.said.sender.name} gives {one.said.release} to {one.said.recipient.name}: wrote {out}"
        )
        click.echo("the recipient signs it with: troth countersign RECEIPT --release DIR --key FILE")


@click.command()
@click.argument("receipt", type=FILE)
@click.option("--release", required=True, type=FILE, metavar="DIR", help="The folder that arrived.")
@click.option("--key", required=True, type=FILE, metavar="FILE", help="Your private key.")
@_KEYS
@click.option(
    "--rests-on",
    multiple=True,
    type=FILE,
    metavar="RECEIPT",
    help="The receipts that it rests on, if it does.",
)
@click.option("--out", type=NEW_FILE, metavar="FILE", help="Where to write it; without it: in its place.")
@as_json
def countersign(
    receipt: Path,
    release: Path,
    key: Path,
    keys: tuple[Path, ...],
    rests_on: tuple[Path, ...],
    out: Path | None,
    json_: bool,
) -> None:
    """Sign for a release that arrived, after recomputing its rows, row tree and set. Needs no home."""
    from troth.app import disclosures

    findings = disclosures.countersign(receipt, release, key, keys=keys or None, rests_on=rests_on, out=out)
    if json_:
        print_json({**findings.as_json(), "out": str(out or receipt)})
        return
    say(findings)
    click.echo(f"signed: {out or receipt}; send it back to the sender")


@click.command("disclosures")
@click.option("--flow", is_flag=True, help="Draw who gave what to whom.")
@click.option("--svg", type=NEW_FILE, metavar="FILE", help="Write the drawing as SVG.")
@click.option("--receipt", type=TEXT, metavar="ID", help="Print this receipt.")
@click.option("--opening", type=TEXT, metavar="ID", help="Print the opened ledger entry of this receipt.")
@at_option
@as_json
@click.pass_obj
def disclosures_(
    path: str,
    flow: bool,
    svg: Path | None,
    receipt: str | None,
    opening: str | None,
    at: str | None,
    json_: bool,
) -> None:
    """What left: to whom, countersigned or not, recalled or not."""
    from troth.app import disclosures

    home = homes.open_home(path)
    if receipt is not None:
        click.echo(disclosures.receipt_of(home, receipt), nl=False)
        return
    if opening is not None:
        from troth.app import claims

        click.echo(claims.openings_of(home, [disclosures.entry_of(home, opening)]), nl=False)
        return
    found = disclosures.listed(home, homes.instant_or_now(at))
    if svg is not None:
        from troth.app.flow import draw
        from troth.ledger.shelf import replace

        replace(svg, draw(found).encode())
    if json_:
        print_json(found)
    elif flow:
        from troth.app.flow import tree

        for line in tree(found):
            click.echo(line)
    elif svg is None:
        print_table(
            ("receipt", "release", "from", "to", "right", "rows", "at", "countersigned", "recalled"),
            [
                (
                    one["id"],
                    one["release"],
                    one["sender"],
                    one["recipient"],
                    one["right"],
                    one["rows"],
                    one["at"],
                    "yes" if one["countersigned"] else "no",
                    ", ".join(sorted({each["status"] for each in _list(one["recalls"])})),
                )
                for one in found
            ],
        )


# recalls


@click.command("recalls")
@click.option("--all", "everything", is_flag=True, help="Also what is cleared.")
@at_option
@as_json
@click.pass_obj
def recalls_(path: str, everything: bool, at: str | None, json_: bool) -> None:
    """Open what has to be recalled, and show what is due, over all links. Exit status 1 if something is overdue."""
    from troth.app import recalls

    home = homes.open_home(path)
    recalls.sync(home, at)
    found = recalls.listed(home, at, everything=everything)
    if json_:
        print_json(found)
    else:
        print_table(
            ("recall", "release", "recipient", "rows", "status", "due", "notice"),
            [
                (
                    one["recall"],
                    one["release"],
                    one["recipient"],
                    one["rows"],
                    one["status"],
                    one["due_at"],
                    recalls.path_of(home, str(one["recall"])),
                )
                for one in found
            ],
        )
    if any(one["status"] == "overdue" for one in found):
        raise SystemExit(1)


@click.group()
def recall() -> None:
    """Recalls: remind, acknowledge, take acknowledgements in, build a successor."""


@recall.command("remind")
@at_option
@as_json
@click.pass_obj
def remind(path: str, at: str | None, json_: bool) -> None:
    """Whom to remind today, and whom to write to where nobody answers. Sending is yours."""
    from troth.app import recalls

    home = homes.open_home(path)
    recalls.sync(home, at)
    told = recalls.remind(home, at)
    if json_:
        print_json(told)
        return
    for one in told:
        click.echo(f"{one['recipient']}: {one['status']}: send {one['notice']} to {one['contact']}")
        if one["escalate_to"]:
            click.echo(f"  escalate: {one['escalate_to']}")


@recall.command("acknowledge")
@click.argument("notice", type=FILE)
@click.option("--key", required=True, type=FILE, metavar="FILE", help="Your private key.")
@click.option("--operator-key", "keys", required=True, multiple=True, type=FILE, metavar="FILE")
@click.option(
    "--not-deleted", multiple=True, metavar="RECORD=WHY", help="A record that could not be deleted, and why."
)
@click.option("--at", type=INSTANT, metavar="INSTANT", help="When; without it: now.")
@click.option("--out", required=True, type=NEW_FILE, metavar="FILE")
@as_json
def acknowledge(
    notice: Path,
    key: Path,
    keys: tuple[Path, ...],
    not_deleted: tuple[str, ...],
    at: str | None,
    out: Path,
    json_: bool,
) -> None:
    """Run by a recipient: sign what was deleted of a notice's rows, and what could not be. Needs no home."""
    from troth.app import recalls
    from troth.ledger.shelf import replace

    pairs = [(one.partition("=")[0], one.partition("=")[2]) for one in not_deleted]
    if not all(record and why for record, why in pairs):
        raise BadInput("expected RECORD=WHY with --not-deleted")
    replace(out, recalls.acknowledge(notice, key, keys, pairs, homes.instant_or_now(at)))
    if json_:
        print_json({"out": str(out), "not_deleted": len(pairs)})
    else:
        click.echo(f"signed {out}; send it to the operator")


@recall.command("ack")
@click.argument("files", nargs=-1, required=True, type=FILE, metavar="FILE…")
@as_json
@click.pass_obj
def ack(path: str, files: tuple[Path, ...], json_: bool) -> None:
    """Take in acknowledgements; only the recipient's valid signature clears anything."""
    from troth.app import recalls

    home, now = homes.open_home(path), homes.instant_or_now(None)
    found = [recalls.take_in(home, file) for file in files]
    if json_:
        print_json([{"recall": one.id, "status": one.status(now)} for one in found])
    for one in () if json_ else found:
        click.echo(f"{one.id}: {one.status(now)}")


@recall.command("successor")
@click.argument("release", type=FILE)
@click.option("--out", required=True, type=FILE, metavar="DIR", help="The folder to make.")
@click.option("--id", "name", type=TEXT, metavar="ID", help="The new release's id.")
@as_json
@click.pass_obj
def successor(path: str, release: Path, out: Path, name: str | None, json_: bool) -> None:
    """Build the release that takes the place of one: its records, less what may not be used any more."""
    from troth.app import recalls

    made = recalls.successor(homes.open_home(path), release, out, name)
    if json_:
        print_json(made)
    else:
        click.echo(f"sealed {made['rows']} rows in {out}: {made['release']} follows {made['successor_of']}")
