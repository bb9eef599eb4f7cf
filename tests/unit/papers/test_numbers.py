"""Every number of a paper, counted again by the reference's own view of members and by plain loops."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import troth
from tests.unit.papers.conftest import World
from troth.app import exposure, papers
from troth.core.entries import Act
from troth.core.events import Attributes, Erase
from troth.core.standing import Standing
from troth.core.values import any_covers, format_instant, parse_instant
from troth.core.written import Json
from troth.papers.claims import Claim
from troth.papers.exposure import amount, price
from troth_network import pipelines
from troth_network.days import SUIT
from troth_network.pipelines import Disclosed


def answers(paper: dict[str, Any]) -> dict[str, Any]:
    return {
        one["key"]: one.get("value", one.get("table", {}).get("rows") if "table" in one else None)
        for section in paper["sections"]
        for one in section["fields"]
    }


def numbers(value: object) -> list[int]:
    if isinstance(value, bool):
        return []
    if isinstance(value, int):
        return [value]
    return [one for item in value for one in numbers(item)] if isinstance(value, list) else []


def standings(world: World) -> dict[str, Standing]:
    known, _ = world.home.known()
    last = papers.facts_of(world.home).stand.time
    return {name: Standing(known, history, last) for name, history in known.members.items()}


# exposure, without a line of SQL


def chosen(world: World, claim: Claim) -> list[tuple[Disclosed, str]]:
    return [
        (one, to)
        for one in pipelines.as_alleged(world.network, SUIT)
        for to in pipelines.RECIPIENTS[1:]
        if any_covers(claim.recipients, to)
        and any_covers(claim.categories, one.record.category)
        and one.at < claim.before
    ]


def in_class(standing: Standing | None, claim: Claim, reading: str, one: Disclosed) -> bool:
    if standing is None:
        return False
    if reading == "ever":
        since = [
            dict(one.named)["tier"]
            for one in standing.events
            if isinstance(one, Attributes) and "tier" in dict(one.named) and one.since <= claim.filed_at
        ]
        return claim.tier in since
    at = one.record.created_at if reading == "when_sent" else one.at
    return at is not None and standing.attribute("tier", at) == claim.tier


def paid_days(standing: Standing, claim: Claim, start: int, until: int) -> int:
    """Microseconds, found by asking at each moment at which an entry could change the answer."""
    entries = {
        one.since for one in standing.events if isinstance(one, Attributes) and start < one.since < until
    }
    moments = sorted({start, until, *entries})
    return sum(b - a for a, b in pairwise(moments) if standing.attribute("tier", a) == claim.tier)


def test_exposure_is_counted_as_the_reference_counts(world: World) -> None:
    claim = exposure.read_claim_file(world.claim)
    found = answers(exposure.expose(world.home, world.claim, disclosed=(world.past,)).paper.as_json())
    everybody = standings(world)
    rows = chosen(world, claim)
    assert rows, "the network disclosed nothing to count"
    for reading in claim.readings:
        people: set[str] = set()
        unknown: set[str] = set()
        records: set[str] = set()
        disclosures: set[tuple[str, str, int]] = set()
        per: dict[str, tuple[set[str], set[str], int]] = {}
        for one, to in rows:
            parties = {name for name in (one.record.author, *one.record.addressees) if name}
            mine = {p for p in parties if in_class(everybody.get(p), claim, reading, one)}
            at = {"when_sent": one.record.created_at, "when_disclosed": one.at, "ever": None}[reading]
            for name in parties:
                standing = everybody.get(name)
                if reading == "ever":
                    known = standing is not None and any(
                        "tier" in dict(getattr(e, "named", ())) for e in standing.events
                    )
                else:
                    known = (
                        standing is not None and at is not None and standing.attribute("tier", at) is not None
                    )
                if not known:
                    unknown.add(name)
            if mine:
                people |= mine
                records.add(one.record.id)
                disclosures.add((one.record.id, to, one.at))
                who, what, how_many = per.get(to, (set(), set(), 0))
                per[to] = (who | mine, what | {one.record.id}, how_many + 1)
        assert found[f"{reading}.members"] == len(people) > 0
        assert found[f"{reading}.records"] == len(records)
        assert found[f"{reading}.disclosures"] == len(disclosures)
        assert found[f"{reading}.unknown"] == len(unknown)
        assert [numbers(row) for row in found[f"{reading}.recipients"]] == [
            [len(per[to][0]), len(per[to][1]), per[to][2]] for to in sorted(per)
        ]
        assert found[f"money.stored-communications.{reading}.everybody"] == amount(
            "USD", len(people) * 100_000
        )
        assert found[f"money.stored-communications.{reading}.damaged"] is None
        contract = next(one for one in claim.money if one.claim == "contract")
        start, until = contract.since or 0, contract.before or 0
        paid = sum(paid_days(everybody[name], claim, start, until) for name in people)
        assert found[f"money.contract.{reading}"] == amount("USD", price(paid, 2_999))
        assert abs(price(paid, 2_999) - paid / 86_400e6 * 12 / 365 * 2_999) <= 1


def test_without_a_record_of_the_past_nothing_is_claimed_of_it(world: World) -> None:
    paper = exposure.expose(world.home, world.claim).paper
    blanks = {one.key: one.blank for one in paper.fields if one.blank is not None}
    for reading in ("when_sent", "when_disclosed", "ever"):
        for key in ("members", "records", "disclosures"):
            assert (blanks[f"{reading}.{key}"] or "").startswith("not known from the ledger")


# the other papers


def test_members_of_a_processing_activity(world: World) -> None:
    found = answers(papers.make(world.home, "art30", "train.generative").as_json())
    now = papers.facts_of(world.home).stand.time
    places: Counter[str] = Counter()
    tiers: Counter[str] = Counter()
    for standing in standings(world).values():
        erased = any(isinstance(one, Erase) and one.at <= now for one in standing.events)
        if standing.is_known and not erased and standing.attribute("status", now) not in ("closed", "erased"):
            places[str(standing.attribute("jurisdiction", now) or "not known").split("-")[0]] += 1
            tiers[str(standing.attribute("tier", now) or "not known")] += 1
    assert found["c.members"] == sum(places.values()) > 0
    assert dict(found["c.places"]) == dict(places)
    assert dict(found["c.tiers"]) == dict(tiers)
    rows = sum(batch.num_rows for batch in troth.load(world.release))
    assert numbers(found["d"]) == [1, rows]


def test_a_model_s_papers_count_its_rows(world: World) -> None:
    rows = [row for batch in troth.load(world.release) for row in batch.to_pylist()]
    size = sum(len((row["title"] or "").encode()) + len((row["body"] or "").encode()) for row in rows)
    categories = Counter(row["category"] for row in rows)
    days = sorted(row["created_at"] for row in rows if row["created_at"] is not None)
    members = {row["author"] for row in rows}
    members |= {name for row in rows if row["category"].startswith("private") for name in row["addressees"]}
    for kind, counted in (("ai-act", "1.3.text.types"), ("ab2013", "a4"), ("model-card", "types")):
        paper = papers.make(world.home, kind, "autocomplete", None, (world.release,)).as_json()
        found = answers(paper)
        assert sorted(numbers(found[counted])) == sorted(categories.values())
    act = papers.make(world.home, "ai-act", "autocomplete", None, (world.release,))
    note = next(one.note for one in act.fields if one.key == "1.3.text.size") or ""
    assert note.startswith(f"{size:,} bytes")
    found = answers(act.as_json())
    assert found["1.3.latest"] == f"from {days[0].isoformat()[:10]} to {days[-1].isoformat()[:10]}"
    assert numbers(found["2.4.releases"]) == [len(rows), len(members)]
    assert found["3.3"] == 0
    assert {row[0]: row[2] for row in found["3.1"]} == world.reasons
    assert answers(papers.make(world.home, "ab2013", "autocomplete").as_json())["a3"] == len(rows)
    card = answers(papers.make(world.home, "model-card", "autocomplete").as_json())
    assert (card["records"], card["unlearned"], card["withdrawals"]) == (len(rows), 0, 0)


def test_a_member_s_copy(world: World) -> None:
    name = world.member
    found = answers(papers.make(world.home, "art15", name, None, (world.release,)).as_json())
    by_proof = answers(papers.make(world.home, "art15", name).as_json())
    rows = [row for batch in troth.load(world.release) for row in batch.to_pylist()]
    mine = [row for row in rows if row["author"] == name or name in row["addressees"]]
    assert numbers(found["15.1.a"]) == [len(mine)] == numbers(by_proof["15.1.a"])
    written = Counter(one.category for one in world.network.records if one.author == name)
    received = Counter(one.category for one in world.network.records if name in one.addressees)
    expected = [[written[one], received[one]] for one in sorted(written | received)]
    assert [numbers(row) for row in found["15.1.b"]] == expected
    history = world.home.known(None, [name])[0].member(name)
    assert [row[-1] for row in found["15.3.entries"]] == [position for position, _ in history]


def test_a_release_s_metadata(world: World) -> None:
    found = answers(papers.make(world.home, "croissant", str(world.release)).as_json())
    rows = sum(batch.num_rows for batch in troth.load(world.release))
    assert found["rows"] == rows == sum(numbers([row[1] for row in found["files"]]))
    assert dict(found["verdicts"]) == world.verdicts


def test_the_notice_list_is_the_class(world: World) -> None:
    path = world.folder / "notice.csv"
    counted = exposure.expose(world.home, world.claim, disclosed=(world.past,), notice=path)
    rows = [line.split(",") for line in path.read_text().splitlines()[1:]]
    found = answers(counted.paper.as_json())
    for reading in ("when_sent", "when_disclosed", "ever"):
        assert sum(reading in row[3].split() for row in rows) == found[f"{reading}.members"]
    assert path.stat().st_mode & 0o077 == 0
    assert all(parse_instant(row[1]) < parse_instant("2024-09-18") for row in rows)
    assert format_instant(min(parse_instant(row[1]) for row in rows)) == "2024-08-15T00:00:00Z"


def test_the_imported_past_is_counted(world: World) -> None:
    claim = exposure.read_claim_file(world.claim)
    when = parse_instant("2024-09-01")
    details: dict[str, Json] = {
        "step": "past", "kind": "disclosure", "who": "third_party:acme", "purpose": "train.generative",
        "what": ["private_message"], "since": "2023-01-01T00:00:00Z", "when": "2024-09-01T00:00:00Z",
        "evidence": "a contract", "confidence": "likely", "past": "0" * 64,
    }  # fmt: skip
    position = world.home.append([Act("disclosure", details)])[0].position
    found = answers(exposure.expose(world.home, world.claim, as_of=position + 1).paper.as_json())
    everybody = standings(world)
    gone = [
        one
        for one in world.network.records
        if one.category == "private_message.inmail"
        and (one.created_at is None or parse_instant("2023-01-01") <= one.created_at <= when)
    ]
    people: set[str] = set()
    records = set()
    for one in gone:
        for name in {name for name in (one.author, *one.addressees) if name}:
            if name in everybody and everybody[name].attribute("tier", when) == claim.tier:
                people.add(name)
                records.add(one.id)
    assert found["when_disclosed.members"] == len(people) > 0
    assert found["when_disclosed.records"] == len(records) == found["when_disclosed.disclosures"]
    assert f"entry {position}" in found["known.past"][0][0]
    with_nothing = exposure.expose(world.home, world.claim, as_of=position).paper
    assert any(one.blank and one.key == "when_sent.members" for one in with_nothing.fields)
