"""Members in a stream, runs in parts, plans that are said: the same answers as in one go."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from tests.properties.worlds import World, as_table
from troth.app import decisions, identity, longruns, people, releases
from troth.app import resuming as parts
from troth.app.crowd import LedgerPeople
from troth.app.home import Home
from troth.app.resuming import Pace, Settings
from troth.cli.long import line_of
from troth.cli.main import cli
from troth.core.errors import Unavailable
from troth.core.events import Consent
from troth.core.values import format_instant
from troth.gate import small
from troth.gate.small import SPANS
from troth.release import pieces


def test_members_in_a_stream_are_those_that_are_held(home: Home) -> None:
    subjects = sorted(home.known()[0].members)
    identity.join(home, subjects[0], subjects[1], "told by the member")
    identity.join(home, subjects[0], "nobody-yet", "told by the member")
    people.erase(home, subjects[-1], None, bodies=True)
    for position in (0, home.position // 2, home.position):
        known = home.known(position)[0]
        members = {name: history for name, history in known.members.items() if history}
        streamed = LedgerPeople(home, position)
        assert dict(streamed.items()) == members
        assert dict(streamed.heads()) == {name: history[-1][0] for name, history in members.items()}
        consents = {
            event for history in members.values() for _, event in history if isinstance(event, Consent)
        }
        assert set(streamed.consents()) >= consents
        some = dict(streamed.some(subjects[:3]))
        assert some.items() <= members.items()
        assert set(subjects[:3]) & members.keys() <= some.keys()


def test_spans_that_are_many_go_to_a_file(home: Home, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    question = world.question
    wanted = decisions.open_gate(home, question.use, question.at).summary()
    monkeypatch.setattr(small, "SPILL_ROWS", 3)
    gate = decisions.open_gate(home, question.use, question.at)
    assert gate.summary() == wanted
    spilled = list(home.path.glob(".folding-*/spans-*.parquet"))
    assert len(spilled) == 1
    assert pq.read_schema(spilled[0]).equals(SPANS)
    assert {path.stat().st_mode & 0o077 for path in (spilled[0], spilled[0].parent)} == {0}
    # A table may be asked after its gate is gone; the file goes with the process, or after many more gates.
    table = gate.decide()
    del gate
    assert len(table.to_pyarrow()) == 200
    monkeypatch.setattr(decisions, "_MOST_FOLDERS", 1)
    decisions.open_gate(home, question.use, question.at)
    assert not list(home.path.glob(".folding-*"))


def split(home: Home, world: World) -> Path:
    folder = home.path.parent / "records"
    folder.mkdir()
    table = as_table(world.records)
    salts = pa.array([bytes([number % 251]) * 32 for number in range(table.num_rows)], pa.binary())
    table = table.append_column("salt", salts)
    for part in range(8):
        pq.write_table(table.slice(part * 25, 25), folder / f"{part}.parquet")
    return folder


def test_a_release_in_parts_is_the_release(
    home: Home, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, question = split(home, world), world.question
    common: dict[str, Any] = {"at": question.at, "as_of": home.position, "source": source, "name": "r1"}
    whole = releases.build(home, question.use, tmp_path / "whole", **common).sealed.manifest
    (home.sets_path / "r1").rename(tmp_path / "set")
    told: list[Pace] = []
    work = Settings(tmp_path / "work", 1, told.append)
    made: list[Path] = []
    resuming = False
    write = pieces.write_piece

    def dies(path: Path, *more: Any) -> pieces.Piece:
        if len(made) == 5 and not resuming:
            raise KeyboardInterrupt
        made.append(path)
        return write(path, *more)

    monkeypatch.setattr(pieces, "write_piece", dies)
    with pytest.raises(KeyboardInterrupt):
        releases.build(home, question.use, tmp_path / "out", work=work, **common)
    resuming = True
    assert not (tmp_path / "out").exists()
    resumed = releases.build(home, question.use, tmp_path / "out", work=work, **common).sealed.manifest
    assert len(made) == len(set(made)) == 8
    for name in ("rows", "members", "row_root", "set_root", "verdicts", "all_reasons", "row_salts", "inputs"):
        assert getattr(resumed, name) == getattr(whole, name), name
    assert releases.verify(tmp_path / "out").ok
    assert told[-1].parts == told[-1].of_parts == 8
    assert told[-1].records == told[-1].of_records == 200


def test_t_position_and_id_are_those_of_the_run_that_was_begun(
    home: Home, world: World, tmp_path: Path
) -> None:
    source, use = split(home, world), world.question.use
    settings = Settings(tmp_path / "work", 1)
    with longruns.opened(home, use, source, settings, longruns.Named(), name="drawn") as first:
        begun = (first.gate.question, first.release, first.work.digest)
        with (
            pytest.raises(Unavailable, match="another process"),
            longruns.opened(home, use, source, settings, longruns.Named(), name="drawn"),
        ):
            pass
    with longruns.opened(home, use, source, settings, longruns.Named(), name="other") as again:
        assert (again.gate.question, again.release, again.work.digest) == begun
    # What is named and differs is another question; and so are other records.
    with longruns.opened(home, use, source, settings, longruns.Named(release="mine"), name="x") as other:
        assert other.release == "mine"
        assert other.work.digest != begun[2]
    (source / "0.parquet").rename(source / "9.parquet")
    with longruns.opened(home, use, source, settings, longruns.Named(), name="new") as moved:
        assert moved.release == "new"
    # Of an entry that came meanwhile, a release has to know.
    home.record([{"subject": "late", "since": "2020-01-01"}])
    with longruns.opened(home, use, source, settings, longruns.Named(), name="newer") as overtaken:
        assert overtaken.release == "newer"


def test_files_are_taken_together_and_never_cut(home: Home, world: World) -> None:
    source = split(home, world)
    found = parts.parts_of(home, source, 60)
    assert [part.rows for part in found] == [75, 75, 50]
    assert [len(part.files) for part in found] == [3, 3, 2]


def test_a_plan_says_what_would_be_run(home: Home, world: World, tmp_path: Path) -> None:
    source, question = split(home, world), world.question
    asked = [
        "--home", str(home.path), "decide", "--purpose", question.use.purpose,
        "--recipient", question.use.recipient, "--at", format_instant(question.at),
        "--records", str(source), "--explain-plan",
    ]  # fmt: skip
    before = home.position
    plan = json.loads(CliRunner().invoke(cli, [*asked, "--json"]).output)
    assert (plan["rows"], plan["files"], plan["parts"], plan["engine"]) == (200, 8, None, "duckdb")
    assert "SELECT" in plan["statement"]
    assert "join" in plan["engine_plan"].lower()
    work = tmp_path / "work"
    more = ["--work", str(work), "--part-rows", "60", "--out", str(tmp_path / "v.parquet")]
    text = CliRunner().invoke(cli, [*asked, *more]).output
    assert "parts: 3" in text
    assert "members to fold: everybody" in text
    # Nothing was run.
    assert not work.exists()
    assert not (tmp_path / "v.parquet").exists()
    assert home.position == before


def test_how_far_a_run_is_says_rate_and_time_left() -> None:
    assert line_of(Pace(1, 4, 1_000, 4_000, 0.0)) == "1 of 4 parts, 1,000 of 4,000 records"
    line = line_of(Pace(1, 4, 1_000_000, 13_000_000, 100_000.0))
    assert line.endswith("100,000 a second, 2 min 00 s left")
    assert line_of(Pace(1, 4, 0, 7_200_000, 1_000.0)).endswith("2 h 00 min left")
