"""Dates and lints, archives, folders, proposals, contradictions, and the faces."""

import json
import os
import subprocess
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from troth.app import home as homes
from troth.app import watch_home, watching
from troth.cli.main import cli
from troth.core.errors import BadInput, Conflict
from troth.core.terms import Membership, Terms
from troth.watch.contradictions import Named, contradictions
from troth.watch.dates import dates_in, stated
from troth.watch.kinds import kind_of
from troth.watch.reading import Reading, read_change
from troth.watch.text import read


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(one) for one in arguments])


def change(before: str, after: str, seen: date | None) -> Reading:
    return read_change(watching.document_of(before.encode()), watching.document_of(after.encode()), seen)


POLICY = (
    "# Privacy Policy\n\nEffective {day}\n\n"
    "We tell you of changes at least 30 days before they take effect.\n\n{more}\n"
)
TRAINS = "We may use your posts to train our AI models."


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Effective September 18, 2024", [date(2024, 9, 18)]),
        ("gültig ab 3. Oktober 2023", [date(2023, 10, 3)]),
        ("le 1 février 2022 et 2024-02-29", [date(2022, 2, 1), date(2024, 2, 29)]),
        ("31st of February 2024, 2024-13-01", []),
        ("1st May, 2021", [date(2021, 5, 1)]),
    ],
)
def test_dates(text: str, found: list[date]) -> None:
    assert [day for _, day in dates_in(text)] == found


def test_what_a_document_states_of_itself() -> None:
    known = stated(read(POLICY.format(day="1 May 2024", more="Last updated: 2 April 2024.")))
    assert (known.effective, known.updated, known.notice_days) == (date(2024, 5, 1), date(2024, 4, 2), 30)
    assert known.notice_sentence == "We tell you of changes at least 30 days before they take effect."


@pytest.mark.parametrize(
    ("before", "after", "seen", "lints"),
    [
        ("1 May 2024", "18 September 2024", date(2024, 9, 19), ["same-day", "no-notice"]),
        ("1 May 2024", "1 October 2024", date(2024, 9, 19), ["no-notice"]),
        ("1 May 2024", "1 December 2024", date(2024, 9, 19), []),
        ("1 May 2024", "1 May 2024", date(2024, 9, 19), ["quiet"]),
        ("1 May 2024", "1 October 2024", None, []),
    ],
)
def test_lints_on_time(before: str, after: str, seen: date | None, lints: list[str]) -> None:
    found = change(POLICY.format(day=before, more=""), POLICY.format(day=after, more=TRAINS), seen)
    assert [one.name for one in found.lints] == lints


def test_a_change_that_was_announced_is_not_made_on_the_day() -> None:
    before = POLICY.format(day="1 May 2024", more="On 3 November 2024 we will change this policy.")
    after = POLICY.format(day="3 November 2024", more=TRAINS)
    assert change(before, after, date(2024, 11, 3)).lints == ()


# --- archives


def commit(repo: Path, subject: str, when: str, path: str, text: str | None) -> None:
    file = repo / path
    file.parent.mkdir(parents=True, exist_ok=True)
    if text is None:
        file.unlink()
    else:
        file.write_text(text, encoding="utf-8")
    stamp = {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
    who = ["-c", "user.name=Archive", "-c", "user.email=archive@example.org", "-c", "commit.gpgsign=false"]
    for arguments in (["add", "-A"], [*who, "commit", "-qm", subject]):
        subprocess.run(["git", *arguments], cwd=repo, check=True, env=os.environ | stamp)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    repo = tmp_path / "archive"
    repo.mkdir()
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=repo, check=True)
    name = "Acme/Privacy Policy.md"
    first = POLICY.format(day="1 May 2024", more="We like cats.")
    second = POLICY.format(day="18 September 2024", more=f"We like cats.\n\n{TRAINS}")
    commit(repo, "Readme", "2024-04-30T00:00:00Z", "README.md", "An archive.")
    commit(repo, "First record of Acme Privacy Policy", "2024-05-01T00:00:00Z", name, first)
    commit(repo, "Record new changes of Acme Privacy Policy", "2024-09-19T00:30:00Z", name, second)
    commit(
        repo,
        "Apply technical or declaration upgrade on Acme Privacy Policy",
        "2024-10-01T00:00:00Z",
        name,
        first,
    )
    commit(
        repo, "Record new changes of Acme Terms", "2024-10-02T00:00:00Z", "Acme/Terms of Service.md", "Hello."
    )
    commit(repo, "Remove Acme Terms", "2024-10-03T00:00:00Z", "Acme/Terms of Service.md", None)
    return repo


@pytest.mark.parametrize("jobs", [1, 2])
def test_moments_of_an_archive(archive: Path, jobs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("troth.app.watch_jobs._FEW", 2)
    found = list(watching.moments(archive, jobs))
    assert [(one["terms_type"], one["kind"]) for one in found] == [
        ("Privacy Policy", "first"),
        ("Privacy Policy", "change"),
        ("Privacy Policy", "technical"),
        ("Terms of Service", "first"),
        ("Terms of Service", "gone"),
    ]
    moment = found[1]
    assert (moment["service"], moment["date"]) == ("Acme", "2024-09-19T00:30:00Z")
    assert len(str(moment["commit"])) == 40
    changes, lints = moment["changes"], moment["lints"]
    assert isinstance(changes, list)
    assert isinstance(lints, list)
    assert changes[0]["flags"] == ["ai-training-added"]
    assert [one["lint"] for one in lints] == ["same-day", "no-notice"]


def test_moments_as_lines_of_json(archive: Path) -> None:
    done = run("watch", "moments", archive, "--json")
    assert done.exit_code == 0
    lines = [json.loads(line) for line in done.output.splitlines()]
    assert {"service", "terms_type", "commit", "date", "changes", "lints"} <= set(lines[1])


def test_a_bundle_is_an_archive(archive: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "archive.bundle"
    subprocess.run(["git", "bundle", "create", "-q", str(bundle), "--all"], cwd=archive, check=True)
    assert len(list(watching.moments(bundle, 1))) == 5


def test_no_archive_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no bundle")
    for path in (tmp_path, tmp_path / "file", tmp_path / "absent"):
        with pytest.raises(BadInput):
            list(watching.moments(path))


def test_an_archive_runs_nothing_of_its_own(archive: Path, tmp_path: Path) -> None:
    trace = tmp_path / "ran"
    script = tmp_path / "evil.sh"
    script.write_text(f"#!/bin/sh\ntouch {trace}\n")
    script.chmod(0o755)
    with (archive / ".git" / "config").open("a") as config:
        config.write(f"[core]\n\tfsmonitor = {script}\n\tpager = {script}\n[diff]\n\texternal = {script}\n")
    assert len(list(watching.moments(archive, 1))) == 5
    assert not trace.exists()


def test_the_life_of_a_document(archive: Path, tmp_path: Path) -> None:
    done = run("watch", "report", archive, "--terms-type", "Privacy Policy", "--html", tmp_path / "life.html")
    assert done.exit_code == 0
    assert "2024-09-19  change" in done.output
    assert "same-day: in effect from 2024-09-18" in done.output
    page = (tmp_path / "life.html").read_text()
    assert "ai-training-added" in page
    assert "<script" not in page
    assert "http://" not in page.replace("http-equiv", "")
    with pytest.raises(BadInput, match="holds 2 such documents"):
        watching.life(archive)


def test_a_folder_of_dated_files(tmp_path: Path) -> None:
    folder = tmp_path / "Acme" / "Privacy Policy"
    folder.mkdir(parents=True)
    (folder / "2024-05-01.md").write_text("We like cats.")
    (folder / "policy-20240919.html").write_text(
        f"<html><body><p>We like cats.</p><p>{TRAINS}</p></body></html>"
    )
    life = watching.life(folder)
    assert (life.service, life.terms_type) == ("Acme", "Privacy Policy")
    reading = life.moments[1].reading
    assert reading is not None
    assert reading.changes[0].after == TRAINS


# --- the face


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    before, after = tmp_path / "before.md", tmp_path / "after.md"
    before.write_text("We like cats.")
    after.write_text(f"We like cats.\n\n{TRAINS} <script>alert(1)</script>\x1b[31m")
    return before, after


def test_diff_prints_the_json_that_others_build_on(files: tuple[Path, Path]) -> None:
    done = run("watch", "diff", *files, "--json")
    assert done.exit_code == 0
    found = json.loads(done.output)
    (first,) = found["changes"]
    assert set(first) == {"class", "flags", "practice", "before", "after", "rule"}
    assert first["class"] == "widens"
    assert first["flags"] == ["ai-training-added"]
    assert {"actor", "action", "mode", "whose", "categories", "purposes", "recipient", "condition"} <= set(
        first["practice"]
    )
    assert found["lints"] == []


def test_exit_status_for_a_pipeline(files: tuple[Path, Path]) -> None:
    assert run("watch", "diff", *files, "--exit-status").exit_code == 1
    assert run("watch", "diff", *reversed(files), "--exit-status").exit_code == 0
    assert run("watch", "diff", *files).exit_code == 0


def test_at_most_five_findings_are_shown_first(tmp_path: Path) -> None:
    before, after = tmp_path / "a.md", tmp_path / "b.md"
    before.write_text("We like cats.")
    things = ("posts", "photos", "videos", "messages", "prompts", "reviews", "files")
    after.write_text("\n\n".join(f"We may use your {one} to train AI models." for one in things))
    done = run("watch", "diff", before, after)
    assert done.output.count("ai-training-added") == 5
    assert "folded: 2 more" in done.output
    assert run("watch", "diff", before, after, "--all").output.count("ai-training-added") == 7


def test_a_page_side_by_side_holds_no_markup_of_the_document(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    assert run("watch", "diff", *files, "--html", tmp_path / "out.html").exit_code == 0
    page = (tmp_path / "out.html").read_text()
    assert TRAINS in page
    assert "<script" not in page
    assert "\x1b" not in page
    assert "\x1b[31m" not in run("watch", "diff", *files).output


def test_bad_input_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        watching.diff(tmp_path / "absent", tmp_path)


# --- proposals


def test_a_policy_proposes_clauses_that_terms_add_takes(tmp_path: Path) -> None:
    document = tmp_path / "Privacy Policy.md"
    document.write_text(
        "Effective 18 September 2024\n\nWe use your posts to train our generative AI models, unless you opt out.\n\n"
        "We do not share your messages with third parties.\n\nYou may not train AI on our content.\n"
    )
    out = tmp_path / "proposed.yaml"
    assert run("watch", "propose", document, "--out", out).exit_code == 0
    events = homes.read_events_file(out)
    terms = events[0]
    assert isinstance(terms, Terms)
    assert terms.version == "2024-09-18"
    assert [(one.effect, one.purposes, one.categories, one.recipients) for one in terms.clauses] == [
        ("permit", ("train.generative",), ("post",), ("operator",)),
        ("forbid", ("any",), ("private_message",), ("third_party",)),
    ]
    assert (
        terms.clauses[0].quote == "We use your posts to train our generative AI models, unless you opt out."
    )
    homes.init(tmp_path / "home")
    assert run("--home", tmp_path / "home", "terms", "add", out).exit_code == 0


@pytest.mark.parametrize(
    ("name", "text", "effect", "purposes", "categories"),
    [
        (
            "help faq",
            "No. We do not use your private messages to train AI.",
            "forbid",
            ("train",),
            ("private_message",),
        ),
        ("email", "Your files are not used for training AI models.", "forbid", ("train",), ("file",)),
        (
            "press statement",
            "We use your messages only to deliver them.",
            "limit",
            ("provide",),
            ("private_message",),
        ),
    ],
)
def test_a_denial_becomes_a_forbid_or_a_limit(
    name: str, text: str, effect: str, purposes: tuple[str, ...], categories: tuple[str, ...]
) -> None:
    version = watching.document_of(f"{text}\n\nWe may use your posts to train AI.".encode())
    terms = watching.proposed(version, name, kind_of(name), seen="2024-09-18")[0]
    assert isinstance(terms, Terms)
    # What such a document permits is not proposed: nobody's rights shrink by an FAQ.
    assert [(one.effect, one.purposes, one.categories) for one in terms.clauses] == [
        (effect, purposes, categories)
    ]


# --- contradictions


def named(name: str, text: str) -> Named:
    return Named(name, kind_of(name), read(text))


def test_an_agreement_that_licenses_messages_beside_an_faq_that_denies_it() -> None:
    agreement = named("user agreement", "You grant us a licence to use the messages that you send.")
    faq = named("faq", "We do not use your messages for anything else.")
    (found,) = contradictions([agreement, faq])
    assert found.rule == "permits-and-denies"
    assert found.first == ("user agreement", "You grant us a licence to use the messages that you send.")


def test_an_email_that_leaves_out_three_places_beside_a_help_page_with_six() -> None:
    email = named("e-mail", "We do not train AI with data of members in the EU, the EEA and the UK.")
    page = named(
        "help page",
        "We do not use data of members in these places to train AI:\n\n"
        "* EU\n* EEA\n* UK\n* Switzerland\n* Canada\n* Hong Kong",
    )
    (found,) = contradictions([email, page])
    assert found.rule == "places-differ"
    assert found.says.endswith("CA, CH, HK")


def test_documents_that_agree_contradict_nothing() -> None:
    policy = named("privacy policy", "We may use your posts to train AI models.")
    faq = named(
        "faq", "We use your posts to train AI models. We do not use your messages to train AI models."
    )
    assert contradictions([policy, faq]) == []


def test_a_setting_that_speaks_of_what_no_terms_permit() -> None:
    policy = named("privacy policy", "We use cookies.")
    setting = named("setting", "Use my data to train content creation AI models. We train with your posts.")
    (found,) = contradictions([policy, setting])
    assert found.as_json()["lint"] == "practice-before-terms"


def test_contradictions_face(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("We train AI models with your photos.")
    (tmp_path / "b.md").write_text("We do not train AI models with your photos.")
    done = run(
        "watch",
        "contradictions",
        f"privacy_policy={tmp_path / 'a.md'}",
        f"faq={tmp_path / 'b.md'}",
        "--exit-status",
    )
    assert done.exit_code == 1
    assert "permits-and-denies" in done.output


# --- a home that watches


def test_a_home_watches_a_folder(tmp_path: Path) -> None:
    home = homes.init(tmp_path / "home")
    folder = tmp_path / "versions"
    folder.mkdir()
    (folder / "2024-05-01.md").write_text("We like cats.")
    (folder / "2024-09-18.md").write_text(TRAINS)
    watch_home.add(home, "Acme", "Privacy Policy", str(folder))
    with pytest.raises(Conflict):
        watch_home.add(home, "Acme", "Privacy Policy", str(folder))
    with pytest.raises(BadInput):
        watch_home.add(home, "Acme", "Terms", str(tmp_path / "absent"))
    done = run("--home", home.path, "watch", "run", "--exit-status")
    assert done.exit_code == 1
    assert "read, widens  Acme / Privacy Policy" in done.output
    assert "ai-training-added" in run("--home", home.path, "watch", "report").output


def test_a_licence_that_names_messages_stands_against_a_denial_to_train_on_them() -> None:
    agreement = named(
        "user agreement",
        "You grant us a sublicensable right to use content that you provide, including InMail.",
    )
    faq = named("faq", "Do you use my messages to train AI? No.")
    (found,) = contradictions([agreement, faq])
    assert found.rule == "permits-and-denies"
    assert found.second == ("faq", "Do you use my messages to train AI? No.")
    photos = named("faq", "We do not use your photos to train AI.")
    assert contradictions([agreement, photos]) == []


def test_a_setting_in_the_readers_own_words_speaks_of_a_use_without_terms() -> None:
    policy = named("privacy policy", "We use your posts to provide the service.")
    setting = named("setting", "Use my data for training content creation AI models.")
    (found,) = contradictions([policy, setting])
    assert found.rule == "practice-before-terms"


@pytest.mark.parametrize(
    ("text", "document", "jurisdictions"),
    [
        (
            "In Brazil and India, we may use your posts to train AI.",
            "policy-in-br-in",
            Membership(("BR", "IN")),
        ),
        (
            "Outside the EU and the UK, we may use your posts to train AI.",
            "policy-outside-eu-gb",
            Membership(None, ("EU", "GB")),
        ),
        ("We may use your posts to train AI.", "policy", None),
    ],
)
def test_training_in_some_places_is_proposed_for_these(
    text: str, document: str, jurisdictions: Membership | None
) -> None:
    (terms,) = watching.proposed(
        watching.document_of(text.encode()), "policy", "privacy_policy", seen="2024-09-18"
    )
    assert isinstance(terms, Terms)
    assert (terms.document, terms.audience.jurisdictions) == (document, jurisdictions)


def test_a_folder_without_a_service_is_called_by_its_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path("terms of use")
    folder.mkdir()
    (folder / "2024-01-01.md").write_text("We keep your posts.\n")
    shown = run("watch", "report", folder).stdout
    assert shown.splitlines()[0] == "terms of use"
