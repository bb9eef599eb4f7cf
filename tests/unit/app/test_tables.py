"""Delta tables as records: read at one version, which the manifest names."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from tests.properties.worlds import World, as_table
from troth.app import decisions, releases
from troth.app.home import Home
from troth.core.errors import BadInput

pytestmark = pytest.mark.needs_tables


@pytest.fixture
def table(world: World, tmp_path: Path) -> Path:
    """Version 0 holds the records of the world, version 1 half of them."""
    from deltalake import write_deltalake

    path = tmp_path / "messages"
    write_deltalake(str(path), as_table(world.records))
    write_deltalake(str(path), as_table(world.records[:100]), mode="overwrite")
    return path


def test_a_table_is_decided_at_the_version_asked_for(home: Home, world: World, table: Path) -> None:
    gate = decisions.open_gate(home, world.question.use, world.question.at)
    assert gate.summary(f"delta:{table}@0") == gate.summary(as_table(world.records))
    assert gate.summary(f"delta:{table}@1") == gate.summary(as_table(world.records[:100]))
    assert gate.summary(f"delta:{table}") == gate.summary(f"delta:{table}@1")


def test_a_release_names_the_version_and_has_the_roots_of_the_same_rows(
    home: Home, world: World, table: Path, tmp_path: Path
) -> None:
    question = world.question
    built = releases.build(home, question.use, tmp_path / "out", at=question.at, source=f"delta:{table}")
    entry = (table / "_delta_log" / f"{1:020}.json").read_bytes()
    (pinned,) = built.sealed.manifest.inputs
    assert (pinned.name, pinned.sha256) == ("delta:messages@1", hashlib.sha256(entry).hexdigest())
    assert built.sealed.manifest.verdicts == decisions.open_gate(home, question.use, question.at).summary(
        as_table(world.records[:100])
    ).verdicts  # fmt: skip
    assert releases.verify(tmp_path / "out").ok


@pytest.mark.parametrize(
    ("suffix", "message"),
    [("@7", "is no Delta table that can be read"), ("@x", "no version"), ("/none", "is no Delta table")],
)
def test_what_is_not_there_is_refused(
    home: Home, world: World, table: Path, suffix: str, message: str
) -> None:
    gate = decisions.open_gate(home, world.question.use, world.question.at)
    with pytest.raises(BadInput, match=message):
        gate.summary(f"delta:{table}{suffix}")


def test_spark_is_given_frames_instead(home: Home, world: World, table: Path) -> None:
    home.config = replace(home.config, engine="spark")
    gate = decisions.open_gate(home, world.question.use, world.question.at)
    with pytest.raises(BadInput, match="read by DuckDB"):
        gate.summary(f"delta:{table}")
