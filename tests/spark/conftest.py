from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="session")
def session() -> Iterator[Any]:
    """One small Spark for all tests; it ends with them."""
    from troth.gate import spark

    with pytest.MonkeyPatch.context() as patch:
        # A quick start counts here, not speed: a simple compiler, a simple collector.
        patch.setenv("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto")
        backend = spark.connect(2, "1GB")
    for key, value in {"shuffle.partitions": "2", "codegen.wholeStage": "false"}.items():
        backend._session.conf.set(f"spark.sql.{key}", value)
    yield backend._session
    backend._session.stop()
