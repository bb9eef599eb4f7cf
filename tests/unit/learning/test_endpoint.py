"""Models behind an address, against a server of our own that is slow, busy, odd or gone."""

from __future__ import annotations

import json
import stat
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from troth.core.errors import BadInput, Refused, Unavailable
from troth.learning.targets.cache import Cache
from troth.learning.targets.endpoint import Address, Endpoint

KEY = "a-secret-key"


class Server(BaseHTTPRequestHandler):
    """Gives each letter a log-probability of minus its place in the alphabet; tokens have three letters."""

    asked: ClassVar[list[dict[str, Any]]] = []
    keys: ClassVar[list[str | None]] = []
    answers: ClassVar[list[tuple[int, dict[str, str]]]] = []
    odd: ClassVar[object] = None
    offsets = True

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        Server.asked.append({**asked, "path": self.path})
        Server.keys.append(self.headers["authorization"])
        status, headers = Server.answers.pop(0) if Server.answers else (200, {})
        body = b"busy" if status != 200 else json.dumps(Server.odd or self._answer(asked)).encode()
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        if self.path.endswith("/chat/completions"):
            return {"choices": [{"message": {"content": f"chat {asked['seed']}"}}]}
        if isinstance(asked["prompt"], str):
            return {"choices": [{"text": f"text {asked['seed']}"}]}
        choices = [{"index": at, "logprobs": self._logprobs(text)} for at, text in enumerate(asked["prompt"])]
        return {"choices": choices[::-1]}

    def _logprobs(self, text: str) -> dict[str, Any]:
        tokens = [text[at : at + 3] for at in range(0, len(text), 3)]
        values = [None, *(-float(sum(max(0, ord(one) - 96) for one in token)) for token in tokens[1:])]
        found = {"tokens": [*tokens, "zzz"], "token_logprobs": [*values, -1000.0]}
        if Server.offsets:
            found["text_offset"] = [*range(0, len(text), 3), len(text)]
        return found

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    Server.asked, Server.keys, Server.answers, Server.odd, Server.offsets = [], [], [], None, True
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


class Endpoints:
    """Makes endpoints and closes them."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.open: list[Endpoint] = []
        self.slept: list[float] = []

    def __call__(self, *, chat: bool = False, cache: Path | None = None, **options: Any) -> Endpoint:
        made = Endpoint(
            Address(self.address, "m", KEY, chat),
            Cache(cache) if cache else None,
            **{"per_minute": 1e9, "sleep": self.slept.append, **options},
        )
        self.open.append(made)
        return made


@pytest.fixture
def endpoint(address: str) -> Iterator[Endpoints]:
    made = Endpoints(address)
    yield made
    for one in made.open:
        one.close()


def test_losses_are_those_of_the_text_alone(endpoint: Endpoints) -> None:
    # The prompt of 5 letters ends within the token "ba " ... what reaches beyond it counts, the rest does not.
    assert endpoint().losses("abcab", ["aa", "bbb"]) == [1 + 2 + 1 + 1, 1 + 2 + 2 + 2 + 2]
    assert Server.asked[0]["prompt"] == ["abcab aa", "abcab bbb"]
    assert Server.asked[0]["echo"] is True
    assert Server.keys == [f"Bearer {KEY}"]


def test_offsets_are_counted_where_none_are_given(endpoint: Endpoints) -> None:
    Server.offsets = False
    assert endpoint().losses("abcab", ["aa"]) == [5]


def test_questions_are_batched_and_equal_ones_asked_once(endpoint: Endpoints) -> None:
    told: list[tuple[int, int | None]] = []
    found = endpoint(batch=2).losses("prom", ["a", "b", "a", "c"], lambda *both: told.append(both))
    assert found[0] == found[2]
    assert [len(one["prompt"]) for one in Server.asked] == [2, 1]
    assert told[-1] == (3, 4)


def test_answers_are_kept_and_a_run_goes_on_where_it_stopped(endpoint: Endpoints, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = endpoint(cache=cache, batch=1)
    texts = ["a", "b", "c"]
    Server.answers = [(200, {}), (400, {})]
    with pytest.raises(BadInput):
        first.losses("prom", texts)
    assert first.estimate("prom", texts).requests == 2
    second = endpoint(cache=cache, batch=1)
    assert len(second.losses("prom", texts)) == 3
    assert len(Server.asked) == 4
    assert second.estimate("prom", texts).requests == 0
    assert second.losses("prom", texts) == endpoint().losses("prom", texts)
    assert stat.S_IMODE(cache.stat().st_mode) == 0o600


def test_a_busy_server_is_asked_again_after_the_time_it_names(endpoint: Endpoints) -> None:
    Server.answers = [(429, {"retry-after": "7"}), (503, {}), (529, {"retry-after": "soon"})]
    assert endpoint().losses("abcab", ["aa"]) == [5]
    assert [one for one in endpoint.slept if one >= 1] == [7, 2, 4]


def test_a_server_that_stays_busy_ends_in_words(endpoint: Endpoints) -> None:
    Server.answers = [(500, {})] * 6
    with pytest.raises(Unavailable, match="status 500, 6 times"):
        endpoint().losses("prom", ["a"])


def test_a_server_that_is_gone(endpoint: Endpoints) -> None:
    endpoint.address = "http://127.0.0.1:9/v1"
    with pytest.raises(Unavailable, match="ConnectError"):
        endpoint().losses("prom", ["a"])


def test_requests_keep_to_their_rate(endpoint: Endpoints) -> None:
    endpoint(per_minute=60, batch=1).losses("prom", ["a", "b", "c"])
    assert len(endpoint.slept) == 2
    assert 1.5 < sum(endpoint.slept) <= 3


@pytest.mark.parametrize("status", [401, 403])
def test_no_entry(endpoint: Endpoints, status: int) -> None:
    Server.answers = [(status, {})]
    with pytest.raises(Refused, match="TROTH_TARGET_KEY") as caught:
        endpoint().losses("prom", ["a"])
    assert KEY not in str(caught.value)


def test_a_redirect_is_not_followed(endpoint: Endpoints) -> None:
    """The key would go along."""
    Server.answers = [(307, {"location": "http://127.0.0.1:9/"})]
    with pytest.raises(BadInput, match="307"):
        endpoint().losses("prom", ["a"])


@pytest.mark.parametrize(
    "odd",
    [
        [1],
        {"choices": []},
        {"choices": [{"index": 0}]},
        {"choices": [{"index": 0, "logprobs": None}]},
        {"choices": [{"index": 0, "logprobs": {"tokens": ["prom", " a"], "token_logprobs": [None]}}]},
        {"choices": [{"index": 0, "logprobs": {"tokens": ["prom a"], "token_logprobs": [None]}}]},
    ],
)
def test_odd_answers_are_not_taken_for_figures(endpoint: Endpoints, odd: object) -> None:
    Server.odd = odd
    with pytest.raises(Unavailable, match="log-probabilities"):
        endpoint().losses("prom", ["a"])


def test_replies_of_both_kinds_are_kept(endpoint: Endpoints, tmp_path: Path) -> None:
    assert endpoint().replies("hello", 2, 5) == ["text 5", "text 6"]
    chat = endpoint(chat=True, cache=tmp_path / "cache")
    assert chat.replies("hello", 2, 5) == ["chat 5", "chat 6"] == chat.replies("hello", 2, 5)
    assert len(Server.asked) == 4
    assert Server.asked[-1]["messages"] == [{"role": "user", "content": "hello"}]
    assert chat.estimate_replies("hello", 3, 5).requests == 1
    assert chat.estimate_replies("hello", 2, 5).tokens == 0
    with pytest.raises(BadInput, match="no log-probabilities"):
        chat.losses("prom", ["a"])


@pytest.mark.parametrize(
    "url", ["ftp://x", "file:///etc/passwd", "https://", "http://me:pw@host/v1", "host/v1"]
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(BadInput):
        Endpoint(Address(url, "m"))


def test_what_is_no_cache(tmp_path: Path) -> None:
    (tmp_path / "c").write_text("no database, but long enough to be looked at" * 50)
    with pytest.raises(BadInput):
        Cache(tmp_path / "c")
    with pytest.raises(BadInput):
        Cache(tmp_path / "missing" / "c")
