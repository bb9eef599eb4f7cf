"""DuckDB, the embedded engine: one connection with the limits asked for."""

from __future__ import annotations

from functools import cache

import ibis
from ibis.backends.duckdb import Backend

from troth.core.errors import BadInput, Place, TrothError, Unavailable


@cache
def connect(threads: int | None = None, memory: str | None = None) -> Backend:
    """The connection of this process for these limits; ``memory`` as DuckDB writes it, such as ``4GB``.

    Nothing is fetched from outside: extensions are neither installed nor loaded by themselves.
    """
    settings: dict[str, str | int | bool] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "preserve_insertion_order": False,
        "TimeZone": "UTC",
    }
    if threads is not None:
        settings["threads"] = threads
    if memory is not None:
        settings["memory_limit"] = memory
    settings.pop("TimeZone")
    return ibis.duckdb.connect(**settings)


def explain_read_error(path: str, error: Exception) -> TrothError:
    """What an engine's error on reading files means to a user."""
    text = str(error).splitlines()[0]
    if "No files found" in text:
        return BadInput("no file matches", place=Place(path), remedy="check the path or pattern")
    if "IO Error" in text or "Invalid Input" in text:
        return BadInput(f"is no Parquet that can be read: {text}", place=Place(path))
    return Unavailable(text, place=Place(path))
