"""The directory of accounts as a tree of buckets: what binds each account to one secret."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from troth.core.merkle import HASH_BYTES
from troth.core.sets import ACCOUNT_BYTES, KEY, LABEL, SECRET_BYTES, bits_for
from troth.release.engine import Engine, Limits
from troth.release.fixed import column_of, hash_rows, packed_column
from troth.release.memberset import Built
from troth.release.trees import BucketTree, Put

_BOUND = pa.schema([("bound", pa.binary())])


def build_directory(
    credentials: Iterable[tuple[Sequence[bytes], Sequence[bytes]]], put: Put, limits: Limits
) -> Built:
    """Make the directory of (accounts, secrets), in any order.

    Args:
        credentials: batches of them.
        put: gets every tile.
        limits: what the engine may take.

    Raises:
        BadInput: an account is there twice.
    """

    def bound() -> Iterator[pa.RecordBatch]:
        for accounts, secrets in credentials:
            labels = hash_rows(LABEL, column_of(pa.array(accounts, pa.binary()), ACCOUNT_BYTES))
            keys = hash_rows(KEY, column_of(pa.array(secrets, pa.binary()), SECRET_BYTES))
            yield pa.RecordBatch.from_arrays(
                [packed_column(np.concatenate([labels, keys], axis=1))], schema=_BOUND
            )

    with Engine(limits) as engine:
        engine.take("CREATE TABLE bound AS SELECT * FROM incoming", _BOUND, bound())
        count = engine.number("SELECT count(*) FROM bound")
        tree = BucketTree(bits_for(count), put, sealed=False)
        for batch in engine.give("SELECT bound FROM bound ORDER BY bound"):
            tree.add(column_of(batch["bound"], 2 * HASH_BYTES))
    return Built(tree.finish(), tree.bits, count)
