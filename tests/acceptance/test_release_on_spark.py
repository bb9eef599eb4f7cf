"""Real mail: a release that Spark builds has the roots of the one that DuckDB builds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from troth.app import importing, releases
from troth.app.home import Home, init, read_events_file
from troth.core.values import Use

pytestmark = [
    pytest.mark.needs_spark,
    pytest.mark.needs_data,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:pyspark"),
]

TERMS = """
- terms: user-agreement
  kind: user_agreement
  version: "1"
  published_at: 1990-01-01
  effective_at: 1990-01-01
  clauses:
    - {id: train, effect: permit, purposes: [train], categories: [private_message], recipients: [operator],
       condition: {setting: s}, quote: We train.}
- setting: s
  introduced_at: 1990-01-01
  defaults: [{value: on}]
- regime: {jurisdictions: [US], regime: opt_out, purposes: [train]}
"""


@pytest.fixture
def home(shared_data: Path, tmp_path: Path) -> Home:
    """A mailing list whose people mostly joined; some of them moved the switch."""
    made = init(tmp_path / "home")
    importing.mail(made, [shared_data / "messages" / "linux-mips-part.mboxrd.gz"])
    (tmp_path / "terms.yaml").write_text(TERMS)
    made.append(read_events_file(tmp_path / "terms.yaml"))
    files = [path for path in made.records_path.glob("*.parquet") if "category" in pq.read_schema(path).names]
    rows = pq.read_table(files, columns=["author", "addressees"]).to_pylist()
    people = sorted({one for row in rows for one in (row["author"], *(row["addressees"] or ())) if one})
    since = {"since": "1990-01-01", "jurisdiction": "US", "born": 1950}
    choice = {"setting": "s", "value": "off", "at": "1995-01-01"}
    made.record([{"subject": one, **since} for number, one in enumerate(people) if number % 7])
    made.record(
        [{"choose": {"subject": one, **choice}} for number, one in enumerate(people) if number % 7 == 3]
    )
    return made


def test_roots_of_real_mail_are_the_same_on_both_engines(home: Home, tmp_path: Path) -> None:
    found = []
    for engine in ("duckdb", "spark"):
        home.config = replace(home.config, engine=engine, threads=2)
        out = tmp_path / engine
        manifest = releases.build(
            home, Use("train", "operator"), out, name="r1", at="2026-01-01T00:00:00Z", as_of=home.position
        ).sealed.manifest
        (home.sets_path / "r1").rename(tmp_path / f"{engine}-set")
        assert releases.verify(out).ok
        found.append((manifest.rows, manifest.members, manifest.row_root, manifest.set_root))
    assert found[0][0] > 1000
    # The position moved between the two by the first one's own entries; what anybody chose did not.
    assert found[0] == found[1]
