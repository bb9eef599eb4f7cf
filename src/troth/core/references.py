"""What an event may refer to: only what an earlier entry defines."""

from __future__ import annotations

from typing import Protocol

from troth.core.errors import BadInput, Place
from troth.core.events import Accept, Choose, Consent, Event, Notice, Setting, Withdraw
from troth.core.terms import Terms


class Names(Protocol):
    """The names that entries have defined; ``kind`` is ``terms``, ``setting`` or ``consent``."""

    def owner(self, kind: str, name: str) -> str | None:
        """Whose the name is (``""`` for nobody's in particular), or None where nothing defines it."""

    def define(self, kind: str, name: str, owner: str) -> None:
        """Remember a name."""


class NamesInMemory:
    """Names of one file."""

    def __init__(self) -> None:
        self._owners: dict[tuple[str, str], str] = {}

    def owner(self, kind: str, name: str) -> str | None:
        """See Names."""
        return self._owners.get((kind, name))

    def define(self, kind: str, name: str, owner: str) -> None:
        """See Names."""
        self._owners[kind, name] = owner


def terms_name(document: str, version: str) -> str:
    """The one name of a version of a document."""
    return f"{document}\0{version}"


class References:
    """Checks events in order. Call ``finish`` at the end of a batch: clauses may name a setting defined later in it."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._awaited: list[tuple[str, Place | None]] = []

    def add(self, event: Event, place: Place | None = None) -> None:
        """Check one event against what is defined so far, and remember what it defines.

        Raises:
            BadInput: it refers to nothing, or defines a name anew.
        """
        match event:
            case Terms():
                self._define("terms", event.document, event.version, place)
                self._awaited += [
                    (clause.condition.setting, place)
                    for clause in event.clauses
                    if clause.condition and clause.condition.setting
                ]
            case Setting():
                self._add_setting(event, place)
            case Consent():
                if self._names.owner("consent", event.id) is not None:
                    raise BadInput(
                        f"a consent called {event.id!r} is there already",
                        place=place,
                        remedy="give each consent an id of its own",
                    )
                self._names.define("consent", event.id, event.subject)
            case Notice() | Accept():
                if self._names.owner("terms", terms_name(event.document, event.version)) is None:
                    raise BadInput(
                        f"no earlier entry defines version {event.version!r} of {event.document!r}",
                        place=place,
                        remedy="add the terms first",
                    )
            case Choose():
                self._need_setting(event.setting, place)
            case Withdraw():
                self._check_withdrawal(event, place)
            case _:
                pass

    def finish(self) -> None:
        """Check that every setting that a clause names is defined.

        Raises:
            BadInput: one is not.
        """
        for setting, place in self._awaited:
            if self._names.owner("setting", setting) is None:
                raise BadInput(
                    f"a clause is conditional on the setting {setting!r}, which no entry defines",
                    place=place,
                    remedy=f"add `setting: {setting}` with introduced_at and defaults",
                )
        self._awaited.clear()

    def _define(self, kind: str, document: str, version: str, place: Place | None) -> None:
        name = terms_name(document, version)
        if self._names.owner(kind, name) is not None:
            raise BadInput(
                f"a version {version!r} of {document!r} is there already",
                place=place,
                remedy="a published version never changes: give the new text a version of its own",
            )
        self._names.define(kind, name, "")

    def _add_setting(self, event: Setting, place: Place | None) -> None:
        known = self._names.owner("setting", event.setting) is not None
        if event.introduced_at is not None and known:
            raise BadInput(
                f"the setting {event.setting!r} was introduced by an earlier entry",
                place=place,
                remedy="replace its defaults with `since:` instead of `introduced_at:`",
            )
        if event.since is not None and not known:
            raise BadInput(
                f"no earlier entry introduces the setting {event.setting!r}",
                place=place,
                remedy="its first entry has `introduced_at:`",
            )
        self._names.define("setting", event.setting, "")

    def _need_setting(self, setting: str, place: Place | None) -> None:
        if self._names.owner("setting", setting) is None:
            raise BadInput(
                f"no earlier entry introduces the setting {setting!r}",
                place=place,
                remedy="add the setting first",
            )

    def _check_withdrawal(self, event: Withdraw, place: Place | None) -> None:
        if event.setting is not None:
            self._need_setting(event.setting, place)
        if event.consent is not None and self._names.owner("consent", event.consent) != event.subject:
            raise BadInput(
                f"{event.subject} has given no consent called {event.consent!r} in an earlier entry",
                place=place,
                remedy="add the consent first, or withdraw everything by naming none",
            )
