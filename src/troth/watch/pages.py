"""Live pages: fetch with manners, keep the raw snapshot first, read the text from the stored snapshot.

Robots rules are asked for and kept, hosts are given time between requests, and answers are bounded.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin, urlsplit, urlunsplit
from urllib.request import getproxies
from urllib.robotparser import RobotFileParser

from troth.core.addresses import is_public
from troth.core.errors import BadInput, Place, Refused, Unavailable

if TYPE_CHECKING:
    import httpx2

AGENT: Final = "troth-watch"
MAX_PAGE: Final = 10 * 2**20
"""Bytes of a page that are kept; a larger one is refused."""

_MAX_TAGS: Final = 60_000
_MAX_ROBOTS: Final = 512_000
_TIMEOUT: Final = 30.0
_DENIED: Final = (401, 403)
_TAG: Final = re.compile(rb"<[a-zA-Z]")
_MOVES: Final = 5


@dataclass(frozen=True, slots=True)
class Page:
    """What a server answered: the address in the end, the content type, and the bytes."""

    url: str
    content_type: str
    data: bytes


@dataclass
class Fetcher:
    """Fetches pages one after another.

    ``pause`` is the time in seconds between two requests to a host (a longer ``Crawl-delay`` counts); ``private``
    lets it go into private networks, where pages of others could otherwise send it; ``sleep`` and ``clock`` are there
    for tests.
    """

    pause: float = 5.0
    private: bool = False
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    _robots: dict[str, RobotFileParser | None] = field(default_factory=dict)
    _last: dict[str, float] = field(default_factory=dict)

    def fetch(self, url: str) -> Page:
        """Fetch a page.

        Raises:
            BadInput: no http or https address.
            Refused: the host's robots rules do not allow it, or it leads into a private network.
            Unavailable: no answer, an error, or more than ``MAX_PAGE`` bytes.
        """
        for _ in range(_MOVES):
            self._check(url)
            page, moved = self._get(url)
            if page is not None:
                return page
            url = moved
        raise Unavailable("moves on and on", place=Place(url), remedy="name the address that it ends at")

    def _check(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadInput(f"expected an http or https address, got {url[:200]!r}")
        host = f"{parts.scheme}://{parts.netloc}"
        if host not in self._robots:
            self._robots[host] = self._read_robots(host)
        robots = self._robots[host]
        if robots is None or not robots.can_fetch(AGENT, url):
            raise Refused("the host's robots rules do not allow this page", place=Place(url))

    def _read_robots(self, host: str) -> RobotFileParser | None:
        """The rules of a host; None: nothing may be fetched (RFC 9309: denied or out of order)."""
        rules = RobotFileParser()
        status, data = self._plain(f"{host}/robots.txt")
        if status >= 500 or status in _DENIED:  # noqa: PLR2004 - errors of the server
            return None
        rules.parse(data.decode("utf-8", "replace").splitlines() if status == 200 else [])  # noqa: PLR2004
        rules.modified()
        return rules

    def _plain(self, url: str) -> tuple[int, bytes]:
        with self._client() as client:
            for _ in range(_MOVES):
                try:
                    with client.stream("GET", **self._target(url)) as answer:
                        if not answer.is_redirect:
                            return answer.status_code, _bounded(answer, _MAX_ROBOTS, cut=True)
                        url = urljoin(url, answer.headers.get("location", ""))
                except self._errors() as error:
                    raise Unavailable(f"gave no answer: {type(error).__name__}", place=Place(url)) from None
        return 404, b""

    def _target(self, url: str) -> dict[str, Any]:
        """What is asked for: the very address that was looked at, since a name may lead elsewhere the next time.

        Raises:
            Refused: the name leads into a private network.
            Unavailable: it leads nowhere.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadInput(f"expected an http or https address, got {url[:200]!r}")
        if self.private or getproxies():
            return {"url": url}  # a proxy looks names up itself, and has rules of its own
        try:
            port = parts.port or (443 if parts.scheme == "https" else 80)
            found = [
                str(one[4][0]) for one in socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
            ]
        except (OSError, ValueError) as error:
            raise Unavailable(f"leads nowhere: {type(error).__name__}", place=Place(url)) from None
        if not found or not all(map(is_public, found)):
            raise Refused(
                "leads into a private network",
                place=Place(url),
                remedy="save what it shows into a folder, and watch that",
            )
        bare = f"[{found[0]}]" if ":" in found[0] else found[0]
        return {
            "url": urlunsplit((parts.scheme, f"{bare}:{port}", parts.path or "/", parts.query, "")),
            "headers": {"Host": parts.netloc.rpartition("@")[2]},
            "extensions": {"sni_hostname": parts.hostname},
        }

    def _get(self, url: str) -> tuple[Page | None, str]:
        parts = urlsplit(url)
        self._wait(f"{parts.scheme}://{parts.netloc}")
        with self._client() as client:
            try:
                with client.stream("GET", **self._target(url)) as answer:
                    if answer.is_redirect:
                        return None, urljoin(url, answer.headers.get("location", ""))
                    if answer.status_code != 200:  # noqa: PLR2004 - fine
                        raise Unavailable(f"answered {answer.status_code}", place=Place(url))
                    data = _bounded(answer, MAX_PAGE)
                    return Page(url, answer.headers.get("content-type", ""), data), ""
            except self._errors() as error:
                raise Unavailable(f"gave no answer: {type(error).__name__}", place=Place(url)) from None

    def _wait(self, host: str) -> None:
        robots = self._robots.get(host)
        asked = robots.crawl_delay(AGENT) if robots else None
        pause = max(self.pause, float(asked or 0))
        left = self._last.get(host, float("-inf")) + pause - self.clock()
        if left > 0:
            self.sleep(left)
        self._last[host] = self.clock()

    @staticmethod
    def _client() -> httpx2.Client:
        try:
            import httpx2
        except ImportError:
            raise Unavailable(
                "following live pages needs the watch extra", remedy="pip install 'troth[watch]'"
            ) from None
        return httpx2.Client(
            headers={"User-Agent": AGENT, "Accept": "text/html, text/plain"}, timeout=_TIMEOUT
        )

    @staticmethod
    def _errors() -> type[Exception]:
        import httpx2

        kind: type[Exception] = httpx2.HTTPError
        return kind


def _bounded(answer: httpx2.Response, most: int, cut: bool = False) -> bytes:
    """The body, unpacked, up to a bound: a small answer may unpack to a large one."""
    data = bytearray()
    for piece in answer.iter_bytes(65_536):
        data += piece
        if len(data) > most:
            if cut:
                return bytes(data[:most])
            raise Unavailable(f"is larger than {most // 2**20} MiB", place=Place(str(answer.url)))
    return bytes(data)


def readable(data: bytes, plain: Callable[[bytes], str]) -> str:
    """The readable text of a stored HTML page as Markdown.

    ``plain`` is the reader for what ``trafilatura`` should not, or cannot, take: pages of very many tags (a parser's
    work grows with their nesting) and pages in which it finds no text.
    """
    if len(_TAG.findall(data)) > _MAX_TAGS:
        return plain(data)
    try:
        import trafilatura
    except ImportError:
        raise Unavailable(
            "reading live pages needs the watch extra", remedy="pip install 'troth[watch]'"
        ) from None
    found = trafilatura.extract(
        data, output_format="markdown", include_comments=False, include_tables=True, favor_recall=True
    )
    return found or plain(data)
