"""A home: made whole or not at all, opened or refused."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from troth.app.home import Home, init, instant_or_now, open_home, read_events_file
from troth.core.entries import Act
from troth.core.errors import BadInput, Conflict
from troth.core.events import Attributes, Objection, Rules
from troth.core.terms import Terms
from troth.core.values import parse_instant
from troth.ledger.store import Ledger

ANN = {"subject": "ann", "since": "2020-01-01", "jurisdiction": "US"}


def test_a_new_home_is_whole_private_and_its_first_entry_is_its_key(tmp_path: Path) -> None:
    home = init(tmp_path / "deep" / "home")
    assert sorted(one.name for one in home.path.iterdir() if one.suffix != ".lock") == [
        "keys",
        "ledger.sqlite3",
        "log",
        "log-state",
        "log.policy",
        "records",
        "rejects",
        "troth.yaml",
    ]
    assert stat.S_IMODE(home.key_path.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.ledger_path.stat().st_mode) == 0o600
    assert home.position == 1
    with home.reading() as ledger:
        (entry,) = ledger.entries()
        assert isinstance(entry.what, Act)
        assert entry.entry.type == "key"
        assert entry.what.details["use"] == "release"
        assert (
            home.public_key_path.read_text().strip() in str(entry.what.details["public"])
            or entry.what.details["public"]
        )
    assert open_home(home.path).config == home.config
    # Nothing is left of the making.
    assert [one.name for one in (tmp_path / "deep").iterdir()] == ["home"]


def test_an_empty_folder_becomes_a_home_and_a_full_one_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert init(tmp_path / "empty").position == 1
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")
    (tmp_path / "file").write_text("x")
    for name in ("full", "file", "empty"):
        with pytest.raises(Conflict, match="something is there already") as caught:
            init(tmp_path / name)
        assert caught.value.remedy == "choose an empty or new folder"
    assert [one.name for one in (tmp_path / "full").iterdir()] == ["letter.txt"]


def test_a_home_whose_making_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Path) -> Ledger:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Ledger, "create", fail)
    with pytest.raises(OSError, match="No space"):
        init(tmp_path / "home")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("format: 2\n", "this home is of format 2; this Troth knows up to 1"),
        ("format: 1\nthread: 2\n", "troth.yaml:2: thread: unknown key"),
        ("format: one\n", "expected a whole number"),
        ("free_space_floor_mib: 1\n", "'format' is missing"),
        ("format: 1\nthreads: -1\n", "expected a whole number of 0 or more"),
        ("format: [\n", "is not YAML"),
        ("- format\n", "expected a mapping"),
        ("", "troth.yaml"),
    ],
)
def test_a_configuration_that_cannot_be_read_is_refused_at_its_line(
    tmp_path: Path, config: str, said: str
) -> None:
    home = init(tmp_path / "home")
    (home.path / "troth.yaml").write_text(config)
    with pytest.raises(BadInput) as caught:
        open_home(home.path)
    assert said in str(caught.value)


def test_a_configuration_is_heeded(tmp_path: Path) -> None:
    home = init(tmp_path / "home")
    (home.path / "troth.yaml").write_text("format: 1\nfree_space_floor_mib: 7\nthreads: 3\nmemory: 2GB\n")
    config = open_home(home.path).config
    assert (config.free_space_floor, config.threads, config.memory) == (7 * 2**20, 3, "2GB")
    with open_home(home.path).writing() as ledger:
        assert ledger.free_space_floor == 7 * 2**20


def test_what_is_no_home_is_said_to_be_none(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(BadInput, match="is no home of Troth") as caught:
            open_home(path)
        assert "troth init" in str(caught.value.remedy)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return init(tmp_path / "home")


def test_events_are_recorded_all_or_none_and_an_error_names_which(home: Home) -> None:
    receipts = home.record([ANN, {"object": {"subject": "ann", "at": "2021-01-01"}}], request="r1")
    assert [one.position for one in receipts] == [1, 2]
    assert home.record([ANN, {"object": {"subject": "ann", "at": "2021-01-01"}}], request="r1") == receipts
    with pytest.raises(BadInput, match=r"^events\[1\]: object: 'at' is missing"):
        home.record([ANN, {"object": {"subject": "ann"}}])
    assert home.position == 3
    known, position = home.known()
    assert position == 3
    assert [event for _, event in known.member("ann")] == [
        Attributes("ann", parse_instant("2020-01-01"), (("jurisdiction", "US"),)),
        Objection("ann", parse_instant("2021-01-01")),
    ]
    assert home.known(2)[0].member("ann") == known.member("ann")[:1]
    assert home.known(subjects=["bob"])[0].member("ann") == []


def test_a_head_that_has_moved_is_a_conflict(home: Home) -> None:
    with pytest.raises(Conflict):
        home.append([Objection("ann", 0)], expected=0)
    assert home.append([Objection("ann", 0)], expected=1)[0].position == 1


def test_now_is_now_and_other_instants_are_as_given() -> None:
    assert instant_or_now(5) == 5
    assert instant_or_now("1970-01-01T00:00:00.000005Z") == 5
    assert instant_or_now(None) > parse_instant("2025-01-01")


def test_files_of_events_hold_one_or_many_per_document_and_perhaps_only_some_kinds(tmp_path: Path) -> None:
    file = tmp_path / "events.yaml"
    file.write_text("- rules: {minimum_age: 16}\n- object: {subject: ann, at: 2020-01-01}\n---\nrules: {}\n")
    assert [type(one) for one in read_events_file(file)] == [Rules, Objection, Rules]
    with pytest.raises(BadInput, match=r"events\.yaml:2: 1: expected terms, rules here") as caught:
        read_events_file(file, (Terms, Rules))
    assert "troth record" in str(caught.value.remedy)
    with pytest.raises(BadInput, match="cannot be read"):
        read_events_file(tmp_path / "none.yaml")
