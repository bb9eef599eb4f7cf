"""What the ledger is told, in order: terms, the law, who joined, who was told, what they chose.

Every event is a plain dict in the short form of Troth's case files. The promises themselves stand in
``terms/*.yaml``; here is what happened to members.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeAlias, cast

from troth_network import days, shipped
from troth_network.chance import Dice
from troth_network.days import DAY, EXTENSION, HOUR, MINUTE, TODAY, instant, iso
from troth_network.members import Member
from troth_network.places import LEFT_OUT, country

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | bool | None"
Event: TypeAlias = dict[str, Json]

SETTING: Final = "genai-improvement"
POLICY: Final = "privacy-policy"
CHANGED_POLICY: Final = "2024-09-18"
EXTENDED_POLICY: Final = "2025-11-03"
THIRD_PARTIES: Final = ("third_party:acme", "third_party:borealis")
AFFILIATE: Final = "affiliate:lantern"
PROCESSOR: Final = "processor:courier"


def read_terms() -> list[Event]:
    """The promises, the law, the switch, and what the whole membership was told: the files in ``terms``."""
    return cast("list[Event]", shipped.read("terms"))


def make_events(members: Sequence[Member], seed: int) -> list[Event]:
    """The whole history, oldest first; what happens at one instant keeps the order of these lines."""
    events = read_terms()
    for member in members:
        events += member_events(member, seed)
    return sorted(events, key=happened_at)


def happened_at(event: Event) -> int:
    """The instant by which an event takes its place in the history (microseconds UTC)."""
    if "terms" in event:
        return _instant(event["published_at"])
    if "setting" in event:
        return _instant(event.get("introduced_at") or event["since"])
    if "subject" in event:
        return _instant(event["since"])
    inner = cast("Event", next(iter(event.values())))
    return _instant(inner.get("at") or inner.get("from") or iso(0))


def _instant(value: Json) -> int:
    return instant(str(value))


def member_events(member: Member, seed: int) -> Iterator[Event]:
    """What concerns one member; nothing happens before they joined, after they left, or after today."""
    acts = [
        *_attributes(member),
        *_told(member, Dice(seed, "told", member.id)),
        *_chosen(member, Dice(seed, "chosen", member.id)),
        *_agreed(member, Dice(seed, "agreed", member.id), Dice(seed, "pilot", member.community)),
        *_refused(member, Dice(seed, "refused", member.id)),
    ]
    yield from (act for act in acts if happened_at(act) < TODAY and member.active(happened_at(act)))
    if member.closed_at is not None:
        yield _became(member, member.closed_at, status="closed")
    if member.erased_at is not None:
        yield _act("erase", member, member.erased_at)


def _attributes(member: Member) -> Iterator[Event]:
    """Who they are, as of when; a birth date that nobody knows is left out."""
    (_, place), (_, tier) = member.places[0], member.tiers[0]
    born: Event = {} if member.born is None else {"born": member.born}
    yield _became(member, member.joined, jurisdiction=place, tier=tier, **born, status="active")
    for since, place in member.places[1:]:
        yield _became(member, since, jurisdiction=place)
    for since, tier in member.tiers[1:]:
        yield _became(member, since, tier=tier)
        if tier == "premium":
            yield _accept(member, "subscription-agreement", "2022-06-07", since)


def _became(member: Member, since: int, **attributes: Json) -> Event:
    return {"subject": member.id, "since": iso(since), **attributes}


def _act(kind: str, member: Member, at: int, **details: Json) -> Event:
    return {kind: {**details, "subject": member.id, "at": iso(at)}}


def _accept(member: Member, document: str, version: str, at: int) -> Event:
    return _act("accept", member, at, terms=document, version=version, manner="click")


def _notice(member: Member, version: str, at: int, channel: str, *, delivered: bool = True) -> Event:
    inner: Event = {"terms": POLICY, "version": version, "to": member.id, "channel": channel}
    return {"notice": {**inner, "at": iso(at), "delivered": delivered}}


def _left_out(member: Member, at: int) -> bool:
    """Whether the switch was off, or absent, where the member was before the extension."""
    place = member.place(at)
    return place is not None and country(place) in LEFT_OUT


def _told(member: Member, dice: Dice) -> Iterator[Event]:
    """The change of September 2024 reached part of the members on its day; the next came in time."""
    if member.active(days.POLICY_CHANGED) and not _left_out(member, days.POLICY_CHANGED):
        day = dice.weighted({0: 55, 6: 18, 28: 9, 63: 6, -1: 12})
        at = days.POLICY_CHANGED + 9 * HOUR + dice.below(600) * MINUTE
        if day < 0:
            yield _notice(member, CHANGED_POLICY, at, "email", delivered=False)
        else:
            yield _notice(member, CHANGED_POLICY, at + day * DAY, "email" if day < 28 else "banner")
    place = member.place(days.EXTENSION_ANNOUNCED)
    if member.active(days.EXTENSION_ANNOUNCED) and place != "CN":
        at = days.EXTENSION_ANNOUNCED + dice.below(3 * 24 * 60) * MINUTE
        yield _notice(member, EXTENDED_POLICY, at, "email", delivered=dice.chance(0.94))


def _choose(member: Member, value: str, at: int, by: str = "member", *, past: bool = False) -> Event:
    return _act("choose", member, at, setting=SETTING, value=value, by=by, covers_past=past)


def _chosen(member: Member, dice: Dice) -> Iterator[Event]:
    """Who touched the switch, when; and whose browser said no for them."""
    late = _left_out(member, max(days.SETTING_INTRODUCED, member.joined))
    start = max(EXTENSION if late else days.SETTING_INTRODUCED, member.joined) + HOUR
    if dice.chance(0.25 if late else 0.15):
        habit = dice.weighted({"off": 44, "off on": 24, "on": 22, "off on off": 10})
        at = _moment(start, dice)
        for number, value in enumerate(habit.split()):
            by = "operator" if dice.chance(0.05) else "guardian" if member.is_young else "member"
            yield _choose(member, value, at, by, past=value == "on" and number == 0 and dice.chance(0.3))
            at += dice.instant(10 * DAY, 200 * DAY)
    if dice.chance(0.12 if member.place(start) == "US-CA" else 0.02):
        yield _choose(member, "off", _moment(start, dice), "signal")


def _moment(start: int, dice: Dice) -> int:
    """When somebody gets round to it: in the fortnight after some news, or at any time."""
    around = dice.pick((start, days.POLICY_CHANGED, days.SUIT, days.DENIAL, 0))
    if around < start:
        return dice.instant(start, max(TODAY, start + DAY))
    return dice.instant(around, around + 14 * DAY)


def _agreed(member: Member, dice: Dice, pilot: Dice) -> Iterator[Event]:
    """Explicit yeses: to the new policy, to the writing helper, to a corpus that a third party trains on."""
    if dice.chance(0.04 if _left_out(member, EXTENSION) else 0.1):
        at = days.EXTENSION_ANNOUNCED + dice.between(0, 60 * 24) * HOUR
        yield _accept(member, POLICY, EXTENDED_POLICY, at)
    at = days.PILOT + dice.instant(DAY, 60 * DAY)
    if country(member.place(at) or "") in ("US", "IN", "AU") and pilot.chance(0.15) and dice.chance(0.8):
        yield _accept(member, "writing-helper", "2025-03-03", at)
        yield from _consent(member, "helper", at + MINUTE, ["private_message"], "operator", dice)
    if dice.chance(0.03):
        at = days.PILOT + dice.instant(DAY, 200 * DAY)
        yield from _consent(member, "corpus", at, ["post", "comment"], THIRD_PARTIES[0], dice)


def _consent(
    member: Member, name: str, at: int, categories: list[Json], recipient: str, dice: Dice
) -> Iterator[Event]:
    """A yes that covers the past for some, ends for some, and is taken back by some."""
    expires: Event = {"expires_at": iso(at + 180 * DAY)} if dice.chance(0.15) else {}
    consent = f"{name}-{member.id}"
    scope: Event = {"purposes": ["train.generative"], "categories": categories, "recipients": [recipient]}
    yield _act("consent", member, at, id=consent, **scope, covers_past=dice.chance(0.4), **expires)
    if dice.chance(0.12):
        yield _act("withdraw", member, at + dice.between(5, 150) * DAY, consent=consent)


def _refused(member: Member, dice: Dice) -> Iterator[Event]:
    """Objections, and a few who withdrew everything."""
    late = _left_out(member, TODAY)
    start = max(days.EXTENSION_ANNOUNCED if late else days.SETTING_INTRODUCED, member.joined) + HOUR
    if dice.chance(0.06 if late else 0.02):
        yield _act("object", member, _moment(start, dice))
    elif dice.chance(0.012):
        yield _act("withdraw", member, _moment(start, dice))


def switch_is_on(choices: Iterable[tuple[int, bool]], member: Member, at: int) -> bool:
    """What a pipeline sees that trusts the switch alone: the last choice, else the default of the place."""
    chosen = [on for when, on in choices if when <= at]
    if chosen:
        return chosen[-1]
    place = member.place(at)
    if place is None or at < days.SETTING_INTRODUCED:
        return False
    return country(place) not in LEFT_OUT if at < EXTENSION else country(place) != "CN"
