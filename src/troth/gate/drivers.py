"""The libraries that reach tables elsewhere, opened; their errors said in our words, without what is secret."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pyarrow as pa
from pyarrow import fs

from troth.core.errors import BadInput, Place, TrothError, Unavailable
from troth.gate.addresses import Delta, Iceberg, Objects, Postgres

_EXTRA = "install the extra: pip install 'troth[tables]'"


@contextmanager
def delta(address: Delta) -> Iterator[ModuleType]:
    """The library for Delta tables, as long as one is worked on.

    Raises:
        BadInput: there is no such table or version, or it has features that the library does not know.
        Unavailable: the library is not installed.
    """
    try:
        import deltalake
        from deltalake.exceptions import DeltaError
    except ImportError:
        raise Unavailable("Delta tables cannot be read", remedy=_EXTRA) from None
    try:
        yield deltalake
    except (DeltaError, OSError, ValueError) as error:
        said = _first_line(error)
        raise BadInput(f"is no Delta table that can be read: {said}", place=Place(address.shown)) from None


@contextmanager
def iceberg(address: Iceberg) -> Iterator[Any]:
    """The catalog of an Iceberg table, as PyIceberg's configuration says (``.pyiceberg.yaml``, ``PYICEBERG_…``).

    Raises:
        BadInput: there is no such catalog or table.
        Unavailable: the library is not installed, or the catalog does not answer.
    """
    try:
        from pyiceberg import exceptions
        from pyiceberg.catalog import load_catalog
    except ImportError:
        raise Unavailable("Iceberg tables cannot be read", remedy=_EXTRA) from None
    gone = (exceptions.NoSuchTableError, exceptions.NoSuchNamespaceError, exceptions.NoSuchIcebergTableError)
    try:
        yield load_catalog(address.catalog)
    except TrothError:
        raise
    except gone:
        raise BadInput(
            "there is no such table in the catalog",
            place=Place(address.shown),
            remedy="check the namespace, the table's name and the catalog's configuration",
        ) from None
    except exceptions.CommitFailedException:
        raise Unavailable(
            "somebody else changed the table meanwhile", place=Place(address.shown), remedy="repeat"
        ) from None
    except (ValueError, OSError, pa.ArrowException) as error:
        # Of a configuration only the kind of error is said: its text may quote a catalog's address.
        raise BadInput(
            f"the catalog or the table cannot be used ({type(error).__name__})",
            place=Place(address.shown),
            remedy=f"configure the catalog {address.catalog!r} for PyIceberg: in .pyiceberg.yaml, or in the environment"
            f" as PYICEBERG_CATALOG__{address.catalog.upper()}__URI",
        ) from None
    except Exception as error:
        if not _is_of(error, "sqlalchemy", "requests", "pyiceberg", "botocore"):
            raise
        raise Unavailable(
            f"the catalog does not answer ({type(error).__name__})",
            place=Place(address.shown),
            remedy="check its configuration for PyIceberg, and that it runs",
        ) from None


@contextmanager
def postgres(address: Postgres) -> Iterator[Any]:
    """A connection to a database over ADBC; what is not committed at its end is undone.

    Passwords come as libpq has them: ``PGPASSWORD``, ``~/.pgpass``, a service file, or the address.

    Raises:
        BadInput: the table is not there, or not of the shape that was expected.
        Unavailable: the driver is not installed, or the database does not answer.
    """
    try:
        import adbc_driver_manager
        from adbc_driver_postgresql import dbapi
    except ImportError:
        raise Unavailable("PostgreSQL tables cannot be read", remedy=_EXTRA) from None
    try:
        with dbapi.connect(address.database) as connection:
            yield connection
    except adbc_driver_manager.ProgrammingError as error:
        said = address.clean(_first_line(error))
        raise BadInput(f"PostgreSQL refuses: {said}", place=Place(address.shown)) from None
    except adbc_driver_manager.Error as error:
        raise Unavailable(
            f"PostgreSQL does not answer: {address.clean(_first_line(error))}",
            place=Place(address.shown),
            remedy="check host, database and user, and PGPASSWORD or ~/.pgpass",
        ) from None


@contextmanager
def objects(address: Objects) -> Iterator[tuple[fs.FileSystem, str]]:
    """The file system of an object store, and the path in it. Stores that Arrow does not know are fsspec's.

    Raises:
        BadInput: nobody knows such addresses, or there is no such bucket or object.
        Unavailable: the store does not answer, or does not let us in.
    """
    try:
        yield _filesystem(address)
    except FileNotFoundError:
        raise BadInput(
            "there is no such bucket, folder or object",
            place=Place(address.shown),
            remedy="check the address",
        ) from None
    except PermissionError:
        raise Unavailable(
            "the store does not let us in",
            place=Place(address.shown),
            remedy="check the credentials in the environment",
        ) from None
    except OSError as error:
        raise Unavailable(
            f"the store does not answer as expected: {_first_line(error)}",
            place=Place(address.shown),
            remedy="check the address, the region, and the credentials in the environment",
        ) from None


def _filesystem(address: Objects) -> tuple[fs.FileSystem, str]:
    try:
        filesystem, path = fs.FileSystem.from_uri(address.url)
    except pa.ArrowInvalid:
        return _by_fsspec(address)
    return filesystem, path


def _by_fsspec(address: Objects) -> tuple[fs.FileSystem, str]:
    scheme = address.url.partition("://")[0]
    try:
        import fsspec

        filesystem, path = fsspec.core.url_to_fs(address.url)
    except (ImportError, ValueError):
        raise BadInput(
            f"nothing here reads {scheme} addresses",
            place=Place(address.shown),
            remedy=f"install fsspec and its package for {scheme}, or get the files first",
        ) from None
    return fs.PyFileSystem(fs.FSSpecHandler(filesystem)), path


def quote(name: str) -> str:
    """A name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


def quoted(address: Postgres) -> str:
    """The full name of a table as SQL has it."""
    return (
        quote(address.table) if address.schema is None else f"{quote(address.schema)}.{quote(address.table)}"
    )


def columns(cursor: Any, address: Postgres) -> list[str]:  # noqa: ANN401 - of an extra
    """The columns of a table, in its order; none: it is not there."""
    cursor.execute(
        "SELECT attname::text FROM pg_attribute"
        " WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        (quoted(address),),
    )
    return [row[0] for row in cursor.fetchall()]


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _is_of(error: BaseException, *packages: str) -> bool:
    return any(one.__module__.partition(".")[0] in packages for one in type(error).__mro__)
