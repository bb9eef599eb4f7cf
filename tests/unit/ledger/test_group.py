"""Group commit: one transaction for many, each answered by itself, and nothing acknowledged that is lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from troth.core.errors import BadInput, Conflict, Unavailable
from troth.core.events import Attributes, Choose, Consent, Objection, Setting
from troth.ledger.group import Busy, GroupWriter
from troth.ledger.store import Batch, Ledger

ALL = ("any",)
SWITCH = Setting("g", (), introduced_at=0)


@pytest.fixture
def writer(ledger: Ledger, path: Any, ledger_class: Any) -> Iterator[GroupWriter]:
    ledger.close()

    def opened() -> Ledger:
        made: Ledger = ledger_class.write(path)
        made.free_space_floor = 0
        return made

    made = GroupWriter(opened, idle=0.05)
    yield made
    made.close()


def test_each_batch_of_a_group_is_all_or_none_by_itself(ledger: Ledger) -> None:
    answers = ledger.append_group(
        [
            Batch([SWITCH]),
            Batch([Consent("c", "ann", ALL, ALL, ALL, 0), Choose("ann", "none", on=True, at=0)]),
            Batch([Consent("c", "bob", ALL, ALL, ALL, 0)], "r1"),
            Batch([Objection("bob", 1)], expected=0),
            Batch([Objection("ann", 1)], "r2"),
            Batch([Objection("ann", 1)], "r2"),
            Batch([Objection("\ud800", 1)]),
        ]
    )
    kinds = [type(one).__name__ for one in answers]
    assert kinds == ["list", "BadInput", "list", "Conflict", "list", "list", "BadInput"]
    assert answers[4] == answers[5]
    assert ledger.size == 3
    assert ledger.check() == []
    assert [event for _, event in ledger.history("ann")] == [Objection("ann", 1)]


def test_many_threads_each_get_their_own_receipt(writer: GroupWriter, path: Any, ledger_class: Any) -> None:
    def one(number: int) -> int:
        return writer.append(Batch([Objection(f"m{number % 7}", number)], f"r{number}"))[0].position

    with ThreadPoolExecutor(16) as pool:
        positions = list(pool.map(one, range(200)))
    assert sorted(positions) == list(range(200))
    with ledger_class.read(path) as reader:
        assert reader.check() == []
        kept = {position: stored.what for position, stored in enumerate(reader.entries())}
    assert all(kept[at] == Objection(f"m{n % 7}", n) for n, at in enumerate(positions))


def test_a_loop_gets_its_answers_and_its_errors(writer: GroupWriter) -> None:
    async def both() -> list[object]:
        batches = [Batch([Objection("ann", 1)]), Batch([Choose("ann", "none", on=True, at=1)])]
        return list(await asyncio.gather(*map(writer.submit, batches), return_exceptions=True))

    right, wrong = asyncio.run(both())
    assert isinstance(right, list)
    assert isinstance(wrong, BadInput)


def test_when_too_much_waits_it_says_so_and_takes_more_later(writer: GroupWriter) -> None:
    writer._limit = 3
    with ThreadPoolExecutor(8) as pool:
        with writer.borrow():
            # The writer waits for its turn with one batch in hand; then three may wait.
            asked = [pool.submit(writer.append, Batch([Objection("ann", 0)]))]
            while writer.waiting or not asked[0].running():
                time.sleep(0.01)
            time.sleep(0.05)
            asked += [pool.submit(writer.append, Batch([Objection("ann", at)])) for at in (1, 2, 3)]
            while writer.waiting < 3:
                time.sleep(0.01)
            with pytest.raises(Busy, match="waiting to be written"):
                writer.append(Batch([Objection("ann", 4)]))
        assert sorted(one.result(10)[0].position for one in asked) == [0, 1, 2, 3]
    assert writer.append(Batch([Objection("ann", 5)]))[0].position == 4


def test_closing_writes_what_waits_and_takes_nothing_more(
    writer: GroupWriter, path: Any, ledger_class: Any
) -> None:
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(writer.append, Batch([Objection("ann", at)])) for at in range(20)]
        [one.result(10) for one in asked]
    writer.close()
    with pytest.raises(Unavailable, match="is stopping"):
        writer.append(Batch([Objection("ann", 99)]))
    with ledger_class.read(path) as reader:
        assert reader.size == 20


def test_between_its_work_the_writer_lets_others_write(
    writer: GroupWriter, path: Any, ledger_class: Any
) -> None:
    writer.append(Batch([Attributes("ann", 0)]))
    with writer.borrow() as borrowed:
        assert borrowed.size == 1
        borrowed.append([Objection("ann", 1)], expected=1)
    time.sleep(0.2)
    with ledger_class.write(path) as other:
        other.free_space_floor = 0
        other.append([Objection("ann", 2)])
    assert writer.append(Batch([Objection("ann", 3)]))[0].position == 3
    with pytest.raises(Conflict):
        writer.append(Batch([Objection("ann", 4)], expected=0))
