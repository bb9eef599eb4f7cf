"""The commands on machine-written text, with a tiny model: its own samples are the machine text."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.running import done, refused
from troth.app import ai_written, topics
from troth.app.home import open_home

pytestmark = pytest.mark.needs_hf

WORDS = 8
MACHINE, HUMAN, POSTS = 60, 80, 60
SHARE = 0.3

EVENTS = """
- terms: policy
  kind: privacy_policy
  version: "1"
  published_at: 2024-01-01
  effective_at: 2024-01-01
  clauses:
    - {id: train, effect: permit, purposes: [train], categories: [post], recipients: [operator]}
    - {id: ai, effect: forbid, purposes: [train], categories: ["topic:ai_written"], recipients: [any]}
- regime: {jurisdictions: [US], regime: terms}
- {subject: ann, since: 2024-01-01, jurisdiction: US, born: 1980}
"""


def _text(letters: str, dice: random.Random) -> str:
    return " ".join("".join(dice.choices(letters, k=dice.randint(2, 5))) for _ in range(20))


def _learned(folder: Path) -> list[str]:
    """Train a tiny model a little, on words of few letters; then have it write."""
    import torch

    from troth.learning.lora.tiny import make_base, pretrain
    from troth.learning.targets.local import Local

    dice = random.Random(1)
    make_base(folder, width=48, layers=1, length=192)
    pretrain(folder, [_text("aeioubdlmnrst", dice) for _ in range(60)], steps=100, batch=8, length=64)
    model: Any = Local(folder)._model
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        torch.manual_seed(1)
        rows = torch.full((MACHINE + POSTS, 1), model.config.eos_token_id)
        written = model.generate(
            input_ids=rows, attention_mask=torch.ones_like(rows), do_sample=True, top_k=0,
            max_new_tokens=100, min_new_tokens=100, pad_token_id=0,
        )  # fmt: skip
    tokenizer = Local(folder)._tokenizer
    texts = [tokenizer.decode(row[1:], skip_special_tokens=True) for row in written]
    whole = [" ".join(text.split()) for text in texts]
    return [text for text in whole if len(text.split()) >= WORDS][: MACHINE + int(SHARE * POSTS)]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # so little work is slower on several
    folder = tmp_path_factory.mktemp("written")
    dice = random.Random(2)
    machine = _learned(folder / "tiny")
    human = [_text("aeioukpqvwxyz", dice) for _ in range(HUMAN)]
    (folder / "human.txt").write_text("\n".join([*human, "too short"]))
    (folder / "machine.jsonl").write_text(
        "".join(json.dumps({"body": one}) + "\n" for one in machine[:MACHINE])
    )
    bodies = [*machine[MACHINE:], *(_text("aeioukpqvwxyz", dice) for _ in range(int((1 - SHARE) * POSTS)))]
    rows = [
        {
            "id": f"p{at:03}",
            "category": "post",
            "created_at": f"2024-{2 + at % 2:02}-01",
            "author": "ann",
            "body": body,
        }
        for at, body in enumerate([*bodies, "Short."])
    ]
    (folder / "posts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "events.yaml").write_text(EVENTS)
    home = folder / "home"
    done("init", home=home)
    done("record", folder / "events.yaml", home=home)
    done("import", "table", folder / "posts.jsonl", home=home)
    _release(folder, "first")
    yield folder
    torch.set_num_threads(threads)


def _release(folder: Path, name: str) -> int:
    asked = ("--purpose", "train.generative", "--recipient", "operator", "--at", "2024-06-01")
    ran = done("release", "build", *asked, "--out", folder / name, "--json", home=folder / "home")
    return int(ran.json["rows"])


def _options(folder: Path) -> tuple[object, ...]:
    known = "--human", folder / "human.txt", "--machine", folder / "machine.jsonl"
    return "--model", folder / "tiny", *known, "--words", WORDS


def test_the_share_of_a_release(here: Path) -> None:
    found = done("ai-written", "share", here / "first", *_options(here), "--json").json
    assert (found["long_texts"], found["read"]) == (POSTS, POSTS)
    assert found["share"]["low"] <= SHARE <= found["share"]["high"]
    assert found["share"]["high"] - found["share"]["low"] < 0.4
    assert [(one["month"], one["read"]) for one in found["months"]] == [("2024-02", 30), ("2024-03", 30)]
    assert found["detector"]["auc"]["low"] > 0.5
    assert found["texts_of_known_origin"] == {"human": HUMAN, "machine": MACHINE, "too_short_or_twice": 1}
    assert "Of a single text nothing follows" in found["says"]

    some = done("ai-written", "share", here / "first", *_options(here), "--most", 40)
    assert f"of {POSTS} long texts" in some.out
    assert "(40 of them were read)" in some.out
    assert "Of a single text nothing follows" in some.out


def test_marks_are_left_out_kept_and_dropped(here: Path) -> None:
    home = here / "home"
    rate = ("--false-positives", 0.05)
    found = done("ai-written", "mark", *_options(here), *rate, "--json", home=home).json
    assert (found["looked_at"], found["topic"], found["false_positive_rate"]) == (
        POSTS,
        "topic:ai_written",
        0.05,
    )
    assert SHARE * POSTS / 2 <= found["marked"] <= SHARE * POSTS * 1.5
    assert _release(here, "without") == POSTS + 1 - found["marked"]
    # The lexicon's own search leaves them as they are.
    done("topics", "find", "--topic", "health", home=home)
    assert topics.counts(open_home(str(home))) == {"ai_written": found["marked"]}
    done("ai-written", "unmark", home=home)
    assert topics.counts(open_home(str(home))) == {}
    assert _release(here, "again") == POSTS + 1


def test_what_cannot_be_answered_is_refused(here: Path, tmp_path: Path) -> None:
    model = "--model", here / "tiny"
    human, machine = here / "human.txt", here / "machine.jsonl"
    wanted = "ai-written", "share", here / "first", *model, "--words", WORDS
    refused(*wanted, "--human", human, "--machine", human, says="stand in both files")
    odd = [line for at, line in enumerate(human.read_text().splitlines()) if at % 2]
    (tmp_path / "odd.txt").write_text("\n".join(odd))
    (tmp_path / "even.txt").write_text("\n".join(sorted({*human.read_text().splitlines()} - {*odd})))
    alike = "--human", tmp_path / "odd.txt", "--machine", tmp_path / "even.txt"
    refused(*wanted, *alike, status=1, says="does not tell these human and machine texts apart")
    (tmp_path / "few.txt").write_text("\n".join(odd[:10]))
    refused(
        *wanted, "--human", tmp_path / "few.txt", "--machine", machine, says="too few texts of known origin"
    )
    refused(
        "ai-written", "mark", *_options(here), "--false-positives", 0.001, home=here / "home",
        says=f"{HUMAN} human texts do not show a false-positive rate of 0.001",
    )  # fmt: skip
    nowhere = "--model", tmp_path, "--human", human, "--machine", machine
    refused("ai-written", "share", here / "first", *nowhere, says="holds no model")
    assert ai_written.WORDS == 100
