"""Whether an importer keeps the protocol of ``troth.intake.kinds``: call it from a test of your own.

def test_my_importer(tmp_path):
    assert check_importer(Diary(), [write_sample(tmp_path)], tmp_path) == []
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from troth.core.errors import BadInput
from troth.core.values import check_instant, covers
from troth.intake.kinds import Importer, Job
from troth.intake.rows import (
    MAX_NAME,
    Damaged,
    Gone,
    Hint,
    Item,
    LeftOut,
    Noted,
    Rejected,
    Row,
    clean,
    record_category,
)

NOW: Final = 1_767_225_600_000_000
"""The clock of the checks: 2026-01-01."""

_KIND: Final = re.compile(r"[a-z][a-z0-9-]{0,30}")
_REASON: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")
_LONGEST_REASON: Final = 300
_CUTS: Final = (0.1, 0.5, 0.9)
_WORDS_QUOTED: Final = 20


def check_importer(importer: Importer, sample: Sequence[Path], scratch: Path) -> list[str]:
    """What is wrong with an importer, in sentences; empty if nothing is.

    Args:
        importer: the importer.
        sample: paths of an export with a few records, as a user would name them.
        scratch: an empty folder; spoilt copies of the sample are written into it.
    """
    problems = list(_face(importer))
    try:
        items = list(importer.items(Job(tuple(sample), NOW)))
        again = list(importer.items(Job(tuple(sample), NOW)))
    except Exception as error:  # noqa: BLE001 - whatever it raises is the finding
        return [*problems, f"the sample cannot be read: {type(error).__name__}: {error}"]
    rows = [one for one in items if isinstance(one, Row)]
    if not rows:
        problems.append("the sample gives no record: there is nothing to check")
    if items != again:
        problems.append("reading the sample twice gives different items")
    for item in items:
        known: object = item
        problems += _item(item) if isinstance(known, Item) else [f"{type(item).__name__} is no item"]
    problems += _quotes(items)
    problems += _spoilt(importer, sample, scratch, {row.id for row in rows})
    return list(dict.fromkeys(problems))


def _face(importer: object) -> Iterator[str]:
    if not isinstance(importer, Importer):
        yield "it lacks kind, summary or items"
        return
    if not _KIND.fullmatch(importer.kind):
        yield f"the kind {importer.kind!r} is not a word of small letters, digits and hyphens"
    if not importer.summary.strip() or "\n" in importer.summary:
        yield "the summary is not one line"


def _item(item: Item) -> Iterator[str]:
    if isinstance(item, Noted | Gone | Hint):
        return
    if not item.where.source:
        yield "an item does not say where it comes from"
    if isinstance(item, Row):
        yield from _row(item)
    elif isinstance(item, LeftOut):
        if not _REASON.fullmatch(item.reason):
            yield f"the rule {item.reason!r} is not a short name such as no-words: it is what counts go by"
    elif not item.reason or len(item.reason) > _LONGEST_REASON:
        yield "a reason is empty or very long"


def _row(row: Row) -> Iterator[str]:
    if not row.id or len(row.id) > MAX_NAME:
        yield "a record has no id, or one that is too long"
    try:
        record_category(row.category)
        for instant in (row.created_at, row.deleted_at):
            if instant is not None:
                check_instant(instant)
    except BadInput as error:
        yield f"a record has a category or an instant that is none: {error.message}"
    parties = (row.author, *row.addressees)
    if any(one is not None and len(one) > MAX_NAME for one in parties):
        yield "a party's name is too long"
    if row.author == "":
        yield "an author who is not known is None, not the empty text"
    if len(set(row.addressees)) != len(row.addressees):
        yield "an addressee is named twice"
    if covers("private_message", row.category) and not row.addressees:
        yield "a private message has no addressee; one that is not known is the empty text"
    for text in (row.id, row.conversation, row.title, row.body, *parties):
        if text is not None and clean(text) != text:
            yield "a text holds what no store can keep (NUL, lone surrogates); use troth.intake.rows.clean"


def _quotes(items: Sequence[Item]) -> Iterator[str]:
    """Reasons go to files and screens: what people wrote must not."""
    bodies = {row.body[:_WORDS_QUOTED] for row in items if isinstance(row, Row) and row.body}
    for item in items:
        if isinstance(item, Rejected | Damaged):
            quoted = [one for one in bodies if len(one) == _WORDS_QUOTED and one in item.reason]
            if quoted:
                yield "a reason quotes what somebody wrote"


def _spoilt(importer: Importer, sample: Sequence[Path], scratch: Path, ids: set[str]) -> Iterator[str]:
    yield from _raises(importer, scratch / "not-there", "a path that is not there", must=True)
    noise = scratch / f"noise{sample[0].suffix}"
    noise.write_bytes(bytes(range(256)) * 40)
    yield from _raises(importer, noise, "bytes that mean nothing", must=False)
    for path in sample:
        if not path.is_file():
            continue
        whole = path.read_bytes()
        for cut in _CUTS:
            part = scratch / f"cut-{int(cut * 100)}-{path.name}"
            part.write_bytes(whole[: int(len(whole) * cut)])
            try:
                found = {one.id for one in importer.items(Job((part,), NOW)) if isinstance(one, Row)}
            except BadInput:
                continue
            except Exception as error:  # noqa: BLE001 - whatever it raises is the finding
                yield f"a source that ends too early raises {type(error).__name__}; expected Damaged or BadInput"
                continue
            if not found <= ids:
                yield "of a source that ends too early, a record is taken that is not whole"


def _raises(importer: Importer, path: Path, what: str, *, must: bool) -> Iterator[str]:
    try:
        found = [one for one in importer.items(Job((path,), NOW)) if isinstance(one, Row)]
    except BadInput:
        return
    except Exception as error:  # noqa: BLE001 - whatever it raises is the finding
        yield f"{what}: raises {type(error).__name__}; expected BadInput"
        return
    if must or found:
        yield f"{what}: is taken for an export"
