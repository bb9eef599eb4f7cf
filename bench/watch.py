"""How well `troth watch` reads real changes, beside governdiff: `python -m bench.watch`.

The moments lie in ``../shared/data`` and are not part of the project. They are split by service, by a hash, before
anything was read: rules were made on the development part; the part held out was only counted on (what was seen of it
is told in ``docs/decisions/0030-reading-published-terms.md``). Two services are in the development part whatever their
hash: one is quoted in the design, one is another name of a service that is there.
"""

from __future__ import annotations

import hashlib
import json
import math
import multiprocessing
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from bench.measure import machine, peak_gib
from troth.app.watching import document_of, moments
from troth.watch.reading import Reading, read_change
from troth.watch.text import key_of, read

RESULTS = Path(__file__).with_name("results")
DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "policy"
DEVELOPMENT = frozenset(("LinkedIn", "X"))
ALIKE = 80
CLIPPED = 40
Z = 1.959963984540054
_TRAINS = re.compile(
    r"\btrain(?:s|ed|ing)?\b.{0,80}\b(?:ai|artificial intelligence|machine learning|models?)\b",
    re.IGNORECASE | re.DOTALL,
)


def part(service: str) -> str:
    """The part that a service's moments belong to: ``development`` or ``held out``."""
    if service in DEVELOPMENT:
        return "development"
    number = int(hashlib.sha256(f"watch-split:{service}".encode()).hexdigest(), 16)
    return "held out" if number % 5 < 2 else "development"  # noqa: PLR2004 - two fifths


def wilson(hits: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927)."""
    if not of:
        return 0.0, 1.0
    share, square = hits / of, Z * Z
    middle = share + square / (2 * of)
    spread = Z * math.sqrt(share * (1 - share) / of + square / (4 * of * of))
    return max(0.0, (middle - spread) / (1 + square / of)), min(1.0, (middle + spread) / (1 + square / of))


def shown_first(reading: Reading, evidence: str) -> bool:
    """Whether the first finding's sentence is among those that the label points at.

    The label is an excerpt of some 300 characters that is clipped at both ends, in the middle of words: a sentence
    counts where it holds the excerpt, stands in it, is nearly the same, or is the one that an end clips.
    """
    from rapidfuzz import fuzz

    sentence = key_of((reading.changes[0].after or "") if reading.changes else "")
    target = " ".join(one.key for one in read(evidence).sentences)
    if not sentence:
        return False
    clipped = any(
        sentence.endswith(target[:size]) or sentence.startswith(target[-size:])
        for size in range(CLIPPED, min(len(sentence), len(target)) + 1)
    )
    return clipped or sentence in target or target in sentence or fuzz.partial_ratio(sentence, target) > ALIKE


def measure(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Counts over labelled moments; ambiguous ones are left out."""
    counts = dict.fromkeys(("tp", "fp", "fn", "tn", "first", "widening", "wrong_direction"), 0)
    seconds = []
    for row in rows:
        started = time.monotonic()
        reading = read_change(document_of(row["before"].encode()), document_of(row["after"].encode()))
        seconds.append(time.monotonic() - started)
        found = any("ai-training-added" in one.flags for one in reading.changes)
        positive = row["label"] == "positive"
        counts[("t" if found == positive else "f") + ("p" if found else "n")] += 1
        counts["first"] += positive and found and shown_first(reading, row["evidence"])
        widening = [one for one in reading.changes if one.kind == "widens" and one.practice is not None]
        counts["widening"] += len(widening)
        # A rule or a promise on the negative side that is labelled as one, and read as training that was added.
        is_told = row["kind"] in ("restricts_third_party_ai_training", "promises_not_to_train")
        counts["wrong_direction"] += is_told and found
    told = sum(row["kind"] in ("restricts_third_party_ai_training", "promises_not_to_train") for row in rows)
    return {
        **counts,
        "rules_and_promises": told,
        "seconds": sum(seconds),
        "slowest": max(seconds, default=0.0),
    }


def shares(counts: dict[str, Any]) -> Iterator[tuple[str, int, int]]:
    """The shares that are reported: name, hits, of."""
    positives = counts["tp"] + counts["fn"]
    yield "precision of ai-training-added", counts["tp"], counts["tp"] + counts["fp"]
    yield "recall of ai-training-added", counts["tp"], positives
    if "first" in counts:
        yield "right sentence shown first", counts["first"], positives
        yield (
            "moments of rules or promises read as training",
            counts["wrong_direction"],
            counts["rules_and_promises"],
        )


def _ask_peer(before: str, after: str, answer: Any) -> None:  # noqa: ANN401 - a queue
    import governdiff

    report = governdiff.analyze_texts(before, after).to_dict()
    texts = [json.dumps(change) for change in report["changes"] if change.get("findings")]
    answer.put(
        (
            len(texts),
            sum(len(change.get("findings", ())) for change in report["changes"]),
            any(map(_TRAINS.search, texts)),
        )
    )


def measure_peer(rows: list[dict[str, Any]], limit_s: float) -> dict[str, Any]:
    """The same by governdiff, each moment in a process with a time limit.

    It has no class for training. Counted twice: any finding at all, and (generously) a finding in whose evidence a
    search finds training of models.
    """
    counts = dict.fromkeys(("tp", "fp", "fn", "tn", "any_on_negatives", "findings", "timeouts", "read"), 0)
    context = multiprocessing.get_context("spawn")
    for row in rows:
        answer = context.Queue()
        process = context.Process(target=_ask_peer, args=(row["before"], row["after"], answer))
        process.start()
        try:
            _, findings, trains = answer.get(timeout=limit_s)
        except Exception:  # noqa: BLE001 - empty queue: too slow, or it failed
            counts["timeouts"] += 1
            continue
        finally:
            process.terminate()
            process.join()
        positive = row["label"] == "positive"
        counts["read"] += 1
        counts["findings"] += findings
        counts[("t" if trains == positive else "f") + ("p" if trains else "n")] += 1
        counts["any_on_negatives"] += bool(findings) and not positive
    return counts


def measure_archive(path: Path, jobs: int | None) -> dict[str, Any]:
    """Every version of an archive: how many a second, and the peak memory of one process."""
    started, number = time.monotonic(), 0
    cpu = time.process_time()
    for _ in moments(path, jobs):
        number += 1
    seconds = time.monotonic() - started
    return {
        "versions": number,
        "seconds": seconds,
        "cpu_seconds": time.process_time() - cpu if jobs == 1 else None,
        "per_second": number / seconds,
        "peak_gib": peak_gib(),
        "jobs": jobs,
    }


def table(found: dict[str, Any]) -> str:
    """The figures as Markdown."""
    lines = ["| part | figure | share | 95 % interval | of |", "|---|---|---|---|---|"]
    for name, counts in found["parts"].items():
        for what, hits, of in shares(counts):
            low, high = wilson(hits, of)
            share = f"{hits / of:.3f}" if of else "–"
            lines.append(f"| {name} | {what} | {share} | {low:.3f} to {high:.3f} | {hits}/{of} |")
    if found.get("archive"):
        one = found["archive"]
        lines += [
            "",
            f"Archive: {one['versions']} versions in {one['seconds']:.1f} s, {one['per_second']:.0f} a second"
            + (
                f" ({one['versions'] / one['cpu_seconds']:.0f} a second of processor time)"
                if one["cpu_seconds"]
                else ""
            )
            + f", jobs {one['jobs']}, peak {one['peak_gib']:.2f} GiB.",
        ]
    return "\n".join(lines)


@click.command()
@click.option(
    "--peer", type=int, default=0, help="Run governdiff on so many held-out moments, half of each label."
)
@click.option("--peer-limit", type=float, default=60.0, show_default=True, help="Seconds for each of them.")
@click.option("--archive", type=click.Path(path_type=Path), help="An archive to read whole.")
@click.option("--jobs", type=int, help="Worker processes for it.")
@click.option("--name", default="watch", show_default=True, help="Name of the files in bench/results.")
def main(peer: int, peer_limit: float, archive: Path | None, jobs: int | None, name: str) -> None:
    """Measure, print a table, and write it to bench/results."""
    rows = [
        json.loads(line) for line in (DATA / "moments.jsonl").read_text(encoding="utf-8").split("\n") if line
    ]
    rows = [row for row in rows if row["label"] != "ambiguous"]
    parts = {
        which: [row for row in rows if part(row["service"]) == which] for which in ("development", "held out")
    }
    found: dict[str, Any] = {
        "machine": machine(),
        "parts": {which: measure(some) for which, some in parts.items()},
    }
    if peer:
        by_size = sorted(parts["held out"], key=lambda row: len(row["before"]) + len(row["after"]))
        sides = [[row for row in by_size if row["label"] == label] for label in ("positive", "negative")]
        some = [row for side in sides for row in side[: peer // 2]]
        found["parts"][f"governdiff, {len(some)} shortest held out"] = measure_peer(some, peer_limit)
        found["parts"]["troth, the same"] = measure(some)
    if archive:
        found["archive"] = measure_archive(archive, jobs)
    text = table(found)
    click.echo(text)
    day = datetime.now(UTC).date().isoformat()
    head = f"# Watching, {day}\n\nMade by `python -m bench.watch` on: {json.dumps(found['machine'])}\n\n"
    (RESULTS / f"{day}-{name}.md").write_text(f"{head}{text}\n", encoding="utf-8")
    (RESULTS / f"{day}-{name}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
