"""Instants, days, covering, uses and canonical bytes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.core.strategies import FIRST, LAST, days, instants
from troth.core.errors import BadInput
from troth.core.values import (
    FIRST_INSTANT,
    LAST_INSTANT,
    MICROSECONDS_PER_DAY,
    Record,
    Use,
    any_covers,
    any_covers_any,
    check_category,
    check_instant,
    check_purpose,
    check_recipient,
    covers,
    day_of,
    format_day,
    format_instant,
    parse_day,
    parse_instant,
    start_of_day,
    to_microseconds,
    topic_category,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@given(instants)
def test_an_instant_survives_being_written(instant: int) -> None:
    assert parse_instant(format_instant(instant)) == instant


@given(
    st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29)),  # noqa: DTZ001 - the zone is drawn beside it
    st.integers(-23 * 60 - 59, 23 * 60 + 59),
)
def test_a_zone_is_taken_off(local: datetime, minutes: int) -> None:
    zoned = local.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    wanted = (zoned - EPOCH) // timedelta(microseconds=1)
    sign, size = ("-", -minutes) if minutes < 0 else ("+", minutes)
    fraction = f".{local.microsecond:06}"
    clock = f"{local:%H:%M:%S}{fraction}"
    day = f"{local.year:04}-{local:%m-%d}"
    for zone in (f"{sign}{size // 60:02}:{size % 60:02}", f"{sign}{size // 60:02}{size % 60:02}"):
        assert parse_instant(f"{day}T{clock}{zone}") == wanted == to_microseconds(zoned)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("1970-01-01", "1970-01-01T00:00:00Z"),
        ("2024-09-18T09:30", "2024-09-18T09:30:00Z"),
        ("2024-09-18 09:30:00", "2024-09-18T09:30:00Z"),
        ("2024-09-18t09:30:00z", "2024-09-18T09:30:00Z"),
        ("2024-09-18T09:30:00 Z", "2024-09-18T09:30:00Z"),
        ("2024-09-18T09:30:00.5", "2024-09-18T09:30:00.500000Z"),
        ("2024-09-18T09:30:00+02", "2024-09-18T07:30:00Z"),
        ("2024-09-18T00:30:00+05:45", "2024-09-17T18:45:00Z"),
        ("2024-12-31T23:30:00-0100", "2025-01-01T00:30:00Z"),
        (" 2024-02-29 ", "2024-02-29T00:00:00Z"),
    ],
)
def test_spellings_of_one_instant(text: str, same: str) -> None:
    assert format_instant(parse_instant(text)) == same


def test_the_first_and_the_last_instant_and_none_beyond() -> None:
    assert parse_instant("0001-01-01") == FIRST == FIRST_INSTANT
    assert parse_instant("9999-12-31T23:59:59.999999Z") == LAST == LAST_INSTANT
    assert format_instant(FIRST) == "0001-01-01T00:00:00Z"
    for text in ("0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01", "0000-12-31"):
        with pytest.raises(BadInput, match="not an instant of the calendar"):
            parse_instant(text)
    assert [check_instant(one) for one in (FIRST, 0, LAST)] == [FIRST, 0, LAST]
    for instant in (FIRST - 1, LAST + 1, 1_700_000_000_000_000_000):
        with pytest.raises(
            BadInput, match=f"^T is {instant}, which lies outside the years 1 to 9999"
        ) as caught:
            check_instant(instant, "T")
        assert caught.value.remedy == "give microseconds since 1970-01-01T00:00:00Z"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2024",
        "2024-9-18",
        "2024-09-18T",
        "2024-09-18T09",
        "2024-09-18T09:30:00.1234567Z",
        "2024-09-18T09:30:00,5Z",
        "2024-09-18Z",
        "18.09.2024",
        "2024-09-18T09:30:00+2",
        "2024-09-18T09:30:00 UTC",
        "20240918",
        "\u0662\u0660\u0662\u0664-\u0660\u0669-\u0661\u0668T",
    ],
)
def test_what_is_no_instant_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(BadInput, match="expected an instant such as 2024-09-18"):
        parse_instant(text)


@pytest.mark.parametrize(
    "text",
    [
        "2023-02-29",
        "1900-02-29",
        "2024-02-30",
        "2024-04-31",
        "2024-13-01",
        "2024-00-01",
        "2024-01-00",
        "2024-01-01T24:00:00Z",
        "2024-01-01T23:60:00Z",
        "2024-01-01T23:59:60Z",
        "2024-01-01T00:00:00+24:00",
        "2024-01-01T00:00:00+01:60",
    ],
)
def test_an_instant_that_the_calendar_does_not_have_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="not an instant of the calendar"):
        parse_instant(text)


@given(days)
def test_a_day_survives_being_written_and_begins_at_its_midnight(day: tuple[int, int, int]) -> None:
    assert parse_day(format_day(day)) == day
    start = start_of_day(day)
    assert day_of(start) == day
    assert day_of(start + MICROSECONDS_PER_DAY - 1) == day
    if day != (1, 1, 1):
        assert day_of(start - 1) < day


@pytest.mark.parametrize(
    "text", ["1980", "1980-02-30", "80-05-17", "1980-05-17T00:00", "1980-5-17", "0000-01-01"]
)
def test_what_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match=r"expected a date|not a day of the calendar"):
        parse_day(text)


@pytest.mark.parametrize(
    ("listed", "value", "held"),
    [
        ("train", "train", True),
        ("train", "train.generative", True),
        ("train", "train.generative.text", True),
        ("train.generative", "train", False),
        ("train", "training", False),
        ("train", "trainer.x", False),
        ("third_party", "third_party:acme", True),
        ("third_party:acme", "third_party", False),
        ("third_party:acme", "third_party:acme.labs", True),
        ("third_party:acme", "third_party:acmecorp", False),
        ("topic", "topic:compensation", True),
        ("private_message", "private_message.inmail", True),
        ("private_message.inmail", "private_message", False),
        ("any", "whatever", True),
        ("any", "topic:x", True),
        ("operator", "affiliate:x", False),
    ],
)
def test_a_listed_value_covers_itself_and_all_below_it(listed: str, value: str, held: bool) -> None:
    assert covers(listed, value) is held
    assert any_covers(("nothing", listed), value) is held
    assert any_covers_any((listed,), ("nothing-else", value)) is (held or listed == "any")


def test_an_empty_list_covers_nothing() -> None:
    assert not any_covers((), "any")
    assert not any_covers_any((), ("post",))
    assert not any_covers_any(("any",), ())


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (
            check_purpose,
            ["train", "train.generative", "any", "a-b_c.9"],
            ["", "train.", ".x", "a b", "train:x", "a..b"],
        ),
        (
            check_category,
            ["post", "topic:pay", "a.b:c.d", "any"],
            ["", "a:", ":b", "a:b:c", "a b", "a/b", "a\n"],
        ),
        (
            check_recipient,
            ["any", "operator", "affiliate", "affiliate:x", "third_party:a.b", "processor:p"],
            ["", "partner", "operator:x", "affiliate:", "any:x", "third_party:a:b", "Operator"],
        ),
    ],
)
def test_shapes_of_purposes_categories_and_recipients(check: object, good: list[str], bad: list[str]) -> None:
    assert callable(check)
    for text in good:
        assert check(text) == text
    for text in bad:
        with pytest.raises(BadInput, match=r"^expected "):
            check(text)


def test_a_use_is_concrete() -> None:
    for purpose, recipient in (("any", "operator"), ("train", "any")):
        with pytest.raises(BadInput, match="any is only for clauses"):
            Use(purpose, recipient)
    with pytest.raises(BadInput, match="expected a purpose"):
        Use("train generative", "operator")
    with pytest.raises(BadInput, match="expected operator"):
        Use("train", "somebody")


@pytest.mark.parametrize(
    ("purpose", "trains"), [("train", True), ("train.other", True), ("training", False), ("improve", False)]
)
def test_only_what_is_under_train_trains(purpose: str, trains: bool) -> None:
    assert Use(purpose, "operator").trains is trains


def test_topics_are_further_categories_however_they_are_spelled() -> None:
    record = Record("r", "post", 0, "ann", topics=("pay", "topic:health"))
    assert record.categories == ("post", "topic:pay", "topic:health")
    assert topic_category("topic:pay") == topic_category("pay") == "topic:pay"
