"""The operator's key: made once, kept to its owner, and refused if it is not that."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.unit.release.conftest import SIGNER
from troth.core.errors import BadInput, Conflict
from troth.core.verify import public_pem, read_envelope, signed_by
from troth.release.sign import load_public, load_signer, new_key, public_key_text, seal_statement


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """A new key pair."""
    private, public = tmp_path / "operator.key", tmp_path / "operator.pub"
    new_key(private, public)
    return private, public


def test_a_new_pair_belongs_together(pair: tuple[Path, Path]) -> None:
    private, public = pair
    signer = load_signer(private)
    assert load_public(public) == signer.public_key
    assert public.read_bytes() == public_pem(signer.public_key)
    assert public_key_text(public) == public.read_text()
    envelope = read_envelope(seal_statement(b"{}", signer), "m")
    assert signed_by(envelope, [load_public(public)]) == (signer.public_key.keyid,)


def test_the_private_key_is_its_owner_s_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        new_key(tmp_path / "a", tmp_path / "b")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600
    assert b"PRIVATE" not in (tmp_path / "b").read_bytes()


def test_two_pairs_differ(pair: tuple[Path, Path], tmp_path: Path) -> None:
    new_key(tmp_path / "a", tmp_path / "b")
    assert load_public(tmp_path / "b").keyid != load_public(pair[1]).keyid


def test_a_key_is_never_written_over(pair: tuple[Path, Path], tmp_path: Path) -> None:
    before = pair[0].read_bytes()
    with pytest.raises(Conflict, match="a key is there already"):
        new_key(pair[0], tmp_path / "other.pub")
    assert pair[0].read_bytes() == before


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620])
def test_a_key_that_others_can_read_is_refused(mode: int, pair: tuple[Path, Path]) -> None:
    pair[0].chmod(mode)
    with pytest.raises(BadInput, match="can be read by others"):
        load_signer(pair[0])


def test_what_is_no_key_is_refused(pair: tuple[Path, Path], tmp_path: Path) -> None:
    private, public = pair
    other = tmp_path / "other"
    ecdsa = generate_private_key(SECP256R1())
    for data, said in (
        (b"", "is no private key"),
        (b"key", "is no private key"),
        (public.read_bytes(), "is no private key"),
        (ecdsa.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), "is no Ed25519 key"),
    ):
        other.write_bytes(data)
        other.chmod(0o600)
        with pytest.raises(BadInput, match=said):
            load_signer(other)
    with pytest.raises(BadInput, match="is no public key"):
        load_public(private)
    for read in (load_signer, load_public):
        with pytest.raises(BadInput, match="cannot be read"):
            read(tmp_path / "none")


def test_signing_is_the_same_each_time() -> None:
    assert seal_statement(b"{}", SIGNER) == seal_statement(b"{}", SIGNER)
