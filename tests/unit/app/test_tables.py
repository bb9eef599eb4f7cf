"""Tables elsewhere as records: read as they are at one time, which the manifest names; roots as of the same rows."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq
import pytest

from tests.postgres import Cluster, binaries, cluster
from tests.properties.worlds import World, as_table
from tests.stores import KEYS, iceberg_catalog, s3, s3_program
from tests.support import require
from troth.app import decisions, outside, releases
from troth.app.home import Home
from troth.core.errors import BadInput, Conflict, TrothError, Unavailable
from troth.gate import digest, sinks, tables

pytestmark = pytest.mark.needs_tables


@pytest.fixture(scope="module")
def database() -> Iterator[Cluster]:
    programs = binaries()
    require(programs, "PostgreSQL")
    assert programs is not None
    with cluster(programs) as running:
        yield running


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    program = s3_program()
    require(program, "an S3 server (make s3-server)")
    assert program is not None
    with s3(program) as address:
        yield address


@pytest.fixture
def bucket(store: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an empty folder in a store that asks for keys."""
    for name, value in {**KEYS, "AWS_ENDPOINT_URL": store, "AWS_ALLOW_HTTP": "true"}.items():
        monkeypatch.setenv(name, value)
    name = f"b{random.randrange(2**60)}"
    filesystem, _ = pyarrow.fs.FileSystem.from_uri("s3://any")
    pyarrow.fs.S3FileSystem(
        access_key=KEYS["AWS_ACCESS_KEY_ID"],
        secret_key=KEYS["AWS_SECRET_ACCESS_KEY"],
        endpoint_override=store,
        allow_bucket_creation=True,
    ).create_dir(name)
    del filesystem
    return f"s3://{name}/messages"


@pytest.fixture
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in iceberg_catalog(tmp_path / "iceberg").items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def rows(world: World) -> pa.Table:
    """The world's records with salts, so that roots can be compared, and with what is awkward to carry."""
    table, drawn = as_table(world.records), random.Random(7)
    count = range(table.num_rows)
    texts = [drawn.choice(["", "x" * 3000, "日本 \U0001f600", None, "a'b\"c\\\n"]) for _ in count]
    return table.append_column("body", pa.array(texts, pa.string())).append_column(
        "salt", pa.array([drawn.randbytes(32) for _ in count], pa.binary())
    )


@pytest.fixture(scope="module")
def wanted(rows: pa.Table, world: World, tmp_path_factory: pytest.TempPathFactory) -> releases.Built:
    """The release of the same rows in Parquet on this machine."""
    folder = tmp_path_factory.mktemp("wanted")
    home = made_home(world, folder)
    pq.write_table(rows, folder / "r.parquet")
    return built(home, world, str(folder / "r.parquet"), folder / "out")


def made_home(world: World, folder: Path) -> Home:
    from troth.app.home import init

    home = init(folder / "h")
    home.append(world.case.events)
    return home


def built(home: Home, world: World, source: str, out: Path) -> releases.Built:
    question = world.question
    return releases.build(home, question.use, out, at=question.at, source=source, name="r1", with_set=False)


def seen(made: releases.Built) -> tuple[object, ...]:
    manifest = made.sealed.manifest
    return (
        manifest.row_root,
        manifest.rows,
        manifest.members,
        manifest.verdicts,
        manifest.first_reasons,
        manifest.all_reasons,
        manifest.row_salts,
    )


def half_at_a_time(rows: pa.Table) -> list[pa.RecordBatch]:
    return list(rows.to_batches(max_chunksize=rows.num_rows // 2))


def ids_in(target: str, folder: Path) -> set[str]:
    """The ids of a table elsewhere."""
    held = tables.pin(target, folder).rows
    read = pq.read_table(held.path) if isinstance(held, tables.Copy) else held.to_table()
    assert len(set(read["id"].to_pylist())) == read.num_rows
    return set(read["id"].to_pylist())


def one(made: releases.Built) -> tuple[str, str]:
    (only,) = made.sealed.manifest.inputs
    return only.name, only.sha256


# --- the same roots


def test_delta(home: Home, world: World, rows: pa.Table, wanted: releases.Built, tmp_path: Path) -> None:
    target = f"delta:{tmp_path / 'messages'}"
    sinks.write(target, half_at_a_time(rows), rows.schema)
    assert sinks.write(target, half_at_a_time(rows.slice(0, 50)), rows.schema).version == 1
    made = built(home, world, f"{target}@0", tmp_path / "out")
    entry = (tmp_path / "messages" / "_delta_log" / f"{0:020}.json").read_bytes()
    assert one(made) == ("delta:messages@0", hashlib.sha256(entry).hexdigest())
    assert seen(made) == seen(wanted)
    assert ids_in(target, tmp_path) == set(rows["id"].to_pylist()[:50])


@pytest.mark.usefixtures("catalog")
def test_iceberg(home: Home, world: World, rows: pa.Table, wanted: releases.Built, tmp_path: Path) -> None:
    from pyiceberg.catalog import load_catalog
    from pyiceberg.types import StringType

    target = "iceberg:local.social.messages"
    first = sinks.write(target, half_at_a_time(rows), rows.schema).version
    assert sinks.write(target, half_at_a_time(rows.slice(0, 50)), rows.schema).version != first
    # A column that came later was not there then.
    with load_catalog("local").load_table("social.messages").update_schema() as change:
        change.add_column("language", StringType())
    made = built(home, world, f"{target}@{first}", tmp_path / "out")
    name, sha = one(made)
    assert name == f"iceberg:social.messages@{first}"
    assert len(sha) == 64
    assert seen(made) == seen(wanted)
    gate = decisions.open_gate(home, world.question.use, world.question.at)
    assert ids_in(target, tmp_path) == set(rows["id"].to_pylist()[:50])
    for asked, message in (
        (f"{target}@1", "no such snapshot"),
        ("iceberg:local.social.none", "no such table"),
        ("iceberg:local", "no name of an Iceberg table"),
        ("iceberg:elsewhere.a.b", "cannot be used"),
    ):
        with pytest.raises(BadInput, match=message):
            gate.summary(asked)


def test_postgresql(
    home: Home, world: World, rows: pa.Table, wanted: releases.Built, database: Cluster, tmp_path: Path
) -> None:
    import psycopg

    target = f"{database.address()}#public.messages"
    sinks.write(target, half_at_a_time(rows), rows.schema)
    made = built(home, world, target, tmp_path / "out")
    assert seen(made) == seen(wanted)
    name, sha = one(made)
    assert name.startswith("postgresql:public.messages@0/")
    # The digest is of the rows, not of their order or the table that holds them.
    pq.write_table(rows.sort_by([("body", "ascending")]), tmp_path / "other.parquet")
    assert digest.rows_digest(tmp_path / "other.parquet") == sha
    pq.write_table(rows.slice(1), tmp_path / "fewer.parquet")
    assert digest.rows_digest(tmp_path / "fewer.parquet") != sha

    # As people have them: other types of ids and texts, real timestamps, columns that nobody asks for.
    with psycopg.connect(database.address(), autocommit=True) as connection:
        connection.execute("CREATE TYPE kind AS ENUM ('post')")
        connection.execute(
            "CREATE TABLE posts (id uuid, category kind, created_at timestamptz, author varchar(20),"
            " place point, price numeric)"
        )
        connection.execute(
            "INSERT INTO posts VALUES ('6b1dba0c-2a9c-4a5c-8d7e-0a1b2c3d4e5f', 'post',"
            " '2023-03-01 00:00:00.000001Z', 'ann')"
        )
    gate = decisions.open_gate(home, world.question.use, world.question.at)
    found = gate.records(f"{database.address()}#posts").to_pyarrow().to_pylist()
    assert [(row["id"], row["category"], row["created_at"]) for row in found] == [
        ("6b1dba0c-2a9c-4a5c-8d7e-0a1b2c3d4e5f", "post", 1_677_628_800_000_001)
    ]
    with pytest.raises(BadInput, match=r"public\.none: there is no such table"):
        gate.summary(f"{database.address()}#public.none")
    with pytest.raises(BadInput, match="names no table"):
        gate.summary(database.address())


def test_object_store(
    home: Home, world: World, rows: pa.Table, wanted: releases.Built, bucket: str, tmp_path: Path
) -> None:
    half = rows.num_rows // 2
    for number, part in enumerate((rows.slice(0, half), rows.slice(half))):
        # One file lacks what is null throughout, one holds text as a dictionary.
        sinks.write(f"{bucket}/part-{number}.parquet", part.to_batches(), part.schema)
    coded = rows.slice(half).set_column(
        rows.schema.get_field_index("category"), "category", rows.slice(half)["category"].dictionary_encode()
    )
    sinks.write(f"{bucket}/part-1.parquet", coded.to_batches(), coded.schema)
    made = built(home, world, bucket, tmp_path / "out")
    assert seen(made) == seen(wanted)
    filesystem, path = pyarrow.fs.FileSystem.from_uri(bucket)
    assert {(one.name, one.sha256) for one in made.sealed.manifest.inputs} == {
        (name, hashlib.sha256(filesystem.open_input_file(f"{path}/{name}").read()).hexdigest())
        for name in ("part-0.parquet", "part-1.parquet")
    }
    gate = decisions.open_gate(home, world.question.use, world.question.at)
    assert ids_in(f"{bucket}/part-*.parquet", tmp_path) == set(rows["id"].to_pylist())
    assert ids_in(f"{bucket}/part-0.parquet", tmp_path) == set(rows["id"].to_pylist()[:half])
    for asked, message in (
        (f"{bucket}/none", "no object matches"),
        (f"{bucket}/none-*", "no object matches"),
    ):
        with pytest.raises(BadInput, match=message):
            gate.summary(asked)

    # Delta tables lie there too.
    sinks.write(bucket.replace("s3://", "delta:s3://") + "-delta", half_at_a_time(rows), rows.schema)
    assert ids_in(f"delta:{bucket}-delta@0", tmp_path) == set(rows["id"].to_pylist())

    # What changes while a release is built gives no release.
    pinned = tables.pin(bucket, tmp_path)
    sinks.write(f"{bucket}/part-2.parquet", rows.to_batches(), rows.schema)
    with pytest.raises(Conflict, match="changed while"):
        pinned.check()


def test_a_file_system_of_fsspec(home: Home, world: World, rows: pa.Table) -> None:
    sinks.write("memory://troth-tests/messages.parquet", rows.to_batches(), rows.schema)
    gate = decisions.open_gate(home, world.question.use, world.question.at)
    assert gate.summary("memory://troth-tests/messages.parquet") == gate.summary(rows)
    with pytest.raises(BadInput, match="nothing here reads nonsense addresses"):
        gate.summary("nonsense://x/y")


# --- verdicts out


def test_verdicts_go_where_tables_are(
    home: Home, world: World, rows: pa.Table, database: Cluster, tmp_path: Path
) -> None:
    gate = decisions.open_gate(home, world.question.use, world.question.at)
    pq.write_table(rows, tmp_path / "r.parquet")
    source = str(tmp_path / "r.parquet")
    outside.write_verdicts(gate, source, tmp_path / "v.parquet")
    local = pq.read_table(tmp_path / "v.parquet").sort_by("id")
    target = f"delta:{tmp_path / 'verdicts'}"
    assert outside.sink_verdicts(gate, source, target).rows == rows.num_rows
    from deltalake import DeltaTable

    assert DeltaTable(str(tmp_path / "verdicts")).to_pyarrow_table().sort_by("id").equals(local)
    outside.sink_verdicts(gate, source, f"{database.address()}#verdicts")
    import psycopg

    with psycopg.connect(database.address()) as connection:
        found = connection.execute('SELECT * FROM verdicts ORDER BY id COLLATE "C"').fetchall()
    assert found == [tuple(row.values()) for row in local.to_pylist()]


@pytest.mark.usefixtures("catalog")
@pytest.mark.parametrize("kind", ["delta", "iceberg", "postgresql"])
def test_some_rows_of_a_table_change_in_one_commit(kind: str, database: Cluster, tmp_path: Path) -> None:
    target = {
        "delta": f"delta:{tmp_path / 't'}",
        "iceberg": "iceberg:local.social.t",
        "postgresql": f"{database.address()}#merged",
    }[kind]
    table = pa.table({"id": ["a", "b", "c"], "verdict": ["allowed", "denied", "gap"]})
    sinks.write(target, table.to_batches(), table.schema)
    changes = pa.table(
        {
            "id": ["b", "d", "a", "z"],
            "verdict": ["allowed", "gap", None, None],
            "gone": [False, False, True, True],
        }
    )
    assert sinks.merge(target, changes).rows == 4
    # A table that came to be must be readable as records are, so read it as such.
    pinned = tables.pin(target, tmp_path) if kind != "postgresql" else None
    if pinned is None:
        import psycopg

        with psycopg.connect(database.address()) as connection:
            found = connection.execute("SELECT id, verdict FROM merged ORDER BY id").fetchall()
    else:
        held = pinned.rows
        read = pq.read_table(held.path) if isinstance(held, tables.Copy) else held.to_table()
        found = sorted(zip(read["id"].to_pylist(), read["verdict"].to_pylist(), strict=True))
    assert found == [("b", "allowed"), ("c", "gap"), ("d", "gap")]
    with pytest.raises(BadInput, match="twice"):
        sinks.merge(target, pa.concat_tables([changes, changes]))
    with pytest.raises(BadInput, match="has the columns"):
        sinks.merge(target, changes.rename_columns(["id", "other", "gone"]))


# --- what is refused, and what is never said


SECRET = "hunter2-s3cr3t"


@pytest.mark.parametrize(
    "source",
    [
        f"s3://AKIA:{SECRET}@bucket/folder",
        f"s3://bucket/folder?secret_key={SECRET}",
        f"delta:s3://AKIA:{SECRET}@bucket/folder",
        f"postgresql://ann:{SECRET}/oops@127.0.0.1:1/db#t",
        f"postgresql://ann:{SECRET}@127.0.0.1:1/db#t",
        f"postgresql://127.0.0.1:1/db?password={SECRET}#t",
        f"postgresql://ann:{SECRET}@127.0.0.1:1/db",
        f"postgresql://ann:{SECRET}@[::1/db#t",
        f"postgresql://127.0.0.1:1/db?nonsense={SECRET}#t",
    ],
)
def test_what_is_secret_in_an_address_is_not_said(
    home: Home, world: World, source: str, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    gate = decisions.open_gate(home, world.question.use, world.question.at)
    table = as_table(world.records)
    for act in (
        lambda: gate.summary(source),
        lambda: built(home, world, source, tmp_path / "out"),
        lambda: sinks.write(source, table.to_batches(), table.schema),
    ):
        with pytest.raises((BadInput, Unavailable)) as caught:
            act()
        said: list[BaseException | None] = [caught.value, caught.value.__cause__]
        assert not any(SECRET in f"{error} {error!r}" for error in said)
        assert isinstance(caught.value, TrothError)
        assert caught.value.remedy
    assert SECRET not in caplog.text


def test_copies_have_no_name_and_end_with_their_reader(database: Cluster, tmp_path: Path) -> None:
    table = pa.table(
        {"id": ["a"], "category": ["post"], "created_at": [0], "author": ["ann"], "body": ["hello"]}
    )
    sinks.write(f"{database.address()}#copied", table.to_batches(), table.schema)
    pinned = tables.pin(f"{database.address()}#copied", tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert isinstance(pinned.rows, tables.Copy)
    assert pq.read_table(pinned.rows.path)["body"].to_pylist() == ["hello"]


@pytest.mark.parametrize(
    ("suffix", "message"),
    [("@7", "is no Delta table that can be read"), ("@x", "no version"), ("/none", "is no Delta table")],
)
def test_what_is_not_there_is_refused(
    home: Home, world: World, tmp_path: Path, suffix: str, message: str
) -> None:
    table = as_table(world.records[:5])
    sinks.write(f"delta:{tmp_path / 't'}", table.to_batches(), table.schema)
    gate = decisions.open_gate(home, world.question.use, world.question.at)
    with pytest.raises(BadInput, match=message):
        gate.summary(f"delta:{tmp_path / 't'}{suffix}")


def test_spark_is_given_frames_instead(home: Home, world: World) -> None:
    home.config = replace(home.config, engine="spark")
    gate = decisions.open_gate(home, world.question.use, world.question.at)
    with pytest.raises(BadInput, match="read by DuckDB"):
        gate.summary("delta:somewhere")
