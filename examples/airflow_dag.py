"""Airflow: a release each night, then whatever trains on it. release_step.py goes with it."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from airflow.sdk import dag, task
from release_step import build_release

HOME = os.environ.get("TROTH_HOME", "/srv/troth")


@dag(schedule="@daily", start_date=datetime(2025, 1, 1, tzinfo=UTC), catchup=False)
def nightly_release() -> None:
    """Build, then train."""

    @task(retries=2)
    def release(ds: str) -> str:
        return build_release(
            HOME, f"{HOME}-releases/{ds}", "train.generative", "operator", at=f"{ds}T00:00:00Z"
        )

    @task
    def train(path: str) -> None:
        import troth

        for _batch in troth.load(path):
            pass  # hand it to the trainer; what was not allowed never comes this way

    train(release("{{ ds }}"))


nightly_release()
