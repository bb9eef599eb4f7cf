"""Proofs of presence and absence: what holds, and that nothing else does."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import ROOT
from tests.unit.core.setworld import World, check, credential, envelope_of, opened, signed
from troth.core.errors import BadInput
from troth.core.presence import Opening, Proof, is_proof, parse_proof, parse_secret, write_secret
from troth.core.sets import Credential, Details, bucket_of, parse_directory_bucket, parse_set_bucket
from troth.core.values import canonical

WORLD = World(present=range(0, 40, 2), everybody=range(40))
SIGNED = signed(WORLD.manifest)
PRESENT = WORLD.proof(8)
ABSENT = WORLD.proof(9)
OPENED = WORLD.proof(8, rows=True)
CROWDED = next(one for one in map(WORLD.proof, WORLD.present) if len(one.others) > 1)


def said(data: bytes, mine: Credential | None = None) -> list[str]:
    return [one.what for one in check(data, SIGNED, mine).findings if one.level == "error"]


def test_presence_holds_and_says_what_it_means() -> None:
    findings = check(PRESENT.write(), SIGNED, credential(8))
    assert findings.ok
    assert findings.kind == "presence"
    text = " ".join(one.what for one in findings.findings)
    assert "2 messages of this account" in text
    assert "position 8" in text
    assert "your proof also says something about the others" in text


def test_absence_holds_and_says_what_it_means() -> None:
    findings = check(ABSENT.write(), SIGNED)
    assert findings.ok
    assert findings.kind == "absence"
    text = " ".join(one.what for one in findings.findings)
    assert "no message of this account is in release r-test" in text
    assert "your proof also says something about the others" in text


def test_opened_rows_hold() -> None:
    findings = check(OPENED.write(), SIGNED)
    assert findings.ok
    assert [one.where for one in findings.findings if one.where and one.where.startswith("row ")] == [
        "row 1",
        "row 2",
    ]


def test_a_proof_survives_being_written() -> None:
    for proof in (PRESENT, ABSENT, OPENED):
        assert parse_proof(proof.write(), "p") == proof
        assert is_proof(proof.write())


def test_somebody_with_no_entry_has_no_head() -> None:
    assert "no entry of this member" in " ".join(
        one.what for one in check(WORLD.proof(10).write(), SIGNED).findings
    )


@pytest.mark.parametrize("proof", [PRESENT, ABSENT], ids=["presence", "absence"])
def test_every_flipped_bit_is_refused(proof: Proof) -> None:
    data = proof.write()
    for place in range(len(data)):
        for bit in range(8):
            altered = bytearray(data)
            altered[place] ^= 1 << bit
            assert not check(bytes(altered), SIGNED).ok, (place, bit)


@pytest.mark.parametrize("proof", [PRESENT, ABSENT], ids=["presence", "absence"])
def test_every_lost_or_doubled_byte_is_refused(proof: Proof) -> None:
    data = proof.write()
    for place in range(len(data)):
        assert not check(data[:place] + data[place + 1 :], SIGNED).ok, place
        assert not check(data[:place] + data[place : place + 1] + data[place:], SIGNED).ok, place


@settings(max_examples=300)
@given(st.integers(0, len(OPENED.write()) - 1), st.integers(1, 255))
def test_another_byte_in_opened_rows_is_refused(place: int, change: int) -> None:
    data = bytearray(OPENED.write())
    data[place] ^= change
    assert not check(bytes(data), SIGNED).ok


@given(st.binary(max_size=200))
def test_any_bytes_get_an_answer(data: bytes) -> None:
    assert not check(data, SIGNED).ok


OTHER = World(present=range(0, 40, 3), everybody=range(40))
LATER = World(present=range(0, 40, 2), everybody=range(41))
FORGERIES: dict[str, tuple[Proof, str]] = {
    "a presence called absence": (replace(PRESENT, details=None, others=()), "the bucket lists the member"),
    "an absence called presence": (
        replace(ABSENT, details=Details(2, bytes(32), None)),
        "the bucket does not list the member",
    ),
    "somebody else's bucket": (replace(PRESENT, opened=ABSENT.opened), "not the one that the signed set has"),
    "somebody else's account": (
        replace(PRESENT, credential=Credential(credential(9).account, credential(8).secret)),
        "not the one that the signed directory has",
    ),
    "another secret": (
        replace(ABSENT, credential=Credential(credential(9).account, credential(11).secret)),
        "another secret",
    ),
    "another release": (OTHER.proof(8), "is about another release"),
    "another release under this one's name": (
        replace(OTHER.proof(8), manifest=SIGNED.digest),
        "not the one that the signed set has",
    ),
    "another epoch": (replace(PRESENT, directory=LATER.proof(8).directory), "signed directory"),
    "more rows": (
        replace(PRESENT, details=replace(PRESENT.details or Details(0, b"", 0), rows=3)),
        "not those that",
    ),
    "another head": (
        replace(PRESENT, details=replace(PRESENT.details or Details(0, b"", 0), head=9)),
        "not those",
    ),
    "no head": (
        replace(PRESENT, details=replace(PRESENT.details or Details(0, b"", 0), head=None)),
        "not those that",
    ),
    "somebody left out of the bucket": (replace(PRESENT, others=PRESENT.others[1:]), "not as many"),
    "the others in another order": (
        replace(CROWDED, others=CROWDED.others[::-1]),
        "not those that were sealed",
    ),
    "a row left out": (replace(OPENED, rows=opened(8)[:1]), "not the rows that the set has"),
    "somebody else's rows": (replace(OPENED, rows=opened(10)), "not the rows that the set has"),
    "a row twice": (replace(OPENED, rows=(opened(8)[0], opened(8)[0])), "once each"),
    "rows of an absence": (replace(ABSENT, rows=()), "opens no rows"),
    "a row at another place": (
        replace(OPENED, rows=(opened(8)[0], replace(opened(8)[1], index=opened(8)[1].index - 1))),
        "not in the row tree",
    ),
    "a path too long": (
        replace(ABSENT, opened=Opening(ABSENT.opened.bucket, (*ABSENT.opened.path, bytes(32)))),
        "set",
    ),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_forgeries_are_refused_for_what_they_are(name: str) -> None:
    proof, message = FORGERIES[name]
    assert any(message in one for one in said(proof.write())), said(proof.write())


def test_another_than_mine_is_refused() -> None:
    assert said(ABSENT.write(), credential(8)) == ["is not about the account and secret of the secret file"]


def test_a_release_without_a_set_proves_nothing() -> None:
    bare = signed(replace(WORLD.manifest, set_root=None, set_bits=None, directory_root=None))
    proof = replace(ABSENT, manifest=bare.digest)
    [error] = [one.what for one in check(proof.write(), bare).findings]
    assert "without a set" in error


def test_a_head_that_the_release_cannot_have_honoured_is_refused() -> None:
    """The operator sealed it so; its own manifest contradicts it."""
    early = signed(replace(WORLD.manifest, settings_as_of=8))
    proof = replace(PRESENT, manifest=early.digest)
    assert any(
        "position 8" in one.what for one in check(proof.write(), early).findings if one.level == "error"
    )


def lenient(change: Callable[[dict[str, Any]], object], proof: Proof = PRESENT) -> bytes:
    value = json.loads(proof.write())
    change(value)
    return canonical(value) + b"\n"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]\n",
        b"{" * 100_000,
        PRESENT.write().rstrip(b"\n"),
        PRESENT.write() + b"\n",
        json.dumps(json.loads(PRESENT.write())).encode(),
        PRESENT.write().replace(b'"claim"', b'"\\u0063laim"'),
        PRESENT.write().replace(b'{"account"', b'{"account":"","account"'),
        lenient(lambda one: one.update(more=1)),
        lenient(lambda one: one.update(rows=None)),
        lenient(lambda one: one.pop("details")),
        PRESENT.write().replace(b'"rows":2', b'"rows":2.0'),
        lenient(lambda one: one["details"].update(rows="2")),
        PRESENT.write().replace(b'"head":8', b'"head":9007199254740992'),
        lenient(lambda one: one.update(secret=one["secret"].upper())),
        lenient(lambda one: one.update(secret=one["secret"][:-2])),
        lenient(lambda one: one.update(account=1)),
        lenient(lambda one: one.update(type="troth/proof/v2")),
        lenient(lambda one: one["set"]["path"].extend(["A" * 43 + "="] * 64)),
        lenient(lambda one: one["set"].update(bucket=one["set"]["bucket"].rstrip("=") + "\n")),
    ],
)
def test_other_forms_are_refused(data: bytes) -> None:
    assert not check(data, SIGNED).ok


def test_errors_never_show_the_secret() -> None:
    for data in (PRESENT.write(), write_secret(credential(8))):
        broken = data.replace(b'"secret":"', b'"secret":"x')
        for read in (parse_proof, parse_secret):
            with pytest.raises(BadInput) as caught:
                read(broken, "p")
            assert credential(8).secret.hex()[:8] not in str(caught.value)
    assert credential(8).secret.hex() not in repr(PRESENT) + repr(credential(8))


def test_a_secret_file_survives_being_written() -> None:
    data = write_secret(credential(8))
    assert parse_secret(data, "s") == credential(8)
    for place in range(len(data)):
        altered = bytearray(data)
        altered[place] ^= 1
        try:
            assert parse_secret(bytes(altered), "s") != credential(8)
        except BadInput:
            continue


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "length does not fit"),
        (b"\0\1" + bytes(32), "length does not fit"),
        (b"\0\2" + b"\1" * 16 + b"\0" * 16 + bytes(32), "ascending"),
        (b"\0\2" + b"\1" * 32 + bytes(32), "ascending"),
        (b"\0\1" + b"\xff" * 16 + bytes(32), "another bucket"),
    ],
)
def test_set_buckets_have_one_form(data: bytes, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        parse_set_bucket(data, 0, 2)


def test_directory_buckets_have_one_form() -> None:
    pair = bytes(32) + b"\7" * 32
    assert parse_directory_bucket(b"\0\1" + pair, 0, 2).commitment(bytes(32)) == b"\7" * 32
    for data in (b"\0\2" + pair * 2, b"\0\2" + pair, b"\0\1" + b"\x80" + pair[1:]):
        with pytest.raises(BadInput):
            parse_directory_bucket(data, 0, 2)


def test_the_manifest_is_bound_too() -> None:
    assert envelope_of(WORLD.manifest) == envelope_of(WORLD.manifest)
    assert bucket_of(b"\xff" * 16, 0) == 0
    assert bucket_of(b"\x80" + bytes(15), 1) == 1
    assert bucket_of(b"\0\0\0\x01" + bytes(12), 32) == 1


def test_the_schema_takes_what_is_written() -> None:
    schema = json.loads((ROOT / "src" / "troth" / "schemas" / "proof.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for proof in (PRESENT, ABSENT, OPENED, WORLD.proof(10)):
        validator.validate(json.loads(proof.write()))
    for wrong in (replace(ABSENT, rows=()), replace(PRESENT, release="a b")):
        assert not validator.is_valid(json.loads(wrong.write()))
