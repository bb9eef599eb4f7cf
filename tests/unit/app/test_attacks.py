"""Ways in which a record that must stay out could have got out; each was tried by an attacker and is closed."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from troth.app.decisions import HomeGate, open_gate
from troth.app.home import Home, init
from troth.app.people import erase
from troth.app.releases import build
from troth.core.errors import BadInput, Conflict, Unavailable
from troth.core.values import Use, parse_instant
from troth.core.written import Json
from troth.gate.gate import Source
from troth.release.check import verify_release
from troth.release.seal import seal as real_seal

USE = Use("train.generative", "operator")
AT = parse_instant("2025-01-01")
WRITTEN = parse_instant("2024-01-01")

EVENTS: list[dict[str, Json]] = [
    {
        "terms": "policy",
        "kind": "privacy_policy",
        "version": "1",
        "published_at": "2019-01-01",
        "effective_at": "2019-01-01",
        "clauses": [
            {
                "id": "train",
                "effect": "permit",
                "purposes": ["train"],
                "categories": ["any"],
                "recipients": ["operator"],
            }
        ],
    },
    {"regime": {"jurisdictions": ["US"], "regime": "terms", "purposes": ["train"]}},
    {"subject": "ann", "since": "2020-01-01", "jurisdiction": "US", "born": 1980},
    {"subject": "bob", "since": "2020-01-01", "jurisdiction": "US", "born": 1980},
    {"subject": "dan", "since": "2020-01-01", "jurisdiction": "US", "born": 1980},
    {"object": {"subject": "dan", "at": "2024-06-01"}},
]


SCHEMA = pa.schema(
    [
        ("id", pa.string()), ("category", pa.string()), ("created_at", pa.int64()), ("author", pa.string()),
        ("addressees", pa.list_(pa.string())), ("deleted_at", pa.int64()),
    ]
)  # fmt: skip


def row(name: str, author: str, *addressees: str, **others: object) -> dict[str, object]:
    return {
        "id": name,
        "category": "private_message",
        "created_at": WRITTEN,
        "author": author,
        "addressees": list(addressees),
        **others,
    }


def write(path: Path, *rows: dict[str, object], without: tuple[str, ...] = ()) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(list(rows), SCHEMA)
    pq.write_table(table.drop_columns([name for name in without if name in table.column_names]), path)
    return path


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = init(tmp_path / "home")
    made.record(EVENTS)
    return made


@pytest.fixture
def gate(home: Home) -> HomeGate:
    return open_gate(home, USE, AT)


def verdicts(gate: HomeGate, source: Source | None) -> dict[str, str]:
    rows = gate.decide(source).select("id", "verdict").to_pyarrow().to_pylist()
    return {one["id"]: one["verdict"] for one in rows}


def test_a_first_file_that_lacks_columns_hides_none_of_the_others(gate: HomeGate, tmp_path: Path) -> None:
    write(tmp_path / "in" / "a.parquet", row("a", "ann"), without=("addressees",))
    write(tmp_path / "in" / "b.parquet", row("b", "ann", "dan"), row("c", "ann", deleted_at=WRITTEN + 1))
    assert verdicts(gate, tmp_path / "in") == {"a": "allowed", "b": "denied", "c": "denied"}


def test_names_of_folders_say_nothing_of_the_rows(gate: HomeGate, tmp_path: Path) -> None:
    file = write(tmp_path / "author=ann" / "category=post" / "x.parquet", row("x", "dan"))
    assert verdicts(gate, file.parent) == {"x": "denied"}
    assert verdicts(gate, file) == {"x": "denied"}


def test_a_name_with_brackets_is_that_file_and_no_other(gate: HomeGate, tmp_path: Path) -> None:
    write(tmp_path / "q1.parquet", row("other", "ann"))
    file = write(tmp_path / "q[1].parquet", row("own", "dan"))
    assert verdicts(gate, file) == {"own": "denied"}
    folder = write(tmp_path / "r[1]" / "x.parquet", row("in", "ann")).parent
    write(tmp_path / "r1" / "x.parquet", row("out", "ann"))
    assert verdicts(gate, folder) == {"in": "allowed"}


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/x.parquet", "HTTPS://127.0.0.1:9/x", "hf://a/b", ""])
def test_nothing_is_fetched_and_nothing_is_not_the_folder_at_hand(address: str, gate: HomeGate) -> None:
    with pytest.raises(BadInput, match=r"address|got nothing"):
        gate.decide(address)


@pytest.mark.parametrize("name", ["__troth_mode", "__TROTH_kind", "verdict", "code"])
def test_columns_of_the_plan_s_own_are_refused(name: str, gate: HomeGate) -> None:
    table = pa.Table.from_pylist([row("x", "ann", "dan")]).append_column(name, pa.array([0]))
    with pytest.raises(BadInput, match=name):
        gate.decide(table)


@pytest.mark.parametrize("unit", ["us", "ns"])
def test_deleted_in_an_endless_past_is_deleted(unit: str, gate: HomeGate) -> None:
    table = pa.Table.from_pylist([row("x", "ann")]).append_column(
        "deleted_at", pa.array([-(2**63) + 1], pa.timestamp(unit))
    )
    assert verdicts(gate, table) == {"x": "denied"}


def test_records_that_come_later_are_not_judged_by_an_older_small_side(home: Home) -> None:
    write(home.records_path / "part-1.parquet", row("one", "ann", "bob"))
    gate = open_gate(home, USE, AT)
    assert verdicts(gate, None) == {"one": "allowed"}
    write(
        home.records_path / "part-2.parquet",
        row("wide", "ann", "bob", "dan"),
        row("early", "dan", "ann", created_at=WRITTEN - 10**15),
        row("kind", "dan", category="post"),
    )
    found = verdicts(gate, None)
    assert found.pop("one") == "allowed"
    assert set(found) == {"wide", "early", "kind"}
    assert "allowed" not in found.values()


def test_records_that_change_while_a_release_is_built_stop_it(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(home.records_path / "part-1.parquet", row("one", "ann", "bob"))
    import troth.app.releases as module

    turns: list[Path] = []

    def changing(*arguments: object, **named: object) -> object:
        turns.append(
            write(home.records_path / f"part-{len(turns) + 2}.parquet", row(f"n{len(turns)}", "dan"))
        )
        return real_seal(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "seal", changing)
    with pytest.raises(Conflict, match="records changed"):
        build(home, USE, tmp_path / "out", at=AT)
    assert not (tmp_path / "out").exists()
    monkeypatch.undo()
    assert build(home, USE, tmp_path / "out", at=AT).sealed.manifest.rows == 1
    assert verify_release(tmp_path / "out").ok


def test_the_list_of_what_stays_out_never_lies_in_the_release(home: Home, tmp_path: Path) -> None:
    write(home.records_path / "part-1.parquet", row("one", "ann"), row("two", "dan"))
    with pytest.raises(BadInput, match="lie in the release"):
        build(home, USE, tmp_path / "out", at=AT, left_out=tmp_path / "out" / "data" / "left.parquet")
    with pytest.raises(Unavailable, match="no release was made"):
        build(home, USE, tmp_path / "out", at=AT, left_out=tmp_path / "nowhere" / "left.parquet")
    assert not (tmp_path / "out").exists()


def test_bodies_are_not_erased_before_the_erasure_holds(home: Home) -> None:
    with pytest.raises(BadInput, match="what was chosen would be lost"):
        erase(home, "dan", "2999-01-01", bodies=True)
    with home.reading() as ledger:
        assert len(ledger.history("dan")) == 2


def test_a_request_id_of_what_was_erased_acknowledges_nothing(home: Home) -> None:
    asked: list[dict[str, Json]] = [{"object": {"subject": "bob", "at": "2024-06-01"}}]
    position = home.record(asked, request="R")[0].position
    with home.writing() as ledger:
        ledger.erase([position])
    with pytest.raises(BadInput, match="was erased"):
        home.record(asked, request="R")
