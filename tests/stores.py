"""Stores of the tests' own: an S3 server on the loopback interface, an Iceberg catalog in a folder."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support import ROOT

KEYS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing-secret",
    "AWS_DEFAULT_REGION": "us-east-1",
}


def s3_program() -> str | None:
    """The server: of an environment of its own (it asks for older libraries than ours), or on PATH."""
    own = ROOT / ".venv" / "s3" / "bin" / "moto_server"
    return str(own) if own.exists() else shutil.which("moto_server")


@contextmanager
def s3(program: str) -> Iterator[str]:
    """A server that holds nothing; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [program, "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **KEYS},
    )
    try:
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if process.poll() is not None:
                raise RuntimeError("the S3 server ended")
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def iceberg_catalog(folder: Path) -> dict[str, str]:
    """The variables of a catalog called ``local`` in a folder."""
    warehouse = folder / "warehouse"
    warehouse.mkdir(parents=True, exist_ok=True)
    return {
        "PYICEBERG_CATALOG__LOCAL__TYPE": "sql",
        "PYICEBERG_CATALOG__LOCAL__URI": f"sqlite:///{folder}/catalog.db",
        "PYICEBERG_CATALOG__LOCAL__WAREHOUSE": warehouse.as_uri(),
    }
