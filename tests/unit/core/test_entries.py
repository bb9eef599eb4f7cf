"""The entry format, to the byte: it can never change once a ledger is out there."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import ROOT
from troth.core.entries import (
    PUBLIC_TYPES,
    Act,
    Entry,
    commit,
    entry_type,
    make_body,
    parse_entry,
    public_time,
    read_body,
)
from troth.core.errors import BadInput
from troth.core.events import (
    Accept,
    Attributes,
    Choose,
    Consent,
    Default,
    Erase,
    Event,
    Notice,
    Objection,
    Regime,
    Rules,
    Setting,
    Withdraw,
)
from troth.core.terms import Audience, Clause, Condition, Membership, Terms
from troth.core.values import parse_instant

GOLDEN = ROOT / "tests" / "golden"
RECORDED_AT = parse_instant("2025-01-21T17:42:09.123456Z")
SALT = bytes(range(32))
AT = parse_instant("2024-11-01T08:15:00.000001Z")
ALL = ("any",)
US = Audience(Membership(outside=("EU", "GB")), Membership(inside=("premium",)))
CLAUSE = Clause(
    "train",
    "permit",
    ("train",),
    ("post",),
    ("operator",),
    Condition("g"),
    True,
    "We “may” train — naïvely.\n",
)

EVENTS: dict[str, Event | Act] = {
    "terms": Terms("policy", "privacy_policy", "2024-09-18", AT, AT, (CLAUSE,), US, 30),
    "setting": Setting("g", (Default(US, on=True), Default(Audience(), on=False)), introduced_at=AT),
    "regime": Regime(("US", "EEA"), "opt_out", AT, ("train",), None, None),
    "rules": Rules(all_parties=("private_message",), minimum_age=16, closed_ends_use=False),
    "notice-audience": Notice("policy", "2024-09-18", US, AT, "banner"),
    "member-attributes": Attributes(
        "ann", AT, (("jurisdiction", "US-CA"), ("tier", None), ("born", (1980, 12, 31)))
    ),
    "member-notice": Notice("policy", "2024-09-18", "ann", AT, "email", delivered=False),
    "member-accept": Accept("policy", "2024-09-18", "ann", AT, "click"),
    "member-choose": Choose("ann", "g", on=False, at=AT, by="guardian", covers_past=True),
    "member-consent": Consent("c1", "ann", ALL, ("post",), ("third_party:acme",), AT, True, AT + 1),
    "member-withdraw": Withdraw("ann", AT, consent="c1"),
    "member-object": Objection('ånn\t"\\', AT),
    "member-erase": Erase("ann", AT),
    "key": Act("key", {"use": "release", "public": "MCow"}),
    "release": Act("release", {"release": "r1", "rows": 3, "all": [True, None, {"b": 1, "a": "é"}]}),
}


def written(name: str) -> bytes:
    """Body and entry as the golden file shows them."""
    body = make_body(EVENTS[name], RECORDED_AT, 4)
    kind = entry_type(EVENTS[name])
    return body + b"\n--\n" + Entry(kind, public_time(kind, RECORDED_AT), commit(SALT, body)).text()


@pytest.mark.parametrize("name", EVENTS)
def test_the_bytes_of_body_and_entry_are_those_of_the_golden_file(name: str) -> None:
    assert written(name) == (GOLDEN / f"entry-{name}.txt").read_bytes()


@pytest.mark.parametrize("name", EVENTS)
def test_the_golden_files_follow_the_published_format(name: str) -> None:
    """Made anew here from ledger.md alone: hashlib, base64 and the text of the format."""
    body, entry = (GOLDEN / f"entry-{name}.txt").read_bytes().split(b"\n--\n")
    commitment = base64.b64encode(hashlib.sha256(b"troth/commit/v1\x00" + SALT + body).digest())
    kind = {"notice-audience": "terms"}.get(name, name.partition("-")[0])
    time = "2025-01-21T17:00:00Z" if kind == "member" else "2025-01-21T17:42:09Z"
    assert entry == b"troth/entry/v1\n%s\n%s\n%s\n" % (kind.encode(), time.encode(), commitment)
    plain: dict[str, Any] = json.loads(body)
    assert body == json.dumps(plain, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    assert plain["recorded_at"] == "2025-01-21T17:42:09.123456Z"
    assert ("previous" in plain) == (kind == "member")


def test_nothing_but_what_is_tested_lies_among_the_golden_entries() -> None:
    there = {one.name for one in GOLDEN.glob("entry-*.txt")}
    assert there == {f"entry-{name}.txt" for name in EVENTS}


@pytest.mark.parametrize("name", EVENTS)
def test_entries_and_bodies_are_read_back(name: str) -> None:
    body, text = (GOLDEN / f"entry-{name}.txt").read_bytes().split(b"\n--\n")
    entry = parse_entry(text)
    assert entry.text() == text
    assert read_body(entry.type, json.loads(body), 0) == EVENTS[name]


def test_the_public_types_are_those_of_the_format() -> None:
    listed = (
        "terms setting regime rules release disclosure recall training unlearning canary directory hold key"
        " access member"
    )
    assert listed.split() == PUBLIC_TYPES


@pytest.mark.parametrize(
    ("kind", "recorded", "shown"),
    [
        ("member", "2025-01-21T17:00:00Z", "2025-01-21T17:00:00Z"),
        ("member", "2025-01-21T17:59:59.999999Z", "2025-01-21T17:00:00Z"),
        ("member", "1969-12-31T23:59:59.999999Z", "1969-12-31T23:00:00Z"),
        ("terms", "2025-01-21T17:59:59.999999Z", "2025-01-21T17:59:59Z"),
        ("terms", "1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59Z"),
    ],
)
def test_the_public_time_never_shows_a_click(kind: str, recorded: str, shown: str) -> None:
    assert public_time(kind, parse_instant(recorded)) == shown


GOOD = Entry("member", "2025-01-21T17:00:00Z", bytes(32)).text()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        GOOD[:-1],
        GOOD + b"\n",
        GOOD.replace(b"v1", b"v2"),
        GOOD.replace(b"member", b"friend"),
        GOOD.replace(b"member", b"m\xc3\xa9mber"),
        GOOD.replace(b"AAAA=", b"AAA="),
        GOOD.replace(b"=", b""),
        GOOD.replace(b"AAAA=", b"AAAB="),
        GOOD.replace(b"AAAA=\n", b"AAAA=\r\n"),
        GOOD.replace(b"A", b" ", 1),
        GOOD.replace(b"=", b"=="),
        GOOD.replace(b"17:00:00Z", b"17:00:01Z"),
        GOOD.replace(b"17:00:00Z", b"17:00:00.000000Z"),
        GOOD.replace(b"17:00:00Z", b"17:00:00+00:00"),
        GOOD.replace(b"17:00:00Z", b"25:00:00Z"),
        GOOD.replace(b"2025-01-21T17:00:00Z", b"noon"),
        Entry("terms", "2025-01-21T17:00:00.5Z", bytes(32)).text(),
        Entry("member", "2025-01-21T17:00:00Z", bytes(31)).text(),
        Entry("member", "2025-01-21T17:00:00Z", bytes(33)).text(),
    ],
)
def test_what_is_not_an_entry_in_its_one_form_is_refused(data: bytes) -> None:
    assert parse_entry(GOOD).text() == GOOD
    with pytest.raises(
        BadInput, match=r"not a troth/entry/v1 entry|canonical form|expected an instant|calendar"
    ):
        parse_entry(data)


def test_a_commitment_depends_on_every_bit_of_salt_and_body() -> None:
    body = b'{"event":{}}'
    seen = {commit(SALT, body)}
    for place in range(32):
        salt = bytearray(SALT)
        salt[place] ^= 1
        seen.add(commit(bytes(salt), body))
    seen |= {commit(SALT, body[:-1]), commit(SALT, body + b" "), commit(SALT[:-1], SALT[-1:] + body)}
    # The last is the same bytes cut elsewhere: salts are of one length, so no body can take a bit of one.
    assert len(seen) == 1 + 32 + 2


if __name__ == "__main__":
    # To be run by hand, and looked at, only when a new kind of entry is added.
    for each in EVENTS:
        Path(GOLDEN / f"entry-{each}.txt").write_bytes(written(each))
