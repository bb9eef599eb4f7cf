"""Go's own packages, which many logs are read with, verify what Troth writes, and refuse it altered."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support import ROOT, require
from tests.unit.ledger.logs import LOG_KEY, cosigners, ledger_of, objections, tilelog, witness
from troth.core.tiles import Frontier, bundle_path, static_tree, tile_path

PACKAGES = Path("/usr/share/gocode")


@pytest.fixture(scope="session")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The verifier, built against Debian's packages alone: nothing is fetched."""
    require(shutil.which("go"), "go (Debian: golang-go)")
    require((PACKAGES / "src/golang.org/x/mod").is_dir(), "Debian's golang-golang-x-mod-dev")
    built = tmp_path_factory.mktemp("go")
    environment = {
        **os.environ,
        "GO111MODULE": "off",
        "GOPATH": str(PACKAGES),
        "GOFLAGS": "",
        "GOCACHE": str(built / "cache"),
    }
    command = ["go", "build", "-o", str(built / "verify"), str(ROOT / "tests/go/main.go")]
    subprocess.run(command, check=True, env=environment, timeout=120)
    return built / "verify"


def holds(verifier: Path, *arguments: object) -> bool:
    ran = subprocess.run(
        [verifier, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ran.returncode == 0) == (ran.stdout == "holds\n"), ran
    return ran.returncode == 0


@pytest.mark.parametrize("count", [1, 256, 700])
def test_go_verifies_a_log_with_its_proofs(count: int, verifier: Path, tmp_path: Path) -> None:
    log = tilelog(tmp_path)
    with witness(tmp_path) as one, ledger_of(tmp_path / "l.sqlite3", count) as ledger:
        log.publish(ledger, cosigners(one))
        assert holds(verifier, tmp_path / "log", LOG_KEY)
        for position in {0, count // 2, count - 1}:
            data = log.receipt(next(ledger.public(position, position + 1)), position).write()
            (tmp_path / "receipt").write_bytes(data)
            assert holds(verifier, "-proof", tmp_path / "receipt", LOG_KEY)
            (tmp_path / "receipt").write_bytes(data.replace(b"index ", b"index 1"))
            assert not holds(verifier, "-proof", tmp_path / "receipt", LOG_KEY)
        # And after it has grown.
        ledger.append(objections(60))
        log.publish(ledger, cosigners(one))
        assert holds(verifier, tmp_path / "log", LOG_KEY)


def test_go_refuses_what_was_altered(verifier: Path, tmp_path: Path) -> None:
    log = tilelog(tmp_path)
    with ledger_of(tmp_path / "l.sqlite3", 300) as ledger:
        log.publish(ledger)
    for name in ("checkpoint", tile_path(0, 0), tile_path(0, 1, 44), tile_path(1, 0, 1), bundle_path(0)):
        file = tmp_path / "log" / name
        data = file.read_bytes()
        file.write_bytes(data[:40] + bytes([data[40] ^ 1]) + data[41:] if len(data) > 40 else data[:1] + data)
        assert not holds(verifier, tmp_path / "log", LOG_KEY), name
        file.write_bytes(data)
    assert holds(verifier, tmp_path / "log", LOG_KEY)


def test_go_verifies_a_static_tree(verifier: Path, tmp_path: Path) -> None:
    """As the sets of releases are: a power of two of entries, some of them empty."""
    frontier = Frontier()
    for name, data in static_tree(
        (b"" if one % 3 else b"bucket %d" % one for one in range(1 << 10)), frontier
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    assert holds(verifier, "-tree", tmp_path, frontier.size, frontier.root().hex())
    assert not holds(verifier, "-tree", tmp_path, frontier.size, bytes(32).hex())
