"""Models: trained from releases, served without those who withdrew, made again, certified, replayed."""

from __future__ import annotations

import csv
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from troth.app import lineage, logs
from troth.app.holds import model_holds, model_seals
from troth.app.home import Home
from troth.core.entries import Act
from troth.core.errors import BadInput, Place, Unavailable
from troth.core.shards import KEY_BYTES, NOTHING_FROZEN, Frozen, Plan
from troth.core.values import format_instant
from troth.core.written import Json
from troth.learning import corpus as corpora
from troth.learning.backend import Backend
from troth.learning.honour import honour
from troth.learning.jobs import Marks, Report, Worker, World, begin
from troth.learning.registry import (
    ELSEWHERE,
    Facts,
    ModelFolder,
    Source,
    State,
    check_name,
    save,
    sync_tree,
    write_facts,
    write_json,
)
from troth.learning.serving import Served, backend_of
from troth.learning.statements import digest_of
from troth.ledger.store import Receipt, clock
from troth.release.folder import building
from troth.release.load import Loaded, load
from troth.release.sign import load_signer

FROZEN: Final = "frozen.json"
SHARDS: Final = {"counts": 16, "lora": 8}
SLICES: Final = {"counts": 1, "lora": 4}


def unheard(_what: str, _done: int, _total: int | None) -> None:
    """Progress that nobody follows."""


def models_path(home: Home) -> Path:
    """The folder of models."""
    return home.path / "models"


def model_of(home: Home, name: str) -> ModelFolder:
    """A model of a home.

    Raises:
        BadInput: there is none of that name.
    """
    check_name(name)
    path = models_path(home) / name
    if not path.is_dir():
        raise BadInput(
            f"there is no model {name!r}", place=Place(str(path)), remedy="list them with `troth models`"
        )
    return ModelFolder(path, model_holds(home), model_seals(home))


def all_models(home: Home) -> list[ModelFolder]:
    """All models of a home, by name."""
    folder = models_path(home)
    if not folder.is_dir():
        return []
    holds, seals = model_holds(home), model_seals(home)
    paths = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    return [ModelFolder(path, holds, seals) for path in paths]


def backend_or_none(model: ModelFolder) -> Backend | None:
    """The backend of a model; None if it was trained elsewhere."""
    return None if model.facts.is_elsewhere else backend_of(model.facts.backend)


def _world(home: Home, report: Report, marks: Marks | None) -> World:
    def append(act: Act, request: str) -> Receipt:
        return home.append([act], request=request)[0]

    made = World(
        home.reading, append, lambda: load_signer(home.key_path), clock, report, partial(_inclusion, home)
    )
    return made if marks is None else replace(made, marks=marks)


def _inclusion(home: Home, position: int) -> str | None:
    """The receipt of an entry; None: there is no public log, or the entry is not in it and cannot be put there now."""
    if home.config.origin is None:
        return None
    try:
        if home.config.publish and logs.status(home).published <= position:
            logs.publish(home)
        return logs.receipt(home, position).write().decode()
    except (BadInput, Unavailable):
        return None


# training


def train(  # noqa: PLR0913 - the options of one command, all by keyword
    home: Home,
    releases: Sequence[Path],
    name: str,
    *,
    backend: str = "counts",
    shards: int | None = None,
    slices: int | None = None,
    options: Mapping[str, Json] | None = None,
    members: Path | None = None,
    report: Report = unheard,
) -> dict[str, Json]:
    """Train a model from sealed releases, or go on with a training that was cut off.

    Args:
        home: the home.
        releases: folders of releases, checked before anything is learned.
        name: what to call the model.
        backend: which kind.
        shards: how many shards; None: as is usual for the backend.
        slices: how many slices to a shard; None: as is usual.
        options: of the backend.
        members: a CSV file with ``subject``, ``community``, ``risk`` (0 is least likely to leave), fixed beforehand.
        report: told what is done.

    Raises:
        Refused: a release is not as it was sealed.
        BadInput: the model is there already, or an option cannot be.
    """
    check_name(name)
    with lineage.run(home, "train", None, *lineage.of_folders(home, releases), backend=backend) as told:
        made = _train(home, releases, name, (backend, shards, slices, options or {}), members, report)
        told.made({"namespace": "troth", "name": f"models/{name}"}, releases=len(releases))
    return made


def _train(
    home: Home,
    releases: Sequence[Path],
    name: str,
    asked: tuple[str, int | None, int | None, Mapping[str, Json]],
    members: Path | None,
    report: Report,
) -> dict[str, Json]:
    backend, shards, slices, options = asked
    path = models_path(home) / name
    if not path.exists():
        kind = backend_of(backend)
        frozen, classes = read_members(members) if members is not None else (NOTHING_FROZEN, 1)
        many = shards or SHARDS[backend], slices or max(classes, SLICES[backend])
        plan = Plan(secrets.token_bytes(KEY_BYTES), *many, classes)
        configuration = kind.configure(options)
        _create(home, path, releases, (backend, configuration, plan, frozen), report)
    elif model_of(home, name).state().entry is not None:
        raise BadInput(
            "a model of this name is there already", place=Place(str(path)), remedy="choose another"
        )
    model = model_of(home, name)
    work(home, model, report)
    return shown(home, name)


def work(home: Home, model: ModelFolder, report: Report = unheard, marks: Marks | None = None) -> list[str]:
    """Do all the work that waits on a model. Returns the certificates that came of it."""
    with model.working():
        return Worker(model, backend_of(model.facts.backend), _world(home, report, marks)).run()


def _create(
    home: Home,
    path: Path,
    releases: Sequence[Path],
    kind: tuple[str, dict[str, Json], Plan, Frozen],
    report: Report,
    extra: Mapping[str, Any] | None = None,
) -> None:
    """Make a model's folder with its corpus, nothing trained yet: all or nothing."""
    backend, configuration, plan, frozen = kind
    if not releases:
        raise BadInput("expected one release or more", remedy="build one with `troth release build`")
    loaded = [load(one) for one in releases]
    if len({one.manifest.release for one in loaded}) < len(loaded):
        raise BadInput("a release is named twice", remedy="name each once")
    if frozen.communities:
        conversations = corpora.first_messages(loaded, frozen)
        frozen = Frozen(frozen.communities, conversations, frozen.risks)
    with building(path) as folder:
        corpus = folder.path / corpora.CORPUS_FOLDER
        corpus.mkdir(mode=0o700)
        size = corpora.build(
            corpus,
            loaded,
            plan,
            frozen,
            lambda done, total: report("reading", done, total),
            texts=backend != ELSEWHERE,
        )
        facts = Facts(
            name=path.name,
            backend=backend,
            configuration=configuration,
            plan=plan.as_json(),
            frozen=frozen.digest() if frozen != NOTHING_FROZEN else None,
            releases=[_source(one) for one in loaded],
            created_at=clock(),
            records=size.records,
            size=size.size,
            **(extra or {}),
        )
        write_facts(folder.path, facts)
        if frozen != NOTHING_FROZEN:
            write_json(folder.path / FROZEN, _frozen_json(frozen))
        state = State(honoured=_honoured_by(home, loaded))
        if backend != ELSEWHERE:
            begin(
                state, [(one, other) for one in range(plan.shards) for other in range(plan.slices)], clock()
            )
        save(folder.path, state)
        sync_tree(folder.path)
        folder.publish()


def _source(loaded: Loaded) -> Source:
    manifest = loaded.manifest
    return Source(
        manifest.release,
        loaded.manifest_digest,
        manifest.use.purpose,
        manifest.use.recipient,
        str(loaded.path),
    )


def _honoured_by(home: Home, loaded: Sequence[Loaded]) -> int:
    """The position from which withdrawals have to be looked for: the first that a release did not honour.

    A release that the home's ledger does not know is another operator's, and its positions are of another ledger.
    """
    with home.reading() as ledger:
        known = {
            stored.what.details["manifest"]
            for stored in ledger.entries()
            if isinstance(stored.what, Act) and stored.what.type == "release"
        }
        ours = [one.manifest.settings_as_of for one in loaded if one.manifest_digest in known]
        return min([ledger.size, *ours])


def read_members(path: Path) -> tuple[Frozen, int]:
    """What a CSV file says of members: ``subject``, ``community`` (may be empty), ``risk`` (may be empty).

    Returns:
        What is frozen, and the number of risk classes.

    Raises:
        BadInput: it cannot be read; names the line.
    """
    communities: dict[str, str] = {}
    risks: dict[str, int] = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            if "subject" not in (rows.fieldnames or ()):
                raise BadInput(
                    "has no column `subject`",
                    place=Place(str(path), 1),
                    remedy="begin the file with subject,community,risk",
                )
            for row in rows:
                subject, risk = row["subject"], (row.get("risk") or "").strip()
                if community := (row.get("community") or "").strip():
                    communities[subject] = community
                if risk and not (risk.isascii() and risk.isdecimal()):
                    raise BadInput(
                        f"expected a risk class of 0 or more, got {risk!r}",
                        place=Place(str(path), rows.line_num),
                    )
                if risk:
                    risks[subject] = int(risk)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"cannot be read: {error}", place=Place(str(path))) from None
    return Frozen(communities, {}, risks), max(risks.values(), default=0) + 1


def _frozen_json(frozen: Frozen) -> dict[str, Any]:
    return {
        "communities": dict(frozen.communities),
        "conversations": dict(frozen.conversations),
        "risks": dict(frozen.risks),
    }


def read_frozen(path: Path) -> Frozen:
    """What ``frozen.json`` of a model holds.

    Raises:
        BadInput: it cannot be read.
    """
    try:
        value = json.loads(path.read_bytes())
        return Frozen(value["communities"], value["conversations"], value["risks"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"cannot be read ({type(error).__name__})", place=Place(str(path))) from None


def register(
    home: Home,
    releases: Sequence[Path],
    name: str,
    *,
    weights: str | None = None,
    note: str | None = None,
    report: Report = unheard,
) -> dict[str, Json]:
    """Register a model that was trained elsewhere from releases, so that withdrawals that touch it are known.

    Args:
        home: the home.
        releases: what it was trained from; only who is in them is kept, no text.
        name: what to call it.
        weights: SHA-256 (hex) of its weights, where known.
        note: words for people, such as where it is served.
        report: told what is done.

    Raises:
        BadInput: the name is taken.
    """
    check_name(name)
    path = models_path(home) / name
    if path.exists():
        raise BadInput(
            "a model of this name is there already", place=Place(str(path)), remedy="choose another"
        )
    kind = (ELSEWHERE, dict[str, Json](), Plan(secrets.token_bytes(KEY_BYTES)), NOTHING_FROZEN)
    _create(home, path, releases, kind, report, {"weights": weights, "note": note})
    model = model_of(home, name)
    facts = model.facts
    details: dict[str, Json] = {
        "model": name,
        "elsewhere": True,
        "weights": weights,
        "releases": [{"release": one.release, "manifest": one.manifest} for one in facts.releases],
    }
    entry = home.append([Act("training", details)], request=f"model/{name}/{facts.created_at}/registered")[0]
    with model.changing() as state:
        state.entry = entry.position
    with home.reading() as ledger:
        honour(model, None, ledger, clock)
    return shown(home, name)


# looking


def listed(home: Home) -> list[dict[str, Json]]:
    """All models, and how they stand."""
    return [_shown(home, model) for model in all_models(home)]


def shown(home: Home, name: str) -> dict[str, Json]:
    """A model: what it is, how it stands, what it was made from."""
    return _shown(home, model_of(home, name))


def _shown(home: Home, model: ModelFolder) -> dict[str, Json]:
    with home.reading() as ledger:
        honour(model, backend_or_none(model), ledger, clock)
    facts, state = model.facts, model.state()
    return {
        "model": facts.name,
        "backend": facts.backend,
        "status": _status(facts, state),
        "consequence": _consequence(facts, state),
        "digest": digest_served(state),
        "records": facts.records,
        "bytes": facts.size,
        "releases": [{"release": one.release, "manifest": one.manifest} for one in facts.releases],
        "configuration": facts.configuration,
        "plan": None if facts.is_elsewhere else {k: v for k, v in facts.plan.items() if k != "key"},
        "created_at": format_instant(facts.created_at),
        "entry": state.entry,
        "withdrawals_waiting": len([at for one in state.waiting for at in one.positions]),
        "records_waiting": len({row for one in state.waiting for row in one.rows}),
        "step": state.job.step if state.job else None,
        "certificates": [str(model.path / one) for one in state.certificates],
        "weights": facts.weights,
        "note": facts.note,
    }


def digest_served(state: State) -> str | None:
    """The digest of the model that is served; None while differences are taken off it."""
    return digest_of(state.serving) if state.serving and not state.differences else None


def _status(facts: Facts, state: State) -> str:
    if facts.is_elsewhere:
        return "affected" if state.pending else "registered"
    if state.job is not None and state.job.kind == "training":
        return "training"
    return "unlearning" if state.waiting else "served"


def _consequence(facts: Facts, state: State) -> str | None:
    """What follows from withdrawals that wait."""
    if not state.waiting:
        return None
    if facts.is_elsewhere:
        return (
            "holds records that were taken back; it cannot be undone here, since it was trained elsewhere in one"
            " piece: take it out of use, or train it anew from a new release and register that"
        )
    return (
        "what is served holds none of the records that were taken back; the files still do until it is redone"
    )


def open_model(home: Home, name: str, device: str = "cpu") -> Served:
    """Open a model for use; close it. Whatever was taken back by now is not served.

    Raises:
        BadInput: there is no such model, or it was trained elsewhere.
    """
    return Served(model_of(home, name), home.ledger_path, clock, device)
