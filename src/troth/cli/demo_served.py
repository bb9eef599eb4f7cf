"""The demo's home for the server: the reference network, releases of it, and a sign-in for each role."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Final

import click

from troth.core.errors import BadInput, Place, Refused

_MARK: Final = ".troth-demo-served"
_NAME: Final = "sign-ins.json"


def prepare(folder: Path, members: int) -> tuple[Path, tuple[tuple[str, str], ...]]:
    """The home and the sign-ins (name, password); made when they are not there yet."""
    if (folder / _MARK).is_file():
        return folder / "home", _sign_ins(folder)
    if folder.exists() and any(folder.iterdir()):
        raise BadInput(
            "something else is there", place=Place(str(folder)), remedy="name another with --demo-out"
        )
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    click.echo("making the reference network (once) …", err=True)
    _make(folder, members)
    (folder / _MARK).touch()
    return folder / "home", _sign_ins(folder)


def _sign_ins(folder: Path) -> tuple[tuple[str, str], ...]:
    found = json.loads((folder / _NAME).read_text("utf-8"))
    return tuple((str(name), str(password)) for name, password in found.items())


def _make(folder: Path, members: int) -> None:
    import troth
    from troth.app import models
    from troth.app.consequences import built
    from troth_network.days import TODAY, iso
    from troth_network.network import build
    from troth_network.pipelines import PURPOSE, RECIPIENTS

    network = build(members, members * 6, 1)
    home = troth.init(folder / "home")
    home.record(network.events)
    home.import_records(network.table())
    made = []
    for recipient in RECIPIENTS:
        try:
            made.append(Path(str(built(home, PURPOSE, recipient, iso(TODAY))["path"])))
        except Refused:
            click.echo(f"nothing may go to {recipient}", err=True)
    if made:
        models.train(home, made[:1], "writer", shards=8)
    _accounts(folder, _someone(made, network.members[0].id))


def _someone(made: list[Path], otherwise: str) -> str:
    """The member with the most rows in the first release: there is most to see for them."""
    from collections import Counter

    import troth

    for release in made[:1]:
        found = Counter(
            author for batch in troth.load(release) for author in batch["author"].to_pylist() if author
        )
        return str(found.most_common(1)[0][0])
    return otherwise


def _accounts(folder: Path, subject: str) -> None:
    import secrets

    from troth.ledger.store import clock
    from troth.server.passwords import hashed
    from troth.server.state import State

    store = State(folder / "home" / "server.sqlite3")
    found = {}
    for name in ("member", "privacy", "ml", "recipient", "auditor", "admin"):
        password = secrets.token_urlsafe(9)
        found[name] = password
        store.add_account(
            name,
            name,
            clock(),
            password=hashed(password),
            subject=subject if name == "member" else None,
            recipient="third_party:acme" if name == "recipient" else None,
        )
    store.close()
    descriptor = os.open(folder / _NAME, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(found, file)
