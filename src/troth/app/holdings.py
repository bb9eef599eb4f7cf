"""What a home keeps of the releases that left: their narrow rows, privately, so that recalls can be computed."""

from __future__ import annotations

from pathlib import Path

from troth.app.directories import limits_of
from troth.app.home import Home
from troth.core.errors import BadInput, Place
from troth.core.verify import Signed
from troth.release import holdings

_DIGITS = 5


def folder(home: Home) -> Path:
    """Where they are kept."""
    return home.path / "holdings"


def path_of(home: Home, release: str) -> Path | None:
    """The narrow rows of a release; None: they are not kept."""
    return next(iter(folder(home).glob(f"{'[0-9]' * _DIGITS}-{release}.parquet")), None)


def number_of(path: Path) -> int:
    """The number of a release in the index, from the name of its rows."""
    return int(path.name[:_DIGITS])


def keep(home: Home, release: str, signed: Signed) -> Path:
    """Keep the rows of a release that leaves; ``release`` is its folder or id. May be repeated.

    Raises:
        BadInput: they are not kept yet, and the folder is not named.
    """
    name = signed.manifest.release
    there = path_of(home, name)
    if there is not None:
        return there
    source = next((one for one in (Path(release), home.path / "releases" / name) if one.is_dir()), None)
    if source is None:
        raise BadInput(
            "the rows of this release are needed, to know whom a later recall concerns",
            place=Place(release),
            remedy="name the release's folder",
        )
    target = folder(home)
    target.mkdir(mode=0o700, exist_ok=True)
    taken = [number_of(one) for one in target.glob("[0-9]*.parquet")]
    number = max(taken, default=-1) + 1
    files = [source / one.name for one in signed.manifest.files if one.rows is not None]
    out = target / f"{number:0{_DIGITS}}-{name}.parquet"
    waiting = out.with_name(f".{out.name}")
    # The rows get their name last: until then nothing counts, and a repeated try starts over.
    holdings.write_rows(files, waiting, limits_of(home))
    holdings.write_index(target, waiting, number, limits_of(home))
    waiting.rename(out)
    return out
