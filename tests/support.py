"""What the tests share."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED_DATA = ROOT.parent / "shared" / "data"


def everything_is_required() -> bool:
    """Whether a test that lacks something fails instead of being skipped (as in CI)."""
    return os.environ.get("TROTH_REQUIRE_ALL") == "1"


def require(condition: object, what: str) -> None:
    """Skip the test, saying `what` is missing, unless `condition` holds; fail it where all is required."""
    if condition:
        return
    if everything_is_required():
        pytest.fail(f"missing: {what} (and TROTH_REQUIRE_ALL=1)", pytrace=False)
    pytest.skip(f"missing: {what}")
