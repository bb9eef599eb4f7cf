"""What audits see, measured: ``python -m bench.evidence --help``.

A tiny model (see ``bench.tiny``) is trained further on generated messages, some of them marked, in full and by
LoRA; the product's own sets, scores and tests are then asked. Trained models and p-values are kept in ``--folder``,
so a run that was cut off goes on where it stopped. One thread; about half an hour on an idle machine.
"""

from __future__ import annotations

import hashlib
import json
import random
import statistics
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from bench import measure
from troth.core.canary import CODE, REPLY, Beacon, CanarySet
from troth.core.significance import band, fisher, rank_p
from troth.learning.scores import LOSS, LOSS_ADJUSTED, REPLY_MATCHES, adjusted, score_set

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


class Campaign:
    """Marked and unmarked messages of a seed.

    Args:
        seed: of everything.
        groups: (name, members, messages of each, candidates of each set).
        carrier: of the sets.
    """

    def __init__(self, seed: int, groups: Sequence[Group], carrier: str) -> None:
        from bench import tiny

        self.carrier = carrier
        self.sets = {
            name: [
                new_set(seed, f"{name}-{number}".replace(" ", "-"), carrier, size)
                for number in range(members)
            ]
            for name, members, _, size in groups
        }
        chance = random.Random(seed)  # noqa: S311 - a benchmark repeats itself
        self.beacon = Beacon("bench", 1, chance.randbytes(32))
        self.placed = {
            one.id: one.draw(one.root(), self.beacon) for group in self.sets.values() for one in group
        }
        self.unmarked = tiny.messages(1_000 + seed, 200)
        self.texts = list(self.unmarked)
        for name, _, count, _ in groups:
            for one in self.sets[name]:
                bodies = tiny.messages(chance.randrange(10**9), count)
                self.texts += [
                    f"{body[:_BODY]} {one.sentence(self.placed[one.id], at)}"
                    for at, body in enumerate(bodies)
                ]

    def p_values(self, target: Any, name: str) -> dict[str, list[float]]:  # noqa: ANN401 - extras are imported late
        """The p-value of each set of a group, by score."""
        found: dict[str, list[float]] = {}
        for one in self.sets[name]:
            for score, scores in _scores(target, one).items():
                p = rank_p(scores, self.placed[one.id], one.ties(self.beacon, target.digest))
                found.setdefault(score, []).append(p)
        return found


def _scores(target: Any, one: CanarySet) -> dict[str, list[float]]:  # noqa: ANN401
    if one.carrier == REPLY:
        return {REPLY_MATCHES: score_set(target, one, REPLY_MATCHES)}
    losses = score_set(target, one, LOSS)
    return {LOSS: losses, LOSS_ADJUSTED: adjusted(losses, one.marks())}


def run(folder: Path, seed: int, way: str, groups: Sequence[Group], carrier: str) -> dict[str, Any]:
    """Train one model on marked messages and test every set; what was made before is not made again.

    Args:
        folder: work folder; holds the base, and what is kept.
        seed: of everything.
        way: ``full`` or ``lora``; ``-without``: trained without every marked message, as after exact unlearning.
        groups, carrier: see ``Campaign``.
    """
    campaign = Campaign(seed, groups, carrier)
    without = way.endswith("-without")
    texts = campaign.unmarked if without else campaign.texts
    started = time.process_time()
    target = _trained(folder / f"{carrier}-{way}-{seed}", folder, seed, way, texts)
    trained = time.process_time()
    p_values = {}
    for name, _, _, size in groups:
        kept = folder / f"{carrier}-{way}-{seed}-{name.replace(' ', '-')}-{size}.json"
        if not kept.is_file():
            kept.write_text(json.dumps(campaign.p_values(target, name)))
        p_values[name] = json.loads(kept.read_text())
    return {
        "seed": seed,
        "way": way,
        "messages": len(texts),
        "p_values": p_values,
        "train_cpu_seconds": round(trained - started, 1),
        "test_cpu_seconds": round(time.process_time() - trained, 1),
    }


def _trained(place: Path, folder: Path, seed: int, way: str, texts: list[str]) -> Any:  # noqa: ANN401 - extras are imported late
    from transformers import GPT2LMHeadModel

    from bench import tiny
    from troth.learning.targets.local import Local

    if not (place / "done").is_file():
        model = GPT2LMHeadModel.from_pretrained(base(folder / "base"), local_files_only=True)
        if way.startswith("lora"):
            model = tiny.with_lora(model, seed)
        tiny.train(model, texts, epochs=2, rate=_RATES[way.removesuffix("-without")], seed=seed)
        tiny.save(model, place)
        (place / "done").touch()
    return Local(place)


def speed(folder: Path) -> dict[str, float]:
    """Seconds for one member's test with K = 9,999 on the base: candidates made, scored and ranked."""
    from troth.learning.targets.local import Local

    target = Local(base(folder / "base"))
    started, spent = time.monotonic(), time.process_time()
    one = new_set(0, "speed", CODE, 10_000)
    rank_p(
        score_set(target, one, LOSS_ADJUSTED),
        one.draw(one.root(), Beacon("bench", 1, bytes(32))),
        lambda _: 0,
    )
    return {
        "K = 9,999 on the tiny model, wall": round(time.monotonic() - started, 1),
        "the same, of the processor": round(time.process_time() - spent, 1),
    }


def write_curve(runs: list[dict[str, Any]]) -> None:
    """The p-values by number of messages, for plans that have no calibration of their own."""
    found = {
        count: [round(p, 6) for one in runs for p in one["p_values"][name][LOSS]]
        for name, _, count, _ in _GROUPS
    }
    CURVE.write_text(json.dumps({"calibration": found}) + "\n", encoding="utf-8")


def table(runs: list[dict[str, Any]]) -> str:
    """One line for each way and group."""
    lines = [
        "| trained | group | score | seeds | sets below 5% | median p of the class | worst p of the class |"
    ]
    lines.append("|---|---|---|---|---|---|---|")
    for way in dict.fromkeys(one["way"] for one in runs):
        of_way = [one for one in runs if one["way"] == way]
        asked = [(name, score) for name, scores in of_way[0]["p_values"].items() for score in scores]
        for name, score in asked:
            found = [one["p_values"][name][score] for one in of_way]
            sets = [p for group in found for p in group]
            whole = sorted(fisher(group) for group in found)
            lines.append(
                f"| {way} | {name} | {score} | {len(found)} | {sum(p <= _LEVEL for p in sets)} of {len(sets)} "
                f"| {whole[len(whole) // 2]:.1e} | {whole[-1]:.1e} |"
            )
    return "\n".join(lines)


Group = tuple[str, int, int, int]
"""Name, members, messages of each, candidates of each set (K + 1)."""

_GROUPS = [("members x 32", 2, 32, 1_000), ("30 members x 16", 30, 16, 60), ("30 members x 4", 30, 4, 60)]
_REPLY_GROUPS = [("members x 32", 3, 32, 1_000), ("members x 64", 3, 64, 1_000)]
_PARTS = {
    "power": (1, CODE, _GROUPS),
    "reply": (101, REPLY, _REPLY_GROUPS),
    # Classes of five, many of them, on models that were trained without: the share that is found must be chance's.
    "unlearned": (201, CODE, [(f"class {number}", 5, 4, 20) for number in range(20)]),
}


@click.command()
@click.option("--seeds", default=10, show_default=True)
@click.option("--first", default=0, help="The seed to begin with; with several processes on one folder.")
@click.option("--folder", type=click.Path(path_type=Path), default=Path(".bench/evidence"), show_default=True)
@click.option("--what", default="power,reply,unlearned,speed", show_default=True)
@click.option("--ways", default="full,lora", show_default=True, help="Of training.")
@click.option("--threads", default=1, show_default=True)
def main(seeds: int, first: int, folder: Path, what: str, ways: str, threads: int) -> None:
    """Measure power and speed, print tables, and write them to bench/results."""
    import torch

    torch.set_num_threads(threads)
    folder.mkdir(parents=True, exist_ok=True)
    day = datetime.now(UTC).date().isoformat()
    for part in what.split(","):
        found, text = _part(part, range(first, first + seeds), folder, ways.split(","))
        record = {"machine": measure.machine(), "threads": threads, "found": found}
        asked = f"--seeds {seeds} --first {first} --what {part} --ways {ways} --threads {threads}"
        command = f"python -m bench.evidence {asked}"
        head = f"# Evidence, {part}, {day}\n\nMade by `{command}` on: {json.dumps(record['machine'])}\n\n"
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{day}-evidence-{part}.md").write_text(head + text + "\n", encoding="utf-8")
        (RESULTS / f"{day}-evidence-{part}.json").write_text(json.dumps(record) + "\n", encoding="utf-8")
        click.echo(text)


def _part(part: str, seeds: range, folder: Path, ways: list[str]) -> tuple[Any, str]:
    if part == "speed":
        found = speed(folder)
        return found, "\n".join(f"{what}: {seconds} s" for what, seconds in found.items())
    start, carrier, groups = _PARTS[part]
    ending = "-without" if part == "unlearned" else ""
    runs = [_said(run(folder, start + seed, way + ending, groups, carrier)) for seed in seeds for way in ways]
    if part == "power" and "full" in ways:
        write_curve([one for one in runs if one["way"] == "full"])
    return runs, uniformity(runs) if part == "unlearned" else table(runs)


def uniformity(runs: list[dict[str, Any]]) -> str:
    """How many class tests find nothing at 5% where there is nothing, and the exact band of what chance gives."""
    lines = []
    for way in dict.fromkeys(one["way"] for one in runs):
        for score in (LOSS, LOSS_ADJUSTED):
            classes = [
                group[score] for one in runs if one["way"] == way for group in one["p_values"].values()
            ]
            uniform = sum(fisher(p_values) > _LEVEL for p_values in classes)
            low, high = band(len(classes), 1 - _LEVEL, 0.99)
            lines.append(
                f"{way}, {score}: {uniform} of {len(classes)} classes of five uniform at 5% (exact 99% band of chance: "
                f"{low} to {high}); mean of all p-values {statistics.fmean(p for one in classes for p in one):.3f}"
            )
    return "\n".join(lines)


def _said(found: dict[str, Any]) -> dict[str, Any]:
    click.echo(
        f"{found['way']} {found['seed']}: {found['messages']} messages, {found['train_cpu_seconds']} s to train, "
        f"{found['test_cpu_seconds']} s to test; "
        + ", ".join(
            f"{name} {score} {fisher(p):.1e}"
            for name, scores in list(found["p_values"].items())[:3]
            for score, p in scores.items()
        ),
        err=True,
    )
    return found


if __name__ == "__main__":
    main()
