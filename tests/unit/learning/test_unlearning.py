"""Withdrawals and models, from the entry in the ledger to the certificate."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import troth
from tests.unit.learning.world import (
    PEOPLE,
    World,
    assert_is_never_having_learned,
    assert_serves_nothing_of,
    made_by,
    make_world,
    model_in,
    served,
)
from troth.app import certificates, models, unlearning
from troth.core.entries import Act
from troth.core.verify import read_envelope
from troth.learning import corpus, jobs, registry


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world with a model of one release in two shards of two slices."""
    world = make_world(tmp_path_factory.mktemp("world"))
    models.train(world.home, world.releases, "m", shards=2, slices=2)
    return world


@pytest.fixture
def world(trained: World, tmp_path: Path) -> World:
    """A copy of it to work on."""
    path = tmp_path / "home"
    shutil.copytree(trained.home.path, path)
    return World(troth.open(path), trained.releases, trained.records)


def payload(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(read_envelope(path.read_bytes(), "it").payload)
    return found


def test_a_model_is_what_was_counted(world: World) -> None:
    assert_is_never_having_learned(world, ())
    shown = models.shown(world.home, "m")
    assert (shown["status"], shown["records"], shown["withdrawals_waiting"]) == ("served", 30, 0)
    statement = payload(model_in(world).path / jobs.TRAINING)
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
    assert statement["subject"][0]["digest"]["sha256"] == shown["digest"]
    with world.home.reading() as ledger:
        what = list(ledger.entries())[int(str(shown["entry"]))].what
    assert isinstance(what, Act)
    assert what.type == "training"


def test_from_withdrawal_to_certificate(world: World) -> None:
    preview = unlearning.preview(world.home, [troth_withdraw("ann")])
    assert preview["releases"][0]["holds_theirs"] is True
    before = models.shown(world.home, "m")["digest"]
    answer = unlearning.withdraw(world.home, "ann")
    assert (
        answer["models"][0]["records"] == preview["models"][0]["records"] == 30 - len(world.retained(["ann"]))
    )
    assert_serves_nothing_of(world, ["ann"])
    assert models.shown(world.home, "m")["status"] == "unlearning"
    planned = unlearning.plan(world.home, "m")["parts"]

    made = unlearning.unlearn(world.home, "m")
    assert_is_never_having_learned(world, ["ann"])
    (path,) = made_by(made)
    predicate = payload(path)["predicate"]
    assert [f"{one['shard']}-{one['slice']}" for one in predicate["parts"]] == planned
    assert predicate["model"]["before"] == before != made["digest"]
    assert predicate["removed"]["records"] == preview["models"][0]["records"]
    assert predicate["absent"]
    assert "ann" not in path.read_text() + json.dumps(predicate)
    assert certificates.verify(path).ok
    assert path.stat().st_size < 50_000
    found = certificates.replay(path, home=world.home)
    assert found.ok, found.findings
    assert certificates.chain(world.home, "m").ok


def troth_withdraw(subject: str) -> Any:
    from troth.core.events import Withdraw

    return Withdraw(subject, 0)


def test_nothing_of_theirs_is_left_in_any_file(world: World) -> None:
    unlearning.withdraw(world.home, "ann")
    unlearning.unlearn(world.home, "m")
    folder = model_in(world).path
    for path in folder.rglob("*"):
        if path.is_file():
            assert b"ann" not in path.read_bytes(), path.name
    state = model_in(world).state()
    assert (state.differences, state.retired, state.pending, state.job) == ([], [], [], None)
    assert {path.name for path in (folder / "checkpoints").iterdir()} == {
        one.path.partition("/")[2] for one in state.serving
    }


def test_many_withdrawals_are_done_in_one_job_and_then_another(world: World) -> None:
    for one in ("ann", "bob"):
        unlearning.withdraw(world.home, one)
        assert_serves_nothing_of(world, ["ann", "bob"] if one == "bob" else ["ann"])
    first = made_by(unlearning.unlearn(world.home, "m"))
    assert len(first) == 1
    assert len(payload(first[0])["predicate"]["withdrawals"]) == 2
    unlearning.withdraw(world.home, "cyd")
    second = made_by(unlearning.unlearn(world.home, "m"))
    assert_is_never_having_learned(world, ["ann", "bob", "cyd"])
    assert payload(second[0])["predicate"]["earlier"]["records"]
    found = certificates.replay(second[0], home=world.home)
    assert found.ok, found.findings
    assert certificates.chain(world.home, "m").ok
    assert not made_by(unlearning.unlearn(world.home, "m"))


def test_everybody_may_leave(world: World) -> None:
    for one in PEOPLE:
        unlearning.withdraw(world.home, one)
    unlearning.unlearn(world.home, "m")
    assert_is_never_having_learned(world, PEOPLE)
    with models.open_model(world.home, "m") as opened:
        assert isinstance(opened.generate("x", length=3), str)


@pytest.mark.parametrize(
    ("event", "takes"),
    [
        ({"choose": {"subject": "ann", "setting": "improve", "value": "off", "at": "2024-01-01"}}, True),
        ({"withdraw": {"subject": "ann", "setting": "improve", "at": "2024-01-01"}}, True),
        ({"object": {"subject": "ann", "at": "2024-01-01"}}, True),
        ({"erase": {"subject": "ann", "at": "2024-01-01"}}, True),
        ({"withdraw": {"subject": "ann", "at": "2090-01-01"}}, True),
        ({"subject": "ann", "since": "2019-01-01", "jurisdiction": "DE"}, True),
        ({"choose": {"subject": "ann", "setting": "ads", "value": "off", "at": "2024-01-01"}}, False),
        ({"choose": {"subject": "ann", "setting": "improve", "value": "on", "at": "2024-01-01"}}, False),
        ({"subject": "ann", "since": "2019-01-01", "tier": "premium"}, False),
        ({"withdraw": {"subject": "nobody", "at": "2024-01-01"}}, False),
    ],
)
def test_what_takes_something_back(world: World, event: dict[str, Any], takes: bool) -> None:
    if "jurisdiction" in event:
        world.home.record([{"regime": {"jurisdictions": ["DE"], "regime": "prohibited"}}])
    world.home.record([event])
    # However it came into the ledger: whoever opens the model honours it first.
    assert_serves_nothing_of(world, ["ann"] if takes else [])
    assert bool(model_in(world).state().pending) is takes


def test_a_withdrawal_between_release_and_training_is_never_learned(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    world.home.record([{"withdraw": {"subject": "ann", "at": "2024-01-01"}}])
    models.train(world.home, world.releases, "m", shards=2, slices=1)
    assert_is_never_having_learned(world, ["ann"])
    assert b"ann says" not in (model_in(world).path / "corpus" / corpus.TEXT).read_bytes()


def test_a_withdrawal_while_a_model_is_trained(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[int] = []
    step = jobs.Worker.step

    def interrupted(worker: jobs.Worker) -> bool:
        done.append(1)
        if len(done) == 3:
            world.home.record([{"withdraw": {"subject": "ann", "at": "2024-01-01"}}])
        return step(worker)

    monkeypatch.setattr(jobs.Worker, "step", interrupted)
    unlearning.withdraw(world.home, "bob")
    made = made_by(unlearning.unlearn(world.home, "m"))
    assert_is_never_having_learned(world, ["ann", "bob"])
    for one in made:
        assert certificates.replay(one, home=world.home).ok


def test_a_model_of_several_releases(tmp_path: Path) -> None:
    world = make_world(tmp_path, count=15, releases=2)
    models.train(world.home, world.releases, "m", shards=3, slices=1)
    assert_is_never_having_learned(world, ())
    unlearning.withdraw(world.home, "cyd")
    (made,) = made_by(unlearning.unlearn(world.home, "m"))
    assert_is_never_having_learned(world, ["cyd"])
    assert certificates.replay(made, world.releases, keys=[world.home.public_key_path]).ok
    with pytest.raises(troth.BadInput, match="releases are needed"):
        certificates.replay(made)
    assert not certificates.replay(made, world.releases[:1]).ok


def test_communities_and_risk_classes(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    members = tmp_path / "members.csv"
    members.write_text("subject,community,risk\nann,north,1\nbob,north,0\ncyd,south,\n")
    models.train(world.home, world.releases, "m", shards=4, slices=4, members=members)
    model = model_in(world)
    frozen = models.read_frozen(model.path / models.FROZEN)
    assert frozen.communities == {"ann": "north", "bob": "north", "cyd": "south"}
    from tests.unit.learning.world import expected

    parts = expected(model.facts.the_plan(), world.records, frozen=frozen)
    assert {one.part: one.digest for one in model.state().serving} == {
        k: v.digest() for k, v in parts.items()
    }
    unlearning.withdraw(world.home, "ann")
    (made,) = made_by(unlearning.unlearn(world.home, "m"))
    parts = expected(model.facts.the_plan(), world.retained(["ann"]), frozen=frozen)
    assert {one.part: one.digest for one in model.state().serving} == {
        k: v.digest() for k, v in parts.items()
    }
    assert certificates.replay(made, home=world.home).ok
    with pytest.raises(troth.BadInput, match="frozen"):
        certificates.replay(made, world.releases, keys=[world.home.public_key_path])


def test_a_model_trained_elsewhere_is_listed_as_affected(world: World) -> None:
    models.register(world.home, world.releases, "partner", weights="ab" * 32, note="served by a partner")
    assert models.shown(world.home, "partner")["status"] == "registered"
    unlearning.withdraw(world.home, "ann")
    shown = models.shown(world.home, "partner")
    assert shown["status"] == "affected"
    assert "take it out of use" in str(shown["consequence"])
    assert (model_in(world, "partner").path / "corpus" / corpus.TEXT).read_bytes() == b""
    for refused in (unlearning.unlearn, models.open_model):
        with pytest.raises(troth.BadInput, match="elsewhere"):
            refused(world.home, "partner")


def test_what_a_legal_hold_keeps_leaves_its_place(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        models,
        "model_of",
        lambda home, name: registry.ModelFolder(models.models_path(home) / name, lambda _: "suit"),
    )
    unlearning.withdraw(world.home, "ann")
    monkeypatch.setattr(unlearning, "model_of", models.model_of)
    (made,) = made_by(unlearning.unlearn(world.home, "m"))
    assert_serves_nothing_of(world, ["ann"])
    predicate = payload(made)["predicate"]
    assert predicate["held"]
    assert predicate["destroyed"]["checkpoints_before"] == 0
    held = model_in(world).path / "held"
    assert b"ann says" in b"".join(path.read_bytes() for path in held.rglob("text-*"))
    assert b"ann" not in (model_in(world).path / "corpus" / corpus.TEXT).read_bytes()


def test_an_open_model_notices_a_withdrawal(world: World) -> None:
    with models.open_model(world.home, "m") as opened:
        before = opened.current()
        assert opened.current() is before
        world.home.record([{"withdraw": {"subject": "ann", "at": "2024-01-01"}}])
        assert opened.current() is not before
        assert model_in(world).state().pending
        unlearning.unlearn(world.home, "m")
        assert isinstance(opened.generate("bob says"), str)


def test_random_deletions_are_bit_equal(world: World) -> None:
    draw = random.Random(7)
    gone: list[str] = []
    everybody = list(PEOPLE)
    while everybody:
        some = draw.sample(everybody, min(len(everybody), draw.choice((1, 1, 2))))
        for one in some:
            everybody.remove(one)
            unlearning.withdraw(world.home, one)
        gone += some
        assert_serves_nothing_of(world, gone)
        unlearning.unlearn(world.home, "m")
        assert_is_never_having_learned(world, gone)


# what cannot be


def test_training_is_refused_what_is_not_sealed(world: World, tmp_path: Path) -> None:
    copy = shutil.copytree(world.releases[0], tmp_path / "copy")
    data = next(copy.glob("data/*.parquet"))
    data.write_bytes(data.read_bytes()[:-1] + b"x")
    with pytest.raises(troth.Refused, match="altered"):
        models.train(world.home, [copy], "other")
    assert not (models.models_path(world.home) / "other").exists()
    with pytest.raises(troth.BadInput, match="there already"):
        models.train(world.home, world.releases, "m")
    with pytest.raises(troth.BadInput, match="twice"):
        models.train(world.home, [*world.releases, *world.releases], "other")
    with pytest.raises(troth.BadInput, match="one release"):
        models.train(world.home, [], "other")
    with pytest.raises(troth.BadInput, match="no model"):
        models.shown(world.home, "nothing")
    with pytest.raises(troth.BadInput, match="name"):
        models.shown(world.home, "../m")


def test_two_workers_do_not_meet(world: World) -> None:
    with model_in(world).working(), pytest.raises(troth.Conflict, match="another process"):
        unlearning.unlearn(world.home, "m")
    with model_in(world).working():
        unlearning.withdraw(world.home, "ann")  # and a withdrawal never waits for one
        assert_serves_nothing_of(world, ["ann"])


@pytest.mark.parametrize("name", [registry.STATE, registry.MODEL])
def test_a_damaged_state_is_said(world: World, name: str) -> None:
    path = model_in(world).path / name
    path.write_text(path.read_text().replace('"format": 1', '"format": 2'))
    with pytest.raises(troth.BadInput, match="newer"):
        models.shown(world.home, "m")
    for text in ("{", '{"format": 1}', "[]"):
        path.write_text(text)
        with pytest.raises(troth.Corrupt):
            models.shown(world.home, "m")


def test_a_damaged_text_is_noticed(world: World) -> None:
    path = model_in(world).path / "corpus" / corpus.TEXT
    path.write_bytes(path.read_bytes().replace(b"says", b"SAYS"))
    with pytest.raises(troth.Corrupt, match="not what it was"):
        unlearning.withdraw(world.home, "ann")


# cut off anywhere


class Killed(BaseException):
    """Stands for the end of the process."""


POINTS: tuple[tuple[Any, str], ...] = (
    (registry, "write_durably"),
    (registry, "save"),
    (registry.ModelFolder, "keep"),
    (registry.ModelFolder, "destroy"),
    (corpus, "overwrite"),
)


def kill_at(monkeypatch: pytest.MonkeyPatch, count: int, after: bool) -> Callable[[], int]:
    """Have the process die before or after the call of that number to anything that changes the disk."""
    calls = [0]

    def wrap(real: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any, **named: Any) -> Any:
            calls[0] += 1
            this = calls[0]
            if this == count and not after:
                raise Killed
            found = real(*args, **named)
            if this == count:
                raise Killed
            return found

        return called

    for owner, name in POINTS:
        monkeypatch.setattr(owner, name, wrap(getattr(owner, name)))
    return lambda: calls[0]


EVERY = int(os.environ.get("TROTH_CUT_OFF_EVERY", "4"))
"""Of the points at which it can be cut off, every fourth is tried here; acceptance tries all."""


@pytest.mark.parametrize("after", [False, True])
def test_cut_off_anywhere_it_serves_nothing_wrong_and_completes(
    trained: World, tmp_path: Path, after: bool
) -> None:
    count, was_killed = -EVERY * after // 2, True
    while was_killed:
        count += EVERY
        path = tmp_path / str(count)
        shutil.copytree(trained.home.path, path)
        world = World(troth.open(path), trained.releases, trained.records)
        with pytest.MonkeyPatch.context() as patch:
            kill_at(patch, count, after)
            try:
                unlearning.withdraw(world.home, "ann")
                unlearning.unlearn(world.home, "m")
                was_killed = False
            except Killed:
                pass
        assert_serves_nothing_of(world, ["ann"])
        unlearning.unlearn(world.home, "m")
        assert_is_never_having_learned(world, ["ann"])
        (made,) = [model_in(world).path / one for one in model_in(world).state().certificates]
        assert certificates.verify(made).ok
        assert certificates.chain(world.home, "m").ok
        with world.home.reading() as ledger:
            acts = [
                one for one in ledger.entries() if isinstance(one.what, Act) and one.what.type == "unlearning"
            ]
        assert len(acts) == 1
        shutil.rmtree(path)
    assert count > 20


def test_training_cut_off_goes_on(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry.ModelFolder, "keep", lambda *_: (_ for _ in ()).throw(Killed()))
        with pytest.raises(Killed):
            models.train(world.home, world.releases, "m", shards=2, slices=1)
    with models.open_model(world.home, "m") as opened, pytest.raises(troth.Unavailable, match="trained"):
        opened.current()
    models.train(world.home, [], "m")
    assert_is_never_having_learned(world, ())
    assert served(model_in(world)).digest()
