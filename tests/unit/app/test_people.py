"""Members in, members told, members erased."""

from __future__ import annotations

import csv
import stat
from pathlib import Path

import pytest

from tests.unit.app.conftest import Making
from troth.app import people, telling
from troth.app.changes import reach
from troth.core.decide import decide
from troth.core.errors import BadInput
from troth.core.events import (
    Attributes,
    Choose,
    Default,
    Erase,
    Event,
    Notice,
    Objection,
    Regime,
    Setting,
)
from troth.core.terms import Audience, Clause, Condition, Membership, Terms
from troth.core.values import MICROSECONDS_PER_DAY as DAY
from troth.core.values import Record, Use, parse_instant

US = Audience(Membership(inside=("US",)))
POLICY = Terms("policy", "privacy_policy", "1", 0, 0, (), US)


def member(subject: str, place: str = "US", since: int = 1) -> Attributes:
    return Attributes(subject, since, (("jurisdiction", place),))


def table(tmp_path: Path, *rows: str) -> Path:
    path = tmp_path / "subjects.csv"
    path.write_text("\n".join(["subject,since,jurisdiction,tier", *rows, ""]))
    return path


def test_a_table_of_members_is_recorded_once(make_home: Making, tmp_path: Path) -> None:
    home = make_home([])
    path = table(tmp_path, "ann,2020-01-01,US,basic", "bob,2020-01-01,DE,")
    assert people.import_subjects(home, path, dry_run=True) == (2, 2)
    assert home.position == 1
    assert people.import_subjects(home, path) == (2, 2)
    assert people.import_subjects(home, path) == (2, 0)
    assert home.position == 3
    more = table(tmp_path, "ann,2020-01-01,US,basic", "ann,2021-01-01,US,premium")
    assert people.import_subjects(home, more) == (2, 1)
    assert home.known()[0].member("ann")[-1][1] == Attributes(
        "ann", parse_instant("2021-01-01"), (("jurisdiction", "US"), ("tier", "premium"))
    )


def test_of_two_rows_with_one_since_the_later_holds_also_when_it_says_what_was_said_before(
    make_home: Making, tmp_path: Path
) -> None:
    home = make_home([])
    for place in ("US", "DE", "US"):
        assert people.import_subjects(home, table(tmp_path, f"ann,2020-01-01,{place},")) == (1, 1)
    assert people.import_subjects(home, table(tmp_path, "ann,2020-01-01,US,")) == (1, 0)
    known, _ = home.known()
    assert [
        dict(event.named)["jurisdiction"] for _, event in known.member("ann") if isinstance(event, Attributes)
    ] == [
        "US",
        "DE",
        "US",
    ]


def test_a_bad_row_leaves_the_whole_table_out(make_home: Making, tmp_path: Path) -> None:
    home = make_home([])
    with pytest.raises(BadInput, match=r"subjects\.csv:3"):
        people.import_subjects(home, table(tmp_path, "ann,2020-01-01,US,", "bob,2020-02-30,US,"))
    assert home.position == 1


def test_an_erasure_is_recorded_and_with_it_the_bodies_go(make_home: Making) -> None:
    home = make_home([member("ann"), member("bob"), Objection("ann", 5)])
    receipt, erased = people.erase(home, "ann", 9)
    assert (receipt.position, erased) == (4, 0)
    assert [event for _, event in home.known()[0].member("ann")] == [
        member("ann"),
        Objection("ann", 5),
        Erase("ann", 9),
    ]
    receipt, erased = people.erase(home, "ann", 10, bodies=True)
    assert (receipt.position, erased) == (5, 3)
    assert home.known()[0].member("ann") == [(5, Erase("ann", 10, words_lost=True))]
    assert home.known()[0].member("bob") == [(2, member("bob"))]
    with home.reading() as ledger:
        assert ledger.check() == []


def test_what_an_erased_member_refused_does_not_count_as_allowed_later(
    make_home: Making,
) -> None:
    opt_out = Choose("ann", "switch", False, 5 * DAY, "member", False)
    switch = Setting("switch", (Default(Audience(), on=True),), introduced_at=0)
    permit = Clause("train", "permit", ("train",), ("post",), ("operator",), Condition("switch"))
    policy = Terms("policy", "privacy_policy", "1", 0, 0, (permit,))
    law = Regime(("US",), "opt_out")
    ann = Attributes("ann", 1, (("jurisdiction", "US"), ("born", (1940, 12, 31))))
    home = make_home([switch, policy, law, ann, opt_out])
    post = Record("r", "post", created_at=3 * DAY, author="ann")

    def verdict(at: int) -> tuple[str, list[str]]:
        found = decide(post, Use("train.generative", "operator"), at, home.known()[0])
        return found.verdict, [reason.text for party in found.parties for reason in party.reasons]

    assert verdict(4 * DAY) == ("allowed", [])
    assert verdict(6 * DAY) == ("denied", ["opted-out"])
    people.erase(home, "ann", 9 * DAY, bodies=True)
    home.append([ann])
    # The choice of day 5 is forgotten: whatever day is asked about, nothing of hers is used.
    for day in (4, 6, 9, 10):
        assert verdict(day * DAY)[0] == "denied"
        assert "erased" in verdict(day * DAY)[1]


@pytest.fixture
def told_home(make_home: Making) -> Making:
    return make_home


def events() -> list[Event]:
    return [POLICY, member("ann", since=2), member("bob", since=2), member("cy", "DE", since=2)]


def test_telling_members_or_the_audience_is_recorded_as_delivered(make_home: Making) -> None:
    later = Terms("policy", "privacy_policy", "2", 5, 5, (), US)
    home = make_home([*events(), later])
    told = telling.tell(home, "policy", "2", ["ann"], "email", 7)
    assert told.as_json() == {"recorded": 1, "position": 6}
    assert "was sent to 1 members" in told.sentence
    assert (reach(home, "policy", "2", 7).told, reach(home, "policy", "2", 7).not_told) == (["ann"], ["bob"])
    everybody = telling.tell(home, "policy", "2", None, "banner", 8)
    assert "was sent to its audience" in everybody.sentence
    assert reach(home, "policy", "2", 8).not_told == []
    assert [event for _, event in home.known()[0].audience_notices] == [
        Notice("policy", "2", US, 8, "banner")
    ]
    with pytest.raises(BadInput, match="no version '3'"):
        telling.tell(home, "policy", "3", None, "email", 8)


def test_telling_nobody_is_refused(make_home: Making) -> None:
    home = make_home(events())
    with pytest.raises(BadInput, match="nobody"):
        telling.tell(home, "policy", "1", [], "email", 7)
    assert home.position == 5


def test_who_has_to_be_told_goes_to_a_mailer_and_its_results_come_back(
    make_home: Making, tmp_path: Path
) -> None:
    later = Terms("policy", "privacy_policy", "2", 5, 5, (), US)
    home = make_home([*events(), later])
    path = tmp_path / "send.csv"
    prepared = telling.prepare(home, "policy", "2", 7, path)
    assert prepared.as_json() == {"to_tell": 2, "recorded": 0}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with path.open(newline="") as file:
        assert list(csv.reader(file)) == [["subject", "at", "delivered"], ["ann", "", ""], ["bob", "", ""]]
    assert reach(home, "policy", "2", 9).told == []
    results = tmp_path / "results.csv"
    results.write_text(
        "subject,at,delivered\nann,1970-01-01T00:00:00.000008Z,true\nbob,1970-01-01T00:00:00.000008Z,false\n"
    )
    recorded = telling.record_results(home, "policy", "2", "email", results)
    assert recorded.as_json() == {"recorded": 2, "reached": 1, "not_reached": 1}
    found = reach(home, "policy", "2", 9)
    assert (found.told, found.not_told) == (["ann"], ["bob"])
    results.write_text("subject,at,delivered\nbob,1970-01-01,true\nann,never,true\n")
    with pytest.raises(BadInput, match=r"results\.csv:3"):
        telling.record_results(home, "policy", "2", "email", results)
    assert reach(home, "policy", "2", 9).not_told == ["bob"]
