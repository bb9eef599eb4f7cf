"""Proofs end to end: a home's release, presence and absence, erasure, lost tiles, epochs."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.properties.worlds import as_table
from tests.unit.app.conftest import Making
from troth.app import directories, membersets, people, proofs, releases
from troth.app.crowd import LedgerPeople
from troth.app.home import Home
from troth.app.releases import Built
from troth.core.errors import BadInput, Corrupt, Refused
from troth.core.events import Attributes, Event, Objection
from troth.core.findings import Findings
from troth.core.presence import parse_proof, parse_secret
from troth.core.terms import Audience, Clause, Terms
from troth.core.values import Record, Use
from troth.release.layout import MEMBERS

NAMES = ("ann", "bob", "cyd", "dan", "eva")
USE = Use("deliver", "operator")
CLAUSE = Clause("use", "permit", ("deliver",), ("any",), ("operator",), quote="Yes.")
POLICY = Terms("policy", "privacy_policy", "1", 0, 0, (CLAUSE,), Audience())
EVENTS: list[Event] = [
    POLICY,
    *(
        Attributes(name, 1, (("jurisdiction", "US"), ("status", "active"), ("born", (1940, 1, 1))))
        for name in NAMES
    ),
    Objection("eva", 5),
]
RECORDS = [
    Record("m1", "private_message", 1_000, "ann", ("bob",)),
    Record("m2", "private_message", 2_000, "bob", ("ann", "cyd", "ann")),
    Record("m3", "private_message", 3_000, "ann", ("ann",)),
    Record("m4", "private_message", 4_000, "dan", ("stranger",)),
]


@pytest.fixture
def home(make_home: Making) -> Home:
    return make_home(EVENTS, RECORDS)


@pytest.fixture
def built(home: Home, tmp_path: Path) -> Built:
    return releases.build(home, USE, tmp_path / "out", at=10**12, name="r-1")


Verifying = Callable[..., Findings]


@pytest.fixture
def verifying(home: Home, built: Built, tmp_path: Path) -> Verifying:
    def verify(data: bytes, **named: Path) -> Findings:
        path = tmp_path / "some.proof"
        path.write_bytes(data)
        return proofs.verify(path, built.sealed.path, [home.public_key_path], **named)

    return verify


def prove(home: Home, subject: str | None, release: object = "r-1", **named: object) -> proofs.Proved:
    return proofs.prove(home, str(release), subject, **named)  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "rows"), [("ann", 3), ("bob", 2), ("cyd", 1)])
def test_who_is_in_it_can_prove_so(
    home: Home, built: Built, verifying: Verifying, name: str, rows: int
) -> None:
    made = prove(home, name, built.sealed.path, rows=True)
    assert made.proof.claim == "presence"
    assert made.proof.details is not None
    assert made.proof.details.rows == rows == len(made.proof.rows or ())
    assert made.proof.details.head == 2 + NAMES.index(name)
    assert verifying(made.data).ok


@pytest.mark.parametrize("name", ["dan", "eva", "stranger"])
def test_who_is_not_in_it_can_prove_so_too(home: Home, verifying: Verifying, name: str) -> None:
    made = prove(home, name)
    assert made.proof.claim == "absence"
    assert verifying(made.data).ok


def test_the_folder_verifies_with_its_set(built: Built) -> None:
    findings = releases.verify(built.sealed.path)
    assert findings.ok
    assert any("one tag for each of 3 members" in one.what for one in findings.findings)
    assert built.sealed.manifest.members == 3
    assert built.sealed.manifest.set_bits == 0


def test_secrets_stay_in_the_home(home: Home, built: Built) -> None:
    secret = directories.need_account(home, "ann").credential.secret
    published = (built.sealed.path, membersets.folder(home, "r-1") / membersets.PUBLIC, home.directories_path)
    for folder in published:
        assert not any(secret in path.read_bytes() for path in folder.rglob("*") if path.is_file())
    for path in (home.accounts_path, membersets.folder(home, "r-1") / membersets.RECORDS):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not list(home.path.glob(".joining-*"))


def test_a_secret_is_handed_out_once(home: Home, verifying: Verifying, tmp_path: Path) -> None:
    data = directories.hand_out(home, "ann")
    with pytest.raises(Refused, match="was handed out at"):
        directories.hand_out(home, "ann")
    assert directories.hand_out(home, "ann", again=True) == data
    path = tmp_path / "ann.secret"
    path.write_bytes(data)
    made = prove(home, None, secret=path)
    assert made.proof.credential == parse_secret(data, "s")
    assert verifying(made.data, secret=path).ok
    assert not verifying(prove(home, "bob").data, secret=path).ok


def test_after_an_erasure_only_the_member_can_prove(home: Home, verifying: Verifying, tmp_path: Path) -> None:
    path = tmp_path / "ann.secret"
    path.write_bytes(directories.hand_out(home, "ann"))
    old = directories.need_account(home, "ann").credential
    people.erase(home, "ann", None, bodies=True)
    assert old.secret not in home.accounts_path.read_bytes()
    with pytest.raises(BadInput, match="was erased"):
        prove(home, "ann")
    with pytest.raises(BadInput, match="was erased"):
        directories.hand_out(home, "ann")
    made = prove(home, None, secret=path)
    assert made.proof.claim == "presence"
    assert verifying(made.data).ok

    # The next release's directory knows nothing of her.
    later = releases.build(home, USE, tmp_path / "later", at=10**12, source=str(rows(tmp_path)), name="r-2")
    assert later.sealed.manifest.directory_root != parse_proof(made.data, "p").manifest
    with pytest.raises(BadInput, match="not in the directory"):
        prove(home, None, "r-2", secret=path)


def rows(tmp_path: Path) -> Path:
    path = tmp_path / "more.parquet"
    pq.write_table(as_table([Record("m9", "private_message", 9_000, "bob", ("cyd",))]), path)
    return path


@pytest.mark.usefixtures("built")
def test_an_erasure_to_come_forgets_when_it_has_come(home: Home) -> None:
    accounts = directories.accounts_of(home)
    assert accounts.find("bob") is not None
    accounts.forget("bob", 2_000, now=1_000)
    assert accounts.find("bob") is not None
    assert accounts.purge(1_999) == 0
    assert accounts.purge(2_000) == 1
    assert accounts.find("bob") is None


@pytest.mark.usefixtures("built")
def test_epochs_are_sealed_only_when_accounts_change(home: Home, tmp_path: Path) -> None:
    [first] = directories.listed(home)
    assert first.accounts == 6
    assert directories.seal(home) == first
    again = releases.build(home, USE, tmp_path / "again", at=10**12, name="r-2")
    assert again.sealed.manifest.directory_root == first.root.hex()
    home.append([Attributes("fay", 1, (("jurisdiction", "US"),))])
    directories.cover(home, LedgerPeople(home, home.position))
    second = directories.seal(home)
    assert (second.epoch, second.accounts) == (1, 7)
    with home.reading() as ledger:
        assert ledger.acts("directory")[1][1].details["previous"] == first.entry
    # A release of before is proved with the directory of before.
    assert prove(home, "ann").proof.claim == "presence"
    with pytest.raises(BadInput, match="not in the directory"):
        prove(home, "fay")


@pytest.mark.usefixtures("built")
def test_a_seal_that_was_cut_short_is_taken_up(home: Home) -> None:
    """The tiles were there, the ledger knew; only the note was lost."""
    [first] = directories.listed(home)
    directories.accounts_of(home).note("sealed", "")
    assert directories.seal(home) == first
    shutil.rmtree(directories.folder(home, first.root))
    assert directories.seal(home) == first
    assert prove(home, "ann").proof.claim == "presence"


def contents(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_lost_tiles_are_made_anew_from_the_release(home: Home, built: Built, verifying: Verifying) -> None:
    kept = membersets.folder(home, "r-1")
    before = contents(kept / membersets.PUBLIC)
    shutil.rmtree(kept)
    with pytest.raises(BadInput, match="expected a release's folder"):
        prove(home, "ann")
    made = prove(home, "ann", built.sealed.path)
    assert made.proof.details is not None
    assert made.proof.details.head == 2
    assert verifying(made.data).ok
    assert contents(kept / membersets.PUBLIC) == before


@pytest.mark.usefixtures("built")
def test_damaged_tiles_make_no_proof(home: Home) -> None:
    bundle = membersets.folder(home, "r-1") / membersets.PUBLIC / "tile" / "entries" / "000.p" / "1"
    data = bytearray(bundle.read_bytes())
    data[5] ^= 1
    bundle.write_bytes(data)
    with pytest.raises((Corrupt, BadInput)):
        prove(home, "ann")
    bundle.unlink()
    with pytest.raises(Corrupt, match="cannot be read"):
        prove(home, "ann")


def test_a_release_without_a_set_says_so(home: Home, tmp_path: Path) -> None:
    bare = releases.build(home, USE, tmp_path / "bare", at=10**12, with_set=False)
    assert bare.sealed.manifest.set_root is None
    assert not directories.listed(home)
    assert releases.verify(bare.sealed.path).ok
    with pytest.raises(BadInput, match="without a set"):
        prove(home, "ann", bare.sealed.path)


@pytest.mark.parametrize(
    ("subject", "release", "message"),
    [
        ("nobody", "r-1", "know this subject"),
        (None, "r-1", "not said"),
        ("ann", "r-9", "expected a release's folder"),
    ],
)
@pytest.mark.usefixtures("built")
def test_what_cannot_be_proved_is_said(home: Home, subject: str | None, release: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        prove(home, subject, release)


@pytest.mark.usefixtures("built")
def test_an_id_is_taken_once(home: Home, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is a release"):
        releases.build(home, USE, tmp_path / "other", at=10**12, name="r-1")


def test_foreign_records_bring_their_members(home: Home, tmp_path: Path) -> None:
    made = releases.build(home, USE, tmp_path / "out", at=10**12, source=str(rows(tmp_path)), name="r-3")
    assert made.sealed.manifest.members == 2
    assert prove(home, "cyd", "r-3").proof.claim == "presence"
    assert prove(home, "ann", "r-3").proof.claim == "absence"


def test_openings_of_others_are_noticed(built: Built, tmp_path: Path) -> None:
    """An operator that signs openings which do not fit the rows; here: two members' tags exchanged."""
    from troth.release.inside import Inside
    from troth.release.setcheck import check_set

    copy = tmp_path / "copy"
    shutil.copytree(built.sealed.path, copy)
    openings = pq.read_table(copy / MEMBERS)
    subjects = openings["subject"].to_pylist()
    for order in ([subjects[1], subjects[0], subjects[2]], [subjects[0]] * 3, [*subjects[:2], "zoe"]):
        pq.write_table(openings.set_column(0, "subject", pa.array(order)), copy / MEMBERS)
        findings = Findings("release")
        check_set(Inside(copy), built.sealed.manifest, findings)
        assert not findings.ok, order
