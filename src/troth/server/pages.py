"""Rendering pages: templates, texts ready for translation, instants and numbers as people read them."""

from __future__ import annotations

import gettext
import importlib.resources
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import BaseLoader, Environment, StrictUndefined, TemplateNotFound

from troth.server.access import Who, form_token
from troth.server.config import Settings

LOCALES: Final = "locales"


class _Shipped(BaseLoader):
    """Templates that come with the package."""

    def get_source(self, environment: Environment, template: str) -> tuple[str, str | None, Any]:
        """See jinja2.BaseLoader."""
        del environment
        found = importlib.resources.files("troth.server").joinpath("templates", template)
        if not found.is_file():
            raise TemplateNotFound(template)
        return found.read_text("utf-8"), str(found), lambda: True


@cache
def environment() -> Environment:
    """The templates' environment; everything is escaped, and a name that is not there is an error."""
    made = Environment(
        loader=_Shipped(),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
    )
    # English is the language that templates are written in; another one is a gettext catalogue of these texts.
    made.install_gettext_translations(gettext.NullTranslations(), newstyle=True)  # type: ignore[attr-defined]
    made.filters |= {"day": day, "moment": moment, "number": number, "plural": plural, "words": words}
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
    page = environment().get_template(template)
    text = page.render(
        who=who,
        account=who.session.account if who.session else None,
        form_token=form_token(request.app.state.store, who.session) if who.session else "",
        path=request.url.path,
        demo=bool(settings.demo),
        **values,
    )
    return HTMLResponse(text, status, headers=headers)


def day(instant: int | None) -> str:
    """An instant (microseconds UTC) as a day, such as 18 September 2024."""
    if instant is None:
        return "not known"
    found = datetime.fromtimestamp(instant // 1_000_000, UTC)
    return f"{found.day} {found:%B %Y}"


def moment(instant: int | None) -> str:
    """An instant as a day and a time of day in UTC."""
    if instant is None:
        return "not known"
    return f"{day(instant)}, {datetime.fromtimestamp(instant // 1_000_000, UTC):%H:%M} UTC"


def number(value: int) -> str:
    """A number with its thousands set apart."""
    return f"{value:,}"


def plural(count: int, one: str, many: str) -> str:
    """``1 record``, ``2,000 records``."""
    return f"{count:,} {one if count == 1 else many}"


def words(name: str) -> str:
    """A document's or switch's id as words: ``privacy-policy`` is ``Privacy policy``."""
    spaced = name.replace("-", " ").replace("_", " ")
    return spaced[:1].upper() + spaced[1:]
