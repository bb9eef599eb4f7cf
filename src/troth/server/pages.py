"""Rendering pages: templates, texts ready for translation, instants and numbers as people read them."""

from __future__ import annotations

import gettext
import importlib.resources
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import BaseLoader, Environment, StrictUndefined, TemplateNotFound

from troth.core.errors import BadInput, Place
from troth.server.access import Who, form_token
from troth.server.config import Settings

DOMAIN: Final = "troth"
LOCALES: Final = "locales"
"""Catalogues lie in a home as ``locales/LANGUAGE/LC_MESSAGES/troth.mo``; ``troth.pot`` beside this has the texts."""
ENGLISH: Final = "en"


def N_(text: str) -> str:  # noqa: N802 - gettext's own name for it
    """Marks a text that is translated where it is shown."""
    return text


MONTHS: Final = (
    N_("January"), N_("February"), N_("March"), N_("April"), N_("May"), N_("June"), N_("July"), N_("August"),
    N_("September"), N_("October"), N_("November"), N_("December"),
)  # fmt: skip


KINDS: Final = {
    "any": N_("everything"),
    "post": N_("posts"),
    "post.article": N_("articles"),
    "comment": N_("comments"),
    "profile": N_("profile"),
    "private_message": N_("messages"),
    "private_message.direct": N_("direct messages"),
    "private_message.inmail": N_("InMail"),
    "private_message.group": N_("group messages"),
}
"""Kinds of records as members call them; other kinds are shown by their last name."""


class Texts:
    """The texts of one language, and instants and numbers as people read them in it."""

    def __init__(self, language: str, found: gettext.NullTranslations) -> None:
        self.language = language
        self._found = found
        self.environment = _environment(self)

    def __call__(self, text: str) -> str:
        """A text in this language; what the catalogue does not have stays English."""
        return self._found.gettext(text) if text else text

    def counted(self, one: str, many: str, count: int) -> str:
        """``%(n)s`` of something, in the form that the number asks for."""
        return self._found.ngettext(one, many, count) % {"n": number(count)}

    def day(self, instant: int | None) -> str:
        """An instant (microseconds UTC) as a day, such as 18 September 2024."""
        if instant is None:
            return self("not known")
        found = datetime.fromtimestamp(instant // 1_000_000, UTC)
        return self("{day} {month} {year}").format(
            day=found.day, month=self(MONTHS[found.month - 1]), year=found.year
        )

    def kind(self, category: str) -> str:
        """What a category of records is called."""
        name = KINDS.get(category)
        return self(name) if name else category.rpartition(".")[2].replace("_", " ")

    def moment(self, instant: int | None) -> str:
        """An instant as a day and a time of day in UTC."""
        if instant is None:
            return self("not known")
        time = f"{datetime.fromtimestamp(instant // 1_000_000, UTC):%H:%M}"
        return self("{day}, {time} UTC").format(day=self.day(instant), time=time)


def read_texts(language: str = ENGLISH, folder: Path | None = None) -> Texts:
    """The texts of a language, from a folder of catalogues.

    Raises:
        BadInput: there is no catalogue of that language.
    """
    if language == ENGLISH:
        return Texts(language, gettext.NullTranslations())
    try:
        return Texts(language, gettext.translation(DOMAIN, folder, [language]))
    except OSError:
        raise BadInput(
            f"there is no catalogue of the language {language!r}",
            place=None if folder is None else Place(str(folder)),
            remedy=f"compile one to {language}/LC_MESSAGES/{DOMAIN}.mo there",
        ) from None


def texts(request: Request) -> Texts:
    """The texts that this server shows."""
    found: Texts = request.app.state.texts
    return found


class _Shipped(BaseLoader):
    """Templates that come with the package."""

    def get_source(self, environment: Environment, template: str) -> tuple[str, str | None, Any]:
        """See jinja2.BaseLoader."""
        del environment
        found = importlib.resources.files("troth.server").joinpath("templates", template)
        if not found.is_file():
            raise TemplateNotFound(template)
        return found.read_text("utf-8"), str(found), lambda: True


def _environment(texts: Texts) -> Environment:
    """The templates' environment; everything is escaped, and a name that is not there is an error."""
    made = Environment(
        loader=_Shipped(),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
    )
    made.install_gettext_callables(texts, texts.counted)  # type: ignore[attr-defined]
    # Called directly: the extension's own would look the context up for each of the many texts of a page.
    made.globals |= {"_": texts, "ngettext": texts.counted, "language": texts.language}
    made.filters |= {
        "day": texts.day,
        "moment": texts.moment,
        "kind": texts.kind,
        "number": number,
        "words": words,
        "tr": texts,
        "sentence": sentence,
    }
    return made


def render(
    request: Request,
    template: str,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
    **values: object,
) -> Response:
    """A page."""
    who: Who = request.state.who
    settings: Settings = request.app.state.settings
    page = texts(request).environment.get_template(template)
    text = page.render(
        who=who,
        account=who.session.account if who.session else None,
        form_token=form_token(request.app.state.store, who.session) if who.session else "",
        path=request.url.path,
        demo=bool(settings.demo),
        **values,
    )
    return HTMLResponse(text, status, headers=headers)


def number(value: int) -> str:
    """A number with its thousands set apart."""
    return f"{value:,}"


def sentence(text: str) -> str:
    """A message as a sentence: with a capital and a full stop."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def words(name: str) -> str:
    """A document's or switch's id as words: ``privacy-policy`` is ``Privacy policy``."""
    if name == "faq":
        return "FAQ"
    spaced = name.replace("-", " ").replace("_", " ")
    return spaced[:1].upper() + spaced[1:]
