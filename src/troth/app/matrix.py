"""A Matrix application service: what is said in rooms comes into the home as it is said.

The homeserver hands over events in transactions and repeats each until it is answered. A transaction is
answered once it is on disk in a journal; the journal goes into the record store in batches, so that a message
a second does not make a file a second. Both steps may be repeated after a crash: ids are those of the events,
so nothing comes twice, and nothing is lost. Source: Matrix specification 1.11, application service API.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event as Signal
from threading import RLock, Thread
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

from troth.app.home import Home
from troth.app.importing import intake_of
from troth.core.errors import BadInput, Conflict, Corrupt, Place, TrothError
from troth.intake.matrix_events import Message, Room
from troth.intake.parts import storage_errors, sync_folder
from troth.intake.report import ImportReport
from troth.intake.rows import Item, Where

FLUSH_EVENTS: Final = 1000
FLUSH_SECONDS: Final = 5.0
MAX_BODY: Final = 64 * 1024 * 1024
REMEMBERED: Final = 10_000
"""Messages of a room that edits and redactions are matched with; an older one's date is unknown to its edits."""
_TRANSACTIONS: Final = 1000

_PATH: Final = ("/_matrix/app/v1/transactions/", "/transactions/")


def register(home: Home, url: str) -> Path:
    """Make the registration that the homeserver reads, with fresh tokens; the file is the operator's alone.

    Raises:
        Conflict: there is one already.
    """
    folder = _folder(home)
    path = folder / "registration.yaml"
    if path.exists():
        raise Conflict("there is a registration already", place=Place(str(path)), remedy="use that one")
    text = json.dumps(
        {
            "id": "troth",
            "url": url,
            "as_token": secrets.token_urlsafe(32),
            "hs_token": secrets.token_urlsafe(32),
            "sender_localpart": "troth",
            "rate_limited": False,
            # Interested in everybody, exclusive of nobody: it only listens.
            "namespaces": {"users": [{"exclusive": False, "regex": "@.*"}], "rooms": [], "aliases": []},
        },
        indent=1,
    )
    _write(path, text.encode())
    return path


def _folder(home: Home) -> Path:
    folder = home.path / "matrix"
    with storage_errors(home.path):
        folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _write(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    with storage_errors(path.parent):
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
        sync_folder(path.parent)


class Bridge:
    """Takes transactions in and brings them into the record store. One at a time per home.

    Raises:
        BadInput: the home is not registered yet.
        Corrupt: what was kept cannot be read.
    """

    def __init__(self, home: Home) -> None:
        self.home = home
        self._folder = _folder(home)
        self._lock = RLock()
        self._state = self._folder / "state.json"
        self._journal = self._folder / "journal.jsonl"
        registration = self._folder / "registration.yaml"
        if not registration.is_file():
            raise BadInput(
                "this home is not registered with a homeserver",
                place=Place(str(self._folder)),
                remedy="make a registration with `troth matrix register --url …`",
            )
        self._token = str(json.loads(registration.read_text())["hs_token"])
        self.rooms: dict[str, Room] = {}
        self._seen: dict[str, None] = {}
        self._waiting: list[tuple[str, list[Any]]] = []
        self._load()
        self.flush()

    def knows(self, token: str) -> bool:
        """Whether a request comes from the homeserver."""
        return hmac.compare_digest(token.encode(), self._token.encode())

    def take(self, transaction: str, events: list[Any]) -> None:
        """Take a transaction; it is on disk when this returns. One that came before is passed over.

        It is known by its id *and* its events: a Synapse that is started anew counts from 1 again.

        Raises:
            Unavailable: storage failed; the homeserver will repeat the transaction.
        """
        key = f"{transaction} {hashlib.sha256(json.dumps(events, sort_keys=True).encode()).hexdigest()}"
        with self._lock:
            if key in self._seen:
                return
            line = json.dumps({"transaction": transaction, "key": key, "events": events}) + "\n"
            with storage_errors(self._folder):
                descriptor = os.open(
                    self._journal, os.O_CREAT | os.O_APPEND | os.O_WRONLY | os.O_CLOEXEC, 0o600
                )
                try:
                    data = line.encode()
                    while data:
                        data = data[os.write(descriptor, data) :]
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
            self._seen[key] = None
            self._waiting.append((transaction, events))
            if sum(len(one) for _, one in self._waiting) >= FLUSH_EVENTS:
                self.flush()

    def flush(self) -> ImportReport | None:
        """Bring what waits into the record store; None where nothing does."""
        with self._lock:
            if not self._waiting:
                return None
            intake = intake_of(self.home)
            report = intake.take(self._items(intake.now))
            # From here on the journal may go: what it held is stored, and so is what the rooms are.
            self._save()
            with storage_errors(self._folder):
                self._journal.unlink(missing_ok=True)
                sync_folder(self._folder)
            self._waiting.clear()
            return report

    def _items(self, now: int) -> Iterator[Item]:
        for transaction, events in self._waiting:
            for number, event in enumerate(events, 1):
                name = event.get("room_id") if isinstance(event, dict) else None
                room_id = name if isinstance(name, str) else ""
                room = self.rooms.setdefault(room_id, Room(room_id))
                yield from room.items(event, Where(f"matrix transaction {transaction}", row=number), now)

    def _load(self) -> None:
        try:
            if self._state.is_file():
                kept = json.loads(self._state.read_text())
                self._seen = dict.fromkeys(kept["transactions"])
                self.rooms = {one["id"]: _room(one) for one in kept["rooms"]}
            if self._journal.is_file():
                for line in self._journal.read_bytes().splitlines(keepends=True):
                    # A line without an end was never answered: it comes again.
                    if line.endswith(b"\n"):
                        found = json.loads(line)
                        self._waiting.append((found["transaction"], found["events"]))
                        self._seen[found["key"]] = None
        except (ValueError, KeyError, TypeError) as error:
            raise Corrupt(
                f"what was kept of rooms cannot be read ({type(error).__name__})",
                place=Place(str(self._folder)),
                remedy="restore the home from a backup",
            ) from None

    def _save(self) -> None:
        for room in self.rooms.values():
            for old in list(room.messages)[:-REMEMBERED]:
                del room.messages[old]
            for old in list(room.versions)[:-REMEMBERED]:
                del room.versions[old]
        rooms = [asdict(room) for room in self.rooms.values()]
        kept = {"transactions": list(self._seen)[-_TRANSACTIONS:], "rooms": rooms}
        self._seen = dict.fromkeys(list(self._seen)[-_TRANSACTIONS:])
        _write(self._state, json.dumps(kept).encode())


def _room(kept: dict[str, Any]) -> Room:
    messages = {
        name: Message(one["created_at"], tuple(one["addressees"]), one["author"], one["worded_at"])
        for name, one in kept["messages"].items()
    }
    members = dict.fromkeys(kept["members"])
    return Room(kept["id"], members, kept["public"], kept["whole"], messages, kept["versions"])


class Service:
    """The HTTP side of a bridge, for the homeserver alone."""

    def __init__(self, bridge: Bridge, host: str, port: int) -> None:
        self.bridge = bridge
        self._stop = Signal()

        class Handler(_Handler):
            service = self

        self._server = ThreadingHTTPServer((host, port), Handler)
        # The homeserver keeps its connections open: stopping does not wait for them. What is not answered
        # when the process ends comes again.
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])

    def serve(self) -> None:
        """Answer until ``stop``; what waits is stored every few seconds, and at the end."""
        flusher = Thread(target=self._flush_now_and_then)
        flusher.start()
        try:
            self._server.serve_forever(poll_interval=0.1)
        finally:
            self._stop.set()
            self._server.server_close()
            flusher.join()
            self.bridge.flush()

    def stop(self) -> None:
        """Stop answering; ``serve`` then stores what waits and returns."""
        self._server.shutdown()

    def _flush_now_and_then(self) -> None:
        while not self._stop.wait(FLUSH_SECONDS):
            # Another import may be writing: what waits is safe in the journal until the next time.
            with suppress(TrothError):
                self.bridge.flush()


class _Handler(BaseHTTPRequestHandler):
    service: Service
    protocol_version = "HTTP/1.1"
    server_version = "troth"
    sys_version = ""
    timeout = 60

    def do_PUT(self) -> None:
        """Transactions."""
        path = unquote(urlsplit(self.path).path)
        prefix = next((one for one in _PATH if path.startswith(one)), None)
        body = self._body()
        if body is None or not self._allowed():
            return
        if prefix is None:
            self._answer(HTTPStatus.NOT_FOUND, "M_UNRECOGNIZED")
            return
        try:
            events = json.loads(body)["events"]
        except (ValueError, KeyError, TypeError, RecursionError):
            self._answer(HTTPStatus.BAD_REQUEST, "M_BAD_JSON")
            return
        if not isinstance(events, list):
            self._answer(HTTPStatus.BAD_REQUEST, "M_BAD_JSON")
            return
        try:
            self.service.bridge.take(path.removeprefix(prefix), events)
        except Exception as error:  # noqa: BLE001 - whatever failed: the homeserver is to send it again
            self.log_error("a transaction could not be taken: %s", type(error).__name__)
            self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, "M_UNKNOWN")
            return
        self._answer(HTTPStatus.OK)

    def do_GET(self) -> None:
        """Users and rooms: there are none of our own."""
        if self._body() is not None and self._allowed():
            self._answer(HTTPStatus.NOT_FOUND, "M_NOT_FOUND")

    def do_POST(self) -> None:
        """The homeserver's ping."""
        if self._body() is not None and self._allowed():
            ping = urlsplit(self.path).path.endswith("/app/v1/ping")
            self._answer(*((HTTPStatus.OK,) if ping else (HTTPStatus.NOT_FOUND, "M_UNRECOGNIZED")))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing of requests: their paths may hold tokens."""

    def _body(self) -> bytes | None:
        """What the request holds; None where that is too much, which was answered then."""
        length = self.headers.get("Content-Length", "0")
        if length.isdigit() and int(length) <= MAX_BODY and "Transfer-Encoding" not in self.headers:
            return self.rfile.read(int(length))
        self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "M_TOO_LARGE")
        self.close_connection = True
        return None

    def _allowed(self) -> bool:
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            token = parse_qs(urlsplit(self.path).query).get("access_token", [""])[0]
        if self.service.bridge.knows(token):
            return True
        self._answer(HTTPStatus.FORBIDDEN, "M_FORBIDDEN")
        return False

    def _answer(self, status: HTTPStatus, code: str | None = None) -> None:
        data = json.dumps({"errcode": code} if code else {}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
