"""Commands of the Matrix application service."""

from __future__ import annotations

import signal
from threading import Thread

import click

from troth.app import home as homes
from troth.cli.output import TEXT


@click.group()
def matrix() -> None:
    """What is said in Matrix rooms, as it is said: an application service."""


@matrix.command("register")
@click.option("--url", required=True, type=TEXT, help="Where the homeserver reaches `troth matrix serve`.")
@click.pass_obj
def register(path: str, url: str) -> None:
    """Make the registration that the homeserver reads."""
    from troth.app.matrix import register as make

    found = make(homes.open_home(path), url)
    click.echo(f"wrote {found}: it holds secrets, readable by you alone")
    click.echo("name it in the homeserver's app_service_config_files, and start that anew")


@matrix.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=9009, show_default=True, type=click.IntRange(0, 65535))
@click.pass_obj
def serve(path: str, host: str, port: int) -> None:
    """Take in what the homeserver sends, until interrupted."""
    from troth.app.matrix import Bridge, Service

    service = Service(Bridge(homes.open_home(path)), host, port)
    for one in (signal.SIGTERM, signal.SIGINT):
        # Stopping waits for the loop that the handler interrupts, so it happens elsewhere.
        signal.signal(one, lambda *_: Thread(target=service.stop).start())
    click.echo(f"listening on {host} port {service.port}")
    service.serve()
    click.echo("stopped; everything that was taken is stored")
