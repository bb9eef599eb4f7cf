"""Where records come from, as far as they are files: named, and checked to be there."""

from __future__ import annotations

import glob
from pathlib import Path

from troth.core.errors import BadInput, Place


def parquet_files(source: str | Path) -> list[Path]:
    """The files that a source stands for: a folder's Parquet files, a file by its very name, or a pattern's matches.

    Raises:
        BadInput: there are none, or the source is an address: nothing is fetched.
    """
    text = str(source)
    if "://" in text:
        raise BadInput(
            "is an address", place=Place(text), remedy="get the files first: nothing is fetched here"
        )
    if not text.strip():
        raise BadInput(
            "expected the path of Parquet files, got nothing", remedy="name a file, folder or pattern"
        )
    path = Path(text)
    if path.is_dir():
        found = sorted(path.glob("*.parquet"))
    elif path.is_file():
        found = [path]
    else:
        found = sorted(Path(one) for one in glob.glob(text, recursive=True))  # noqa: PTH207 - also of whole paths
        found = [one for one in found if one.is_file()]
    if not found:
        raise BadInput("no file matches", place=Place(text), remedy="check the path or pattern")
    return found
