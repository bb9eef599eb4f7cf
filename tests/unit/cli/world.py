"""A small home of fixed ids, instants and words, so that what commands answer can be written down."""

from __future__ import annotations

import json
from pathlib import Path

from tests.unit.cli.running import done

AT = "2025-02-01"
TRAIN = ("--purpose", "train.generative", "--recipient", "operator", "--at", AT)
DELIVER = ("--purpose", "deliver", "--recipient", "operator", "--at", AT)
OUTSIDER = ("--purpose", "train.generative", "--recipient", "third_party:acme", "--at", AT)

TERMS = """\
terms: privacy-policy
kind: privacy_policy
version: "2022-01-01"
published_at: 2022-01-01
effective_at: 2022-01-01
clauses:
  - {id: deliver, effect: permit, purposes: [deliver], categories: [any], recipients: [operator], quote: We deliver.}
---
terms: privacy-policy
kind: privacy_policy
version: "2024-09-18"
published_at: 2024-09-18
effective_at: 2024-09-18
audience: {jurisdictions: {not_in: [EU, GB]}}
clauses:
  - {id: deliver, effect: permit, purposes: [deliver], categories: [any], recipients: [operator], quote: We deliver.}
  - id: train
    effect: permit
    purposes: [train]
    categories: [post]
    recipients: [operator, affiliate]
    condition: {setting: improve-models}
    quote: Models may learn from your posts unless you switch that off.
---
setting: improve-models
introduced_at: 2024-08-01
defaults: [{audience: {jurisdictions: {not_in: [EU, GB]}}, value: on}, {value: off}]
---
terms: subscription-agreement
kind: subscription_agreement
version: "2022-06-07"
published_at: 2022-06-07
effective_at: 2022-06-07
audience: {tiers: [premium]}
clauses:
  - id: confidential
    effect: forbid
    purposes: [any]
    categories: [private_message]
    recipients: [third_party]
    quote: No third party sees it.
---
regime: {jurisdictions: [US], regime: opt_out, from: 2000-01-01, purposes: [train]}
"""
NEXT = """\
terms: privacy-policy
kind: privacy_policy
version: "2025-06-01"
published_at: 2025-05-01
effective_at: 2025-06-01
notice_days: 30
clauses:
  - {id: deliver, effect: permit, purposes: [deliver], categories: [any], recipients: [operator]}
"""
SUBJECTS = """\
subject,since,jurisdiction,tier,born
ann,2020-01-01,US-CA,premium,1980
bob,2020-01-01,US-NY,basic,1981-05-06
cyd,2020-01-01,DE,basic,1975
dee,2020-01-01,US-TX,basic,
"""
EVENTS = """\
- notice: {terms: privacy-policy, version: "2024-09-18", to: ann, channel: email, at: 2024-09-18}
- notice: {terms: privacy-policy, version: "2024-09-18", to: bob, channel: email, at: 2024-09-18}
- notice: {terms: privacy-policy, version: "2024-09-18", to: dee, channel: email, at: 2024-09-18, delivered: false}
- choose: {subject: bob, setting: improve-models, value: off, at: 2024-12-01}
"""
SECRET = "zanzibar-marmalade"
"""Stands in bodies only; nothing that a command prints or writes for others may hold it."""

RECORDS = (
    {"id": "post-new", "category": "post", "created_at": "2024-10-01", "author": "ann"},
    {"id": "post-old", "category": "post", "created_at": "2024-06-01", "author": "ann"},
    {"id": "post-off", "category": "post", "created_at": "2024-10-01", "author": "bob"},
    {"id": "post-de", "category": "post", "created_at": "2024-10-01", "author": "cyd"},
    {"id": "post-dee", "category": "post", "created_at": "2024-10-01", "author": "dee"},
    {"id": "post-who", "category": "post", "created_at": "2024-10-01", "author": "nobody-known"},
    {"id": "post-when", "category": "post", "author": "ann"},
    {
        "id": "mail",
        "category": "private_message.inmail",
        "created_at": "2024-05-02",
        "author": "ann",
        "addressees": ["bob"],
    },
)
CASE = """\
case: a post written before the switch
events:
  - {subject: ann, since: 2020-01-01, jurisdiction: US-CA, born: 1980}
records:
  - {id: p, category: post, created_at: 2024-06-01, author: ann}
expect:
  - {record: p, purpose: train.generative, recipient: operator, at: 2025-02-01, verdict: VERDICT, reason: no-ground}
"""


def record_lines() -> str:
    """The records as JSON lines."""
    return "".join(json.dumps({**one, "body": f"{SECRET} of {one['id']}"}) + "\n" for one in RECORDS)


def write_inputs(folder: Path) -> None:
    """The files that the home is made of, and some to ask about."""
    for name, text in {
        "terms.yaml": TERMS,
        "next.yaml": NEXT,
        "subjects.csv": SUBJECTS,
        "events.yaml": EVENTS,
        "records.jsonl": record_lines(),
        "same.yaml": CASE.replace("VERDICT", "denied"),
        "differs.yaml": CASE.replace("VERDICT", "allowed"),
        "usable.csv": "id\npost-new\n",
        "refused.csv": "id\npost-new\npost-old\nelsewhere\n",
    }.items():
        (folder / name).write_text(text, encoding="utf-8")


def make_home(folder: Path) -> Path:
    """A home below a folder, by the commands that people use."""
    write_inputs(folder)
    home = folder / "home"
    done("init", home)
    done("terms", "add", folder / "terms.yaml", home=home)
    done("subjects", "import", folder / "subjects.csv", home=home)
    done("record", folder / "events.yaml", home=home)
    done("import", "table", folder / "records.jsonl", home=home)
    return home
