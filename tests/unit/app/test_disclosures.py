"""Disclosures: given, countersigned, passed on, refused, checked offline."""

from __future__ import annotations

import importlib.resources
import json
import shutil
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tests.unit.app.handed import AFFILIATE, CARRIER, DPA, THIRD, Hands, T
from troth.app import disclosures, recipients, releases
from troth.app.flow import draw, tree
from troth.core.errors import BadInput, Refused
from troth.core.findings import Findings
from troth.core.verify import read_envelope
from troth.release.sign import new_key


def errors(found: Findings) -> list[str]:
    return [f"{one.where}: {one.what}" for one in found.findings if one.level == "error"]


def chain(hands: Hands) -> tuple[Path, Path]:
    """Operator to affiliate to third party, both countersigned."""
    _, below = hands.give("a", AFFILIATE)
    hands.sign(below, "a", AFFILIATE)
    above = hands.pass_on("t", THIRD, below, AFFILIATE)
    hands.sign(above, "t", THIRD, below)
    return below, above


def test_a_receipt_is_signed_twice_and_checked_without_the_home(hands: Hands, tmp_path: Path) -> None:
    manifest = releases.manifest_of(tmp_path / "a")
    link, path = hands.give("a", AFFILIATE)
    before = disclosures.verify(path, [hands.operator])
    assert before.ok
    assert any("has not countersigned" in one.what for one in before.findings)
    key = Path(shutil.copy(hands.operator, tmp_path / "operator.pub"))
    hands.sign(path, "a", AFFILIATE)
    found = disclosures.verify(path, [key], release=tmp_path / "a")
    assert found.ok, errors(found)
    assert any("signed for exactly this manifest" in one.what for one in found.findings)
    assert link.receipt.said.rows == manifest.rows
    assert link.receipt.said.position == link.entry
    assert disclosures.take_in(hands.home, path).is_countersigned
    entries = hands.home.position
    assert disclosures.take_in(hands.home, path).is_countersigned
    assert hands.home.position == entries
    schema = json.loads(
        importlib.resources.files("troth.schemas").joinpath("receipt.schema.json").read_text()
    )
    Draft202012Validator(schema).validate(json.loads(read_envelope(path.read_bytes(), "r").payload))


def test_the_same_name_gives_the_same_receipt(hands: Hands) -> None:
    first, _ = hands.give("a", AFFILIATE)
    again, _ = hands.give("a", AFFILIATE)
    assert first.envelope == again.envelope
    with pytest.raises(BadInput, match="something else"):
        hands.give("t", THIRD, "d-a")


def test_nobody_gets_what_was_not_decided_for_them(hands: Hands) -> None:
    with pytest.raises(Refused, match="decided for affiliate:west, not for third_party:acme"):
        hands.give("a", THIRD)
    _, path = hands.give("a", AFFILIATE)
    hands.sign(path, "a", AFFILIATE)
    with pytest.raises(Refused, match="not for third_party:acme"):
        hands.pass_on("a", THIRD, path, AFFILIATE)


def test_a_processor_carries_without_a_right_of_use(hands: Hands) -> None:
    link, path = hands.give("t", CARRIER)
    assert link.receipt.said.right == "carry"
    hands.sign(path, "t", CARRIER)
    above = hands.pass_on("t", THIRD, path, CARRIER)
    hands.sign(above, "t", THIRD, path)
    assert disclosures.verify(above, [hands.operator], [path]).ok
    with pytest.raises(Refused, match="nothing but the same release"):
        hands.pass_on("t2", THIRD, path, CARRIER)


def test_nothing_is_signed_that_is_not_what_arrived(hands: Hands, tmp_path: Path) -> None:
    _, path = hands.give("a", AFFILIATE)
    with pytest.raises(Refused, match="another release"):
        hands.sign(path, "other", AFFILIATE)
    file = next((tmp_path / "a" / "data").iterdir())
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(Refused, match="nothing is signed"):
        hands.sign(path, "a", AFFILIATE)
    with pytest.raises(BadInput, match="is not a key of affiliate:west"):
        hands.sign(path, "other", THIRD)


def test_a_chain_is_followed_to_the_operator_and_drawn(hands: Hands) -> None:
    below, above = chain(hands)
    found = disclosures.verify(above, [hands.operator], [below])
    assert found.ok, errors(found)
    assert any("2 links down to the operator hold" in one.what for one in found.findings)
    folder = hands.folder / "t"
    with pytest.raises(BadInput, match="the rows of this release are needed"):
        disclosures.take_in(hands.home, above)
    with pytest.raises(Refused, match="has not countersigned"):
        disclosures.take_in(hands.home, above, folder)
    for path in (below, above, above, below):
        disclosures.take_in(hands.home, path, folder)
    listed = disclosures.listed(hands.home, 4 * T)
    assert [(one["depth"], one["recipient"]) for one in listed] == [(0, AFFILIATE), (1, THIRD)]
    assert [line.count("   ") for line in tree(listed)] == [0, 0, 1]
    svg = draw(listed)
    assert svg.startswith("<svg ")
    assert THIRD in svg


def test_a_broken_link_is_named(hands: Hands) -> None:
    below, above = chain(hands)
    digest = read_digest(below)
    assert errors(disclosures.verify(above, [hands.operator])) == [
        f"link {digest[:16]}…: the receipt that this chain rests on is missing"
    ]
    unsigned = hands.folder / "unsigned.json"
    unsigned.write_text(disclosures.receipt_of(hands.home, "d-a").decode())
    found = errors(disclosures.verify(above, [hands.operator], [unsigned]))
    assert found == [
        f"link {digest[:16]}…: affiliate:west has not countersigned it, so nothing can rest on it"
    ]
    other = hands.folder / "other.pub"
    new_key(hands.folder / "other.key", other)
    assert "is not the operator's key" in errors(disclosures.verify(above, [other], [below]))[0]


def read_digest(path: Path) -> str:
    from troth.core.statement import digest_of

    return digest_of(read_envelope(path.read_bytes(), "r").payload)


@pytest.mark.parametrize("place", [b'"rows":', b"affiliate", b"d-a", b'"position":'])
def test_no_altered_receipt_holds(hands: Hands, place: bytes) -> None:
    import base64

    _, path = hands.give("a", AFFILIATE)
    hands.sign(path, "a", AFFILIATE)
    outer = json.loads(path.read_bytes())
    payload = bytearray(base64.b64decode(outer["payload"]))
    at = payload.index(place) + len(place) - (0 if place.endswith(b":") else 1)
    payload[at] = ord("7") if chr(payload[at]).isdigit() else ord("b")
    outer["payload"] = base64.b64encode(payload).decode()
    path.write_bytes(json.dumps(outer, sort_keys=True, indent=1).encode() + b"\n")
    assert not disclosures.verify(path, [hands.operator]).ok


def test_who_passes_on_needs_its_own_countersigned_receipt(hands: Hands) -> None:
    _, below = hands.give("a", AFFILIATE)
    with pytest.raises(Refused, match="has not countersigned"):
        hands.pass_on("t", THIRD, below, AFFILIATE)
    hands.sign(below, "a", AFFILIATE)
    with pytest.raises(Refused, match="names other keys"):
        hands.pass_on("t", THIRD, below, CARRIER)
    with pytest.raises(Refused, match="is later than"):
        hands.pass_on("t", THIRD, below, AFFILIATE, at=T)


def test_recipients_come_from_files(hands: Hands, tmp_path: Path) -> None:
    before = hands.home.position
    recipients.add(hands.home, tmp_path / "recipients.yaml")
    assert hands.home.position == before
    found = recipients.listed(hands.home)
    assert [one["recipient"] for one in found] == [AFFILIATE, CARRIER, THIRD]
    assert found[0]["agreement"] == {"document": DPA.document, "version": "1", "sha256": None}
    bad, start = (
        tmp_path / "bad.yaml",
        f"recipient: {THIRD}\nkeys: [{hands.public(THIRD).name}]\ncontact: c\n",
    )
    for text, says in (
        ("recipient: operator\n", "expected affiliate:NAME"),
        (f"recipient: {THIRD}\nkeys: []\ncontact: c\n", "expected one public key"),
        (f"recipient: {THIRD}\nkeys: [nothing.pub]\ncontact: c\n", "cannot be read"),
        (
            f"{start}agreement: {{document: dpa, version: '9'}}\n",
            "knows no version '9'",
        ),
        (
            f"{start}agreement: {{document: policy, version: '1'}}\n",
            "is of kind privacy_policy",
        ),
    ):
        bad.write_text(text)
        with pytest.raises(BadInput, match=says):
            recipients.add(hands.home, bad)
    assert hands.home.position == before


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b'{"payload":',
        b'{"payload": 1, "payloadType": 2, "signatures": 3}',
        b"\xff" * 50,
        b"[" * 10_000,
    ],
)
def test_what_is_no_receipt_is_said(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "r.json"
    path.write_bytes(data)
    assert not disclosures.takes(path)
    assert not disclosures.verify(path, None).ok
