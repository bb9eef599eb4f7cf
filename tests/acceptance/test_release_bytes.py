"""Every byte, and every length, of a small release's data file counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.release.conftest import RELEASE, SIGNER, facts, nothing, records
from troth.release.check import verify_release
from troth.release.seal import seal

PART = "data/part-00000.parquet"


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sealed release of six rows."""
    out = tmp_path_factory.mktemp("bytes") / "r1"
    return seal(records(6).to_batches(), RELEASE, lambda: facts(6), SIGNER, out, nothing).path


def is_noticed(release: Path, data: bytes) -> bool:
    (release / PART).write_bytes(data)
    found = verify_release(release, [SIGNER.public_key])
    return any(one.level == "error" and one.where == PART for one in found.findings)


@pytest.mark.parametrize("change", [0x01, 0x80, 0xFF])
def test_every_changed_byte_is_noticed(change: int, release: Path) -> None:
    whole = (release / PART).read_bytes()
    try:
        changed = (whole[:at] + bytes([whole[at] ^ change]) + whole[at + 1 :] for at in range(len(whole)))
        assert [at for at, data in enumerate(changed) if not is_noticed(release, data)] == []
    finally:
        (release / PART).write_bytes(whole)
    assert verify_release(release, [SIGNER.public_key]).ok


def test_every_cut_is_noticed(release: Path) -> None:
    whole = (release / PART).read_bytes()
    try:
        assert [length for length in range(len(whole)) if not is_noticed(release, whole[:length])] == []
    finally:
        (release / PART).write_bytes(whole)
