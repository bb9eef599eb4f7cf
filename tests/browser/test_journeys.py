"""The journeys of members, operators and auditors in a real browser; forged proofs; keyboard; no scripts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Running, picture
from tests.http.site import PASSWORD, SETTING
from tests.support import ROOT, require

AXE = ROOT / ".venv" / "node_modules" / "axe-core" / "axe.min.js"
TERMS = """\
terms: privacy-policy
kind: privacy_policy
version: "2027-02-01"
published_at: 2026-12-20
effective_at: 2027-02-01
notice_days: 30
clauses:
  - {id: deliver, effect: permit, purposes: [deliver], categories: [any], recipients: [operator], quote: We deliver.}
"""


def test_a_proof_is_checked_in_the_page_and_a_forged_one_refused(running: Running, tmp_path: Path) -> None:
    page = running.page("member", viewport={"width": 1180, "height": 620})
    page.goto("/me/proofs")
    page.click("button[data-release]")
    page.wait_for_selector("#outcome-1[data-outcome=holds]")
    assert "are in release" in page.inner_text("#outcome-1")
    picture(page, "proof-checked")
    files = {}
    for name in ("proof", "manifest"):
        with page.expect_download() as waiting:
            page.click(f"a[href$='{name}.json']")
        files[name] = tmp_path / f"{name}.json"
        waiting.value.save_as(files[name])
    forged = json.loads(files["proof"].read_text())
    forged["details"] = forged.pop("details") | {"rows": 1_000}
    (tmp_path / "forged.json").write_text(json.dumps(forged))
    page.set_input_files("#proof-file", tmp_path / "forged.json")
    page.set_input_files("#manifest-file", files["manifest"])
    page.click("#own-check button")
    page.wait_for_selector("#own-outcome[data-outcome=refused]")
    page.set_input_files("#proof-file", files["proof"])
    page.click("#own-check button")
    page.wait_for_selector("#own-outcome[data-outcome=holds]")
    assert page.complaints == []
    assert {one.split("/")[2] for one in page.asked} == {running.address.removeprefix("http://")}
    page.context.close()


def test_a_member_goes_from_the_first_visit_to_the_certificate(running: Running) -> None:
    page = running.page(viewport={"width": 1180, "height": 760})
    page.goto("/me/withdraw")
    page.fill("#name", "member")
    page.fill("#password", PASSWORD)
    page.click("main button")
    assert page.inner_text("h1") == "Withdraw everything"
    page.goto("/me")
    assert page.inner_text("h1") == "Your choices"
    picture(page, "your-choices")
    page.click("text=See what turning it off would change")
    page.click("text=Turn it off")
    assert page.inner_text("h1") == "Recorded"
    page.goto("/me/withdraw")
    page.click("button:has-text('Withdraw now')")
    page.wait_for_selector("#finished:not(.hidden)")
    steps = page.inner_text("ol.steps")
    picture(page, "withdrawal")
    assert all(word in steps for word in ("Recorded", "Out of use", "Earlier releases", "Certificate"))
    with page.expect_download() as waiting:
        page.click("ol.steps a")
    assert "payload" in json.loads(Path(waiting.value.path()).read_text())
    assert page.complaints == []
    page.context.close()


def test_an_operator_goes_from_what_if_to_terms_to_notices_to_a_release(running: Running) -> None:
    page = running.page("admin", viewport={"width": 1180, "height": 760})
    page.goto("/operator/terms")
    page.fill("#text", TERMS)
    page.click("text=What would it change?")
    page.wait_for_selector("#effect")
    page.evaluate("document.getElementById('effect').scrollIntoView()")
    picture(page, "what-if")
    assert "members" in page.inner_text("section[aria-labelledby=effect]")
    page.click("button:has-text('Publish it')")
    page.wait_for_url("**/operator/notices**")
    page.click("button:has-text('Record the notices')")
    page.wait_for_selector(".note.good")
    assert "Everybody in its audience has been told." in page.inner_text("main")
    page.goto("/operator/releases")
    page.click("text=Build and seal")
    page.wait_for_load_state()
    text = page.inner_text("main")
    assert "the signature hold" in text or "nothing" in text.lower()
    assert page.complaints in (
        [],
        ["Failed to load resource: the server responded with a status of 403 (Forbidden)"],
    )
    page.context.close()


def test_an_auditor_draws_the_same_openings_from_the_same_seed(running: Running) -> None:
    page = running.page("auditor")
    page.goto("/auditor/openings?seed=seven&count=10")
    drawn = page.inner_text("tbody")
    page.goto("/auditor/openings?seed=seven&count=10")
    assert page.inner_text("tbody") == drawn
    assert "They match, or were erased" in page.inner_text(".note.good")
    picture(page, "random-openings")
    page.goto("/auditor")
    page.click("text=Check the ledger")
    page.wait_for_selector(".note.good")
    page.context.close()


def test_everything_but_checking_proofs_works_without_scripts(running: Running) -> None:
    page = running.page("other", java_script_enabled=False)
    page.goto(f"/me/settings/{SETTING}?to=on")
    page.click("text=Turn it on")
    assert page.inner_text("h1") == "Recorded"
    for path in ("/me/written", "/me/conversations", "/me/terms", "/me/notices"):
        page.goto(path)
        assert page.query_selector("h1")
    page.goto("/me/proofs")
    assert "needs scripts" in page.inner_text("main")
    page.context.close()


def test_the_keyboard_is_enough(running: Running) -> None:
    page = running.page()
    page.goto("/sign-in")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.focus("#name")
    page.keyboard.type("other")
    page.keyboard.press("Tab")
    page.keyboard.type("correct horse battery")
    page.keyboard.press("Enter")
    page.wait_for_url("**/me")
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    for _ in range(30):
        page.keyboard.press("Tab")
        if "would change" in page.evaluate("document.activeElement.textContent"):
            break
    assert page.evaluate(outline) == "solid"
    page.keyboard.press("Enter")
    page.wait_for_url("**/me/settings/**")
    page.context.close()


PAGES = {
    "other": ["/me", f"/me/settings/{SETTING}?to=off", "/me/withdraw", "/me/written", "/me/conversations?kind=",
              "/me/terms", "/me/notices", "/me/proofs", "/me/copy", "/account"],
    "admin": ["/operator", "/operator/gaps", "/operator/identities", "/operator/terms", "/operator/releases",
              "/operator/models",
              "/operator/hooks", "/operator/people", "/auditor", "/auditor/openings?seed=a"],
    "recipient": ["/recipient"],
}  # fmt: skip


PICTURED = (("light", "/me"), ("dark", "/me/terms"))
IN_THE_DARK = ("/me", "/me/terms", "/operator/releases")
"""Every colour is on one of these."""


@pytest.mark.parametrize("name", PAGES)
def test_pages_fit_a_phone_and_have_no_fault_that_axe_finds(running: Running, name: str) -> None:
    require(AXE.is_file(), "axe-core (make browser-tools)")
    for scheme in ("light", "dark"):
        if scheme == "dark" and not set(PAGES[name]).intersection(IN_THE_DARK):
            continue
        page = running.page(
            name, color_scheme=scheme, viewport={"width": 390, "height": 800}, bypass_csp=True
        )
        faults: list[Any] = []
        for path in PAGES[name]:
            if scheme == "dark" and path not in IN_THE_DARK:
                continue
            page.goto(path)
            assert page.evaluate("document.documentElement.scrollWidth") <= 391, path
            if name == "other" and (scheme, path) in PICTURED:
                picture(page, f"phone-{scheme}-{path.removeprefix('/me').strip('/') or 'choices'}")
            page.evaluate(AXE.read_text("utf-8"))
            found = page.evaluate("axe.run({resultTypes: ['violations']})")
            faults += [(path, one["id"], one["nodes"][0]["html"][:200]) for one in found["violations"]]
        assert faults == []
        page.context.close()
