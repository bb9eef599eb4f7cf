"""Replaying a certificate: the parts that were trained again are trained once more, from the releases, elsewhere.

What it needs: the certificate (with the leaves beside it, where there are any), the releases that it names, and
the file of what was frozen, if the plan had one. What it shows: that exactly these records, less exactly those taken
out, give exactly the checkpoints of the certificate. Nothing of the home is needed.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from troth.core.certificate import Certificate, Part
from troth.core.findings import Findings
from troth.core.shards import Frozen
from troth.learning.backend import Backend, Work
from troth.learning.corpus import Corpus, Files, build
from troth.release.load import Loaded

Report = Callable[[str, int, int | None], None]


@dataclass(frozen=True, slots=True)
class Materials:
    """What a replay is made from: the releases in the certificate's order, and the leaves (hex) to leave out."""

    releases: Sequence[Loaded]
    frozen: Frozen
    removed: Sequence[str]
    earlier: Sequence[str]


def replay(
    certificate: Certificate, backend: Backend, materials: Materials, findings: Findings, report: Report
) -> None:
    """Train the parts of a certificate again and compare; what differs goes to the findings."""
    expected = dict(certificate.releases)
    given = {one.manifest.release: one.manifest_digest for one in materials.releases}
    if given != expected:
        findings.error("the releases at hand are not those that the certificate names", "releases")
        return
    with tempfile.TemporaryDirectory(prefix="troth-replay-") as name:
        folder = Path(name)
        (folder / "corpus").mkdir()
        build(folder / "corpus", materials.releases, certificate.plan, materials.frozen)
        corpus = Corpus(folder / "corpus", Files.version(0), certificate.plan)
        without = _rows(corpus, {*materials.removed, *materials.earlier})
        _check_taken_out(corpus, certificate, materials.removed, findings)
        _Replay(certificate, backend, corpus, without, folder).run(findings, report)


def _rows(corpus: Corpus, leaves: set[str]) -> set[int]:
    found = corpus.leaves(np.arange(corpus.rows.num_rows))
    return {row for row, leaf in enumerate(found) if leaf.hex() in leaves}


def _check_taken_out(
    corpus: Corpus, certificate: Certificate, removed: Sequence[str], findings: Findings
) -> None:
    """Every row that was taken out is one of the releases, and stands in a part that was trained again."""
    rows = sorted(_rows(corpus, set(removed)))
    if len(rows) != len(removed):
        findings.error("leaves were taken out that are in none of the releases", "removed")
    redone = {(part.shard, part.slice) for part in certificate.parts}
    for part in set(corpus.parts_of(rows)) - redone:
        findings.error(
            "held a record that was taken out, and was not trained again", f"part {part[0]}-{part[1]}"
        )


class _Replay:
    def __init__(
        self, certificate: Certificate, backend: Backend, corpus: Corpus, without: set[int], folder: Path
    ) -> None:
        self._certificate = certificate
        self._backend = backend
        self._corpus = corpus
        self._without = without
        self._folder = folder

    def run(self, findings: Findings, report: Report) -> None:
        """Part after part; of a backend that continues each shard from its first slice."""
        by_shard: dict[int, dict[int, Part]] = defaultdict(dict)
        for part in self._certificate.parts:
            by_shard[part.shard][part.slice] = part
        for number, (shard, parts) in enumerate(sorted(by_shard.items())):
            report("replaying", number, len(by_shard))
            first = 0 if self._backend.continues else min(parts)
            before: Path | None = None
            digest: str | None = None
            for slice_ in range(first, max(parts) + 1):
                if slice_ not in parts and not self._backend.continues:
                    continue
                said = parts.get(slice_)
                if said is not None and said.starts_from not in (None, digest):
                    findings.error("started from another checkpoint", f"part {shard}-{slice_}")
                before, digest = self._train(shard, slice_, before, report)
                if said is not None:
                    self._compare(said, digest, findings)

    def _train(self, shard: int, slice_: int, before: Path | None, report: Report) -> tuple[Path, str]:
        out = self._folder / f"{shard}-{slice_}"
        out.mkdir()
        places = self._corpus.in_part((shard, slice_), self._without)
        work = Work(
            plan=self._certificate.plan,
            shard=shard,
            slice=slice_,
            records=self._corpus.choose(places),
            configuration=self._certificate.configuration,
            before=before if self._backend.continues else None,
            out=out,
            report=lambda done, total: report(f"part {shard}-{slice_}", done, total),
            check=lambda: None,
        )
        self._backend.train(work)
        return out, self._backend.digest(out)

    def _compare(self, said: Part, digest: str, findings: Findings) -> None:
        where = f"part {said.shard}-{said.slice}"
        places = self._corpus.in_part((said.shard, said.slice), self._without)
        if len(places) != said.records or self._corpus.root(places).hex() != said.root:
            findings.error("what is retained is not what the releases hold less what was taken out", where)
        if digest == said.after:
            findings.info(f"trained again on {len(places):,} records: the same, bit for bit", where)
        else:
            findings.error(
                f"trained again it is {digest[:16]}…, the certificate has {said.after[:16]}…", where
            )
