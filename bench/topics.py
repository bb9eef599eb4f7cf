"""Precision and recall of what finds topics, on labelled samples made from templates by a seed.

    python -m bench.topics                    the test sample; writes bench/results
    python -m bench.topics --model DIR        the same, and a model beside the lexicon (zero-shot)
    python -m bench.topics --dev              the sample that the lexicon was made with, and what it misses there

The sentences of the two samples (``topics_sample``) are different ones. Those of the test sample were written by
somebody who had not seen the lexicon; it was measured on them once and not changed after. Earlier test samples
became part of the development sample. All are in the tone of professional messages: on real mail expect less.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Callable, Sequence
from math import sqrt
from pathlib import Path

from ruamel.yaml import YAML

from troth.intake.topics import NAMES, VERSION, find_topics

MIXED = 0.2
"""The share of texts that speak of a second topic."""
NEARLY = 0.5
"""The share of texts without a topic that come near one."""

PEOPLE = "Priya Marek Lena Tom Aisha Jonas Mei Carlos Ines Ravi".split()
PLACES = "Lisbon Austin Leeds Oslo Nairobi Toronto Gdansk Lyon".split()
FIRMS = "Northwind,Fabrikam,Globex,the agency,the new place,their group".split(",")

FILLERS = [
    "Hope the week is treating you well.",
    "It was good to see you in {place}.",
    "Could you send me the slides from Tuesday?",
    "The train from {place} was late again.",
    "Let me know which day suits you.",
    "I copied {person} so that everybody knows.",
    "The weather in {place} has been lovely.",
    "See the attached spreadsheet for the numbers.",
    "We should plan the workshop soon.",
    "Talk soon, and say hello to {person}.",
]

FOLDER = Path(__file__).parent / "topics_sample"
NEAR = "none"
"""The sentences of no topic, though their words come near one."""


def templates(name: str) -> tuple[dict[str, list[str]], list[str]]:
    """The sentences of a sample by topic, and those of none."""
    found = YAML(typ="safe").load(FOLDER / f"{name}.yaml")
    near = found.pop(NEAR)
    return found, near


def sample(templates: dict[str, list[str]], near: Sequence[str], seed: int) -> list[tuple[str, set[str]]]:
    """Labelled texts: each topic's sentences, some together, among fillers; and as many texts without any."""
    chance = random.Random(seed)  # noqa: S311 - a sample, no secret
    found: list[tuple[str, set[str]]] = []
    for topic, sentences in templates.items():
        for sentence in sentences:
            for _ in range(20):
                said, labels = [sentence], {topic}
                if chance.random() < MIXED:
                    other = chance.choice(sorted(templates))
                    said.append(chance.choice(templates[other]))
                    labels.add(other)
                found.append((_written(said, chance), labels))
    for _ in range(len(found)):
        said = [chance.choice(near)] if chance.random() < NEARLY else []
        found.append((_written(said, chance), set()))
    return found


def _written(said: list[str], chance: random.Random) -> str:
    sentences = said + chance.sample(FILLERS, chance.randint(1, 4))
    chance.shuffle(sentences)
    return " ".join(sentences).format_map(
        {"person": chance.choice(PEOPLE), "place": chance.choice(PLACES), "firm": chance.choice(FIRMS)}
    )


def wilson(hits: int, of: int) -> tuple[float, float]:
    """The 95 % score interval of a share. Source: Wilson 1927, JASA 22, 209-212."""
    if not of:
        return 0.0, 1.0
    z = 1.959964
    share = hits / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z / (1 + z * z / of) * sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return middle - half, middle + half


Finder = Callable[[str], tuple[str, ...]]


def measure(
    texts: Sequence[tuple[str, set[str]]], templates: dict[str, list[str]], find: Finder = find_topics
) -> dict[str, dict[str, object]]:
    """Per topic: texts that have it, precision and recall with their intervals.

    Texts of one sentence are found or missed together, so the honest interval of recall is that over sentences.
    """
    answers = [(set(find(text)), labels) for text, labels in texts]
    result: dict[str, dict[str, object]] = {}
    for topic in NAMES:
        right = sum(topic in got and topic in labels for got, labels in answers)
        got_all = sum(topic in got for got, _ in answers)
        have = sum(topic in labels for _, labels in answers)
        result[topic] = {
            "texts": have,
            "precision": round(right / got_all, 3) if got_all else None,
            "precision_95": [round(one, 3) for one in wilson(right, got_all)],
            "recall": round(right / have, 3) if have else None,
            "sentences_found": f"{(found := sum(topic in find(one) for one in templates[topic]))}"
            f" of {len(templates[topic])}",
            "recall_95_over_sentences": [round(one, 3) for one in wilson(found, len(templates[topic]))],
        }
    return result


def by_sentence(
    templates: dict[str, list[str]], near: Sequence[str], find: Finder
) -> dict[str, dict[str, object]]:
    """Per topic, each sentence by itself: how many are found, and in how many of the others it is found wrongly.

    A sentence of another topic in which somebody finds this one may really speak of both; it counts as wrong.
    """
    found = {topic: [set(find(one)) for one in sentences] for topic, sentences in templates.items()}
    of_none = [set(find(one)) for one in near]
    result: dict[str, dict[str, object]] = {}
    for topic, own in found.items():
        hits = sum(topic in got for got in own)
        others = [got for name, some in found.items() if name != topic for got in some] + of_none
        wrong = sum(topic in got for got in others)
        result[topic] = {
            "recall": f"{hits} of {len(own)}",
            "recall_95": [round(one, 3) for one in wilson(hits, len(own))],
            "wrong": f"{wrong} of {len(others)}",
        }
    return result


def missed(templates: dict[str, list[str]], near: Sequence[str], find: Finder) -> list[str]:
    """The sentences that the finder gets wrong, one a line."""
    lines = [
        f"missed {topic}: {one}"
        for topic, sentences in templates.items()
        for one in sentences
        if topic not in find(one)
    ]
    return lines + [f"wrongly {find(one)}: {one}" for one in (*near, *FILLERS) if find(one)]


def _asked(model: Path) -> Finder:
    from troth.learning.targets.local import Local
    from troth.learning.zero_shot import ZeroShot, described

    asked = ZeroShot(Local(model), described(NAMES))
    known: dict[str, tuple[str, ...]] = {}

    def find(text: str) -> tuple[str, ...]:
        if text not in known:
            known[text] = asked.topics(text)
        return known[text]

    return find


def main() -> None:
    """Print the figures; with ``--dev`` also what was missed, to mend the lexicon with."""
    parser = argparse.ArgumentParser(prog="python -m bench.topics")
    parser.add_argument("--dev", action="store_true")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--write", type=Path, help="a file to write the figures to")
    asked = parser.parse_args()
    sentences, near = templates("development" if asked.dev else "test")
    texts = sample(sentences, near, 1 if asked.dev else 2)
    result: dict[str, object] = {
        "lexicon": VERSION,
        "sentences": by_sentence(sentences, near, find_topics),
        "texts": measure(texts, sentences),
    }
    if asked.model:
        find = _asked(asked.model)
        result["model"] = asked.model.name
        result["zero_shot"] = by_sentence(sentences, near, find)
        result["either"] = by_sentence(sentences, near, lambda text: (*find_topics(text), *find(text)))
    written = json.dumps(result, indent=1) + "\n"
    sys.stdout.write(written)
    if asked.write:
        asked.write.write_text(written)
    if asked.dev:
        sys.stdout.write("\n".join(missed(sentences, near, find_topics)) + "\n")


if __name__ == "__main__":
    main()
