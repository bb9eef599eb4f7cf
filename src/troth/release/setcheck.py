"""Making the set of a release's members anew from its folder: rows and openings, without any secret."""

from __future__ import annotations

import os
from typing import BinaryIO

import duckdb
import pyarrow as pa

from troth.core.errors import BadInput
from troth.core.findings import Findings
from troth.core.manifest import Manifest
from troth.core.sets import MEAN, bits_for
from troth.release.engine import Limits
from troth.release.inside import Inside
from troth.release.layout import LEAVES, MANIFEST, MEMBERS
from troth.release.leaves import leaf_places, leaves_of
from troth.release.memberset import Built, Joining, Rows, parties
from troth.release.rowcheck import batches
from troth.release.trees import Put

_SPARE_BITS = 8


def check_set(inside: Inside, manifest: Manifest, findings: Findings, limits: Limits | None = None) -> None:
    """Hold the set of a folder whose files and rows are as sealed against the manifest."""
    try:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - no path of anybody's
            built = remake(inside, manifest, _nowhere, nowhere, limits or Limits())
    except BadInput as error:
        findings.error(error.message, str(error.place) if error.place else MEMBERS)
        return
    except (pa.ArrowException, duckdb.Error, OSError, ValueError) as error:
        # The files are as they were signed, so this is the operator's own doing, or this machine's.
        findings.error(f"the set could not be made anew: {type(error).__name__}", MEMBERS)
        return
    if built.root.hex() != manifest.set_root:
        findings.error("the set made of these rows is not the one that was signed", MANIFEST)
        return
    findings.info(
        f"the set holds one tag for each of {built.members:,} members, with just these rows; that the tags are"
        " those of the members' accounts, only they or an auditor can see"
    )


def remake(inside: Inside, manifest: Manifest, put: Put, records: BinaryIO, limits: Limits) -> Built:
    """Make the set of a folder anew.

    Raises:
        BadInput: rows and openings do not belong together, or the manifest's bits fit no such set.
        pa.ArrowException: a file cannot be read.
    """
    bits = manifest.set_bits or 0
    if bits > bits_for(max(manifest.members, MEAN)) + _SPARE_BITS:
        raise BadInput(f"states 2^{bits} buckets for {manifest.members} members")
    leaves = inside.read(LEAVES, manifest.rows * 32)
    with Joining(limits) as joining:
        joining.load_rows(_rows(inside, manifest))
        with inside.open(MEMBERS) as openings:
            return joining.build_set(openings, leaves, put, records, bits)


def _rows(inside: Inside, manifest: Manifest) -> Rows:
    files = [one for one in manifest.files if one.rows is not None]
    found = [leaves_of(batch) for file in files for batch in batches(inside, file, trusted=True)]
    places = leaf_places(b"".join(found))
    at = 0
    for file in files:
        with inside.open(file.name) as source:
            yield from parties(source, places[at : at + (file.rows or 0)])
        at += file.rows or 0


def _nowhere(_path: str, _data: bytes) -> None:
    """The set is only wanted for its root."""
