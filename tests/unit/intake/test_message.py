import base64
import quopri
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.intake.conftest import NOW
from troth.core.values import parse_instant
from troth.intake.message import Unfit, _any, _plain, read_message
from troth.intake.rows import LeftOut, Row, Where


def read(message: str | bytes, category: str = "private_message") -> Row:
    data = message.encode() if isinstance(message, str) else message
    found = read_message(data, Where("box", message=1), category, NOW)
    assert isinstance(found, Row)
    return found


HEAD = "From: ann@example.org\nTo: bob@example.org\nMessage-ID: <m1@example.org>\n"


class TestParties:
    def test_author_and_addressees(self) -> None:
        row = read(
            "From: Ann <Ann@Example.org>\nTo: Bob <bob@x.org>, carl@x.org\nTo: dan@x.org\n"
            "Cc: bob@x.org, eve@x.org\nBcc: fay@x.org\n\nhello"
        )
        assert row.author == "ann@example.org"
        assert row.addressees == ("bob@x.org", "carl@x.org", "dan@x.org", "eve@x.org", "fay@x.org")

    @pytest.mark.parametrize("line", ["", "From:\n", "From: <>\n", "From: ;\n", "From: (nobody)\n"])
    def test_nobody_is_the_author_of_mail_without_a_sender(self, line: str) -> None:
        row = read(line + "To: bob@x.org\n\nhello")
        assert row.author is None
        assert "author not named" in row.notes

    def test_the_second_of_two_from_headers_counts_where_the_first_is_empty(self) -> None:
        assert read("From: \nFrom: ann@x.org\n\nhello").author == "ann@x.org"

    def test_further_authors_are_parties(self) -> None:
        row = read("From: ann@x.org, bob@x.org\nTo: carl@x.org\n\nhello")
        assert (row.author, row.addressees) == ("ann@x.org", ("carl@x.org", "bob@x.org"))

    def test_somebody_got_a_private_message_that_names_nobody(self) -> None:
        assert read("From: ann@x.org\n\nhello").addressees == ("",)
        assert read("From: ann@x.org\nTo: undisclosed-recipients:;\n\nhello").addressees == ("",)
        assert read("From: ann@x.org\n\nhello", "private_message.inmail").addressees == ("",)

    def test_a_post_needs_no_addressee(self) -> None:
        assert read("From: ann@x.org\n\nhello", "post").addressees == ()

    def test_folded_and_encoded_headers(self) -> None:
        row = read(b"From: =?iso-8859-1?q?J=FCrgen?=\n <j@x.de>\nTo: Ren\xe9\n\t<r@x.fr>\n\nhello")
        assert (row.author, row.addressees) == ("j@x.de", ("r@x.fr",))


class TestDates:
    @pytest.mark.parametrize(
        ("text", "instant"),
        [
            ("Sat, 24 Feb 1996 02:21:36 -0800", "1996-02-24T10:21:36Z"),
            ("24 Feb 1996 02:21:36", "1996-02-24T02:21:36Z"),
            ("Sat, 24 Feb 96 02:21 GMT", "1996-02-24T02:21:00Z"),
            ("Thu, 29 Feb 2024 23:59:59 +0530 (IST)", "2024-02-29T18:29:59Z"),
            ("Mon Jun  1 23:00:00 2026", "2026-06-01T23:00:00Z"),
        ],
    )
    def test_dates(self, text: str, instant: str) -> None:
        row = read(f"{HEAD}Date: {text}\n\nhello")
        assert (row.created_at, row.notes) == (parse_instant(instant), ())

    @pytest.mark.parametrize(
        ("line", "note"),
        [
            ("", "date missing"),
            ("Date: \n", "date missing"),
            ("Date: yesterday\n", "date not readable"),
            ("Date: Tue, 31 Feb 2020 10:00:00 +0000\n", "date not readable"),
            ("Date: Tue, 3 Feb 2020 99:00:00 +0000\n", "date not readable"),
            ("Date: Tue, 3 Feb 2020 10:00:00 +9999\n", "date not readable"),
            ("Date: Tue, 3 Feb 99999999999999999999 10:00:00 +0000\n", "date not readable"),
            (f"Date: {'1' * 1_000_000}\n", "date not readable"),
            ("Date: Fri, 12 Apr 102 10:00:00 +0000\n", "date before 1970 or in the future"),
            ("Date: Fri, 12 Apr 1656 10:00:00 +0000\n", "date before 1970 or in the future"),
            ("Date: Wed, 31 Dec 1969 23:59:59 +0000\n", "date before 1970 or in the future"),
            ("Date: Tue, 2 Jun 2026 00:00:01 +0000\n", "date before 1970 or in the future"),
            ("Date: Tue, 2 Jun 2036 00:00:01 +0000\n", "date before 1970 or in the future"),
        ],
    )
    def test_a_date_that_cannot_be_is_unknown(self, line: str, note: str) -> None:
        row = read(f"{HEAD}{line}\nhello")
        assert (row.created_at, row.notes) == (None, (note,))


class TestIdentity:
    def test_the_message_id(self) -> None:
        row = read(HEAD + "\nhello")
        assert row.id == "mail:m1@example.org"
        assert row.other_id is not None
        assert row.other_id.startswith("mail-sha256:")

    @pytest.mark.parametrize(
        ("line", "id_"),
        [
            ("Message-Id:  <A b@x> \n", "mail:A b@x"),
            ("Message-Id: a@x\n", "mail:a@x"),
            ("MESSAGE-ID: (comment) <a@x> more\n", "mail:a@x"),
            ("Message-Id:\nMessage-Id: <a@x>\n", "mail:a@x"),
        ],
    )
    def test_odd_message_ids(self, line: str, id_: str) -> None:
        assert read(f"From: ann@x.org\n{line}\nhello").id == id_

    @pytest.mark.parametrize(
        "line", ["", "Message-ID:\n", "Message-ID: <>\n", f"Message-ID: <{'x' * 2000}>\n"]
    )
    def test_without_one_the_content_is_the_identity(self, line: str) -> None:
        def made(**changed: str) -> str:
            parts = {
                "from": "ann@x.org",
                "to": "bob@x.org",
                "date": "1 Jan 2020 10:00",
                "subject": "s",
                "body": "b",
            }
            parts |= changed
            return read(
                f"From: {parts['from']}\nTo: {parts['to']}\nDate: {parts['date']}\n"
                f"Subject: {parts['subject']}\n{line}\n{parts['body']}\n"
            ).id

        assert made() == made()
        assert made().startswith("mail-sha256:")
        others = {made(**{name: "other@x.org"}) for name in ("from", "to", "date", "subject", "body")}
        assert len(others | {made()}) == 6

    def test_conversations(self) -> None:
        own = read(HEAD + "\nhello")
        assert own.conversation == own.id
        parent = read(HEAD + "In-Reply-To: Your message of Monday <p@x>\n\nhello")
        assert parent.conversation == "mail:p@x"
        root = read(HEAD + "In-Reply-To: <p@x>\nReferences: <r@x>\n <q@x> <p@x>\n\nhello")
        assert root.conversation == "mail:r@x"
        nameless = read("From: ann@x.org\n\nhello")
        assert nameless.conversation == nameless.id


class TestTitles:
    @pytest.mark.parametrize(
        ("line", "title"),
        [
            ("", None),
            ("Subject:\n", None),
            ("Subject: plain\n", "plain"),
            ("Subject: one\n two\n", "one two"),
            ("Subject: =?utf-8?b?w6k=?= =?utf-8?q?_x?=\n", "\u00e9 x"),
            ("Subject: a\x00b\x07c\x1b[31m\n", "a\ufffdb c [31m"),
        ],
    )
    def test_titles(self, line: str, title: str | None) -> None:
        assert read(HEAD + line + "\nhello").title == title

    def test_a_header_of_a_megabyte(self) -> None:
        row = read(HEAD + f"Subject: {'=?' * 500_000}\nX-Long: {'y' * 1_000_000}\n\nhello")
        assert row.title is not None
        assert len(row.title) == 1_000_000
        assert row.body == "hello"


def multipart(kind: str, *parts: str, boundary: str = "frontier") -> str:
    inner = "".join(f"--{boundary}\n{part}\n" for part in parts)
    return f"Content-Type: multipart/{kind}; boundary={boundary}\n\n{inner}--{boundary}--\n"


def nested(depth: int) -> str:
    return "".join(f"Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n" for n in range(depth))


PLAIN = "Content-Type: text/plain\n\nplain words"
HTML = "Content-Type: text/html\n\n<p>html</p><p>words</p><script>no()</script>"


class TestBodies:
    def test_plain(self) -> None:
        assert read(HEAD + "\n\nhello\n > quoted\n-- \nann\n\n").body == "\nhello\n > quoted\n-- \nann"

    def test_html_alone_becomes_text(self) -> None:
        assert read(HEAD + HTML).body == "html\n\nwords"

    @pytest.mark.parametrize("parts", [(PLAIN, HTML), (HTML, PLAIN)])
    def test_of_alternatives_the_plain_one(self, parts: tuple[str, str]) -> None:
        assert read(HEAD + multipart("alternative", *parts)).body == "plain words"

    def test_of_alternatives_html_where_the_plain_one_is_empty(self) -> None:
        assert (
            read(HEAD + multipart("alternative", "Content-Type: text/plain\n\n \n", HTML)).body
            == "html\n\nwords"
        )

    def test_attachments_and_forwarded_messages_are_left_aside(self) -> None:
        body = multipart(
            "mixed",
            PLAIN,
            "Content-Type: text/plain\nContent-Disposition: attachment; filename=a.txt\n\nattached",
            "Content-Type: image/png\nContent-Transfer-Encoding: base64\n\niVBORw0KGgo=",
            "Content-Type: message/rfc822\n\nFrom: eve@x.org\n\nsomebody else's words",
            "Content-Type: text/calendar\n\nBEGIN:VCALENDAR",
            "Content-Type: text/x-patch\nContent-Disposition: inline; filename=a.patch\n\n+ line",
            "Content-Type: text/plain\n\nfooter",
        )
        assert read(HEAD + body).body == "plain words\nfooter"

    @pytest.mark.parametrize(
        ("kind", "text", "body"),
        [
            ("text/enriched", "<bold>words</bold> 1 << 2", "words 1 < 2"),
            ("text/markdown", "*words*", "*words*"),
            ("text", "words", "words"),
            ("text/x-vcard", "BEGIN:VCARD", None),
        ],
    )
    def test_other_kinds_of_text(self, kind: str, text: str, body: str | None) -> None:
        assert read(f"{HEAD}Content-Type: {kind}\n\n{text}").body == body

    def test_mail_without_text_has_no_body(self) -> None:
        row = read(HEAD + "Content-Type: image/png\nContent-Transfer-Encoding: base64\n\niVBORw0KGgo=\n")
        assert row.body is None

    def test_transfer_encodings(self) -> None:
        text = "Gr\u00fc\u00dfe = \u20ac"
        for encoding, data in (
            ("base64", base64.encodebytes(text.encode())),
            ("quoted-printable", quopri.encodestring(text.encode())),
            ("8bit", text.encode()),
            ("no-such", text.encode()),
        ):
            head = f"{HEAD}Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: {encoding}\n\n"
            assert read(head.encode() + data).body == text

    @pytest.mark.parametrize(
        "charset", ["utf-8", "x-unknown", "us-ascii", '"', "=?utf-8?q?x?=", "utf-16", "zlib"]
    )
    def test_whatever_charset_is_declared_there_is_a_body(self, charset: str) -> None:
        data = f"{HEAD}Content-Type: text/plain; charset={charset}\n\nl\u00e4ngst".encode()
        assert read(data).body

    def test_a_page_may_declare_its_own_charset(self) -> None:
        page = "<meta charset='iso-8859-2'><p>\u017elu\u0165ou\u010dk\u00fd</p>".encode("iso-8859-2")
        assert (
            read(HEAD.encode() + b"Content-Type: text/html\n\n" + page).body
            == "\u017elu\u0165ou\u010dk\u00fd"
        )

    def test_nul_and_control_characters(self) -> None:
        assert read(HEAD.encode() + b"\na\x00b\x01\x1b[31mc\x7f").body == "a\ufffdb\x01\x1b[31mc\x7f"

    @pytest.mark.parametrize(
        "head",
        [
            "Content-Type: multipart/mixed\n",
            "Content-Type: multipart/mixed; boundary=\n",
            "Content-Type: multipart/mixed; boundary=absent\n",
            "Content-Type: ;;;===\n",
            "Content-Type: text/plain; charset*=x'y'%zz\n",
            "Content-Type\n",
        ],
    )
    def test_broken_content_types_lose_no_text(self, head: str) -> None:
        assert "words" in (read(HEAD + head + "\nwords\n").body or "")

    def test_broken_base64_is_no_reason_to_lose_the_message(self) -> None:
        assert read(HEAD + "Content-Transfer-Encoding: base64\n\n%%%!!!\n").id == "mail:m1@example.org"


class TestHostile:
    @pytest.mark.parametrize("data", [b"", b"\n\n", b" \r\n"])
    def test_nothing_is_no_message(self, data: bytes) -> None:
        with pytest.raises(Unfit, match="is empty"):
            read(data)

    @pytest.mark.parametrize("depth", [2_000, 5_000])
    def test_nested_parts(self, depth: int) -> None:
        with pytest.raises(Unfit, match=r"nested too deeply|too many parts"):
            read(HEAD + nested(depth) + PLAIN)

    def test_nesting_that_people_may_come_to(self) -> None:
        assert read(HEAD + nested(50) + PLAIN).body == "plain words"

    def test_a_bomb_of_nested_parts_with_many_lines_is_refused_unread(self) -> None:
        with pytest.raises(Unfit, match="too many parts"):
            read(HEAD + nested(150) + "x\n" * 500_000)

    def test_a_hundred_thousand_parts(self) -> None:
        assert read(HEAD + multipart("mixed", *["\nx"] * 100_000)).body

    def test_a_hundred_thousand_headers(self) -> None:
        assert read(HEAD + "X: y\n" * 100_000 + "\nhello").body == "hello"

    @given(st.binary(max_size=300))
    def test_any_bytes_are_a_record_or_unfit(self, data: bytes) -> None:
        try:
            row = read(data)
        except Unfit:
            return
        assert row.id.startswith("mail")
        for text in (row.id, row.author or "", row.title or "", row.body or "", *row.addressees):
            text.encode()
            assert "\0" not in text

    @given(
        st.text(max_size=40),
        st.text(max_size=200),
        st.sampled_from(["utf-8", "iso-8859-15"]),
    )
    def test_what_a_sound_program_wrote_comes_back(self, subject: str, body: str, charset: str) -> None:
        message = EmailMessage()
        message["From"] = "ann@x.org"
        message["Subject"] = "".join(sign for sign in subject if sign.isprintable())
        try:
            message.set_content(body, charset=charset)
        except (UnicodeError, LookupError):
            return
        row = read(message.as_bytes())
        lines = body.replace("\0", "\ufffd").replace("\r\n", "\n").replace("\r", "\n")
        assert (row.body or "").rstrip() == lines.rstrip()


class TestGmail:
    @pytest.mark.parametrize(
        ("labels", "reason"),
        [
            ("Inbox,Opened", None),
            ("Archived,Spam report", None),
            ("Spam,Unread", "spam"),
            ("Opened,Trash", "trash"),
            ("Drafts,Opened", "draft"),
            ("=?UTF-8?Q?Posteingang,Entw=C3=BCrfe?=", "draft"),
            ("Inbox,\n Papierkorb", "trash"),
            ('"a, trash",Inbox', None),
            ('Inbox,"open', None),
        ],
    )
    def test_labels_leave_out_what_was_never_sent_or_thrown_away(
        self, labels: str, reason: str | None
    ) -> None:
        data = f"X-GM-THRID: 1784\nX-Gmail-Labels: {labels}\n{HEAD}\nhello".encode()
        found = read_message(data, Where("box", message=1), "private_message", NOW)
        if reason is None:
            assert isinstance(found, Row)
            assert found.conversation == "gmail:1784"
        else:
            assert found == LeftOut(Where("box", message=1), reason)


_NAMES = st.sampled_from(
    "From|to|CC|Subject|Message-ID|Date|References|X-Other|Content-Type|Content-Transfer-Encoding||Bad Name|\xe4"
    "|X-GM-THRID|Content-Disposition".split("|")
)
_VALUES = st.one_of(
    st.sampled_from(
        "Ann <a@x.org>|=?utf-8?q?J=C3=BCrgen?= <j@x.de>|<m@x>|| |text/plain; charset=latin-1|text/html"
        "|text/calendar|quoted-printable|base64|8BIT|multipart/mixed; boundary=b|attachment"
        "|Mon, 14 May 2001 12:00:00 +0000|31 Feb 2001 12:00:00 +0000|Mon, 1 May 2001 09:00:00 -0730 (XY)"
        "|1 May 2001 24:00:00 +0000|1 May 2001 10:00:60 +0000|1 May 0000 10:00:00 +0000".split("|")
    ),
    st.text(st.characters(codec="latin-1", exclude_characters="\n"), max_size=20),
)
_LINES = st.tuples(
    _NAMES, st.sampled_from([":", ": ", "", " : "]), _VALUES, st.sampled_from(["", "\n more", "\n\t"])
)


@given(st.lists(_LINES, max_size=8), st.binary(max_size=60), st.sampled_from([b"\n\n", b"\n", b""]))
def test_the_quick_reading_agrees_with_the_email_package(
    lines: list[tuple[str, str, str, str]], body: bytes, blank: bytes
) -> None:
    head = "\n".join("".join(parts) for parts in lines).encode("latin-1")
    data = head + blank + body
    quick = _plain(data)
    if quick is not None:
        where = Where("box", message=1)
        whole = _any(data).row(where, "private_message", NOW)
        assert quick.row(where, "private_message", NOW) == whole
