import gzip
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from troth.intake.mbox import RawMessage, split_mbox
from troth.intake.sources import Meter, Unreadable, open_source, silent

SEPARATOR = b"From ann@example.org Thu Jan  1 00:00:00 1970\n"
ONE = SEPARATOR + b"From: ann@example.org\nSubject: one\n\nfirst\n\n"
TWO = SEPARATOR + b"From: bob@example.org\nSubject: two\n\nsecond\n"


def split(path: Path, data: bytes, limit: int = 10_000) -> list[RawMessage]:
    path.write_bytes(data)
    with open_source(path, Meter([path], silent)) as source:
        return list(split_mbox(source, limit))


@pytest.fixture
def box(tmp_path: Path) -> Path:
    return tmp_path / "box"


def bodies(messages: list[RawMessage]) -> list[bytes | None]:
    return [None if one.data is None else one.data.partition(b"\n\n")[2] for one in messages]


def test_messages_have_numbers_and_offsets(box: Path) -> None:
    first, second = split(box, ONE + TWO)
    assert (first.number, first.byte, second.number, second.byte) == (1, 0, 2, len(ONE))
    assert bodies([first, second]) == [b"first\n\n", b"second\n"]


@pytest.mark.parametrize("end", [b"\r\n", b"\r"], ids=["CRLF", "CR alone"])
def test_line_ends(box: Path, end: bytes) -> None:
    assert bodies(split(box, (ONE + TWO).replace(b"\n", end))) == [b"first\n\n", b"second\n"]


def test_a_byte_order_mark_and_empty_lines_before_the_first(box: Path) -> None:
    assert len(split(box, b"\xef\xbb\xbf" + ONE + TWO)) == 2
    assert len(split(box, b"\n\r\n\n" + ONE + TWO)) == 2


def test_no_newline_at_the_end(box: Path) -> None:
    assert bodies(split(box, ONE + TWO.rstrip(b"\n"))) == [b"first\n\n", b"second"]


def test_no_empty_line_before_a_message(box: Path) -> None:
    assert len(split(box, ONE.rstrip(b"\n") + b"\n" + TWO)) == 2


@pytest.mark.parametrize(
    "line",
    [
        b"From the beginning we knew this.",
        b"From 10:00 to 12:30 on 24 Feb 2001 we met",
        b"From ann@example.org Thu Jan  1 00:00:00 1970",
        b"From: somebody",
        b"From ",
    ],
)
def test_from_in_a_body_does_not_split(box: Path, line: bytes) -> None:
    message = SEPARATOR + b"Subject: x\n\nhello\n\n" + line + b"\nand so on\n"
    assert bodies(split(box, message + TWO)) == [b"hello\n\n" + line + b"\nand so on\n", b"second\n"]


@pytest.mark.parametrize(
    "separator",
    [
        b"From mboxrd@z Thu Jan  1 00:00:00 1970",
        b"From - Mon Jan 01 10:00:00 2024",
        b"From MAILER-DAEMON Fri Jul  8 12:08:34 2011",
        b"From 1234567890@xxx Mon Apr 01 12:00:00 +0000 2024",
        b"From ???@??? Thu Jan 01 00:00:00 1970",
        b"From bob at example.org  Tue Jan  1 12:00:00 2000",
        b"From bob@example.org Sat, 24 Feb 1996 02:21:36 -0800",
    ],
)
def test_forms_of_separators(box: Path, separator: bytes) -> None:
    assert len(split(box, ONE + separator + b"\r\nX-First: y\n\nbody\n")) == 2


def test_mboxrd_is_unescaped_by_one_sign(box: Path) -> None:
    message = SEPARATOR + b"Subject: x\n\n>From here\n>>From there\n> From apart\n>from\n"
    assert bodies(split(box, message)) == [b"From here\n>From there\n> From apart\n>from\n"]


def test_a_program_that_does_not_escape_is_not_unescaped(box: Path) -> None:
    body = b"From here on\n>From quoted\n"
    assert bodies(split(box, SEPARATOR + b"Subject: x\n\n" + body)) == [body]


def test_an_envelope_line_among_the_headers(box: Path) -> None:
    [message] = split(box, SEPARATOR + b">From bob Thu Jan  1 00:00:00 1970\nSubject: x\n\nbody\n")
    assert message.data == b"Subject: x\n\nbody\n"


def test_a_header_without_lines(box: Path) -> None:
    assert bodies(split(box, SEPARATOR + b"\nbody\n" + TWO))[1] == b"second\n"


def test_one_message_without_separator(box: Path) -> None:
    data = b"Subject: one\n\n>From x\n\n" + SEPARATOR + b"Date: y\n"
    [message] = split(box, data)
    assert (message.number, message.data) == (1, data)


def test_text_before_the_first_message_is_handed_out_as_number_0(box: Path) -> None:
    assert [one.number for one in split(box, b"rubbish\n\n" + ONE + TWO)] == [0, 1, 2]
    assert [one.number for one in split(box, b"rubbish")] == [0]


@pytest.mark.parametrize("data", [b"", b"\n\n", b" \r\n"])
def test_an_empty_box_has_no_messages(box: Path, data: bytes) -> None:
    assert split(box, data) == []


def test_a_separator_at_the_end_is_an_empty_message(box: Path) -> None:
    assert [one.data for one in split(box, ONE + SEPARATOR)][1:] == [b""]


def test_too_large_a_message_is_passed_over(box: Path) -> None:
    large = SEPARATOR + b"Subject: x\n\n" + b"y" * 600_000 + b"\n\n"
    messages = split(box, ONE + large + TWO, limit=1_000)
    assert bodies(messages) == [b"first\n\n", None, b"second\n"]
    assert [one.byte for one in messages] == [0, len(ONE), len(ONE) + len(large)]


def test_messages_before_damage_come_out(box: Path) -> None:
    box.write_bytes(gzip.compress(ONE * 50_000 + TWO)[:-10])
    seen: list[int] = []
    with open_source(box, Meter([box], silent)) as source, pytest.raises(Unreadable, match="too early"):
        seen.extend(message.number for message in split_mbox(source, 10_000))
    assert 49_000 < len(seen) <= 50_000


@settings(max_examples=60)
@given(
    st.lists(
        st.lists(
            st.sampled_from([b"text", b"From me", b">From you", b">>From", b"", b"a: b", SEPARATOR.strip()])
            | st.binary(max_size=20).map(lambda data: data.replace(b"\r", b"").replace(b"\n", b"")),
            max_size=8,
        ),
        min_size=1,
        max_size=5,
    ),
    st.integers(1, 40),
)
def test_what_mboxrd_wrote_comes_back(
    tmp_path_factory: pytest.TempPathFactory, written: list[list[bytes]], chunk: int
) -> None:
    """Written as mboxrd says, read back whole, however the bytes come in."""

    def escaped(line: bytes) -> bytes:
        return b">" + line if line.lstrip(b">").startswith(b"From ") else line

    texts = [b"".join(line + b"\n" for line in lines) for lines in written]
    data = b"".join(
        SEPARATOR + b"Subject: s\n\n" + b"".join(escaped(line) + b"\n" for line in lines) + b"\n"
        for lines in written
    )
    path = tmp_path_factory.mktemp("boxes") / "box"
    path.write_bytes(data)
    with open_source(path, Meter([path], silent)) as source, pytest.MonkeyPatch.context() as patch:
        patch.setattr("troth.intake.sources._CHUNK", chunk)
        assert bodies(list(split_mbox(source, 10_000))) == [text + b"\n" for text in texts]
