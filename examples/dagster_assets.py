"""Dagster: a release for each day as an asset."""

# Without `from __future__ import annotations`: Dagster reads annotations when an asset is defined.
import os

import dagster as dg
from release_step import build_release

HOME = os.environ.get("TROTH_HOME", "/srv/troth")
days = dg.DailyPartitionsDefinition(start_date="2025-01-01")


@dg.asset(partitions_def=days)
def release(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """The rows that generative training may have on that day, sealed."""
    day = context.partition_key
    path = build_release(
        HOME, f"{HOME}-releases/{day}", "train.generative", "operator", at=f"{day}T00:00:00Z"
    )
    return dg.MaterializeResult(metadata={"path": dg.MetadataValue.path(path)})


defs = dg.Definitions(assets=[release])
