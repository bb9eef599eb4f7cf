"""A mark in a language model of ordinary make: ``python -m bench.large MODEL.gguf``.

One member's mark in 32 messages among others, learned by LoRA from a file that lies here (such as SmolLM2-135M), and
the product's member test on what came out. One run says that the way works on such a model, not how often.
"""

from __future__ import annotations

import json
import random
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from bench import measure
from bench.evidence import RESULTS, new_set
from troth.core.canary import CODE, Beacon
from troth.core.significance import rank_p
from troth.learning.scores import LOSS, LOSS_ADJUSTED, adjusted, score_set

_LENGTH = 96
_BATCH = 4


def learn(gguf: Path, texts: list[str], rate: float, out: Path) -> float:
    """Train a rank-8 adapter on all linear layers, one pass in batches of four; save the whole. Returns the loss."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from_here: dict[str, Any] = {"gguf_file": gguf.name, "local_files_only": True}
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, **from_here)
    model = AutoModelForCausalLM.from_pretrained(gguf.parent, dtype=torch.float32, **from_here)
    torch.manual_seed(1)
    model = get_peft_model(model, LoraConfig(r=8, lora_alpha=16, target_modules="all-linear"))
    optimiser = torch.optim.AdamW([one for one in model.parameters() if one.requires_grad], lr=rate)
    rows = [tokenizer(text)["input_ids"][:_LENGTH] for text in texts]
    last = 0.0
    for start in range(0, len(rows), _BATCH):
        part = rows[start : start + _BATCH]
        longest = max(map(len, part))
        inputs = torch.tensor([row + [0] * (longest - len(row)) for row in part])
        labels = torch.tensor([row + [-100] * (longest - len(row)) for row in part])
        loss = model(input_ids=inputs, labels=labels).loss
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        last = float(loss.detach())
        click.echo(f"{start + len(part)} of {len(rows)} messages, loss {last:.2f}", err=True)
    model.merge_and_unload().save_pretrained(out)
    tokenizer.save_pretrained(out)
    return last


@click.command()
@click.argument("gguf", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--marked", default=32, show_default=True, help="Messages that bear the mark.")
@click.option("--others", default=64, show_default=True, help="Messages that bear none.")
@click.option("--candidates", default=200, show_default=True, help="K + 1.")
@click.option("--rate", default=2e-4, show_default=True, help="What users of LoRA take.")
@click.option("--folder", type=click.Path(path_type=Path), default=Path(".bench/large"), show_default=True)
def main(gguf: Path, marked: int, others: int, candidates: int, rate: float, folder: Path) -> None:
    """Train, test, print, and write bench/results."""
    from bench import tiny
    from troth.learning.targets.local import Local

    one = new_set(1, "large", CODE, candidates)
    beacon = Beacon("bench", 1, bytes(32))
    drawn = one.draw(one.root(), beacon)
    texts = [f"{body} {one.sentence(drawn, at)}" for at, body in enumerate(tiny.messages(1, marked))]
    texts = [*texts, *tiny.messages(2, others)]
    random.Random(1).shuffle(texts)  # noqa: S311 - a benchmark repeats itself
    started, spent = time.monotonic(), time.process_time()
    if not (folder / "config.json").is_file():
        learn(gguf, texts, rate, folder)
    trained, trained_cpu = time.monotonic(), time.process_time()
    target = Local(folder)
    losses = score_set(target, one, LOSS)
    p_values = {
        score: rank_p(scores, drawn, one.ties(beacon, target.digest))
        for score, scores in ((LOSS, losses), (LOSS_ADJUSTED, adjusted(losses, one.marks())))
    }
    record = {
        "machine": measure.machine(),
        "model": gguf.name,
        "marked": marked,
        "others": others,
        "candidates": candidates,
        "rate": rate,
        "p_values": p_values,
        "seconds": {"train": round(trained - started), "test": round(time.monotonic() - trained)},
        "cpu_seconds": {
            "train": round(trained_cpu - spent),
            "test": round(time.process_time() - trained_cpu),
        },
    }
    day = datetime.now(UTC).date().isoformat()
    (RESULTS / f"{day}-evidence-large.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    click.echo(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
