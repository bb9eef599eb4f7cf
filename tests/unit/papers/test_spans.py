"""The relational plan against the reference's view of a member, on random histories."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from troth.core.entries import make_body
from troth.core.events import Attributes, Choose
from troth.core.standing import Known, Standing
from troth.papers.relational import engine, load_attributes

NAMES = ("ann", "bob", "ann\u0000x", "ünï")
TIERS = ("basic", "premium", None)
INSTANTS = st.integers(-3, 9) | st.just(1_700_000_000_123_456)

ATTRIBUTES = st.builds(
    lambda subject, since, tier, place, names: Attributes(
        subject, since, tuple((k, v) for k, v in (("jurisdiction", place), ("tier", tier)) if k in names)
    ),
    st.sampled_from(NAMES),
    INSTANTS,
    st.sampled_from(TIERS),
    st.sampled_from(("US", "US-CA", None)),
    st.sets(st.sampled_from(("tier", "jurisdiction"))),
)
OTHERS = st.builds(lambda subject, at: Choose(subject, "s", on=True, at=at), st.sampled_from(NAMES), INSTANTS)


@given(st.lists(ATTRIBUTES | OTHERS, max_size=12), st.lists(INSTANTS, min_size=1, max_size=5))
@settings(max_examples=60)
def test_spans_say_what_standing_says(events: list[Attributes | Choose], asked: list[int]) -> None:
    known = Known(enumerate(events))
    bodies = [(at, one.subject, make_body(one, 0, None)) for at, one in enumerate(events)]
    with engine() as connection:
        load_attributes(connection, bodies)
        for name in ("tier", "jurisdiction"):
            for instant in asked:
                rows = connection.execute(
                    f"SELECT subject, {name} FROM spans_of_{name} WHERE start <= $t AND $t < stop",
                    {"t": instant},
                ).fetchall()
                found = dict(rows)
                assert len(found) == len(rows)
                for subject, history in known.members.items():
                    standing = Standing(known, history, 2**60)
                    assert found.get(subject) == standing.attribute(name, instant)
