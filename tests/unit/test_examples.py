"""The examples for schedulers: they compile, stay short, and the step that they call does its work."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.properties.worlds import World, as_table, eventful_world
from troth.app.home import Home, init

EXAMPLES = Path(__file__).parents[2] / "examples"
FILES = sorted(EXAMPLES.rglob("*.py"))


def loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def world() -> World:
    from tests.unit.app.conftest import is_mixed

    return next(one for number in range(99) if is_mixed(one := eventful_world(f"home{number}", 200)))


@pytest.fixture
def home(world: World, tmp_path: Path) -> Home:
    made = init(tmp_path / "home")
    made.append(world.case.events)
    return made


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_an_example_compiles_and_is_short(path: Path) -> None:
    source = path.read_text()
    compile(source, str(path), "exec")
    assert len(source.splitlines()) < 60


def test_the_step_builds_a_release_once(home: Home, world: World, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    pq.write_table(as_table(world.records), tmp_path / "r.parquet")
    step = loaded(EXAMPLES / "release_step.py")
    use = world.question.use
    asked = (str(home.path), str(tmp_path / "out"), use.purpose, use.recipient)
    for _ in range(2):
        assert (
            step.build_release(*asked, at=world.question.at, records=str(tmp_path / "r.parquet")) == asked[1]
        )
    next((tmp_path / "out" / "data").iterdir()).write_bytes(b"spoilt")
    with pytest.raises(RuntimeError, match="does not check"):
        step.build_release(*asked, at=world.question.at)


def test_the_model_for_dbt_gives_the_allowed_records(
    home: Home, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Config:
        def __call__(self, **_: object) -> None:
            """What dbt is told of the model."""

        def get(self, name: str) -> object:
            use_at = {"troth_home": str(home.path), "at": world.question.at}
            return use_at.get(name)

    class Dbt:
        config = Config()

        def ref(self, _name: str) -> Any:
            return as_table(world.records)

    model = loaded(EXAMPLES / "dbt_models" / "allowed_messages.py")
    monkeypatch.setattr(model.troth, "Use", lambda *_: world.question.use)
    found = model.model(Dbt(), None)
    wanted = {one.record for one in decisions_of(world) if one.verdict == "allowed"}
    assert set(found["id"].to_pylist()) == wanted


def decisions_of(world: World) -> list[Any]:
    from troth.core.decide import decide

    known, question = world.case.known(), world.question
    return [decide(one, question.use, question.at, known) for one in world.records]
