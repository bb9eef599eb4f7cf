"""What is signed about a model: how it was trained, and that it was made again without somebody."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

from troth.core.absence import neighbours
from troth.core.certificate import (
    LISTED,
    MAX_STATEMENT_BYTES,
    Absent,
    Certificate,
    Leaves,
    Part,
    Withdrawal,
    build_statement,
    model_digest,
    sample,
    to_the_hour,
)
from troth.core.manifest import STATEMENT_TYPE
from troth.core.values import canonical, format_instant
from troth.learning.backend import Backend, packages
from troth.learning.corpus import Corpus
from troth.learning.registry import Checkpoint, Facts, Job
from troth.ledger.store import Ledger

PROVENANCE: Final = "https://slsa.dev/provenance/v1"
BUILD_TYPE: Final = "urn:troth:training:v1"
_MILLISECOND: Final = 1000
_PACKAGE: Final = Path(__file__).parents[1]


def code() -> dict[str, Any]:
    """The version of Troth that runs, and one digest over the code that trains, plans and certifies."""
    return {"troth": {**_mapping(packages("troth")["troth"]), "code": _code_digest()}}


@cache
def _code_digest() -> str:
    files = []
    for folder in (_PACKAGE / "core", _PACKAGE / "learning"):
        for path in folder.rglob("*.py"):
            name = f"{folder.name}/{path.relative_to(folder).as_posix()}"
            files.append(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}")
    return hashlib.sha256("\n".join(sorted(files)).encode()).hexdigest()


def _mapping(value: object) -> dict[str, Any]:
    assert isinstance(value, dict)  # noqa: S101 - as packages gives it
    return value


def digest_of(serving: Sequence[Checkpoint]) -> str:
    """The digest of the model that these checkpoints are."""
    return model_digest({one.part: one.digest for one in serving})


def training_statement(
    facts: Facts, job: Job, backend: Backend, times: tuple[int, int], position: int
) -> bytes:
    """The canonical bytes of SLSA Provenance v1 for a training run: materials are the releases.

    Args:
        facts: what the model is.
        job: the job of training it.
        backend: its backend.
        times: when it began and ended, microseconds UTC.
        position: the ledger's position that was honoured.
    """
    checkpoints = [
        {
            "name": f"{facts.name}/{one.checkpoint.shard}-{one.checkpoint.slice}",
            "digest": {"sha256": one.checkpoint.digest},
        }
        for one in job.done
    ]
    return canonical(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": facts.name, "digest": {"sha256": job.digest}}, *checkpoints],
            "predicateType": PROVENANCE,
            "predicate": {
                "buildDefinition": {
                    "buildType": BUILD_TYPE,
                    "externalParameters": {
                        "backend": facts.backend,
                        "configuration": facts.configuration,
                        "plan": facts.plan,
                        "frozen": facts.frozen,
                    },
                    "internalParameters": {"honoured": position},
                    "resolvedDependencies": [
                        {
                            "name": one.release,
                            "digest": {"sha256": one.manifest},
                            "annotations": {"purpose": one.purpose, "recipient": one.recipient},
                        }
                        for one in facts.releases
                    ],
                },
                "runDetails": {
                    "builder": {"id": "urn:troth:builder:v1", "version": code()},
                    "metadata": {
                        "invocationId": facts.name,
                        "startedOn": format_instant(times[0]),
                        "finishedOn": format_instant(times[1]),
                        "environment": backend.environment(facts.configuration),
                    },
                },
            },
        }
    )


Inclusion = Callable[[int], str | None]
"""Gives the public log's proof (C2SP tlog-proof) of the entry at a position, where there is one."""


def unproved(_position: int) -> str | None:
    """There is no public log."""
    return None


@dataclass(frozen=True, slots=True)
class Besides:
    """What a certificate holds of elsewhere: proofs of the public log, and tests of the marks of those who left."""

    inclusion: Inclusion = unproved
    marks: Mapping[str, Any] | None = None


def unlearning_statement(
    facts: Facts,
    training: str | None,
    job: Job,
    backend: Backend,
    corpus: Corpus,
    ledger: Ledger,
    besides: Besides | None = None,
) -> tuple[bytes, bytes | None]:
    """The canonical bytes of the certificate of a finished job, and the leaves that lie beside it, where they do.

    Of the withdrawals as many carry their inclusion proof as keep the certificate within its size, the first ones.
    """
    besides = besides or Besides()
    gone = corpus.gone()
    count = len(job.rows)
    new, old = gone[len(gone) - count :], gone[: len(gone) - count]
    redone = {one.checkpoint.part for one in job.done}
    shards_redone = {shard for shard, _ in redone}
    earlier = [
        one["leaf"]
        for one in old
        if (one["shard"] in shards_redone if backend.continues else (one["shard"], one["slice"]) in redone)
    ]
    leaves = [one["leaf"] for one in new]
    inside = len(leaves) + len(earlier) <= LISTED
    digest = job.digest or ""
    certificate = Certificate(
        model=facts.name,
        digest=digest,
        digest_before=job.digest_before or "",
        backend=facts.backend,
        continues=backend.continues,
        training=training,
        withdrawals=_withdrawals(job, ledger),
        removed=Leaves.of(leaves, inside=inside),
        earlier=Leaves.of(earlier, inside=inside),
        releases=tuple((one.release, one.manifest) for one in facts.releases),
        plan=facts.the_plan(),
        frozen=facts.frozen,
        configuration=facts.configuration,
        method="slices" if backend.continues else "counts",
        parts=tuple(
            Part(
                shard=one.checkpoint.shard,
                slice=one.checkpoint.slice,
                records=one.records,
                root=one.root,
                starts_from=one.starts_from,
                before=one.before,
                after=one.checkpoint.digest,
            )
            for one in job.done
        ),
        absent=_absences(corpus, digest, new),
        environment=backend.environment(facts.configuration),
        code=code(),
        destroyed=sum(not _is_difference(path) for path, _ in job.destroyed or []),
        differences=tuple(digest for path, digest in job.destroyed or [] if _is_difference(path)),
        text_overwritten=job.forgotten or 0,
        held=tuple(job.held),
        received=to_the_hour(min(one.received for one in job.withdrawals)),
        clean_after=max((one.clean - one.received) // _MILLISECOND for one in job.withdrawals),
        replaced_after=max(((job.replaced or 0) - one.received) // _MILLISECOND for one in job.withdrawals),
        cost=_cost(facts, corpus, job),
        marks=besides.marks,
    )
    packed = None if inside else b"".join((*sorted(leaves), *sorted(earlier)))
    return _proved(certificate, besides.inclusion), packed


def _proved(certificate: Certificate, inclusion: Inclusion) -> bytes:
    """The statement with the inclusion proofs for which there is room."""
    statement = build_statement(certificate)
    room = MAX_STATEMENT_BYTES - len(statement)
    found = []
    for one in certificate.withdrawals:
        proof = inclusion(one.position) if room > 0 else None
        room -= len(canonical(proof)) if proof is not None else 0
        found.append(replace(one, proof=proof if room >= 0 else None))
    return build_statement(replace(certificate, withdrawals=tuple(found)))


def _is_difference(path: str) -> bool:
    return path.rpartition("/")[2].startswith("less-")


def _withdrawals(job: Job, ledger: Ledger) -> tuple[Withdrawal, ...]:
    receipts = (ledger.receipt(at) for one in job.withdrawals for at in one.positions)
    return tuple(
        Withdrawal(one.position, one.type, one.time, one.commitment)
        for one in sorted(receipts, key=lambda one: one.position)
    )


def _absences(corpus: Corpus, digest: str, gone: Sequence[dict[str, Any]]) -> tuple[Absent, ...]:
    by_leaf = {one["leaf"].hex(): one for one in gone}
    found = []
    for leaf in sample(digest, sorted(by_leaf)):
        one = by_leaf[leaf]
        part = one["shard"], one["slice"]
        beside = neighbours(sorted(corpus.leaves(corpus.in_part(part))), one["leaf"])
        if beside is not None:  # else it is still there, and the check of the certificate says so
            found.append(Absent(leaf, *part, beside))
    return tuple(found)


def _cost(facts: Facts, corpus: Corpus, job: Job) -> dict[str, int]:
    plan = facts.the_plan()
    return {
        "parts_redone": len(job.done),
        "parts": plan.shards * plan.slices,
        "bytes_redone": sum(corpus.size_of(corpus.in_part(one.checkpoint.part)) for one in job.done),
        "bytes": corpus.whole().size,
    }
