import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from troth.intake.charsets import decode, decode_header_bytes, decode_words

GERMAN = (
    "Gr\u00fc\u00dfe aus M\u00fcnchen, sch\u00f6ne Feiertage und viele Gr\u00fc\u00dfe an alle Br\u00fcder. "
)


@pytest.mark.parametrize(
    ("data", "declared", "text"),
    [
        (b"plain", None, "plain"),
        (b"plain", "no-such-charset", "plain"),
        ("\u00e9t\u00e9".encode(), "utf-8", "\u00e9t\u00e9"),
        ("\u00e9t\u00e9".encode(), "us-ascii", "\u00e9t\u00e9"),
        ("\u00e9t\u00e9".encode(), None, "\u00e9t\u00e9"),
        ("\u00e9t\u00e9".encode(), "x-unknown", "\u00e9t\u00e9"),
        (b"\x93quoted\x94", "iso-8859-1", "\u201cquoted\u201d"),
        ("\u4f60\u597d".encode("gb18030"), "gb2312", "\u4f60\u597d"),
        ("\u3053\u3093".encode("iso-2022-jp"), "iso-2022-jp", "\u3053\u3093"),
        ("\ud55c\uae00".encode("cp949"), "ks_c_5601-1987", "\ud55c\uae00"),
        (b"a +AOk- b", "utf-7", "a \u00e9 b"),
    ],
)
def test_declared_and_detected(data: bytes, declared: str | None, text: str) -> None:
    assert decode(data, declared) == text


def test_a_guess_where_nothing_declared_fits() -> None:
    assert decode((GERMAN * 20).encode("cp1252"), "us-ascii") == GERMAN * 20


def test_one_bad_byte_does_not_turn_the_rest_into_something_else() -> None:
    data = (GERMAN * 5).encode() + b"\xff"
    assert decode(data, "utf-8") == GERMAN * 5 + "\ufffd"


@pytest.mark.parametrize(
    "declared",
    ["unicode_escape", "raw_unicode_escape", "idna", "punycode", "undefined", "zlib", "rot13", "hex"],
)
def test_codecs_that_are_no_charsets_are_not_used(declared: str) -> None:
    assert decode(rb"caf\xe9 \u0041", declared) == r"caf\xe9 \u0041"
    assert decode(b"\xc3\xa9 \\u0041", declared) == "\u00e9 \\u0041"


@pytest.mark.parametrize(
    ("text", "decoded"),
    [
        ("plain", "plain"),
        ("=?utf-8?q?caf=C3=A9_au?= lait", "caf\u00e9 au lait"),
        ("=?UTF-8?B?Y2Fmw6k=?=", "caf\u00e9"),
        ("=?utf-8?B?Y2Fmw6k?=", "caf\u00e9"),
        ("=?utf-8*en?q?caf=C3=A9?=", "caf\u00e9"),
        ("=?utf-8?q?a?= =?utf-8?q?b?=", "ab"),
        ("=?utf-8?q?a?= and =?utf-8?q?b?=", "a and b"),
        ("Re: =?utf-8?q?a?=", "Re: a"),
        # One character split over two words.
        ("=?utf-8?b?w6k=?= =?utf-8?b?4oI=?= =?utf-8?b?rA==?=", "\u00e9\u20ac"),
        ("=?iso-8859-1?q?=E9?= =?utf-8?q?=C3=A9?=", "\u00e9\u00e9"),
        ("=?no-such?q?caf=C3=A9?=", "caf\u00e9"),
        ("=?utf-8?b?%%%?=", "=?utf-8?b?%%%?="),
        ("=?utf-8?x?abc?=", "=?utf-8?x?abc?="),
        ("=?utf-8?q?open", "=?utf-8?q?open"),
    ],
)
def test_encoded_words(text: str, decoded: str) -> None:
    assert decode_words(text) == decoded


@pytest.mark.parametrize("sign", ["=?", "=?a?q?", "=?a?q?b?= ", "?=", "=?utf-8?b?////?="])
def test_a_megabyte_of_beginnings_is_read_in_time(sign: str) -> None:
    decode_words(sign * (1_000_000 // len(sign)))


@pytest.mark.parametrize(
    ("data", "text"), [("caf\u00e9".encode(), "caf\u00e9"), (b"caf\xe9", "caf\u00e9"), (b"\x81", "\ufffd")]
)
def test_raw_bytes_in_a_header(data: bytes, text: str) -> None:
    assert decode_header_bytes(data.decode("ascii", "surrogateescape")) == text


@given(
    st.binary(max_size=200), st.none() | st.sampled_from(["utf-8", "utf-16", "utf-7", "gbk", "ascii", "x"])
)
def test_any_bytes_become_text(data: bytes, declared: str | None) -> None:
    decode(data, declared)


@given(st.text(max_size=100))
def test_utf_8_comes_back(text: str) -> None:
    data = text.encode("utf-8", "replace")
    assert decode(data, "utf-8") == codecs.decode(data, "utf-8")
