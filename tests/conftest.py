import importlib.util
import os
import shutil
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support import SHARED_DATA, everything_is_required, require

# A shared machine is slow now and then, so no example has a deadline; and nothing is kept from run
# to run. In CI the examples are the same each time: what fails there fails for everybody.
settings.register_profile("dev", deadline=None, database=None)
settings.register_profile("ci", deadline=None, database=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") or everything_is_required() else "dev")

TABLE_PACKAGES = ("adbc_driver_postgresql", "deltalake", "fsspec", "pyiceberg")
HF_PACKAGES = ("datasets", "peft", "torch", "transformers")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real material beside the repository; it is never copied into it."""
    require(SHARED_DATA.is_dir(), "../shared/data")
    return SHARED_DATA


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Give the `needs_…` marks their meaning."""
    if item.get_closest_marker("needs_data"):
        require(SHARED_DATA.is_dir(), "../shared/data")
    if item.get_closest_marker("needs_strace"):
        require(shutil.which("strace"), "strace")
    if item.get_closest_marker("needs_spark"):
        require(importlib.util.find_spec("pyspark") and shutil.which("java"), "the spark extra and Java")
    if item.get_closest_marker("needs_tables"):
        absent = [name for name in TABLE_PACKAGES if importlib.util.find_spec(name) is None]
        require(not absent, f"the tables extra ({', '.join(absent)})")
    if item.get_closest_marker("needs_hf"):
        absent = [name for name in HF_PACKAGES if importlib.util.find_spec(name) is None]
        require(not absent, f"the hf extra ({', '.join(absent)})")


def _fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    # An expected failure is reported as skipped too, but it did run.
    if everything_is_required() and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid}: {reason} (a skip is a failure: TROTH_REQUIRE_ALL=1)"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _fail_if_skipped(report)
    return report
