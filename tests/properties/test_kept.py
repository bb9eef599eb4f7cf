"""A kept small side, advanced step by step, says what the reference says: as if everybody had been folded anew."""

from __future__ import annotations

import random
from collections import defaultdict
from pathlib import Path

import pyarrow as pa
import pytest

from tests.properties.crowds import Crowd, crowd
from tests.properties.worlds import SCALE, SEED
from troth.core.decide import Judge
from troth.core.events import subject_of
from troth.core.reasons import Reason, bits
from troth.core.standing import Known, Standing
from troth.core.values import MICROSECONDS_PER_DAY, any_covers_any
from troth.gate.cohorts import EARLIEST
from troth.gate.gate import Asked, Gate
from troth.gate.kept import Kept, LedgerNow
from troth.gate.small import KINDS, in_memory

CHUNKS = SCALE
CROWDS = 4
STEPS = 4
UNKNOWN = 1 << Reason.UNKNOWN_SUBJECT


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_what_is_advanced_is_what_the_reference_says(chunk: int, tmp_path: Path) -> None:
    check_kept(chunk, tmp_path)


def check_kept(chunk: int, folder: Path) -> None:
    """Follow the crowds of a chunk from position to position and from day to day."""
    advanced = moved = 0
    for number in range(CROWDS):
        drawn = crowd(f"kept{chunk}.{number}")
        followed = follow(drawn, folder / str(number))
        advanced, moved = advanced + followed[0], moved + followed[1]
    # Else only the first fold was tested; or no day ever passed between two of them.
    assert advanced >= CROWDS // 2
    assert moved


def follow(drawn: Crowd, folder: Path) -> tuple[int, int]:
    """How often a step was taken without folding everybody, and how often T moved in such a step."""
    rng = random.Random(f"{SEED}{drawn.seed}/kept")
    world = max((place for place, event in enumerate(drawn.events) if subject_of(event) is None), default=0)
    kept = Kept(folder, share=0)
    first = min(
        (one for each in drawn.instants.values() for one in each if one is not None), default=drawn.at
    )
    position, at, advanced, moved = 0, 0, 0, 0
    for step in range(STEPS):
        left = STEPS - 1 - step
        stop = len(drawn.events) - (rng.randrange(len(drawn.events) - world) * left // STEPS if left else 0)
        now = drawn.at - left * rng.choice((0, 0, 1, 3_600_000_000, MICROSECONDS_PER_DAY))
        stop, now = max(stop, position), max(now, at)
        gate = Gate(Known(enumerate(drawn.events[:stop])), drawn.use, now)
        since = drawn.events[position:stop]
        ledger = LedgerNow(
            stop,
            None,
            0,
            frozenset(name for one in since if (name := subject_of(one)) is not None),
            any(subject_of(one) is None for one in since),
            True,
        )
        asked = asked_of(gate, drawn, first, kept.asked(gate) if kept.state else None)
        touched = ledger.touched | (kept.due(now) if kept.state else set())
        if kept.outdated(gate, ledger, asked, len(touched)) is None:
            kept.commit(kept.advance(gate, ledger, touched))
            advanced += 1
            moved += now > at
        else:
            asked = asked_of(gate, drawn, first, None)
            kept.commit(kept.rebuild(gate, asked, ledger))
        position, at = stop, now
        compare(drawn, gate, kept, asked)
    return advanced, moved


def asked_of(gate: Gate, drawn: Crowd, first: int, before: Asked | None) -> Asked:
    """The kinds of the crowd's categories, as a table of records would have them."""
    signatures = list(before.signatures) if before else []
    sets = list(before.sets) if before else []
    for categories in drawn.category_sets:
        signature = tuple(any_covers_any(scope, categories) for scope in gate.scopes)
        if signature not in signatures:
            signatures.append(signature)
            sets.append(categories)
    return Asked(in_memory([], KINDS), sets, signatures, first, True, True, gate.at, True)


def compare(drawn: Crowd, gate: Gate, kept: Kept, asked: Asked) -> None:
    subjects = pa.table({"subject": pa.array(sorted(drawn.instants), pa.string())})
    assert kept.state is not None
    small = kept.small_side_of(kept.state, asked, subjects)
    assert isinstance(small.spans, pa.Table)
    spans: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
    for row in small.spans.to_pylist():
        spans[row["subject"]].append((row["start"], row["stop"], row["cohort"]))
    windows: dict[tuple[int, int], list[tuple[int, int, int]]] = defaultdict(list)
    for row in small.windows.to_pylist():
        windows[row["cohort"], row["kind"]].append((row["start"], row["stop"], row["code"]))
    for subject, instants in drawn.instants.items():
        standing = Standing(gate.known, gate.known.member(subject), gate.at)
        for instant in instants:
            t0 = EARLIEST if instant is None else min(instant, gate.at)
            for kind, categories in enumerate(asked.sets):
                wanted = bits(
                    Judge(standing, gate.use, categories, None if instant is None else t0).judge()[0]
                )
                cohort = one_of(spans[subject], t0)
                found = UNKNOWN if cohort is None else one_of(windows[cohort, kind], t0)
                assert found == wanted, f"{drawn.seed}, {subject}, {instant}, {categories}"


def one_of(rows: list[tuple[int, int, int]], instant: int) -> int | None:
    """What the one row says that holds an instant: there are never two."""
    found = [what for start, stop, what in rows if start <= instant < stop]
    assert len(found) <= 1
    return found[0] if found else None
