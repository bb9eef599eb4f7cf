"""OpenLineage events: of the published form, of every run, about nobody, and never in the way."""

from __future__ import annotations

import importlib.resources
import importlib.util
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from jsonschema import Draft202012Validator

from tests.properties.worlds import World, as_table
from tests.support import require
from tests.unit.app.handed import AFFILIATE, Hands
from troth.app import decisions, lineage, models, outside, releases
from troth.app import home as homes
from troth.app.home import CONFIG, Home, open_home
from troth.app.lineage import Lineage
from troth.core.errors import BadInput, Refused
from troth.core.values import Use

FACET = Draft202012Validator(
    json.loads(importlib.resources.files("troth.schemas").joinpath("consent-facet.schema.json").read_text()),
    format_checker=Draft202012Validator.FORMAT_CHECKER,
)


@pytest.fixture
def told(home: Home) -> Callable[[], list[dict[str, Any]]]:
    """The home writes events; a function that reads them."""
    home.config = replace(home.config, lineage=Lineage(file=Path("lineage.jsonl")))
    return lambda: read(home.path / "lineage.jsonl")


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def check(events: list[dict[str, Any]], job: str, end: str = "COMPLETE") -> dict[str, Any]:
    """Two events of one run, each of the published form; the last one."""
    assert [(one["job"]["name"], one["eventType"]) for one in events] == [(job, "START"), (job, end)]
    assert events[0]["run"]["runId"] == events[1]["run"]["runId"]
    for one in events:
        as_published(one)
        FACET.validate(one["run"]["facets"]["troth_consent"])
        for output in one["outputs"]:
            FACET.validate(output["facets"]["troth_consent"])
    return events[1]


def as_published(event: dict[str, Any]) -> None:
    """Read by OpenLineage's own classes, and written again the same."""
    require(importlib.util.find_spec("openlineage"), "openlineage-python")
    from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
    from openlineage.client.facet_v2 import job_type_job
    from openlineage.client.serde import Serde

    job_type = dict(event["job"]["facets"]["jobType"])
    assert job_type.pop("_schemaURL") == job_type_job.JobTypeJobFacet._get_schema()
    assert job_type.pop("_producer") == event["producer"]
    made = RunEvent(
        eventTime=event["eventTime"],
        eventType=RunState[event["eventType"]],
        producer=event["producer"],
        run=Run(event["run"]["runId"], facets=event["run"]["facets"]),
        job=Job(
            event["job"]["namespace"],
            event["job"]["name"],
            facets={"jobType": job_type_job.JobTypeJobFacet(**job_type, producer=event["producer"])},
        ),
        inputs=[InputDataset(**one) for one in event["inputs"]],
        outputs=[OutputDataset(**one) for one in event["outputs"]],
    )
    written = Serde.to_dict(made)
    assert written["schemaURL"] == event["schemaURL"]
    assert written["run"] == event["run"]
    assert written["job"] == event["job"]
    assert {key: written[key] for key in ("eventTime", "eventType", "producer")} == {
        key: event[key] for key in ("eventTime", "eventType", "producer")
    }
    for key in ("inputs", "outputs"):
        assert [(one["namespace"], one["name"]) for one in written[key]] == [
            (one["namespace"], one["name"]) for one in event[key]
        ]


def test_decisions_and_releases(
    home: Home, world: World, told: Callable[[], list[dict[str, Any]]], tmp_path: Path
) -> None:
    question = world.question
    gate = decisions.open_gate(home, question.use, question.at)
    summary = gate.summary()
    last = check(told(), "decide")
    consent = last["run"]["facets"]["troth_consent"]
    assert (consent["purpose"], consent["recipient"]) == (question.use.purpose, question.use.recipient)
    assert consent["settingsAsOf"] == gate.question.position
    assert consent["verdicts"] == summary.verdicts
    assert consent["firstReasons"] == summary.first_reasons
    assert last["inputs"] == [{"namespace": "file", "name": str(home.records_path.absolute())}]

    outside.write_verdicts(gate, None, tmp_path / "v.parquet")
    last = check(told()[2:], "decide")
    assert [one["name"] for one in last["outputs"]] == [str(tmp_path / "v.parquet")]

    ids = pa.table({"id": [one.id for one in world.records]})
    checked = decisions.check(gate, ids)
    last = check(told()[4:], "check")
    assert last["run"]["facets"]["troth_consent"]["verdicts"] == checked.verdicts

    built = releases.build(home, question.use, tmp_path / "out", at=question.at, with_set=False)
    last = check(told()[6:], "release")
    (output,) = last["outputs"]
    assert output["name"] == f"releases/{built.sealed.manifest.release}"
    assert output["facets"]["troth_consent"]["rowRoot"] == built.sealed.manifest.row_root
    assert output["facets"]["troth_consent"]["manifest"] == built.sealed.manifest_digest

    # A run that fails says so; a table in memory has no name.
    with pytest.raises(Refused):
        releases.build(
            home, Use("nothing.of_the_kind", "operator"), tmp_path / "none", at=question.at,
            source=as_table(world.records), with_set=False,
        )  # fmt: skip
    last = check(told()[8:], "release", "FAIL")
    assert (last["inputs"], last["outputs"]) == ([], [])

    # Nothing about a person: no member, no record, no text.
    text = (home.path / "lineage.jsonl").read_text()
    people = {one.author for one in world.records} | {
        name for one in world.records for name in one.addressees
    }
    for name in {one.id for one in world.records} | {one for one in people if one}:
        assert f'"{name}"' not in text


def test_disclosures(hands: Hands) -> None:
    home = hands.home
    home.config = replace(home.config, lineage=Lineage(file=Path("lineage.jsonl")))
    disclosed, _ = hands.give("a", AFFILIATE)
    last = check(read(home.path / "lineage.jsonl"), "disclose")
    consent = last["run"]["facets"]["troth_consent"]
    assert consent["release"] == disclosed.receipt.said.release
    assert consent["receipt"] == disclosed.receipt.digest
    assert last["inputs"][0]["name"] == f"releases/{disclosed.receipt.said.release}"
    assert last["outputs"][0]["name"] == f"recipients/{disclosed.receipt.said.recipient.name}"


def test_training(home: Home, world: World, told: Callable[[], list[dict[str, Any]]], tmp_path: Path) -> None:
    question = world.question
    table = as_table(world.records)
    table = table.append_column("body", pa.array(["some words to count"] * table.num_rows))
    pq.write_table(table, tmp_path / "r.parquet")
    built = releases.build(
        home,
        question.use,
        tmp_path / "out",
        at=question.at,
        source=str(tmp_path / "r.parquet"),
        with_set=False,
    )
    before = len(told())
    models.train(home, [tmp_path / "out"], "m1", shards=1, slices=1)
    last = check(told()[before:], "train")
    assert [one["name"] for one in last["inputs"]] == [f"releases/{built.sealed.manifest.release}"]
    assert [one["name"] for one in last["outputs"]] == ["models/m1"]


# --- never in the way


class Endpoint(BaseHTTPRequestHandler):
    taken: ClassVar[list[dict[str, Any]]]
    keys: ClassVar[list[str | None]]
    sleep = 0.0
    status = 200

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(type(self).sleep)
        type(self).taken.append(json.loads(body))
        type(self).keys.append(self.headers["Authorization"])
        self.send_response(type(self).status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Be quiet."""


@pytest.fixture
def endpoint() -> Iterator[tuple[str, type[Endpoint]]]:
    class Mine(Endpoint):
        taken: ClassVar[list[dict[str, Any]]] = []
        keys: ClassVar[list[str | None]] = []

    server = HTTPServer(("127.0.0.1", 0), Mine)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/api/v1/lineage", Mine
    server.shutdown()
    server.server_close()


def simple_run(home: Home) -> None:
    with lineage.run(home, "decide", Use("improve", "operator"), None, settingsAsOf=1) as said:
        said.counted({"allowed": 1, "denied": 0, "gap": 0})


def test_an_endpoint_gets_them_with_its_key(
    home: Home, endpoint: tuple[str, type[Endpoint]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, server = endpoint
    monkeypatch.setenv(lineage.KEY, "k-123")
    home.config = replace(home.config, lineage=Lineage(url=url, namespace="pipelines"))
    simple_run(home)
    lineage._Poster.of(url).finish(30)
    assert check(server.taken, "decide")["job"]["namespace"] == "pipelines"
    assert server.keys == ["Bearer k-123"] * 2


def test_nothing_about_telling_stops_or_delays_a_run(
    home: Home, endpoint: tuple[str, type[Endpoint]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url, server = endpoint
    server.sleep = 3.0
    os.mkfifo(tmp_path / "pipe")
    for where in (
        Lineage(url=url),
        Lineage(url="http://127.0.0.1:1/none"),
        Lineage(file=tmp_path / "no" / "folder.jsonl"),
        Lineage(file=tmp_path / "pipe"),
        Lineage(file=tmp_path),
    ):
        home.config = replace(home.config, lineage=where)
        started = time.monotonic()
        simple_run(home)
        # Not the endpoint's three seconds: nobody waits for it.
        assert time.monotonic() - started < server.sleep
        with pytest.raises(BadInput), lineage.run(home, "decide"):
            raise BadInput("the run's own")
    assert caplog.text.count("could not be written") == 3 * 4


def test_a_home_says_where_events_go(home: Home) -> None:
    config = home.path / CONFIG
    before = config.read_text()
    assert open_home(home.path).config.lineage is None
    config.write_text(before + "openlineage: {file: events.jsonl, namespace: social}\n")
    assert open_home(home.path).config.lineage == Lineage(Path("events.jsonl"), None, "social")
    config.write_text(before + "openlineage: {url: 'https://lineage.example.org/api/v1/lineage'}\n")
    found = open_home(home.path).config.lineage
    assert found is not None
    assert found.url == "https://lineage.example.org/api/v1/lineage"
    for wrong, message in (
        ("{}", "a file or a url"),
        ("{file: a, url: 'http://b'}", "a file or a url"),
        ("{url: 'ftp://b'}", "http address"),
        ("{url: 'http://ann:hunter2@b'}", "without a user"),
        ("{file: a, nmspace: b}", "namespace"),
    ):
        config.write_text(before + f"openlineage: {wrong}\n")
        with pytest.raises(BadInput, match=message) as caught:
            homes.open_home(home.path)
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("place", "namespace", "name"),
    [
        ("s3://bucket/a/b", "s3://bucket", "a/b"),
        ("delta:s3://bucket/a@3", "s3://bucket", "a"),
        ("delta:/data/t@3", "file", "/data/t"),
        ("iceberg:prod.social.messages@5", "iceberg://prod", "social.messages"),
        ("postgresql://ann:hunter2@db.example.org/app?x=y#social.messages", "postgres://db.example.org:5432",
         "app.social.messages"),
        ("postgresql://db:6000/app#messages", "postgres://db:6000", "app.public.messages"),
    ],
)  # fmt: skip
def test_names_are_those_that_others_use_and_hold_no_credentials(
    place: str, namespace: str, name: str
) -> None:
    assert lineage.dataset(place) == {"namespace": namespace, "name": name}
