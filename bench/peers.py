"""What others would do: the SQL of a good data engineer, and a policy engine asked record by record."""

from __future__ import annotations

from typing import Any

from bench.measure import median, timed
from bench.world import Stage

PLAIN_SQL = """
WITH now AS (
  SELECT subject, arg_max(jurisdiction, since) AS place, arg_max(tier, since) AS tier, min(since) AS joined,
         arg_max(born, since) AS born
  FROM members GROUP BY subject
), switch AS (
  SELECT subject, arg_max(value, "at") AS value FROM choices GROUP BY subject
), person AS (
  SELECT now.*, switch.value,
    CASE WHEN place IN ('FR', 'IT', 'ES', 'DE', 'NL', 'GB', 'CH', 'CN') THEN 'out'
         WHEN place = 'CA' THEN 'off' ELSE 'on' END AS usual
  FROM now LEFT JOIN switch USING (subject)
), fine AS (
  SELECT subject, joined FROM person
  WHERE usual <> 'out' AND COALESCE(value, usual) = 'on' AND born IS NOT NULL
)
SELECT r.id FROM records r
JOIN fine a ON a.subject = r.author JOIN fine b ON b.subject = r.addressees[1]
WHERE r.created_at >= 1677628800000000 AND r.created_at >= a.joined AND r.created_at >= b.joined
"""
"""Snapshot state, no notice, no reasons, no history of the switch: what pipelines do today."""

POLICY = """
permit (principal, action == Action::"train", resource)
when {
  resource.created_at >= 1677628800000000 &&
  resource.author_on && resource.addressee_on && !resource.author_out && !resource.addressee_out
};
"""


def plain_sql(stage: Stage, times: int) -> dict[str, Any]:
    """Seconds of the plain SQL over the same records."""
    import duckdb

    from troth_network import bulk

    with duckdb.connect(config={"threads": 2}) as engine:
        engine.register("members_arrow", bulk.members_table(stage.members, stage.seed))
        engine.register("choices_arrow", bulk.choices_table(stage.members, stage.seed))
        engine.execute("CREATE TABLE members AS FROM members_arrow")
        engine.execute("CREATE TABLE choices AS FROM choices_arrow")
        engine.execute(f"CREATE VIEW records AS FROM '{stage.table}'")
        query = f"SELECT count(*) FROM ({PLAIN_SQL})"  # noqa: S608 - our own text
        seconds, rows = timed(lambda: engine.execute(query).fetchall()[0][0], times)
    return {"seconds": median(seconds), "allowed": rows}


def policy_engine(requests: int) -> dict[str, Any]:
    """Seconds that ``cedarpy`` takes for a batch of requests."""
    import cedarpy

    asked = [
        {
            "principal": 'User::"trainer"',
            "action": 'Action::"train"',
            "resource": f'Record::"{index}"',
            "context": {},
        }
        for index in range(requests)
    ]
    entities = [
        {
            "uid": {"__entity": {"type": "Record", "id": str(index)}},
            "attrs": {
                "created_at": 1_600_000_000_000_000 + index * 86_400_000_000,
                "author_on": index % 3 > 0,
                "addressee_on": index % 5 > 0,
                "author_out": index % 7 == 0,
                "addressee_out": index % 11 == 0,
            },
            "parents": [],
        }
        for index in range(requests)
    ]
    seconds, answers = timed(lambda: cedarpy.is_authorized_batch(asked, POLICY, entities))
    allowed = sum(answer.decision == cedarpy.Decision.Allow for answer in answers)
    return {"seconds": seconds[0], "requests": requests, "allowed": allowed}
