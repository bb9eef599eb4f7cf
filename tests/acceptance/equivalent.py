"""Mutants that change no answer, each with the argument why."""

from __future__ import annotations

EQUIVALENT: dict[str, str] = {
    "standing.Known.add: subject_of(event) or '' -> subject_of(event)": (
        "Every event that gets here concerns one member; the rest satisfies the type checker."
    ),
    "standing.Known.add: '' -> '?'": ("Never taken: every event that gets here concerns one member."),
    "standing.Standing.attribute: break -> continue": (
        "Entries are sorted by instant: all that follow are later too."
    ),
    "standing.Standing.jurisdiction: value if isinstance(value, str) else None -> value": (
        "A jurisdiction is text or None; the test of its type satisfies the type checker."
    ),
    (
        "standing.Standing.in_audience: self.joined is None or instant < self.joined -> instant < self.joined"
    ): ("Asked only of members who are known at T, and so have joined."),
    "standing.Standing.in_audience: tier if isinstance(tier, str) else None -> tier": (
        "A tier is text or None; the test of its type satisfies the type checker."
    ),
    (
        "standing.Standing.told: self.joined is not None and self.in_effect(placed, "
        "self.joined) -> self.in_effect(placed, self.joined)"
    ): ("Asked only of members who are known at T, and so have joined."),
    (
        "standing.Standing._noticed: counts(notice) and isinstance(notice.to, Audience) and "
        "self.in_audience(notice.to, notice.at) -> counts(notice) and "
        "self.in_audience(notice.to, notice.at)"
    ): ("Notices to members are kept elsewhere: of these all are to audiences."),
    (
        "standing.Standing.permits: newest is not None and covering_permits(newest, use, "
        "categories) -> covering_permits(newest, use, categories)"
    ): ("The version that was told of is in effect, so a newest in effect there is."),
    (
        "standing.Standing.quietly_permitted: newest is not None and (not self.told(newest, "
        "instant)) -> newest is not None"
    ): ("Asked only where no permit bound at t0; one that was told of would have."),
    "standing.Standing.regime: rank > best[0] -> rank >= best[0]": (
        "No two entries have one position, so no two ranks are equal."
    ),
    ("standing.Standing.default: (since, position) > holding[0] -> (since, position) >= holding[0]"): (
        "No two entries have one position, so no two of these are equal."
    ),
    "standing.Standing.default: (since, position) -> (since,) [2]": (
        "A tie then compares as longer, so that the later entry still wins."
    ),
    "standing.Standing.default: False -> True": (
        "Asked only of switches that are introduced; the entry that introduces one has no `since` and always holds."
    ),
    "standing.Standing.choices: False -> True [2]": ("`covers_past` is read of choices of on alone."),
    "standing.Standing.choices: False -> True [4]": ("`covers_past` is read of choices of on alone."),
    (
        "standing.Standing.signalled_off: isinstance(event, Choose) and event.setting == "
        "setting and (event.by not in EXPLICIT) and (not event.on) and (event.at <= self.now) "
        "-> isinstance(event, Choose) and event.setting == setting and (not event.on) and "
        "(event.at <= self.now)"
    ): ("Asked only where there is no explicit choice by T, so every choice by T is a signal."),
    "standing.Standing.consents.withdrawn: when < then -> when <= then": (
        "A consent and a withdrawal have positions of their own, so their moments differ."
    ),
    "decide.combination: known.rules.all_parties or () -> known.rules.all_parties": (
        "The rules of `Known` are complete: each key has its default."
    ),
    "decide.combination: 'all_parties' -> 'all_parties?'": (
        "Within the decision the word is told only from the two others; the gate reads it, and its tests fail."
    ),
    "decide.combination: known.rules.any_party or () -> known.rules.any_party": (
        "The rules of `Known` are complete: each key has its default."
    ),
    "decide.parties_that_count: record.author or '' -> record.author": (
        "Records without an author were answered before."
    ),
    "decide.parties_that_count: '' -> '?'": ("Never taken: records without an author were answered before."),
    "decide.Judge.step_2_standing: self.rules.minimum_age or 0 -> self.rules.minimum_age": (
        "The rules of `Known` are complete: each key has its default."
    ),
    "decide.Judge.step_4_objection: given.when > objection -> given.when >= objection": (
        "A consent and an objection have positions of their own, so their moments differ."
    ),
    "decide.Judge.step_4_objection: choice.when > objection -> choice.when >= objection": (
        "Only a withdrawal is both a choice and an objection, and it is a choice of off."
    ),
    ("decide.Judge.overridden: choices[-1].when > given.when -> choices[-1].when >= given.when"): (
        "A choice and a consent have positions of their own, so their moments differ."
    ),
}
