"""That the test suite's own rules hold: every other test leans on them."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support import ROOT

SKIPPING = {
    "require": "from tests.support import require\ndef test_it() -> None:\n    require(False, 'a thing')\n",
    "skip": "import pytest\ndef test_it() -> None:\n    pytest.skip('a thing')\n",
    "skipif": "import pytest\n@pytest.mark.skipif(True, reason='a thing')\ndef test_it() -> None: ...\n",
    "importorskip": "import pytest\npytest.importorskip('a_thing')\ndef test_it() -> None: ...\n",
    "mark": "import pytest\n@pytest.mark.needs_strace\ndef test_it() -> None: ...\n",
}
EXPECTED_FAILURE = "import pytest\n@pytest.mark.xfail\ndef test_it() -> None:\n    assert 0\n"
# Not an address that the tests may reach, and yet on this machine, should the guard ever fail.
CONNECTING = (
    "import socket\ndef test_it() -> None:\n    socket.create_connection(('127.0.0.2', 9), timeout=1)\n"
)


def run_pytest(
    folder: Path, bodies: dict[str, str], *options: str, require_all: bool
) -> subprocess.CompletedProcess[str]:
    """Run test files in a folder of their own, under the project's configuration and conftest."""
    for name, body in bodies.items():
        (folder / f"test_{name}.py").write_text(body)
    ours = ["-c", str(ROOT / "pyproject.toml"), "-p", "tests.conftest", "--rootdir", str(folder)]
    quiet = ["-q", "-rsfE", "-p", "no:cacheprovider"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *ours, *quiet, *options, str(folder)],
        cwd=ROOT,
        # No PATH: strace is not to be found.
        env=os.environ | {"TROTH_REQUIRE_ALL": "1" if require_all else "0", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_skip_says_why_and_the_network_is_closed(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, SKIPPING | {"connect": CONNECTING}, require_all=False)
    assert f"1 failed, {len(SKIPPING)} skipped" in done.stdout
    assert "SocketConnectBlockedError" in done.stdout
    assert "missing: a thing" in done.stdout
    assert "missing: strace" in done.stdout


def test_a_skip_fails_where_everything_is_required(tmp_path: Path) -> None:
    # With a worker, as the tests are run; a file that fails while it is read must not stop the others.
    options = ("-n", "1", "--continue-on-collection-errors")
    done = run_pytest(tmp_path, SKIPPING | {"xfail": EXPECTED_FAILURE}, *options, require_all=True)
    assert done.returncode != 0
    assert "skipped" not in done.stdout
    assert "passed" not in done.stdout
    assert "1 xfailed" in done.stdout  # it did run
    for name in SKIPPING:
        assert f"test_{name}.py" in done.stdout
    assert done.stdout.count("TROTH_REQUIRE_ALL=1") >= len(SKIPPING)
