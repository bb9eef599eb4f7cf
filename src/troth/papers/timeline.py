"""What was promised and told, in order: terms, settings, rules of law, notices to audiences, releases, models."""

from __future__ import annotations

from troth.core.terms import Audience, Membership
from troth.core.values import covers, format_instant
from troth.papers.facts import Facts, party, purpose
from troth.papers.model_forms import WORDS
from troth.papers.paper import Field, Paper, Section, table


def timeline(facts: Facts) -> Paper:
    """The timeline of a ledger, as of its position: what concerns everybody, and what left."""
    known = facts.known
    terms: list[tuple[int, int, tuple[str | int, ...]]] = []
    for document in known.documents.values():
        for placed in document:
            one = placed.terms
            quotes = "; ".join(
                clause.quote
                for clause in one.clauses
                if clause.quote
                and any(covers(one_, "train") or covers("train", one_) for one_ in clause.purposes)
            )
            row = (format_instant(one.published_at)[:10], format_instant(one.effective_at)[:10], f"{one.document} {one.version}",
                   _audience(one.audience), quotes or "nothing on training", placed.position)  # fmt: skip
            terms.append((one.published_at, placed.position, row))
    settings: list[tuple[int, int, tuple[str | int, ...]]] = []
    for name, entries in known.settings.items():
        for position, setting in entries:
            at = setting.introduced_at if setting.introduced_at is not None else setting.since or 0
            defaults = "; ".join(
                f"{'on' if one.on else 'off'} for {_audience(one.audience)}" for one in setting.defaults
            )
            settings.append((at, position, (format_instant(at)[:10], name, defaults or "off", position)))
    notices = sorted(
        (one.at, position, (format_instant(one.at)[:10], f"{one.document} {one.version}", _audience(one.to) if isinstance(one.to, Audience) else "one member",
         one.channel or "not recorded", position)) for position, one in known.audience_notices)  # fmt: skip
    releases = [
        (one.at[:10], one.release, purpose(one.use.purpose), party(one.use.recipient), one.rows, one.entry)
        for one in facts.releases
    ]
    fields = (
        Field("terms", "Terms, by the day they were published", table(("Published", "In effect", "Document", "For", "On training, in its words", "Entry"),
              [row for *_, row in sorted(terms, key=lambda item: item[:2])]), entries=tuple(position for _, position, _ in terms), query="terms entries"),
        Field("settings", "Settings and their defaults", table(("From", "Setting", "Default", "Entry"),
              [row for *_, row in sorted(settings, key=lambda item: item[:2])]), entries=tuple(position for _, position, _ in settings),
              query="setting entries"),
        Field("notices", "Notices to whole audiences", table(("When", "Of", "To", "By", "Entry"), [row for *_, row in notices]),
              entries=tuple(position for _, position, _ in notices), query="notices whose addressee is an audience",
              note="Notices to single members are in their own copies."),
        Field("releases", "Releases sealed", table(("As of", "Release", "Purpose", "For", "Records", "Entry"), releases),
              entries=tuple(one.entry for one in facts.releases), query="release entries"),
        Field("models", "Models trained", table(("Model", "From", "Made again since", "Entry"),
              [(one.model, ", ".join(one.releases), len(one.unlearned), one.entry) for one in facts.models]),
              entries=tuple(one.entry for one in facts.models), query="training and unlearning entries"),
    )  # fmt: skip
    return Paper(
        "timeline",
        facts.stand.origin or "this ledger",
        "Timeline: what was promised, told and done",
        "the parties to a dispute, their counsel, the court",
        "all entries that concern no single member",
        facts.stand,
        (Section("In order", fields),),
        words=WORDS,
    )


def _audience(audience: Audience) -> str:
    parts = [
        said for said in (_side(audience.jurisdictions, "in"), _side(audience.tiers, "of the tier")) if said
    ]
    return "members " + ", ".join(parts) if parts else "all members"


def _side(membership: Membership | None, word: str) -> str | None:
    if membership is None:
        return None
    if membership.inside is not None:
        return f"{word} {', '.join(membership.inside)}"
    return f"not {word} {', '.join(membership.outside or ())}"
