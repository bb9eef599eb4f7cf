"""The manifest: to the byte, and nothing but what sealing writes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope
from securesystemslib.signer import CryptoSigner, SSlibKey

from tests.support import ROOT
from troth.core.errors import BadInput
from troth.core.findings import Findings
from troth.core.manifest import (
    PAYLOAD_TYPE,
    File,
    Manifest,
    build_statement,
    check_release_id,
    parse_statement,
)
from troth.core.values import Use, canonical
from troth.core.verify import (
    check_manifest,
    parse_public_key,
    public_pem,
    read_envelope,
    signed_by,
    write_envelope,
)

GOLDEN = ROOT / "tests" / "golden"
SIGNER = CryptoSigner(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
STRANGER = CryptoSigner(Ed25519PrivateKey.from_private_bytes(bytes(32)))

MANIFEST = Manifest(
    release="r-2025-01-21",
    use=Use("train.generative", "third_party:acme"),
    at=1_737_417_600_000_000,
    settings_as_of=8231,
    created_at=1_737_480_000_123_456,
    engine={"name": "duckdb", "version": "2.0.0"},
    verdicts={"allowed": 5, "denied": 3, "gap": 1},
    first_reasons={"opted-out": 2, "no-ground": 1, "unknown-age": 1},
    all_reasons={"opted-out": 2, "no-ground": 3, "unknown-age": 1},
    any_party_rule_would_allow=1,
    rows=5,
    members=4,
    row_root="ab" * 32,
    row_salts="derived",
    terms=(("privacy-policy", "2024-09-18"),),
    inputs=(File("records.parquet", "cd" * 32, 9), File("more.parquet", "ce" * 32)),
    files=(
        File("data/part-00000.parquet", "01" * 32, 5, 1234),
        File("leaves.bin", "02" * 32, None, 160),
        File("README.txt", "03" * 32, None, 900),
    ),
)


def sealed(manifest: Manifest, *signers: CryptoSigner) -> bytes:
    envelope = Envelope(build_statement(manifest), PAYLOAD_TYPE, {})
    for signer in signers:
        envelope.sign(signer)
    return write_envelope(envelope)


def errors(findings: Findings) -> list[str]:
    return [one.what for one in findings.findings if one.level == "error"]


def test_statement_and_envelope_are_the_ones_written_down() -> None:
    assert build_statement(MANIFEST) == (GOLDEN / "manifest.json").read_bytes()
    assert sealed(MANIFEST, SIGNER) == (GOLDEN / "manifest.dsse.json").read_bytes()


def test_a_manifest_survives_being_written() -> None:
    assert parse_statement(build_statement(MANIFEST), "m") == MANIFEST
    later = replace(MANIFEST, set_root="0f" * 32, set_bits=24, directory_root="1f" * 32)
    assert parse_statement(build_statement(later), "m") == later


@given(st.integers(0, len(build_statement(MANIFEST)) - 1), st.integers(1, 255))
def test_another_byte_is_another_manifest_or_none(place: int, change: int) -> None:
    data = bytearray(build_statement(MANIFEST))
    data[place] ^= change
    try:
        read = parse_statement(bytes(data), "m")
    except BadInput:
        return
    assert read != MANIFEST


Change = Callable[[dict[str, Any]], object]


def predicate(**values: object) -> Change:
    return lambda statement: statement["predicate"].update(values)


WRONG: dict[str, tuple[Change, str]] = {
    "another type": (lambda s: s.update(_type="x"), "_type: expected one of"),
    "another predicate": (lambda s: s.update(predicateType="x"), "predicateType: expected one of"),
    "an unknown key": (predicate(more=1), "holds more, or other"),
    "an unknown key outside": (lambda s: s.update(more=1), "holds more, or other"),
    "a missing key": (lambda s: s["predicate"].pop("at"), "'at' is missing"),
    "a null left out": (lambda s: s["predicate"].pop("set_root"), "holds more, or other"),
    "no instant": (predicate(at="yesterday"), "at: expected an instant"),
    "an instant in another form": (predicate(at="2025-01-21"), "holds more, or other"),
    "a number as text": (predicate(members="4"), "members: expected a whole number"),
    "a negative number": (predicate(members=-4), "members: expected a whole number"),
    "text as a number": (lambda s: s["predicate"]["engine"].update(version=2), "holds more, or other"),
    "a root that is none": (predicate(row_root="AB" * 32), "64 hexadecimal digits"),
    "a short root": (predicate(row_root="ab"), "64 hexadecimal digits"),
    "other salts": (predicate(row_salts="salted"), "row_salts: expected one of"),
    "an id with a path": (predicate(release="../r"), "expected an id of letters"),
    "no use": (predicate(use={"purpose": "train", "recipient": "any"}), "one purpose and one recipient"),
    "rows that do not add up": (predicate(rows=6), "the rows of the files do not add up"),
    "verdicts that do not add up": (
        lambda s: s["predicate"]["counts"]["verdicts"].update(allowed=6),
        "not the records that were allowed",
    ),
    "an unknown verdict": (
        lambda s: s["predicate"]["counts"]["verdicts"].update(maybe=0),
        "verdicts.maybe: expected one of",
    ),
    "a missing verdict": (lambda s: s["predicate"]["counts"]["verdicts"].pop("gap"), "not the records that"),
    "first reasons that do not add up": (
        lambda s: s["predicate"]["counts"]["first_reasons"].update({"opted-out": 1}),
        "the first reasons do not add up",
    ),
    "more first than all": (
        lambda s: s["predicate"]["counts"]["all_reasons"].update({"opted-out": 1}),
        "first in more records than it is in at all",
    ),
    "an unknown reason": (
        lambda s: s["predicate"]["counts"]["all_reasons"].update({"mood": 1}),
        "all_reasons.mood: expected one of",
    ),
    "a file that leads out": (
        lambda s: s["predicate"]["files"][0].update(name="../data.parquet"), "no name of a file",
    ),
    "an absolute file": (lambda s: s["predicate"]["files"][0].update(name="/data.parquet"), "no name of a file"),
    "a hidden file": (lambda s: s["predicate"]["files"][0].update(name=".data"), "no name of a file"),
    "a file that is no subject": (
        lambda s: s["predicate"]["files"][2].update(name="NOTE.txt"), "not among the subjects",
    ),
    "a file twice": (
        lambda s: s["predicate"]["files"].append(s["predicate"]["files"][1]), "or is listed twice",
    ),
    "a subject that is no file": (lambda s: s["predicate"]["files"].pop(), "is a subject, but is not listed"),
    "a subject twice": (lambda s: s["subject"].append(s["subject"][0]), "holds more, or other"),
    "a subject with another digest besides": (
        lambda s: s["subject"][0]["digest"].update(md5="00"), "holds more, or other",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_contradicts_itself_or_says_more_is_refused(name: str) -> None:
    change, message = WRONG[name]
    statement = json.loads(build_statement(MANIFEST))
    change(statement)
    with pytest.raises(BadInput, match=message):
        parse_statement(canonical(statement), "m")


@pytest.mark.parametrize(
    "data", [b"", b"null", b"[]", b"7", b'"x"', b"[" * 100_000, b"\xff", b"{}", b'{"_type": {}}']
)
def test_what_is_no_statement_is_refused(data: bytes) -> None:
    with pytest.raises(BadInput):
        parse_statement(data, "m")


@pytest.mark.parametrize("text", ["", ".r", "-r", "r/1", "r 1", "é", "r" * 101, "r\n"])
def test_release_ids_are_plain(text: str) -> None:
    with pytest.raises(BadInput, match="expected an id"):
        check_release_id(text)


def test_a_signature_by_a_trusted_key_holds() -> None:
    findings = Findings("release")
    signed = check_manifest(sealed(MANIFEST, SIGNER), [STRANGER.public_key, SIGNER.public_key], findings, "m")
    assert findings.findings == []
    assert signed is not None
    assert signed.manifest == MANIFEST
    assert signed.signers == (SIGNER.public_key.keyid,)
    assert len(signed.digest) == 64


@pytest.mark.parametrize(
    ("signers", "trusted", "said"),
    [
        ([], [SIGNER], "is not signed"),
        ([STRANGER], [SIGNER], "no trusted key has signed"),
        ([SIGNER], [], "no trusted key has signed"),
        ([SIGNER, STRANGER], [SIGNER], "a signature that no trusted key made"),
    ],
)
def test_without_such_a_signature_an_error_says_so(
    signers: list[CryptoSigner], trusted: list[CryptoSigner], said: str
) -> None:
    findings = Findings("release")
    signed = check_manifest(sealed(MANIFEST, *signers), [one.public_key for one in trusted], findings, "m")
    assert signed is not None
    assert len(errors(findings)) == 1
    assert said in errors(findings)[0]


@pytest.mark.parametrize(
    "stated",
    [
        {"set_root": "0f" * 32, "set_bits": 24},
        {"set_bits": 24, "directory_root": "0f" * 32},
        {"set_root": "0f" * 32, "set_bits": 41, "directory_root": "0f" * 32},
    ],
)
def test_half_a_set_is_none(stated: dict[str, Any]) -> None:
    findings = Findings("release")
    later = sealed(replace(MANIFEST, **stated), SIGNER)
    assert check_manifest(later, [SIGNER.public_key], findings, "m") is None
    assert "a set has a root" in errors(findings)[0]


def lenient(data: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(data)
    return found


@pytest.mark.parametrize(
    "change",
    [
        lambda one: json.dumps(one).encode(),
        lambda one: json.dumps(one, sort_keys=True, indent=1).encode(),
        lambda one: write_envelope(Envelope.from_dict(one)).replace(b"payload", b"p\\u0061yload", 1),
        lambda one: json.dumps(one | {"more": 1}, sort_keys=True, indent=1).encode() + b"\n",
        lambda one: (
            json.dumps(
                one | {"signatures": [one["signatures"][0] | {"more": 1}]}, sort_keys=True, indent=1
            ).encode()
            + b"\n"
        ),
    ],
    ids=["no spaces", "no end of line", "escaped", "a key more", "a key more in a signature"],
)
def test_the_same_in_another_form_is_refused(change: Callable[[dict[str, Any]], bytes]) -> None:
    with pytest.raises(BadInput):
        read_envelope(change(lenient(sealed(MANIFEST, SIGNER))), "m")


def test_another_payload_type_is_refused() -> None:
    envelope = Envelope(build_statement(MANIFEST), "text/plain", {})
    envelope.sign(SIGNER)
    with pytest.raises(BadInput, match="another type"):
        read_envelope(write_envelope(envelope), "m")


def test_a_signature_for_another_payload_does_not_hold() -> None:
    envelope = read_envelope(sealed(MANIFEST, SIGNER), "m")
    envelope.payload = build_statement(replace(MANIFEST, members=5))
    assert signed_by(envelope, [SIGNER.public_key]) == ()


def test_a_key_that_claims_another_s_id_does_not_help() -> None:
    envelope = read_envelope(sealed(MANIFEST, SIGNER), "m")
    honest, other = SIGNER.public_key, STRANGER.public_key
    claimed = SSlibKey(honest.keyid, other.keytype, other.scheme, other.keyval)
    assert signed_by(envelope, [claimed]) == ()


def test_public_keys_survive_being_written() -> None:
    pem = public_pem(SIGNER.public_key)
    assert parse_public_key(pem, "k") == SIGNER.public_key
    assert pem.startswith(b"-----BEGIN PUBLIC KEY-----\n")


@pytest.mark.parametrize(
    "data",
    [b"", b"key", SIGNER.private_bytes, b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"],
)
def test_what_is_no_public_key_is_refused(data: bytes) -> None:
    with pytest.raises(BadInput, match="is no public key"):
        parse_public_key(data, "k")


def test_a_key_of_another_kind_is_refused() -> None:
    pem = CryptoSigner.generate_ecdsa().public_key.keyval["public"].encode()
    with pytest.raises(BadInput, match="is no Ed25519 key"):
        parse_public_key(pem, "k")
