"""Commands on the public log: publish, show, policy, receipt."""

from __future__ import annotations

from pathlib import Path

import click

from troth.app import home as homes
from troth.app import logs
from troth.cli.output import NEW_FILE, TEXT, as_json, count, print_json, print_table, progress
from troth.cli.witness import need_serving
from troth.core.errors import Corrupt
from troth.core.values import format_instant
from troth.ledger.shelf import replace

_MICROSECONDS = 1_000_000


@click.group()
def log() -> None:
    """The public log: publish, show, serve; its policy, and receipts."""


@log.command("publish")
@click.option("--origin", type=TEXT, help="The log's name, for a home that has no log yet.")
@as_json
@click.pass_obj
def publish(path: str, origin: str | None, json_: bool) -> None:
    """Publish what the ledger holds: tiles, signed checkpoint, cosignatures. May be repeated at any time."""
    home = homes.open_home(path)
    with progress("publishing") as report:
        published = logs.publish(home, origin, report)
    if json_:
        print_json(logs.status(homes.open_home(path)).as_json())
        return
    tree = published.checkpoint
    click.echo(f"{tree.origin} is public with {count(tree.size)} entries, root {tree.root.hex()}")


@log.command("show")
@as_json
@click.pass_obj
def show(path: str, json_: bool) -> None:
    """How the log stands: what is public, who cosigned it, whether it has stopped and why."""
    status = logs.status(homes.open_home(path))
    if json_:
        print_json(status.as_json())
        return
    rows = [
        ("name", status.origin),
        *(("verifier key", key) for key in status.vkeys),
        ("entries in the ledger", count(status.entries)),
        ("entries in public", count(status.published)),
        ("root", status.root or "none yet"),
        ("quorum", status.quorum),
        *(
            (f"cosigned by {name}", format_instant(time * _MICROSECONDS))
            for name, time in sorted(status.cosigned.items())
        ),
        ("stopped", status.stopped or "no"),
    ]
    print_table(("log", ""), rows)


@log.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=8790, show_default=True)
@click.pass_obj
def serve(path: str, host: str, port: int) -> None:
    """Serve the public log as static files (C2SP tlog-tiles) until interrupted."""
    home = homes.open_home(path)
    loghttp = need_serving()
    click.echo(f"{logs.open_log(home).origin} is at http://{host}:{port}/", err=True)
    loghttp.serve(loghttp.log_app(home.log_path), host, port)


@log.command("openings")
@click.option("--out", type=NEW_FILE, required=True, metavar="FILE", help="Where to write it.")
@as_json
@click.pass_obj
def openings(path: str, out: Path, json_: bool) -> None:
    """Open what concerns everybody: terms, settings, regimes, rules, notices to audiences. May be published."""
    from troth.app import claims
    from troth.ledger.shelf import replace

    replace(out, claims.openings_of_terms(homes.open_home(path)))
    if json_:
        print_json({"out": str(out)})
    else:
        click.echo(f"wrote {out}; publish it beside the log")


@log.command("policy")
@click.option(
    "--set", "new", type=click.Path(path_type=Path), metavar="FILE", help="Take this policy from now on."
)
@as_json
@click.pass_obj
def policy(path: str, new: Path | None, json_: bool) -> None:
    """Print the log's trust policy: what others need to verify, and whom publishing asks to cosign."""
    home = homes.open_home(path)
    found = logs.policy_of(home) if new is None else logs.set_policy(home, new)
    if not json_:
        click.echo(found.write(), nl=False)
        return
    print_json(
        {
            "logs": [{"vkey": str(one.key), "url": one.url} for one in found.logs],
            "witnesses": {
                name: {"vkey": str(one.key), "url": one.url} for name, one in found.witnesses.items()
            },
            "groups": {
                name: {"threshold": one.threshold, "members": list(one.members)}
                for name, one in found.groups.items()
            },
            "quorum": found.quorum,
        }
    )


@log.command("rotate")
@click.option("--lost", is_flag=True, help="The old key is gone: the new one signs alone.")
@click.option("--finish", is_flag=True, help="End the change: older keys sign no longer, and are deleted.")
@as_json
@click.pass_obj
def rotate(path: str, lost: bool, finish: bool, json_: bool) -> None:
    """Change the log's key. The old and the new one sign until `--finish`; others learn the new one meanwhile."""
    home = homes.open_home(path)
    if finish:
        ended = logs.retire(home)
        key = logs.open_log(home).keys[0]
    else:
        ended, key = 0, logs.rotate(home, lost=lost)
    if json_:
        print_json({"vkey": str(key), "retired": ended})
    elif finish:
        click.echo(f"{count(ended)} older keys were retired; {key} signs alone")
    else:
        click.echo(f"the new key is {key}")
        click.echo("hand out `troth log policy` anew; when everybody has it: troth log rotate --finish")


@log.command("receipt")
@click.argument("position", type=click.IntRange(min=0, max=2**60))
@click.option("--out", type=NEW_FILE, help="Write it here instead of printing it.")
@as_json
@click.pass_obj
def receipt(path: str, position: int, out: Path | None, json_: bool) -> None:
    """The receipt of an entry: a proof that it is in the public log (C2SP tlog-proof@v1)."""
    proof = logs.receipt(homes.open_home(path), position)
    if out is not None:
        replace(out, proof.write())
    if json_:
        print_json({"position": position, "proof": proof.write().decode()})
    elif out is None:
        click.echo(proof.write(), nl=False)
    else:
        click.echo(f"wrote {out}; check it with: troth verify --policy FILE {out}")


@log.command("check")
@as_json
@click.pass_obj
def check(path: str, json_: bool) -> None:
    """Make every file of the public log anew from the ledger, and compare."""
    home = homes.open_home(path)
    with progress("checking") as report:
        wrong = logs.check(home, report)
    if json_:
        print_json({"ok": not wrong, "findings": wrong})
    elif not wrong:
        click.echo("the public log is what the ledger says")
    if wrong:
        raise Corrupt("; ".join(wrong[:10]), remedy="see `troth log show`; restore what is damaged")
