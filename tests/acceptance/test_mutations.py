"""One-token mutations of the reference are noticed; see ``tests.acceptance.mutations``, which tells more."""

from __future__ import annotations

from tests.acceptance.equivalent import EQUIVALENT
from tests.acceptance.mutations import survivors


def test_every_mutant_of_the_reference_is_noticed_but_those_that_change_nothing() -> None:
    every, left = survivors()
    assert len(every) > 600
    assert [one.name for one in left if one.name not in EQUIVALENT] == []
    # An argument that no mutant needs any more is to be taken out.
    assert set(EQUIVALENT) == {one.name for one in left}
