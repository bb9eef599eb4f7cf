"""Measure learning that can be undone: ``python -m bench.learning --megabytes 100``.

What is measured: training from a sealed release (its check included and apart), the share that one withdrawal
touches, the time from a withdrawal to clean serving with the model open in this process, subtraction alone,
and making the model again. The text is made of words drawn by Zipf's law; members write to the public or to each
other, each about as much as the others.
"""

from __future__ import annotations

import json
import shutil
import statistics
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import troth
from bench.measure import machine
from troth.app import certificates, models, unlearning
from troth.learning.honour import corpus_of, touched
from troth.learning.serving import backend_of

RESULTS = Path(__file__).with_name("results")
_BODY = 500
_MEMBER = 50_000
_MEGABYTE = 1_000_000
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
    words = ["".join(draw.choice(letters, draw.integers(2, 9))) for _ in range(20_000)]
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


def _records(draw: np.random.Generator, words: list[str], members: list[str], rows: range) -> pa.Table:
    found = []
    for row in rows:
        # By Zipf's law; about 6 letters to a word.
        chosen = np.minimum(draw.zipf(1.3, _BODY // 7), len(words)) - 1
        author, other = draw.integers(0, len(members), 2).tolist()
        private = row % 2 and author != other
        found.append(
            {
                "id": f"r{row}",
                "category": "private_message" if private else "post",
                "created_at": 1_650_000_000_000_000 + row,
                "author": members[author],
                "addressees": [members[other]] if private else [],
                "topics": [],
                "conversation": "-".join(sorted((members[author], members[other]))) if private else None,
                "title": None,
                "body": " ".join(words[one] for one in chosen.tolist()),
            }
        )
    return pa.Table.from_pylist(found, schema=_schema())


def run(folder: Path, size: int, shards: int, leavers: int) -> dict[str, Any]:
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
    clean, cpu, shares, bytes_of = [], [], [], []
    corpus = corpus_of(model, model.state())
    rows: list[int] = []
    backend = backend_of("counts")
    with models.open_model(home, "m") as opened:
        opened.generate("a", length=20)
        for one in leaving:
            rows = corpus.rows_of(one)
            bytes_of.append(corpus.size_of(rows))
            parts = touched(set(corpus.parts_of(rows)), 1, continues=False)
            shares.append(sum(corpus.size_of(corpus.in_part(part)) for part in parts) / real)
            started, spent_here = time.monotonic(), time.process_time()
            unlearning.withdraw(home, one)
            opened.current()
            clean.append(time.monotonic() - started)
            cpu.append(time.process_time() - spent_here)
        out = folder / "less"
        out.mkdir()
        started = time.monotonic()
        backend.difference(corpus.choose(rows), model.facts.configuration, out)  # type: ignore[attr-defined]
        alone = time.monotonic() - started
    started = time.monotonic()
    made = unlearning.unlearn(home, "m")
    redone = time.monotonic() - started
    path = Path(made["made"][0])  # type: ignore[arg-type, index]
    started = time.monotonic()
    holds = certificates.verify(path).ok
    verified = time.monotonic() - started
    return {
        "machine": machine(),
        "text_mb": round(real / _MEGABYTE, 1),
        "members": len(members),
        "shards": shards,
        "release_check_s": round(checked, 2),
        "training_s": round(trained, 2),
        "training_mb_per_s": round(real / _MEGABYTE / trained, 1),
        "training_cpu_s": round(spent, 2),
        "model_mb": round(sum(one.stat().st_size for one in model.path.rglob("*.arrow")) / _MEGABYTE, 1),
        "bytes_of_a_member": round(statistics.mean(bytes_of)),
        "share_touched_by_one": round(statistics.mean(shares), 4),
        "subtraction_ms": round(alone * 1000, 1),
        "withdrawals": len(clean),
        "opt_out_to_clean_ms_median": round(statistics.median(clean) * 1000, 1),
        "opt_out_to_clean_ms_p99": round(sorted(clean)[int(len(clean) * 0.99) - 1] * 1000, 1),
        "opt_out_to_clean_cpu_ms_median": round(statistics.median(cpu) * 1000, 1),
        "made_again_s": round(redone, 2),
        "certificate_bytes": path.stat().st_size,
        "certificate_check_ms": round(verified * 1000, 1),
        "certificate_holds": holds,
    }


@click.command()
@click.option("--megabytes", default=100, show_default=True)
@click.option("--shards", default=16, show_default=True)
@click.option("--leavers", default=50, show_default=True)
@click.option("--folder", type=click.Path(path_type=Path), default=Path(".bench/learning"), show_default=True)
def main(megabytes: int, shards: int, leavers: int, folder: Path) -> None:
    """Measure the counts backend, print the figures, and write them to bench/results."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    found = run(folder, megabytes * _MEGABYTE, shards, leavers)
    shutil.rmtree(folder, ignore_errors=True)
    text = json.dumps(found, indent=1)
    click.echo(text)
    RESULTS.mkdir(exist_ok=True)
    day = datetime.now(UTC).date().isoformat()
    (RESULTS / f"{day}-learning.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
