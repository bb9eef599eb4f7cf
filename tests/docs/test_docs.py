"""The documentation says what the code does: pages are run, references regenerated, links followed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from docs import generate
from tests.docs.pages import (
    GUIDES,
    PAGES,
    blocks,
    call,
    commands,
    difference,
    excerpt_matches,
    run_page,
)
from tests.support import ROOT
from troth.core.manifest import Manifest, build_statement
from troth.core.values import Use
from troth.intake import mapping

README = ROOT / "README.md"
HF_GUIDES = [page for page in GUIDES if any(block.marks.get("needs") == "hf" for block in blocks(page))]
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
# Folders of one machine, written so that this file does not hold such a name itself.
_MACHINE_PATH = re.compile(r"(?<![\w.])/(?:work|tmp|root|home/\w+|Users|mnt)(?=/|\b)")


def _name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", GUIDES, ids=_name)
def test_what_a_page_shows_happens(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TROTH_HOME", raising=False)
    run_page(page, tmp_path, frozenset())


@pytest.mark.needs_hf
@pytest.mark.parametrize("page", HF_GUIDES, ids=_name)
def test_what_a_page_shows_of_the_hf_extra_happens(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TROTH_HOME", raising=False)
    run_page(page, tmp_path, frozenset({"hf"}))


@pytest.mark.parametrize("path", generate.PAGES)
def test_references_are_what_the_code_says(path: str) -> None:
    assert (ROOT / path).read_text("utf-8") == generate.PAGES[path](), "run: python -m docs.generate"


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in _LINK.findall(page.read_text("utf-8")):
        if "://" in target or target.startswith("mailto:"):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{_name(page)}: {target} leads nowhere"
        if anchor:
            assert anchor in _anchors(there), f"{_name(page)}: {target}: no such heading"


def _anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as code hosts make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=_name)
def test_no_page_names_a_folder_of_one_machine(page: Path) -> None:
    assert _MACHINE_PATH.search(page.read_text("utf-8")) is None


def test_every_guide_is_linked_from_the_readme() -> None:
    linked = set(_LINK.findall(README.read_text("utf-8")))
    wanted = {_name(page) for page in GUIDES if page != README}
    wanted |= {page for page in generate.PAGES if page.endswith(".md")}
    assert wanted <= linked, f"not linked: {wanted - linked}"


def test_the_reference_names_every_field_of_a_manifest() -> None:
    manifest = Manifest(
        release="r", use=Use("improve", "operator"), at=0, settings_as_of=0, created_at=0, engine={},
        verdicts={}, first_reasons={}, all_reasons={}, any_party_rule_would_allow=0, rows=0, members=0,
        row_root="", row_salts="derived", terms=(), inputs=(), files=(),
    )  # fmt: skip
    page = (ROOT / "docs/reference/files.md").read_text("utf-8")
    section = page.partition("### Manifest")[2].partition("###")[0]
    described = {
        name
        for line in section.splitlines()
        if line.startswith("| `")
        for name in re.findall("`([a-z_]+)`", line.split("|")[1])
    }
    assert described == set(json.loads(build_statement(manifest))["predicate"])


def test_the_guide_to_tables_names_every_key_of_a_mapping() -> None:
    page = (ROOT / "docs/how-to/tables.md").read_text("utf-8")
    section = page.partition("## All keys")[2].partition("## ")[0]
    described = {line.split("`")[1] for line in section.splitlines() if line.startswith("| `")}
    # The module's own docstring is the list that whoever adds a key extends.
    written = {line.partition(":")[0] for line in (mapping.__doc__ or "").splitlines()[2:] if line}
    assert described == written


@pytest.mark.long
def test_the_excerpt_is_of_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shown = [
        command
        for block in blocks(README)
        if block.language == "console"
        for command in commands(block)
        if command.text == "make demo"
    ]
    assert shown
    status, printed = call("troth demo")
    assert status == 0
    for command in shown:
        wrong = excerpt_matches([line for line in command.output if line.strip()], printed)
        assert wrong is None, wrong


def test_differing_output_is_noticed() -> None:
    printed = "a\tb\n\nc 1 d\ne\n"
    assert difference(["a  b", "c … d", "e"], printed) is None
    assert difference(["a b", "…"], printed) is None
    assert difference(["a b", "e"], printed)
    assert difference(["a b", "c 2 d", "e"], printed)
    assert excerpt_matches(["c 1 d"], printed) is None
    assert excerpt_matches(["a b", "e"], printed)
