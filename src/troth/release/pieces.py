"""A release made piece by piece: each piece is a folder that appears whole, and lasts until the release is sealed.

A piece holds data files and the packed leaves of their rows (``leaves``), and says in ``piece.json`` what they are. All
of it is on the disk before the folder has its name, so a piece that is there is finished, whatever was killed.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from securesystemslib.signer import CryptoSigner

from troth.core.errors import Conflict, Corrupt, Place
from troth.core.manifest import File, Manifest, check_release_id
from troth.release.columns import Parties
from troth.release.folder import NewFile, building, write_file
from troth.release.part import DataFiles
from troth.release.seal import Content, Draw, Facts, MakeSet, Sealed, finish, prepared, write_leaves

PIECE: Final = "piece.json"
LEAVES: Final = "leaves"


@dataclass(frozen=True, slots=True)
class Piece:
    """A finished piece: its data files by their names in it, and what was counted of its records."""

    path: Path
    files: tuple[File, ...]
    rows: int
    derived: int
    counts: tuple[tuple[dict[str, Any], int], ...]
    """Of the columns that are counted: the values, and how many records have them."""


def read_piece(path: Path) -> Piece | None:
    """A piece that is there; None: it is not."""
    try:
        found = json.loads((path / PIECE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    files = tuple(File(**one) for one in found["files"])
    return Piece(path, files, found["rows"], found["derived"], tuple((row, n) for row, n in found["counts"]))


def write_piece(
    path: Path,
    batches: Iterable[pa.RecordBatch],
    release: str,
    counts: Callable[[], Sequence[tuple[dict[str, Any], int]]],
    draw: Draw = secrets.token_bytes,
) -> Piece:
    """Write the allowed rows of some records as a piece.

    Args:
        path: the folder to make.
        batches: the rows, as ``seal`` takes them.
        release: the release's id.
        counts: says what was counted, once all rows were taken.
        draw: gives that many random bytes.

    Raises:
        BadInput: rows that cannot be read as records.
        OSError: storage failed.
    """
    making = begin_piece(path)
    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers + 1) as pool:
        with DataFiles(making, pool) as data:
            for one in prepared(batches, release, draw, pool, workers):
                data.add(one)
            data.end()
        data.wait()
    write_file(making / LEAVES, data.leaves())
    return end_piece(making, path, data.files, (data.rows, data.derived), counts())


def begin_piece(path: Path) -> Path:
    """An empty folder beside a piece's place; what an earlier try left there is removed."""
    making = path.with_name(f".{path.name}.making")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(mode=0o700, parents=True)
    return making


def end_piece(
    making: Path,
    path: Path,
    files: Sequence[File],
    rows: tuple[int, int],
    counts: Sequence[tuple[dict[str, Any], int]],
) -> Piece:
    """Give a piece its name; ``rows``: how many, and how many of their salts were derived. Raises OSError."""
    said = {
        "files": [asdict(one) for one in files],
        "rows": rows[0],
        "derived": rows[1],
        "counts": [[row, number] for row, number in counts],
    }
    write_file(making / PIECE, json.dumps(said).encode())
    for folder in (making / "data", making):
        _sync(folder)
    making.rename(path)
    _sync(path.parent)
    return Piece(path, tuple(files), *rows, tuple(counts))


def seal_pieces(
    pieces: Sequence[Piece],
    release: str,
    facts: Callable[[], Facts],
    signer: CryptoSigner,
    out: Path,
    commit: Callable[[Manifest, str], None],
    make_set: MakeSet | None = None,
) -> Sealed:
    """Seal finished pieces into a folder; see ``troth.release.seal.seal`` for the arguments and what is raised."""
    check_release_id(release)
    with building(out) as folder, ThreadPoolExecutor((os.cpu_count() or 1) + 1) as pool:
        files = take_files(pieces, folder.path)
        said = facts()
        rows = sum(one.rows for one in pieces)
        if rows != said.verdicts["allowed"]:
            raise Conflict(f"{said.verdicts['allowed']} records were allowed, {rows} are in the pieces")
        leaves = b"".join((one.path / LEAVES).read_bytes() for one in pieces)
        made = make_set(folder.path, release, [one.name for one in files], leaves) if make_set else None
        content = Content(
            files,
            *write_leaves(folder.path, leaves, pool),
            rows=rows,
            derived=sum(one.derived for one in pieces),
            members=_members(folder.path, files),
        )
        return finish(folder, release, said, content, made, signer, commit)


def take_files(pieces: Sequence[Piece], folder: Path) -> list[File]:
    """Put the data files of pieces into a release's folder, numbered through; empty ones are left out."""
    (folder / "data").mkdir()
    files: list[File] = []
    for piece in pieces:
        for file in piece.files:
            if not file.rows:
                continue
            name = f"data/part-{len(files):05}.parquet"
            _link(piece.path / file.name, folder / name)
            if (folder / name).stat().st_size != file.size:
                raise Corrupt("is not as it was written", place=Place(str(piece.path / file.name)))
            files.append(File(name, file.sha256, file.rows, file.size))
    return files


def _members(folder: Path, files: Sequence[File]) -> int:
    parties = Parties()
    for file in files:
        with pq.ParquetFile(folder / file.name) as parquet:
            for batch in parquet.iter_batches(columns=["author", "addressees"]):
                parties.add(batch)
    return parties.count()


def _link(source: Path, target: Path) -> None:
    """The same file under another name; a copy where the disk is another."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK):
            raise
        with source.open("rb") as file, NewFile(target) as copy:
            while block := file.read(1 << 20):
                copy.write(block)
            copy.sync()


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
