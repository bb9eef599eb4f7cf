"""Measure learning that can be undone: ``python -m bench.learning --megabytes 100``.

What is measured: training from a sealed release (its check included and apart), the share that one withdrawal
touches, subtraction alone, the time from a withdrawal (by HTTP, to a server that runs) to clean serving with the
model open in this process, and making the model again. The text is made of words drawn by Zipf's law; members
write to the public or to each other, each about as much as the others.
"""

from __future__ import annotations

import json
import math
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import httpx2
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

import troth
from bench.measure import machine
from bench.server import SERVE
from troth.app import certificates, models, unlearning
from troth.learning.honour import corpus_of, subtracts, touched
from troth.learning.registry import ModelFolder
from troth.learning.serving import backend_of
from troth.ledger.store import clock
from troth.server.state import State

RESULTS = Path(__file__).with_name("results")
_BODY = 500
_MEMBER = 50_000
_MEGABYTE = 1_000_000
_WORDS = 20_000
_LOOKED_AT = 20
_EVENTS: list[dict[str, Any]] = [
    {
        "terms": "policy", "kind": "privacy_policy", "version": "1", "published_at": "2020-01-01",
        "effective_at": "2020-01-01",
        "clauses": [
            {
                "id": "train", "effect": "permit", "purposes": ["train"],
                "categories": ["post", "private_message"], "recipients": ["operator"],
                "condition": {"setting": "improve"},
            }
        ],
    },
    {"setting": "improve", "introduced_at": "2020-01-01", "defaults": [{"audience": {}, "value": "on"}]},
    {"notice": {"terms": "policy", "version": "1", "to": {}, "channel": "email", "at": "2020-01-01"}},
    {"regime": {"jurisdictions": ["US"], "regime": "opt_out", "purposes": ["train"]}},
]  # fmt: skip


def world(folder: Path, size: int, seed: int = 1) -> tuple[troth.Home, Path, list[str]]:
    """A home, a sealed release of about that many bytes of text, and its members."""
    draw = np.random.default_rng(seed)
    members = [f"m{one:06}" for one in range(max(20, size // _MEMBER))]
    rows = size // _BODY
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = np.array(["".join(draw.choice(letters, draw.integers(2, 9))) for _ in range(_WORDS)], object)
    home = troth.init(folder / "home")
    people = [{"subject": one, "since": "2019-01-01", "jurisdiction": "US", "born": 1980} for one in members]
    home.record([*_EVENTS, *people])
    with pq.ParquetWriter(folder / "records.parquet", _schema()) as writer:
        for start in range(0, rows, 10_000):
            writer.write_table(_records(draw, words, members, range(start, min(rows, start + 10_000))))
    use = troth.Use("train.generative", recipient="operator")
    built = home.release(use, out=folder / "release", records=str(folder / "records.parquet"))
    return home, built.sealed.path, members


def _schema() -> pa.Schema:
    text, many = pa.string(), pa.list_(pa.string())
    kinds = {"id": text, "category": text, "created_at": pa.int64(), "author": text, "addressees": many,
             "topics": many, "conversation": text, "title": text, "body": text}  # fmt: skip
    return pa.schema(list(kinds.items()))


def _records(
    draw: np.random.Generator, words: npt.NDArray[np.object_], members: list[str], rows: range
) -> pa.Table:
    # By Zipf's law (the chance of a word is in proportion to 1 / rank^1.1); about 6 letters to a word.
    each = _BODY // 6
    chances = np.cumsum(1 / np.arange(1, _WORDS + 1) ** 1.1)
    chosen = words[np.searchsorted(chances, draw.random(len(rows) * each) * chances[-1])].tolist()
    pairs = draw.integers(0, len(members), (len(rows), 2)).tolist()
    people = [(members[author], members[other]) for author, other in pairs]
    private = [bool(row % 2) and author != other for row, (author, other) in zip(rows, people, strict=True)]
    columns = {
        "id": [f"r{row}" for row in rows],
        "category": ["private_message" if one else "post" for one in private],
        "created_at": [1_650_000_000_000_000 + row for row in rows],
        "author": [author for author, _ in people],
        "addressees": [[other] if one else [] for one, (_, other) in zip(private, people, strict=True)],
        "topics": [[] for _ in rows],
        "conversation": [
            "-".join(sorted(two)) if one else None for one, two in zip(private, people, strict=True)
        ],
        "title": [None for _ in rows],
        "body": [" ".join(chosen[at : at + each]) for at in range(0, len(chosen), each)],
    }
    return pa.table(columns, schema=_schema())


def run(folder: Path, size: int, shards: int, leavers: int, *, http: bool) -> dict[str, Any]:
    """All figures."""
    home, release, members = world(folder, size)
    started = time.monotonic()
    troth.load(release)
    checked = time.monotonic() - started
    started, spent = time.monotonic(), time.process_time()
    models.train(home, [release], "m", shards=shards)
    trained, spent = time.monotonic() - started, time.process_time() - spent
    model = models.model_of(home, "m")
    real = model.facts.size
    leaving = members[:: max(1, len(members) // leavers)][:leavers]
    taken = subtractions(model, leaving, folder)
    first, *others = leaving
    started = time.monotonic()
    unlearning.withdraw(home, first)
    with models.open_model(home, "m") as opened:
        opened.current()
    alone = time.monotonic() - started
    started, cpu = time.monotonic(), time.process_time()
    made = unlearning.unlearn(home, "m")
    redone, cpu = time.monotonic() - started, time.process_time() - cpu
    path = Path(made["made"][0])  # type: ignore[arg-type, index]
    started = time.monotonic()
    holds = certificates.verify(path).ok
    verified = time.monotonic() - started
    clean = over_http(home, others) if http else {}
    return {
        "machine": machine(),
        "text_mb": round(real / _MEGABYTE, 1),
        "members": len(members),
        "shards": shards,
        "release_check_s": round(checked, 2),
        "training_s": round(trained, 2),
        "training_mb_per_s": round(real / _MEGABYTE / trained, 1),
        "training_cpu_s": round(spent, 2),
        "training_mb_per_cpu_s": round(real / _MEGABYTE / spent, 1),
        "model_mb": round(sum(one.stat().st_size for one in model.path.rglob("*.arrow")) / _MEGABYTE, 1),
        **taken,
        "opt_out_to_clean_ms_of_one": round(alone * 1000, 1),
        **clean,
        "made_again_s": round(redone, 2),
        "made_again_cpu_s": round(cpu, 2),
        "made_again_equals_subtraction": "in every part, or it would have been refused",
        "certificate_bytes": path.stat().st_size,
        "certificate_check_ms": round(verified * 1000, 1),
        "certificate_holds": holds,
    }


def subtractions(model: ModelFolder, leaving: list[str], folder: Path) -> dict[str, Any]:
    """What a member's withdrawal touches, and how long it takes to work out what has to be subtracted."""
    corpus, backend = corpus_of(model, model.state()), backend_of("counts")
    assert subtracts(backend)  # noqa: S101 - it is counts
    shares, bytes_of, alone, cpu = [], [], [], []
    for one in leaving:
        rows = corpus.rows_of(one)
        bytes_of.append(corpus.size_of(rows))
        out = folder / "less"
        out.mkdir()
        started, spent = time.monotonic(), time.process_time()
        backend.difference(corpus.choose(corpus.rows_of(one)), model.facts.configuration, out)
        alone.append(time.monotonic() - started)
        cpu.append(time.process_time() - spent)
        shutil.rmtree(out)
        parts = touched(set(corpus.parts_of(rows)), 1, continues=False)
        if len(shares) < _LOOKED_AT:
            shares.append(sum(corpus.size_of(corpus.in_part(part)) for part in parts) / model.facts.size)
    return {
        "bytes_of_a_member": round(statistics.mean(bytes_of)),
        "share_touched_by_one": round(statistics.mean(shares), 4),
        "subtraction_ms_median": round(statistics.median(alone) * 1000, 1),
        "subtraction_ms_p99": _p99(alone),
        "subtraction_cpu_ms_median": round(statistics.median(cpu) * 1000, 1),
    }


def over_http(home: troth.Home, leaving: list[str]) -> dict[str, Any]:
    """Withdrawals by the API of a server that runs, one after another, with the model open in this process.

    Clean is when a model that was open before would answer without the member: it looks before each answer. The
    server makes the model again meanwhile, over and over; what it has not done when it is stopped is done at the end.
    """
    store = State(home.path / "server.sqlite3")
    token = store.add_token("bench", ["withdrawals:write"], clock())
    store.close()
    clean, answered = [], []
    with serving(home.path) as address, models.open_model(home, "m") as opened, httpx2.Client() as client:
        opened.generate("a", length=20)
        for one in leaving:
            started = time.monotonic()
            reply = client.post(
                f"{address}/api/v1/withdrawals",
                json={"subject": one},
                headers={"authorization": f"Bearer {token}"},
                timeout=60,
            )
            reply.raise_for_status()
            answered.append(time.monotonic() - started)
            opened.current()
            clean.append(time.monotonic() - started)
    unlearning.unlearn(home, "m")
    findings = certificates.chain(home, "m")
    return {
        "withdrawals_over_http": len(clean),
        "certificates_hold_and_follow": findings.ok,
        "certificates": len(models.model_of(home, "m").state().certificates),
        "opt_out_to_answer_ms_median": round(statistics.median(answered) * 1000, 1),
        "opt_out_to_answer_ms_p99": _p99(answered),
        "opt_out_to_clean_ms_median": round(statistics.median(clean) * 1000, 1),
        "opt_out_to_clean_ms_p99": _p99(clean),
        "opt_out_to_clean_ms_max": round(max(clean) * 1000, 1),
    }


@contextmanager
def serving(home: Path) -> Iterator[str]:
    """A server on a home, in a process of its own; gives its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([sys.executable, "-c", SERVE, str(home), str(port)])  # noqa: S603 - our own
    try:
        for _ in range(600):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=600)


def _p99(seconds: list[float]) -> float:
    """The 99th percentile in milliseconds: so many are at most that."""
    return round(sorted(seconds)[math.ceil(len(seconds) * 0.99) - 1] * 1000, 1)


@click.command()
@click.option("--megabytes", default=100, show_default=True)
@click.option("--shards", default=16, show_default=True)
@click.option("--leavers", default=201, show_default=True)
@click.option("--http/--no-http", default=True, show_default=True, help="Withdraw by a server's API too.")
@click.option("--name", default="learning", show_default=True, help="Name of the file in bench/results.")
@click.option("--folder", type=click.Path(path_type=Path), default=Path(".bench/learning"), show_default=True)
def main(megabytes: int, shards: int, leavers: int, http: bool, name: str, folder: Path) -> None:
    """Measure the counts backend, print the figures, and write them to bench/results."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    found = run(folder, megabytes * _MEGABYTE, shards, leavers, http=http)
    shutil.rmtree(folder, ignore_errors=True)
    text = json.dumps(found, indent=1)
    click.echo(text)
    RESULTS.mkdir(exist_ok=True)
    day = datetime.now(UTC).date().isoformat()
    (RESULTS / f"{day}-{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
