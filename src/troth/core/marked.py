"""What a certificate says of the marks of members who left: whether its numbers go together.

A mark is one of many texts, drawn after they were fixed (see ``troth.core.canary``), so its p-value is uniform for
any model that never saw it. This stands beside bit-equality, never in its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from troth.core.significance import fisher

if TYPE_CHECKING:
    from troth.core.findings import Findings
    from troth.core.written import Json

_NEAR: Final = 0.01
"""p-values are rounded to six digits after the point, so that their combination comes out a little different."""


def check_marks(marks: Mapping[str, Json], findings: Findings) -> None:
    """Recompute what the p-values say together (Fisher's combination), and say it.

    A small one is a warning, never an error: an honest model has it at the stated level, and somebody may have quoted
    the mark.
    """
    listed, together, level = (
        marks.get("p_values"),
        _chance(marks.get("class_p_value")),
        _chance(marks.get("level")),
    )
    members = marks.get("members")
    values = [_chance(one) for one in listed] if isinstance(listed, list) else [None]
    found = [one for one in values if one is not None]
    if together is None or level is None or len(found) < len(values) or not isinstance(members, int):
        findings.error("expected counts, and chances above 0 and up to 1", "marks")
        return
    if found and (sorted(found) != found or len(found) != members):
        findings.error("the p-values are not sorted, or not as many as stated", "marks")
    elif found and abs(fisher(found) - together) > _NEAR * together:
        findings.error("the p-value of all is not what the single ones give", "marks")
    elif marks.get("uniform") is not (together > level):
        findings.error("the conclusion is not that of the numbers", "marks")
    said = f"the marks of {members} who left, p = {together}"
    if together > level:
        findings.info(f"{said}: as of models that never saw them")
    else:
        findings.warning(f"{said}: known better than by chance (or chance, once in {1 / level:.0f})", "marks")


def _chance(value: Json) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        return None
    return float(value)
