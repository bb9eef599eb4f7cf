"""Signals are read to the letter of their specifications; what is none is none."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from troth.core.errors import BadInput
from troth.core.values import parse_instant
from troth.intake.signals import (
    GpcSupport,
    combined,
    document_name,
    read_content_usage,
    read_gpc,
    read_gpc_support,
    read_robots,
    read_tdm,
    read_tdm_header,
)


@pytest.mark.parametrize(
    ("value", "asks"),
    [("1", True), (" 1 ", True), ("0", False), ("", False), ("true", False), ("1, 1", False), ("11", False)],
)
def test_gpc_asks_by_the_value_1_alone(value: str, asks: bool) -> None:
    assert read_gpc(value) is asks
    assert read_gpc(None) is False


def test_what_a_site_says_of_gpc() -> None:
    assert read_gpc_support('{"gpc": true, "lastUpdate": "2024-05-01", "x": 1}') == GpcSupport(
        True, parse_instant("2024-05-01")
    )
    assert read_gpc_support('\ufeff{"gpc": false}') == GpcSupport(False, None)
    for text in ("", "[]", '{"gpc": "yes"}', "{", "[" * 100_000):
        with pytest.raises(BadInput):
            read_gpc_support(text)


@pytest.mark.parametrize(
    ("text", "said", "unknown", "refused"),
    [
        ("train-ai=n", {"train-ai": False}, (), ("train",)),
        ("train-ai=y, search=n", {"train-ai": True, "search": False}, (), ("search",)),
        ("train-ai=n;source=x, other=y", {"train-ai": False}, ("other",), ("train",)),
        # The last of two keys counts (RFC 9651, 4.2.2); other values say nothing.
        ("train-ai=n, train-ai=y", {"train-ai": True}, (), ()),
        ("train-ai=no", {}, (), ()),
        ('train-ai="n"', {}, (), ()),
        ("train-ai", {}, (), ()),
        ("train-ai=(n)", {}, (), ()),
        ("", {}, (), ()),
    ],
)
def test_content_usage(
    text: str, said: dict[str, bool], unknown: tuple[str, ...], refused: tuple[str, ...]
) -> None:
    found = read_content_usage(text)
    assert found is not None
    assert (dict(found.said), found.unknown, found.refused) == (said, unknown, refused)


@pytest.mark.parametrize(
    "text", ["train-ai=n,", "Train-AI=n", "train-ai==n", "train-ai=n search=n", "=n", "é=n"]
)
def test_a_field_that_is_no_dictionary_is_void(text: str) -> None:
    assert read_content_usage(text) is None


def test_a_refusal_wins_over_a_permission() -> None:
    found = combined(read_content_usage("train-ai=y, search=y"), None, read_content_usage("train-ai=n"))
    assert found is not None
    assert dict(found.said) == {"train-ai": False, "search": True}
    assert combined(None, None) is None


ROBOTS = """\
User-Agent: *
Allow: /
Content-Usage: train-ai=n
Content-Usage: /open/ train-ai=y
Content-Usage: /open/*.pdf$ train-ai=n, search=n
Content-Usage: /broken Train=n

User-agent: KindBot   # two names, one group
User-agent: OtherBot
Content-Usage: search=n
"""


@pytest.mark.parametrize(
    ("address", "agent", "said"),
    [
        ("https://example.org/", "AnyBot", {"train-ai": False}),
        ("https://example.org/open/a", "AnyBot", {"train-ai": True}),
        ("/open/x/y.pdf", "AnyBot", {"train-ai": False, "search": False}),
        ("/open/x/y.pdf?z", "AnyBot", {"train-ai": True}),
        ("/%6Fpen/a", "AnyBot", {"train-ai": True}),
        ("/broken", "AnyBot", {"train-ai": False}),
        ("/open/a", "kindbot", {"search": False}),
        ("/", "OTHERBOT", {"search": False}),
    ],
)
def test_robots(address: str, agent: str, said: dict[str, bool]) -> None:
    found = read_robots(ROBOTS, address, agent)
    assert found is not None
    assert dict(found.said) == said


def test_robots_without_a_preference() -> None:
    assert read_robots("User-agent: *\nDisallow: /", "/", "x") is None
    assert read_robots("Content-Usage: train-ai=n", "/", "x") is None
    assert read_robots("User-agent: a\nContent-Usage: train-ai=n", "/", "b") is None


def test_tdm() -> None:
    rules = '[{"location": "/open*", "tdm-reservation": 0}, {"location": "/", "tdm-reservation": 1}]'
    assert read_tdm(rules, "https://example.org/open/a") is False
    assert read_tdm(rules, "https://example.org/closed") is True
    assert read_tdm("[]", "/") is None
    for text in ("{}", '[{"location": 1}]', "x"):
        with pytest.raises(BadInput):
            read_tdm(text, "/")
    assert [read_tdm_header(one) for one in ("1", " 0 ", "2", None)] == [True, False, None, None]


@given(st.text(max_size=200), st.text(max_size=30), st.text(max_size=10))
def test_nothing_that_a_site_sends_raises_anything_else(text: str, address: str, agent: str) -> None:
    read_content_usage(text)
    read_robots(f"User-agent: *\nContent-Usage: {text}", "/" + address, agent)
    for read in (read_gpc_support, lambda one: read_tdm(one, "/")):
        with contextlib.suppress(BadInput):
            read(text)


def test_documents_are_called_after_the_site() -> None:
    assert document_name("content-usage", "https://Example.org:8080/a") == "content-usage-example.org-8080"
