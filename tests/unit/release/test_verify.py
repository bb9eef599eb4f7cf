from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner

from tests.unit.release.conftest import SIGNER, Sealing, records
from troth.core.errors import Refused
from troth.core.findings import Findings
from troth.release.check import verify_release
from troth.release.load import load

TRUSTED = [SIGNER.public_key]
PART = "data/part-00000.parquet"


@pytest.fixture
def release(sealing: Sealing) -> Path:
    """A sealed release of twelve rows."""
    return sealing(records(12)).path


def errors(findings: Findings) -> list[tuple[str, str | None]]:
    return [(one.what, one.where) for one in findings.findings if one.level == "error"]


def refused(path: Path) -> list[tuple[str, str | None]]:
    """The errors of an altered release, which loading refuses too."""
    found = verify_release(path, TRUSTED)
    assert not found.ok
    with pytest.raises(Refused):
        load(path)
    return errors(found)


def rewrite(path: Path, table: pa.Table) -> None:
    schema = pq.read_schema(path / PART)
    pq.write_table(table.cast(schema), path / PART)


def test_every_single_byte_of_the_manifest_counts(release: Path) -> None:
    manifest = release / "manifest.dsse.json"
    whole = manifest.read_bytes()
    kept = []
    for place in range(len(whole)):
        manifest.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        if verify_release(release, TRUSTED).ok:
            kept.append(place)
    assert kept == []
    manifest.write_bytes(whole)
    assert verify_release(release, TRUSTED).ok


@pytest.mark.parametrize(
    "name", ["leaves.bin", pytest.param("README.txt", marks=pytest.mark.long), "keys/operator.pub"]
)
def test_every_single_byte_of_the_small_files_counts(name: str, release: Path) -> None:
    file = release / name
    whole = file.read_bytes()
    for place in range(len(whole)):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        found = verify_release(release, TRUSTED)
        assert not found.ok, place
        assert any(where == name for _, where in errors(found)), place


def test_every_hundredth_byte_of_the_rows_counts(release: Path) -> None:
    file = release / PART
    whole = file.read_bytes()
    for place in range(0, len(whole), 101):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert any(where == PART for _, where in errors(verify_release(release, TRUSTED))), place


def test_a_row_that_was_changed_is_named(release: Path) -> None:
    table = pq.read_table(release / PART)
    bodies = table["body"].to_pylist()
    bodies[4] = "another body"
    rewrite(release, table.set_column(table.schema.get_field_index("body"), "body", pa.array(bodies)))
    said = " ".join(what for what, _ in refused(release))
    assert "row 5" in said
    assert "m4" in said
    assert "m5" not in said


def test_rows_removed_added_and_swapped_are_noticed(release: Path) -> None:
    table = pq.read_table(release / PART)
    for other in (
        table.slice(1),
        pa.concat_tables([table, table.slice(0, 1)]),
        pa.concat_tables([table.slice(0, 11), table.slice(0, 1)]),
        table.slice(0, 0),
    ):
        rewrite(release, other)
        assert refused(release)


def test_files_that_are_missing_cut_or_too_many(release: Path, tmp_path: Path) -> None:
    for name in (PART, "leaves.bin", "README.txt", "keys/operator.pub", "manifest.dsse.json"):
        copy = Path(shutil.copytree(release, tmp_path / f"no-{Path(name).name}"))
        (copy / name).unlink()
        assert refused(copy), name
        copy = Path(shutil.copytree(release, tmp_path / f"cut-{Path(name).name}"))
        (copy / name).write_bytes((copy / name).read_bytes()[:-3])
        assert refused(copy), name
    (release / "data" / "part-00001.parquet").write_bytes(b"more")
    assert any(where == "data/part-00001.parquet" for _, where in refused(release))


def test_links_and_pipes_are_no_files(release: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.parquet"
    (release / PART).rename(outside)
    (release / PART).symlink_to(outside)
    assert any(where == PART for _, where in refused(release))
    (release / PART).unlink()
    os.mkfifo(release / PART)
    assert any(where == PART for _, where in refused(release))


def test_the_manifest_of_another_release(release: Path, tmp_path: Path, sealing: Sealing) -> None:
    other = sealing(records(11), tmp_path / "other").path
    shutil.copy(other / "manifest.dsse.json", release / "manifest.dsse.json")
    assert refused(release)


def test_another_s_key_and_no_signature(release: Path) -> None:
    stranger = CryptoSigner(Ed25519PrivateKey.from_private_bytes(bytes(32))).public_key
    assert not verify_release(release, [stranger]).ok
    assert not verify_release(release, []).ok
    manifest = release / "manifest.dsse.json"
    envelope = json.loads(manifest.read_text())
    envelope["signatures"] = []
    manifest.write_text(json.dumps(envelope))
    assert refused(release)


def test_without_a_trusted_key_the_enclosed_one_is_taken_with_a_warning(release: Path) -> None:
    found = verify_release(release)
    assert found.ok
    assert [one.level for one in found.findings].count("warning") == 1


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"null", b'{"payload": 1}', b"[" * 100_000, b"\xff\xfe", b'{"a":' * 5000]
)
def test_a_manifest_that_is_none_is_a_finding(data: bytes, release: Path) -> None:
    (release / "manifest.dsse.json").write_bytes(data)
    assert any(where == "manifest.dsse.json" for _, where in refused(release))


def test_what_is_no_release_is_a_finding(tmp_path: Path) -> None:
    assert not verify_release(tmp_path / "nowhere").ok
    assert not verify_release(tmp_path).ok
    with pytest.raises(Refused, match="not loaded"):
        load(tmp_path)


@pytest.mark.needs_hf
class TestTrainers:
    def test_a_data_set(self, release: Path) -> None:
        dataset = load(release).to_dataset()
        assert len(dataset) == 12
        assert dataset[3]["id"] == "m3"

    def test_an_iterable(self, release: Path) -> None:
        import torch.utils.data

        rows = list(torch.utils.data.DataLoader(load(release).to_torch(), batch_size=None))
        assert sorted(row["id"] for row in rows) == sorted(f"m{number}" for number in range(12))

    def test_the_callback_refuses_other_data(self, release: Path) -> None:
        import torch.utils.data

        from troth.release.hf import SealedDataCallback

        loaded = load(release)
        callback = SealedDataCallback(loaded)
        state = type("State", (), {"log_history": [], "global_step": 0})()
        callback.on_train_begin(
            None, state, None, train_dataloader=torch.utils.data.DataLoader(loaded.to_torch())
        )
        assert "r-test" in json.dumps(state.log_history)
        other = torch.utils.data.TensorDataset(torch.zeros(3))
        with pytest.raises(Refused, match="does not come from"):
            callback.on_train_begin(None, state, None, train_dataloader=torch.utils.data.DataLoader(other))
