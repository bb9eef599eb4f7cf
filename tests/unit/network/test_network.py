import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import troth_network
from troth_network import Network, build

PACKAGE = Path(troth_network.__file__).parent
DIGEST = "from troth_network import build; print(build(members=60, records=200, seed=5).digest())"


def test_the_same_seed_gives_the_same_network(small: Network) -> None:
    again = build(members=300, records=1_500, seed=7)
    assert again == small
    assert again.digest() == small.digest()


def test_another_seed_gives_another_network(small: Network) -> None:
    assert build(members=300, records=1_500, seed=8).digest() != small.digest()


def test_hash_randomisation_changes_nothing() -> None:
    digests = {
        subprocess.run(
            [sys.executable, "-c", DIGEST],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(PACKAGE.parent)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("0", "1", "4242")
    }
    assert digests == {build(members=60, records=200, seed=5).digest()}


def test_one_seed_is_one_world_on_every_python_that_we_support() -> None:
    # A change here is fine when the network changed on purpose. It is not fine when Python did.
    assert build(members=60, records=200, seed=5).digest()[:16] == "8aefd3f3d18af7e9"


def test_a_network_needs_a_member() -> None:
    with pytest.raises(ValueError, match="at least one member"):
        build(members=0)


@pytest.mark.parametrize("records", [0, 1])
def test_the_smallest_networks_work(records: int) -> None:
    tiny = build(members=1, records=records)
    assert len(tiny.members) == 1
    assert tiny.table().num_rows == records


def test_the_package_keeps_to_its_1500_lines() -> None:
    lines = sum(len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py"))
    assert 500 < lines <= 1_500


def test_of_troth_only_the_public_package_is_imported() -> None:
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            found |= {name for name in names if name == "troth" or name.startswith("troth.")}
    assert found == {"troth"}
