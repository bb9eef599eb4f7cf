"""Commands of the server: serve, and the accounts and tokens that it lets in."""

from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path

import click

from troth.app import home as homes
from troth.cli.output import TEXT, as_json, print_json, print_table
from troth.core.errors import BadInput

_EXTRA = "install the server's packages: pip install 'troth[server]'"


def _needs_extra() -> None:
    try:
        import fastapi  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError:
        raise BadInput("the server's packages are not installed", remedy=_EXTRA) from None


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True)
@click.option(
    "--insecure-cookies", is_flag=True, help="Without HTTPS, on one machine: cookies without Secure."
)
@click.option("--demo", is_flag=True, help="Serve the reference network, with sign-ins for each role.")
@click.option(
    "--demo-out",
    type=click.Path(path_type=Path),
    default=Path("troth-demo-served"),
    show_default=True,
    help="Where the demo's home goes; an earlier one there is served again.",
)
@click.option("--demo-members", type=click.IntRange(min=200), default=2_000, show_default=True)
@click.pass_obj
def serve(
    path: str, host: str, port: int, insecure_cookies: bool, demo: bool, demo_out: Path, demo_members: int
) -> None:
    """Serve the pages and the API of a home."""
    _needs_extra()
    from troth.server.config import read_settings
    from troth.server.running import run

    target = Path(path)
    sign_ins: tuple[tuple[str, str], ...] = ()
    if demo:
        from troth.cli.demo_served import prepare

        if host not in ("127.0.0.1", "::1", "localhost"):
            raise BadInput("the demo shows its passwords, so it is served to this machine alone")
        target, sign_ins = prepare(demo_out, demo_members)
    homes.open_home(target)
    settings = replace(read_settings(target), demo=sign_ins)
    if demo or insecure_cookies:
        settings = replace(settings, secure=False)
    run(target, settings, host, port)


@click.group()
def account() -> None:
    """Who may sign in: add, list, disable."""


@account.command("add")
@click.argument("name", type=TEXT)
@click.option(
    "--role",
    type=click.Choice(["member", "privacy", "ml", "recipient", "auditor", "admin"]),
    required=True,
)
@click.option("--subject", type=TEXT, help="The member's id on the platform (role member).")
@click.option("--recipient", type=TEXT, help="Such as third_party:acme (role recipient).")
@click.option(
    "--password-file", type=click.Path(path_type=Path), help="Read it from a file; without, one is drawn."
)
@as_json
@click.pass_obj
def add(
    path: str,
    name: str,
    role: str,
    subject: str | None,
    recipient: str | None,
    password_file: Path | None,
    json_: bool,
) -> None:
    """Add a local account; a password that was drawn is shown this once."""
    _needs_extra()
    from troth.ledger.store import clock
    from troth.server.passwords import hashed
    from troth.server.state import State

    home = homes.open_home(path)
    given = password_file.read_text("utf-8").strip() if password_file else None
    password = given or secrets.token_urlsafe(12)
    store = State(home.path / "server.sqlite3")
    made = store.add_account(
        name, role, clock(), password=hashed(password), subject=subject, recipient=recipient
    )
    store.close()
    shown = None if given else password
    if json_:
        print_json({"account": made.id, "name": name, "role": role, "password": shown})
    else:
        click.echo(f"added {name} ({role})" + (f"; the password, shown this once: {shown}" if shown else ""))


@account.command("list")
@as_json
@click.pass_obj
def list_(path: str, json_: bool) -> None:
    """List the accounts."""
    _needs_extra()
    from troth.server.state import State

    store = State(homes.open_home(path).path / "server.sqlite3")
    found = [
        {"account": one.id, "name": one.name, "role": one.role, "disabled": disabled}
        for one, disabled in store.accounts()
    ]
    store.close()
    if json_:
        print_json(found)
    else:
        print_table(
            ("account", "name", "role", "disabled"),
            [
                (str(row["account"]), str(row["name"]), str(row["role"]), str(row["disabled"]))
                for row in found
            ],
        )


@account.command("disable")
@click.argument("number", metavar="ACCOUNT", type=TEXT)
@click.pass_obj
def disable(path: str, number: str) -> None:
    """Let an account in no more; its sign-ins end at once."""
    _needs_extra()
    from troth.server.state import State

    store = State(homes.open_home(path).path / "server.sqlite3")
    if number not in [one.id for one, _ in store.accounts()]:
        raise BadInput("there is no such account", remedy="see `troth account list`")
    store.disable(number)
    store.close()
    click.echo("disabled")


@click.group()
def token() -> None:
    """Which programs may use the API: add, revoke."""


@token.command("add")
@click.argument("name", type=TEXT)
@click.option(
    "--scope", "scopes", multiple=True, required=True, help="Such as choices:write; may be repeated."
)
@click.pass_obj
def add_token(path: str, name: str, scopes: tuple[str, ...]) -> None:
    """Make a token; its text is printed this once and kept nowhere."""
    _needs_extra()
    from troth.ledger.store import clock
    from troth.server.state import State

    store = State(homes.open_home(path).path / "server.sqlite3")
    text = store.add_token(name, scopes, clock())
    store.close()
    click.echo(text)


@token.command("revoke")
@click.argument("number", metavar="TOKEN", type=TEXT)
@click.pass_obj
def revoke(path: str, number: str) -> None:
    """Revoke a token by its number (the part between the underscores)."""
    _needs_extra()
    from troth.server.state import State

    store = State(homes.open_home(path).path / "server.sqlite3")
    store.revoke(number)
    store.close()
    click.echo("revoked")
