"""What audits see, measured: ``python -m bench.evidence --help``.

A tiny model (see ``bench.tiny``) is trained further on generated messages, some of them marked, in full and by
LoRA; the product's own sets, scores and tests are then asked. One thread; about ten minutes on an idle machine.
"""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from bench import measure
from troth.core.canary import CODE, REPLY, Beacon, CanarySet
from troth.core.significance import fisher, rank_p
from troth.learning.scores import LOSS, REPLY_MATCHES, score_set

RESULTS = Path(__file__).with_name("results")
CURVE = Path(__file__).parent.parent / "src" / "troth" / "learning" / "tiny-curve.json"
_BODY = 30
"""Letters of a message before its mark: the messages are short, so that a run is."""
_RATES = {"full": 1e-3, "lora": 1e-2}
_LEVEL = 0.05


def base(folder: Path) -> Path:
    """The model that all runs start from: trained on generated messages without marks, once."""
    from bench import tiny

    if not (folder / "config.json").is_file():
        model = tiny.untrained()
        tiny.train(model, tiny.messages(0, 4_000), epochs=3, rate=2e-3, seed=0)
        tiny.save(model, folder)
    return folder


def new_set(seed: int, name: str, carrier: str, size: int) -> CanarySet:
    """A set whose key follows from the seed, so that a run can be repeated."""
    return CanarySet(name, hashlib.sha256(f"{seed} {name}".encode()).digest(), carrier, size)


def run(
    folder: Path, seed: int, way: str, groups: Sequence[tuple[str, int, int]], *, carrier: str, size: int
) -> dict[str, Any]:
    """Train one model on marked messages and test every set.

    Args:
        folder: work folder; holds the base.
        seed: of everything.
        way: ``full`` or ``lora``.
        groups: (name, members, messages of each).
        carrier, size: of the sets.
    """
    from bench import tiny

    sets = {
        name: [
            new_set(seed, f"{name}-{number}".replace(" ", "-"), carrier, size) for number in range(members)
        ]
        for name, members, _ in groups
    }
    chance = random.Random(seed)  # noqa: S311 - a benchmark repeats itself
    beacon = Beacon("bench", 1, chance.randbytes(32))
    placed = {one.id: one.draw(one.root(), beacon) for group in sets.values() for one in group}
    texts = tiny.messages(1_000 + seed, 200)
    for name, _, count in groups:
        for one in sets[name]:
            bodies = tiny.messages(chance.randrange(10**9), count)
            texts += [f"{body[:_BODY]} {one.sentence(placed[one.id], at)}" for at, body in enumerate(bodies)]
    started = time.monotonic()
    target = _trained(folder, seed, way, texts)
    trained = time.monotonic()
    score = LOSS if carrier == CODE else REPLY_MATCHES
    p_values = {
        name: [
            rank_p(score_set(target, one, score), placed[one.id], one.ties(beacon, target.digest))
            for one in group
        ]
        for name, group in sets.items()
    }
    return {
        "seed": seed,
        "way": way,
        "messages": len(texts),
        "p_values": p_values,
        "train_seconds": round(trained - started, 1),
        "test_seconds": round(time.monotonic() - trained, 1),
    }


def _trained(folder: Path, seed: int, way: str, texts: list[str]) -> Any:  # noqa: ANN401 - extras are imported late
    from transformers import GPT2LMHeadModel

    from bench import tiny
    from troth.learning.targets.local import Local

    model = GPT2LMHeadModel.from_pretrained(base(folder / "base"), local_files_only=True)
    if way == "lora":
        model = tiny.with_lora(model, seed)
    tiny.train(model, texts, epochs=2, rate=_RATES[way], seed=seed)
    return Local(tiny.save(model, folder / f"{way}-{seed}"))


def speed(folder: Path) -> float:
    """Seconds for one member's test with K = 9,999 on the base."""
    from troth.learning.targets.local import Local

    target = Local(base(folder / "base"))
    started = time.monotonic()
    score_set(target, new_set(0, "speed", CODE, 10_000), LOSS)
    return time.monotonic() - started


def write_curve(runs: list[dict[str, Any]], candidates: int) -> None:
    """The p-values by number of messages, for plans that have no calibration of their own."""
    found = {
        count: [round(p, 6) for one in runs for p in one["p_values"][name]] for name, _, count in _GROUPS
    }
    CURVE.write_text(json.dumps({"candidates": candidates, "calibration": found}) + "\n", encoding="utf-8")


def table(runs: list[dict[str, Any]]) -> str:
    """One line for each way and group."""
    lines = ["| trained | group | seeds | sets below 5% | median p of the class | worst p of the class |"]
    lines.append("|---|---|---|---|---|---|")
    for way in dict.fromkeys(one["way"] for one in runs):
        of_way = [one for one in runs if one["way"] == way]
        for name in of_way[0]["p_values"]:
            found = [one["p_values"][name] for one in of_way]
            sets = [p for group in found for p in group]
            whole = sorted(fisher(group) for group in found)
            share = sum(p <= _LEVEL for p in sets) / len(sets)
            lines.append(
                f"| {way} | {name} | {len(found)} | {share:.2f} of {len(sets)} "
                f"| {whole[len(whole) // 2]:.1e} | {whole[-1]:.1e} |"
            )
    return "\n".join(lines)


_GROUPS = [("30 members x 4", 30, 4), ("30 members x 16", 30, 16), ("members x 32", 2, 32)]
_REPLY_GROUPS = [("members x 32", 3, 32), ("members x 64", 3, 64)]


@click.command()
@click.option("--seeds", default=10, show_default=True)
@click.option("--candidates", default=60, show_default=True, help="Of each set; K + 1.")
@click.option("--folder", type=click.Path(path_type=Path), default=Path(".bench/evidence"), show_default=True)
@click.option("--what", default="power,reply,speed", show_default=True)
@click.option("--ways", default="full,lora", show_default=True, help="Of training, for power.")
@click.option("--threads", default=1, show_default=True)
def main(seeds: int, candidates: int, folder: Path, what: str, ways: str, threads: int) -> None:
    """Measure power and speed, print tables, and write them to bench/results."""
    import torch

    torch.set_num_threads(threads)
    folder.mkdir(parents=True, exist_ok=True)
    day = datetime.now(UTC).date().isoformat()
    for part in what.split(","):
        found, text = _part(part, seeds, candidates, folder, ways.split(","))
        record = {"machine": measure.machine(), "threads": threads, "candidates": candidates, "found": found}
        asked = f"--seeds {seeds} --candidates {candidates} --what {part} --threads {threads}"
        command = f"python -m bench.evidence {asked}"
        head = f"# Evidence, {part}, {day}\n\nMade by `{command}` on: {json.dumps(record['machine'])}\n\n"
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{day}-evidence-{part}.md").write_text(head + text + "\n", encoding="utf-8")
        (RESULTS / f"{day}-evidence-{part}.json").write_text(json.dumps(record) + "\n", encoding="utf-8")
        click.echo(text)


def _part(part: str, seeds: int, candidates: int, folder: Path, asked: list[str]) -> tuple[Any, str]:
    if part == "speed":
        seconds = round(speed(folder), 1)
        return seconds, f"A member's test with K = 9,999 on the tiny model: {seconds} s"
    carrier = REPLY if part == "reply" else CODE
    groups = {"power": _GROUPS, "reply": _REPLY_GROUPS}[part]
    first, ways = {"power": (1, asked), "reply": (101, ["full"])}[part]
    found = []
    for seed, way in ((seed, way) for seed in range(first, first + seeds) for way in ways):
        # What is there already is not made again: a long run goes on where it stopped.
        kept = folder / f"{part}-{way}-{seed}-{candidates}.json"
        if not kept.is_file():
            kept.write_text(json.dumps(run(folder, seed, way, groups, carrier=carrier, size=candidates)))
        found.append(_said(json.loads(kept.read_text())))
    if part == "power":
        write_curve([one for one in found if one["way"] == "full"], candidates)
    return found, table(found)


def _said(found: dict[str, Any]) -> dict[str, Any]:
    click.echo(
        f"{found['way']} {found['seed']}: {found['messages']} messages, {found['train_seconds']} s to train, "
        f"{found['test_seconds']} s to test; "
        + ", ".join(f"{name} {fisher(p):.1e}" for name, p in found["p_values"].items()),
        err=True,
    )
    return found


if __name__ == "__main__":
    main()
