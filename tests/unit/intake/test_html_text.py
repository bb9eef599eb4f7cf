import pytest
from hypothesis import given
from hypothesis import strategies as st

from troth.intake import html_text
from troth.intake.html_text import html_to_text


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("hello", "hello"),
        ("", ""),
        ("<p>one</p><p>two</p>", "one\n\ntwo"),
        ("one<br>two<br/><br>three", "one\ntwo\n\nthree"),
        ("<div>one</div><div>two</div>", "one\ntwo"),
        ("one\n  two\tthree", "one two three"),
        ("<b>a</b><i>b</i> c", "ab c"),
        ("a&nbsp;&amp;&lt;b", "a &<b"),
        ("<ul><li>one<li>two</ul>x", "- one\n- two\n\nx"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"),
        ("<pre>one\n  two</pre>", "one\n  two"),
        ("<head><title>no</title><style>p{}</style></head><body>yes<script>no()</script></body>", "yes"),
        ("yes<!-- no -->", "yes"),
        ("<p>reply<blockquote>quoted</blockquote>", "reply\n\nquoted"),
        ("text <nonsense attr='>'>inside</nonsense>", "text inside"),
        ("half a <tag", "half a"),
        ("<a href='x'>link</a>", "link"),
    ],
)
def test_readable_text(page: str, text: str) -> None:
    assert html_to_text(page) == text


def test_a_hundred_empty_blocks_leave_one_blank_line() -> None:
    assert html_to_text("a" + "<div><p></p></div>" * 100 + "b") == "a\n\nb"


@pytest.mark.parametrize(
    "page",
    [
        "<div>" * 200_000 + "deep",
        "".join(f"<p><font size={number}>" for number in range(20_000)) + "deep",
        "<table><tr><td>" * 50_000 + "deep",
        "<script>" * 100_000 + "deep",
        "<!--" * 200_000 + "deep",
        "<" * 1_000_000 + "deep",
        "<a b=" * 200_000 + "deep",
    ],
    ids=["div", "font", "table", "script", "comment", "signs", "attributes"],
)
def test_hostile_pages_are_read_in_time(page: str) -> None:
    html_to_text(page)


def test_the_deep_text_is_not_lost() -> None:
    assert html_to_text("<div>" * 100_000 + "deep &amp; dark<script>no</script><br>end") == "deep & dark\nend"


@pytest.mark.parametrize("page", ["<p>one</p><p>two</p>", "a<br>b", "<style>x</style>y", "a &lt; b", "1 < 2"])
def test_both_readings_agree_on_simple_pages(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = html_to_text(page)
    monkeypatch.setattr(html_text, "_MAX_WORK", -1)
    assert html_to_text(page) == expected


@given(st.text(alphabet="<>/abpdivr &;!-\n\ufdd0", max_size=80))
def test_any_text_is_read(page: str) -> None:
    text = html_to_text(page)
    assert text == text.strip()
    assert "\n\n\n" not in text
    assert "\ufdd0" not in text
