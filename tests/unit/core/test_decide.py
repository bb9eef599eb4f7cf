"""What a decision says beside its verdict: roles and the clauses that it rests on."""

from __future__ import annotations

import pytest

from tests.unit.core.citations import AGES, CITED, ROLES, ages, citations, roles
from troth.core.decide import Judge, comes_of_age, decide
from troth.core.standing import Known, Standing
from troth.core.values import Use


@pytest.mark.parametrize("name", CITED)
def test_the_clauses_that_a_judgement_rests_on_are_cited_each_once(name: str) -> None:
    assert citations(decide, Known)[name] == CITED[name]


def test_every_world_has_its_citations() -> None:
    assert citations(decide, Known).keys() == CITED.keys()


def test_an_author_who_is_an_addressee_too_is_the_author() -> None:
    assert roles(decide, Known) == ROLES


def test_the_day_on_which_somebody_comes_of_age() -> None:
    assert ages(comes_of_age) == AGES


def test_whoever_asks_for_a_time_that_is_not_known_has_made_a_mistake() -> None:
    judge = Judge(Standing(Known([]), [], 0), Use("improve", "operator"), ("post",), None)
    with pytest.raises(ValueError, match="t0 is not known"):
        _ = judge.t0
