"""The estimate of machine-written text, tried on real mail and on what a small model wrote after its first words.

    python -m bench.ai_written MODEL.gguf MAIL.jsonl.gz

Human texts: the first words of messages of a public mail archive from before such models were made. Machine texts:
the same model's own continuations of the beginnings of other messages, at temperature 1. The scoring model is the
writing model, and it may not stop early: the easiest case, so a bound from above on what to expect.
"""

from __future__ import annotations

import gzip
import json
import sys
import time
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from troth.learning.ai_written import SCORE, Labelled, calibrate, curvature
from troth.learning.targets.local import Local

RESULTS = Path(__file__).with_name("results")
WORDS, BEGINNING, TOKENS = 60, 12, 96
KNOWN, MIXED = 44, {"human": 45, "machine": 15}
_NEW = 112
_BATCH = 24
_OF_A_BOX = 80


def human_texts(mail: Path, count: int) -> list[str]:
    """The beginnings of messages that are long enough, no mailbox too often, in an order by a seed."""
    found: list[str] = []
    taken: dict[str, int] = {}
    with gzip.open(mail, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    for at in np.random.default_rng(1).permutation(len(rows)):
        row = rows[at]
        words = row["body"].split()
        box = row["mailbox"]
        # Not what is passed on, and no tables.
        letters = sum(one.isalpha() for one in row["body"]) > 0.7 * len(row["body"])
        fits = len(words) >= WORDS + BEGINNING and letters and "Forwarded" not in row["body"]
        if fits and taken.setdefault(box, 0) < _OF_A_BOX:
            taken[box] += 1
            found.append(" ".join(words[: WORDS + BEGINNING]))
    return list(islice(dict.fromkeys(found), count))


def machine_texts(model: Local, beginnings: list[str], count: int) -> list[str]:
    """What the model writes after beginnings; without them."""
    inner: Any = model._model
    words: Any = model._tokenizer
    words.pad_token = words.pad_token or words.eos_token
    words.padding_side = "left"
    found: list[str] = []
    torch.manual_seed(1)
    for at in range(0, len(beginnings), _BATCH):
        given = words(beginnings[at : at + _BATCH], return_tensors="pt", padding=True)
        with torch.inference_mode():
            written = inner.generate(
                **given,
                do_sample=True,
                top_k=0,
                top_p=1.0,
                temperature=1.0,
                max_new_tokens=_NEW,
                min_new_tokens=_NEW,
            )
        texts = words.batch_decode(written[:, given["input_ids"].shape[1] :], skip_special_tokens=True)
        found += [" ".join(text.split()[:WORDS]) for text in texts if len(text.split()) >= WORDS]
        sys.stderr.write(f"written {len(found)}\n")
        if len(found) >= count:
            break
    return found[:count]


def main() -> None:
    """Run once; write the figures into ``bench/results``."""
    torch.set_num_threads(1)
    started = time.process_time()
    model = Local(Path(sys.argv[1]))
    wanted = KNOWN + MIXED["human"]
    beginnings = human_texts(Path(sys.argv[2]), wanted + 3 * (KNOWN + MIXED["machine"]))
    human = [" ".join(text.split()[BEGINNING:]) for text in beginnings[:wanted]]
    firsts = [" ".join(text.split()[:BEGINNING]) for text in beginnings[wanted:]]
    machine = machine_texts(model, firsts, KNOWN + MIXED["machine"])

    def scores(texts: list[str]) -> list[float]:
        return [curvature(*model.token_scores(text, TOKENS)) for text in texts]

    known = scores(human[:KNOWN]), scores(machine[:KNOWN])
    sys.stderr.write("scored the known ones\n")
    rest = scores(human[KNOWN:]), scores(machine[KNOWN:])
    halves = [Labelled(known[0][at::2], known[1][at::2]) for at in range(2)]
    detector = calibrate(halves[0], halves[1])
    result = {
        "score": SCORE,
        "model": Path(sys.argv[1]).name,
        "words_of_a_text": WORDS,
        "texts_of_known_origin": {"human": len(known[0]), "machine": len(known[1])},
        "detector": detector.as_json(),
        "mean_score": {
            "human": round(float(np.mean(known[0])), 3),
            "machine": round(float(np.mean(known[1])), 3),
        },
        "mixed_texts": {"human": len(rest[0]), "machine": len(rest[1])},
        "true_share": round(len(rest[1]) / (len(rest[0]) + len(rest[1])), 4),
        "estimated_share": detector.share([*rest[0], *rest[1]]).as_json(),
        "of_the_human_ones_alone": detector.share(rest[0]).as_json(),
        "cpu_seconds": round(time.process_time() - started),
        "circumstances": "one thread, on a shared machine with two cores",
    }
    text = json.dumps(result, indent=1) + "\n"
    (RESULTS / f"{datetime.now(UTC):%Y-%m-%d}-ai-written.json").write_text(text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
