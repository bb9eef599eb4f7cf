import hashlib
import itertools
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from troth.core.references import NamesInMemory, References
from troth.core.shape import Shape
from troth.core.written import read_event
from troth_network import bulk, days
from troth_network.places import COUNTRIES, country
from troth_network.records import SCHEMA

MIXED = bulk.Mix(posts=300, groups=200, topics=500, deleted=100, missing_times=50, salts=True)


def digest(table: pa.Table) -> str:
    rows = [{k: v.hex() if isinstance(v, bytes) else v for k, v in row.items()} for row in table.to_pylist()]
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()[:16]


def test_tables_are_the_same_on_every_machine() -> None:
    # Figures of benchmarks are compared over years: change these only on purpose.
    assert digest(bulk.records_table(300, 40, 1, 64, MIXED)) == "2300f054a34e6817"
    assert digest(bulk.members_table(300, 1)) == "63ef95566c6855a7"
    assert digest(bulk.choices_table(1_000, 1)) == "6f8a72a7aa1a8818"


def test_batches_of_another_size_hold_the_same_records(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = bulk.records_table(1_000, 50, 3, 48, MIXED)
    monkeypatch.setattr(bulk, "BATCH", 77)
    pieces = bulk.records_table(1_000, 50, 3, 48, MIXED)
    assert pieces.num_rows == 1_000
    assert pieces.combine_chunks().equals(whole.combine_chunks())


def test_records_are_valid_and_two_party_by_default() -> None:
    table = bulk.records_table(5_000, 500, 1)
    table.validate(full=True)
    assert table.schema == SCHEMA
    assert pc.all(pc.starts_with(table["category"], "private_message.")).as_py()
    assert pc.all(pc.equal(pc.list_value_length(table["addressees"]), 1)).as_py()
    assert pc.all(pc.equal(pc.binary_length(table["body"]), 256)).as_py()
    assert pc.count_distinct(table["id"]).as_py() == 5_000
    assert pc.count_distinct(table["body"]).as_py() == 5_000
    assert table["salt"].null_count == 5_000
    authors = table["author"].to_pylist()
    assert all(
        author not in others for author, others in zip(authors, table["addressees"].to_pylist(), strict=True)
    )
    low, high = pc.min_max(table["created_at"]).as_py().values()
    assert days.FIRST_RECORD <= low < high < days.TODAY + days.SECOND


def test_shares_are_as_asked_for() -> None:
    table = bulk.records_table(20_000, 500, 2, 32, MIXED)
    table.validate(full=True)
    kinds = Counter(table["category"].to_pylist())
    assert (kinds["post"] + kinds["comment"]) / 20_000 == pytest.approx(0.3, abs=0.02)
    assert kinds["private_message.group"] / 20_000 == pytest.approx(0.2, abs=0.02)
    assert table["created_at"].null_count / 20_000 == pytest.approx(0.05, abs=0.01)
    assert 1 - table["deleted_at"].null_count / 20_000 == pytest.approx(0.1, abs=0.01)
    counts = {len(others) for others in table["addressees"].to_pylist()}
    assert counts == {0, 1, 2, 3, 4, 5, 6, 7}
    assert pc.all(pc.equal(pc.binary_length(table["salt"]), 32)).as_py()
    assert pc.count_distinct(table["salt"]).as_py() == 20_000


def test_writing_a_file_gives_the_same_records(tmp_path: Path) -> None:
    path = tmp_path / "records.parquet"
    bulk.write_records(path, 2_000, 100, 5, 40, MIXED)
    assert (
        pq.read_table(path)
        .combine_chunks()
        .equals(bulk.records_table(2_000, 100, 5, 40, MIXED).combine_chunks())
    )


def test_members_follow_the_proportions_and_join_on_few_days() -> None:
    table = bulk.members_table(50_000, 1)
    counts = Counter(country(place) for place in table["jurisdiction"].to_pylist())
    for name, millions in COUNTRIES.items():
        assert counts[name] / 50_000 == pytest.approx(millions / sum(COUNTRIES.values()), abs=0.01)
    assert pc.count_distinct(table["since"]).as_py() == 24
    assert pc.count_distinct(bulk.members_table(5_000, 1, joins=None)["since"]).as_py() > 4_990
    assert 0.01 < table["born"].null_count / 50_000 < 0.03


def test_a_tenth_changes_the_switch_one_to_three_times_at_instants_of_their_own() -> None:
    table = bulk.choices_table(50_000, 1)
    times = Counter(table["subject"].to_pylist())
    assert len(times) / 50_000 == pytest.approx(0.1, abs=0.01)
    assert set(times.values()) == {1, 2, 3}
    assert pc.count_distinct(table["at"]).as_py() > 0.99 * table.num_rows
    rows = table.to_pylist()
    for before, after in itertools.pairwise(rows):
        if before["subject"] == after["subject"]:
            assert before["at"] <= after["at"]
            assert before["value"] != after["value"]


def test_events_read_and_refer_to_each_other() -> None:
    references = References(NamesInMemory())
    kinds: Counter[str] = Counter()
    for event in bulk.events(400, 1):
        references.add(read_event(Shape(event, "bulk")))
        kinds[next(iter(event))] += 1
    references.finish()
    assert kinds["subject"] == 400
    assert kinds["choose"] == bulk.choices_table(400, 1).num_rows
    assert kinds["notice"] == 3


def test_ten_million_of_them_would_have_names_of_their_own() -> None:
    names = bulk._names("r", np.array([0, 9, 10, 9_999_999_999]))
    assert names.to_pylist() == ["r0000000000", "r0000000009", "r0000000010", "r9999999999"]
