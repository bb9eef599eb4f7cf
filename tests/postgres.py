"""A PostgreSQL of the tests' own: a fresh cluster in a temporary folder, reached by a socket in it alone."""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

BINARIES = Path("/usr/lib/postgresql")


def binaries() -> Path | None:
    """The folder of the server's programs: the newest of Debian's, or that of ``initdb`` on PATH."""
    found = sorted(BINARIES.glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


def _account() -> dict[str, Any]:
    """PostgreSQL does not run as root: then it runs as its own user, or as nobody."""
    if os.geteuid() != 0:
        return {}
    names = {one.pw_name for one in pwd.getpwall()}
    entry = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


@dataclass(frozen=True)
class Cluster:
    """A running server."""

    folder: Path
    programs: Path

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def address(self, schema: str | None = None) -> str:
        options = "" if schema is None else f"&options=-csearch_path%3D{schema}"
        return f"postgresql:///postgres?host={self.folder}&user=troth{options}"

    def fresh(self) -> str:
        """The address of a new, empty place for a ledger."""
        schema = f"t{secrets.token_hex(6)}"
        with psycopg.connect(self.address(), autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {schema}".encode())
        return self.address(schema)

    def run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self.programs / program), *arguments],
            check=True,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            **_account(),
        )

    def start(self, *, durable: bool = False) -> None:
        settings = "" if durable else " -c fsync=off -c full_page_writes=off"
        options = f"-c listen_addresses='' -c unix_socket_directories={self.folder}{settings}"
        self.run("pg_ctl", "-D", str(self.data), "-l", str(self.folder / "log"), "-w", "-o", options, "start")

    def kill(self) -> None:
        """kill -9 of the server and everything it started, as when a machine dies."""
        main = int((self.data / "postmaster.pid").read_text().split()[0])
        children = [int(one) for one in Path(f"/proc/{main}/task/{main}/children").read_text().split()]
        for process in (main, *children):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        for process in (main, *children):
            while Path(f"/proc/{process}/cmdline").exists() and Path(f"/proc/{process}/cmdline").read_bytes():
                time.sleep(0.02)

    def stop(self, mode: str = "immediate") -> None:
        self.run("pg_ctl", "-D", str(self.data), "-m", mode, "-w", "stop")


@contextmanager
def cluster(programs: Path) -> Iterator[Cluster]:
    """A server for as long as the ``with`` lasts."""
    # Sockets have short paths, so not below pytest's folder.
    folder = Path(tempfile.mkdtemp(prefix="troth-pg-"))
    made = Cluster(folder, programs)
    account = _account()
    if account:
        os.chown(folder, account["user"], account["group"])
    try:
        made.run(
            "initdb", "-D", str(made.data), "-U", "troth", "-A", "trust", "-E", "UTF8", "--no-locale", "-N"
        )
        made.start()
        try:
            yield made
        finally:
            made.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
