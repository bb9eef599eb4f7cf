"""Violations shown without a home: by a member or a recipient, from the files they hold and a copy of the log."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from troth.app.disclosures import read_file
from troth.app.home import Home
from troth.app.violations import Shown, read_trust, signed_of
from troth.core.disclosure import read_receipt
from troth.core.entries import Act, Entry, commit, parse_entry, read_body
from troth.core.errors import BadInput, Corrupt, Place, Refused
from troth.core.events import Event, subject_of
from troth.core.findings import Findings
from troth.core.note import parse_note
from troth.core.openings import MAX_OPENINGS_BYTES, Opened, parse_openings, write_openings
from troth.core.policy import Policy, check_note
from troth.core.presence import MAX_PROOF_BYTES, check_proof
from troth.core.proof import ProofFile
from troth.core.tiles import WIDTH, Tiles, bundle_path, parse_bundle
from troth.core.unlogged import KIND as UNLOGGED
from troth.core.unlogged import Unlogged, check_unlogged
from troth.core.violation import (
    DENIED,
    KIND,
    MAX_LISTED,
    WORLD_TYPES,
    Violation,
    check_violation,
    find,
)
from troth.release.sign import load_public
from troth.release.trees import reader_of

_REMEDY = "copy the log's folder again: checkpoint and all below tile/"


class Copy:
    """A copy of a public log: the folder with ``checkpoint`` and ``tile/``, as the operator serves it.

    Raises:
        BadInput: no such folder.
        Refused: its checkpoint does not satisfy the policy.
    """

    def __init__(self, folder: Path, policy: Policy) -> None:
        self._folder = folder
        self.note = parse_note(read_file(folder / "checkpoint"))
        self.tree = check_note(self.note, policy).checkpoint
        self._bundles: dict[int, list[bytes]] = {}

    @cached_property
    def _tiles(self) -> Tiles:
        return Tiles(reader_of(self._folder, _REMEDY))

    def text(self, position: int) -> bytes:
        """The bytes of an entry, as the public sees it. Raises Corrupt."""
        number, within = divmod(position, WIDTH)
        if number not in self._bundles:
            width = min(WIDTH, self.tree.size - number * WIDTH)
            path = self._folder / bundle_path(number, width)
            try:
                self._bundles[number] = parse_bundle(path.read_bytes(), width)
            except (OSError, BadInput):
                raise Corrupt("is not there, or damaged", place=Place(str(path)), remedy=_REMEDY) from None
        return self._bundles[number][within]

    def entry(self, position: int) -> Entry:
        """An entry. Raises BadInput where the log ends before it."""
        if position >= self.tree.size:
            raise BadInput(
                f"the copy of the log ends before the entry at {position}",
                place=Place(str(self._folder)),
                remedy=_REMEDY,
            )
        return parse_entry(self.text(position))

    def receipt(self, position: int) -> ProofFile:
        """The proof that an entry stands in the log. Raises as ``entry``."""
        self.entry(position)
        hashes = self._tiles.inclusion(position, self.tree.size)
        return ProofFile(position, tuple(hashes), self.note, self.text(position))


# by a member


def show(
    proof: Path, openings: Sequence[Path], log: Path, release: Path, policy: Path, keys: Sequence[Path]
) -> Shown:
    """Prove that a release broke its word, from files alone.

    Args:
        proof: the member's proof of presence, with the rows opened (``troth prove --rows``).
        openings: the member's history, and the public terms (``troth member openings``, ``troth log openings``).
        log: a copy of the public log.
        release: the release's signed manifest, or its folder.
        policy: whom to trust as to the log.
        keys: the operator's public keys.

    Raises:
        Refused: from these files nothing was violated.
        BadInput: a file cannot be read, or they do not belong together.
    """
    inner = Findings(KIND)
    signed = signed_of(release, [load_public(key) for key in keys], inner)
    data = read_file(proof)[: MAX_PROOF_BYTES + 1]
    presence = check_proof(data, signed, inner, proof.name) if signed and inner.ok else None
    if signed is None or presence is None or not inner.ok:
        first = next(one for one in inner.findings if one.level == "error")
        raise BadInput(first.what, place=Place(first.where or str(proof)))
    trust = read_trust(policy)
    copy = Copy(log, trust)
    opened = _opened(openings, copy)
    history, world = _events(opened, copy)
    found = find(presence, signed.manifest, history, world)
    if found is None:
        raise Refused(
            f"from these files release {signed.manifest.release} keeps its word",
            remedy="a choice that came later or was taken back is no violation; open rows and history as a whole",
        )
    violation = _assemble(found, data, opened, copy, signed.manifest.settings_as_of)
    written, findings = violation.write(), Findings(KIND)
    check_violation(written, signed, trust, findings, "the proof")
    if not findings.ok:
        raise Refused(next(one.what for one in findings.findings if one.level == "error"))
    return Shown(violation, written, findings)


def _opened(paths: Sequence[Path], copy: Copy) -> dict[int, Opened]:
    found = {}
    for path in paths:
        if path.stat().st_size > MAX_OPENINGS_BYTES:
            raise BadInput("is too large for openings", place=Place(str(path)))
        for one in parse_openings(path.read_bytes(), str(path)):
            if commit(one.salt, one.body) != copy.entry(one.position).commitment:
                raise BadInput(f"is not what the log has at {one.position}", place=Place(str(path)))
            found[one.position] = one
    return found


Placed = list[tuple[int, Event]]


def _events(opened: dict[int, Opened], copy: Copy) -> tuple[Placed, Placed]:
    """The member's events and those of everybody, each in order."""
    history, world = Placed(), Placed()
    for position in sorted(opened):
        what = read_body(copy.entry(position).type, json.loads(opened[position].body), position)
        if not isinstance(what, Act):
            (world if subject_of(what) is None else history).append((position, what))
    if len({subject_of(event) for _, event in history}) > 1:
        raise BadInput("the openings are of more than one member", remedy="name one member's history alone")
    return history, world


def _assemble(
    found: tuple[str, list[int]], presence: bytes, opened: dict[int, Opened], copy: Copy, stop: int
) -> Violation:
    kind, positions = found
    entries = [opened[at] for at in positions]
    if kind != DENIED:
        proved = [
            Opened(one.position, one.salt, one.body, copy.receipt(one.position).write()) for one in entries
        ]
        return Violation(kind, presence, tuple(proved))
    if copy.tree.size > MAX_LISTED:
        raise BadInput(f"the log holds more than {MAX_LISTED:,} entries: such a proof cannot list it")
    texts = [copy.text(at) for at in range(copy.tree.size)]
    wanted = [at for at, text in enumerate(texts[:stop]) if parse_entry(text).type in WORLD_TYPES]
    missing = [at for at in wanted if at not in opened]
    if missing:
        raise BadInput(
            f"{len(missing)} terms, settings, regimes or rules are not opened, the first at {missing[0]}",
            remedy="get the public terms from the operator: `troth log openings`",
        )
    return Violation(
        kind,
        presence,
        tuple(entries),
        tuple(opened[at] for at in wanted),
        tuple(text.decode() for text in texts),
        copy.note.write().decode(),
    )


# by a recipient


def show_unlogged(
    receipt: Path, openings: Sequence[Path], log: Path, policy: Path, keys: Sequence[Path]
) -> tuple[bytes, Findings]:
    """Prove that a disclosure was signed by both sides, and is not in the log.

    Args:
        receipt: the countersigned receipt.
        openings: what stands at its position, opened (``troth disclosures --opening``), if the operator gave it.
        log: a copy of the public log.
        policy: whom to trust as to the log.
        keys: the operator's public keys.

    Raises:
        Refused: the log holds it, or nobody can see that it does not.
        BadInput: a file cannot be read.
    """
    data, trust = read_file(receipt), read_trust(policy)
    copy = Copy(log, trust)
    position = read_receipt(data, str(receipt)).said.position
    if position is None:
        raise BadInput(
            "is not the operator's: only its disclosures stand in the log", place=Place(str(receipt))
        )
    if position < copy.tree.size:
        opened = _opened(openings, copy).get(position)
        made = Unlogged(data, copy.receipt(position).write(), opened=opened)
    else:
        made = Unlogged(data, checkpoint=copy.note.write().decode())
    written, findings = made.write(), Findings(UNLOGGED)
    check_unlogged(written, [load_public(key) for key in keys], trust, findings, "the proof")
    if not findings.ok:
        raise Refused(
            next(one.what for one in findings.findings if one.level == "error"),
            remedy="ask the operator for the opening of its entry: `troth disclosures --opening`",
        )
    return written, findings


# given out by the operator


def openings_of(home: Home, positions: Sequence[int]) -> bytes:
    """The file of openings of some entries. Raises BadInput: one was erased, or is not there."""
    with home.reading() as ledger:
        found = []
        for position in positions:
            opening = ledger.opening(position)
            if opening is None:
                raise BadInput(f"the entry at {position} was erased, or there is none")
            found.append(Opened(position, *opening))
    return write_openings(found)


def openings_of_member(home: Home, subject: str) -> bytes:
    """A member's history, opened, for the member. Raises BadInput: the ledger holds nothing of them."""
    with home.reading() as ledger:
        positions = [position for position, _ in ledger.history(subject)]
    if not positions:
        raise BadInput("the ledger holds nothing of this member", remedy="check the spelling")
    return openings_of(home, positions)


def openings_of_terms(home: Home) -> bytes:
    """Terms, settings, regimes, rules and notices to audiences, opened, for everybody."""
    with home.reading() as ledger:
        positions = [
            one.position
            for one in ledger.entries()
            if one.what is not None and not isinstance(one.what, Act) and subject_of(one.what) is None
        ]
    return openings_of(home, positions)
