"""Streams: each message exactly once in effect, also when the process ends between storing and moving the offsets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.brokers import broker, make_topic, produce, require_broker
from tests.unit.cli.running import PROGRAM
from troth.app import streams
from troth.app.home import Home, init
from troth.core.errors import BadInput, Unavailable
from troth.core.events import Choose
from troth.intake.kafka import Message, Stream, read_options

SETTING = {
    "setting": "ai-training", "introduced_at": "2024-01-01", "defaults": [{"value": "on"}],
}  # fmt: skip


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    require_broker()
    with broker() as running:
        yield running


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = init(tmp_path / "home")
    made.record([SETTING])
    return made


def choice(number: int, value: str = "off") -> dict[str, object]:
    at = f"2024-02-01T00:00:{number % 60:02}Z"
    return {"choose": {"subject": f"m{number}", "setting": "ai-training", "value": value, "at": at}}


def record(number: int) -> dict[str, object]:
    return {
        "id": f"r{number}", "category": "post", "author": f"m{number}", "created_at": "2024-02-01", "body": "hi",
    }  # fmt: skip


def message(topic: str, offset: int, value: object, partition: int = 0) -> Message:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return Message(topic, partition, offset, None, data, 1_700_000_000_000_000)


def head(home: Home) -> int:
    return home.position


def stored(home: Home) -> dict[str, dict[str, object]]:
    rows = [
        row for path in sorted(home.records_path.glob("*.parquet")) for row in pq.read_table(path).to_pylist()
    ]
    found = {row["id"]: row for row in rows}
    assert len(found) == len(rows)
    return found


# --- with a broker


def run(home: Home, address: str, roles: dict[str, str], group: str = "g") -> streams.Taken:
    with Stream({"bootstrap.servers": address}, list(roles), group) as stream:
        return streams.follow(streams.Intake(home, roles), stream, once=True)


def test_everything_comes_in_once_whatever_is_repeated(home: Home, address: str) -> None:
    roles = {"a-choices": "events", "a-posts": "records", "a-gone": "deletions"}
    for topic in roles:
        make_topic(address, topic)
    produce(address, "a-choices", [choice(number) for number in range(30)])
    # A deletion may come before its record, from a topic that is read sooner.
    produce(address, "a-gone", [{"id": "r3", "deleted_at": "2024-03-01"}, ("r4", None), {"id": "later"}])
    produce(address, "a-posts", [*(record(number) for number in range(20)), record(7), ("r5", None)])
    before = head(home)
    first = run(home, address, roles)
    assert (first.messages, first.recorded, first.repeated) == (55, 30, 0)
    assert (first.imported, first.duplicates, first.deleted) == (20, 1, 4)
    assert head(home) == before + 30
    rows = stored(home)
    assert len(rows) == 20
    assert {name for name, row in rows.items() if row["deleted_at"] is not None} == {"r3", "r4", "r5"}
    assert rows["r3"]["body"] is None

    # From where it stood there is nothing; a group that begins anew finds everything there already.
    assert run(home, address, roles).messages == 0
    produce(address, "a-choices", [choice(99)])
    again = run(home, address, roles, "another")
    assert (again.recorded, again.repeated, again.imported) == (1, 30, 0)
    assert head(home) == before + 31
    assert len(stored(home)) == 20

    # What comes after its deletion is deleted too.
    produce(address, "a-posts", [{**record(50), "id": "later"}])
    assert run(home, address, roles).imported == 1
    marks = pq.read_table(home.records_path / "marks" / "deleted.parquet")
    assert "later" in marks["id"].to_pylist()


_CRASHING = """
import os, sys
from troth.intake import kafka
kafka.Stream.commit = lambda *_: os._exit(9)
from troth.cli.main import main
main()
"""


@pytest.mark.long
def test_a_crash_between_ledger_and_offsets_loses_and_doubles_nothing(home: Home, address: str) -> None:
    make_topic(address, "b-choices")
    make_topic(address, "b-posts")
    produce(address, "b-choices", [choice(number) for number in range(40)])
    produce(address, "b-posts", [record(number) for number in range(40)])
    command = ["--home", str(home.path), "stream", "kafka", "--broker", address, "--once", "--json"]
    command += ["--events", "b-choices", "--records", "b-posts"]
    before = head(home)
    crashed = subprocess.run([sys.executable, "-c", _CRASHING, *command], env=os.environ, check=False)
    assert crashed.returncode == 9
    assert head(home) > before  # so it did end after the ledger's commit
    whole = subprocess.run([*PROGRAM, *command], capture_output=True, text=True, check=True)
    taken = json.loads(whole.stdout)
    assert (taken["messages"], taken["recorded"] + taken["repeated"]) == (80, 40)
    assert taken["repeated"] == head(home) - before - taken["recorded"] > 0
    assert head(home) == before + 40
    assert len(stored(home)) == 40


def test_what_kafka_refuses_is_said(address: str, tmp_path: Path) -> None:
    secret = "hunter2-s3cr3t"
    with pytest.raises(BadInput, match="there is no such topic"):
        Stream({"bootstrap.servers": address}, ["none"], "g")
    for options in ({"sasl.pass": secret}, {"session.timeout.ms": secret}, {"security.protocol": secret}):
        with pytest.raises(BadInput, match="do not fit") as caught:
            Stream({"bootstrap.servers": address, **options}, ["none"], "g")
        assert secret not in str(caught.value)
    (tmp_path / "options").write_text(f"# mine\n\nsasl.username = ann\n{secret}\n")
    with pytest.raises(BadInput, match="expected name=value") as caught:
        read_options(tmp_path / "options")
    assert secret not in str(caught.value)


# --- without one


class Broker:
    """Takes the offsets that are moved."""

    def __init__(self) -> None:
        self.moved: list[tuple[int, int]] = []

    def commit(self, messages: list[Message]) -> None:
        self.moved += [(one.partition, one.offset) for one in messages]


ROLES = {"choices": "events", "posts": "records", "gone": "deletions"}


def test_a_message_that_cannot_be_read_stops_its_partition_alone(home: Home) -> None:
    taking, broker = streams.Intake(home, ROLES), Broker()
    before = head(home)
    unknown = {"choose": {"subject": "x", "setting": "new-one", "value": "on", "at": "2024-03-01"}}
    messages = [
        message("choices", 0, choice(0)),
        message("choices", 1, unknown),
        message("choices", 2, choice(2)),
        message("choices", 0, choice(3), partition=1),
        message("posts", 0, record(1)),
    ]
    with pytest.raises(BadInput, match="new-one") as caught:
        taking.take(messages, broker.commit)
    assert str(caught.value).startswith("kafka:choices/0, message 1:")
    assert broker.moved == [(0, 0), (1, 0), (0, 0)]
    assert head(home) == before + 2
    assert set(stored(home)) == {"r1"}
    # Once what it refers to is there, it and what waited behind it come in, in their order.
    home.record([{**SETTING, "setting": "new-one"}])
    taking.take(messages[1:3], broker.commit)
    with home.reading() as ledger:
        last = [one.what for one in ledger.entries(head(home) - 2, head(home))]
    assert [one.subject for one in last if isinstance(one, Choose)] == ["x", "m2"]


@pytest.mark.parametrize(
    ("topic", "value"),
    [
        ("choices", b"{"),
        ("choices", 7),
        ("choices", []),
        ("choices", {"choose": {"subject": "x"}}),
        ("choices", SETTING),
        ("posts", ["no object"]),
        ("posts", {"id": "x"}),
        ("gone", {"id": 5}),
        ("gone", {"id": "x", "deleted_at": "someday"}),
        ("gone", {"identifier": "x"}),
    ],
)
def test_what_cannot_be_read_stops_the_stream_or_is_set_aside(home: Home, topic: str, value: object) -> None:
    broker, before = Broker(), head(home)
    bad = message(topic, 4, value)
    with pytest.raises(BadInput) as caught:
        streams.Intake(home, ROLES).take([bad], broker.commit)
    assert caught.value.place is not None
    assert caught.value.remedy is not None
    assert (broker.moved, head(home)) == ([], before)
    taking = streams.Intake(home, ROLES, set_aside=True)
    taking.take(
        [bad, message(topic, 5, {"choices": choice(1), "posts": record(1), "gone": {"id": "r"}}[topic])],
        broker.commit,
    )
    assert broker.moved == [(0, 4), (0, 5)]
    assert taking.taken.rejected == 1
    (rejects,) = home.rejects_path.iterdir()
    assert f"kafka:{topic}/0" in rejects.read_text()


def test_a_request_that_stands_for_something_else_is_found(home: Home) -> None:
    broker = Broker()
    streams.Intake(home, ROLES).take([message("choices", 0, choice(1))], broker.commit)
    with pytest.raises(BadInput):
        streams.Intake(home, ROLES).take([message("choices", 0, choice(2))], broker.commit)
    # Of another broker's topic of that name, told apart by a name.
    streams.Intake(home, ROLES, name="east").take([message("choices", 0, choice(2))], broker.commit)


def test_a_home_that_others_write_to_is_waited_for(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    class Once:
        at_end = True

        def __init__(self) -> None:
            self.waiting = [[message("choices", 0, choice(1))]]

        def take(self, _count: int, _seconds: float) -> list[Message]:
            return self.waiting.pop() if self.waiting else []

        def commit(self, _messages: list[Message]) -> None:
            attempts.append(len(attempts))
            if len(attempts) < 3:
                raise Unavailable("not yet")

    attempts: list[int] = []
    monkeypatch.setattr("time.sleep", lambda _: None)
    before = head(home)
    taken = streams.follow(streams.Intake(home, ROLES), Once(), once=True)  # type: ignore[arg-type]
    assert (taken.recorded, taken.repeated, head(home)) == (1, 2, before + 1)


def test_topics_are_named_once() -> None:
    with pytest.raises(BadInput, match="no topic"):
        streams.roles()
    with pytest.raises(BadInput, match="twice"):
        streams.roles(events=["a"], records=["a"])
