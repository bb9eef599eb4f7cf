"""A small home of the reference network with releases and a model, made once."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import pytest

import troth
from troth.core.decide import decide
from troth.core.values import Record
from troth_network import pipelines
from troth_network.days import SUIT, TODAY, iso
from troth_network.network import Network, build


@dataclass(frozen=True)
class World:
    home: troth.Home
    network: Network
    folder: Path
    release: Path
    past: Path
    claim: Path
    member: str
    verdicts: dict[str, int]
    reasons: dict[str, int]


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("papers")
    network = build(220, 1_500, 3)
    home = troth.init(folder / "home")
    home.record(network.events)
    home.import_records(network.table())
    use = troth.Use("train.generative", recipient="operator")
    home.release(use, at=iso(TODAY), out=folder / "operator")
    known, _ = home.known()
    decided = [
        decide(
            Record(
                one.id,
                one.category,
                one.created_at,
                one.author,
                tuple(one.addressees),
                tuple(one.topics),
                one.deleted_at,
            ),
            use,
            TODAY,
            known,
        )
        for one in network.records
    ]
    verdicts = Counter(one.verdict for one in decided)
    reasons = Counter(one.reason.text for one in decided if one.reason is not None)
    home.train([folder / "operator"], "autocomplete")
    past = folder / "past.csv"
    with past.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("record", "recipient", "purpose", "at", "evidence", "confidence"))
        for one in pipelines.as_alleged(network, SUIT):
            for to in pipelines.RECIPIENTS[1:]:
                writer.writerow(
                    (one.record.id, to, "train.generative", iso(one.at), "transfer log", "certain")
                )
    rows = [row for batch in troth.load(folder / "operator") for row in batch["author"].to_pylist()]
    scope = {"purposes": ["train.generative"], "categories": ["post"], "recipients": ["operator"]}
    home.record(
        [
            {"consent": {"id": "given", "subject": "m00007", **scope, "at": "2025-12-01"}},
            {"withdraw": {"consent": "given", "subject": "m00007", "at": "2025-12-02"}},
        ]
    )
    claim = Path(str(files("troth.papers").joinpath("claim.yaml")))
    return World(home, network, folder, folder / "operator", past, claim, min(rows), verdicts, reasons)
