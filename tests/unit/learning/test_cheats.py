"""What an operator might try, and who catches it: the check of the certificate, its replay, or the model's chain."""

from __future__ import annotations

import importlib.resources
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import troth
from tests.unit.learning.world import World, make_world, model_in
from troth.app import certificates, logs, models, unlearning
from troth.core import certificate as core
from troth.core.absence import climb, is_absent, neighbours, path_of
from troth.core.certificate import Certificate, Leaves, Withdrawal
from troth.core.merkle import leaf_hash, root
from troth.core.proof import parse_proof
from troth.core.verify import read_envelope
from troth.learning import jobs, statements
from troth.learning.corpus import Corpus
from troth.learning.counts import table as tables
from troth.learning.counts.model import small_table
from troth.release.sign import load_signer, seal_statement


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world with a model that somebody left, and a second model that somebody left."""
    world = make_world(tmp_path_factory.mktemp("world"))
    for name in ("m", "other"):
        models.train(world.home, world.releases, name, shards=2, slices=2)
    unlearning.withdraw(world.home, "ann")
    for name in ("m", "other"):
        unlearning.unlearn(world.home, name)
    return world


@pytest.fixture
def world(done: World, tmp_path: Path) -> World:
    path = tmp_path / "home"
    shutil.copytree(done.home.path, path)
    return World(troth.open(path), done.releases, done.records)


def certificate_of(world: World, name: str = "m") -> Path:
    model = model_in(world, name)
    return model.path / model.state().certificates[-1]


def read(path: Path) -> Certificate:
    return core.parse_statement(read_envelope(path.read_bytes(), "it").payload, "it")


def signed(world: World, found: Certificate, path: Path) -> Path:
    """The certificate again with other content, signed by the operator, who is the one that cheats."""
    path.write_bytes(seal_statement(core.build_statement(found), load_signer(world.home.key_path)))
    return path


def _all_but_one(removed: Leaves) -> Leaves:
    assert removed.listed is not None
    return Leaves.of([bytes.fromhex(one) for one in removed.listed[1:]], inside=True)


def said(findings: Any) -> str:
    return " | ".join(one.what for one in findings.findings if one.level == "error")


def test_an_honest_certificate_holds(world: World) -> None:
    path = certificate_of(world)
    assert certificates.verify(path, [world.home.public_key_path]).ok
    assert certificates.replay(path, home=world.home).ok
    assert troth.verify(path).ok


def test_a_certificate_is_of_its_schema(world: World) -> None:
    text = importlib.resources.files("troth.schemas").joinpath("certificate.schema.json").read_text("utf-8")
    schema = json.loads(text)
    Draft202012Validator.check_schema(schema)
    found = json.loads(read_envelope(certificate_of(world).read_bytes(), "it").payload)
    Draft202012Validator(schema).validate(found)
    del found["predicate"]["not_claimed"]
    assert not Draft202012Validator(schema).is_valid(found)


def test_any_changed_byte_is_noticed(world: World, tmp_path: Path) -> None:
    path, key = certificate_of(world), [world.home.public_key_path]
    data = path.read_bytes()
    for at in range(40, len(data), len(data) // 60):
        changed = bytearray(data)
        changed[at] ^= 1
        (tmp_path / "changed.json").write_bytes(changed)
        assert not certificates.verify(tmp_path / "changed.json", key).ok, at
    stranger = troth.init(tmp_path / "stranger")
    assert "no trusted key" in said(certificates.verify(path, [stranger.public_key_path]))
    (tmp_path / "alone.json").write_bytes(data)
    assert "no key" in said(certificates.verify(tmp_path / "alone.json"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda one: replace(one, digest=one.digest_before), "the one from before"),
        (lambda one: replace(one, parts=()), "no part was trained again"),
        (lambda one: replace(one, parts=(*one.parts, one.parts[0])), "there twice"),
        (
            lambda one: replace(one, parts=(replace(one.parts[0], shard=9), *one.parts[1:])),
            "no part of the plan",
        ),
        (
            lambda one: replace(one, parts=tuple(replace(p, after=p.before or "") for p in one.parts)),
            "than before",
        ),
        (
            lambda one: replace(one, parts=(replace(one.parts[0], starts_from="ab" * 32), *one.parts[1:])),
            "never does",
        ),
        (lambda one: replace(one, destroyed=0), "were destroyed"),
        (lambda one: replace(one, withdrawals=()), "nothing was taken out"),
        (lambda one: replace(one, absent=one.absent[1:]), "other leaves"),
        (lambda one: replace(one, received="2026-01-01T00:30:00Z"), "on the hour"),
        (lambda one: replace(one, clean_after=10**9), "before it was clean"),
        (lambda one: replace(one, removed=replace(one.removed, root="ab" * 32)), "not that of the leaves"),
        (lambda one: replace(one, removed=replace(one.removed, records=1)), "not as many"),
    ],
)
def test_what_contradicts_itself_is_noticed(
    world: World, tmp_path: Path, change: Callable[[Certificate], Certificate], message: str
) -> None:
    path = signed(world, change(read(certificate_of(world))), tmp_path / "signed.json")
    assert message in said(certificates.verify(path, [world.home.public_key_path]))


def of_another_entry(world: World, one: Withdrawal) -> Withdrawal:
    return replace(one, proof=logs.receipt(world.home, one.position - 1).write().decode())


def of_a_copied_index(_world: World, one: Withdrawal) -> Withdrawal:
    return replace(one, proof=(one.proof or "").replace(f"index {one.position}", f"index {one.position - 1}"))


def without_a_hash(_world: World, one: Withdrawal) -> Withdrawal:
    head, _, note = (one.proof or "").partition("\n\n")
    return replace(one, proof=head.rpartition("\n")[0] + "\n\n" + note)


def of_another_log(_world: World, one: Withdrawal) -> Withdrawal:
    return replace(one, proof=(one.proof or "").replace("troth-log/", "other-log/"))


def with_another_hour(_world: World, one: Withdrawal) -> Withdrawal:
    return replace(one, time="2020-01-01T00:00:00Z")


def of_nothing(_world: World, one: Withdrawal) -> Withdrawal:
    return replace(one, proof="c2sp.org/tlog-proof@v1\nindex 1\n")


def test_withdrawals_are_proved_to_be_in_the_log(world: World, tmp_path: Path) -> None:
    path, home = certificate_of(world), world.home
    (one,) = read(path).withdrawals
    assert one.proof is not None
    assert (
        parse_proof(one.proof.encode()).extra == parse_proof(logs.receipt(home, one.position).write()).extra
    )
    found = troth.verify(path, [home.public_key_path], policy=home.policy_path)
    assert found.ok
    assert "1 withdrawals are in the log that the policy trusts" in [one.what for one in found.findings]
    alone = troth.verify(path, [home.public_key_path])
    assert alone.ok
    assert [one.level for one in alone.findings if "--policy" in one.what] == ["warning"]
    stranger = troth.init(tmp_path / "stranger")
    assert not troth.verify(path, [home.public_key_path], policy=stranger.policy_path).ok


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (of_another_entry, "about another entry"),
        (of_a_copied_index, "about another entry"),
        (with_another_hour, "about another entry"),
        (without_a_hash, "does not lead to the log's root"),
        (of_nothing, "is no proof file"),
        (of_another_log, None),
    ],
)
def test_a_proof_of_something_else_is_noticed(
    world: World,
    tmp_path: Path,
    change: Callable[[World, Withdrawal], Withdrawal],
    message: str | None,
) -> None:
    honest = read(certificate_of(world))
    cheated = replace(honest, withdrawals=tuple(change(world, one) for one in honest.withdrawals))
    path, keys = signed(world, cheated, tmp_path / "signed.json"), [world.home.public_key_path]
    found = troth.verify(path, keys, policy=world.home.policy_path)
    assert not found.ok
    # Whose log it is only a policy tells; all else is noticed without one.
    assert troth.verify(path, keys).ok == (message is None)
    assert message is None or message in said(found)


def test_a_certificate_of_a_home_without_a_log_says_that_nothing_is_proved(
    world: World, tmp_path: Path
) -> None:
    honest = read(certificate_of(world))
    bare = replace(honest, withdrawals=tuple(replace(one, proof=None) for one in honest.withdrawals))
    path = signed(world, bare, tmp_path / "signed.json")
    found = troth.verify(path, [world.home.public_key_path], policy=world.home.policy_path)
    assert found.ok
    assert any("1 of 1 withdrawals carry no proof" in one.what for one in found.findings)


def test_proofs_of_many_withdrawals_leave_a_certificate_small(world: World, tmp_path: Path) -> None:
    honest = read(certificate_of(world))
    (one,) = honest.withdrawals
    many = replace(honest, withdrawals=tuple(replace(one, position=at, proof=None) for at in range(100)))
    statement = statements._proved(many, lambda _position: one.proof)
    proofs = [each.proof for each in core.parse_statement(statement, "it").withdrawals]
    some = sum(proof is not None for proof in proofs)
    assert 5 < some < 100
    assert proofs == [one.proof] * some + [None] * (100 - some)
    (tmp_path / "many.json").write_bytes(seal_statement(statement, load_signer(world.home.key_path)))
    assert 40_000 < (tmp_path / "many.json").stat().st_size < core.MAX_BYTES


def test_a_record_that_was_kept(world: World) -> None:
    """The operator leaves one record of the member in the training."""
    real, kept = Corpus.in_part, []

    def cheating(corpus: Corpus, part: Any, without: Any = ()) -> Any:
        left = sorted(without)
        kept.extend(left[:1])
        return real(corpus, part, left[1:])

    unlearning.withdraw(world.home, "bob")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Corpus, "in_part", cheating)
        patch.setattr(jobs.Worker, "_compare", _skip_comparing)
        unlearning.unlearn(world.home, "m")
    assert kept
    found = certificates.replay(certificate_of(world), home=world.home)
    # Either its leaf is one of those whose absence has to be shown, or the replay finds it.
    assert "not shown to be absent" in said(found) or "what is retained is not" in said(found)


def test_a_leaf_that_is_not_listed(world: World, tmp_path: Path) -> None:
    one = read(certificate_of(world))
    path = signed(world, replace(one, removed=_all_but_one(one.removed)), tmp_path / "fewer.json")
    found = certificates.replay(path, world.releases, keys=[world.home.public_key_path])
    assert "what is retained is not" in said(found) or "other leaves" in said(found)


def _skip_comparing(worker: jobs.Worker, *_: object) -> None:
    with worker.model.changing() as state:
        assert state.job is not None
        state.job.compared = True


def test_subtracting_and_counting_must_agree(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even the operator's own machine notices a part that was not counted as it should be."""
    unlearning.withdraw(world.home, "bob")
    monkeypatch.setattr(tables, "counted", lambda order, *_: small_table(iter([b"something else"]), order))
    with pytest.raises(troth.Corrupt, match="differ"):
        unlearning.unlearn(world.home, "m")


def test_a_checkpoint_of_other_data(world: World, tmp_path: Path) -> None:
    """A swapped base, another order, a hidden merge: whatever was done, the digest is another."""
    one = read(certificate_of(world))
    swapped = replace(one, parts=(replace(one.parts[0], after="cd" * 32), *one.parts[1:]))
    path = signed(world, swapped, tmp_path / "swapped.json")
    assert certificates.verify(path, [world.home.public_key_path]).ok
    assert "trained again it is" in said(
        certificates.replay(path, world.releases, keys=[world.home.public_key_path])
    )


def test_another_order_or_place(world: World, tmp_path: Path) -> None:
    """A plan with another key puts records elsewhere."""
    one = read(certificate_of(world))
    path = signed(world, replace(one, plan=replace(one.plan, key=bytes(32))), tmp_path / "plan.json")
    found = certificates.replay(path, world.releases, keys=[world.home.public_key_path])
    assert "what is retained is not" in said(found)


def test_a_part_that_was_not_redone(world: World, tmp_path: Path) -> None:
    one = read(certificate_of(world))
    assert len(one.parts) > 1
    first = (one.parts[0].shard, one.parts[0].slice)
    absent = tuple(each for each in one.absent if (each.shard, each.slice) != first)
    fewer = replace(one, parts=one.parts[1:], absent=absent)
    path = signed(world, fewer, tmp_path / "fewer.json")
    key = [world.home.public_key_path]
    found = certificates.verify(path, key)
    found = certificates.replay(path, world.releases, keys=key) if found.ok else found
    assert "was not trained again" in said(found) or "other leaves" in said(found)


def test_the_old_model_is_served_still(world: World) -> None:
    model = model_in(world)
    path = model.path / model.state().serving[0].path
    tables.write(small_table(iter([b"ann says yes"]), 8), path)
    assert "files were exchanged" in said(certificates.replay(certificate_of(world), home=world.home))
    state = json.loads((model.path / "state.json").read_text())
    state["serving"][0]["digest"] = tables.read(path).digest()
    (model.path / "state.json").write_text(json.dumps(state))
    assert "another model" in said(certificates.replay(certificate_of(world), home=world.home))
    assert "another model" in said(certificates.chain(world.home, "m"))


def test_the_certificate_of_another_model(world: World) -> None:
    shutil.copy(certificate_of(world, "other"), certificate_of(world))
    assert "another model" in said(certificates.chain(world.home, "m"))


def test_another_release(world: World, tmp_path: Path) -> None:
    from tests.unit.learning.world import USE

    path = tmp_path / "one.parquet"
    shutil.copy(world.releases[0].parent / "records-0.parquet", path)
    other = world.home.release(USE, out=tmp_path / "r", records=str(path)).sealed.path
    found = certificates.replay(certificate_of(world), [other], keys=[world.home.public_key_path])
    assert "not those that the certificate names" in said(found)


def test_many_leaves_lie_beside_it(tmp_path: Path) -> None:
    world = make_world(tmp_path, count=600)
    models.train(world.home, world.releases, "m", shards=3, slices=1)
    unlearning.withdraw(world.home, "ann")
    unlearning.unlearn(world.home, "m")
    path = certificate_of(world)
    beside = jobs.leaves_beside(path)
    assert read(path).removed.listed is None
    assert path.stat().st_size < 50_000
    assert certificates.replay(path, home=world.home).ok
    data = beside.read_bytes()
    beside.write_bytes(data[32:] + data[:32])
    assert "not sorted" in said(certificates.verify(path))
    beside.unlink()
    assert certificates.verify(path).ok
    with pytest.raises(troth.BadInput, match="leaves"):
        certificates.replay(path, home=world.home)


# absence


@pytest.mark.parametrize("size", range(9))
def test_absence_is_shown_and_nothing_else_is(size: int) -> None:
    leaves = sorted(leaf_hash(bytes([one])) for one in range(size))
    tree = root(leaves)
    for index, leaf in enumerate(leaves):
        assert climb(leaf, index, size, path_of(leaves, index)) == tree
        assert climb(leaf, index + 1, size, path_of(leaves, index)) != tree
        assert neighbours(leaves, leaf) is None
    for name in range(100, 120):
        gone = leaf_hash(bytes([name]))
        beside = neighbours(leaves, gone)
        assert beside is not None
        assert is_absent(gone, beside, size, tree)
        if size:
            assert not is_absent(gone, (), size, tree)
            assert not is_absent(gone, beside, size, leaf_hash(b"x"))
            assert not is_absent(beside[0].leaf, beside, size, tree)
            assert not any(is_absent(gone, [one], size, tree) for one in beside if len(beside) == 2)
