"""The past: disclosures and training runs from before Troth, judged by the terms of their day."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import ibis
import ibis.expr.types as ir

from troth.app.decisions import open_gate, records_of
from troth.app.home import Home
from troth.core.entries import Act
from troth.core.errors import BadInput, Place
from troth.core.shape import Shape
from troth.core.values import Use, any_covers, check_category, check_purpose, check_recipient, format_instant
from troth.core.written import Json
from troth.intake.yaml_files import read_yaml
from troth.ledger.shelf import replace

KINDS: Final = ("disclosure", "training")
CONFIDENCE: Final = ("certain", "likely", "possible", "alleged")
_FIELDS: Final = ("kind", "who", "purpose", "what", "since", "when", "evidence", "confidence", "model")
_REMEDY: Final = {
    "disclosure": "recall it: ask for deletion and a signed acknowledgement; tell the members",
    "training": "take the model out of use, or train it anew without what was not allowed; tell the members",
}


@dataclass(frozen=True, slots=True)
class Happened:
    """A row of the past: who got or trained on what, when (microseconds UTC), on what evidence, how surely.

    ``what``: categories, or ``any``; ``since``: only what was written from then on; None: all there was.
    """

    kind: str
    who: str
    purpose: str
    what: tuple[str, ...]
    when: int
    since: int | None
    evidence: str
    confidence: str
    model: str | None

    def as_json(self) -> dict[str, Json]:
        """Plain JSON values."""
        return {
            "kind": self.kind,
            "who": self.who,
            "purpose": self.purpose,
            "what": list(self.what),
            "when": format_instant(self.when),
            "since": None if self.since is None else format_instant(self.since),
            "evidence": self.evidence,
            "confidence": self.confidence,
            "model": self.model,
        }


def read(path: Path) -> list[Happened]:
    """The rows of a CSV, JSON lines or YAML file.

    Raises:
        BadInput: a row cannot be read; names file and line.
    """
    found = [_row(shape) for shape in _shapes(path)]
    if not found:
        raise BadInput(
            "holds no row", place=Place(str(path)), remedy=f"give the columns {', '.join(_FIELDS)}"
        )
    return found


def _shapes(path: Path) -> Iterator[Shape]:
    suffix = path.suffix.lower()
    if suffix in (".yaml", ".yml"):
        for document in read_yaml(path):
            yield from document.items() if isinstance(document.value, list) else [document]
        return
    if suffix not in (".csv", ".jsonl"):
        raise BadInput(
            "is of an unknown kind", place=Place(str(path)), remedy="expected .csv, .jsonl or .yaml"
        )
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"cannot be read: {error}", place=Place(str(path)), remedy="check the path") from None
    if suffix == ".csv":
        rows = csv.DictReader(io.StringIO(text))
        try:
            for row in rows:
                value: dict[str, Any] = {key: one for key, one in row.items() if key is not None and one}
                value["what"] = (value.get("what") or "any").split()
                yield Shape(value, str(path), {(): rows.line_num})
        except csv.Error as error:
            raise BadInput(f"is no CSV: {error}", place=Place(str(path), rows.line_num)) from None
        return
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            yield Shape(json.loads(line), str(path), {(): number})
        except (ValueError, RecursionError) as error:
            raise BadInput(f"is no JSON: {type(error).__name__}", place=Place(str(path), number)) from None


def _row(shape: Shape) -> Happened:
    what, since, model = shape.get("what"), shape.get("since"), shape.get("model")
    purpose = shape.get("purpose")
    listed = ((what.as_text(),) if isinstance(what.value, str) else what.texts()) if what else ("any",)
    for one in listed:
        check_category(one)
    found = Happened(
        kind=shape.need("kind").as_one_of(KINDS),
        who=shape.need("who").checked(check_recipient),
        purpose=purpose.checked(check_purpose) if purpose else "train.generative",
        what=listed,
        when=shape.need("when").as_instant(),
        since=since.as_instant() if since else None,
        evidence=shape.need("evidence").as_text(),
        confidence=shape.need("confidence").as_one_of(CONFIDENCE),
        model=model.as_text() if model else None,
    )
    shape.close()
    return found


@dataclass(frozen=True, slots=True)
class Judged:
    """A row judged by the terms of its day: counts, who is affected, what to remedy, whom to notify."""

    happened: Happened
    records: dict[str, int]
    reasons: dict[str, int]
    members: tuple[str, ...]

    def as_json(self) -> dict[str, Json]:
        """Plain JSON values, without names of members."""
        wrong = self.records["denied"] + self.records["gap"]
        return {
            **self.happened.as_json(),
            "records": dict(self.records),
            "first_reasons": dict(self.reasons),
            "members_affected": len(self.members),
            "remedy": _REMEDY[self.happened.kind] if wrong else "nothing: the terms of the day allowed it",
            "notify": [self.happened.who, "the members affected"] if wrong else [],
        }


def judge(home: Home, happened: Happened) -> Judged:
    """Judge what the home's records would have been allowed for, on that day, by what is known now.

    Records that were deleted by then count too: nobody can say that they did not leave.
    """
    table = open_gate(home, Use(happened.purpose, happened.who), happened.when).decide(
        _records(home, happened)
    )
    rows = table.select("verdict", "reason", "judged", "author", "addressees").to_pyarrow().to_pylist()
    counts, reasons = dict.fromkeys(("allowed", "denied", "gap"), 0), dict[str, int]()
    members: set[str] = set()
    for row in rows:
        counts[row["verdict"]] += 1
        if row["verdict"] != "allowed":
            reasons[row["reason"]] = reasons.get(row["reason"], 0) + 1
            members.update(one for one in (row["author"], *(row["addressees"] or ())) if one)
    ordered = dict(sorted(reasons.items(), key=lambda one: (-one[1], one[0])))
    return Judged(happened, counts, ordered, tuple(sorted(members)))


def _records(home: Home, happened: Happened) -> ir.Table:
    """The home's records that fall under a row: written by then, of its categories."""
    records = records_of(home)
    chosen = records.filter(records.created_at.isnull() | (records.created_at <= happened.when))
    if happened.since is not None:
        chosen = chosen.filter(chosen.created_at >= happened.since)
    if "any" not in happened.what:
        there = chosen.select("category").distinct().to_pyarrow()["category"].to_pylist()
        wanted = [one for one in there if any_covers(happened.what, one)]
        chosen = chosen.filter(chosen.category.isin(wanted) if wanted else ibis.literal(False))
    return chosen


def import_past(home: Home, path: Path, members_out: Path | None = None) -> list[Judged]:
    """Record and judge what a file says of the past. May be repeated: a row is recorded once.

    Args:
        home: the home; its terms, settings and records are what is judged by.
        path: CSV, JSON lines or YAML.
        members_out: a private CSV of (row, member) to write: whom to notify.

    Raises:
        BadInput: a row cannot be read; names file and line.
    """
    rows = read(path)
    judged = [judge(home, one) for one in rows]
    for one in judged:
        answer = one.as_json()
        details: dict[str, Json] = {"step": "past", **answer}
        name = hashlib.sha256(json.dumps(one.happened.as_json(), sort_keys=True).encode()).hexdigest()
        with home.reading() as ledger:
            there = any(act.details.get("past") == name for _, act in ledger.acts("disclosure"))
        if not there:
            home.append([Act("disclosure", {**details, "past": name})], request=f"past/{name}")
    if members_out is not None:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("row", "who", "when", "member"))
        for number, one in enumerate(judged, 1):
            when = format_instant(one.happened.when)
            writer.writerows((number, one.happened.who, when, member) for member in one.members)
        replace(members_out, text.getvalue().encode(), 0o600)
    return judged
