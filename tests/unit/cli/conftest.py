from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.unit.cli.running import done
from tests.unit.cli.world import DELIVER, make_home


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a home, its inputs and a release of it; nobody changes it."""
    folder = tmp_path_factory.mktemp("prepared")
    home = make_home(folder)
    done("release", "build", *DELIVER, "--out", folder / "release", "--id", "r0", home=home)
    return folder


@pytest.fixture
def here(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that folder that the test may change, and stands in: names in it need no path."""
    folder = tmp_path / "here"
    shutil.copytree(prepared, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TROTH_HOME", "home")
    return folder
