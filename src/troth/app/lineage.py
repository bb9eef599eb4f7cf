"""OpenLineage events: what ran, on which data, for which use, with which verdicts counted; nothing about a person.

Each run gives an event when it starts and one when it ends. They go to a file or an HTTP endpoint that the home's
configuration names. Telling must not hurt: whatever goes wrong with it is a line in the log of this program, never
an error of the run, and nobody waits for an endpoint. Source: OpenLineage 2-0-2, OpenLineage.json; the facet that
is ours is ``troth/schemas/consent-facet.schema.json``.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import queue
import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from troth.core.errors import Conflict, TrothError
from troth.core.values import Use, format_instant
from troth.core.written import Json
from troth.gate.addresses import Address, Delta, Iceberg, Objects, Postgres, bare, is_address, read_address
from troth.gate.tables import Pinned
from troth.ledger.store import clock

if TYPE_CHECKING:
    from troth.app.decisions import HomeGate
    from troth.app.home import Home
    from troth.gate.gate import Source

SPEC: Final = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
FACET_SCHEMA: Final = "urn:troth:schema:consent-facet:1"
JOB_TYPE_SCHEMA: Final = (
    "https://openlineage.io/spec/facets/2-0-4/JobTypeJobFacet.json#/$defs/JobTypeJobFacet"
)
FACET: Final = "troth_consent"
KEY: Final = "OPENLINEAGE_API_KEY"
"""The variable of the endpoint's key, as OpenLineage's own clients call it."""

_SECONDS: Final = 2.0
_WAITING: Final = 1_000
_log: Final = logging.getLogger("troth.lineage")


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where events go: a file that they are appended to, or an address that they are posted to."""

    file: Path | None = None
    url: str | None = None
    namespace: str = "troth"


@dataclass(slots=True)
class Told:
    """What a run says of itself as it becomes known: the consent facet, and what it read and made."""

    consent: dict[str, Json]
    inputs: list[dict[str, Json]] = field(default_factory=list)
    outputs: list[dict[str, Json]] = field(default_factory=list)

    def counted(self, verdicts: Mapping[str, int], first_reasons: Mapping[str, int] | None = None) -> None:
        """How many records had each verdict, and each first reason."""
        self.consent["verdicts"] = dict(verdicts)
        if first_reasons is not None:
            self.consent["firstReasons"] = dict(first_reasons)

    def made(self, place: dict[str, Json], **facts: Json) -> None:
        """What came of it, and facts of the facet that are known only now; None: there is no such thing."""
        self.consent |= {name: fact for name, fact in facts.items() if fact is not None}
        self.outputs.append(place)


@contextmanager
def run(home: Home, job: str, use: Use | None = None, *sources: object, **facts: Json) -> Iterator[Told]:
    """Tell of a run: when it starts, and how it ends.

    Args:
        home: whose configuration says where events go; nothing happens where it says nothing.
        job: what runs: ``decide``, ``check``, ``release``, ``disclose`` or ``train``.
        use: what for.
        sources: what it reads: names of tables or files, a pinned table, a data set by name; None: the
            home's own records. What has no name, such as a table in memory, is left out.
        facts: further facts of the consent facet, by their names there.
    """
    told = Told({})
    where = home.config.lineage
    if where is None:
        yield told
        return
    if use is not None:
        told.consent |= {"purpose": use.purpose, "recipient": use.recipient}
    told.consent |= facts
    with suppress(TrothError):
        # What is wrong with a name is for the run itself to say.
        told.inputs += [
            dataset(home.records_path if one is None else one) for one in sources if has_name(one)
        ]
    event = _Event(home, where, job, str(uuid.uuid4()))
    event.tell("START", told)
    try:
        yield told
    except (Conflict, KeyboardInterrupt):
        event.tell("ABORT", told)
        raise
    except BaseException:
        event.tell("FAIL", told)
        raise
    event.tell("COMPLETE", told)


def deciding(gate: HomeGate, job: str, source: Source | None) -> AbstractContextManager[Told]:
    """A run that asks a gate; see ``run``."""
    question = gate.question
    facts: dict[str, Json] = {"at": format_instant(question.at), "settingsAsOf": question.position}
    return run(gate.home, job, question.use, source, **facts)


def has_name(source: object) -> bool:
    """Whether a source can be named: not a table in memory."""
    return source is None or isinstance(source, str | Path | Pinned | dict)


def dataset(place: object) -> dict[str, Json]:
    """A place as OpenLineage names data sets: a namespace, and a name in it; without users, passwords and options."""
    if isinstance(place, dict):
        return place
    if isinstance(place, Pinned):
        return _named(place.address)
    if isinstance(place, str) and is_address(place):
        return _named(read_address(place))
    return {"namespace": "file", "name": str(Path(str(place)).absolute())}


def of_release(name: str) -> dict[str, Json]:
    """A release, which keeps its name wherever its folder goes."""
    return {"namespace": "troth", "name": f"releases/{name}"}


def of_folders(home: Home, folders: Iterable[Path]) -> list[dict[str, Json]]:
    """The releases in folders, as far as they can be read; none where nobody is told."""
    if home.config.lineage is None:
        return []
    from troth.app.releases import manifest_of

    found = []
    for folder in folders:
        with suppress(TrothError):
            found.append(of_release(manifest_of(folder).release))
    return found


def _named(address: Address) -> dict[str, Json]:
    match address:
        case Postgres():
            parts = urlsplit(bare(address.database))
            database = parts.path.strip("/") or "postgres"
            host = parts.netloc or "localhost"
            return {
                "namespace": f"postgres://{host if ':' in host else host + ':5432'}",
                "name": f"{database}.{address.schema or 'public'}.{address.table}",
            }
        case Iceberg():
            return {"namespace": f"iceberg://{address.catalog}", "name": address.table}
        case Delta():
            return dataset(address.path if is_address(address.path) else Path(address.path))
        case Objects():
            parts = urlsplit(address.shown)
            return {"namespace": f"{parts.scheme}://{parts.netloc}", "name": parts.path.strip("/") or "/"}


class _Event:
    def __init__(self, home: Home, where: Lineage, job: str, run_id: str) -> None:
        self._home, self._where, self._job, self._run = home, where, job, run_id

    def tell(self, kind: str, told: Told) -> None:
        """Hand an event on; whatever goes wrong stays here."""
        try:
            _send(self._where, self._home.path, self._body(kind, told))
        except Exception as error:  # noqa: BLE001 - telling must not hurt
            _log.warning("an OpenLineage event could not be written (%s)", type(error).__name__)

    def _body(self, kind: str, told: Told) -> dict[str, Json]:
        producer = f"urn:troth:{version('troth')}"
        facet: dict[str, Json] = {"_producer": producer, "_schemaURL": FACET_SCHEMA, **told.consent}
        return {
            "eventType": kind,
            "eventTime": format_instant(clock()),
            "producer": producer,
            "schemaURL": SPEC,
            "run": {"runId": self._run, "facets": {FACET: facet}},
            "job": {
                "namespace": self._where.namespace,
                "name": self._job,
                "facets": {
                    "jobType": {
                        "_producer": producer,
                        "_schemaURL": JOB_TYPE_SCHEMA,
                        "processingType": "BATCH",
                        "integration": "TROTH",
                        "jobType": "JOB",
                    }
                },
            },
            "inputs": list(told.inputs),
            "outputs": [{**one, "facets": {FACET: facet}} for one in told.outputs]
            if kind == "COMPLETE"
            else [],
        }


def _send(where: Lineage, home: Path, body: dict[str, Json]) -> None:
    text = json.dumps(body, ensure_ascii=False)
    if where.file is not None:
        path = where.file if where.file.is_absolute() else home / where.file
        # A pipe that nobody reads must not keep the run waiting. One write, so that runs side by side don't mix.
        descriptor = os.open(
            path, os.O_CREAT | os.O_APPEND | os.O_WRONLY | os.O_CLOEXEC | os.O_NONBLOCK, 0o600
        )
        try:
            os.write(descriptor, text.encode() + b"\n")
        finally:
            os.close(descriptor)
    if where.url is not None:
        _Poster.of(where.url).put(text)


class _Poster:
    """Posts events beside the program; what cannot be posted in good time is let go."""

    _known: Final[dict[str, _Poster]] = {}
    _making: Final = threading.Lock()

    @classmethod
    def of(cls, url: str) -> _Poster:
        with cls._making:
            if url not in cls._known:
                cls._known[url] = _Poster(url)
            return cls._known[url]

    def __init__(self, url: str) -> None:
        self._url = url
        self._waiting: queue.Queue[str] = queue.Queue(_WAITING)
        self._idle = threading.Event()
        self._idle.set()
        threading.Thread(target=self._work, name="troth-lineage", daemon=True).start()
        atexit.register(self.finish)

    def put(self, text: str) -> None:
        self._idle.clear()
        self._waiting.put_nowait(text)

    def finish(self, seconds: float = _SECONDS) -> None:
        """Wait until everything was posted, but not longer than that."""
        self._idle.wait(seconds)

    def _work(self) -> None:
        import httpx2

        headers = {"Content-Type": "application/json"}
        key = os.environ.get(KEY)
        if key:
            headers["Authorization"] = f"Bearer {key}"
        while True:
            text = self._waiting.get()
            try:
                httpx2.post(
                    self._url, content=text.encode(), headers=headers, timeout=_SECONDS
                ).raise_for_status()
            except Exception as error:  # noqa: BLE001 - telling must not hurt
                _log.warning("an OpenLineage event was not taken (%s)", type(error).__name__)
            if self._waiting.empty():
                self._idle.set()


def read(shape: Any) -> Lineage:  # noqa: ANN401 - a Shape, of the configuration
    """The configuration ``openlineage``: ``file`` or ``url``, and perhaps ``namespace``.

    Raises:
        BadInput: neither is there, or both, or the address is none.
    """
    file, url, namespace = (shape.get(key) for key in ("file", "url", "namespace"))
    if (file is None) == (url is None):
        shape.refuse("expected a file or a url", remedy="write openlineage: {file: lineage.jsonl}")
    if url is not None:
        parts = urlsplit(url.as_text())
        if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
            url.refuse("expected an http address without a user", remedy=f"give a key in the variable {KEY}")
    found = Lineage(
        None if file is None else Path(file.as_text()),
        None if url is None else url.as_text(),
        "troth" if namespace is None else namespace.as_text(),
    )
    shape.close()
    return found
