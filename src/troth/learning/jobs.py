"""The work on a model, one durable step after another; it can be cut off anywhere and goes on from there.

training:    train each part → swap → forget → destroy → record
unlearning:  redo each part  → compare → swap → forget → destroy → certify

What is served is never changed by a step but the swap, and the swap happens under the lock under which withdrawals
are honoured, when none waits. Before each part, and within long ones, new withdrawals are looked for: those that
come before the swap are taken into the same job.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from securesystemslib.signer import CryptoSigner

from troth.core.certificate import model_digest
from troth.core.entries import Act
from troth.core.errors import Corrupt, Place
from troth.core.written import Json
from troth.learning import corpus as corpora
from troth.learning import registry
from troth.learning.backend import Backend, Work
from troth.learning.corpus import CORPUS_FOLDER, Corpus, Files, Part
from troth.learning.honour import corpus_of, honour, subtracts, touched
from troth.learning.registry import Checkpoint, Difference, Job, ModelFolder, Redone, State
from troth.learning.statements import (
    Besides,
    Inclusion,
    digest_of,
    training_statement,
    unlearning_statement,
    unproved,
)
from troth.ledger.store import Ledger, Receipt
from troth.release.sign import seal_statement

TRAINING: Final = "training.dsse.json"
_STATEMENT: Final = "statement.dsse.json"
_LEAVES: Final = "statement.leaves"

Report = Callable[[str, int, int | None], None]
Marks = Callable[[Job], Mapping[str, Any] | None]
"""What tests of the marks of those who left find in the model that came out."""


def _unheard(_what: str, _done: int, _total: int | None) -> None:
    """Progress that nobody follows."""


def _unmarked(_job: Job) -> None:
    """Nobody's marks are at hand."""


@dataclass(frozen=True, slots=True)
class World:
    """What the work needs of the home: its ledger for reading, appending with a request id, its key, the time.

    ``inclusion`` gives the public log's proof of an entry, where there is one; ``marks`` tests the canaries of
    those who left, where somebody who holds them asked for it.
    """

    ledger: Callable[[], Ledger]
    append: Callable[[Act, str], Receipt]
    signer: Callable[[], CryptoSigner]
    clock: Callable[[], int]
    report: Report = _unheard
    inclusion: Inclusion = unproved
    marks: Marks = _unmarked


class _Superseded(Exception):
    """A withdrawal came while a part was trained; it is taken into the job, and the part is begun again."""


class Worker:
    """Works on a model; for use under ``ModelFolder.working``."""

    def __init__(self, model: ModelFolder, backend: Backend, world: World) -> None:
        self.model = model
        self.backend = backend
        self.world = world

    def run(self) -> list[str]:
        """Do all that there is to do. Returns the names of the certificates that came of it."""
        before = self.model.state().certificates
        self.model.sweep()
        while self.step():
            pass
        return [one for one in self.model.state().certificates if one not in before]

    def step(self) -> bool:
        """Do the next step. Returns whether there was one."""
        self._look()
        state = self._joined()
        job = state.job
        if job is None:
            return False
        if len(job.done) < len(job.parts):
            self._redo(state, job, job.parts[len(job.done)])
        elif not job.compared:
            self._compare(state, job)
        elif job.replaced is None:
            self._swap()
        elif job.forgotten is None:
            self._forget(state, job)
        elif job.destroyed is None:
            self._destroy(state, job)
        elif job.statement is None:
            self._state(state, job)
        else:
            self._publish(job)
        return True

    def _look(self) -> None:
        with self.world.ledger() as ledger:
            honour(self.model, self.backend, ledger, self.world.clock)

    def _joined(self) -> State:
        """The state, with a job for the withdrawals that wait, or these in the job that has not swapped yet."""
        state = self.model.state()
        if not state.pending or (state.job is not None and state.job.replaced is not None):
            return state
        with self.model.changing() as state:
            join(state, corpus_of(self.model, state), self.backend, self.world.clock())
        self.model.sweep()
        return state

    # steps

    def _redo(self, state: State, job: Job, part: Part) -> None:
        corpus = corpus_of(self.model, state)
        self.world.report("training" if job.kind == "training" else "redoing", len(job.done), len(job.parts))
        places = corpus.in_part(part, job.rows)
        base = self._base(state, job, part)
        name = job.name_of(part)
        out = self.model.making(name)
        work = Work(
            plan=self.model.facts.the_plan(),
            shard=part[0],
            slice=part[1],
            records=corpus.choose(places),
            configuration=self.model.facts.configuration,
            before=None if base is None else self.model.path / base.path,
            out=out,
            report=lambda done, total: self.world.report(f"part {part[0]}-{part[1]}", done, total),
            check=self._check,
        )
        try:
            self.backend.train(work)
        except _Superseded:
            registry.remove_tree(out)
            return
        digest = self.backend.digest(out)
        self.model.keep(out)
        before = {one.part: one.digest for one in (*state.retired, *state.serving)}
        done = Redone(
            checkpoint=Checkpoint(*part, name, digest),
            records=len(places),
            root=corpus.root(places).hex(),
            starts_from=None if base is None else base.digest,
            before=before.get(part),
        )
        with self.model.changing() as changed:
            if changed.job is not None and not changed.pending:
                changed.job.done.append(done)

    def _check(self) -> None:
        self._look()
        if self.model.state().pending:
            raise _Superseded

    def _base(self, state: State, job: Job, part: Part) -> Checkpoint | None:
        """The checkpoint that a part goes on from."""
        if not self.backend.continues or part[1] == 0:
            return None
        before = (part[0], part[1] - 1)
        redone = [one.checkpoint for one in job.done]
        return next(one for one in (*redone, *state.serving) if one.part == before)

    def _compare(self, state: State, job: Job) -> None:
        """Hold what was counted again against what comes out of subtracting: two ways to one result."""
        backend, corpus = self.backend, corpus_of(self.model, state)
        if job.kind != "training" and subtracts(backend):
            served = {one.part: one for one in state.serving}
            for number, one in enumerate(job.done):
                part = one.checkpoint.part
                self.world.report("comparing", number, len(job.done))
                if part in served and self._subtracted(served[part], corpus, job) != one.checkpoint.digest:
                    raise Corrupt(
                        f"part {part[0]}-{part[1]}: subtracting and counting again differ",
                        place=Place(str(self.model.path)),
                        remedy="a file was damaged: restore the model from a backup, or train it anew",
                    )
        with self.model.changing() as changed:
            if changed.job is not None and not changed.pending:
                changed.job.compared = True

    def _subtracted(self, served: Checkpoint, corpus: Corpus, job: Job) -> str:
        """The digest of a checkpoint less what the job takes out of it."""
        backend = self.backend
        assert subtracts(backend)  # noqa: S101 - the caller asked
        parts = zip(job.rows, corpus.parts_of(job.rows), strict=True)
        rows = [row for row, part in parts if part == served.part]
        less, out = (self.model.making(f"{registry.CHECKPOINTS}/{name}") for name in ("taken", "compared"))
        try:
            backend.difference(corpus.choose(rows), self.model.facts.configuration, less)
            backend.subtract(self.model.path / served.path, [less], out)
            return backend.digest(out)
        finally:
            registry.remove_tree(less)
            registry.remove_tree(out)

    def _swap(self) -> None:
        """Serve the new checkpoints, and no difference of this job any more. The commit point."""
        with self.model.changing() as state:
            job = state.job
            if job is None or state.pending:
                return
            new = {one.checkpoint.part: one.checkpoint for one in job.done}
            less = _of_job(state, job)
            job.old = [
                *([one.path, one.digest] for one in (*state.serving, *state.retired) if one.part in new),
                *([one.path, self.backend.digest(self.model.path / one.path)] for one in less),
            ]
            before = {one.part: one.digest for one in (*state.retired, *state.serving)}
            kept = [one for one in state.serving if one.part not in new]
            state.serving = sorted((*kept, *new.values()), key=lambda one: one.part)
            state.retired = [one for one in state.retired if one.part not in new]
            state.differences = [one for one in state.differences if one not in less]
            job.digest = digest_of(state.serving)
            job.digest_before = model_digest(before) if before else None
            job.replaced = self.world.clock()

    def _forget(self, state: State, job: Job) -> None:
        """Take the rows out of the corpus: the index first, as new files, then the texts where they stand."""
        written = 0
        if job.rows:
            corpus = corpus_of(self.model, state)
            spans = corpus.spans(job.rows)
            files = corpus.without(job.rows, state.corpus + 1)
            for name in files.names:
                registry.sync_file(self.model.path / CORPUS_FOLDER / name)
            registry.sync_folder(self.model.path / CORPUS_FOLDER)
            self.model.hold_text(job.number, (corpus.text(at, size) for at, size in spans))
            written = corpora.overwrite(corpus.folder, spans)
        with self.model.changing() as changed:
            if changed.job is not None:
                changed.corpus += 1 if job.rows else 0
                changed.job.forgotten = written

    def _destroy(self, state: State, job: Job) -> None:
        """Destroy what was served before, and see that it is gone."""
        kept = [path for path, _ in job.old if not self.model.destroy(path)]
        if job.rows:
            there = self.model.files_of(state).names
            for name in Files.version(state.corpus - 1).names - there:
                self.model.destroy(f"{CORPUS_FOLDER}/{name}")
        with self.model.changing() as changed:
            if changed.job is not None:
                changed.job.destroyed = [one for one in job.old if one[0] not in kept]
                changed.job.held = kept

    def _state(self, state: State, job: Job) -> None:
        """Write and sign the statement. Nothing refers to it yet, so it may be written again."""
        beside = None
        besides = Besides(self.world.inclusion, None if job.kind == "training" else self.world.marks(job))
        with self.world.ledger() as ledger:
            if job.kind == "training":
                times = (job.started, job.replaced or job.started)
                statement = training_statement(self.model.facts, job, self.backend, times, state.honoured)
            else:
                corpus = corpus_of(self.model, state)
                facts, trained = self.model.facts, state.training
                statement, beside = unlearning_statement(
                    facts, trained, job, self.backend, corpus, ledger, besides
                )
        envelope = seal_statement(statement, self.world.signer())
        if beside is not None:
            registry.write_durably(self.model.path / _LEAVES, beside)
        registry.write_durably(self.model.path / _STATEMENT, envelope)
        with self.model.changing() as changed:
            if changed.job is not None:
                changed.job.statement = hashlib.sha256(envelope).hexdigest()

    def _publish(self, job: Job) -> None:
        """Record the statement in the ledger (the same request again is the same entry) and put it in its place."""
        facts = self.model.facts
        training = job.kind == "training"
        details: dict[str, Json] = {
            "model": facts.name,
            "statement": job.statement,
            "releases": [{"release": one.release, "manifest": one.manifest} for one in facts.releases],
        }
        if not training:
            positions = sorted({at for one in job.withdrawals for at in one.positions})
            details["withdrawals"] = list[Json](positions)
        act = Act("training" if training else "unlearning", details)
        receipt = self.world.append(act, f"model/{facts.name}/{facts.created_at}/{job.number}")
        name = certificate_name(job)
        target = self.model.path / name
        target.parent.mkdir(mode=0o700, exist_ok=True)
        for source, end in ((_LEAVES, leaves_beside(target)), (_STATEMENT, target)):
            if (self.model.path / source).exists():
                (self.model.path / source).replace(end)
        registry.sync_folder(target.parent)
        registry.sync_folder(self.model.path)
        with self.model.changing() as state:
            if training:
                state.entry, state.training = receipt.position, job.statement
            else:
                state.certificates.append(name)
            state.job = None


def certificate_name(job: Job) -> str:
    """What the statement of a job is called in the model's folder, once it is recorded."""
    return (
        TRAINING
        if job.kind == "training"
        else f"{registry.CERTIFICATES}/unlearning-{job.number:04}.dsse.json"
    )


def pending_statement(model: ModelFolder) -> Path:
    """Where the statement of a job waits to be recorded."""
    return model.path / _STATEMENT


def leaves_beside(certificate: Path) -> Path:
    """Where the leaves of a certificate lie, if they do not stand in it."""
    return certificate.with_name(certificate.name.removesuffix(".dsse.json") + ".leaves")


def _of_job(state: State, job: Job) -> list[Difference]:
    return [one for one in state.differences if one.job == job.number]


def begin(state: State, parts: list[Part], now: int) -> None:
    """Begin the job of training a model."""
    state.jobs += 1
    state.job = Job(state.jobs, "training", now, parts=parts)


def join(state: State, corpus: Corpus, backend: Backend, now: int) -> None:
    """Take the withdrawals that wait into a job, the running one or a new one."""
    if state.job is None:
        state.jobs += 1
        state.job = Job(state.jobs, "unlearning", now)
    job = state.job
    fresh = [row for one in state.pending for row in one.rows]
    slices = corpus.plan.slices
    stale = touched(set(corpus.parts_of(fresh)), slices, continues=backend.continues)
    # Parts come shard by shard, slice by slice. What is done is kept up to the first that is stale; of a backend
    # whose parts do not rest on each other all that is not stale could be kept, but that is rare and cheap.
    if job.kind != "training":
        job.parts = sorted({*job.parts, *stale})
    done = {one.checkpoint.part: one for one in job.done if one.checkpoint.part not in stale}
    job.done = []
    for part in job.parts:
        if part not in done:
            break
        job.done.append(done[part])
    job.compared = False
    job.withdrawals += state.pending
    state.pending = []
    state.differences = [
        Difference(one.path, job.number if one.job is None else one.job) for one in state.differences
    ]


def plan_of(state: State, corpus: Corpus, backend: Backend) -> list[Part]:
    """The parts that have to be trained again for all withdrawals that wait."""
    rows = [row for one in state.waiting for row in one.rows]
    return sorted(touched(set(corpus.parts_of(rows)), corpus.plan.slices, continues=backend.continues))
