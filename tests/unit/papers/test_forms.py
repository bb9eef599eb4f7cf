"""Papers as files: equal bytes, validators of others, earlier versions, erased entries."""

from __future__ import annotations

import importlib.resources
import importlib.util
import io
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support import require
from tests.unit.papers.conftest import World
from troth.app import papers, people
from troth.core.errors import BadInput
from troth.core.events import Consent, Objection, Withdraw
from troth.papers.paper import Behind, Field, difference, paper_bytes
from troth.papers.render import html, pdf

KINDS = {
    "ai-act": "autocomplete",
    "ab2013": "autocomplete",
    "model-card": "autocomplete",
    "art30": "train.generative",
}


def of(world: World, kind: str) -> str:
    return KINDS.get(kind) or (str(world.release) if kind == "croissant" else world.member)


@pytest.fixture
def typst() -> None:
    require(importlib.util.find_spec("typst"), "the papers extra (typst)")


@pytest.mark.usefixtures("typst")
@pytest.mark.parametrize("kind", papers.KINDS)
def test_same_position_same_bytes(world: World, kind: str) -> None:
    position = world.home.position
    first = papers.make(world.home, kind, of(world, kind), position, (world.release,)).as_json()
    world.home.append([Objection("somebody-else", 10)])
    again = papers.make(world.home, kind, of(world, kind), position, (world.release,)).as_json()
    assert paper_bytes(again) == paper_bytes(first)
    assert html(again) == html(first)
    assert pdf(again) == pdf(first)
    later = papers.make(world.home, kind, of(world, kind), None, (world.release,)).as_json()
    assert later["ledger"] != first["ledger"]


def members_with(world: World, *kinds: type) -> str:
    known, _ = world.home.known()
    for name, history in known.members.items():
        if all(any(isinstance(event, kind) for _, event in history) for kind in kinds):
            return name
    pytest.fail("the network has no such member")


# pySHACL 0.40 asks rdflib 7 for a class of its old name.
@pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning")
@pytest.mark.parametrize("kind", ["consent-record", "consent-receipt"])
def test_shacl_accepts_consent_records(world: World, kind: str) -> None:
    require(importlib.util.find_spec("pyshacl"), "the validators extra (pyshacl)")
    import pyshacl
    import rdflib

    shapes = rdflib.Graph().parse(str(importlib.resources.files("troth.papers").joinpath("shapes.ttl")))
    for name in (members_with(world, Consent, Withdraw), members_with(world, Objection)):
        document = papers.make(world.home, kind, name).document
        graph = rdflib.Graph().parse(data=json.dumps(document), format="json-ld")
        assert len(graph) > 3
        conforms, _, report = pyshacl.validate(graph, shacl_graph=shapes)
        assert conforms, report
    # The shapes can fail: a record without the person, and an opt-out that calls itself a consent.
    document = papers.make(world.home, kind, members_with(world, Consent)).document
    assert document is not None
    text = json.dumps(document)
    nobody = text.replace('"dpv:hasDataSubject"', '"troth:nobody"')
    never = text.replace('"dpv:isIndicatedAtTime"', '"troth:never"')
    for spoiled in (nobody, never):
        graph = rdflib.Graph().parse(data=spoiled, format="json-ld")
        assert not pyshacl.validate(graph, shacl_graph=shapes)[0]


@pytest.mark.filterwarnings("ignore")
def test_mlcroissant_accepts_and_loads(world: World, tmp_path: Path) -> None:
    require(importlib.util.find_spec("mlcroissant"), "the validators extra (mlcroissant)")
    import mlcroissant

    paper = papers.make(world.home, "croissant", str(world.release))
    shutil.copytree(world.release / "data", tmp_path / "data")
    (tmp_path / "croissant.json").write_text(json.dumps(paper.document))
    found = mlcroissant.Dataset(jsonld=tmp_path / "croissant.json")
    assert not found.metadata.ctx.issues.errors
    rows = next(one.value for one in paper.fields if one.key == "rows")
    loaded = list(found.records("records"))
    assert len(loaded) == rows
    assert all(one["records/id"] for one in loaded)


@pytest.mark.usefixtures("typst")
@pytest.mark.parametrize("tool", ["qpdf", "pdfinfo", "pypdf"])
def test_pdf_readers_accept(world: World, tmp_path: Path, tool: str) -> None:
    data = pdf(papers.make(world.home, "ai-act", "autocomplete").as_json())
    path = tmp_path / "paper.pdf"
    path.write_bytes(data)
    if tool == "pypdf":
        require(importlib.util.find_spec("pypdf"), "pypdf")
        import pypdf

        text = "".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(data), strict=True).pages)
        assert "Art. 53(1)(d)" in text
        return
    require(shutil.which(tool), tool)
    arguments = [tool, "--check", str(path)] if tool == "qpdf" else [tool, str(path)]
    assert subprocess.run(arguments, capture_output=True, check=False).returncode == 0


@pytest.mark.usefixtures("typst")
def test_hostile_text_is_text(world: World) -> None:
    paper = papers.make(world.home, "ai-act", "autocomplete").as_json()
    paper["title"] = '<script>alert(1)</script> #panic("x") $ \\ ' + "x" * 300
    assert "<script>" not in html(paper)
    assert pdf(paper).startswith(b"%PDF")


def test_differences_name_the_fields(world: World) -> None:
    position = world.home.position
    scope = {"purposes": ["train.generative"], "categories": ["post"], "recipients": ["operator"]}
    consent = {"id": f"c-{position}", "subject": world.member, **scope, "at": "2025-12-02"}
    world.home.record([{"consent": consent}])
    old = papers.earlier(world.home, str(position), "consent-record", world.member, ())
    new = papers.make(world.home, "consent-record", world.member).as_json()
    changed = {one.key for one in difference(old, new)}
    assert f"c-{position}.state" in changed
    assert all(one.startswith((f"c-{position}.", "none")) for one in changed)
    assert difference(new, new) == []
    assert "What changed" in html(new, old)


def test_another_paper_is_no_earlier_version(world: World, tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    path.write_bytes(paper_bytes(papers.make(world.home, "ab2013", "autocomplete").as_json()))
    with pytest.raises(BadInput, match="not ai-act"):
        papers.earlier(world.home, str(path), "ai-act", "autocomplete", ())
    path.write_text("{}")
    with pytest.raises(BadInput, match="no paper"):
        papers.earlier(world.home, str(path), "ai-act", "autocomplete", ())


def test_figures_on_erased_entries_are_named(world: World) -> None:
    name = members_with(world, Consent)
    position = world.home.position
    before = papers.make(world.home, "art30", "train.generative", position).as_json()
    gone = [at for at, _ in world.home.known(None, [name])[0].member(name)]
    people.erase(world.home, name, None, bodies=True)
    after = dict[str, Any](papers.make(world.home, "art30", "train.generative", position).as_json())
    assert before["rests_on_erased"] == []
    assert after["rests_on_erased"] == ["c.members", "c.places", "c.tiers"]
    assert after["ledger"] == before["ledger"]
    text = json.dumps(after)
    assert '"rests_on_erased"' in text
    field = next(
        one for section in after["sections"] for one in section["fields"] if one["key"] == "c.members"
    )
    named = {at for first, last in field["rests_on_erased"]["ranges"] for at in range(first, last + 1)}
    assert set(gone) <= named
    assert "Rests on erased entries" in html(after)


def test_a_field_has_a_value_or_a_reason() -> None:
    with pytest.raises(ValueError, match="either"):
        Field("a", "A")
    with pytest.raises(ValueError, match="either"):
        Field("a", "A", value=1, blank="no")


def test_many_positions_become_a_digest() -> None:
    few = Behind.of([5, 3, 4, 9, 9])
    assert few.as_json() == {"count": 4, "ranges": [[3, 5], [9, 9]]}
    many = Behind.of(range(0, 5_000, 2)).as_json()
    assert many["count"] == 2_500
    assert len(str(many["sha256"])) == 64
    assert Behind.of([]).as_json() == {"count": 0, "ranges": []}


@pytest.mark.parametrize("kind", papers.KINDS)
def test_nothing_of_that_name(world: World, kind: str) -> None:
    with pytest.raises(BadInput):
        papers.make(world.home, kind, "no such thing")
