"""Reading untrusted values: every error has its place, what was expected, and how to mend it."""

from __future__ import annotations

from typing import Any

import pytest

from troth.core.errors import BadInput, Conflict, Corrupt, Place, Refused, TrothError, Unavailable
from troth.core.shape import Shape

LINES = {(): 1, ("events",): 2, ("events", 0): 3, ("events", 0, "at"): 4, ("wrong",): 9}


def shape(value: object) -> Shape:
    return Shape(value, "file.yaml", LINES)


def test_an_error_stands_at_the_line_of_its_value_or_of_what_holds_it() -> None:
    document = shape({"events": [{"at": "never", "other": 3}], "wrong": 1})
    (event,) = document.need_list("events")
    with pytest.raises(BadInput) as at:
        event.need("at").as_instant()
    assert at.value.place == Place("file.yaml", 4)
    assert str(at.value).startswith("file.yaml:4: events.0.at: expected an instant")
    with pytest.raises(BadInput) as other:
        event.need("other").as_flag()
    assert other.value.place == Place("file.yaml", 3)
    with pytest.raises(BadInput) as unknown:
        document.close()
    assert unknown.value.place == Place("file.yaml", 9)
    assert str(Place("ledger")) == "ledger"


def test_an_unknown_key_is_answered_with_the_nearest_and_all_that_are_known() -> None:
    document = shape({"versoin": "1"})
    assert document.get("version") is None
    assert document.get("kind") is None
    with pytest.raises(BadInput, match="versoin: unknown key; expected kind, version") as caught:
        document.close()
    assert caught.value.remedy == "did you mean 'version'?"
    with pytest.raises(BadInput) as far:
        shape({"zzz": 1}).close()
    assert far.value.remedy == "take the key out"


def test_a_key_that_is_missing_or_null_is_named_with_how_to_add_it() -> None:
    for value in ({}, {"at": None}):
        with pytest.raises(BadInput, match="'at' is missing") as caught:
            shape(value).need("at")
        assert caught.value.remedy == "add `at: …`"
    assert shape({"at": None}).has("at")
    assert not shape({}).has("at")


@pytest.mark.parametrize(
    ("read", "good", "bad"),
    [
        ("as_text", [("a", "a"), (7, "7"), ("0", "0")], ["", None, True, 1.5, [], {}]),
        ("as_any_text", [("", ""), ("a", "a")], [None, 7, True, []]),
        ("as_flag", [(True, True), (False, False)], ["on", "true", 1, None]),
        ("as_count", [(0, 0), (2**53 - 1, 2**53 - 1)], [-1, 2**53, True, "1", 1.0, None]),
        ("as_instant", [("1970-01-02", 86_400_000_000)], ["1970-02-30", "", None, 0.5]),
    ],
)
def test_scalars(read: str, good: list[tuple[Any, Any]], bad: list[Any]) -> None:
    for value, wanted in good:
        got = getattr(shape(value), read)()
        assert got == wanted
        assert type(got) is type(wanted)
    for value in bad:
        with pytest.raises(BadInput) as caught:
            getattr(shape(value), read)()
        assert caught.value.place == Place("file.yaml", 1)


def test_one_of_some_words_suggests_the_nearest() -> None:
    assert shape("on").as_one_of(("on", "off")) == "on"
    for value in (True, None, 1, ["on"]):
        with pytest.raises(BadInput, match="expected one of on, off; got"):
            shape(value).as_one_of(("on", "off"))
    with pytest.raises(BadInput) as caught:
        shape("opt-out").as_one_of(("opt_out", "opt_in"))
    assert caught.value.remedy == "did you mean opt_out?"


def test_containers() -> None:
    assert shape(["a", "b"]).texts() == ("a", "b")
    for value in ("ab", {"a": 1}, None, 7):
        with pytest.raises(BadInput, match="expected a list"):
            list(shape(value).items())
    wrong: tuple[object, ...] = ("ab", ["a"], {1: 2}, {"a": 1, None: 2})
    for one in wrong:
        with pytest.raises(BadInput, match="expected a mapping of names to values"):
            shape(one).keys()
    with pytest.raises(BadInput) as caught:
        shape({"events": ["a", "", "c"]}).need("events").texts()
    assert "events.1: expected text" in str(caught.value)


def test_what_was_got_is_told_in_words_and_long_text_is_cut() -> None:
    said: dict[str, object] = {
        "nothing": None,
        "true": True,
        "the number 1.5": 1.5,
        "a mapping": {},
        "a list": [],
        "bytes": b"x",
        repr("x" * 60): "x" * 60,
        repr("x" * 59 + "…"): "x" * 200,
    }
    for words, value in said.items():
        with pytest.raises(BadInput) as caught:
            shape(value).as_count()
        assert caught.value.message.endswith(f"got {words}")


def test_an_error_of_a_check_keeps_the_place_that_it_has() -> None:
    def elsewhere(_: str) -> str:
        raise BadInput("wrong", place=Place("other"), remedy="mend")

    with pytest.raises(BadInput) as caught:
        shape("x").checked(elsewhere)
    assert str(caught.value) == "other: wrong\n  remedy: mend"


def test_errors_end_with_the_status_of_the_interface() -> None:
    status = {Refused: 1, BadInput: 2, Corrupt: 3, Conflict: 3, Unavailable: 3, TrothError: 3}
    assert {kind: kind.exit_status for kind in status} == status
    assert all(issubclass(kind, TrothError) for kind in status)
    assert str(Refused("no")) == "no"
