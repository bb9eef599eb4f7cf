"""How tables that are no local files are called: Delta, Iceberg, PostgreSQL, object stores.

- ``delta:PATH`` a Delta table, ``delta:PATH@12`` its version 12; PATH may be the address of an object store
- ``iceberg:CATALOG.NAMESPACE.TABLE``, with ``@ID`` its snapshot ID; the catalog as PyIceberg is configured
- ``postgresql://HOST/DATABASE#SCHEMA.TABLE``, what stands before ``#`` as libpq reads it
- any other ``SCHEME://…`` Parquet in an object store, such as ``s3://bucket/folder``

What an address is called in messages and manifests never holds a user, a password or an option.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

from troth.core.errors import BadInput, Place

DELTA: Final = "delta:"
ICEBERG: Final = "iceberg:"
POSTGRES: Final = ("postgresql://", "postgres://")

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_NAME: Final = re.compile(r"[^.\x00]+(\.[^.\x00]+)*")
_FETCHED: Final = ("http", "https", "ftp", "ftps", "hf", "git", "github")
_CONTAINER_FIRST: Final = ("abfs", "abfss", "wasb", "wasbs")
_SECRET_OPTIONS: Final = ("password", "sslpassword", "passfile", "sslkey", "oauth_client_secret")


@dataclass(frozen=True, slots=True)
class Delta:
    """A Delta table: its folder, or the address of one; ``version`` None: the newest."""

    path: str
    version: int | None = None

    @property
    def shown(self) -> str:
        """What it is called in messages."""
        at = "" if self.version is None else f"@{self.version}"
        return f"{DELTA}{bare(self.path) if is_address(self.path) else self.path}{at}"


@dataclass(frozen=True, slots=True)
class Iceberg:
    """An Iceberg table: the catalog's name, the table's full name in it; ``snapshot`` None: the newest."""

    catalog: str
    table: str
    snapshot: int | None = None

    @property
    def shown(self) -> str:
        """What it is called in messages."""
        at = "" if self.snapshot is None else f"@{self.snapshot}"
        return f"{ICEBERG}{self.catalog}.{self.table}{at}"


@dataclass(frozen=True, slots=True)
class Postgres:
    """A table or view in PostgreSQL: the address of the database, schema (None: the search path's) and name."""

    database: str
    schema: str | None
    table: str

    def __repr__(self) -> str:
        # The address may hold a password, and a representation ends up in logs.
        return f"Postgres({self.shown!r})"

    @property
    def named(self) -> str:
        """Schema and name."""
        return self.table if self.schema is None else f"{self.schema}.{self.table}"

    @property
    def shown(self) -> str:
        """What it is called in messages: without user, password and options."""
        return f"{bare(self.database)}#{self.named}"

    def clean(self, text: str) -> str:
        """A message of the driver's without what is secret in the address."""
        parts = urlsplit(self.database)
        hidden = [parts.password or "", unquote(parts.password or ""), parts.query]
        hidden += [value for name, value in parse_qsl(parts.query) if name in _SECRET_OPTIONS]
        for one in sorted(filter(None, hidden), key=len, reverse=True):
            text = text.replace(one, "***")
        return text


@dataclass(frozen=True, slots=True)
class Objects:
    """Parquet in an object store: a file, a folder, or a pattern with ``*``."""

    url: str

    @property
    def shown(self) -> str:
        """What it is called in messages."""
        return bare(self.url)


Address: TypeAlias = Delta | Iceberg | Postgres | Objects


def is_address(source: object) -> bool:
    """Whether a source or target is called by a name that is no path of this machine."""
    return isinstance(source, str) and (
        source.startswith((DELTA, ICEBERG)) or _SCHEME.match(source) is not None
    )


def read_address(text: str) -> Address:
    """What a name stands for.

    Raises:
        BadInput: it is not of a form above, or holds credentials that do not belong there.
    """
    if text.startswith(DELTA):
        path, at, version = _versioned(text.removeprefix(DELTA))
        if at and not version.isdigit():
            raise BadInput(
                f"{version!r} is no version of a table",
                place=Place(Delta(path).shown),
                remedy="write delta:PATH@12",
            )
        if is_address(path):
            _without_credentials(path)
        return Delta(path, int(version) if at else None)
    if text.startswith(ICEBERG):
        return _iceberg(text)
    if text.startswith(POSTGRES):
        return _postgres(text)
    scheme = text.partition("://")[0].lower()
    if scheme in _FETCHED:
        raise BadInput(
            "is the address of something to be fetched, not of a store",
            place=Place(bare(text)),
            remedy="fetch it yourself, look at it, and name the file",
        )
    _without_credentials(text)
    return Objects(text)


def bare(address: str) -> str:
    """An address without user, password, options and fragment."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return address.partition("://")[0] + "://…"
    user, _, host = parts.netloc.rpartition("@")
    # Azure writes the container before the account.
    place = f"{user}@{host}" if parts.scheme in _CONTAINER_FIRST and user and ":" not in user else host
    return f"{parts.scheme}://{place}{parts.path}"


def _versioned(text: str) -> tuple[str, str, str]:
    """Path, ``@`` and version; an ``@`` that a path goes on after is part of the path."""
    path, at, version = text.rpartition("@")
    return (path, at, version) if at and "/" not in version else (text, "", "")


def _iceberg(text: str) -> Iceberg:
    name, at, snapshot = text.removeprefix(ICEBERG).partition("@")
    catalog, _, table = name.partition(".")
    if not catalog or "." not in table or not _NAME.fullmatch(table) or (at and not snapshot.isdigit()):
        raise BadInput(
            "is no name of an Iceberg table",
            place=Place(text),
            remedy="write iceberg:CATALOG.NAMESPACE.TABLE or iceberg:CATALOG.NAMESPACE.TABLE@SNAPSHOT",
        )
    return Iceberg(catalog, table, int(snapshot) if at else None)


def _postgres(text: str) -> Postgres:
    database, _, named = text.partition("#")
    try:
        parts = urlsplit(database)
        _ = parts.port
    except ValueError:
        raise BadInput(
            "is no address of a database",
            place=Place("postgresql://…"),
            remedy="write postgresql://HOST:PORT/DATABASE#SCHEMA.TABLE; characters such as / in a password as %2F",
        ) from None
    schema, dot, table = named.rpartition(".")
    if not table or (dot and not schema) or "\x00" in named:
        raise BadInput(
            "names no table",
            place=Place(bare(database)),
            remedy="add #SCHEMA.TABLE to the database's address",
        )
    return Postgres(database, schema or None, table)


def _without_credentials(url: str) -> None:
    try:
        parts = urlsplit(url)
        holds = "@" in parts.netloc and parts.scheme not in _CONTAINER_FIRST
        keys = {name.lower() for name, _ in parse_qsl(parts.query)}
        scheme = parts.scheme
    except ValueError:
        raise BadInput(
            "is no address", place=Place(url.partition("://")[0] + "://…"), remedy="write s3://bucket/folder"
        ) from None
    if (
        holds
        or ":" in parts.netloc.rpartition("@")[0]
        or any("secret" in key or "key" in key for key in keys)
    ):
        raise BadInput(
            "holds credentials, which an address must not",
            place=Place(bare(url)),
            remedy="give them in the environment, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            if scheme == "s3"
            else "give them as the store's client library reads them, in the environment",
        )
