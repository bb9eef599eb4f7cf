"""One function checks whatever Troth hands out: the command and `troth.verify` find the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import troth
from tests.unit.cli.running import troth as command
from tests.unit.learning.world import made_by, make_world
from troth.app import directories, logs, models, proofs, unlearning
from troth.core.presence import write_secret


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one of each thing that can be checked, and what it takes to check it."""
    folder = tmp_path_factory.mktemp("things")
    world = make_world(folder)
    models.train(world.home, world.releases, "m", shards=1, slices=1)
    position = unlearning.withdraw(world.home, "ann")["receipts"][0]["position"]
    (certificate,) = made_by(unlearning.unlearn(world.home, "m"))
    (folder / "certificate").write_bytes(certificate.read_bytes())
    (folder / "proof").write_bytes(proofs.prove(world.home, str(folder / "r0"), "bob").data)
    (folder / "secret").write_bytes(write_secret(directories.need_account(world.home, "bob").credential))
    (folder / "receipt").write_bytes(logs.receipt(world.home, position).write())
    for name in ("log/checkpoint", "log.policy", "keys/operator.pub"):
        (folder / Path(name).name).write_bytes((world.home.path / name).read_bytes())
    return folder


NAMED = {"keys": "--key", "policy": "--policy", "release": "--release-manifest", "secret": "--secret"}


@pytest.mark.parametrize(
    ("thing", "kind", "named"),
    [
        ("r0", "release", {"keys": "operator.pub"}),
        ("proof", "presence", {"keys": "operator.pub", "release": "r0", "secret": "secret"}),
        ("certificate", "certificate", {"keys": "operator.pub", "policy": "log.policy"}),
        ("receipt", "tlog-proof", {"policy": "log.policy"}),
        ("checkpoint", "checkpoint", {"policy": "log.policy"}),
    ],
)
def test_each_thing_is_checked_as_what_it_is(
    folder: Path, tmp_path: Path, thing: str, kind: str, named: dict[str, str]
) -> None:
    given: dict[str, Any] = {name: folder / value for name, value in named.items()}
    options: Sequence[object] = [part for name in named for part in (NAMED[name], given[name])]
    given |= {"keys": [given["keys"]]} if "keys" in given else {}
    found = troth.verify(folder / thing, **given)
    assert (found.kind, found.ok) == (kind, True)
    assert command("verify", folder / thing, *options, "--json").json == found.as_json()
    if thing == "r0":
        return
    data = bytearray((folder / thing).read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / thing).write_bytes(data)
    found = troth.verify(tmp_path / thing, **given)
    assert not found.ok
    ran = command("verify", tmp_path / thing, *options, "--json")
    assert (ran.status, ran.json) == (1, found.as_json())


def test_what_a_check_needs_has_to_be_named(folder: Path) -> None:
    for thing, option in (
        ("proof", "--release-manifest"),
        ("receipt", "--policy"),
        ("checkpoint", "--policy"),
    ):
        with pytest.raises(troth.BadInput, match=option):
            troth.verify(folder / thing)
