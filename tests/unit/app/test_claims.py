"""Violations shown from files alone: by a member, and by a recipient whose disclosure is not in the log."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.unit.app.handed import AFFILIATE, Hands, T
from tests.unit.app.test_violations import USE, cheat
from troth.app import claims, logs, proofs, releases, verifying
from troth.app.decisions import open_gate
from troth.app.violations import Shown
from troth.core.disclosure import Disclosure, Party
from troth.core.entries import Act
from troth.core.errors import BadInput, Refused
from troth.core.events import Choose
from troth.core.statement import public_of
from troth.core.unlogged import Unlogged, parse_unlogged
from troth.release.layout import MANIFEST
from troth.release.sign import load_public, load_signer, seal_statement


@dataclass
class Files:
    """What somebody outside holds: a copy of the log, the public terms, the keys."""

    hands: Hands
    folder: Path

    @property
    def log(self) -> Path:
        return self.hands.home.log_path

    @property
    def policy(self) -> Path:
        return self.hands.home.policy_path

    def write(self, name: str, data: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(data)
        return path

    def of_member(self, release: str, member: str) -> tuple[Path, list[Path]]:
        """The member's proof with rows; their history and the public terms, opened."""
        home = self.hands.home
        made = proofs.prove(home, str(self.folder / release), member, rows=True)
        openings = [claims.openings_of_member(home, member), claims.openings_of_terms(home)]
        logs.publish(home)
        return self.write(f"{member}.proof", made.data), [
            self.write(f"openings-{number}", data) for number, data in enumerate(openings)
        ]

    def show(self, release: str, proof: Path, openings: list[Path]) -> Shown:
        """The violation, from files alone: of the release only the manifest is used."""
        manifest = self.folder / release / MANIFEST
        return claims.show(proof, openings, self.log, manifest, self.policy, [self.hands.operator])


@pytest.fixture
def files(hands: Hands, tmp_path: Path) -> Files:
    """Files beside the home."""
    return Files(hands, tmp_path)


def test_a_member_shows_what_was_passed_over_from_files_alone(files: Files) -> None:
    cheat(files.hands.home, files.folder / "cheat")
    proof, openings = files.of_member("cheat", "ann")
    made = files.show("cheat", proof, openings)
    assert made.violation.kind == "newer"
    path = files.write("violation", made.data)
    manifest = files.folder / "cheat" / MANIFEST
    assert verifying.verify(path, [files.hands.operator], policy=files.policy, release=manifest).ok
    # Of an honest release, and of a choice that came too late, nothing can be shown.
    for release, member in (("a", "ann"), ("cheat", "bob")):
        with pytest.raises(Refused, match="keeps its word"):
            files.show(release, *files.of_member(release, member))


def test_a_member_shows_a_row_that_their_history_denies_from_files_alone(files: Files) -> None:
    home = files.hands.home
    home.append([Choose("ann", "training", on=False, at=20)])
    head = home.position
    gate = open_gate(home, USE, T, head - 1)
    gate.people = open_gate(home, USE, T, head).people
    gate.question = replace(gate.question, position=head)
    releases.build_from(home, gate, files.folder / "wrong", name="wrong")
    proof, openings = files.of_member("wrong", "ann")
    assert files.show("wrong", proof, openings).violation.kind == "denied"
    with pytest.raises((BadInput, Refused)):
        files.show("wrong", proof, openings[:1])
    other = files.write("other.json", claims.openings_of_member(home, "bob"))
    with pytest.raises(BadInput, match="more than one member"):
        files.show("wrong", proof, [*openings, other])
    # An opening that is not what the log has is not taken.
    altered = json.loads(openings[0].read_bytes())
    altered["entries"][0]["salt"] = "00" * 32
    forged = files.write(
        "forged", json.dumps(altered, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    )
    with pytest.raises(BadInput, match="not what the log has"):
        files.show("wrong", proof, [forged, openings[1]])


def unlogged(files: Files, *, position: int, at: int = 2 * T) -> Path:
    """A receipt that both signed, for a position where it was never entered."""
    home = files.hands.home
    link, _ = files.hands.give("a", AFFILIATE)
    said = link.receipt.said
    ghost = Disclosure(
        id="ghost",
        release=said.release,
        manifest=said.manifest,
        use=said.use,
        rows=said.rows,
        sender=Party("operator", (public_of(load_public(home.public_key_path)),)),
        recipient=said.recipient,
        agreement=said.agreement,
        at=at,
        position=position,
    )
    path = files.write("ghost.json", seal_statement(ghost.write(), load_signer(home.key_path)))
    files.hands.sign(path, "a", AFFILIATE)
    return path


def test_a_disclosure_that_the_log_does_not_hold_is_shown_and_one_that_it_holds_is_not(files: Files) -> None:
    home, keys = files.hands.home, [files.hands.operator]
    ghost = unlogged(files, position=1)
    link, honest = files.hands.give("a", AFFILIATE)
    files.hands.sign(honest, "a", AFFILIATE)
    logs.publish(home)

    def shown(receipt: Path, *openings: Path) -> bytes:
        return claims.show_unlogged(receipt, openings, files.log, files.policy, keys)[0]

    data = shown(ghost)
    path = files.write("missing", data)
    found = verifying.verify(path, keys, policy=files.policy)
    assert found.ok
    assert any("an entry of the type terms there" in one.what for one in found.findings)
    # The honest one: not before it is opened, and then not because the log holds it.
    with pytest.raises(Refused, match="nobody has opened it"):
        shown(honest)
    opening = files.write("opening", claims.openings_of(home, [link.entry]))
    with pytest.raises(Refused, match="the log holds this disclosure"):
        shown(honest, opening)
    # At the place of another disclosure: only once that one is opened.
    elsewhere = unlogged(files, position=link.entry)
    with pytest.raises(Refused, match="nobody has opened it"):
        shown(elsewhere)
    assert shown(elsewhere, opening)
    # Beyond the end: no witness has seen that it does not come.
    beyond = unlogged(files, position=home.position + 5)
    with pytest.raises(Refused, match="no witness saw the log end"):
        shown(beyond)
    # Not countersigned; and with every byte of the proof another.
    alone = files.write("alone.json", link.envelope.encode())
    logs.publish(home)
    with pytest.raises(Refused, match=r"not signed by both|nobody has opened"):
        shown(alone)
    for place in range(0, len(data), 7):
        altered = bytearray(data)
        altered[place] ^= 1
        path.write_bytes(bytes(altered))
        try:
            assert not verifying.verify(path, keys, policy=files.policy).ok
        except BadInput:
            continue


def test_one_key_does_not_sign_for_both_sides(files: Files) -> None:
    home = files.hands.home
    link, _ = files.hands.give("a", AFFILIATE)
    own = Party("operator", (public_of(load_public(home.public_key_path)),))
    both = replace(link.receipt.said, sender=own, recipient=Party(AFFILIATE, own.keys))
    path = files.write("both.json", seal_statement(both.write(), load_signer(home.key_path)))
    found = verifying.verify(path, [files.hands.operator])
    assert not found.ok
    assert any("both sides" in one.what for one in found.findings)


def test_a_proof_says_what_it_says_and_nothing_else(files: Files) -> None:
    made = parse_unlogged(Unlogged(b"x", b"y", None, None).write(), "p")
    assert made == Unlogged(b"x", b"y")
    for data in (b"{}", b"[]", Unlogged(b"x").write()[:-1], b"\xff"):
        with pytest.raises(BadInput):
            parse_unlogged(data, "p")
    act = Act("release", {})
    assert files.hands.home.append([act])
