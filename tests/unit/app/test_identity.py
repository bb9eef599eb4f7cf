"""Several accounts of one person: a no reaches all of them, a yes stays, and undoing leaves no trace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.app.conftest import Making
from troth.app import identity, people
from troth.app.decisions import check, explain, open_gate
from troth.app.home import Home
from troth.app.releases import build
from troth.core.errors import BadInput, Refused
from troth.core.identity import accounts_of
from troth.core.values import Record, Use, parse_instant
from troth.intake.marks import Marks
from troth.intake.rows import Gone, Hint

USE = Use("train.generative", "operator")
WRITTEN = parse_instant("2024-05-01")
AT = "2025-01-01"

TERMS: list[dict[str, Any]] = [
    {
        "terms": "policy",
        "kind": "privacy_policy",
        "version": "1",
        "published_at": "2019-01-01",
        "effective_at": "2019-01-01",
        "clauses": [
            {
                "id": "train",
                "effect": "permit",
                "purposes": ["train"],
                "categories": ["post", "private_message"],
                "recipients": ["operator"],
                "condition": {"setting": "learn"},
            }
        ],
    },
    {"setting": "learn", "introduced_at": "2019-01-01", "defaults": [{"value": "on"}]},
    {"regime": {"jurisdictions": ["US"], "regime": "opt_out"}},
]


def member(name: str) -> dict[str, Any]:
    return {"subject": name, "since": "2020-01-01", "jurisdiction": "US", "born": 1980, "status": "active"}


def choose(name: str, value: str, at: str) -> dict[str, Any]:
    return {"choose": {"subject": name, "setting": "learn", "value": value, "at": at}}


@pytest.fixture
def home(make_home: Making) -> Home:
    """Ann with an account of her own elsewhere (ann2) and a mail address; Bob; a post of each."""
    posts = [
        Record(f"{name} post", "post", WRITTEN, author=name, addressees=(), deleted_at=None, topics=())
        for name in ("ann", "ann2", "ann@x.org", "bob")
    ]
    mixed = Record(
        "letter",
        "private_message",
        WRITTEN,
        author="bob",
        addressees=("ann@x.org",),
        deleted_at=None,
        topics=(),
    )
    made = make_home([], [*posts, mixed])
    made.record([*TERMS, member("ann"), member("ann2"), member("bob")])
    return made


def verdicts(home: Home, as_of: int | None = None) -> dict[str, str | None]:
    """First reasons (None: allowed) by record; the gate and the reference must agree."""
    table = open_gate(home, USE, AT, as_of).decide()
    found = {row["id"]: row["reason"] for row in table.select("id", "reason").to_pyarrow().to_pylist()}
    for name, reason in found.items():
        decision = explain(home, name, USE, AT, as_of).decision
        assert (decision.reason.text if decision.reason else None) == reason
    return found


def test_a_mere_name_of_a_subject_is_known_as_the_subject_is(home: Home) -> None:
    before = verdicts(home)
    assert before["ann@x.org post"] == before["letter"] == "unknown-subject"
    identity.join(home, "ann", "ann@x.org", "she wrote from it to confirm", AT)
    after = verdicts(home)
    assert after == before | {"ann@x.org post": None, "letter": None}
    position = home.position
    home.record([choose("ann", "off", "2024-12-01")])
    assert verdicts(home) == after | dict.fromkeys(("ann post", "ann@x.org post", "letter"), "opted-out")
    assert verdicts(home, position) == after
    identity.undo(home, "ann@x.org", "it was another Ann", AT)
    assert verdicts(home) == before | {"ann post": "opted-out"}


NOES: dict[str, tuple[Callable[[str], dict[str, Any]], str]] = {
    "off": (lambda who: choose(who, "off", "2024-12-01"), "opted-out"),
    "everything": (lambda who: {"withdraw": {"subject": who, "at": "2024-12-01"}}, "objected"),
    "setting": (
        lambda who: {"withdraw": {"subject": who, "setting": "learn", "at": "2024-12-01"}},
        "opted-out",
    ),
    "objection": (lambda who: {"object": {"subject": who, "at": "2024-12-01"}}, "objected"),
    "erasure": (lambda who: {"erase": {"subject": who, "at": "2024-12-01"}}, "erased"),
    "status": (lambda who: {"subject": who, "since": "2024-12-01", "status": "erased"}, "erased"),
}
CASES = [("off", one) for one in ("ann", "ann2", "ann@x.org")] + [(no, "ann2") for no in NOES if no != "off"]


@pytest.mark.parametrize(("no", "said_by"), CASES)
def test_a_no_under_any_account_reaches_all(home: Home, no: str, said_by: str) -> None:
    event, reason = NOES[no]
    for account in ("ann2", "ann@x.org"):
        identity.join(home, "ann", account, "shown to support", AT)
    home.record([event(said_by)])
    found = verdicts(home)
    assert found["bob post"] is None
    assert {found[one] for one in ("ann post", "ann2 post", "ann@x.org post", "letter")} == {reason}


def test_a_yes_stays_with_the_account_that_said_it(home: Home) -> None:
    home.record([choose("ann", "off", "2024-06-01"), choose("ann2", "off", "2024-06-01")])
    identity.join(home, "ann", "ann2", "shown to support", AT)
    home.record(
        [
            {
                "choose": {
                    "subject": "ann2",
                    "setting": "learn",
                    "value": "on",
                    "at": "2024-07-01",
                    "covers_past": True,
                }
            }
        ]
    )
    found = verdicts(home)
    assert (found["ann post"], found["ann2 post"]) == ("opted-out", None)


def test_facts_of_an_account_stay_with_it(home: Home) -> None:
    home.record([{"subject": "ann", "since": "2024-12-01", "status": "closed"}])
    identity.join(home, "ann", "ann2", "shown to support", AT)
    found = verdicts(home)
    assert (found["ann post"], found["ann2 post"]) == ("closed", None)


def test_joins_are_checked(home: Home) -> None:
    identity.join(home, "ann", "ann2", "shown to support", AT)
    for subject, account, words in (
        ("ann", "ann", "to itself"),
        ("ann", "ann2", "already"),
        ("bob", "ann2", "is joined to 'ann'"),
        ("ann2", "bob", "is itself an account of 'ann'"),
        ("bob", "ann", "accounts of its own"),
    ):
        with pytest.raises(BadInput, match=words):
            identity.join(home, subject, account, "because", AT)
    with pytest.raises(BadInput, match="needs evidence"):
        identity.join(home, "ann", "ann3", " ", AT)
    with pytest.raises(BadInput, match="joined to nobody"):
        identity.undo(home, "bob", "because", AT)
    assert identity.accounts(home, "ann2") == ["ann", "ann2"]
    assert [one.evidence for one in identity.listed(home, "ann")] == ["shown to support"]
    assert identity.listed(home, "bob") == []


def test_erasing_a_member_erases_every_account_and_what_joined_them(home: Home) -> None:
    identity.join(home, "ann", "ann2", "shown to support", AT)
    identity.join(home, "ann", "ann@x.org", "shown to support", AT)
    people.erase(home, "ann2", None, bodies=True)
    assert home.joins() == {}
    now = {name: explain(home, f"{name} post", USE).decision for name in ("ann", "ann2", "ann@x.org")}
    assert {one.reason.text if one.reason else None for one in now.values()} == {"unknown-subject"}
    with home.reading() as ledger:
        assert ledger.check() == []
        assert not any(b"support" in body for _, _, body in ledger.bodies(ledger.size))


def test_a_release_notices_a_join_made_meanwhile(
    home: Home, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from troth.app import releases

    home.record([choose("ann", "off", "2024-12-01")])
    first = releases._record
    calls: list[int] = []

    def record(*args: Any) -> int:
        if not calls:
            identity.join(home, "ann", "ann2", "shown to support", AT)
        calls.append(1)
        return first(*args)

    monkeypatch.setattr(releases, "_record", record)
    built = build(home, USE, tmp_path / "out", at=AT)
    assert len(calls) == 2
    assert built.sealed.manifest.rows == 1


def test_who_may_be_one_person_is_listed_and_never_joined(home: Home) -> None:
    marks = Marks(home.records_path)
    home.record([member("nobody writes")])
    marks.add_hints(
        [
            Hint("ann", "ann2", "the same name"),
            Hint("ann", "ann2", "the export says so", sure=True),
            Hint("bob", "stranger", "the same name"),
            Hint("bob", "ann@x.org", "the same name"),
            Hint("bob", "nobody writes", "the same name"),
        ]
    )
    found = [(one.account, one.other, one.sure, one.records) for one in identity.doubtful(home)]
    assert found == [
        ("ann", "ann2", True, 1),
        ("bob", "ann@x.org", False, 2),
        ("bob", "nobody writes", False, 0),
    ]
    assert home.joins() == {}
    identity.join(home, "ann", "ann2", "the export says so", AT)
    assert len(identity.doubtful(home)) == 2


def test_accounts_of_nobody_in_particular() -> None:
    assert accounts_of("ann", {}) == ["ann"]


def test_marks_count_for_decisions_and_releases(home: Home, tmp_path: Any) -> None:
    """A deletion that an import told of, and topics that were found, are part of the records."""
    marks = Marks(home.records_path)
    paths = sorted(home.records_path.glob("*.parquet"))
    marks.add_gone(
        [Gone("ann post", parse_instant("2024-06-01")), Gone("bob post", parse_instant("2030-01-01"))], paths
    )
    assert verdicts(home)["ann post"] == "deleted"
    assert verdicts(home)["bob post"] is None
    marks.set_topics({"bob post": ["health"]})
    assert verdicts(home)["bob post"] is None
    forbidding = {
        "terms": "statement",
        "kind": "statement",
        "version": "1",
        "published_at": "2019-01-01",
        "effective_at": "2019-01-01",
        "clauses": [
            {
                "id": "h",
                "effect": "forbid",
                "purposes": ["train"],
                "categories": ["topic:health"],
                "recipients": ["any"],
            }
        ],
    }
    home.record([forbidding])
    assert verdicts(home)["bob post"] == "promised-not-to"
    assert verdicts(home)["ann2 post"] is None
    built = build(home, USE, tmp_path / "out", at=AT)
    assert {file.name for file in built.sealed.manifest.inputs} >= {"deleted.parquet", "topics.parquet"}


def test_a_check_of_a_data_set_follows_joins(home: Home) -> None:
    import pyarrow as pa

    identity.join(home, "ann", "ann@x.org", "shown to support", AT)
    home.record([choose("ann@x.org", "off", "2024-12-01")])
    checked = check(open_gate(home, USE, AT), pa.table({"id": ["ann post", "bob post"]}))
    assert checked.verdicts == {"allowed": 1, "denied": 1, "gap": 0}


def test_nothing_left_is_refused(home: Home, tmp_path: Any) -> None:
    for account in ("ann2", "bob"):
        identity.join(home, "ann", account, "all one", AT)
    home.record([{"withdraw": {"subject": "bob", "at": "2024-12-01"}}])
    with pytest.raises(Refused):
        build(home, USE, tmp_path / "out", at=AT)
