"""Real mail from import to a verified release: ``python -m tests.acceptance.real_mail`` prints what became of it.

The mail is read where it lies beside the repository. Who its people are is made up by a script, from nothing but a
hash of their addresses, so that the figures are the same each time; the terms are made up too.
"""

from __future__ import annotations

import csv
import hashlib
import json
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tests.support import ROOT

DATA = ROOT.parent / "shared" / "data" / "messages"
USE = ("--purpose", "train.generative", "--recipient", "operator", "--at", "2020-01-01")

MAPPING = """\
columns: {created_at: date, author: from, addressees: [to, cc, bcc], title: subject, body: body}
constants: {category: private_message}
identity: [from, to, cc, date, subject, body]
addresses: true
"""

TERMS = """\
- terms: user-agreement
  kind: user_agreement
  version: "1995"
  published_at: 1995-01-01
  effective_at: 1995-01-01
  audience: {jurisdictions: {not_in: [EU, CN]}}
  clauses:
    - {id: train, effect: permit, purposes: [train], categories: [private_message], recipients: [operator],
       condition: {setting: learning}, quote: We may train on messages unless you switch that off.}
- terms: promise
  kind: statement
  version: "2001"
  published_at: 2001-03-01
  effective_at: 2001-03-01
  audience: {tiers: [premium]}
  clauses:
    - {id: never, effect: forbid, purposes: [train], categories: [private_message], recipients: [any],
       quote: Messages of premium members are not used for training.}
- setting: learning
  introduced_at: 1995-01-01
  defaults: [{value: on}]
- regime: {jurisdictions: [US, GB], regime: opt_out, purposes: [train]}
- regime: {jurisdictions: [IN], regime: terms, purposes: [train]}
"""
PLACES = ("US-CA", "US-TX", "US-NY", "GB", "IN", "DE", "US", "US-TX")


@dataclass(frozen=True, slots=True)
class Ran:
    """Figures of each step, by its name."""

    figures: dict[str, Any]
    release: Path


def run(folder: Path, *, loud: bool = False) -> Ran:
    """All steps in a folder; loud: each command as a person would see it, too."""
    home = folder / "home"

    def troth(*args: str, status: int = 0) -> Any:
        if loud:
            print(f"$ troth {' '.join(args)}".replace(str(folder), "."), flush=True)  # noqa: T201
        command = [sys.executable, "-m", "troth", "--home", str(home), *args]
        done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr
        if loud:
            print(done.stdout[:2000] + done.stderr, flush=True)  # noqa: T201
        return json.loads(done.stdout)

    subprocess.run([sys.executable, "-m", "troth", "init", str(home)], check=True, capture_output=True)
    for name, text in (("mapping.yaml", MAPPING), ("terms.yaml", TERMS)):
        (folder / name).write_text(text)
    figures: dict[str, Any] = {}
    figures["enron"] = troth(
        "import", "table", str(DATA / "enron.jsonl.gz"), "--mapping", str(folder / "mapping.yaml")
    )
    figures["mboxrd"] = troth("import", "mbox", str(DATA / "linux-mips-part.mboxrd.gz"))
    figures["members"] = write_subjects(home / "records", folder / "people.csv")
    troth("terms", "add", str(folder / "terms.yaml"))
    troth("subjects", "import", str(folder / "people.csv"))
    figures["decided"] = troth("decide", *USE, "--summary")
    figures["decided"].pop("seconds")
    figures["release"] = troth("release", "build", *USE, "--out", str(folder / "release"))
    figures["verified"] = troth("verify", str(folder / "release"))
    return Ran(figures, folder / "release")


def write_subjects(records: Path, table: Path) -> int:
    """A table of members for the people of some records: nine in ten of those who wrote, half of the others."""
    wrote: Counter[str] = Counter()
    named: Counter[str] = Counter()
    for part in records.glob("part-*.parquet"):
        for row in pq.read_table(part, columns=["author", "addressees"]).to_pylist():
            wrote.update([row["author"]] if row["author"] else [])
            named.update(one for one in row["addressees"] if one)
    rows = []
    for name in sorted(wrote | named):
        roll = hashlib.sha256(name.encode()).digest()
        if roll[0] % 10 < (9 if name in wrote else 5):
            premium, born = roll[2] % 5 == 0, 1940 + roll[3] % 35
            rows.append((name, "1996-01-01", PLACES[roll[1] % 8], "premium" if premium else "basic", born))
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("subject", "since", "jurisdiction", "tier", "born"))
        writer.writerows(rows)
    return len(rows)


def main() -> None:
    """Print what became of the mail."""
    with tempfile.TemporaryDirectory() as folder:
        ran = run(Path(folder), loud="--loud" in sys.argv)
    figures = ran.figures
    figures["release"] = {name: figures["release"][name] for name in ("rows", "members", "counts")}
    figures["verified"] = {"ok": figures["verified"]["ok"]}
    for name in ("enron", "mboxrd"):
        figures[name].pop("rejects_file")
    print(json.dumps(figures, indent=1))  # noqa: T201


if __name__ == "__main__":
    main()
