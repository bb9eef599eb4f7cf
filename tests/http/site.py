"""A small home served in the test's own process, with an account for each role and a second member."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx2
from argon2 import PasswordHasher
from starlette.routing import BaseRoute
from starlette.testclient import TestClient

from tests.unit.cli.world import write_inputs
from troth.app import consequences, importing, models, people
from troth.app.api import Home
from troth.app.home import init, read_events_files
from troth.ledger.store import clock
from troth.server.access import GuardedRoute
from troth.server.application import make_app
from troth.server.config import Settings
from troth.server.edge import Edge
from troth.server.state import ROLES, SCOPES, State

PASSWORD = "correct horse battery"
SETTING = "improve-models"
MEMBER, OTHER = "ann", "bob"
AT = "2025-02-01"
SETTINGS = Settings(secure=False, warm=False, page_rate=1e6, sign_in_rate=1e6, access_batch_seconds=3600)


def make_home(folder: Path) -> Path:
    """A home of a handful of members and records, with a release and a model of it."""
    write_inputs(folder)
    made = init(folder / "home")
    for name in ("terms.yaml", "events.yaml"):
        if name == "events.yaml":
            people.import_subjects(made, folder / "subjects.csv")
        written = read_events_files([folder / name])
        made.append(written.events, places=written.places)
    importing.tables(made, [folder / "records.jsonl"])
    home = Home(made.path, made.config)
    built = consequences.built(home, "train.generative", "operator", AT)
    models.train(home, [Path(str(built["path"]))], "writer", shards=2)
    store = State(home.path / "server.sqlite3")
    # As cheap as can be: what a right hash costs is measured by a test of its own.
    kept = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    for role in ROLES:
        subject = MEMBER if role == "member" else None
        recipient = "third_party:acme" if role == "recipient" else None
        store.add_account(role, role, clock(), password=kept, subject=subject, recipient=recipient)
    store.add_account("other", "member", clock(), password=kept, subject=OTHER)
    store.close()
    return home.path


@dataclass
class Site:
    """A served home and a browser without a screen."""

    edge: Edge
    client: TestClient

    @property
    def store(self) -> State:
        store: State = self.edge.app.state.store
        return store

    @property
    def home(self) -> Any:
        return self.edge.app.state.home

    def sign_in(self, name: str | None, password: str = PASSWORD) -> httpx2.Response | None:
        """Sign in by the form; None signs nobody in."""
        self.client.cookies.clear()
        if name is None:
            return None
        page = self.client.get("/sign-in").text
        token = found(r'name="visit_token" value="([^"]+)"', page)
        return self.client.post("/sign-in", data={"name": name, "password": password, "visit_token": token})

    def form_token(self) -> str:
        """The hidden text of this session's forms."""
        return found(r'name="form_token" value="([^"]+)"', self.client.get("/account").text)

    def post(self, path: str, **fields: str) -> httpx2.Response:
        """Send a form as the pages would."""
        return self.client.post(path, data={"form_token": self.form_token(), **fields})

    def token(self, *scopes: str) -> dict[str, str]:
        """The header of a program with these scopes."""
        return {"Authorization": f"Bearer {self.store.add_token('test', scopes or SCOPES, clock())}"}


@contextmanager
def served(home: Path, **changed: Any) -> Iterator[Site]:
    """Serve a home."""
    edge = make_app(home, replace(SETTINGS, **changed))
    with TestClient(edge, raise_server_exceptions=False, follow_redirects=False) as client:
        yield Site(edge, client)


def found(pattern: str, text: str) -> str:
    """The first group of a pattern that must be there."""
    match = re.search(pattern, text)
    assert match is not None, f"{pattern} is not in {text[:500]}"
    return match[1]


def routes(edge: Edge) -> list[GuardedRoute]:
    """Every route of the application, also of routers that were included."""
    return list(_routes(edge.app.router.routes))


def _routes(those: list[BaseRoute]) -> Iterator[GuardedRoute]:
    for one in those:
        inner = getattr(one, "original_router", None)
        if inner is not None:
            yield from _routes(inner.routes)
        else:
            assert isinstance(one, GuardedRoute), f"{one} has no rule"
            yield one
