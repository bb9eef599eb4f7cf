"""Data sets of others: their ids are read whatever they are kept in; verdicts are written whole or not at all."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from tests.properties.worlds import World
from troth.app import decisions
from troth.app.home import Home
from troth.app.outside import read_ids, write_left_out, write_verdicts
from troth.core.decide import decide
from troth.core.errors import BadInput

IDS = ["a", "b", "", "c,d", 'e"f', "ü", "b"]
TABLE = pa.table({"text": ["x"] * len(IDS), "id": IDS, "record": [f"r{n}" for n in range(len(IDS))]})


def write_arrow(path: Path, *, stream: bool) -> Path:
    making = pa.ipc.new_stream if stream else pa.ipc.new_file
    with making(path, TABLE.schema) as writer:
        writer.write_table(TABLE, max_chunksize=2)
    return path


def write_jsonl(path: Path) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in TABLE.to_pylist()))
    return path


def write_csv(path: Path) -> Path:
    pyarrow.csv.write_csv(TABLE, path)
    return path


def write_parquet(path: Path) -> Path:
    pq.write_table(TABLE, path, row_group_size=2)
    return path


@pytest.fixture
def kept(tmp_path: Path) -> dict[str, Path]:
    return {
        "parquet": write_parquet(tmp_path / "a.parquet"),
        "stream": write_arrow(tmp_path / "b.arrow", stream=True),
        "file": write_arrow(tmp_path / "c.arrow", stream=False),
        "jsonl": write_jsonl(tmp_path / "d.jsonl"),
        "csv": write_csv(tmp_path / "e.CSV"),
    }


@pytest.mark.parametrize("kind", ["parquet", "stream", "file", "jsonl", "csv"])
def test_ids_are_read_row_by_row_from_whatever_holds_them(kept: dict[str, Path], kind: str) -> None:
    assert read_ids(kept[kind]).to_pydict() == {"id": IDS}
    assert read_ids(kept[kind], "record").to_pydict() == {"id": [f"r{n}" for n in range(len(IDS))]}


def test_of_a_folder_every_file_is_read_whatever_its_kind(kept: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    write_jsonl(tmp_path / "inside" / "f.jsonl")
    (tmp_path / "dataset_info.json").write_text("{}")
    found = read_ids(tmp_path)
    assert found.num_rows == (len(kept) + 1) * len(IDS)
    assert sorted(found["id"].to_pylist()) == sorted(IDS * (len(kept) + 1))


def test_numbers_as_ids_are_their_digits_and_nothing_stays_nothing(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [7, None, -1]}), tmp_path / "n.parquet")
    assert read_ids(tmp_path / "n.parquet")["id"].to_pylist() == ["7", None, "-1"]
    (tmp_path / "n.jsonl").write_text('{"id": 7}\n{"other": 1}\n')
    assert read_ids(tmp_path / "n.jsonl")["id"].to_pylist() == ["7", None]
    (tmp_path / "n.csv").write_text("id\n007\n")
    assert read_ids(tmp_path / "n.csv")["id"].to_pylist() == ["007"]


def test_a_data_set_that_is_not_there_or_cannot_be_read_is_said_so(
    kept: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match="there is no such data set"):
        read_ids(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="holds no data that can be checked"):
        read_ids(tmp_path / "empty")
    for file in kept.values():
        with pytest.raises(BadInput, match="has no column 'nothing'"):
            read_ids(file, "nothing")
        file.write_bytes(b"\x00\x01 no data \xff\n" * 3)
        with pytest.raises(BadInput) as caught:
            read_ids(file)
        assert str(file) in str(caught.value)
    (tmp_path / "cut.parquet").write_bytes(write_parquet(tmp_path / "g.parquet").read_bytes()[:-9])
    with pytest.raises(BadInput, match="cannot be read"):
        read_ids(tmp_path / "cut.parquet")


def test_verdicts_are_written_for_every_record_and_for_their_owner_alone(
    home: Home, world: World, tmp_path: Path
) -> None:
    gate = decisions.open_gate(home, world.question.use, world.question.at)
    path = tmp_path / "verdicts.parquet"
    assert write_verdicts(gate, None, path) == 200
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    table = pq.read_table(path)
    assert table.column_names == ["id", "verdict", "reason", "party", "judged", "codes"]
    known = world.case.known()
    wanted = {one.id: decide(one, world.question.use, world.question.at, known) for one in world.records}
    assert {row["id"]: (row["verdict"], row["codes"]) for row in table.to_pylist()} == {
        name: (one.verdict, [party.code for party in one.parties]) for name, one in wanted.items()
    }
    left_out = tmp_path / "left-out.parquet"
    assert write_left_out(gate.decide(), left_out) == sum(one.verdict != "allowed" for one in wanted.values())
    assert set(pq.read_table(left_out)["verdict"].to_pylist()) == {"denied", "gap"}


def test_where_writing_fails_nothing_is_left_and_what_was_there_stays(
    home: Home, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = decisions.open_gate(home, world.question.use, world.question.at)
    path = tmp_path / "verdicts.parquet"
    path.write_text("before")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq.ParquetWriter, "write_batch", full)
    with pytest.raises(OSError, match="No space left"):
        write_verdicts(gate, None, path)
    assert path.read_text() == "before"
    assert [one.name for one in tmp_path.iterdir() if "making" in one.name] == []
