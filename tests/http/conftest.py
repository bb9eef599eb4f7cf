from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support import require

if TYPE_CHECKING:
    from tests.http.site import Site

if importlib.util.find_spec("fastapi") is None:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that nobody changes."""
    require(importlib.util.find_spec("fastapi"), "the server extra")
    from tests.http.site import make_home

    return make_home(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def site(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A served copy of it, for a whole module."""
    from tests.http.site import served

    copy = tmp_path_factory.mktemp("served") / "home"
    shutil.copytree(prepared, copy)
    with served(copy) as made:
        yield made
