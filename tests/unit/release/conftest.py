from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner

from troth.core.manifest import Manifest
from troth.core.values import Use
from troth.release.seal import Facts, Sealed, seal

RELEASE = "r-test"
SIGNER = CryptoSigner(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))

Sealing = Callable[..., Sealed]


def records(count: int, *, salted: bool = True) -> pa.Table:
    """Records of two parties each, with everything that can be null null somewhere."""
    rows = [
        {
            "id": f"m{number}",
            "category": "private_message.inmail" if number % 2 else "post",
            "created_at": None if number % 7 == 3 else 1_700_000_000_000_000 + number,
            "author": f"ann{number % 5}",
            "addressees": [f"bob{number % 3}"] if number % 2 else [],
            "topics": ["health"] if number % 4 == 0 else None,
            "conversation": None,
            "title": None if number % 3 else f"title {number}",
            "body": f"Body of the message number {number}: größer, 例.",
            "salt": number.to_bytes(32, "big") if salted else None,
        }
        for number in range(count)
    ]
    text, texts = pa.string(), pa.list_(pa.string())
    return pa.Table.from_pylist(
        rows,
        pa.schema(
            [
                ("id", text), ("category", text), ("created_at", pa.int64()), ("author", text),
                ("addressees", texts), ("topics", texts), ("conversation", text), ("title", text),
                ("body", text), ("salt", pa.binary()),
            ]
        ),
    )  # fmt: skip


def facts(allowed: int) -> Facts:
    """What a manifest says of a release of so many rows; nothing in it changes from run to run."""
    return Facts(
        use=Use("train.generative", "operator"),
        at=1_760_000_000_000_000,
        settings_as_of=42,
        created_at=1_760_000_100_000_000,
        engine={"name": "duckdb", "version": "2.0.0"},
        verdicts={"allowed": allowed, "denied": 3, "gap": 1},
        first_reasons={"opted-out": 3, "unknown-age": 1},
        all_reasons={"opted-out": 3, "unknown-age": 2},
        any_party_rule_would_allow=1,
        terms=(("policy", "1"),),
        inputs=(),
    )


def nothing(_manifest: Manifest, _digest: str) -> None:
    """A ledger that takes everything."""


@pytest.fixture
def sealing(tmp_path: Path) -> Sealing:
    """Seals records into ``tmp_path/sealed`` (or another folder)."""

    def sealed(
        table: pa.Table,
        out: Path | None = None,
        commit: Callable[[Manifest, str], None] = nothing,
        batches: Sequence[pa.RecordBatch] | None = None,
    ) -> Sealed:
        return seal(
            batches if batches is not None else table.to_batches(),
            RELEASE,
            lambda: facts(table.num_rows),
            SIGNER,
            out if out is not None else tmp_path / "sealed",
            commit,
            lambda count: b"\x07" * count,
        )

    return sealed
