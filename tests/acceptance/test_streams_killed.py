"""A stream whose process is killed again and again, at random moments: nothing lost, nothing doubled."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

from tests.brokers import broker, make_topic, produce, require_broker
from tests.unit.app.test_streams import SETTING, choice, record, stored
from tests.unit.cli.running import PROGRAM
from troth.app.home import init

_KILLED = """
import os, signal, sys, threading, time
from troth.app import streams
from troth.intake import kafka

streams.BATCH = 40
take, first, moment = kafka.Stream.take, [], float(sys.argv.pop(1))

def taking(*arguments):
    if not first:
        first.append(True)
        kill = threading.Timer(moment, os.kill, (os.getpid(), signal.SIGKILL))
        kill.daemon = True
        kill.start()
    return take(*arguments)

kafka.Stream.take = taking
from troth.cli.main import main
main()
"""
KILLS = 20
CHOICES, RECORDS = 4_000, 2_000


def test_killed_twenty_times(tmp_path: Path) -> None:
    require_broker()
    home = init(tmp_path / "home")
    home.record([SETTING])
    before, drawn, killed = home.position, random.Random(1), 0
    with broker() as address:
        make_topic(address, "choices", 3)
        make_topic(address, "posts", 3)
        produce(address, "choices", (choice(number) for number in range(CHOICES)), 3)
        produce(address, "posts", (record(number) for number in range(RECORDS)), 3)
        command = ["--home", str(home.path), "stream", "kafka", "--broker", address, "--once", "--json"]
        command += ["--events", "choices", "--records", "posts"]
        for _ in range(KILLS):
            moment = str(drawn.uniform(0.1, 2.0))
            ended = subprocess.run(
                [sys.executable, "-c", _KILLED, moment, *command], capture_output=True, text=True, check=False
            )
            assert ended.returncode in {0, -9}, ended.stderr
            killed += ended.returncode == -9
        last = subprocess.run([*PROGRAM, *command], capture_output=True, text=True, check=True)
    taken = json.loads(last.stdout)
    assert killed >= KILLS // 2, "most runs were over before they were killed: make more messages"
    with home.reading() as ledger:
        made = [one.what for one in ledger.entries(before, home.position)]
    assert sorted(one.subject for one in made) == sorted(f"m{number}" for number in range(CHOICES))  # type: ignore[union-attr]
    assert set(stored(home)) == {f"r{number}" for number in range(RECORDS)}
    assert taken["rejected"] == 0
