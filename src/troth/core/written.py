"""The one written form of events: the keys of case files, as YAML that people write and JSON that is stored.

The form is that of decisions.md, "Cases are files". ``read_event`` and ``write_event`` are inverse to
each other.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeAlias

from troth.core.events import (
    AFFIRMATIVE,
    EXPLICIT,
    REGIMES,
    STATUSES,
    Accept,
    Attributes,
    Choose,
    Consent,
    Default,
    Erase,
    Event,
    Notice,
    Objection,
    Regime,
    Rules,
    Setting,
    Withdraw,
)
from troth.core.regions import check_listed_place, check_place
from troth.core.shape import Shape
from troth.core.terms import (
    EVERYBODY,
    FORBIDDING_KINDS,
    PERMITTING_KINDS,
    Audience,
    Clause,
    Condition,
    Membership,
    Terms,
)
from troth.core.values import (
    Day,
    check_category,
    check_purpose,
    check_recipient,
    format_day,
    format_instant,
    parse_day,
)

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | bool | None"

# reading


def read_event(shape: Shape) -> Event:
    """Read one event from its short form.

    Raises:
        BadInput: an unknown key, a wrong type, a rule of decisions.md broken; with the place.
    """
    keys = shape.keys()
    kind = next((key for key in keys if key in _READERS), None)
    if kind is None:
        shape.refuse(
            f"expected one of the events {', '.join(_READERS)}; got the keys {', '.join(keys) or 'none'}"
        )
    return _READERS[kind](shape)


def _nested(key: str, read: Callable[[Shape], Event]) -> Callable[[Shape], Event]:
    def reader(shape: Shape) -> Event:
        inner = shape.need(key)
        shape.close()
        event = read(inner)
        inner.close()
        return event

    return reader


def _flat(read: Callable[[Shape], Event]) -> Callable[[Shape], Event]:
    def reader(shape: Shape) -> Event:
        event = read(shape)
        shape.close()
        return event

    return reader


def _read_terms(shape: Shape) -> Terms:
    document = shape.need("terms").as_text()
    kind = shape.need("kind").as_one_of((*PERMITTING_KINDS, *FORBIDDING_KINDS))
    audience = shape.get("audience")
    notice_days = shape.get("notice_days")
    clauses = tuple(_read_clause(clause, kind) for clause in shape.need("clauses").items())
    ids = [clause.id for clause in clauses]
    for clause, item in zip(clauses, shape.need("clauses").items(), strict=True):
        if ids.count(clause.id) > 1:
            item.refuse(f"two clauses are called {clause.id!r}", remedy="give each clause an id of its own")
    return Terms(
        document=document,
        kind=kind,
        version=shape.need("version").as_text(),
        published_at=shape.need("published_at").as_instant(),
        effective_at=shape.need("effective_at").as_instant(),
        audience=read_audience(audience) if audience else EVERYBODY,
        notice_days=notice_days.as_count() if notice_days else 0,
        clauses=clauses,
    )


def _read_clause(shape: Shape, kind: str) -> Clause:
    effect = shape.need("effect").as_one_of(("permit", "forbid", "limit"))
    condition = shape.get("condition")
    back = shape.get("reaches_back")
    quote = shape.get("quote")
    if effect == "permit" and kind in FORBIDDING_KINDS:
        shape.need("effect").refuse(
            f"a document of kind {kind} may only forbid or limit",
            remedy=f"permit in one of {', '.join(PERMITTING_KINDS)}",
        )
    if effect != "permit":
        if condition:
            condition.refuse(f"a {effect} has no condition", remedy="take the condition out")
        if back and back.as_flag():
            back.refuse(f"a {effect} does not reach back", remedy="take reaches_back out")
    clause = Clause(
        id=shape.need("id").as_text(),
        effect=effect,
        purposes=shape.need("purposes").texts(check_purpose),
        categories=shape.need("categories").texts(check_category),
        recipients=shape.need("recipients").texts(check_recipient),
        condition=_read_condition(condition) if condition else None,
        reaches_back=back.as_flag() if back else False,
        quote=quote.as_any_text() if quote else None,
    )
    shape.close()
    return clause


def _read_condition(shape: Shape) -> Condition:
    if shape.value == "consent":
        return Condition()
    if not isinstance(shape.value, dict):
        shape.refuse("expected `consent` or `{setting: ID}`")
    condition = Condition(shape.need("setting").as_text())
    shape.close()
    return condition


def read_audience(shape: Shape) -> Audience:
    """Read an audience: ``jurisdictions`` and ``tiers``, each a list or ``{in: […], not_in: […]}``."""
    places, tiers = shape.get("jurisdictions"), shape.get("tiers")
    audience = Audience(
        _read_membership(places, check_listed_place) if places else None,
        _read_membership(tiers, str) if tiers else None,
    )
    shape.close()
    return audience


def _read_membership(shape: Shape, check: Callable[[str], str]) -> Membership:
    if isinstance(shape.value, list):
        return Membership(inside=shape.texts(check))
    inside, outside = shape.get("in"), shape.get("not_in")
    if inside is None and outside is None:
        shape.refuse("expected a list, or a mapping with `in` or `not_in`")
    shape.close()
    return Membership(
        inside.texts(check) if inside else None,
        outside.texts(check) if outside else None,
    )


def _read_setting(shape: Shape) -> Setting:
    introduced, since = shape.get("introduced_at"), shape.get("since")
    if (introduced is None) == (since is None):
        shape.refuse(
            "a setting has either introduced_at (its first entry) or since (new defaults of an earlier one)"
        )
    defaults = shape.get("defaults")
    return Setting(
        setting=shape.need("setting").as_text(),
        introduced_at=introduced.as_instant() if introduced else None,
        since=since.as_instant() if since else None,
        defaults=tuple(_read_default(item) for item in defaults.items()) if defaults else (),
    )


def _read_default(shape: Shape) -> Default:
    audience = shape.get("audience")
    default = Default(
        audience=read_audience(audience) if audience else EVERYBODY,
        on=shape.need("value").as_one_of(("on", "off")) == "on",
    )
    shape.close()
    return default


def _read_attributes(shape: Shape) -> Attributes:
    named: list[tuple[str, str | Day | None]] = []
    for name, read in _ATTRIBUTES.items():
        if shape.has(name):
            value = shape.get(name)
            named.append((name, read(value) if value else None))
    return Attributes(shape.need("subject").as_text(), shape.need("since").as_instant(), tuple(named))


_BARE_YEAR: Final = re.compile(r"(?!0000)[0-9]{4}")


def _read_born(shape: Shape) -> Day:
    text = shape.as_text()
    if _BARE_YEAR.fullmatch(text):
        return (int(text), 12, 31)
    return shape.checked(parse_day)


_ATTRIBUTES: Final[dict[str, Callable[[Shape], str | Day]]] = {
    "jurisdiction": lambda shape: shape.checked(check_place),
    "tier": Shape.as_text,
    "born": _read_born,
    "status": lambda shape: shape.as_one_of(STATUSES),
}


def _read_notice(shape: Shape) -> Notice:
    to, channel, delivered = shape.need("to"), shape.get("channel"), shape.get("delivered")
    return Notice(
        document=shape.need("terms").as_text(),
        version=shape.need("version").as_text(),
        to=read_audience(to) if isinstance(to.value, dict) else to.as_text(),
        at=shape.need("at").as_instant(),
        channel=channel.as_text() if channel else None,
        delivered=delivered.as_flag() if delivered else True,
    )


def _read_accept(shape: Shape) -> Accept:
    return Accept(
        document=shape.need("terms").as_text(),
        version=shape.need("version").as_text(),
        subject=shape.need("subject").as_text(),
        at=shape.need("at").as_instant(),
        manner=shape.need("manner").as_one_of((*AFFIRMATIVE, "continued_use")),
    )


def _read_choose(shape: Shape) -> Choose:
    by, past = shape.get("by"), shape.get("covers_past")
    return Choose(
        subject=shape.need("subject").as_text(),
        setting=shape.need("setting").as_text(),
        on=shape.need("value").as_one_of(("on", "off")) == "on",
        at=shape.need("at").as_instant(),
        by=by.as_one_of((*EXPLICIT, "signal")) if by else "member",
        covers_past=past.as_flag() if past else False,
    )


def _read_consent(shape: Shape) -> Consent:
    past, expires = shape.get("covers_past"), shape.get("expires_at")
    return Consent(
        id=shape.need("id").as_text(),
        subject=shape.need("subject").as_text(),
        purposes=shape.need("purposes").texts(check_purpose),
        categories=shape.need("categories").texts(check_category),
        recipients=shape.need("recipients").texts(check_recipient),
        at=shape.need("at").as_instant(),
        covers_past=past.as_flag() if past else False,
        expires_at=expires.as_instant() if expires else None,
    )


def _read_withdraw(shape: Shape) -> Withdraw:
    setting, consent = shape.get("setting"), shape.get("consent")
    if setting and consent:
        consent.refuse("a withdrawal names a setting, a consent, or neither", remedy="write two withdrawals")
    return Withdraw(
        subject=shape.need("subject").as_text(),
        at=shape.need("at").as_instant(),
        setting=setting.as_text() if setting else None,
        consent=consent.as_text() if consent else None,
    )


def _read_objection(shape: Shape) -> Objection:
    return Objection(shape.need("subject").as_text(), shape.need("at").as_instant())


def _read_erase(shape: Shape) -> Erase:
    return Erase(shape.need("subject").as_text(), shape.need("at").as_instant())


def _read_regime(shape: Shape) -> Regime:
    since = shape.get("from")
    purposes, categories, recipients = (shape.get(key) for key in ("purposes", "categories", "recipients"))
    return Regime(
        jurisdictions=shape.need("jurisdictions").texts(check_listed_place),
        regime=shape.need("regime").as_one_of(REGIMES),
        since=since.as_instant() if since else None,
        purposes=purposes.texts(check_purpose) if purposes else None,
        categories=categories.texts(check_category) if categories else None,
        recipients=recipients.texts(check_recipient) if recipients else None,
    )


def _read_rules(shape: Shape) -> Rules:
    every, some, age, unknown, closed = (
        shape.get(key)
        for key in ("all_parties", "any_party", "minimum_age", "unknown_age", "closed_ends_use")
    )
    return Rules(
        all_parties=every.texts(check_category) if every else None,
        any_party=some.texts(check_category) if some else None,
        minimum_age=age.as_count() if age else None,
        unknown_age=unknown.as_one_of(("gap", "adult")) if unknown else None,
        closed_ends_use=closed.as_flag() if closed else None,
    )


# Looked up in this order: `notice` and `accept` have `terms` and `subject` inside, not beside.
_READERS: Final[dict[str, Callable[[Shape], Event]]] = {
    "terms": _flat(_read_terms),
    "notice": _nested("notice", _read_notice),
    "accept": _nested("accept", _read_accept),
    "choose": _nested("choose", _read_choose),
    "consent": _nested("consent", _read_consent),
    "withdraw": _nested("withdraw", _read_withdraw),
    "object": _nested("object", _read_objection),
    "erase": _nested("erase", _read_erase),
    "regime": _nested("regime", _read_regime),
    "rules": _nested("rules", _read_rules),
    "setting": _flat(_read_setting),
    "subject": _flat(_read_attributes),
}


# writing


def write_event(event: Event) -> dict[str, Json]:
    """The short form of an event as plain JSON values; ``read_event`` reads it back to an equal event."""
    match event:
        case Terms():
            return _write_terms(event)
        case Setting():
            return _with(
                setting=event.setting,
                introduced_at=_instant(event.introduced_at),
                since=_instant(event.since),
                defaults=[
                    {"audience": _write_audience(default.audience), "value": _switch(default.on)}
                    for default in event.defaults
                ],
            )
        case Attributes():
            named = {
                name: format_day(value) if isinstance(value, tuple) else value for name, value in event.named
            }
            return {"subject": event.subject, "since": format_instant(event.since), **named}
        case Regime() | Rules():
            return _write_frame(event)
        case _:
            return _write_member_event(event)


def _write_terms(event: Terms) -> dict[str, Json]:
    return {
        "terms": event.document,
        "kind": event.kind,
        "version": event.version,
        "published_at": format_instant(event.published_at),
        "effective_at": format_instant(event.effective_at),
        "notice_days": event.notice_days,
        "audience": _write_audience(event.audience),
        "clauses": [write_clause(clause) for clause in event.clauses],
    }


def write_clause(clause: Clause) -> dict[str, Json]:
    """A clause in the form of terms files."""
    condition: Json = None
    if clause.condition:
        condition = {"setting": clause.condition.setting} if clause.condition.setting else "consent"
    return _with(
        id=clause.id,
        effect=clause.effect,
        purposes=list(clause.purposes),
        categories=list(clause.categories),
        recipients=list(clause.recipients),
        condition=condition,
        reaches_back=clause.reaches_back or None,
        quote=clause.quote,
    )


def _write_frame(event: Regime | Rules) -> dict[str, Json]:
    if isinstance(event, Regime):
        inner = _with(
            jurisdictions=list(event.jurisdictions),
            regime=event.regime,
            purposes=_listed(event.purposes),
            categories=_listed(event.categories),
            recipients=_listed(event.recipients),
        )
        return {"regime": inner | _with(**{"from": _instant(event.since)})}
    return {
        "rules": _with(
            all_parties=_listed(event.all_parties),
            any_party=_listed(event.any_party),
            minimum_age=event.minimum_age,
            unknown_age=event.unknown_age,
            closed_ends_use=event.closed_ends_use,
        )
    }


def _write_member_event(
    event: Notice | Accept | Choose | Consent | Withdraw | Objection | Erase,
) -> dict[str, Json]:
    at = format_instant(event.at)
    match event:
        case Notice():
            to: Json = event.to if isinstance(event.to, str) else _write_audience(event.to)
            inner = _with(terms=event.document, version=event.version, to=to, channel=event.channel)
            return {"notice": inner | {"at": at, "delivered": event.delivered}}
        case Accept():
            return {
                "accept": {
                    "terms": event.document,
                    "version": event.version,
                    "subject": event.subject,
                    "at": at,
                    "manner": event.manner,
                }
            }
        case Choose():
            return {
                "choose": {
                    "subject": event.subject,
                    "setting": event.setting,
                    "value": _switch(event.on),
                    "at": at,
                    "by": event.by,
                    "covers_past": event.covers_past,
                }
            }
        case Consent():
            return {
                "consent": _with(
                    id=event.id,
                    subject=event.subject,
                    purposes=list(event.purposes),
                    categories=list(event.categories),
                    recipients=list(event.recipients),
                    at=at,
                    covers_past=event.covers_past,
                    expires_at=_instant(event.expires_at),
                )
            }
        case Withdraw():
            return {
                "withdraw": _with(subject=event.subject, at=at, setting=event.setting, consent=event.consent)
            }
        case Objection():
            return {"object": {"subject": event.subject, "at": at}}
        case Erase():
            return {"erase": {"subject": event.subject, "at": at}}


def _write_audience(audience: Audience) -> dict[str, Json]:
    return _with(
        jurisdictions=_write_membership(audience.jurisdictions), tiers=_write_membership(audience.tiers)
    )


def _write_membership(membership: Membership | None) -> Json:
    if membership is None:
        return None
    sides: dict[str, Json] = {"in": _listed(membership.inside), "not_in": _listed(membership.outside)}
    return _with(**sides)


def _with(**values: Json) -> dict[str, Json]:
    """The values that are there; null means missing in every optional key."""
    return {key: value for key, value in values.items() if value is not None}


def _instant(instant: int | None) -> str | None:
    return None if instant is None else format_instant(instant)


def _listed(values: tuple[str, ...] | None) -> Json:
    return None if values is None else list(values)


def _switch(on: bool) -> str:
    return "on" if on else "off"
