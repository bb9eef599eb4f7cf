"""The gate on Spark against the reference, on the worlds of the ordinary property tests."""

from __future__ import annotations

import pytest

from tests.properties.test_decision import check_gate
from troth.gate.gate import SPARK

pytestmark = [
    pytest.mark.needs_spark,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:pyspark"),
]


@pytest.mark.parametrize("chunk", range(10))
def test_the_gate_on_spark_says_what_the_reference_says(chunk: int) -> None:
    check_gate(chunk, SPARK)
