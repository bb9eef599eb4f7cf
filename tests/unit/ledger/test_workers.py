"""Several workers on one ledger in PostgreSQL: one order, no gaps, every request once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from troth.app import logs
from troth.app.home import init
from troth.app.serving import ServedHome
from troth.core.events import Attributes, Choose, Setting


def test_two_workers_append_at_once(postgres: Any, tmp_path: Path) -> None:
    home = init(tmp_path / "home", None, postgres.fresh())
    workers = [ServedHome(home.path), ServedHome(home.path)]
    workers[0].append([Setting("g", (), introduced_at=0), Attributes("ann", 0, (("jurisdiction", "US"),))])

    def ask(number: int) -> int:
        event = Choose("ann", "g", on=number % 2 == 0, at=number // 2)
        # Each request is sent to both workers, as a client does that lost an answer.
        first, again = (one.append([event], request=f"r{number}")[0] for one in workers)
        assert first == again
        return first.position

    with ThreadPoolExecutor(4) as pool:
        positions = list(pool.map(ask, range(40)))
    assert sorted(positions) == list(range(3, 43))
    assert len(workers[1].member("ann")[0].member("ann")) == 41
    for one in workers:
        one.close()
    with home.reading() as ledger:
        assert ledger.check() == []
    assert logs.status(home).published == 43
