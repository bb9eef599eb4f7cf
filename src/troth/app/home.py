"""A home: the folder that holds configuration, keys, ledger, records and releases."""

from __future__ import annotations

import glob
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from troth.core.entries import Act
from troth.core.errors import BadInput, Conflict, Place
from troth.core.events import Event
from troth.core.identity import Join, accounts_of, joins_of, share
from troth.core.shape import Shape
from troth.core.standing import Known
from troth.core.values import check_instant, parse_instant
from troth.core.written import read_event
from troth.intake.yaml_files import read_yaml
from troth.ledger.store import FREE_SPACE_FLOOR, Ledger, Receipt, clock

if TYPE_CHECKING:
    from troth.app.lineage import Lineage

CONFIG: Final = "troth.yaml"
ENGINES: Final = ("duckdb", "spark")
"""What can decide and build; the first is the one that is always there."""

_FORMAT: Final = 1
_MIB: Final = 2**20


@dataclass(frozen=True, slots=True)
class Config:
    """What ``troth.yaml`` says. Sizes in bytes; ``threads`` and ``memory`` None: what the engine takes by itself.

    ``origin`` is the name of the home's public log, None if it has none; ``publish``: whether each command that
    appends also publishes. ``engine`` decides and builds: ``duckdb`` or ``spark``. ``ledger`` is the address of a
    PostgreSQL database, None for the file in the home. ``lineage``: where OpenLineage events go, None: nowhere.
    """

    free_space_floor: int = FREE_SPACE_FLOOR
    threads: int | None = None
    memory: str | None = None
    origin: str | None = None
    publish: bool = True
    ledger: str | None = None
    engine: str = "duckdb"
    lineage: Lineage | None = None


class Home:
    """An open home. Its operations are functions of ``troth.app`` that take it; the public methods call them."""

    def __init__(self, path: Path, config: Config) -> None:
        self.path = path
        self.config = config
        self.asked = False

    # where things are

    @property
    def ledger_path(self) -> Path:
        """The ledger's file."""
        return self.path / "ledger.sqlite3"

    @property
    def records_path(self) -> Path:
        """The folder of imported records."""
        return self.path / "records"

    @property
    def rejects_path(self) -> Path:
        """The folder of what imports could not read."""
        return self.path / "rejects"

    @property
    def key_path(self) -> Path:
        """The operator's private key."""
        return self.path / "keys" / "operator.key"

    @property
    def public_key_path(self) -> Path:
        """The operator's public key."""
        return self.path / "keys" / "operator.pub"

    @property
    def log_path(self) -> Path:
        """The public log: the folder that is served."""
        return self.path / "log"

    @property
    def log_state_path(self) -> Path:
        """What was signed, the publisher's lock, and why writing stopped, if it did."""
        return self.path / "log-state"

    @property
    def log_key_path(self) -> Path:
        """The private key of the log."""
        return self.path / "keys" / "log.key"

    @property
    def policy_path(self) -> Path:
        """The log's trust policy: its own key, witnesses and quorum."""
        return self.path / "log.policy"

    @property
    def accounts_path(self) -> Path:
        """The accounts and secrets of members, apart from the ledger."""
        return self.path / "members.sqlite3"

    @property
    def sets_path(self) -> Path:
        """The folder of the releases' sets: tiles that may be published."""
        return self.path / "sets"

    @property
    def directories_path(self) -> Path:
        """The folder of the directories of accounts: tiles that may be published."""
        return self.path / "directories"

    @property
    def folds_path(self) -> Path:
        """The folder of what is kept of decisions, so that the next one is quicker: private."""
        return self.path / "folds"

    # ledger

    def reading(self) -> Ledger:
        """The ledger, for reading; close it."""
        if self.config.ledger is not None:
            from troth.ledger.postgres import PostgresLedger

            return PostgresLedger.read(self.config.ledger)
        return Ledger.read(self.ledger_path)

    def open_to_write(self) -> Ledger:
        """The ledger, opened for writing as the configuration says; close it. ``writing`` is what operations use."""
        if self.config.ledger is not None:
            from troth.ledger.postgres import PostgresLedger

            return PostgresLedger.write(self.config.ledger)
        ledger = Ledger.write(self.ledger_path)
        ledger.free_space_floor = self.config.free_space_floor
        return ledger

    @contextmanager
    def writing(self) -> Iterator[Ledger]:
        """The ledger, for writing, in a ``with``; what was appended is published at its end.

        Raises:
            Unavailable: the log has stopped: this is an old copy, or entries were lost.
        """
        from troth.app import logs

        logs.before_writing(self)
        with self.open_to_write() as ledger:
            before = ledger.size
            logs.check_writable(self, before)
            yield ledger
            grown = ledger.size > before
        if grown:
            logs.after_append(self)

    @property
    def position(self) -> int:
        """The ledger's head: the number of its entries."""
        with self.reading() as ledger:
            return ledger.size

    def known(
        self, as_of: int | None = None, subjects: Iterable[str] | None = None, *, joined: bool = True
    ) -> tuple[Known, int]:
        """What is known before a position (None: the head), and that position.

        Args:
            as_of: the position.
            subjects: of whom; None: of all.
            joined: whether what was said under one account of a subject counts for the others (see
                ``troth.core.identity``), as verdicts have it; False: each account for itself.

        Raises:
            BadInput: the ledger does not reach that position.
        """
        with self.reading() as ledger:
            head = ledger.size
            if as_of is not None and not 0 <= as_of <= head:
                raise BadInput(
                    f"the ledger holds {head} entries; it has no position {as_of}",
                    remedy=f"ask for a position from 0 to {head}",
                )
            position = head if as_of is None else as_of
            joins = joins_of(ledger.member_acts(position)) if joined else {}
            if subjects is not None and joins:
                subjects = [one for asked in subjects for one in accounts_of(asked, joins)]
            known = ledger.known(position, subjects)
            share(known, joins)
            return known, position

    def joins(self, as_of: int | None = None) -> dict[str, Join]:
        """The accounts that are joined to subjects, by account, as known before a position (None: the head)."""
        with self.reading() as ledger:
            return joins_of(ledger.member_acts(as_of))

    def append(
        self,
        events: Iterable[Event | Act],
        *,
        request: str | None = None,
        expected: int | None = None,
        places: Sequence[Place] = (),
    ) -> list[Receipt]:
        """Append events, all or none; see ``Ledger.append``."""
        with self.writing() as ledger:
            return ledger.append(list(events), request=request, expected=expected, places=places)

    def record(
        self, events: Iterable[Mapping[str, object]], *, request: str | None = None, source: str = "events"
    ) -> list[Receipt]:
        """Record what happened, in the short form of case files, all or none, durable when it returns.

        Args:
            events: mappings such as ``{"choose": {"subject": "ann", "setting": …, "value": "off", "at": …}}``.
            request: an id of the caller's; the same request again returns the first receipts.
            source: what errors call the place of the events.

        Raises:
            BadInput: an event cannot be read or refers to nothing; names the index of the event.
        """
        shapes = [Shape(dict(event), f"{source}[{index}]") for index, event in enumerate(events)]
        return self.append(
            [read_event(shape) for shape in shapes],
            request=request,
            places=[shape.place for shape in shapes],
        )


def instant_or_now(at: int | str | None) -> int:
    """T as microseconds UTC: ISO 8601 text, an integer, or (None) now."""
    if at is None:
        return clock()
    return parse_instant(at) if isinstance(at, str) else check_instant(at, "T")


def read_events_file(path: Path, kinds: tuple[type, ...] | None = None) -> list[Event]:
    """The events of a YAML file: documents that are one event or a list of events.

    Args:
        path: the file.
        kinds: the kinds of events that are welcome; None: all.

    Raises:
        BadInput: with file and line.
    """
    return read_events_files([path], kinds).events


@dataclass(frozen=True, slots=True)
class Written:
    """Events that were read from files, and where each of them stands."""

    events: list[Event]
    places: list[Place]


def read_events_files(paths: Iterable[Path], kinds: tuple[type, ...] | None = None) -> Written:
    """The events of YAML files with their places; see ``read_events_file``."""
    found = Written([], [])
    for path in paths:
        before = len(found.events)
        for document in read_yaml(path):
            for shape in document.items() if isinstance(document.value, list) else [document]:
                event = read_event(shape)
                if kinds is not None and not isinstance(event, kinds):
                    wanted = ", ".join(kind.__name__.lower() for kind in kinds)
                    shape.refuse(f"expected {wanted} here", remedy="record other events with `troth record`")
                found.events.append(event)
                found.places.append(shape.place)
        if len(found.events) == before:
            raise BadInput("holds no event", place=Place(str(path)), remedy="write one, such as `terms: …`")
    return found


def init(path: Path | str, origin: str | None = None, ledger_address: str | None = None) -> Home:
    """Make a new home: ledger, log, keys (0600) and configuration, all or nothing.

    Args:
        path: the folder.
        origin: the name of its public log, such as ``example.com/log``; None: a name made from its key.
        ledger_address: the address of a PostgreSQL database to keep the ledger in; None: a file in the home.

    Raises:
        Conflict: something is there already.
    """
    from troth.app import logs
    from troth.release.sign import new_key, public_key_text

    target = Path(path)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise Conflict(
            "something is there already", place=Place(str(target)), remedy="choose an empty or new folder"
        )
    target.absolute().parent.mkdir(parents=True, exist_ok=True)
    name = target.absolute().name
    for leftover in target.absolute().parent.glob(f".{glob.escape(name)}.*.making"):
        # Of an earlier try that was killed; there is a private key in it.
        shutil.rmtree(leftover, ignore_errors=True)
    making = target.absolute().with_name(f".{name}.{secrets.token_hex(4)}.making")
    making.mkdir(mode=0o700)
    try:
        home = Home(making, Config())
        for folder in (home.records_path, home.rejects_path, home.key_path.parent):
            folder.mkdir(mode=0o700)
        new_key(home.key_path, home.public_key_path)
        key = logs.new_log_key(home, origin)
        logs.set_up(home, key)
        public = public_key_text(home.public_key_path)
        with _new_ledger(home, ledger_address) as ledger:
            ledger.append([Act("key", {"use": "release", "public": public, "log": str(key)})])
            logs.open_log(Home(making, Config(origin=key.name))).publish(ledger)
        config = making / CONFIG
        settings = f"format: {_FORMAT}\nfree_space_floor_mib: {FREE_SPACE_FLOOR // _MIB}\n"
        if ledger_address is not None:
            settings += f"ledger: {json.dumps(ledger_address)}\n"
        config.write_text(settings + logs.log_settings(key))
        _sync(config)
        _sync(making)
        # The commit point: before it there is no home, after it a whole one.
        if target.exists():
            target.rmdir()
        making.rename(target)
        _sync(target.absolute().parent)
    except BaseException:
        shutil.rmtree(making, ignore_errors=True)
        raise
    return open_home(target)


def _new_ledger(home: Home, address: str | None) -> Ledger:
    if address is None:
        return Ledger.create(home.ledger_path)
    from troth.ledger.postgres import PostgresLedger

    return PostgresLedger.create(address)


def open_home(path: Path | str) -> Home:
    """Open a home.

    Raises:
        BadInput: there is none, or its configuration cannot be read.
    """
    target = Path(path)
    if not (target / CONFIG).is_file():
        raise BadInput(
            "is no home of Troth",
            place=Place(str(target)),
            remedy="make one with `troth init DIR`, or name another with --home",
        )
    documents = read_yaml(target / CONFIG)
    if len(documents) != 1:
        raise BadInput(
            f"expected one document of settings, got {len(documents)}",
            place=Place(str(target / CONFIG)),
            remedy="write `format: 1` into it",
        )
    shape = documents[0]
    version = shape.need("format").as_count()
    if version > _FORMAT:
        shape.need("format").refuse(
            f"this home is of format {version}; this Troth knows up to {_FORMAT}", remedy="use a newer Troth"
        )
    floor, threads, memory = (shape.get(key) for key in ("free_space_floor_mib", "threads", "memory"))
    log, ledger, engine = shape.get("log"), shape.get("ledger"), shape.get("engine")
    told = shape.get("openlineage")
    config = Config(
        free_space_floor=floor.as_count() * _MIB if floor else FREE_SPACE_FLOOR,
        threads=threads.as_count() if threads else None,
        memory=memory.as_text() if memory else None,
        origin=log.need("origin").as_text() if log else None,
        publish=log is None or log.need("publish").as_one_of(("automatic", "manual")) == "automatic",
        ledger=ledger.as_text() if ledger else None,
        engine=engine.as_one_of(ENGINES) if engine else ENGINES[0],
        lineage=_lineage(told) if told else None,
    )
    if log:
        log.close()
    shape.close()
    return Home(target, config)


def _lineage(shape: Shape) -> Lineage:
    from troth.app import lineage

    return lineage.read(shape)


def limited(
    home: Home, engine: str | None = None, threads: int | None = None, memory: str | None = None
) -> Home:
    """The home with another engine or other limits than its configuration says, for one run; None: as it says."""
    asked = {"engine": engine, "threads": threads, "memory": memory}
    home.config = replace(home.config, **{key: one for key, one in asked.items() if one is not None})  # type: ignore[arg-type]
    return home


def _sync(path: Path) -> None:
    """Have the disk keep a file or folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
