"""Live pages and models, against servers of our own on the loopback."""

import importlib.util
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.support import require
from troth.app import home as homes
from troth.app import watch_home
from troth.core.errors import BadInput, Refused, Unavailable
from troth.watch.pages import AGENT, Fetcher, readable
from troth.watch.refine import Refiner

PAGE = (
    "<html><head><title>Policy</title><script>var x=1</script></head><body><nav>Home About Jobs</nav><article>"
    "<h1>Privacy Policy</h1><p>{text}</p><p>We are a company that makes maps of places and sells them to people who"
    " like to walk. This policy says what we do with what you give us.</p></article></body></html>"
)


@pytest.fixture(autouse=True)
def _extra() -> None:
    absent = [name for name in ("httpx2", "trafilatura") if importlib.util.find_spec(name) is None]
    require(not absent, f"the watch extra ({', '.join(absent)})")


@dataclass
class Site:
    """A server: paths and what they answer, and what was asked."""

    answers: dict[str, tuple[int, str, bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""

    def page(self, path: str, text: str, status: int = 200, kind: str = "text/html") -> None:
        self.answers[path] = (status, kind, text.encode())


@pytest.fixture
def site() -> Iterator[Site]:
    known = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known.asked.append(self.path)
            known.headers.append(dict(self.headers))
            status, kind, body = known.answers.get(self.path, (404, "text/plain", b"no"))
            self.send_response(status)
            self.send_header("Location" if 300 <= status < 400 else "Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            known.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.do_GET()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    known.url = f"http://127.0.0.1:{server.server_port}"
    yield known
    server.shutdown()
    thread.join()
    server.server_close()


def fetcher(**arguments: Any) -> Fetcher:
    return Fetcher(**({"pause": 0.0, "private": True} | arguments))


def test_a_page_is_fetched_once_robots_allow_it(site: Site) -> None:
    site.page("/robots.txt", "User-agent: *\nDisallow: /private", kind="text/plain")
    site.page("/terms", "hello")
    site.page("/private/terms", "hello")
    one = fetcher()
    assert one.fetch(f"{site.url}/terms").data == b"hello"
    with pytest.raises(Refused, match="robots"):
        one.fetch(f"{site.url}/private/terms")
    assert site.asked == ["/robots.txt", "/terms"]
    assert site.headers[1]["User-Agent"] == AGENT


@pytest.mark.parametrize("status", [401, 403, 500, 503])
def test_robots_out_of_order_mean_no(site: Site, status: int) -> None:
    site.page("/robots.txt", "", status)
    site.page("/terms", "hello")
    with pytest.raises(Refused):
        fetcher().fetch(f"{site.url}/terms")


def test_hosts_are_given_time(site: Site) -> None:
    site.page("/robots.txt", "User-agent: *\nCrawl-delay: 9", kind="text/plain")
    site.page("/terms", "hello")
    slept: list[float] = []
    one = fetcher(pause=5.0, sleep=slept.append, clock=lambda: 100.0)
    for _ in range(3):
        one.fetch(f"{site.url}/terms")
    assert slept == [9.0, 9.0]


def test_robots_are_asked_again_where_a_page_moves(site: Site) -> None:
    site.page("/robots.txt", "User-agent: *\nDisallow: /secret", kind="text/plain")
    site.page("/old", "", 301, "/secret")
    with pytest.raises(Refused):
        fetcher().fetch(f"{site.url}/old")
    site.page("/round", "", 302, "/round")
    with pytest.raises(Unavailable, match="moves on"):
        fetcher().fetch(f"{site.url}/round")


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://example.org/x", "no address", "http://"])
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(BadInput):
        fetcher().fetch(url)


def test_too_large_a_page_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("troth.watch.pages.MAX_PAGE", 100_000)
    site.page("/terms", "x" * 200_000)
    with pytest.raises(Unavailable, match="larger than"):
        fetcher().fetch(f"{site.url}/terms")


def test_errors_are_told(site: Site) -> None:
    site.page("/gone", "", 410)
    with pytest.raises(Unavailable, match="410"):
        fetcher().fetch(f"{site.url}/gone")


def test_a_page_of_very_many_tags_is_read_plainly() -> None:
    bomb = b"<html>" + b"<div>" * 100_000 + b"text"
    assert readable(bomb, lambda data: f"plain {len(data)}") == f"plain {len(bomb)}"


def test_a_watched_page_keeps_its_snapshot_and_reads_from_it(site: Site, tmp_path: Path) -> None:
    home = homes.init(tmp_path / "home")
    source = watch_home.add(home, "Acme", "Privacy Policy", f"{site.url}/privacy")
    folder = home.path / "watch" / source.name
    instants = iter(range(1_700_000_000_000_000, 1_900_000_000_000_000, 10_000_000_000_000))

    def look() -> watch_home.Ran:
        (ran,) = watch_home.run(home, fetcher(), lambda: next(instants))
        return ran

    site.page("/privacy", PAGE.format(text="We like the cats of our members and say so."))
    first = look()
    assert (first.what, first.why) == ("new", None)
    assert look().what == "same"
    site.page("/privacy", PAGE.format(text="We may use your posts to train our AI models."))
    assert look() == watch_home.Ran(source, "new", None, widens=True)
    site.page(
        "/privacy", PAGE.format(text="We may use your posts to train our AI models.").replace("x=1", "x=2")
    )
    assert look().why == "the page changed, its text did not"
    snapshots = sorted((folder / "snapshots").iterdir())
    assert [one.suffix for one in snapshots] == [".html"] * 3
    assert b"x=2" in snapshots[2].read_bytes()
    versions = sorted((folder / "versions").iterdir())
    assert len(versions) == 2
    assert "We may use your posts to train our AI models." in versions[1].read_text()
    assert "var x" not in versions[1].read_text()
    life = watch_home.life_of(home, source)
    assert life.moments[1].reading is not None
    assert life.moments[1].reading.changes[0].flags == ("ai-training-added",)


def test_a_failed_source_does_not_stop_the_others(site: Site, tmp_path: Path) -> None:
    home = homes.init(tmp_path / "home")
    watch_home.add(home, "Acme", "Terms", f"{site.url}/absent")
    watch_home.add(home, "Acme", "Privacy Policy", f"{site.url}/privacy")
    site.page("/privacy", PAGE.format(text="We like cats."))
    assert [one.what for one in watch_home.run(home, fetcher())] == ["failed", "new"]


# --- a model's second opinion


def answer(text: str) -> str:
    return json.dumps({"choices": [{"message": {"content": text}}]})


def test_a_model_is_asked_once_and_its_answer_is_shown_as_cached(site: Site, tmp_path: Path) -> None:
    site.page("/v1/chat/completions", answer(" Widens."), kind="application/json")
    refiner = Refiner(f"{site.url}/v1", "small", tmp_path / "cache", "s3cret-key")
    first, second = (refiner.ask("We train AI.") for _ in range(2))
    assert (first.reading, first.cached) == ("widens", False)
    assert (second.reading, second.cached) == ("widens", True)
    assert len(site.bodies) == 1
    assert site.bodies[0]["messages"][1]["content"] == "We train AI."
    assert site.headers[0]["Authorization"] == "Bearer s3cret-key"
    assert not any("s3cret" in one.read_text() for one in (tmp_path / "cache").iterdir())
    # Another model is asked anew.
    assert not Refiner(f"{site.url}/v1", "large", tmp_path / "cache").ask("We train AI.").cached


@pytest.mark.parametrize("body", ["no json", "{}", '{"choices": []}', answer("perhaps"), answer("")])
def test_a_model_that_talks_nonsense_is_unavailable(site: Site, tmp_path: Path, body: str) -> None:
    site.page("/v1/chat/completions", body)
    with pytest.raises(Unavailable):
        Refiner(f"{site.url}/v1", "small", tmp_path).ask("We train AI.")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "10.0.0.8", "169.254.169.254", "[::ffff:127.0.0.1]", "2130706433"],
)
def test_a_watched_page_leads_into_no_private_network(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("troth.watch.pages.getproxies", dict)
    for scheme in ("http", "https"):
        with pytest.raises((Refused, Unavailable), match=r"private network|leads nowhere"):
            Fetcher(pause=0.0).fetch(f"{scheme}://{host}/terms")


def test_neither_a_page_nor_robots_rules_move_it_into_one(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first host counts as public here; where it points to does not."""
    monkeypatch.setattr("troth.watch.pages.getproxies", dict)
    seen: list[str] = []

    def public(address: str) -> bool:
        seen.append(address)
        return len(seen) <= 2

    monkeypatch.setattr("troth.watch.pages.is_public", public)
    site.page("/robots.txt", "User-agent: *", kind="text/plain")
    site.page("/terms", "", status=302, kind="http://169.254.169.254/latest/meta-data")
    with pytest.raises(Refused, match="private network"):
        Fetcher(pause=0.0).fetch(f"{site.url}/terms")
    seen.clear()
    site.page("/robots.txt", "", status=302, kind="http://10.0.0.8/robots.txt")
    monkeypatch.setattr("troth.watch.pages.is_public", lambda address: address == "127.0.0.1")
    with pytest.raises(Refused, match="private network"):
        Fetcher(pause=0.0).fetch(f"{site.url}/terms")
