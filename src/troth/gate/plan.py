"""The large side: one Ibis expression that gives every record its verdict.

A party's code is found by two joins, on the member and the span of ``created_at``, then on the cohort,
the class of categories and the window. Records with at most one addressee are folded side by side; only
those with more are taken apart and grouped. Nothing here depends on an engine: instants are integers,
nulls are explicit, ties are broken by the order of the parties.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc

from troth.core.errors import BadInput
from troth.core.reasons import DENIALS, Reason
from troth.gate.cohorts import EARLIEST
from troth.gate.small import Held, beside

AUTHOR_ALONE: Final = 0
ALL_PARTIES: Final = 1
ANY_PARTY: Final = 2

_UNKNOWN_SUBJECT: Final = 1 << Reason.UNKNOWN_SUBJECT

ANSWERS: Final = (
    "verdict",
    "reason",
    "party",
    "judged",
    "codes",
    "code",
    "all_codes",
    "some_allowed",
    "any_party_would_allow",
)
"""The columns that ``decided`` adds."""

KEY_SIGNS: Final = ("\x1f", "\x1e")
"""What stands between the topics and after the category in ``kind_key``; neither holds these itself."""

_SPELLED_KINDS: Final = 8
"""So many categories are told apart by comparing; more of them, or topics, are joined."""

# Prefixes of the plan's own columns, so that a table of the user's cannot collide with them.
_P: Final = "__troth_"


@dataclass(frozen=True, slots=True)
class SmallSide:
    """The small tables of one decision run, as Arrow tables.

    ``kinds``: key, kind, mode; ``spans``: subject, start, stop, cohort (in a file, if there are many);
    ``windows``: cohort, kind, start, stop, code.
    """

    kinds: pa.Table
    spans: Held
    windows: pa.Table
    now: int
    topics_matter: bool
    has_wide: bool
    cohorts: int


def kind_key(records: ir.Table, *, topics_matter: bool) -> ir.StringValue:
    """What tells the kinds of records apart: the category, and the topics where a clause could name one."""
    if not topics_matter:
        return records.category
    between, after = KEY_SIGNS
    topics = records.topics.unique().sort().join(between)
    return records.category.concat(after, topics.fill_null(""))


def decided(records: ir.Table, small: SmallSide) -> ir.Table:
    """The records with their verdicts: the columns of ANSWERS are added.

    ``judged`` lists the judged parties, ``codes`` their bit sets of reasons in the same order (see
    ``troth.core.reasons``); ``code`` is that of the party whose verdict counts; ``all_codes`` is the union of
    ``codes`` (of records without a judged party: the one reason); ``some_allowed`` says whether a judged party
    is allowed.

    ``records`` has the record columns, ids unique at least among records with several addressees.

    Raises:
        BadInput: a column of the records is called as one of these.
    """
    taken = [name for name in records.columns if name in ANSWERS or name.lower().startswith(_P)]
    if taken:
        raise BadInput(
            f"the records have a column {', '.join(taken)} already, which the gate writes",
            remedy="take it out, or give it another name",
        )
    prepared = _prepare(records, small)
    folded = _fold_narrow(prepared, small)
    if small.has_wide:
        wide = prepared[f"{_P}wide"]
        folded = _fold_narrow(prepared.filter(~wide), small)
        folded = ibis.union(folded, _fold_wide(prepared.filter(wide), small).select(folded.columns))
    return _spelled_out(folded, records.columns)


def allowed(records: ir.Table, small: SmallSide) -> ir.Table:
    """The allowed records alone, without reasons: those that ``decided`` calls allowed.

    Much less work than to decide: a member who is allowed nothing is never looked at, and a record whose author
    is not allowed falls out before anything is asked about its addressee.
    """
    prepared = _prepare(records, small)
    several, alone = prepared[f"{_P}wide"], prepared[f"{_P}alone"]
    by_any = prepared[f"{_P}mode"] == ANY_PARTY
    found = _both_allowed(prepared.filter(alone.isnull() & ~several & ~by_any), small).select(records.columns)
    if not small.has_wide and ANY_PARTY not in small.kinds["mode"].to_pylist():
        return found
    others = prepared.filter(alone.isnull() & (several | by_any)).select(records.columns)
    answered = decided(others, small)
    return ibis.union(found, answered.filter(answered.code == 0).select(records.columns))


def _both_allowed(parties: ir.Table, small: SmallSide) -> ir.Table:
    """Records with an author and at most one addressee who are both allowed."""
    addressee = parties[f"{_P}first"]
    there = parties[f"{_P}addressees"] == 1
    parties = parties.mutate(**{f"{_P}other": ibis.ifelse(there, addressee, parties.author)})
    spans, windows = beside(small.spans, parties), ibis.memtable(small.windows)
    fine = windows.filter(windows.code == 0)
    joined = spans.inner_join(fine, "cohort")
    times = joined.select(
        joined.subject,
        joined.kind,
        start=ibis.greatest(spans.start, fine.start),
        stop=ibis.least(spans.stop, fine.stop),
    )
    for name in ("author", f"{_P}other"):
        mine = times.view()
        t0 = parties[f"{_P}t0"]
        alike = [] if _is_one_kind(small) else [parties[f"{_P}kind"] == mine.kind]
        parties = parties.inner_join(
            mine, [parties[name] == mine.subject, *alike, t0 >= mine.start, t0 < mine.stop]
        ).select(*(parties[column] for column in parties.columns))
    return parties


def _is_one_kind(small: SmallSide) -> bool:
    """Whether all records that are judged are of one kind, so that nothing has to be matched by it."""
    return len(pc.unique(small.kinds["kind"])) <= 1


def _prepare(records: ir.Table, small: SmallSide) -> ir.Table:
    """The kind, the mode, ``t0`` without nulls, and what no party needs to be judged for."""
    # Taken out of the list at once, so that no join has to carry lists.
    listed = records.mutate(
        **{
            f"{_P}count": records.addressees.length().fill_null(0),
            f"{_P}first": records.addressees[0].fill_null(""),
        }
    )
    joined = _with_kind(listed, small)
    # What the small side was not made for is not guessed: such a record is nobody's, a gap.
    several = joined[f"{_P}count"] > 1
    unforeseen = joined[f"{_P}kind"].isnull() | (several & ~ibis.literal(small.has_wide))
    joined = joined.mutate(**{f"{_P}mode": joined[f"{_P}mode"].fill_null(ALL_PARTIES)})
    created, deleted, author = joined.created_at, joined.deleted_at, joined.author
    alone = ibis.cases(
        (created.notnull() & (created > small.now), ibis.literal(1 << Reason.NOT_YET, "int32")),
        (deleted.notnull() & (deleted <= small.now), ibis.literal(1 << Reason.DELETED, "int32")),
        (author.isnull() | unforeseen, ibis.literal(_UNKNOWN_SUBJECT, "int32")),
        else_=ibis.null("int32"),
    )
    addressees = ibis.ifelse(
        joined[f"{_P}mode"] == AUTHOR_ALONE, ibis.literal(0, "int64"), joined[f"{_P}count"]
    )
    prepared = joined.mutate(
        **{
            f"{_P}t0": created.fill_null(ibis.literal(EARLIEST, "int64")),
            f"{_P}alone": alone,
            f"{_P}addressees": addressees,
        }
    )
    return prepared.mutate(
        **{f"{_P}wide": (prepared[f"{_P}addressees"] > 1) & prepared[f"{_P}alone"].isnull()}
    )


def _with_kind(records: ir.Table, small: SmallSide) -> ir.Table:
    """Kind and mode of each record; both null where the small side has no such key."""
    key = kind_key(records, topics_matter=small.topics_matter)
    rows = small.kinds.to_pylist()
    if len(rows) <= _SPELLED_KINDS and not small.topics_matter:
        named = {name: ibis.null("int32") for name in ("kind", "mode")}
        for name in named if rows else ():
            cases = [(key == row["key"], ibis.literal(row[name], "int32")) for row in rows]
            named[name] = ibis.cases(*cases, else_=ibis.null("int32"))
        return records.mutate(**{f"{_P}{name}": column for name, column in named.items()})
    kinds = ibis.memtable(small.kinds).rename(f"{_P}{{name}}")
    keyed = records.mutate(**{f"{_P}record_key": key})
    joined = keyed.left_join(kinds, keyed[f"{_P}record_key"] == kinds[f"{_P}key"])
    return joined.drop(f"{_P}key", f"{_P}record_key")


def _with_code(parties: ir.Table, small: SmallSide, subject: str, code: str) -> ir.Table:
    """Each row with the code of one of its parties; null where there is no such party."""
    spans, windows = beside(small.spans, parties).view(), ibis.memtable(small.windows).view()
    t0 = parties[f"{_P}t0"]
    placed = parties.left_join(
        spans, [parties[subject] == spans.subject, t0 >= spans.start, t0 < spans.stop]
    ).select(*(parties[name] for name in parties.columns), **{f"{_P}cohort": spans.cohort})
    t0 = placed[f"{_P}t0"]
    alike = [] if _is_one_kind(small) else [placed[f"{_P}kind"] == windows.kind]
    coded = placed.left_join(
        windows,
        [placed[f"{_P}cohort"] == windows.cohort, *alike, t0 >= windows.start, t0 < windows.stop],
    )
    found = ibis.ifelse(
        placed[subject].isnull(),
        ibis.null("int32"),
        windows.code.fill_null(ibis.literal(_UNKNOWN_SUBJECT, "int32")),
    )
    kept = [placed[name] for name in placed.columns if name != f"{_P}cohort"]
    return coded.select(*kept, **{code: found})


def _fold_narrow(prepared: ir.Table, small: SmallSide) -> ir.Table:
    """Records with an author and at most one addressee: two look-ups side by side."""
    judged = prepared[f"{_P}alone"].isnull()
    addressee = prepared[f"{_P}first"]
    there = judged & (prepared[f"{_P}addressees"] == 1) & (addressee != prepared.author)
    nobody = ibis.null("string")
    parties = prepared.mutate(
        **{
            f"{_P}s0": ibis.ifelse(judged, prepared.author, nobody),
            f"{_P}s1": ibis.ifelse(there, addressee, nobody),
        }
    )
    coded = _with_code(parties, small, f"{_P}s0", f"{_P}c0")
    coded = _with_code(coded, small, f"{_P}s1", f"{_P}c1")
    first, second = coded[f"{_P}c0"], coded[f"{_P}c1"]
    pair = second.notnull()
    ahead = _worse(second, first)
    if ANY_PARTY in small.kinds["mode"].to_pylist():
        ahead = ibis.ifelse(coded[f"{_P}mode"] == ANY_PARTY, _worse(first, second), ahead)
    second_decides = pair & ahead
    subjects = ibis.cases(
        (first.isnull(), ibis.literal([], "array<string>")),
        (pair, ibis.array([coded[f"{_P}s0"], coded[f"{_P}s1"]])),
        else_=ibis.array([coded[f"{_P}s0"]]),
    )
    codes = ibis.cases(
        (first.isnull(), ibis.literal([], "array<int32>")),
        (pair, ibis.array([first, second])),
        else_=ibis.array([first]),
    )
    return coded.mutate(
        judged=subjects,
        codes=codes,
        **{
            f"{_P}code": coded[f"{_P}alone"].coalesce(ibis.ifelse(second_decides, second, first)),
            f"{_P}party": ibis.ifelse(second_decides, coded[f"{_P}s1"], coded[f"{_P}s0"]),
            "all_codes": coded[f"{_P}alone"].coalesce(first | second.fill_null(0)),
            "some_allowed": (first == 0).fill_null(False) | (second == 0).fill_null(False),
        },
    ).drop(f"{_P}s0", f"{_P}s1", f"{_P}c0", f"{_P}c1")


def _fold_wide(wide: ir.Table, small: SmallSide) -> ir.Table:
    """Records with several addressees: one row per party, then grouped by record."""
    needed = wide.select("id", "author", "addressees", f"{_P}t0", f"{_P}kind", f"{_P}mode")
    common = ("id", f"{_P}t0", f"{_P}kind", f"{_P}mode")
    listed = needed.unnest("addressees", offset=f"{_P}order")
    rows = ibis.union(
        needed.select(*common, **{f"{_P}s": needed.author, f"{_P}order": ibis.literal(-1, "int64")}),
        listed.select(
            *common,
            **{
                f"{_P}s": listed.addressees.fill_null(""),
                f"{_P}order": listed[f"{_P}order"].cast("int64"),
            },
        ),
    )
    # Each party once, where it is named first.
    parties = rows.group_by(*common, f"{_P}s").aggregate(**{f"{_P}order": rows[f"{_P}order"].min()})
    coded = _with_code(parties, small, f"{_P}s", f"{_P}c")
    badness = _badness(coded[f"{_P}c"])
    favour = ibis.ifelse(coded[f"{_P}mode"] == ANY_PARTY, -badness, badness)
    ranked = coded.mutate(
        **{
            f"{_P}rank": favour * (2**40) - coded[f"{_P}order"],
            f"{_P}entry": ibis.struct(
                {"order": coded[f"{_P}order"], "subject": coded[f"{_P}s"], "code": coded[f"{_P}c"]}
            ),
        }
    )
    folded = ranked.group_by("id").aggregate(
        **{
            f"{_P}code": ranked[f"{_P}c"].argmax(ranked[f"{_P}rank"]),
            f"{_P}party": ranked[f"{_P}s"].argmax(ranked[f"{_P}rank"]),
            "all_codes": ranked[f"{_P}c"].bit_or().cast("int32"),
            "some_allowed": (ranked[f"{_P}c"] == 0).any(),
            f"{_P}entries": ranked[f"{_P}entry"].collect(),
        }
    )
    entries = folded[f"{_P}entries"].sort()
    folded = folded.mutate(
        judged=entries.map(lambda entry: entry["subject"]), codes=entries.map(lambda entry: entry["code"])
    ).rename({f"{_P}id": "id"})
    return wide.inner_join(folded, wide.id == folded[f"{_P}id"]).drop(f"{_P}id", f"{_P}entries")


def _badness(code: ir.IntegerValue) -> ir.IntegerValue:
    """2 for a denial, 1 for a gap, 0 for allowed."""
    return ibis.cases((_denied(code), 2), (code != 0, 1), else_=0).cast("int64")


def _denied(code: ir.IntegerValue) -> ir.BooleanValue:
    return (code & DENIALS) != 0


def _worse(code: ir.IntegerValue, other: ir.IntegerValue) -> ir.BooleanValue:
    """Whether a denial stands against none, or any reason against none."""
    return (_denied(code) & ~_denied(other)) | ((code != 0) & (other == 0))


def _spelled_out(folded: ir.Table, columns: tuple[str, ...]) -> ir.Table:
    # A record that has no code for whatever reason is nobody's: a gap, never allowed.
    code = folded[f"{_P}code"].fill_null(ibis.literal(_UNKNOWN_SUBJECT, "int32"))
    party = ibis.ifelse(
        (code != 0) & folded[f"{_P}alone"].isnull(), folded[f"{_P}party"], ibis.null("string")
    )
    return folded.select(
        *(folded[name] for name in columns),
        verdict=ibis.cases((_denied(code), "denied"), (code != 0, "gap"), else_="allowed"),
        reason=_first_reason(code),
        party=party,
        judged=folded.judged,
        codes=folded.codes,
        code=code,
        all_codes=folded.all_codes,
        some_allowed=folded.some_allowed,
        any_party_would_allow=(folded[f"{_P}mode"] == ALL_PARTIES) & (code != 0) & folded.some_allowed,
    )


def _first_reason(code: ir.IntegerValue) -> ir.StringValue:
    """The text of the lowest bit: reasons are numbered in the order in which they are named."""
    return ibis.cases(
        *(((code & (1 << reason)) != 0, reason.text) for reason in Reason), else_=ibis.null("string")
    )
