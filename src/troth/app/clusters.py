"""Releases built by Spark: the same release as ``troth.app.releases`` builds, row roots and set roots included."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import ibis.expr.types as ir
import pyarrow as pa

from troth.app import directories
from troth.app.decisions import HomeGate
from troth.app.home import Home
from troth.app.membersets import Making, private_records
from troth.core.manifest import File, Manifest
from troth.gate import spark
from troth.gate.gate import Tally
from troth.release import spread
from troth.release.engine import BATCH
from troth.release.folder import NewFile, building
from troth.release.layout import MEMBERS
from troth.release.seal import Content, Facts, Sealed, SealedSet, finish
from troth.release.sign import load_signer

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_SECRETS = pa.schema([("subject", pa.string()), ("secret", pa.binary())])
_HEADS = pa.schema([("subject", pa.string()), ("head", pa.int64())])


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be sealed: decided records with the columns of a release and of ``TALLIED``, and what counts them."""

    table: ir.Table
    release: str
    out: Path
    tally: Tally
    rows: Callable[[Path], spread.Content] | None = None
    """Puts rows that were written before into the folder; None: they are written now."""


def seal(
    home: Home,
    gate: HomeGate,
    asked: Asked,
    facts: Callable[[], Facts],
    making: Making | None,
    commit: Callable[[Manifest, str], None],
) -> Sealed:
    """Seal the allowed records of a decided table on Spark; see ``troth.release.seal.seal``.

    Args:
        home: the home; what is private while the release is made lies in it.
        gate: the gate that decided.
        asked: what is to be sealed.
        facts: says the rest of the manifest, asked once all was counted; may refuse.
        making: the set to make, or None.
        commit: records the release.
    """
    with (
        building(asked.out) as folder,
        tempfile.TemporaryDirectory(prefix=".spread-", dir=home.path) as private,
    ):
        work = Path(private)
        frame = spark.frame(asked.table)
        session = frame.sparkSession
        put = asked.rows or partial(spread.write_rows, frame, asked.release)
        content = put(folder.path)
        for row, number in content.counts:
            asked.tally.add(row, number)
        said = facts()
        found = spread.sort_rows(session, folder.path, content, work)
        leaves, root = spread.write_leaves(found, folder.path, making.tiles.put if making else None)
        belongs = spread.memberships(session, found)
        made: SealedSet | None = None
        if making is None:
            members = belongs.select("subject").distinct().count()
        else:
            opened = _Opened(home, gate, session, work)
            made, members = _make_set(opened, belongs, asked.release, folder.path, making)
        whole = Content(content.files, leaves, root, content.rows, content.derived, members)
        return finish(folder, asked.release, said, whole, made, load_signer(home.key_path), commit)


def _make_set(
    opened: _Opened, belongs: DataFrame, release: str, folder: Path, making: Making
) -> tuple[SealedSet, int]:
    roots = spread.member_roots(belongs).persist()
    secrets = opened.frame(roots.select("subject"))
    directory = directories.seal(opened.home)
    members = spread.sealed_members(roots, secrets, release, opened.work)
    roots.unpersist()
    with NewFile(folder / MEMBERS) as file, private_records(making) as records:
        built = spread.build_set(members, file, making.tiles.put, records)
        file.sync()
    sealed = File(MEMBERS, file.sha256, size=file.size)
    return SealedSet(built.root.hex(), built.bits, directory.root.hex(), sealed), built.members


@dataclass(frozen=True, slots=True)
class _Opened:
    """The secrets and heads of members, brought to Spark through files that are private and soon gone."""

    home: Home
    gate: HomeGate
    session: SparkSession
    work: Path

    def frame(self, subjects: DataFrame) -> DataFrame:
        """(subject, secret, head) of everybody who has an account; whoever of these has none gets one."""
        accounts = directories.accounts_of(self.home)
        directories.cover(self.home, self.gate.people)
        self._keep("secrets", _SECRETS, map(_secrets, accounts.batches()))
        secrets = self._read("secrets")
        without = subjects.join(secrets, "subject", "left_anti")
        for more, batch in enumerate(spark.batches(spark.table_of(without), BATCH)):
            missing = batch.column(0).to_pylist()
            accounts.ensure(missing)
            self._keep(f"secrets-{more}", _SECRETS, [_secrets(accounts.of(missing))])
            secrets = secrets.unionByName(self._read(f"secrets-{more}"))
        self._keep("heads", _HEADS, self._heads())
        return secrets.join(self._read("heads"), "subject", "left")

    def _heads(self) -> Iterator[pa.RecordBatch]:
        for known in directories.batched(self.gate.people.heads()):
            columns = [[name for name, _ in known], [head for _, head in known]]
            yield pa.RecordBatch.from_arrays(
                [pa.array(column, field.type) for column, field in zip(columns, _HEADS, strict=True)],
                schema=_HEADS,
            )

    def _keep(
        self, name: str, schema: pa.Schema, batches: Iterator[pa.RecordBatch] | list[pa.RecordBatch]
    ) -> None:
        spread.private_table(self.work / f"{name}.parquet", schema, batches)

    def _read(self, name: str) -> DataFrame:
        return self.session.read.parquet(str(self.work / f"{name}.parquet"))


def _secrets(batch: list[tuple[str, bytes, bytes]]) -> pa.RecordBatch:
    columns = [[subject for subject, _, _ in batch], [secret for _, _, secret in batch]]
    return pa.RecordBatch.from_arrays(
        [pa.array(column, field.type) for column, field in zip(columns, _SECRETS, strict=True)],
        schema=_SECRETS,
    )
