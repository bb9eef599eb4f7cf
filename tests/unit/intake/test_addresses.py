import pytest
from hypothesis import given
from hypothesis import strategies as st

from troth.intake.addresses import parse_entry, parse_list, split_list


@pytest.mark.parametrize(
    ("text", "parties"),
    [
        ("Bob <Bob@Example.ORG>", ["bob@example.org"]),
        ("bob@example.org (Bob B)", ["bob@example.org"]),
        ('a@b.c, "Doe, Jane" <j@d.e>; c@d', ["a@b.c", "j@d.e", "c@d"]),
        ('"Bob \\"B\\" X" <b@x>', ["b@x"]),
        ("a@b.c, A@B.C, <a@b.c>", ["a@b.c"]),
        ("a@b.c d@e.f", ["a@b.c", "d@e.f"]),
        ("friends: a@b.c, d@e.f;", ["a@b.c", "d@e.f"]),
        ("mailto:a@b.c", ["a@b.c"]),
        ("<@relay,@other:c@d.e>", ["c@d.e"]),
        ('"john doe"@x.com', ['"john doe"@x.com']),
        ("x@[10.0.0.1]", ["x@[10.0.0.1]"]),
        ("o'brien@x.com, 'pat@x.com'", ["o'brien@x.com", "pat@x.com"]),
        ("", []),
        (" \t ", []),
    ],
)
def test_addresses(text: str, parties: list[str]) -> None:
    assert list(parse_list(text)) == parties


@pytest.mark.parametrize(
    ("text", "parties"),
    [
        ("Crew Room <Crew  Room>", ["crew room"]),
        ("Ann A Smith <Ann A Smith/Dept/Org@Org>", ["ann a smith/dept/org@org"]),
        ("List </O=ORG/OU=X/CN=RECIPIENTS/CN=L>", ["/o=org/ou=x/cn=recipients/cn=l"]),
        ("Ann A Smith/Dept/Org@Org@OTHER", ["ann a smith/dept/org@org"]),
        ("' Doe (EM) @ORG'", ["doe (em) @org"]),
        ("root", ["root"]),
        ("JOS\u00c9 \x07 smith", ["jos\u00e9 smith"]),
        ("=?utf-8?q?J=C3=BCrgen?=", ["j\u00fcrgen"]),
    ],
)
def test_a_display_name_alone_is_the_party(text: str, parties: list[str]) -> None:
    assert list(parse_list(text)) == parties


@pytest.mark.parametrize(
    ("text", "party"),
    [
        ("a.b@mail.org@CORP", "a.b@mail.org"),
        ("'a.b@mail.org@CORP'", "a.b@mail.org"),
        ("Ann B a.b@mail.org@CORP", "a.b@mail.org"),
        ("a.b@mail.org @ CORP", "a.b@mail.org"),
        ("Ann <a.b@mail.org>@CORP", "a.b@mail.org"),
        ("A1B2@CORP_DEV", "a1b2@corp_dev"),
        ("Pat <pat@mail.org (Pat P)>", "pat@mail.org"),
        ("=?utf-8?q?J=C3=BCrgen_=3Cj=40x=2Ede=3E?=", "j@x.de"),
        ("=?utf-8?q?a=2C_b?= <j@x.de>", "j@x.de"),
        ("Pat <'pat@mail.org>", "pat@mail.org"),
        ("pat (pat@mail.org)", "pat (pat@mail.org)"),
    ],
)
def test_forms_that_programs_invented(text: str, party: str) -> None:
    assert list(parse_list(text)) == [party]


def test_people_with_one_last_name_are_not_made_one() -> None:
    assert parse_entry("Ann Smith/Org@Org") != parse_entry("Bob Smith/Org@Org")


@pytest.mark.parametrize(
    "text", ["<>", "undisclosed-recipients:;", "(no to-header on input)", '""', ";", ",,"]
)
def test_somebody_who_is_not_named_is_unknown(text: str) -> None:
    assert parse_list(text) == ("",)


def test_unnamed_and_named_together() -> None:
    assert parse_list("undisclosed-recipients:;, a@b.c") == ("", "a@b.c")


def test_a_name_cannot_pose_as_the_address() -> None:
    assert parse_list('"boss@corp.org" <ann@x.org>') == ("ann@x.org",)


def test_an_open_quote_swallows_nobody() -> None:
    assert parse_list('"open <a@b.c>, d@e.f') == ("a@b.c", "d@e.f")


def test_an_open_bracket_swallows_nobody() -> None:
    assert set(parse_list("open <a@b.c, d@e.f")) == {"a@b.c", "d@e.f"}


def test_a_list_of_thousands_is_read_in_time() -> None:
    text = ", ".join(f"user{number}@example.org" for number in range(20_000))
    assert len(parse_list(text)) == 20_000


@pytest.mark.parametrize("sign", ["a", "<", '"', "(", "@", ",", "=?", "=?u?q?", "\\", "a@", "<a@b.c>", "x:"])
def test_a_megabyte_of_anything_is_read_in_time(sign: str) -> None:
    parse_list(sign * (1_000_000 // len(sign)))


def test_nobody_has_a_name_of_a_megabyte() -> None:
    assert parse_list("a" * 1_000_000) == ("",)


@given(st.text(max_size=60))
def test_any_text_names_at_least_one_party_unless_it_is_blank(text: str) -> None:
    parties = parse_list(text)
    assert bool(parties) == bool(text.strip())
    assert len(set(parties)) == len(parties)
    assert all(party == party.lower() or party.lower() != party for party in parties)
    assert not any(sign in party for party in parties for sign in "\0\n\r")


@given(st.lists(st.from_regex(r"[a-z]{1,8}@[a-z]{1,8}\.[a-z]{2}", fullmatch=True), min_size=1, unique=True))
def test_what_is_joined_is_split_again(addresses: list[str]) -> None:
    assert list(parse_list(", ".join(f'"Doe, J" <{one}>' for one in addresses))) == addresses
    assert len(split_list("; ".join(addresses))) == len(addresses)
