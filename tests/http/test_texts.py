"""Texts of the pages come from a catalogue: with one of another language, no English is left on them."""

from __future__ import annotations

import re
import shutil
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from tests.http.site import SETTING, served
from tests.support import ROOT, require
from troth.core.errors import BadInput
from troth.server.pages import read_texts

POT = ROOT / "src" / "troth" / "server" / "locales" / "troth.pot"
PAGES = ("/me", f"/me/settings/{SETTING}?to=off", "/me/withdraw", "/me/written", "/me/terms", "/me/notices",
         "/me/proofs", "/me/copy", "/account")  # fmt: skip


def loud(text: str) -> str:
    """A text in capitals, but for what stands for values and for markup in it."""
    parts = re.split(r"(%\(\w+\)s|\{\w+\}|<[^>]*>)", text)
    return "".join(one if at % 2 else one.upper() for at, one in enumerate(parts))


def compile_catalogue(folder: Path) -> None:
    """A catalogue in which every text is in capitals."""
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    with POT.open("rb") as file:
        catalogue = read_po(file, locale="de")
    for message in catalogue:
        if message.id:
            texts: Any = message.id
            message.string = loud(texts) if isinstance(texts, str) else tuple(map(loud, texts))
    written = BytesIO()
    write_mo(written, catalogue, use_fuzzy=True)
    target = folder / "de" / "LC_MESSAGES"
    target.mkdir(parents=True)
    (target / "troth.mo").write_bytes(written.getvalue())


class Words(HTMLParser):
    """The words that a page shows, without what is quoted, written by people, or a name."""

    QUIET = ("code", "blockquote", "svg", "script", "dd", "td", "ins", "del")

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._within: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("input", "meta", "link", "img", "br"):
            self._within.append(tag)
        if "svg" in self._within:
            return
        self.found += [value or "" for name, value in attrs if name in ("aria-label", "placeholder")]

    def handle_endtag(self, tag: str) -> None:
        while self._within and self._within.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if data.strip() and not set(self._within).intersection(self.QUIET):
            self.found.append(data.strip())


def test_no_english_is_left_in_another_language(prepared: Path, tmp_path: Path) -> None:
    pytest.importorskip("babel")
    shutil.copytree(prepared, tmp_path / "home")
    compile_catalogue(tmp_path / "home" / "locales")
    left: list[Any] = []
    with served(tmp_path / "home", language="de") as site:
        site.sign_in("member")
        for path in PAGES:
            page = site.client.get(path)
            assert page.status_code == 200, path
            assert '<html lang="de">' in page.text
            words = Words()
            words.feed(page.text)
            left += [(path, one) for one in words.found if re.search(r"[a-z]{3}", NAMES.sub("", one))]
    assert not left, "\n".join(map(str, left))


NAMES = re.compile(
    r"Troth|member|Improve models|Privacy policy|Subscription agreement|\(email\)|by email|email|deliver"
    r"|We deliver\.|No third party sees it\.|Models may learn from your posts unless you switch that off\."
)
"""What somebody called something, or published."""


def test_a_language_without_a_catalogue_is_refused_with_where_it_belongs(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no catalogue of the language 'fr'") as error:
        read_texts("fr", tmp_path)
    assert error.value.remedy is not None
    assert "fr/LC_MESSAGES/troth.mo" in error.value.remedy


def test_numbers_ask_for_their_form() -> None:
    require(POT.is_file(), "the catalogue")
    texts = read_texts()
    assert texts.counted("%(n)s row", "%(n)s rows", 1) == "1 row"
    assert texts.counted("%(n)s row", "%(n)s rows", 2_000) == "2,000 rows"
    assert texts.day(0) == "1 January 1970"
    assert texts.moment(None) == "not known"
