from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.properties.worlds import World, as_table, eventful_world
from tests.unit.app.handed import Hands
from troth.app.home import Home, init
from troth.core.decide import decide
from troth.core.events import Event
from troth.core.reasons import VERDICTS
from troth.core.values import Record

Making = Callable[..., Home]
"""Makes a home of events and, if given, records."""


@pytest.fixture
def make_home(tmp_path: Path) -> Making:
    """A home with these events and records."""

    def making(events: Sequence[Event], records: Sequence[Record] = ()) -> Home:
        home = init(tmp_path / "home")
        if events:
            home.append(events)
        if records:
            half = len(records) // 2
            pq.write_table(as_table(records[:half]), home.records_path / "a.parquet")
            pq.write_table(as_table(records[half:]), home.records_path / "b.parquet")
        return home

    return making


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Hands:
    """A home whose releases go to others; tests get copies."""
    return Hands.make(tmp_path_factory.mktemp("hands"))


@pytest.fixture
def hands(stage: Hands, tmp_path: Path) -> Hands:
    """A copy of it in the test's own folder."""
    return stage.copy(tmp_path)


@pytest.fixture(scope="session")
def world() -> World:
    """Two hundred records on the edges of a random ledger, some of every verdict."""
    return next(drawn for number in count() if is_mixed(drawn := eventful_world(f"home{number}", 200)))


def is_mixed(drawn: World) -> bool:
    """Whether ten records or more have each verdict when the whole ledger is known."""
    known, question = drawn.case.known(), drawn.question
    verdicts = Counter(decide(one, question.use, question.at, known).verdict for one in drawn.records)
    return all(verdicts[one] >= 10 for one in VERDICTS)


@pytest.fixture
def home(world: World, make_home: Making) -> Home:
    """The home of that world; its first entry is its key, so positions are one further."""
    return make_home(world.case.events, world.records)
