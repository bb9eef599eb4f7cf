"""What is shipped for deploying, tried: the systemd units are read by systemd, and a real nginx stands in front."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.acceptance.test_server_killed import start
from tests.http.site import PASSWORD, SETTING, found, make_home
from tests.support import ROOT, require

DEPLOY = ROOT / "deploy"
HTTPS, BEHIND = 18_443, 18_080


@pytest.mark.parametrize("name", ["troth.service", "troth@.service"])
def test_systemd_reads_the_units_and_finds_nothing_wrong(tmp_path: Path, name: str) -> None:
    require(shutil.which("systemd-analyze"), "systemd-analyze")
    # Where Troth is installed is not where it is tested; everything else is as shipped.
    text = (DEPLOY / name).read_text().replace("/opt/troth/bin/troth", sys.executable)
    unit = tmp_path / name.replace("@.", "@8080.")
    unit.write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    mine = [line for line in done.stderr.splitlines() if unit.name in line or str(tmp_path) in line]
    assert mine == []
    rated = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    exposure = re.search(r"exposure level for \S+: ([\d.]+)", rated.stdout)
    assert exposure is None or float(exposure[1]) < 5


@contextmanager
def nginx(folder: Path) -> Iterator[None]:
    """A real nginx of this test's own with the shipped configuration; only names, ports and certificate are ours."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=troth.example",
         "-addext", "subjectAltName=DNS:troth.example", "-keyout", "key.pem", "-out", "cert.pem"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    shipped = (DEPLOY / "nginx.conf").read_text()
    changed = shipped.replace("/etc/ssl/troth.example.pem", str(folder / "cert.pem"))
    changed = changed.replace("/etc/ssl/troth.example.key", str(folder / "key.pem"))
    changed = changed.replace("listen 443 ssl", f"listen 127.0.0.1:{HTTPS} ssl")
    # As shipped but for the version's own spelling of HTTP/2.
    changed = changed.replace("127.0.0.1:8080", f"127.0.0.1:{BEHIND}")
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; events {{}}\n"
        f"http {{ access_log off; {temporary}\n{changed}\n}}\n"
    )
    command = ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")]
    tried = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert tried.returncode == 0, tried.stderr
    assert "warn" not in tried.stderr
    proxy = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        proxy.terminate()
        proxy.wait(30)


def test_behind_nginx_members_sign_in_choose_and_follow_a_withdrawal(tmp_path: Path) -> None:
    require(shutil.which("nginx"), "nginx")
    require(shutil.which("openssl"), "openssl")
    home = make_home(tmp_path)
    serve = (
        "import sys\nfrom dataclasses import replace\nfrom pathlib import Path\n"
        "from tests.http.site import SETTINGS\nfrom troth.server.running import run\n"
        "run(Path(sys.argv[1]), replace(SETTINGS, secure=True, public_url='https://troth.example'),"
        " '127.0.0.1', int(sys.argv[2]))\n"
    )
    server = start(home, BEHIND, serve)
    try:
        with nginx(tmp_path):
            _journey(tmp_path)
    finally:
        server.terminate()
        server.wait()


def _journey(folder: Path) -> None:
    trust = ssl.create_default_context(cafile=str(folder / "cert.pem"))
    base = f"https://127.0.0.1:{HTTPS}"
    headers = {"Host": "troth.example"}
    extensions = {"sni_hostname": "troth.example"}
    with httpx2.Client(verify=trust, base_url=base, headers=headers, trust_env=False, timeout=60) as client:
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", HTTPS)):
                break
            time.sleep(0.1)
        page = client.get("/sign-in", extensions=extensions)
        assert page.status_code == 200
        assert "max-age" in page.headers["strict-transport-security"]
        assert all("__Host-" in one or "Secure" in one for one in page.headers.get_list("set-cookie"))
        cookies = {
            one.split("=")[0]: one.split("=", 1)[1].split(";")[0]
            for one in page.headers.get_list("set-cookie")
        }
        fields = {
            "name": "member",
            "password": PASSWORD,
            "visit_token": found(r'name="visit_token" value="([^"]+)"', page.text),
        }

        def send(method: str, path: str, **options: object) -> httpx2.Response:
            jar = "; ".join(f"{name}={value}" for name, value in cookies.items())
            answer = client.request(
                method, path, headers={"Cookie": jar}, extensions=extensions, **options,  # type: ignore[arg-type]
            )  # fmt: skip
            for one in answer.headers.get_list("set-cookie"):
                cookies[one.split("=")[0]] = one.split("=", 1)[1].split(";")[0]
            return answer

        assert send("POST", "/sign-in", data=fields).headers["location"] == "/me"
        token = found(r'name="form_token" value="([^"]+)"', send("GET", "/account").text)
        origin = {"form_token": token, "to": "off"}
        assert send("POST", f"/me/settings/{SETTING}", data=origin).status_code == 303
        begun = send("POST", "/me/withdraw", data={"form_token": token}).headers["location"]
        events = send("GET", f"{begun}/events").text
        assert "event: step" in events
        assert events.endswith("event: done\ndata: {}\n\n")
        assert send("GET", "/metrics").status_code == 403
        assert send("POST", "/api/v1/records", content=b" " * 9_000_000).status_code == 413
        # So many at once are too many for the proxy itself.
        statuses = [send("POST", "/sign-in", data=fields).status_code for _ in range(9)]
        assert 503 in statuses
