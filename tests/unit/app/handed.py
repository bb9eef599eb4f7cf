"""A small home whose releases go to others, and those others with their keys."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow.parquet as pq

from tests.properties.worlds import as_table
from troth.app import disclosures, recipients, releases
from troth.app.home import init, open_home
from troth.app.releases import Built
from troth.core.events import Attributes, Choose, Event, Setting
from troth.core.handed import Link
from troth.core.terms import Audience, Clause, Condition, Terms
from troth.core.values import Record, Use
from troth.release.sign import new_key

NAMES = ("ann", "bob", "cyd", "dan", "eva")
AFFILIATE, THIRD, CARRIER = "affiliate:west", "third_party:acme", "processor:post"
T = 10**12
DAY = 86_400_000_000
CLAUSES = (
    Clause(
        "train",
        "permit",
        ("train",),
        ("any",),
        ("operator", "affiliate", "third_party"),
        condition=Condition(setting="training"),
        quote="Yes.",
    ),
)
POLICY = Terms("policy", "privacy_policy", "1", 0, 0, CLAUSES, Audience())
DPA = Terms("dpa", "data_processing_agreement", "1", 0, 0, (), Audience())
EVENTS: list[Event] = [
    POLICY,
    DPA,
    Setting("training", (), introduced_at=0),
    *(
        Attributes(name, 1, (("jurisdiction", "US"), ("status", "active"), ("born", (1940, 1, 1))))
        for name in NAMES
    ),
]
RECORDS = [
    Record("m1", "private_message", 1_000, "ann", ("bob",)),
    Record("m2", "private_message", 2_000, "bob", ("ann", "cyd")),
    Record("m3", "private_message", 3_000, "cyd", ("dan",)),
    Record("m4", "private_message", 4_000, "dan", ("ann",)),
    Record("m5", "post", 5_000, "eva", ()),
]


class Hands:
    """A home and the keys of those who get something from it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = open_home(folder / "home")

    @classmethod
    def make(cls, folder: Path) -> Hands:
        """Home, keys, and releases: ``a``, ``other`` for the affiliate, ``t``, ``t2`` for the third party."""
        init(folder / "home")
        made = cls(folder)
        made.fill()
        for name, recipient in (("a", AFFILIATE), ("other", AFFILIATE), ("t", THIRD), ("t2", THIRD)):
            made.release(name, recipient)
        return made

    def copy(self, folder: Path) -> Hands:
        """The same in another, empty folder."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return Hands(folder)

    def fill(self) -> None:
        """Members, records and recipients."""
        self.home.append([*EVENTS, *(Choose(name, "training", on=True, at=10) for name in NAMES)])
        # Choices that came before the records were written.
        pq.write_table(as_table(RECORDS), self.home.records_path / "a.parquet")
        for name in (AFFILIATE, THIRD, CARRIER):
            new_key(self.key(name), self.public(name))
            self.describe(name)
        recipients.add(self.home, self.folder / "recipients.yaml")

    def describe(self, name: str) -> None:
        """Write a recipient into the file of recipients."""
        text = (
            f"recipient: {name}\nkeys: [{self.public(name).name}]\ncontact: privacy@example.org\n"
            f"deadline_days: 14\nescalation: the regulator\nagreement: {{document: dpa, version: '1'}}\n"
        )
        path = self.folder / "recipients.yaml"
        before = path.read_text() + "---\n" if path.exists() else ""
        path.write_text(before + text)

    def key(self, name: str) -> Path:
        """A recipient's private key."""
        return self.folder / f"{name.replace(':', '-')}.key"

    def public(self, name: str) -> Path:
        """A recipient's public key."""
        return self.folder / f"{name.replace(':', '-')}.pub"

    @property
    def operator(self) -> Path:
        """The operator's public key."""
        return self.home.public_key_path

    def release(self, name: str, recipient: str) -> Built:
        """A release for a recipient."""
        use = Use("train.generative", recipient)
        return releases.build(self.home, use, self.folder / name, at=T, name=name)

    def give(self, name: str, to: str, receipt: str | None = None) -> tuple[Link, Path]:
        """Disclose a release that was built; its receipt as a file."""
        link = disclosures.disclose(
            self.home, str(self.folder / name), to, name=receipt or f"d-{name}", at=2 * T
        )
        path = self.folder / f"{receipt or name}.receipt.json"
        path.write_text(link.envelope)
        return link, path

    def sign(self, path: Path, name: str, to: str, *rests_on: Path) -> None:
        """Countersign as a recipient."""
        disclosures.countersign(
            path, self.folder / name, self.key(to), keys=[self.operator], rests_on=rests_on
        )

    def pass_on(self, name: str, to: str, below: Path, sender: str, at: int = 3 * T) -> Path:
        """A receipt of a recipient that passes a release on."""
        data = disclosures.pass_on(
            self.folder / name, to, below, self.key(sender), [self.public(to)], keys=[self.operator],
            name=f"o-{name}", at=at,
        )  # fmt: skip
        path = self.folder / f"o-{name}.receipt.json"
        path.write_bytes(data)
        return path
