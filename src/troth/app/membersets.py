"""The sets of members of a home's releases: made while a release is sealed, and made anew from its folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from troth.app import directories
from troth.app.decisions import HomeGate
from troth.app.home import Home
from troth.core.errors import BadInput, Corrupt, Place
from troth.core.manifest import File, Manifest
from troth.ledger.store import check_free_space
from troth.release.folder import Building, NewFile, building, write_file
from troth.release.inside import Inside
from troth.release.layout import LEAVES, MANIFEST, MEMBERS
from troth.release.leaves import leaf_places, sort_leaves
from troth.release.memberset import Joining, Rows, check_row_count, parties
from troth.release.seal import SealedSet
from troth.release.setcheck import remake
from troth.release.trees import TileFolder, write_row_tiles

PUBLIC = "public"
"""In a set's folder: what may be published. Tiles of the set, of the row tree below ``rows``, and the manifest."""

RECORDS = "records.bin"
"""In a set's folder: what opens members' details (``troth.release.records``). Private."""


def folder(home: Home, release: str) -> Path:
    """Where the set of a release is kept."""
    return home.sets_path / release


class Making:
    """The set of a release that is being sealed."""

    def __init__(self, home: Home, gate: HomeGate, made: Building) -> None:
        self._home = home
        self._gate = gate
        self.made = made
        self.tiles = TileFolder(made.path / PUBLIC)

    def make(self, unfinished: Path, release: str, files: Sequence[str], leaves: bytes) -> SealedSet:
        """See ``troth.release.seal.MakeSet``.

        Raises:
            Conflict: accounts changed meanwhile.
        """
        home = self._home
        accounts = directories.accounts_of(home)
        check_row_count(len(leaves) // 32)
        directories.cover(home, self._gate.people)
        with Joining(directories.limits_of(home)) as joining:
            joining.load_rows(_rows(unfinished, files, leaves))
            # One stream: each statement builds what it joins with anew.
            joining.load_accounts(release, map(self._known, accounts.batches()))
            for missing in joining.without_secret():
                accounts.ensure(missing)
                joining.load_accounts(release, [self._known(accounts.of(missing))])
            directory = directories.seal(home)
            with NewFile(unfinished / MEMBERS) as file:
                joining.write_openings(file)
                file.sync()
            ordered = sort_leaves(leaves)
            with (unfinished / MEMBERS).open("rb") as openings, private_records(self) as records:
                built = joining.build_set(openings, ordered, self.tiles.put, records)
        write_row_tiles(ordered, self.tiles.put)
        return SealedSet(
            built.root.hex(), built.bits, directory.root.hex(), File(MEMBERS, file.sha256, size=file.size)
        )

    def _known(
        self, batch: Sequence[tuple[str, bytes, bytes]]
    ) -> tuple[list[str], list[bytes], list[int | None]]:
        """Subjects, secrets and the positions of their last entries that the release honours."""
        subjects = [subject for subject, _, _ in batch]
        return subjects, [secret for _, _, secret in batch], [self._heads.get(one) for one in subjects]

    @cached_property
    def _heads(self) -> dict[str, int]:
        # The one thing that is held of every member: some hundred bytes each.
        return dict(self._gate.people.heads())

    def publish(self, out: Path) -> None:
        """Put the tiles in their place, with the signed manifest of the release."""
        _publish(self.made, self.tiles, out)


@contextmanager
def making(home: Home, gate: HomeGate, release: str, *, with_set: bool) -> Iterator[Making | None]:
    """Make the set of a release; unless it was published, nothing is left of it.

    Raises:
        BadInput: there is a release of this id already.
        Unavailable: the disk is nearly full.
    """
    if not with_set:
        yield None
        return
    # Before anything is written: the ledger would refuse the release only at the end.
    check_free_space(home.ledger_path, home.config.free_space_floor)
    home.sets_path.mkdir(mode=0o700, exist_ok=True)
    if folder(home, release).exists():
        raise BadInput(
            f"there is a release {release!r} already",
            place=Place(str(home.path)),
            remedy="name another with --id",
        )
    with building(folder(home, release)) as made:
        yield Making(home, gate, made)


def private_records(making: Making) -> AbstractContextManager[BinaryIO]:
    """The file of what opens members' details, in a ``with``; durable when it is left."""
    return _records(making.made)


def _rows(unfinished: Path, files: Sequence[str], leaves: bytes) -> Rows:
    places = leaf_places(leaves)
    at = 0
    for name in files:
        with (unfinished / name).open("rb") as source:
            for author, addressees, ranks in parties(source, places[at:]):
                at += len(ranks)
                yield author, addressees, ranks


def restore(home: Home, out: Path, manifest: Manifest) -> Path:
    """The folder of a release's tiles; made anew from the release's own folder if it is lost.

    Raises:
        BadInput: rows and openings of the folder do not belong together.
        Corrupt: what comes out is not what was signed.
    """
    target = folder(home, manifest.release)
    if target.is_dir():
        return target
    home.sets_path.mkdir(mode=0o700, exist_ok=True)
    inside = Inside(out)
    with building(target) as made:
        tiles = TileFolder(made.path / PUBLIC)
        with _records(made) as records:
            built = remake(inside, manifest, tiles.put, records, directories.limits_of(home))
        if built.root.hex() != manifest.set_root:
            raise Corrupt(
                "the set made of these rows is not the one that was signed",
                place=Place(str(out)),
                remedy="see what was altered with `troth verify`",
            )
        write_row_tiles(inside.read(LEAVES, manifest.rows * 32), tiles.put)
        _publish(made, tiles, out)
    return target


@contextmanager
def _records(made: Building) -> Iterator[BinaryIO]:
    """The file of records, durable when it is left."""
    descriptor = os.open(made.path / RECORDS, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        yield file
        file.flush()
        os.fsync(descriptor)


def _publish(made: Building, tiles: TileFolder, out: Path) -> None:
    write_file(made.path / PUBLIC / MANIFEST, (out / MANIFEST).read_bytes())
    tiles.sync()
    made.sync()
    made.publish()
