"""Recalls open by themselves while the server runs; who is concerned sees the days, and nobody sees whose rows."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

from tests.http.site import AT, OTHER, served
from troth.app import consequences, disclosures, recipients
from troth.release.sign import new_key

ACME = "affiliate:acme"


def test_a_withdrawal_calls_back_what_left_and_everybody_sees_their_part(
    prepared: Path, tmp_path: Path
) -> None:
    shutil.copytree(prepared, tmp_path / "home")
    new_key(tmp_path / "acme.key", tmp_path / "acme.pub")
    (tmp_path / "acme.yaml").write_text(
        f"recipient: {ACME}\nkeys: [acme.pub]\ncontact: privacy@acme.example\ndeadline_days: 14\n"
    )
    with served(tmp_path / "home") as site:
        built = consequences.built(site.home, "train.generative", ACME, AT)
        recipients.add(site.home, tmp_path / "acme.yaml")
        disclosures.disclose(site.home, str(built["path"]), ACME)
        site.edge.app.state.hooks.add("https://platform.invalid/in", ["recall.due"])
        recalls = site.edge.app.state.recalls
        recalls.open_due()
        assert told(site.store) == []
        site.sign_in("admin")
        page = site.client.get("/operator/releases").text
        assert "Nothing was called back." in page
        assert "not signed for yet" in page
        assert "who received what" in page.lower()

        withdrawals = site.edge.app.state.withdrawals
        others, own = (withdrawals.request(subject, None).id for subject in (OTHER, "ann"))
        deadline = time.monotonic() + 120
        while not all(withdrawals.find(one).done for one in (others, own)) and time.monotonic() < deadline:
            time.sleep(0.05)
        steps = {step.kind: step.details for step in withdrawals.find(own).steps}
        (called,) = steps["recalls"]["recalls"]
        assert (called["recipient"], called["status"]) == (ACME, "open")
        # Nothing of the other member's was in it, so nothing is said to them.
        assert "recalls" not in {step.kind for step in withdrawals.find(others).steps}
        (data,) = told(site.store)
        assert (data["release"], data["recipient"], data["rows"]) == (built["release"], ACME, 1)
        assert "ann" not in json.dumps(data)
        recalls.open_due()
        assert len(told(site.store)) == 1

        page = site.client.get("/operator/releases").text
        assert called["due_at"][:10] in page
        assert '<span class="tag wait">open</span>' in page
        site.sign_in("member")
        shown = site.client.get(f"/me/withdrawals/{own}").text
        assert "is told to delete" in shown
        assert "by an affiliate (acme)" in shown


def told(store: object) -> list[dict[str, object]]:
    """What the platform is told of recalls."""
    rows = store.rows("SELECT body FROM deliveries WHERE event = 'recall.due'")  # type: ignore[attr-defined]
    return [json.loads(row[0])["data"] for row in rows]


def test_an_auditor_holds_an_old_checkpoint_against_the_log(prepared: Path, tmp_path: Path) -> None:
    shutil.copytree(prepared, tmp_path / "home")
    with served(tmp_path / "home") as site:
        from troth.app import logs
        from troth.core.events import Objection

        logs.publish(site.home)
        site.sign_in("auditor")
        kept = site.client.get("/log/checkpoint").text
        site.home.append([Objection("ann", 1)])
        logs.publish(site.home)
        page = site.post("/auditor/consistency", checkpoint=kept)
        assert page.status_code == 200
        assert "entries are those of this checkpoint" in page.text
        lines = kept.split("\n")
        other = "\n".join([lines[0], lines[1], "A" * 43 + "=", *lines[3:]])
        page = site.post("/auditor/consistency", checkpoint=other)
        assert (page.status_code, "does not hold" in page.text) == (400, True)
        unsigned = other.replace(other[other.index("— ") :], "— nobody.example AAAAAAAA\n")
        page = site.post("/auditor/consistency", checkpoint=unsigned)
        assert page.status_code == 400 or "does not go on from this checkpoint" in page.text
        elsewhere = kept.replace(lines[0], "elsewhere.example/log", 1)
        assert site.post("/auditor/consistency", checkpoint=elsewhere).status_code == 400
        assert site.post("/auditor/consistency", checkpoint="no checkpoint").status_code == 400
        site.sign_in("member")
        assert site.post("/auditor/consistency", checkpoint=kept).status_code == 403
