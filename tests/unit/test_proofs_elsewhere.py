"""Other implementations agree: the ES module on shared vectors, Go's tile log on the buckets."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.support import ROOT, require
from tests.unit.core.setworld import SIGNER, World, check, credential, envelope_of, opened, signed
from tests.unit.core.test_presence import FORGERIES, SIGNED, WORLD
from troth.core.presence import Proof
from troth.core.sets import Credential
from troth.core.tiles import static_tree

VECTORS = ROOT / "tests" / "golden" / "proofs.json"
UPDATE = os.environ.get("TROTH_UPDATE_GOLDEN") == "1"

GOOD = {
    "presence": WORLD.proof(8),
    "presence without entries": WORLD.proof(10),
    "presence with rows": WORLD.proof(8, rows=True),
    "absence": WORLD.proof(9),
}


def forged() -> dict[str, bytes]:
    """Proofs that must be refused."""
    found = {name: proof.write() for name, (proof, _) in FORGERIES.items()}
    data = GOOD["presence with rows"].write()
    found["no newline"] = data.rstrip()
    found["spaces"] = data.replace(b'","', b'", "', 1)
    found["escaped"] = data.replace(b'"claim"', b'"\\u0063laim"')
    found["a key twice"] = data.replace(b'{"account"', b'{"account":"","account"')
    found["a number with a point"] = data.replace(b'"rows":2', b'"rows":2.0', 1)
    found["nothing"] = b""
    row = opened(8)[0]
    for name, canonical in {"a row cut off": row.row[:-1], "a row with more": row.row + b"-"}.items():
        altered = (replace(row, row=canonical), *opened(8)[1:])
        found[name] = replace(GOOD["presence with rows"], rows=altered).write()
    return found


def vectors() -> dict[str, Any]:
    """All of it as JSON."""

    def case(name: str, data: bytes, *, ok: bool) -> dict[str, Any]:
        return {"name": name, "ok": ok, "proof": base64.b64encode(data).decode()}

    return {
        "key": SIGNER.public_key.keyval["public"],
        "manifest": envelope_of(WORLD.manifest).decode(),
        "proofs": [
            *(case(name, proof.write(), ok=True) for name, proof in GOOD.items()),
            *(case(name, data, ok=False) for name, data in forged().items()),
        ],
    }


@cache
def kept() -> dict[str, Any]:
    if UPDATE:
        VECTORS.write_text(json.dumps(vectors(), indent=1) + "\n")
    found: dict[str, Any] = json.loads(VECTORS.read_text())
    return found


def test_the_vectors_are_the_ones_written_down() -> None:
    """Formats that members keep files of do not change by the way."""
    assert kept() == vectors()


def test_python_passes_the_vectors() -> None:
    for one in kept()["proofs"]:
        assert check(base64.b64decode(one["proof"]), SIGNED).ok is one["ok"], one["name"]


def ask_node(cases: dict[str, Any]) -> list[dict[str, Any]]:
    node = shutil.which("node")
    require(node, "node")
    script = str(ROOT / "tests" / "js" / "proofs.mjs")
    done = subprocess.run(
        [str(node), script], input=json.dumps(cases), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_the_module_for_browsers_passes_the_vectors() -> None:
    for one, answer in zip(kept()["proofs"], ask_node(kept()), strict=True):
        assert answer["ok"] is one["ok"], (one["name"], answer)
        if one["ok"]:
            assert answer["claim"] == one["name"].split()[0]


def flipped(data: bytes, step: int) -> list[bytes]:
    found = []
    for number, place in enumerate(range(0, len(data), step)):
        altered = bytearray(data)
        altered[place] ^= 1 << number % 8
        found.append(bytes(altered))
    return found


@pytest.mark.parametrize("name", ["presence", "absence"])
def test_the_module_for_browsers_refuses_altered_bytes(name: str) -> None:
    proofs = flipped(GOOD[name].write(), 3)
    cases = kept() | {"proofs": [{"proof": base64.b64encode(one).decode()} for one in proofs]}
    assert not any(answer["ok"] for answer in ask_node(cases))


def test_the_module_for_browsers_refuses_an_altered_manifest() -> None:
    proof = base64.b64encode(GOOD["presence"].write()).decode()
    for altered in flipped(envelope_of(WORLD.manifest), 499):
        if not altered.isascii():
            continue
        [answer] = ask_node(kept() | {"manifest": altered.decode(), "proofs": [{"proof": proof}]})
        assert not answer["ok"]


def test_the_module_for_browsers_wants_the_right_key() -> None:
    proof = base64.b64encode(GOOD["presence"].write()).decode()
    [answer] = ask_node(kept() | {"key": "00" * 32, "proofs": [{"proof": proof}]})
    assert not answer["ok"]


def build_go(folder: Path) -> Path:
    packages = Path("/usr/share/gocode/src/golang.org/x/mod/sumdb/tlog")
    require(shutil.which("go") and packages.is_dir(), "Go with golang.org/x/mod")
    program = folder / "buckets"
    settings = {
        "GO111MODULE": "off",
        "GOPATH": "/usr/share/gocode",
        "GOFLAGS": "",
        "GOCACHE": str(folder / "cache"),
    }
    environment = {**os.environ, **settings}
    source = ROOT / "tests" / "go" / "buckets"
    subprocess.run(
        ["go", "build", "-o", str(program), "."], cwd=source, env=environment, check=True, timeout=240
    )
    return program


@pytest.mark.slow
def test_go_verifies_the_buckets(tmp_path: Path) -> None:
    program = build_go(tmp_path)
    crowd = World(present=range(1700), everybody=range(2000))
    for tree in (WORLD.chosen, WORLD.directory, crowd.chosen, crowd.directory, World([1], [1, 2]).chosen):
        place = tmp_path / tree.root.hex()
        for path, data in static_tree(tree.entries):
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            (place / path).write_bytes(data)
        size = len(tree.entries)
        asked = [str(program), str(place), str(size), tree.root.hex()]
        done = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stdout) == (0, f"{size} buckets hold\n"), done.stderr

        # And it is no yes-man.
        bundle = next(path for path in (place / "tile/entries").rglob("*") if path.is_file())
        altered = bytearray(bundle.read_bytes())
        altered[5] ^= 1
        bundle.write_bytes(altered)
        assert subprocess.run(asked, capture_output=True, timeout=60, check=False).returncode == 1


def test_another_credential_is_another_place() -> None:
    own: Proof = WORLD.proof(9)
    thief = Credential(own.credential.account, credential(8).secret)
    assert not check(replace(own, credential=thief).write(), signed(WORLD.manifest)).ok
