"""A release built by Spark is the one that DuckDB builds: the same rows, roots and counts."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import count
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.properties.worlds import World, as_table, eventful_world
from tests.unit.app.conftest import is_mixed
from troth.app import releases
from troth.app.home import Home, init
from troth.core.errors import Refused
from troth.core.values import Use

pytestmark = [
    pytest.mark.needs_spark,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:pyspark"),
]


def with_bodies(table: pa.Table) -> pa.Table:
    """The columns that no verdict asks for, with whatever is awkward to write down."""
    drawn = random.Random(7)
    rows = range(table.num_rows)
    columns: dict[str, list[object]] = {
        "conversation": [drawn.choice([None, "c\n1"]) for _ in rows],
        "title": [drawn.choice([None, "", "Grüße"]) for _ in rows],
        "body": [drawn.choice(["", "x" * drawn.randrange(4000), "日本 \U0001f600", None]) for _ in rows],
    }
    for name, values in columns.items():
        table = table.append_column(name, pa.array(values, pa.string()))
    return table.append_column("salt", pa.array([drawn.randbytes(32) for _ in rows], pa.binary()))


@pytest.fixture(scope="module")
def world() -> World:
    return next(drawn for number in count() if is_mixed(drawn := eventful_world(f"spark{number}", 400)))


@pytest.fixture(scope="module")
def home(world: World, tmp_path_factory: pytest.TempPathFactory) -> Home:
    path = tmp_path_factory.mktemp("home")
    made = init(path / "h")
    made.append(world.case.events)
    table = with_bodies(as_table(world.records))
    for part in range(4):
        pq.write_table(table.slice(part * 100, 100), path / f"part-{part}.parquet")
    return made


def built(home: Home, world: World, engine: str, out: Path) -> releases.Built:
    source = str(home.path.parent / "part-*.parquet")
    home.config = replace(home.config, engine=engine)
    # An id can be used once in a home: the sets of the other engine make way.
    made = releases.build(home, world.question.use, out, at=world.question.at, source=source, name="r1")
    if (home.sets_path / "r1").exists():
        (home.sets_path / "r1").rename(out.with_name(out.name + "-set"))
    return made


def tiles(folder: Path) -> dict[str, bytes]:
    public = folder / "public"
    return {
        str(path.relative_to(public)): path.read_bytes()
        for path in public.rglob("*")
        if path.is_file() and "tile" in path.parts
    } | {"records": (folder / "records.bin").read_bytes()}


@pytest.mark.usefixtures("session")
def test_rows_roots_sets_and_tiles_are_those_of_the_other_engine(
    home: Home, world: World, tmp_path: Path
) -> None:
    here = built(home, world, "duckdb", tmp_path / "duckdb")
    there = built(home, world, "spark", tmp_path / "spark")
    one, other = here.sealed.manifest, there.sealed.manifest
    assert 10 <= one.rows <= 390
    assert other.engine["name"] == "spark"
    for name in ("rows", "members", "row_root", "set_root", "set_bits", "directory_root", "verdicts",
                 "first_reasons", "all_reasons", "any_party_rule_would_allow", "row_salts", "inputs"):  # fmt: skip
        assert getattr(other, name) == getattr(one, name), name
    assert (tmp_path / "spark" / "leaves.bin").read_bytes() == (
        tmp_path / "duckdb" / "leaves.bin"
    ).read_bytes()
    assert tiles(tmp_path / "spark-set") == tiles(tmp_path / "duckdb-set")
    assert releases.verify(tmp_path / "spark").ok
    rows = [
        pa.concat_tables(pq.read_table(file) for file in sorted((path / "data").iterdir())).sort_by("id")
        for path in (tmp_path / "duckdb", tmp_path / "spark")
    ]
    assert rows[0].equals(rows[1])


@pytest.mark.usefixtures("session")
def test_nothing_is_left_where_nothing_is_allowed(home: Home, world: World, tmp_path: Path) -> None:
    home.config = replace(home.config, engine="spark")
    with pytest.raises(Refused, match="nothing of 400 records is allowed"):
        releases.build(
            home,
            Use("sell", "operator"),
            tmp_path / "out",
            at=world.question.at,
            source=str(home.path.parent / "part-*.parquet"),
        )
    assert list(tmp_path.iterdir()) == []
    assert not list(home.path.glob(".spread-*"))
