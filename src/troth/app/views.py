"""What operators, auditors and programs look at: decisions, releases, entries, models, gaps."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import ibis
import pyarrow as pa

from troth.app import consequences, logs, releases
from troth.app import models as app_models
from troth.app.home import Home, instant_or_now
from troth.app.serving import ServedHome
from troth.core.standing import Known, Standing
from troth.core.values import Use, format_instant
from troth.core.written import Json
from troth.gate.gate import TALLIED, Tally

_COARSE: Final = 60 * 1_000_000
_KEPT: Final = 16


class _Kept:
    """A few answers that took long, kept as long as nothing they rest on has changed."""

    def __init__(self) -> None:
        self._answers: dict[tuple[Any, ...], Any] = {}
        self._lock = threading.Lock()

    def get(self, key: tuple[Any, ...]) -> Any:  # noqa: ANN401 - whatever was kept
        with self._lock:
            return self._answers.get(key)

    def put(self, key: tuple[Any, ...], answer: object) -> None:
        with self._lock:
            while len(self._answers) >= _KEPT:
                self._answers.pop(next(iter(self._answers)))
            self._answers[key] = answer


_KEPT_ANSWERS: Final = _Kept()


def decisions(home: Home, use: Use, at: str | None, ids: Sequence[str]) -> dict[str, Json]:
    """The verdicts on some records, in the order asked; one that is not known is a gap."""
    gate = home.gate(use, at) if hasattr(home, "gate") else None
    if gate is None:
        raise TypeError("a home of the public API is needed")
    wanted = ibis.memtable(pa.table({"id": pa.array(list(dict.fromkeys(ids)), pa.string())}))
    records = gate.records()
    decided = gate.decide(records.semi_join(wanted, "id")).select("id", "verdict", "reason")
    found = {row["id"]: row for row in decided.to_pyarrow().to_pylist()}
    return {
        "position": gate.question.position,
        "at": format_instant(gate.question.at),
        "decisions": [
            {
                "record": name,
                "verdict": found[name]["verdict"] if name in found else "gap",
                "reason": found[name]["reason"] if name in found else "unknown-record",
            }
            for name in ids
        ],
    }


def summary(home: ServedHome, use: Use, at: str | None) -> dict[str, Any]:
    """Counts of all records for a use; kept until an entry or a record comes, for the minute that was asked in."""
    return dict(overview(home, use, at)["summary"])


def overview(home: ServedHome, use: Use, at: str | None = None) -> dict[str, Any]:
    """How all records fare for a use: the summary, and verdicts by the country and tier of their authors."""
    now = instant_or_now(at)
    now -= now % _COARSE if at is None else 0
    key = ("overview", str(home.path), use, now, home.position, _stamp(home))
    kept = _KEPT_ANSWERS.get(key)
    if kept is not None:
        return dict(kept)
    gate = home.gate(use, now)
    decided = gate.decide()
    known, _ = home.known()
    places = ibis.memtable(_places(known, now))
    grouped = (
        decided.left_join(places, decided.author == places.member)
        .group_by(*TALLIED, "verdict", "reason", "category", "country")
        .aggregate(records=lambda table: table.count())
    )
    rows = grouped.to_pyarrow().to_pylist()
    tally = Tally()
    countries: dict[str, dict[str, int]] = {}
    gaps: Counter[tuple[str, str]] = Counter()
    for row in rows:
        tally.add(row, row["records"])
        counts = countries.setdefault(row["country"] or "not known", {"allowed": 0, "denied": 0, "gap": 0})
        counts[row["verdict"]] += row["records"]
        if row["verdict"] == "gap":
            gaps[str(row["reason"]), str(row["category"])] += row["records"]
    summed = tally.summary().as_json() | {"position": gate.question.position, "at": format_instant(now)}
    answer = {
        "summary": summed,
        "countries": dict(sorted(countries.items(), key=lambda item: -sum(item[1].values()))),
        "gaps": [
            {"reason": reason, "category": category, "records": records}
            for (reason, category), records in sorted(gaps.items(), key=lambda item: (-item[1], item[0]))
        ],
    }
    _KEPT_ANSWERS.put(key, answer)
    return answer


def _places(known: Known, now: int) -> pa.Table:
    """Every member and the country where they are."""
    members, countries = [], []
    for member, history in known.members.items():
        place = Standing(known, history, now).jurisdiction(now)
        members.append(member)
        countries.append(place.partition("-")[0] if place else None)
    return pa.table({"member": pa.array(members, pa.string()), "country": pa.array(countries, pa.string())})


def _stamp(home: Home) -> tuple[tuple[str, int], ...]:
    return tuple((path.name, path.stat().st_mtime_ns) for path in sorted(home.records_path.glob("*.parquet")))


def release_page(home: Home, after: int, limit: int) -> dict[str, Any]:
    """Some releases after a position, and the position to go on from."""
    found = [(position, details) for position, details in releases.listed(home) if position > after]
    items = [{"position": position, **details} for position, details in found[:limit]]
    return {"items": items, "next": found[limit - 1][0] if len(found) > limit else None}


def release(home: Home, name: str) -> dict[str, Any] | None:
    """A release by its name: what the ledger says of it, and what a check finds where it lies here."""
    for position, details in releases.listed(home):
        if details["release"] == name:
            path = consequences.releases_path(home) / name
            counts: dict[str, Json] | None = None
            if name.isalnum() and path.is_dir():
                counts = releases.counts_of(releases.manifest_of(path))
            return {
                "position": position,
                **details,
                "counts": counts,
                "verified": consequences.verified(home, name),
            }
    return None


def entry_page(home: Home, after: int, limit: int) -> dict[str, Any]:
    """What the public sees of some entries after a position."""
    with home.reading() as ledger:
        head = ledger.size
        stop = min(after + 1 + limit, head)
        items = [ledger.receipt(position).as_json() for position in range(after + 1, stop)]
    return {"items": items, "next": stop - 1 if stop < head else None}


def checkpoint(home: Home) -> dict[str, Json]:
    """The head of the ledger, and its newest signed checkpoint, where it has a public log."""
    text = None
    if home.config.origin is not None:
        published = logs.open_log(home).published()
        text = None if published is None else published.note.write().decode()
    return {"position": home.position, "checkpoint": text}


def acts(home: Home, kind: str) -> list[tuple[int, dict[str, Json]]]:
    """The operator's acts of a kind, with their positions."""
    with home.reading() as ledger:
        return [(position, act.details) for position, act in ledger.all_acts() if act.type == kind]


def models(home: Home) -> list[dict[str, Json]]:
    """All models and how they stand, without where their files lie."""
    return [
        {**one, "certificates": [Path(str(path)).name for path in one["certificates"]]}  # type: ignore[union-attr]
        for one in app_models.listed(home)
    ]
