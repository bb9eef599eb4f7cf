"""What a running server tells others and when it stops: webhooks, a stopped log, doubtful identities."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.http.site import MEMBER, OTHER, SETTING, Site
from troth.app import logs
from troth.core.errors import Unavailable
from troth.core.events import Objection
from troth.intake.marks import Marks
from troth.intake.rows import Hint
from troth.ledger.store import clock
from troth.ledger.tilelog import STOPPED


def told(site: Site, event: str) -> list[dict[str, Any]]:
    """What waits to be sent of an event, or was tried."""
    rows = site.store.rows("SELECT body FROM deliveries WHERE event = ? ORDER BY made_at", event)
    return [json.loads(row[0])["data"] for row in rows]


@pytest.fixture(scope="module")
def listening(site: Site) -> Site:
    """The site with a platform that wants to be told of everything."""
    site.edge.app.state.hooks.add("https://platform.invalid/in", ["choice.recorded", "unlearning.completed"])
    return site


def test_completed_unlearning_is_told_only_of_whom_a_model_was_made_again_without(listening: Site) -> None:
    site = listening
    withdrawals = site.edge.app.state.withdrawals
    # Whichever of the two finds the model waiting: it is the member's entry that it was made again for.
    nobody, member = (withdrawals.request(subject, None).id for subject in ("nobody at all", MEMBER))
    deadline = time.monotonic() + 60
    while not all(withdrawals.find(one).done for one in (nobody, member)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert all(withdrawals.find(one).done for one in (nobody, member))
    assert told(site, "unlearning.completed") == [{"withdrawal": member, "models": ["writer"]}]


def test_a_choice_on_a_page_is_told_without_whose_it_is(listening: Site) -> None:
    site = listening
    site.sign_in("member")
    site.post(f"/me/settings/{SETTING}", to="off")
    site.client.get("/me", headers={"Sec-GPC": "1"})
    site.post("/me/object")
    found = told(site, "choice.recorded")
    with site.home.reading() as ledger:
        own = [position for position, _ in ledger.history(MEMBER)][-3:]
        receipts = [ledger.receipt(position) for position in own]
    assert found == [{"position": one.position, "commitment": one.commitment} for one in receipts]
    choice = {"subject": OTHER, "setting": SETTING, "value": "off", "at": "2025-06-01"}
    header = site.token("choices:write")
    assert site.client.post("/api/v1/choices", json={"choose": choice}, headers=header).status_code == 201
    assert len(told(site, "choice.recorded")) == 3


def test_a_log_that_stops_stops_the_writer_at_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.home.append([Objection("ann", clock())])
    log, size = logs.open_log(site.home), site.home.position
    # Publishing goes on when nothing is missing, so it must not come in between.
    monkeypatch.setattr(site.home, "_catch_up", lambda done: done)
    with log.locked():
        pass
    log.stop("somebody has seen more of this log")
    try:
        # The writer has the ledger open still.
        with pytest.raises(Unavailable, match="somebody has seen more of this log"):
            site.home.append([Objection("ann", clock())])
        with pytest.raises(Unavailable, match="nothing may be written"), site.home.writing():
            pytest.fail("the ledger was handed out")
        choice = {"subject": OTHER, "setting": SETTING, "value": "off", "at": "2025-06-01"}
        header = site.token("choices:write")
        answer = site.client.post("/api/v1/choices", json={"choose": choice}, headers=header)
        assert answer.status_code == 503
        assert site.home.position == size
    finally:
        (log.state / STOPPED).unlink()
    assert site.home.append([Objection("ann", clock())])[0].position == size


def test_operators_see_whose_accounts_may_be_one_person_s(site: Site) -> None:
    site.sign_in("privacy")
    assert "Nothing is in doubt." in site.client.get("/operator/identities").text
    Marks(site.home.records_path).add_hints([Hint(MEMBER, OTHER, "the <same> address", sure=True)])
    page = site.client.get("/operator/identities").text
    assert "the &lt;same&gt; address" in page
    assert f'<td class="code">{OTHER}</td>' in page
    assert "/operator/identities" in site.client.get("/operator/gaps").text
