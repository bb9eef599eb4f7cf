"""`troth audit` of an address, against a server of our own: text alone and with log-probabilities, cut off, gone on."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.unit.app.canary_world import drawn, mark_of
from tests.unit.cli.running import done, troth
from tests.unit.learning.test_endpoint import Server

SIZE = 50
FINE: tuple[int, dict[str, str]] = (200, {})


class Knowing(Server):
    """A server whose model was trained on a mark: it answers with it."""

    known: ClassVar[str] = ""

    def _answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        if self.path.endswith("/chat/completions"):
            return {"choices": [{"message": {"content": f"The answer is {Knowing.known}, as agreed."}}]}
        return super()._answer(asked)


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    Server.asked, Server.answers, Server.odd, Server.offsets = [], [], None, True
    server = ThreadingHTTPServer(("127.0.0.1", 0), Knowing)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


def _command(url: str, canaries: Path, folder: Path, *more: str) -> tuple[object, ...]:
    kept = ("--cache", folder / "answers.sqlite", "--per-minute", 1_000_000, "--price", 2)
    return "audit", url, "--model-name", "m", "--canaries", canaries, *kept, *more


def test_text_alone(url: str, tmp_path: Path) -> None:
    home, canaries = drawn(tmp_path, score="reply-matches-v1", carrier="reply", size=SIZE)
    Knowing.known = mark_of(home, canaries)
    ask = _command(url, canaries.path, tmp_path, "--text-only")
    Server.answers = [FINE] * 10 + [(401, {})]
    cut = troth(*ask, "--yes", home=home.path)
    assert cut.status == 1
    assert "this asks 64 requests" in cut.err
    assert "does not let us in" in cut.err
    before = len(Server.asked)
    assert before == 11
    unsure = troth(*ask, home=home.path)
    assert "this asks 54 requests" in unsure.err, "what was answered is not asked, nor paid for, again"
    assert len(Server.asked) == before, "nothing is sent without a yes"
    assert done(*ask, "--yes", home=home.path).out.startswith("Yes: the model knows the marked text")
    assert len(Server.asked) == before + 54
    again = done(*ask, "--yes", home=home.path)
    assert "this asks 0 requests of about 0 tokens in all, about 0.00 at that price" in again.err
    assert len(Server.asked) == before + 54


def test_log_probabilities(url: str, tmp_path: Path) -> None:
    home, canaries = drawn(tmp_path, size=SIZE)
    ask = _command(url, canaries.path, tmp_path, "--yes")
    Server.answers = [FINE, (401, {})]
    cut = troth(*ask, home=home.path)
    assert "this asks 2 requests" in cut.err
    assert cut.status == 1
    assert "this asks 1 requests" in done(*ask, home=home.path).err
    assert len(Server.asked) == 3
