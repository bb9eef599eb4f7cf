"""Ledgers, logs and witnesses for tests; witnesses answer over HTTP on the loopback address."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from troth.core.events import Event, Objection
from troth.core.note import ED25519, verifier_key
from troth.core.policy import NONE, Group, Party, Policy
from troth.core.witness import Answer
from troth.ledger.cosigners import Cosigners
from troth.ledger.logcheck import find_log_damage
from troth.ledger.store import Ledger
from troth.ledger.tilelog import TileLog
from troth.ledger.witness import Witness

ORIGIN = "example.com/log"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
LOG_KEY = verifier_key(KEY, ORIGIN, ED25519)
WITNESS_KEYS = [Ed25519PrivateKey.from_private_bytes(bytes([one] * 32)) for one in range(1, 4)]


def objections(count: int) -> list[Event]:
    return [Objection(f"m{one % 7}", one) for one in range(count)]


def ledger_of(path: Path, count: int) -> Ledger:
    ledger = Ledger.create(path)
    ledger.free_space_floor = 0
    if count:
        ledger.append(objections(count))
    return ledger


def tilelog(folder: Path) -> TileLog:
    return TileLog(folder / "log", folder / "log-state", ORIGIN, [KEY])


def damage(log: TileLog, ledger: Ledger) -> list[str]:
    return find_log_damage(log, ledger, lambda *_: None)


def witness(folder: Path, number: int = 1) -> Witness:
    folder.mkdir(exist_ok=True)
    key = WITNESS_KEYS[number - 1]
    return Witness(folder / f"seen{number}.sqlite3", f"witness.example/w{number}", key, [LOG_KEY])


def policy(witnesses: list[Witness], urls: list[str], threshold: int | None = None) -> Policy:
    """A policy that asks for so many of the witnesses (None: all)."""
    parties = {
        f"w{one}": Party(each.key, url)
        for one, (each, url) in enumerate(zip(witnesses, urls, strict=True), start=1)
    }
    groups = {"all": Group(threshold or len(parties), tuple(parties))} if parties else {}
    return Policy((Party(LOG_KEY),), parties, groups, "all" if parties else NONE)


def cosigners(*witnesses: Witness, threshold: int | None = None) -> Cosigners:
    """Witnesses that are asked without a network; a closed one does not answer."""
    urls = [f"https://w{one}.example" for one in range(1, len(witnesses) + 1)]
    by_url = {f"{url}/add-checkpoint": one for url, one in zip(urls, witnesses, strict=True)}

    def send(url: str, body: bytes) -> Answer:
        return by_url[url].add_checkpoint(body)

    return Cosigners(policy(list(witnesses), urls, threshold), send)


@contextmanager
def answering(one: Witness) -> Iterator[str]:
    """A witness behind HTTP; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer = one.add_checkpoint(body) if self.path == "/add-checkpoint" else Answer(404)
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.type)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
