"""dbt (DuckDB or Spark adapter): a Python model that holds just the messages one use may have.

The verdicts come as Troth's own columns; tests of the project may ask that none is missing.
"""

from __future__ import annotations

import os
from typing import Any

import troth

HOME = os.environ.get("TROTH_HOME", "/srv/troth")


def model(dbt: Any, session: Any) -> Any:  # noqa: ANN401, ARG001 - dbt's
    """The allowed records of ``ref('messages')``."""
    dbt.config(materialized="table")
    messages = dbt.ref("messages")
    table = messages.to_arrow_table() if hasattr(messages, "to_arrow_table") else messages
    use = troth.Use("train.generative", "operator")
    allowed = (
        troth.open(dbt.config.get("troth_home") or HOME).gate(use, at=dbt.config.get("at")).allowed(table)
    )
    return allowed.to_pyarrow()
