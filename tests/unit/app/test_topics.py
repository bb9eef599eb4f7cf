"""Topics in a home: off unless asked for, kept up with imports, dropped at will."""

from __future__ import annotations

from pathlib import Path

import pytest

from troth.app import importing, topics
from troth.app.home import Home, init
from troth.core.errors import BadInput
from troth.intake.marks import Marks

TABLE = "id,category,created_at,author,body,topics\n"


def bring(home: Home, folder: Path, *rows: str) -> None:
    path = folder / "table.csv"
    path.write_text(TABLE + "".join(f"{row}\n" for row in rows))
    importing.tables(home, [path])


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return init(tmp_path / "home")


def test_off_unless_asked_for(home: Home, tmp_path: Path) -> None:
    bring(home, tmp_path, "a,post,2024-05-01,ann,My salary is low.,")
    assert topics.wanted(home) == ()
    assert topics.counts(home) == {}
    assert Marks(home.records_path).files() == []


def test_found_and_kept_up_and_dropped(home: Home, tmp_path: Path) -> None:
    bring(home, tmp_path, "a,post,2024-05-01,ann,My salary is low.,", "b,post,2024-05-01,ann,Hello.,weather")
    found = topics.find(home, ["compensation", "health"])
    assert (found.looked_at, found.records) == (2, {"compensation": 1})
    bring(home, tmp_path, "c,post,2024-05-01,ann,I start chemotherapy.,", "d,post,2024-05-01,ann,My lawyer.,")
    assert topics.counts(home) == {"compensation": 1, "health": 1, "weather": 1}
    assert topics.wanted(home) == ("compensation", "health")
    topics.forget(home)
    assert topics.counts(home) == {"weather": 1}
    bring(home, tmp_path, "e,post,2024-05-01,ann,My salary again.,")
    assert topics.counts(home) == {"weather": 1}


def test_a_home_without_records(home: Home) -> None:
    assert topics.find(home, ["health"]).looked_at == 0
    assert topics.counts(home) == {}


def test_an_unknown_topic_is_refused(home: Home) -> None:
    with pytest.raises(BadInput, match="there is no topic"):
        topics.find(home, ["helth"])


def test_a_model_is_asked_once_for_each_record(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    class Said:
        name, digest, measures = "said", "d1", True

        def __init__(self, folder: Path) -> None:
            del folder

        def losses(self, prompt: str, texts: list[str]) -> list[float]:
            asked.append(prompt)
            yes = 0.0 if "feeling blue" in prompt and "health" in prompt else 2.0
            return [yes if text == "yes" else 1.0 for text in texts]

        def close(self) -> None:
            pass

    monkeypatch.setattr("troth.learning.targets.local.Local", Said)
    bring(home, tmp_path, "a,post,2024-05-01,ann,I am feeling blue.,", "b,post,2024-05-01,ann,My salary.,")
    found = topics.find(home, ["health", "compensation"], model=tmp_path / "model")
    assert found.records == {"compensation": 1, "health": 1}
    before = len(asked)
    bring(home, tmp_path, "c,post,2024-05-01,ann,He is feeling blue too.,")
    assert topics.counts(home) == {"compensation": 1, "health": 2}
    # Two topics: three texts without content for each, and the new record.
    assert len(asked) - before == 2 * 3 + 2
    kept = Marks(home.records_path).folder / "topics-said.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    topics.forget(home)
    assert not kept.exists()
    topics.find(home, ["health"])
    assert topics.counts(home) == {}
