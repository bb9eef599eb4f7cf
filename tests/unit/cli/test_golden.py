"""What `--json` prints is a promise: the answers on a fixed home, written down.

`TROTH_UPDATE_GOLDEN=1` writes them anew, on purpose and for review.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support import ROOT
from tests.unit.cli.running import done, troth
from tests.unit.cli.world import DELIVER, OUTSIDER, SECRET, TRAIN

GOLDEN = ROOT / "tests" / "golden" / "cli"
UPDATE = os.environ.get("TROTH_UPDATE_GOLDEN") == "1"

AT = ("--at", "2025-02-01")

COMMANDS: dict[str, tuple[int, tuple[str, ...]]] = {
    "decide-summary": (0, ("decide", *TRAIN, "--summary")),
    "decide-summary-third-party": (0, ("decide", *OUTSIDER)),
    "decide-record": (0, ("decide", *TRAIN, "--record", "post-old")),
    "decide-out": (0, ("decide", *TRAIN, "--out", "verdicts.parquet")),
    "explain-denied": (0, ("explain", "mail", *OUTSIDER)),
    "explain-allowed": (0, ("explain", "post-new", *TRAIN)),
    "explain-gap": (0, ("explain", "post-who", *TRAIN)),
    "explain-deleted-time": (0, ("explain", "post-when", *TRAIN)),
    "test-same": (0, ("test", "same.yaml")),
    "test-differs": (1, ("test", "same.yaml", "differs.yaml")),
    "import-table": (0, ("import", "table", "more.jsonl")),
    "import-table-dry-run": (0, ("import", "table", "more.jsonl", "--dry-run")),
    "import-mbox": (0, ("import", "mbox", "some.mbox")),
    "release-build": (0, ("release", "build", *DELIVER, "--out", "r1", "--id", "r1")),
    "release-list": (0, ("release", "list")),
    "release-show": (0, ("release", "show", "release")),
    "release-diff": (0, ("release", "diff", "release", "release")),
    "verify-holds": (0, ("verify", "release", "--key", "home/keys/operator.pub")),
    "verify-own-key": (0, ("verify", "release")),
    "verify-altered": (1, ("verify", "altered", "--key", "home/keys/operator.pub")),
    "check-usable": (0, ("check", "usable.csv", *TRAIN)),
    "check-refused": (1, ("check", "refused.csv", *TRAIN)),
    "what-if": (0, ("what-if", "next.yaml", *TRAIN[:4], "--at", "2025-07-01")),
    "terms-add": (0, ("terms", "add", "next.yaml")),
    "terms-add-dry-run": (0, ("terms", "add", "next.yaml", "--dry-run")),
    "terms-list": (0, ("terms", "list")),
    "terms-show": (0, ("terms", "show", "privacy-policy", "2024-09-18")),
    "terms-diff": (0, ("terms", "diff", "privacy-policy", "2022-01-01", "2024-09-18")),
    "notice-send": (0, ("notice", "send", "privacy-policy", "2024-09-18", "--to", "dee", *AT)),
    "notice-send-audience": (0, ("notice", "send", "privacy-policy", "2024-09-18", "--audience", *AT)),
    "notice-send-pending": (
        0,
        ("notice", "send", "privacy-policy", "2024-09-18", "--audience", "--pending", "todo.csv", *AT),
    ),
    "notice-send-results": (
        0,
        ("notice", "send", "privacy-policy", "2024-09-18", "--results", "results.csv"),
    ),
    "notice-list": (0, ("notice", "list")),
    "notice-show": (0, ("notice", "show", "privacy-policy", "2024-09-18", *AT)),
    "subjects-import": (0, ("subjects", "import", "subjects.csv")),
    "subjects-show": (0, ("subjects", "show", "bob")),
    "record-dry-run": (0, ("record", "events.yaml", "--dry-run")),
    "choose": (0, ("setting", "choose", "ann", "improve-models", "off", *AT)),
    "withdraw": (0, ("withdraw", "ann", "--all", *AT)),
    "object": (0, ("object", "ann", *AT)),
    "erase": (0, ("erase", "ann", "--bodies", "--yes", *AT)),
    "ledger-show": (0, ("ledger", "show")),
    "ledger-check": (0, ("ledger", "check")),
    "init": (0, ("init", "another")),
}

Check = Callable[[object], bool]


def is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def is_text(value: object) -> bool:
    return isinstance(value, str)


def is_text_or_null(value: object) -> bool:
    return value is None or isinstance(value, str)


def is_digest(value: object) -> bool:
    return value == "<sha256>"


def counts_by(*keys: str) -> Check:
    def check(value: object) -> bool:
        fits = isinstance(value, dict) and all(is_text(key) and is_count(n) for key, n in value.items())
        return fits and (not keys or set(value) == set(keys))  # type: ignore[call-overload]

    return check


def one_of(*values: object) -> Check:
    return lambda value: value in values


def list_of(fields: dict[str, Check] | Check) -> Check:
    def check(value: object) -> bool:
        if not isinstance(value, list):
            return False
        return all(fits(one, fields) if isinstance(fields, dict) else fields(one) for one in value)

    return check


def fits(value: object, fields: dict[str, Check]) -> bool:
    """Exactly these keys, each of its type."""
    return isinstance(value, dict) and set(value) == set(fields) and all(fields[k](value[k]) for k in value)


VERDICT = one_of("allowed", "denied", "gap")
CLAUSE: dict[str, Check] = {
    "terms": is_text,
    "version": is_text,
    "clause": is_text,
    "effect": one_of("permit", "forbid", "limit"),
    "quote": is_text_or_null,
}
PARTY: dict[str, Check] = {
    "subject": is_text,
    "role": one_of("author", "addressee"),
    "verdict": VERDICT,
    "reasons": list_of(is_text),
    "clauses": list_of(CLAUSE),
}
DIFFERENCE: dict[str, Check] = {
    "file": is_text,
    "line": is_count,
    "case": is_text,
    "record": is_text,
    "expected": lambda value: isinstance(value, dict),
    "got": lambda value: isinstance(value, dict),
}
FINDING: dict[str, Check] = {
    "level": one_of("error", "warning", "info"),
    "what": is_text,
    "where": is_text_or_null,
}
IMPORT: dict[str, Check] = {
    **dict.fromkeys(("read", "imported", "duplicates", "rejected"), is_count),
    "left_out": counts_by(),
    "rejects_file": is_text_or_null,
}
SUMMARY: dict[str, Check] = {
    "records": is_count,
    "verdicts": counts_by("allowed", "denied", "gap"),
    "first_reasons": counts_by(),
    "all_reasons": counts_by(),
    "any_party_rule_would_allow": is_count,
}
PROMISED: dict[str, dict[str, Check]] = {
    "decide-summary": {**SUMMARY, "seconds": one_of("<number>")},
    "explain-": {
        "record": is_text,
        "verdict": VERDICT,
        "reason": is_text_or_null,
        "party": is_text_or_null,
        "parties": list_of(PARTY),
    },
    "test-": {"cases": is_count, "expectations": is_count, "differ": list_of(DIFFERENCE)},
    "import-": IMPORT,
    "release-build": {
        "release": is_text,
        "path": is_text,
        "at": one_of("2025-02-01T00:00:00Z"),
        **dict.fromkeys(("rows", "members", "position"), is_count),
        **dict.fromkeys(("row_root", "manifest_digest"), is_digest),
        "set_root": lambda value: value is None or is_digest(value),
        # Additions to the published form.
        "entry": is_count,
        "counts": lambda value: fits(value, {k: v for k, v in SUMMARY.items() if k != "records"}),
    },
    "verify-": {
        "ok": lambda value: isinstance(value, bool),
        "kind": one_of("release"),
        "findings": list_of(FINDING),
    },
}


@pytest.fixture
def inputs(here: Path) -> Path:
    """Some more files for commands to read."""
    (here / "more.jsonl").write_text(
        '{"id": "post-new", "category": "post", "created_at": "2024-10-01", "author": "ann",'
        f' "body": "{SECRET} of post-new"}}\n'
        '{"id": "post-more", "category": "post", "created_at": "2024-11-01", "author": "ann"}\n'
        '{"id": "post-bad", "category": "post", "created_at": "the 40th of May"}\n'
        "no JSON at all\n"
    )
    (here / "some.mbox").write_text(
        "From ann@example.org Fri May  3 10:00:00 2024\nFrom: ann@example.org\nTo: bob@example.org\n"
        "Message-ID: <1@example.org>\nDate: Fri, 3 May 2024 10:00:00 +0000\nSubject: lunch\n\nNoon?\n\n"
    )
    (here / "results.csv").write_text("subject,at,delivered\ndee,2024-10-02,true\ncyd,2024-10-02,false\n")
    alter(here)
    return here


def alter(folder: Path) -> None:
    """A copy of the release in which one byte of a side file differs."""
    shutil.copytree(folder / "release", folder / "altered")
    note = folder / "altered" / "README.txt"
    note.write_bytes(note.read_bytes().replace(b"deliver", b"improve"))


_VOLATILE = {
    "seconds": (int | float, "<number>"),
    "rejects_file": (str, "<path>"),
    "time": (str, "<instant>"),
    "created_at": (str, "<instant>"),
    "commitment": (str, "<sha256>"),
    "row_root": (str, "<sha256>"),
    "set_root": (str, "<sha256>"),
    "directory_root": (str, "<sha256>"),
    "root": (str, "<sha256>"),
    "manifest": (str, "<sha256>"),
    "manifest_digest": (str, "<sha256>"),
    "public": (str, "<key>"),
    "log": (str, "<key>"),
    "engine": (dict, "<versions>"),
}


def steady(value: Any, name: str = "") -> Any:
    """The value without what differs from run to run, each such thing named by what it has to be."""
    if name in _VOLATILE and value is not None:
        kind, stands_for = _VOLATILE[name]
        assert isinstance(value, kind), (name, value)
        if stands_for == "<sha256>":
            assert re.fullmatch("[0-9a-f]{64}", str(value))
        return stands_for
    if isinstance(value, dict):
        return {key: steady(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [steady(inner) for inner in value]
    return re.sub("[0-9a-f]{16}…", "<key>…", value) if isinstance(value, str) else value


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.usefixtures("inputs")
def test_the_answer_is_the_one_that_was_written_down(name: str) -> None:
    status, arguments = COMMANDS[name]
    ran = troth(*arguments, "--json")
    assert (ran.status, ran.err) == (status, "")
    found = json.dumps(steady(ran.json), indent=1, ensure_ascii=False) + "\n"
    path = GOLDEN / f"{name}.json"
    if UPDATE:
        path.write_text(found, encoding="utf-8")
    assert found == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [name for name in COMMANDS if name.startswith(tuple(PROMISED))])
def test_the_answer_has_the_promised_keys_and_types(name: str) -> None:
    fields = next(fields for start, fields in PROMISED.items() if name.startswith(start))
    answer = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    assert fits(answer, fields), answer
    if name.startswith("import-"):
        counted = answer["imported"] + answer["duplicates"] + answer["rejected"]
        assert answer["read"] == counted + sum(answer["left_out"].values()) > 0


def test_no_answer_is_kept_that_nobody_gives() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == set(COMMANDS)


@pytest.mark.usefixtures("here")
def test_several_paths_are_verified_one_document_a_line() -> None:
    ran = done("verify", "release", "release", "--json")
    assert [json.loads(line)["ok"] for line in ran.out.splitlines()] == [True, True]
