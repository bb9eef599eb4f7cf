"""The public face of a home for Python programs: one object, one method per operation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from troth.app import home as homes

if TYPE_CHECKING:
    import pyarrow as pa

    from troth.app.decisions import Explanation, HomeGate
    from troth.app.proofs import Proved
    from troth.app.releases import Built
    from troth.core.findings import Findings
    from troth.core.values import Use
    from troth.core.written import Json
    from troth.gate.gate import Source
    from troth.learning.serving import Served


class Home(homes.Home):
    """An open home; make one with ``troth.init`` or open it with ``troth.open``."""

    def import_records(self, table: pa.Table) -> dict[str, Json]:
        """Import an Arrow table with the record columns; ids that are there already count as duplicates.

        Returns:
            The JSON of ``troth import``.
        """
        from troth.app import importing

        return importing.arrow(self, table).as_json()

    def gate(self, use: Use, at: int | str | None = None, as_of: int | None = None) -> HomeGate:
        """The gate for a use at T (None: now) with the ledger before position ``as_of`` (None: all of it)."""
        from troth.app import decisions

        return decisions.open_gate(self, use, at, as_of)

    def summary(
        self,
        use: Use,
        at: int | str | None = None,
        as_of: int | None = None,
        records: Source | None = None,
    ) -> dict[str, Any]:
        """Counts by verdict and reason: the JSON of ``troth decide --summary``."""
        from troth.app import decisions

        return decisions.timed_summary(self.gate(use, at, as_of), records)

    def explain(
        self,
        record: str,
        use: Use,
        at: int | str | None = None,
        as_of: int | None = None,
        records: Source | None = None,
    ) -> Explanation:
        """Why a record may or may not be used: every party, reason, clause and sentence.

        Raises:
            BadInput: no such record.
        """
        from troth.app import decisions

        return decisions.explain(self, record, use, at, as_of, records)

    def release(
        self,
        use: Use,
        out: Path | str,
        at: int | str | None = None,
        as_of: int | None = None,
        records: Source | None = None,
    ) -> Built:
        """Build a sealed release of what the use may have; see ``troth.app.releases.build``."""
        from troth.app import releases

        return releases.build(self, use, Path(out), at=at, as_of=as_of, source=records)

    def prove(
        self,
        release: Path | str,
        subject: str | None = None,
        secret: Path | None = None,
        *,
        rows: bool = False,
    ) -> Proved:
        """A checked proof that a member's messages are in a release or that none is; see ``troth.app.proofs.prove``."""
        from troth.app import proofs

        return proofs.prove(self, str(release), subject, secret, rows=rows)

    def train(
        self,
        releases: list[Path],
        name: str,
        *,
        backend: str = "counts",
        shards: int | None = None,
        slices: int | None = None,
        options: dict[str, Json] | None = None,
    ) -> dict[str, Json]:
        """Train a model from sealed releases; see ``troth.app.models.train``. Returns the JSON of ``troth show``."""
        from troth.app import models

        return models.train(
            self, releases, name, backend=backend, shards=shards, slices=slices, options=options
        )

    def model(self, name: str) -> Served:
        """Open a model for use, in a ``with``. What was taken back by now is never served.

        Raises:
            BadInput: there is no such model.
        """
        from troth.app import models

        return models.open_model(self, name)

    def unlearn(self, name: str, canaries: Path | str | None = None) -> dict[str, Json]:
        """Make a model again without what was taken back. ``made`` names the certificates that came of it.

        With a campaign's file of ``canaries`` the marks of those who left are tested again, for the certificate.
        """
        from troth.app import unlearning

        return unlearning.unlearn(self, name, canaries=None if canaries is None else Path(canaries))


def replay(certificate: Path | str, releases: list[Path], keys: list[Path] | None = None) -> Findings:
    """Train the parts of a certificate again from the releases that it names, and compare.

    Raises:
        Refused: a release is not as it was sealed.
        BadInput: something is missing.
    """
    from troth.app import certificates

    return certificates.replay(Path(certificate), releases, keys=keys)


def init(path: Path | str) -> Home:
    """Make a new home and open it.

    Raises:
        Conflict: something is there already.
    """
    made = homes.init(path)
    return Home(made.path, made.config)


def open(path: Path | str) -> Home:  # noqa: A001 - the verb that people expect
    """Open a home.

    Raises:
        BadInput: there is none.
    """
    opened = homes.open_home(path)
    return Home(opened.path, opened.config)


def verify(
    path: Path | str,
    keys: list[Path] | None = None,
    *,
    policy: Path | None = None,
    release: Path | None = None,
    secret: Path | None = None,
) -> Findings:
    """Check a release, proof, certificate, receipt or checkpoint offline, as ``troth verify`` does.

    Raises nothing about what it finds, says everything; see ``troth.app.verifying.verify`` for the arguments.

    Raises:
        BadInput: a file cannot be read, or what a check needs was not named.
    """
    from troth.app import verifying

    return verifying.verify(Path(path), keys, policy=policy, release=release, secret=secret)
