"""``troth dossier``: the reference network's affair as papers, from an empty folder, by one command."""

from __future__ import annotations

import csv
import io
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click

from troth.cli.output import as_json, print_json

if TYPE_CHECKING:
    from troth.app.home import Home
    from troth.papers.paper import Paper
    from troth_network.network import Network
    from troth_network.pipelines import Disclosed
    from troth_network.story import Story

_CLAIM = "claim.yaml"
_NAMES = {
    "members": "Members of the class who",
    "records": "Records of a member who",
    "disclosures": "Disclosures of records of a member who",
}


@click.command()
@click.option("--members", type=click.IntRange(min=200), default=2_000, show_default=True)
@click.option("--records", type=click.IntRange(min=1_000), default=12_000, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("troth-dossier"),
    show_default=True,
)
@as_json
def dossier(members: int, records: int, seed: int, out: Path, json_: bool) -> None:
    """Write the affair of the reference network as a dossier: timeline, both pipelines, exposure under each, papers."""
    from troth.cli.demo import _make_room
    from troth_network.network import build
    from troth_network.story import Story

    _make_room(out)
    network = build(members, records, seed)
    story = Story(network, out)
    for _ in story.steps():
        pass
    written = _write(network, story, out)
    if json_:
        print_json({"dossier": str(out / "index.html"), "files": [str(one) for one in written]})
        return
    click.echo(f"The dossier: {out / 'index.html'} ({len(written)} files)")


def _write(network: Network, story: Story, out: Path) -> list[Path]:
    from troth.app import exposure, papers
    from troth.app.home import open_home
    from troth.papers import timeline
    from troth_network import pipelines
    from troth_network.days import SUIT

    home = open_home(out / "home")
    alleged = pipelines.as_alleged(network, SUIT)
    disclosed = out / "as-alleged.csv"
    papers.write_private(disclosed, _past(alleged))
    claim = out / _CLAIM
    shutil.copyfile(_shipped(), claim)
    folders = sorted(one for one in (out / "releases").iterdir() if one.is_dir())
    made: list[tuple[str, Paper]] = []
    counted = exposure.expose(
        home, claim, disclosed=(disclosed,), folders=folders, notice=out / "class-notice.csv"
    )
    promised = out / "as-promised.csv"
    papers.write_private(promised, _allowed(home, alleged))
    kept = exposure.expose(home, claim, disclosed=(promised,), folders=folders)
    exposure.bundle(home, counted, out / "exposure-as-alleged")
    exposure.bundle(home, kept, out / "exposure-as-promised")
    facts = papers.facts_of(home, None, (), folders)
    written: list[Path] = list(papers.file(timeline.timeline(facts).as_json(), out / "papers").files)
    member = story.member_who_withdraws()
    about = {"ai-act": "autocomplete", "ab2013": "autocomplete", "model-card": "autocomplete", "art30": "train.generative",
             "art15": member, "consent-record": member, "croissant": str(out / "releases" / "operator")}  # fmt: skip
    for kind, what in about.items():
        made.append((kind, papers.make(home, kind, what, None, folders)))
    for _, paper in made:
        written += papers.file(paper.as_json(), out / "papers").files
    written += [*(out / "exposure-as-alleged").iterdir(), *(out / "exposure-as-promised").iterdir()]
    index = _index(made, counted.paper, kept.paper)
    papers.write_private(out / "index.html", index.encode())
    return [out / "index.html", *written]


def _recipients() -> list[str]:
    from troth_network.pipelines import RECIPIENTS

    return [one for one in RECIPIENTS if one != "operator"]


def _past(alleged: list[Disclosed]) -> bytes:
    from troth_network.days import iso

    rows = [(one.record.id, to, iso(one.at)) for one in alleged for to in _recipients()]
    return _csv(rows, "the pipeline's transfer log, simulated", "certain")


def _allowed(home: Home, alleged: list[Disclosed]) -> bytes:
    """What of it Troth would have let out, each record asked for on the day it left."""
    import ibis

    from troth.app.decisions import open_gate, records_of
    from troth.core.values import Use
    from troth_network.days import iso
    from troth_network.pipelines import PURPOSE

    rows = []
    records = records_of(home)
    for at in sorted({one.at for one in alleged}):
        ids = ibis.memtable({"left": [one.record.id for one in alleged if one.at == at]})
        left = records.semi_join(ids, records.id == ids.left)
        for to in _recipients():
            allowed = open_gate(home, Use(PURPOSE, to), at).allowed(left).select("id").to_pyarrow()
            rows += [(name, to, iso(at)) for name in sorted(allowed["id"].to_pylist())]
    return _csv(rows, "Troth's decision as of the day the record left", "computed")


def _csv(rows: list[tuple[str, str, str]], evidence: str, confidence: str) -> bytes:
    from troth_network.pipelines import PURPOSE

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("record", "recipient", "purpose", "at", "evidence", "confidence"))
    writer.writerows((name, to, PURPOSE, at, evidence, confidence) for name, to, at in rows)
    return text.getvalue().encode()


def _shipped() -> Path:
    import importlib.resources

    return Path(str(importlib.resources.files("troth.papers").joinpath(_CLAIM)))


def _index(made: list[tuple[str, Paper]], alleged: Paper, promised: Paper) -> str:
    import importlib.resources

    from jinja2 import Environment

    source = (
        importlib.resources.files("troth.papers").joinpath("templates", "dossier.html.j2").read_text("utf-8")
    )
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    figures = []
    for one, other in zip(_figures(alleged), _figures(promised), strict=False):
        figures.append((one[0], one[1], other[1]))
    return environment.from_string(source).render(
        papers=[(kind, paper.title, paper.reader) for kind, paper in made], figures=figures
    )


def _figures(paper: Paper) -> list[tuple[str, str]]:
    """The figures of the class, in order, as text; a blank by its first words."""
    from troth.papers.claims import READINGS

    found = []
    for reading, words in READINGS.items():
        for one in paper.fields:
            name, _, key = one.key.partition(".")
            if name == reading and key in _NAMES:
                said = f"{one.value:,}" if isinstance(one.value, int) else str(one.blank).split(":")[0]
                found.append((f"{_NAMES[key]} {words}", said))
    return found
